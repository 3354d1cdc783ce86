"""WaitingRoom: the jobs that wait, in lanes or until they are due. The manager has the lock."""

from __future__ import annotations

from collections.abc import Hashable

from ._fairness import Ahead
from ._lanes import WAITING, Job, Lane, State
from ._timetable import Timetable


class WaitingRoom:
    """Who waits, where, and until when. Not thread-safe.

    Attributes:
        lanes: By name; one that was empty stays, for its name will come again.
        count: How many wait, queued or parked.
    """

    def __init__(self) -> None:
        self.lanes: dict[Hashable, Lane] = {}
        self.count = 0
        self._timetable = Timetable()

    def lane_named(self, name: Hashable) -> Lane:
        """Return the lane of this name, made if need be."""
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(name)
        return lane

    def ahead_of(self, name: Hashable, level: int, tag: str | None) -> Ahead:
        """Return what goes before a new job; see :meth:`Lane.ahead_of`."""
        lane = self.lanes.get(name)
        return Ahead() if lane is None else lane.ahead_of(level, tag)

    def jobs(self) -> list[Job]:
        """Return all that wait, in no order."""
        queued = [job for lane in self.lanes.values() for job in lane.jobs()]
        return queued + self._timetable.parked()

    def claims(self) -> list[Job]:
        """Return the next job of each lane, the best of them first."""
        claims = [claim for lane in self.lanes.values() if (claim := lane.claim())]
        return [job for _, _, job in sorted(claims)]

    # --- coming and going -----------------------------------------------------------------

    def enter(self, job: Job, due_s: float, now: float) -> None:
        """Let a job wait in its lane, or aside until it is due."""
        self.count += 1
        if due_s > now:
            job.state = State.PARKED
            job.lane.park(job)
            self._timetable.park(job, due_s)
        else:
            self._queue(job)

    def leave(self, job: Job, state: State) -> bool:
        """Take out a job that goes on to a state; False if it does not wait here any more."""
        if job.state not in WAITING or self.lanes.get(job.lane.name) is not job.lane:
            return False  # (a lane that is not ours was there before a fork)
        if job.state is State.QUEUED:
            job.lane.leave(job, goes=state is State.HANDED)
        else:
            job.lane.unpark(job)
        job.state = state
        if state is not State.HANDED:
            self._timetable.forget(job)
        self.count -= 1
        return True

    def unpark(self, now: float) -> None:
        """Let those who are due back into their lanes."""
        for job in self._timetable.due(now):
            job.lane.unpark(job)
            self._queue(job)

    def _queue(self, job: Job) -> None:
        job.state = State.QUEUED
        job.lane.add(job)

    # --- time -----------------------------------------------------------------------------

    def give_up_at(self, job: Job, instant_s: float) -> None:
        """Note when the time of a job is up."""
        self._timetable.give_up_at(job, instant_s)

    def next_overdue(self, now: float) -> Job | None:
        """Take note of a job whose time is up, whatever its state, and return it; or None."""
        return self._timetable.next_overdue(now)

    def forget(self, job: Job) -> None:
        """Take note that a job which did not wait has ended."""
        self._timetable.forget(job)

    def next_instant(self, *, may_start: bool) -> float | None:
        """Return the next instant at which there may be something to do.

        What the lanes wait for counts only if a job may start at all.
        """
        instants = [self._timetable.next_instant()]
        if may_start:
            instants += [lane.waits[1] for lane in self.lanes.values() if lane.waits and lane.live]
        return min((instant for instant in instants if instant is not None), default=None)
