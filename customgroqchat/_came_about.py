"""How an answer came about: what is known of it beside what it says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ._records import AnswerFacts, Attempt

if TYPE_CHECKING:
    from ._fallbacks import FallbackStep


class RateLimit(NamedTuple):
    """One rate limit as an answer shows it.

    Attributes:
        limit: The most that the bucket holds: requests, tokens or seconds of audio.
        remaining: What was in it when the request was admitted.
        reset_s: Seconds until it is full again, or None.
    """

    limit: int
    remaining: int
    reset_s: float | None


class CameAbout:
    """What answers, streams and raw responses tell alike, from their ``_facts``."""

    if TYPE_CHECKING:
        _facts: AnswerFacts

    @property
    def request_id(self) -> str | None:
        """The service's name for the request; quote it to support."""
        return self._facts.request_id

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer; their names' case does not matter."""
        return self._facts.headers

    @property
    def rate_limits(self) -> Mapping[str, RateLimit]:
        """What the headers tell of rate limits, by dimension: ``"RPD"``, ``"TPM"``, ``"ASH"``."""
        from ._headers import parse_limit_headers  # not needed before there is an answer

        told = parse_limit_headers(self._facts.headers)
        return {
            dimension: RateLimit(limit.limit, limit.remaining, limit.full_in_s)
            for dimension, limit in told.items()
        }

    @property
    def waited_s(self) -> float:
        """Seconds that the request waited before it was sent."""
        return self._facts.waited_s

    @property
    def history(self) -> tuple[Attempt, ...]:
        """How each attempt went, oldest first."""
        return self._facts.history

    @property
    def attempts(self) -> int:
        """How often the request was sent."""
        return len(self.history)

    @property
    def retries_taken(self) -> int:
        """How often it was sent again."""
        return max(0, self.attempts - 1)

    @property
    def fallbacks(self) -> tuple[FallbackStep, ...]:
        """The models that were asked before, and could not."""
        return self._facts.fallbacks
