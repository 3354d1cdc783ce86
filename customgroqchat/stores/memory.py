"""Bucket levels in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping

from .. import _process
from .._bucket import WINDOWS_S, Bucket
from .._clock import Clock
from .base import NOTHING, BucketState, Costs, Decision, Mark, Marks

_ADMITTED = Decision(admitted=True)
# Levels that headers tell are put right by every answer; others need more of a margin.
_TOLD = frozenset({"TPM", "RPD", "ASH"})
_LONGER = 2.5


class _Scope:
    __slots__ = ("blocked_for", "blocked_until", "buckets")

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.blocked_until = float("-inf")
        self.blocked_for: str | None = None


class MemoryStore:
    """Buckets behind one lock, for the threads of one process.

    Args:
        clock: Where the time comes from.
        margin_s: Seconds' worth of refill that every admission holds back. Two requests do not
            take equally long to the server, and the one that overtakes finds less there than was
            counted here. It costs this much of the bucket once, not a share of the rate. Where no
            header tells the level, two and a half times as much is held back.
    """

    def __init__(self, clock: Clock | None = None, margin_s: float = 0.1) -> None:
        self._clock = clock or Clock()
        self._margin_s = margin_s
        self._lock = threading.Lock()
        self._scopes: dict[Hashable, _Scope] = {}
        _process.on_fork(self)

    def set_limits(self, scope: Hashable, limits: Mapping[str, int | None]) -> None:
        """Create, resize or (None) remove buckets. What is in use stays in use."""
        now = self._clock.monotonic()
        with self._lock:
            buckets = self._scope(scope).buckets
            for dimension, limit in limits.items():
                if limit is None:
                    buckets.pop(dimension, None)
                elif dimension in buckets:
                    buckets[dimension].set_limit(limit, now)
                else:
                    buckets[dimension] = Bucket(limit, WINDOWS_S[dimension], now)

    def reserve(self, scope: Hashable, costs: Costs, spare: Costs = NOTHING) -> Decision:
        """Take the costs from all buckets of the scope, or from none."""
        now = self._clock.monotonic()
        with self._lock:
            state = self._scope(scope)
            decision = self._decide(state, costs, spare, now)
            if not decision.admitted:
                return decision
            return Decision(True, marks=_added(state, costs, -1.0, now))

    def settle(self, scope: Hashable, amounts: Costs) -> Marks:
        """Return amounts to the buckets; negative ones are taken, whatever the level."""
        now = self._clock.monotonic()
        with self._lock:
            return _added(self._scope(scope), amounts, 1.0, now)

    def observe(
        self, scope: Hashable, dimension: str, mark: Mark, lowest: float, highest: float
    ) -> float:
        """Correct a level by what the service said of it; return by how much."""
        now = self._clock.monotonic()
        with self._lock:
            bucket = self._scope(scope).buckets.get(dimension)
            return 0.0 if bucket is None else bucket.correct(mark, lowest, highest, now)

    def block(self, scope: Hashable, wait_s: float, dimension: str | None = None) -> None:
        """Admit nothing in this scope for so many seconds, because of one of its buckets."""
        now = self._clock.monotonic()
        with self._lock:
            state = self._scope(scope)
            if now + wait_s > state.blocked_until:
                state.blocked_until = now + wait_s
                state.blocked_for = dimension

    def snapshot(self, scope: Hashable) -> dict[str, BucketState]:
        """Return all buckets of the scope, brought up to this instant."""
        now = self._clock.monotonic()
        with self._lock:
            return {
                dimension: BucketState(bucket.limit, bucket.refill(now), bucket.window_s)
                for dimension, bucket in self._scope(scope).buckets.items()
            }

    def forget(self, scope: Hashable) -> None:
        """Drop the buckets of a scope: the next request would find new ones, if they are made."""
        with self._lock:
            self._scopes.pop(scope, None)

    def after_fork(self) -> None:
        """In a forked child: a new lock, for a thread that is not there may hold the old one."""
        self._lock = threading.Lock()

    def _scope(self, scope: Hashable) -> _Scope:
        state = self._scopes.get(scope)
        if state is None:
            state = self._scopes[scope] = _Scope()
        return state

    def _decide(self, state: _Scope, costs: Costs, spare: Costs, now: float) -> Decision:
        longest = _ADMITTED
        blocked_s = state.blocked_until - now
        if blocked_s > 0.0:
            bucket = state.buckets.get(state.blocked_for or "")
            longest = Decision(False, blocked_s)
            if bucket is not None:
                level = bucket.refill(now)
                longest = Decision(False, blocked_s, state.blocked_for, bucket.limit, level)
        for dimension, bucket in state.buckets.items():
            cost = costs.get(dimension, 0.0)
            if not cost:
                continue
            need = cost + spare.get(dimension, 0.0)
            if cost <= bucket.limit < need:
                need = bucket.limit  # what is spared must not keep out what only just fits
            margin_s = self._margin_s if dimension in _TOLD else _LONGER * self._margin_s
            wait_s = bucket.wait_s(need, now, margin_s)
            if wait_s > longest.wait_s:
                longest = Decision(False, wait_s, dimension, bucket.limit, bucket.level)
        return longest


def _added(state: _Scope, amounts: Costs, sign: float, now: float) -> Marks:
    marks = {}
    for dimension, bucket in state.buckets.items():
        amount = amounts.get(dimension)
        if amount:
            bucket.add(sign * amount, now)
        else:
            bucket.refill(now)
        marks[dimension] = bucket.mark()
    return marks
