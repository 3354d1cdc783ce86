"""What the queue manager says to a job that it does not let pass."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ._clock import Clock
from ._fairness import Ahead
from ._lanes import Job, Wait
from .exceptions import (
    ClientClosedException,
    ClientError,
    QueueFullException,
    RateLimitExceededException,
    RequestCancelledException,
)

_log = logging.getLogger(__name__)


def wait_too_long(
    job: Job, wait: Wait, clock: Clock, ahead: Ahead | None = None
) -> RateLimitExceededException:
    """Return the error for a job that has to wait longer than it may."""
    assert job.give_up_s is not None
    what = f"{wait.dimension} limit" if wait.dimension else "service"
    left_s = max(0.0, job.give_up_s - clock.monotonic())
    return _refused(
        f"The {what} lets this request pass in {wait.wait_s:.3f} s{_behind(ahead)}{_because(wait)}"
        f", later than its {job.bound} allows ({left_s:.3f} s from now).",
        job,
        wait,
        clock,
        hint=f"Try again after retry_after seconds, or allow a longer {job.bound}.",
    )


def waited_too_long(
    job: Job,
    clock: Clock,
    foresee: Callable[[Any, Ahead], Wait] | None = None,
    ahead: Ahead | None = None,
) -> RateLimitExceededException:
    """Return the error for a job that has waited as long as it may.

    It tells the wait of one that comes now behind those who are ``ahead``, if that can be told.
    """
    waited_s = clock.monotonic() - job.born_s
    foreseen = _NO_WAIT if foresee is None or ahead is None else _foreseen(foresee, job, ahead)
    wait = max(_of_the_head(job, clock), foreseen, key=lambda wait: wait.wait_s)
    return _refused(
        f"The request could not be sent within its {job.bound}: it waited {waited_s:.3f} s "
        f"behind others{_because(wait)}.",
        job,
        wait,
        clock,
        known=wait.wait_s > 0.0,
        hint=f"Allow a longer {job.bound}, give it a higher priority, or send less at once.",
    )


_NO_WAIT = Wait(0.0)


def _foreseen(foresee: Callable[[Any, Ahead], Wait], job: Job, ahead: Ahead) -> Wait:
    try:
        return foresee(job.work, ahead)
    except Exception:  # the dispatcher is calling, and has others to look after
        _log.exception("what a request would wait for could not be told")
        return _NO_WAIT


def _of_the_head(job: Job, clock: Clock) -> Wait:
    """Return the wait of the lane's head: what is left of it, and nothing of its own size."""
    if job.lane.waits is None:
        return _NO_WAIT
    wait, until_s = job.lane.waits
    left_s = max(0.0, until_s - clock.monotonic())
    return wait._replace(wait_s=left_s, used=None, requested=None)


def _refused(
    message: str, job: Job, wait: Wait, clock: Clock, *, known: bool = True, hint: str
) -> RateLimitExceededException:
    return RateLimitExceededException(
        message,
        dimension=wait.dimension,
        limit=wait.limit,
        used=wait.used,
        requested=wait.requested,
        retry_after=wait.wait_s if known else None,
        available_at=clock.wall() + wait.wait_s if known else None,
        attempts=job.runs,
        model=job.model,
        waited=clock.monotonic() - job.born_s,
        hint=hint,
    )


def _behind(ahead: Ahead | None) -> str:
    if ahead is None or not ahead.jobs:
        return ""
    return f", behind {ahead.jobs:,} others" if ahead.jobs > 1 else ", behind another one"


def _because(wait: Wait) -> str:
    return f" ({wait.reason})" if wait.reason else ""


def queue_full(waiting: int, limit: int) -> QueueFullException:
    """Return the error for a job that finds no room."""
    return QueueFullException(
        f"The queue is full: {waiting} requests wait already.",
        limit=limit,
        hint="Give max_wait to wait for room, use map(), or raise max_queue.",
    )


def no_worker(job: Job, fault: RuntimeError) -> ClientError:
    """Return the error for a job that was admitted where no thread could be started."""
    error = ClientError(f"No worker could be started: {fault}", model=job.model)
    error.__cause__ = fault
    return error


def cancelled_error() -> RequestCancelledException:
    """Return the error for a job that somebody cancelled."""
    return RequestCancelledException("The request was cancelled.")


def closed_error() -> ClientClosedException:
    """Return the error for a job that comes too late."""
    return ClientClosedException("The client is closed.", hint="Make a new client.")
