"""Jobs, the lanes they wait in, and the futures that tell how they end.

The life of a job::

    QUEUED ──admitted──▶ HANDED ──▶ RUNNING ──answer or error──▶ DONE
      │ ▲                              │
      │ └──due, old place── PARKED ◀───┘ Again
      │                       │
      └───────────────────────┴──▶ DONE when its time is up

    CANCELLED can follow on any but DONE; what runs then is interrupted.
"""

from __future__ import annotations

import bisect
import enum
import heapq
import queue
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from ._fairness import Ahead, FairQueue, Share, entry_of, is_live


class Admission(Protocol):
    """What *admit* returns when a job may go: it can be taken back if the job goes nowhere."""

    def release(self) -> None:
        """Undo the admission."""


class Wait(NamedTuple):
    """What *admit* returns when a job must wait.

    Attributes:
        wait_s: Seconds until asking again makes sense.
        dimension: What it waits for, such as ``"TPM"``.
        limit: The size of that limit.
        used: How much of it is in use.
        requested: How much the job needs.
        reason: A clause that says why, where it is no limit: "its circuit breaker is open".
        is_guess: Whether it may well be sooner: nobody is refused because of it.
    """

    wait_s: float
    dimension: str | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None
    reason: str | None = None
    is_guess: bool = False


class Again(NamedTuple):
    """What *run* returns when the job shall go back to its lane, at its old place.

    Attributes:
        delay_s: Seconds before which it shall not be tried.
    """

    delay_s: float = 0.0


class State(enum.Enum):
    """Where in its life a job is; the picture is at the head of this module."""

    QUEUED = "queued"
    PARKED = "parked"
    HANDED = "handed over"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


WAITING = (State.QUEUED, State.PARKED)


