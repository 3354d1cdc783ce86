"""What others on the same account use, seen from the gaps that they leave. Pure."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 30.0
_HALF_LIFE_S = 20.0


class ForeignUsage:
    """Tokens (or requests) of one bucket that somebody else took, and the room to leave for more.

    Not thread-safe: its owner has the lock.
    """

    __slots__ = ("_gaps", "_since")

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, float]] = deque(maxlen=64)
        self._since: float | None = None

    def saw(self, amount: float, now: float) -> None:
        """Take note that the level was lower, by so much, than own usage explains."""
        if self._since is None:
            self._since = now
        self._gaps.append((now, amount))

    def is_active(self, now: float) -> bool:
        """Whether somebody used it within the last half minute."""
        self._forget(now)
        return bool(self._gaps)

    def headroom(self, now: float, blind_s: float) -> float:
        """Return what to leave: what they take while one does not see it, and one more bite.

        Args:
            now: Seconds.
            blind_s: The age of what is known: how long an answer takes.
        """
        self._forget(now)
        if not self._gaps or self._since is None:
            return 0.0
        seen_s = min(_WINDOW_S, max(1.0, now - self._since))
        rate = sum(amount for _, amount in self._gaps) / seen_s
        bite = max(amount * 0.5 ** ((now - at) / _HALF_LIFE_S) for at, amount in self._gaps)
        return float(rate * blind_s + bite)

    def _forget(self, now: float) -> None:
        while self._gaps and self._gaps[0][0] < now - _WINDOW_S:
            self._gaps.popleft()
        if not self._gaps:
            self._since = None
