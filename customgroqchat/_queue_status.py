"""What a queue tells about its lanes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

from ._lanes import Job, Lane
from ._ordering import priority_name


def lanes_status(
    lanes: Iterable[Lane], waiting: Iterable[Job], running: Iterable[Job], now: float
) -> dict[Hashable, dict[str, Any]]:
    """Return the state of each lane, under its name.

    Returns:
        For each ``queued``, ``by_priority`` (counts by name or number), ``in_flight``, ``oldest_s``
        (age of the oldest waiting job in seconds, or None) and ``head``: what the first job
        waits for (``dimension``, such as ``"TPM"``, or None) and for how many seconds
        (``wait_s``), or None if it waits for a free worker only.
    """
    jobs: dict[Lane, list[Job]] = {lane: [] for lane in lanes}
    for job in waiting:
        jobs[job.lane].append(job)
    in_flight = Counter(job.lane for job in running)
    return {lane.name: _status(lane, own, in_flight[lane], now) for lane, own in jobs.items()}


def _status(lane: Lane, waiting: list[Job], in_flight: int, now: float) -> dict[str, Any]:
    return {
        "queued": len(waiting),
        "by_priority": dict(Counter(priority_name(job.level) for job in waiting)),
        "in_flight": in_flight,
        "oldest_s": max((now - job.born_s for job in waiting), default=None),
        "head": _head(lane, now) if waiting else None,
    }


def _head(lane: Lane, now: float) -> dict[str, Any] | None:
    if lane.waits is None:
        return None
    wait, until_s = lane.waits
    return {"dimension": wait.dimension, "wait_s": max(0.0, until_s - now)}