class RequestFuture(Future[Any]):
    """The outcome of one request: a ``concurrent.futures.Future``.

    It can be cancelled until it has ended: while the request is queued, and also while it is being
    sent, which ends at once.

    Attributes:
        request_id: This client's number for the request, for ``client.cancel()``.
        tag: The tag that the request was given, or None.
        cancelled_by: The error for who waited, if it was cancelled.
    """

    cancelled_by: BaseException | None = None

    # A future of the base class that runs can never be queued again, as a refused request must
    # be. So it stays pending to the end, and the job's state decides what can be cancelled.
    #
    # Callbacks are kept here and not in the base class, which would call them on the thread that
    # sets the outcome: that may be the dispatcher or a worker, and callbacks may block.

    def __init__(
        self,
        job: Job,
        cancel_job: Callable[[Job], bool],
        abandon_job: Callable[[Job], None] | None = None,
        drive: Callable[[RequestFuture, float | None], bool] | None = None,
    ) -> None:
        super().__init__()
        self.request_id = job.serial
        self.tag = job.share.tag
        self._job: Job | None = job
        self._cancel_job: Callable[[Job], bool] | None = cancel_job
        self._abandon_job = abandon_job
        self._drive = drive
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Future[Any]], object]] | None = []

    def cancel(self) -> bool:
        """Cancel the request unless it has ended; return whether it is cancelled now.

        From any thread; its callbacks are called on this one.
        """
        job, cancel_job = self._job, self._cancel_job
        if job is not None and cancel_job is not None and cancel_job(job):
            return True
        return self.cancelled()

    def abandon(self) -> None:
        """Cancel it as soon as may be, even from within the garbage collector; hardly blocks."""
        job, abandon_job = self._job, self._abandon_job
        if job is not None and abandon_job is not None:
            abandon_job(job)

    def result(self, timeout: float | None = None) -> Any:
        """Return the value or raise the error, waiting for it at most ``timeout`` seconds.

        Where the process has no threads, the waiting thread does the work.
        """
        return super().result(self._after_driving(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error, or None for a value; waits as :meth:`result` does."""
        return super().exception(self._after_driving(timeout))

    def _after_driving(self, timeout: float | None) -> float | None:
        """Do the work, if nobody else does; return how long to wait."""
        drive = self._drive
        return 0.0 if drive is not None and drive(self, timeout) else timeout

    def running(self) -> bool:
        """Return whether the request is being sent at this moment."""
        job = self._job
        return job is not None and job.state in (State.HANDED, State.RUNNING)

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Have ``fn`` called with this future when it ends; at once if it has ended.

        It may block, and may call the client again. What it raises is logged.
        """
        with self._lock:
            if self._callbacks is not None:
                self._callbacks.append(fn)
                return
        super().add_done_callback(fn)

    def end(self, value: object, error: BaseException | None) -> Callable[[], None] | None:
        """Give it its outcome, which wakes who waits; return a caller of the callbacks, if any."""
        self.set_running_or_notify_cancel()
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)
        self._let_go()
        return self._caller(self._taken_callbacks())

    def end_cancelled(self) -> Callable[[], None] | None:
        """Make it cancelled; return a caller of the callbacks, if any. May be called twice."""
        callbacks = self._taken_callbacks()
        super().cancel()
        if callbacks is not None:  # nobody else has
            self.set_running_or_notify_cancel()
        self._let_go()
        return self._caller(callbacks)

    def _taken_callbacks(self) -> list[Callable[[Future[Any]], object]] | None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
        return callbacks

    def _let_go(self) -> None:
        # Whoever keeps a future keeps nothing else alive. Not before it has its outcome: who
        # cancels it at the same moment asks the job.
        self._job = self._cancel_job = self._abandon_job = self._drive = None

    def _caller(
        self, callbacks: list[Callable[[Future[Any]], object]] | None
    ) -> Callable[[], None] | None:
        if not callbacks:
            return None

        def call() -> None:
            # Taken out one by one: a pool that could not start a thread may call this as well.
            while True:
                try:
                    callback = callbacks.pop(0)
                except IndexError:
                    return
                super(RequestFuture, self).add_done_callback(callback)  # has ended: calls it now

        return call


class Job:
    """One request in the queue. All but ``work`` belongs to the queue manager.

    Attributes:
        work: What *admit* and *run* are given; None when the job has ended.
        future: Where the outcome goes.
        level: Its priority as a number; smaller is sooner.
        born_s: When it was submitted, by the monotonic clock.
        give_up_s: The instant at which it is given up, unless it can go right then, or None.
        bound: What the caller calls the bound of its waiting.
        runs: How often it was run.

    ``entry`` and ``start`` are the fair queue's; see :class:`Contender`.
    """

    future: RequestFuture

    __slots__ = (
        "born_s",
        "bound",
        "entry",
        "future",
        "give_up_s",
        "lane",
        "level",
        "model",
        "rank",
        "runs",
        "serial",
        "share",
        "start",
        "state",
        "work",
    )

    def __init__(
        self,
        work: Any,
        lane: Lane,
        level: int,
        born_s: float,
        serial: int,
        share: Share,
        model: str | None = None,
    ) -> None:
        self.work = work
        self.lane = lane
        self.level = level
        self.born_s = born_s
        self.serial = serial
        self.share = share
        self.model = model
        self.rank = 0.0
        self.give_up_s: float | None = None
        self.bound = "max_wait"
        self.runs = 0
        self.state = State.QUEUED
        self.entry = 0
        self.start: float | None = None


class Level(FairQueue[Job]):
    """The jobs of one priority in a lane: the queued ones in fair order, and the parked ones."""

    def __init__(self) -> None:
        super().__init__()
        self.parked = Ahead()

    def waiting(self) -> Ahead:
        """Return all of them, queued or parked."""
        return self.parked.and_also(Ahead(self.count, self.tokens))

    def park(self, job: Job, times: int = 1) -> None:
        """Take note of a parked job, or with ``times=-1`` of one that is no more."""
        self.parked = self.parked.and_also(Ahead(times, times * job.share.tokens))


class Lane(queue.PriorityQueue[tuple[float, int, int, Job]]):
    """The jobs of one scope, best rank first, oldest first within a rank; and by levels.

    The best rank decides on the level, and within it the tags share; see :meth:`claim`.

    A job that left (admitted, cancelled) leaves its entry behind, which is dropped when it comes
    to the front, or when more than half of the entries are of that kind. The manager's lock guards
    all of it: the mutex of the base class is not needed, and gevent's has none.
    """

    def __init__(self, name: Hashable) -> None:
        super().__init__()
        self.name = name
        self.waits: tuple[Wait, float] | None = None  # what the head waits for, and until when
        self.live = 0  # the queued jobs; the manager's lock guards it
        self.levels: dict[int, Level] = {}  # those with waiting jobs
        self._numbers: list[int] = []  # theirs, sorted

    # --- coming and going ---------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Put the job in, at its rank, and among its equals at its fair place."""
        self.live += 1
        self._level(job.level).add(job)
        self.put_nowait(entry_of(job))

    def leave(self, job: Job, *, goes: bool = False) -> None:
        """Take a queued job out; if it goes, its tag has had its tokens."""
        self.live -= 1
        self.levels[job.level].leave(job, goes=goes)
        self._drop_if_empty(job.level)
        if len(self.queue) > 2 * self.live + 16:
            live = [entry for entry in self.queue if is_live(entry)]
            heapq.heapify(live)
            self.queue[:] = live

    def park(self, job: Job) -> None:
        """Count a job that will come back."""
        self._level(job.level).park(job)

    def unpark(self, job: Job) -> None:
        """Count it no more, for it is back, or never will be."""
        self.levels[job.level].park(job, -1)
        self._drop_if_empty(job.level)

    def _level(self, number: int) -> Level:
        level = self.levels.get(number)
        if level is None:
            level = self.levels[number] = Level()
            bisect.insort(self._numbers, number)
        return level

    def _drop_if_empty(self, number: int) -> None:
        if not self.levels[number].waiting().jobs:
            del self.levels[number]
            del self._numbers[bisect.bisect_left(self._numbers, number)]

    # --- order --------------------------------------------------------------------------------

    def claim(self) -> tuple[float, int, Job] | None:
        """Return the best rank and its job's number, and the job that goes next; or None.

        Within the level of the best rank the tags share. But if that level comes before a more
        urgent one only because it has waited, then just who has waited goes.
        """
        best = self._best()
        if best is None:
            return None
        urgent = next(number for number in self._numbers if self.levels[number].count)
        job = best if urgent < best.level else self.levels[best.level].head()
        return best.rank, best.serial, job

    def head(self) -> Job | None:
        """Return the job that goes next, or None."""
        claim = self.claim()
        return claim and claim[2]

    def hold(self, wait: Wait, now: float, level: int) -> None:
        """Take note that the head, of this level, waits; whoever comes now stays behind it."""
        self.waits = (wait, now + wait.wait_s)
        if level in self.levels and self.levels[level].count:
            self.levels[level].hold()

    def ahead_of(self, number: int, tag: str | None) -> Ahead:
        """Return what goes before a new job of this level and tag: at least so much, and about.

        Aged jobs of less urgent levels are left out. Costs O(levels + tags).
        """
        ahead = Ahead()
        for urgent in self._numbers[: bisect.bisect_left(self._numbers, number)]:
            ahead = ahead.and_also(self.levels[urgent].waiting())
        level = self.levels.get(number, _NOBODY)
        return ahead.and_also(level.parked).and_also(level.ahead_of(tag))

    def _best(self) -> Job | None:
        while self.queue and not is_live(self.queue[0]):
            heapq.heappop(self.queue)
        return self.queue[0][3] if self.queue else None

    def jobs(self) -> list[Job]:
        """Return all queued jobs, in no order."""
        return [entry[3] for entry in self.queue if is_live(entry)]


_NOBODY = Level()
