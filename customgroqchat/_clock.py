"""The only place that reads time, waits, or draws chance. Everything else is handed a clock."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time


class Clock:
    """The real clock.

    All methods may be called from any thread. ``customgroqchat.testing.FakeClock`` has the same
    methods in virtual time.
    """

    def monotonic(self) -> float:
        """Return seconds that never step back; only differences mean anything."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970, for comparison with dates in headers only."""
        return time.time()

    def random(self) -> float:
        """Return a number from [0, 1)."""
        return random.random()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on a condition that the caller holds, at most ``timeout_s`` seconds.

        Blocks until notified or timed out (None: until notified); returns nothing, for a waiter
        looks at the state again in either case.
        """
        condition.wait(None if timeout_s is None else _possible(timeout_s))

    def get(self, items: queue.SimpleQueue[None], timeout_s: float | None) -> None:
        """Take an item, or come back without one after ``timeout_s`` seconds (None: never)."""
        with contextlib.suppress(queue.Empty):
            items.get(timeout=None if timeout_s is None else _possible(timeout_s))


def _possible(timeout_s: float) -> float:
    # Longer than a lock can wait overflows; waking once in a day for nothing costs nothing.
    return min(max(timeout_s, 0.0), 86_400.0)


class Signal:
    """Wakes one waiting thread; a signal given while nobody waits is kept for the next wait.

    It may be given at any point, even by the garbage collector in the middle of a wait: a
    ``SimpleQueue`` allows that, and a condition would wait for itself.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._given = False

    def give(self) -> None:
        """Wake the waiter. From any thread; never blocks."""
        if not self._given:  # or they would pile up while nobody waits
            self._given = True
            self._signals.put(None)

    def wait(self, timeout_s: float | None) -> None:
        """Block until the signal is given or ``timeout_s`` seconds passed (None: for ever)."""
        self._clock.get(self._signals, timeout_s)
        self._given = False  # what was changed before the waiter looks, it will see
