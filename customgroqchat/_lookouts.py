"""Who was told to wait, and is to be told when the wait has become shorter.

A queue asks again when its own requests end. What clients of the same account give back it would
not notice before its wait is over.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ._bucket import BucketState
from .stores import Decision

_LITTLE_S = 0.1  # that a wait is longer than it need be is worth no look


class Lookout:
    """A way to have a client ask again. Whoever makes it keeps it: it is held weakly elsewhere.

    Args:
        look_again: A method, whose object is not kept alive. It is called on threads of other
            clients, and must not block.
    """

    __slots__ = ("__weakref__", "_look_again")

    def __init__(self, look_again: Callable[[], None]) -> None:
        self._look_again = weakref.WeakMethod(look_again)

    def look_again(self) -> None:
        """Have the client ask again, if it is still there."""
        look_again = self._look_again()
        if look_again is not None:
            look_again()


class Awaited(NamedTuple):
    """What a client was told to wait for, and when."""

    decision: Decision
    told_s: float

    def is_shorter(self, buckets: Mapping[str, BucketState], now: float) -> bool:
        """Whether the wait is shorter by now, or there is no telling."""
        _, _, dimension, limit, level, *_ = self.decision
        bucket = buckets.get(dimension or "")
        if bucket is None or limit is None:
            return True
        flowed_back = (now - self.told_s) * limit / bucket.window_s
        gained = bucket.level - min(limit, level + flowed_back)
        return gained > _LITTLE_S * bucket.limit / bucket.window_s


class Lookouts:
    """Those who wait for one scope. Not thread-safe: the ledgers' owner has the lock."""

    __slots__ = ("_awaited",)

    def __init__(self) -> None:
        self._awaited: weakref.WeakKeyDictionary[Lookout, Awaited] = weakref.WeakKeyDictionary()

    def note(self, lookout: Lookout, answer: object, now: float) -> None:
        """Take note of what somebody was told: the newest counts; or that it was admitted."""
        if isinstance(answer, Decision):
            self._awaited[lookout] = Awaited(answer, now)
        elif self._awaited:
            self._awaited.pop(lookout, None)

    def is_awaited(self, now: float) -> bool:
        """Whether somebody's wait is not over yet."""
        return any(told_s + wait.wait_s > now for wait, told_s in self._awaited.values())

    def surprised(
        self, besides: Lookout | None, buckets: Callable[[], Mapping[str, BucketState]], now: float
    ) -> list[Lookout]:
        """Return, once, those whose wait has become shorter than they were told.

        Args:
            besides: Who needs not be told, having brought it about.
            buckets: Looks up the levels; called if anybody waits.
            now: The instant.
        """
        if not self._awaited:
            return []
        others = [(who, awaited) for who, awaited in self._awaited.items() if who is not besides]
        levels = buckets() if others else {}
        found = [who for who, awaited in others if awaited.is_shorter(levels, now)]
        for who in found:
            self._awaited.pop(who, None)
        return found
