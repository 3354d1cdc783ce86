"""Jobs, the lanes they wait in, and the futures that tell how they end.

The life of a job::

    QUEUED ──admitted──▶ RUNNING ──answer or error──▶ DONE
      │ ▲                   │
      │ └─due, same rank── PARKED ◀──Again
      │                     │
      └──cancelled, late────┴──▶ DONE
"""

from __future__ import annotations

import enum
import heapq
import queue
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from ._ordering import priority_name


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
    """

    wait_s: float
    dimension: str | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None


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
    RUNNING = "running"
    DONE = "done"


class RequestFuture(Future[Any]):
    """The outcome of one request: a ``concurrent.futures.Future``.

    It can be cancelled for as long as the request was not sent: while it is queued, and also
    while it waits to be sent once more.

    Attributes:
        request_id: This client's number for the request, for ``client.cancel()``.
        tag: The tag that the request was given, or None.
    """

    def __init__(self, job: Job, cancel_job: Callable[[Job], bool]) -> None:
        super().__init__()
        self.request_id = job.serial
        self.tag = job.tag
        self._job: Job | None = job
        self._cancel_job = cancel_job

    def cancel(self) -> bool:
        """Cancel the request unless it is being sent or has ended; return whether it is now."""
        job = self._job
        return self.cancelled() or (job is not None and self._cancel_job(job))

    def running(self) -> bool:
        """Return whether the request is being sent at this moment."""
        job = self._job
        return job is not None and job.state is State.RUNNING

    # A future of the base class that runs can never be queued again, as a refused request must
    # be. So it stays pending to the end, and the job's state decides what can be cancelled.
    def complete(self, value: object, error: BaseException | None) -> None:
        """Give it its outcome, and run its callbacks. For the queue manager."""
        self._job = None  # or job and future would keep each other alive
        if self.set_running_or_notify_cancel():
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)

    def complete_cancelled(self) -> None:
        """Make it cancelled, for waiters as well. For the queue manager."""
        self._job = None
        super().cancel()
        self.set_running_or_notify_cancel()


class Job:
    """One request in the queue. All but ``work`` belongs to the queue manager.

    Attributes:
        work: What *admit* and *run* are given.
        future: Where the outcome goes.
        level: Its priority as a number; smaller is sooner.
        born_s: When it was submitted, by the monotonic clock.
        give_up_s: The instant after which it is not sent any more, or None.
    """

    future: RequestFuture

    __slots__ = (
        "born_s",
        "entry",
        "future",
        "give_up_s",
        "lane",
        "level",
        "model",
        "rank",
        "serial",
        "state",
        "tag",
        "work",
    )

    def __init__(
        self,
        work: Any,
        lane: Lane,
        level: int,
        born_s: float,
        serial: int,
        tag: str | None = None,
        model: str | None = None,
    ) -> None:
        self.work = work
        self.lane = lane
        self.level = level
        self.born_s = born_s
        self.serial = serial
        self.tag = tag
        self.model = model
        self.rank = 0.0
        self.give_up_s: float | None = None
        self.state = State.QUEUED
        self.entry = 0  # the newest of its entries in the lane; older ones count for nothing


class Lane(queue.PriorityQueue[tuple[float, int, int, Job]]):
    """The jobs of one scope, best rank first, oldest first within a rank.

    A job that left (admitted, cancelled) leaves its entry behind, which is dropped when it comes
    to the front, or when more than half of the entries are of that kind.
    """

    def __init__(self, name: Hashable) -> None:
        super().__init__()
        self.name = name
        self.waits: tuple[Wait, float] | None = None  # what the head waits for, and until when

    def add(self, job: Job) -> None:
        """Put the job in, at its rank."""
        job.entry += 1
        # Rank and serial number alone decide: two jobs are never compared.
        self.put_nowait((job.rank, job.serial, job.entry, job))

    def head(self) -> Job | None:
        """Return the job that goes next, or None."""
        with self.mutex:
            while self.queue and not _is_live(self.queue[0]):
                heapq.heappop(self.queue)
            return self.queue[0][3] if self.queue else None

    def jobs(self) -> list[Job]:
        """Return all queued jobs, in no order."""
        with self.mutex:
            return [entry[3] for entry in self.queue if _is_live(entry)]

    def status(self, waiting: list[Job], in_flight: int, now: float) -> dict[str, Any]:
        """Return the state of this lane, whose jobs are handed in.

        Returns:
            ``queued``, ``by_priority`` (counts by name or number), ``in_flight``, ``oldest_s``
            (age of the oldest waiting job in seconds, or None) and ``head``: what the first job
            waits for (``dimension``, such as ``"TPM"``, or None) and for how many seconds
            (``wait_s``), or None if it waits for a free worker only.
        """
        blocked = self.waits if waiting else None
        return {
            "queued": len(waiting),
            "by_priority": dict(Counter(priority_name(job.level) for job in waiting)),
            "in_flight": in_flight,
            "oldest_s": max((now - job.born_s for job in waiting), default=None),
            "head": blocked
            and {"dimension": blocked[0].dimension, "wait_s": max(0.0, blocked[1] - now)},
        }

    def tidy(self) -> None:
        """Drop entries of jobs that left, if they are more than half."""
        with self.mutex:
            live = [entry for entry in self.queue if _is_live(entry)]
            if len(live) * 2 < len(self.queue):
                heapq.heapify(live)
                self.queue[:] = live


def _is_live(entry: tuple[float, int, int, Job]) -> bool:
    _, _, number, job = entry
    return job.state is State.QUEUED and job.entry == number
