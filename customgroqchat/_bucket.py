"""The arithmetic of one token bucket, as the service keeps it: a level and a time.

Pure: no clock, no lock. The capacity is the limit; ``limit / window`` flows back every second, at
any hour, with no minute or midnight at which anything starts afresh. The level may be negative:
usage is charged after the fact, whatever it was.
"""

from __future__ import annotations

from typing import NamedTuple

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


class BucketState(NamedTuple):
    """One bucket at an instant.

    Attributes:
        limit: Capacity.
        level: What is free; negative when in debt.
        window_s: Seconds in which an empty bucket becomes full.
    """

    limit: int
    level: float
    window_s: float


class Mark(NamedTuple):
    """Where a bucket stood at an instant, to compare with what the service says about it later.

    Attributes:
        used: What was in use: the limit less the level.
        taken: All that had ever been taken.
        corrected: All that corrections had ever added to the level.
        spilled: All that had ever flowed back without finding room.
    """

    used: float
    taken: float
    corrected: float
    spilled: float


class Bucket:
    """A level of tokens that was true at an instant, and flows back since.

    Not thread-safe: it belongs to a store, which has the lock. All times are seconds of one clock,
    which the store chooses.
    """

    __slots__ = ("at", "corrected", "level", "limit", "spilled", "taken", "window_s")

    def __init__(self, limit: int, window_s: float, now: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.at = now
        self.level = float(limit)
        self.taken = 0.0
        self.corrected = 0.0
        self.spilled = 0.0

    @property
    def rate(self) -> float:
        """Tokens that flow back in a second."""
        return self.limit / self.window_s

    def refill(self, now: float) -> float:
        """Bring the level up to ``now`` and return it. A clock that steps back adds nothing."""
        if now > self.at:
            self._raise((now - self.at) * self.rate)
            self.at = now
        return self.level

    def wait_s(self, need: float, now: float, margin_s: float = 0.0) -> float:
        """Return the seconds until ``need`` is there: 0 if it is, infinite if it never will be.

        ``margin_s`` seconds' worth of refill is held back, because two requests need not take
        equally long to the server; a need of nearly the whole bucket waits for a full one.
        """
        if need > self.limit:
            return float("inf")
        missing = min(self.limit, need + self.rate * margin_s) - self.refill(now)
        wait_s = missing / self.rate
        # Who wakes at the computed instant must find it enough, although clocks are rounded.
        return wait_s if wait_s > 1e-6 else 0.0

    def add(self, amount: float, now: float) -> None:
        """Give back (or, negative, take) an amount, never beyond the capacity."""
        self.refill(now)
        if amount < 0.0:
            self.taken -= amount
        self._raise(amount)

    def mark(self) -> Mark:
        """Return where it stood when it was last touched."""
        return Mark(self.limit - self.level, self.taken, self.corrected, self.spilled)

    def correct(self, mark: Mark, lowest: float, highest: float, now: float) -> float:
        """Move the level so that it agrees with what the service said; return by how much.

        Args:
            mark: The instant of which the service spoke.
            lowest: By how much the service's level was above this one's then, at least; negative
                if it may have been below.
            highest: The same, at most.
            now: Seconds.
        """
        level = self.refill(now)
        known = self.corrected - mark.corrected
        # What flowed over here found room where the level was lower.
        lowest, highest = lowest - known, highest - known
        spilled = self.spilled - mark.spilled
        if highest < 0.0:
            shift = min(0.0, highest + spilled)
        elif lowest > 0.0:
            # A level that was higher may have stood at the brim since, and gained nothing there.
            shift = max(0.0, min(lowest, self.limit - (self.taken - mark.taken) - level))
        else:
            return 0.0
        self.level += shift
        self.corrected += shift
        return shift

    def set_limit(self, limit: int, now: float) -> None:
        """Adopt another limit; what is in use stays in use."""
        used = self.limit - self.refill(now)
        self.limit = limit
        self.level = limit - used

    def _raise(self, amount: float) -> None:
        level = self.level + amount
        if level > self.limit:
            self.spilled += level - self.limit
            level = float(self.limit)
        self.level = level
