"""How many requests at a time: a ceiling that overload teaches. Pure: no clock, no lock.

AIMD, additive increase and multiplicative decrease, as TCP does it: down to seven tenths at a sign
of overload, up by one for each round of requests that succeeded. There is no ceiling before the
first sign, and none any more when it has long been higher than what is asked for.
"""

from __future__ import annotations

_NEWEST_WEIGHT = 0.2
_SHORTEST_WAIT_S = 0.01
_LONGEST_WAIT_S = 1.0


class Concurrency:
    """The requests in flight, and how many may be.

    Not thread-safe: its owner has the lock.

    Attributes:
        in_flight: How many there are.
        limit: How many there may be, or None for no ceiling.
    """

    __slots__ = ("_cuts", "_latency_s", "_peak", "_successes", "in_flight", "limit")

    def __init__(self) -> None:
        self.in_flight = 0
        self.limit: int | None = None
        self._cuts = 0
        self._successes = 0  # since the limit was moved
        self._peak = 0  # most in flight since the last cut
        self._latency_s: float | None = None  # recent requests, moving average

    @property
    def is_full(self) -> bool:
        """Whether as many are in flight as may be."""
        return self.limit is not None and self.in_flight >= self.limit

    def begin(self) -> int:
        """Count a request that is sent now; return the flight it belongs to."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        return self._cuts

    def end(self, latency_s: float | None = None) -> None:
        """Count a request as gone; without a latency if it says nothing of the service's pace."""
        self.in_flight -= 1
        if latency_s is None:
            return
        before_s = latency_s if self._latency_s is None else self._latency_s
        self._latency_s = before_s + _NEWEST_WEIGHT * (latency_s - before_s)

    def succeeded(self) -> None:
        """Raise the limit by one for as many successes as it allows at a time."""
        if self.limit is None:
            return
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self._raise(self.limit + 1)

    def _raise(self, limit: int) -> None:
        # So far above all demand, it restricts nobody and was learnt long ago.
        self.limit = limit if limit <= 2 * self._peak else None

    def overloaded(self, flight: int) -> None:
        """Cut the limit, counting the request that was refused as still in flight.

        A flight cuts once: of a hundred requests that are refused together, ninety-nine tell
        nothing about the limit that the first one led to.
        """
        if flight != self._cuts:
            return
        self._cuts += 1
        self._successes = 0
        self._peak = self.in_flight
        self.limit = max(1, 7 * self.in_flight // 10)

    def wait_s(self) -> float:
        """Estimate the seconds until one of those in flight is gone: never 0, at most 1."""
        if self._latency_s is None:
            return _LONGEST_WAIT_S
        estimate_s = self._latency_s / max(1, self.in_flight)
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, estimate_s))

    def abandon(self) -> None:
        """Count nothing as in flight, keeping the limit."""
        self.in_flight = 0
