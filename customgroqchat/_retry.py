"""Whether to try again, and when. Pure: history in, a verdict out; the loop is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from .exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    CapacityExceededError,
    InternalServerError,
    RateLimitError,
)

_SUCCESSES_FOR_A_RETRY = 10
_BEGUN_STATUS = frozenset({408, 500, 502, 504})
_RETRYABLE_STATUS = frozenset({408, 409, 498})


@dataclass(frozen=True)
class RetryPolicy:
    """How faults are retried: exponential backoff with full jitter.

    Attributes:
        max_retries: How often a request may be sent again after a fault. Refusals for quota do not
            count, for they are no fault: the request just had no turn yet.
        base_s: The first backoff is drawn from [0, ``base_s``), the next from twice that, ...
        cap_s: The longest backoff that is drawn.
        longest_s: A longer wait asked for by the service is not waited for: the error is raised,
            with the wait in ``retry_after``.
    """

    max_retries: int = 2
    base_s: float = 0.5
    cap_s: float = 8.0
    longest_s: float = 120.0

    def delay_s(self, error: APIError, retries: int, chance: float) -> float | None:
        """Return the seconds until the next try, or None to give up.

        Args:
            error: What the last try ended with.
            retries: How often the request was retried already.
            chance: A number from [0, 1).
        """
        if retries >= self.max_retries or not is_retryable(error):
            return None
        if error.retry_after is None:
            # 2**16 base periods are longer than any cap; a larger exponent only overflows.
            return chance * min(self.cap_s, self.base_s * 2.0 ** min(retries, 16))
        if error.retry_after > self.longest_s:
            return None
        # Never before the time that was asked for; not all at that instant either.
        return error.retry_after + chance * self.base_s


def is_retryable(error: APIError) -> bool:
    """Return whether the same request may succeed later; the service's own word comes first."""
    if isinstance(error, APIConnectionError):
        return True
    if not isinstance(error, APIStatusError):
        return False
    told = error.response.headers.get("x-should-retry") if error.response else None
    if told in ("true", "false"):
        return told == "true"
    if isinstance(error, RateLimitError):
        return not _can_never_pass(error)
    return (
        isinstance(error, InternalServerError | CapacityExceededError)
        or error.status_code in _RETRYABLE_STATUS
    )


def may_have_begun(error: APIError) -> bool:
    """Whether the service may have done something of what it was asked, before the fault."""
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    # A refusal, of whatever kind, is an answer of one that did not begin.
    return not isinstance(error, APIStatusError) or error.status_code in _BEGUN_STATUS


def _can_never_pass(error: RateLimitError) -> bool:
    return "request too large" in error.message.lower() or (
        error.limit is not None and error.requested is not None and error.requested > error.limit
    )


class RetryBudget:
    """An allowance for retries shared by a whole client, so that an outage is not multiplied.

    Every retry spends one, ten successes earn one; when nothing is left, faults are raised at
    once. Not thread-safe: its owner has the lock.
    """

    def __init__(self, size: int = 50) -> None:
        self._full = size * _SUCCESSES_FOR_A_RETRY
        self._left = self._full

    @property
    def left(self) -> float:
        """How many retries are left."""
        return self._left / _SUCCESSES_FOR_A_RETRY

    def spend(self) -> bool:
        """Take one retry; return False, taking nothing, if there is none."""
        if self._left < _SUCCESSES_FOR_A_RETRY:
            return False
        self._left -= _SUCCESSES_FOR_A_RETRY
        return True

    def refund(self) -> None:
        """Return a part of a retry, for a request that succeeded."""
        self._left = min(self._full, self._left + 1)
