"""A queue that stands still: its workers are a list, and its time is a fake clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from customgroqchat._queue_threads import QueueThreads
from customgroqchat.queue_manager import QueueManager, RequestFuture, Wait
from customgroqchat.testing import FakeClock


class Ticket:
    """An admission that counts what became of it."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.released = 0
        self.used = 0

    def release(self) -> None:
        self.released += 1


class StoppedWorkers:
    """An executor whose workers work when they are told to, on the thread that tells them."""

    def __init__(self) -> None:
        self.tasks: deque[Callable[[], None]] = deque()
        self.stopped = False

    def submit(self, function: Callable[..., None], *args: Any) -> None:
        if self.stopped:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.tasks.append(partial(function, *args))

    def shutdown(self, wait: bool = True) -> None:
        self.stopped = True

    def work(self, count: int | None = None) -> None:
        """Do the oldest tasks: so many, or all that are there now."""
        for _ in range(len(self.tasks) if count is None else count):
            self.tasks.popleft()()


class StoppedThreads(QueueThreads):
    """No threads: the dispatcher is stepped by hand, and so is what workers do."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped_workers = StoppedWorkers()
        self.stopped_callers = StoppedWorkers()

    def start(self, *_: Any) -> None:
        self.workers = self.stopped_workers  # type: ignore[assignment]
        self.callers = self.stopped_callers  # type: ignore[assignment]


class FrozenManager(QueueManager):
    """A manager without a thread: ``step()`` is called by hand, and so is what workers do."""

    def _reset(self) -> None:
        super()._reset()
        self._threads = threads = StoppedThreads()
        self.workers = threads.stopped_workers
        self.callers = threads.stopped_callers


class Bench:
    """A frozen manager with a limiter and a service that do what the test says.

    Attributes:
        waits: What *admit* answers or raises, by work; a ticket where nothing is set.
        outcomes: What *run* does, by work: values are returned, errors raised, callables called
            with the work; of a list, one after the other. Where nothing is set, the work itself.
        asked: The works that *admit* was asked about, in order.
        started: The works that were run, in order.
        tickets: All admissions that were given.
    """

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.waits: dict[Any, Wait | BaseException | Callable[[], Wait | None]] = {}
        self.outcomes: dict[Any, Any] = {}
        self.asked: list[Any] = []
        self.started: list[Any] = []
        self.tickets: list[Ticket] = []
        self.manager = FrozenManager(self.admit, self.run, clock=self.clock, **settings)

    @property
    def workers(self) -> StoppedWorkers:
        return self.manager.workers

    def submit(
        self, work: Any, lane: Hashable = "lane", level: int = 2, **options: Any
    ) -> RequestFuture:
        # As if somebody else were dispatching: nothing may start before ``turn()``.
        with self.manager._stepping:
            return self.manager.submit(work, lane, level, **options)

    def admit(self, work: Any) -> Ticket | Wait:
        self.asked.append(work)
        answer = self.waits.get(work)
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer()
        if answer is not None:
            return answer
        self.tickets.append(Ticket(work))
        return self.tickets[-1]

    def run(self, work: Any, ticket: Ticket) -> Any:
        assert ticket.work == work
        ticket.used += 1
        self.started.append(work)
        outcome = self.outcomes.get(work, work)
        if isinstance(outcome, list):
            outcome = outcome.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome(work) if callable(outcome) else outcome

    def work(self, count: int | None = None) -> None:
        """Have workers do the oldest jobs that they were handed: so many, or all."""
        with self.manager._stepping:
            self.workers.work(count)

    def turn(self) -> float | None:
        """Dispatch what is due and do it, until nothing is left to do now."""
        next_s = self.manager.step()
        while self.workers.tasks:
            self.work()
            next_s = self.manager.step()
        self.manager.callers.work()
        return next_s

    def close(self, timeout_s: float = 0.0) -> bool:
        """Close the manager, and do what is left to do."""
        finished = self.manager.close(timeout_s)
        self.work()
        self.manager.callers.work()
        return finished


def give_ticket(work: Any) -> Ticket:
    """Admit everything."""
    return Ticket(work)


def echo(work: Any, ticket: Ticket) -> Any:
    """Answer with the work itself."""
    return work
