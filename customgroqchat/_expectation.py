"""How long an answer will probably be, learnt from recent ones. Pure."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 64
_QUANTILE = 0.95


class OutputExpectation:
    """The output tokens to set aside for a request that sends no cap.

    A high quantile of the recent answers of one model and not the model's maximum, which would
    keep the whole bucket idle. Until five answers are known, a first guess is the floor.
    Not thread-safe: its owner has the lock.
    """

    __slots__ = ("_first_guess", "_recent")

    def __init__(self, first_guess: int) -> None:
        self._first_guess = first_guess
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)

    def learn(self, tokens: int) -> None:
        """Take note of the output tokens of one answer."""
        self._recent.append(tokens)

    def tokens(self) -> int:
        """Return the output tokens to expect."""
        if not self._recent:
            return self._first_guess
        ordered = sorted(self._recent)
        high = ordered[min(len(ordered) - 1, int(len(ordered) * _QUANTILE))]
        return high if len(ordered) >= 5 else max(high, self._first_guess)
