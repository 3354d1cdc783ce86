"""What a request will probably take, learnt from what recent ones took. Pure."""

from __future__ import annotations

import itertools
import math
from collections import deque

_REMEMBERED = 64
_QUANTILE = 0.95
_ENOUGH = 5
_LATEST = 8
_PROMPTS = 16


class OutputExpectation:
    """The output tokens to set aside for a request that sends no cap.

    A high quantile of the recent answers of one model and not the model's maximum, which would
    keep the whole bucket idle. Until five answers are known, a first guess is the floor.
    Not thread-safe: its owner has the lock.
    """

    __slots__ = ("_first_guess", "_high", "_longest", "_recent", "_typical")

    def __init__(self, first_guess: int) -> None:
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._longest = 1
        self.set_first_guess(first_guess)

    def set_first_guess(self, tokens: int) -> None:
        """Use another first guess."""
        self._first_guess = tokens
        if self._recent:
            self._sum_up()
        else:
            self._high, self._typical = tokens, float(tokens)

    @property
    def is_known(self) -> bool:
        """Whether enough answers were seen to rely on them alone."""
        return len(self._recent) >= _ENOUGH

    def learn(self, tokens: int) -> None:
        """Take note of the output tokens of one answer."""
        self._recent.append(tokens)
        self._sum_up()
        self._longest = max(1, *itertools.islice(reversed(self._recent), _LATEST))

    def _sum_up(self) -> None:
        ordered = sorted(self._recent)
        high = ordered[min(len(ordered) - 1, int(len(ordered) * _QUANTILE))]
        self._high = high if self.is_known else max(high, self._first_guess)
        self._typical = sum(ordered) / len(ordered)

    def tokens(self) -> int:
        """Return the output tokens to expect, at most."""
        return self._high

    def typical(self) -> float:
        """Return the output tokens to expect on average."""
        return self._typical

    def longest(self) -> int:
        """Return the longest of the latest answers, at least 1: what the service goes by."""
        return self._longest


class PromptCalibration:
    """By how much the service's count of a prompt differs from this side's.

    Not thread-safe: its owner has the lock.
    """

    __slots__ = ("_highest", "_lowest", "_ratios", "_typical")

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=_PROMPTS)
        self._lowest = self._highest = self._typical = 1.0

    def learn(self, counted: int, told: int) -> None:
        """Take note of what was counted (with its margin), and what the service counted."""
        if counted <= 0 or told <= 0:
            return
        ratios = self._ratios
        ratios.append(min(8.0, max(0.125, told / counted)))
        self._typical = sum(ratios) / len(ratios)
        self._lowest, self._highest = min(1.0, *ratios), max(ratios)
        # Few answers may correct a count upwards; to trust a lower one takes more of them.
        if len(ratios) < _ENOUGH:
            self._highest = max(1.0, self._highest)

    def at_most(self, counted: int) -> int:
        """Return what the service will probably count at most."""
        if self._highest == 1.0:
            return counted
        return math.ceil(round(counted * self._highest, 6))

    def at_least(self, counted: int) -> int:
        """Return what the service will surely count, of a count with its margin taken off."""
        return math.floor(counted * self._lowest)

    def typical(self, counted: int) -> float:
        """Return what the service will probably count on average."""
        return counted * self._typical
