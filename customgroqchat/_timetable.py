"""Instants at which waiting jobs need attention. Pure: the queue manager has the lock."""

from __future__ import annotations

import heapq

from ._lanes import Job, State


class Timetable:
    """When parked jobs are due, and when the time of timed ones is up.

    Instants are seconds of the monotonic clock. Not thread-safe.
    """

    def __init__(self) -> None:
        self._parked: list[tuple[float, int, Job]] = []
        # Serial numbers and not jobs, so that one that has ended is not kept until its time.
        self._give_ups: list[tuple[float, int]] = []
        self._timed: dict[int, Job] = {}

    def park(self, job: Job, due_s: float) -> None:
        """Note that a parked job goes back to its lane at an instant."""
        heapq.heappush(self._parked, (due_s, job.serial, job))

    def due(self, now: float) -> list[Job]:
        """Take out and return the parked jobs whose instant has come."""
        jobs = []
        while self._parked and self._parked[0][0] <= now:
            job = heapq.heappop(self._parked)[2]
            if job.state is State.PARKED:
                jobs.append(job)
        return jobs

    def parked(self) -> list[Job]:
        """Return the parked jobs, in no order."""
        return [job for _, _, job in self._parked if job.state is State.PARKED]

    def give_up_at(self, job: Job, instant_s: float) -> None:
        """Note when the time of a job is up."""
        self._timed[job.serial] = job
        heapq.heappush(self._give_ups, (instant_s, job.serial))
        if len(self._give_ups) > 2 * len(self._timed) + 64:
            self._give_ups = [entry for entry in self._give_ups if entry[1] in self._timed]
            heapq.heapify(self._give_ups)

    def next_overdue(self, now: float) -> Job | None:
        """Take out and return a job whose time is up, whatever its state, or None."""
        while self._give_ups and self._give_ups[0][0] <= now:
            job = self._timed.pop(heapq.heappop(self._give_ups)[1], None)
            if job is not None:
                return job
        return None

    def forget(self, job: Job) -> None:
        """Note that a job has ended."""
        self._timed.pop(job.serial, None)

    def next_instant(self) -> float | None:
        """Return the next instant at which there may be something to do."""
        return min((heap[0][0] for heap in (self._parked, self._give_ups) if heap), default=None)
