"""What the queue manager says to a job that it does not let pass. Pure."""

from __future__ import annotations

from ._lanes import Job, Wait
from .exceptions import ClientClosedException, RateLimitExceededException


def wait_too_long(job: Job, wait: Wait, now: float) -> RateLimitExceededException:
    """Return the error for a job that has to wait longer than it may."""
    assert job.give_up_s is not None
    what = f"{wait.dimension} limit" if wait.dimension else "service"
    return RateLimitExceededException(
        f"The {what} lets this request pass in {wait.wait_s:.3f} s, later than its max_wait allows "
        f"({max(0.0, job.give_up_s - now):.3f} s from now).",
        dimension=wait.dimension,
        limit=wait.limit,
        used=wait.used,
        requested=wait.requested,
        retry_after=wait.wait_s,
        attempts=job.runs,
        model=job.model,
        waited=now - job.born_s,
        hint="Try again after retry_after seconds, or allow a longer max_wait.",
    )


def waited_too_long(job: Job, now: float) -> RateLimitExceededException:
    """Return the error for a job that has waited as long as it may."""
    wait, until_s = job.lane.waits or (Wait(0.0), now)  # of the one at the head
    return RateLimitExceededException(
        f"The request could not be sent within its max_wait: it waited {now - job.born_s:.3f} s "
        "behind others.",
        dimension=wait.dimension,
        limit=wait.limit,
        retry_after=until_s - now if until_s > now else None,
        attempts=job.runs,
        model=job.model,
        waited=now - job.born_s,
        hint="Allow a longer max_wait, give it a higher priority, or send less at once.",
    )


def closed_error() -> ClientClosedException:
    """Return the error for a job that comes too late."""
    return ClientClosedException("The client is closed.", hint="Make a new client.")
