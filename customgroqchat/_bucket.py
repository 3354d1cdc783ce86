"""The arithmetic of one token bucket, as the service keeps it: a level and a time.

Pure: no clock, no lock. The capacity is the limit; ``limit / window`` flows back every second, at
any hour, with no minute or midnight at which anything starts afresh. The level may be negative:
usage is charged after the fact, whatever it was.
"""

from __future__ import annotations

#: Seconds in which an empty bucket of each kind becomes full.
WINDOWS_S = {
    "RPM": 60.0,
    "TPM": 60.0,
    "ITPM": 60.0,
    "OTPM": 60.0,
    "ASH": 3600.0,
    "RPD": 86_400.0,
    "TPD": 86_400.0,
    "ASD": 86_400.0,
}


class Bucket:
    """A level of tokens that was true at an instant, and flows back since.

    Not thread-safe: it belongs to a store, which has the lock. All times are seconds of one clock,
    which the store chooses.
    """

    __slots__ = ("at", "level", "limit", "window_s")

    def __init__(self, limit: int, window_s: float, now: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.at = now
        self.level = float(limit)

    @property
    def rate(self) -> float:
        """Tokens that flow back in a second."""
        return self.limit / self.window_s

    def refill(self, now: float) -> float:
        """Bring the level up to ``now`` and return it. A clock that steps back adds nothing."""
        if now > self.at:
            self.level = min(float(self.limit), self.level + (now - self.at) * self.rate)
            self.at = now
        return self.level

    def wait_s(self, cost: float, now: float, margin_s: float = 0.0) -> float:
        """Return the seconds until ``cost`` fits: 0 if it does now, infinite if it never will.

        ``margin_s`` seconds' worth of refill is held back, because two requests need not take
        equally long to the server; a cost of nearly the whole bucket waits for a full one.
        """
        if cost > self.limit:
            return float("inf")
        missing = min(self.limit, cost + self.rate * margin_s) - self.refill(now)
        wait_s = missing / self.rate
        # Who wakes at the computed instant must find it enough, although clocks are rounded.
        return wait_s if wait_s > 1e-6 else 0.0

    def add(self, amount: float, now: float) -> None:
        """Give back (or, negative, take) an amount, never beyond the capacity."""
        self.level = min(float(self.limit), self.refill(now) + amount)

    def set_level(self, level: float, now: float) -> None:
        """Adopt a level that somebody who knows has stated for ``now``."""
        self.refill(now)
        self.level = min(float(self.limit), level)

    def set_limit(self, limit: int, now: float) -> None:
        """Adopt another limit; what is in use stays in use."""
        used = self.limit - self.refill(now)
        self.limit = limit
        self.level = limit - used
