"""A clock that stands still until a test moves it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

from .._clock import Clock


class FakeClock(Clock):
    """Virtual time: nothing waits really, and two runs are the same to the last digit.

    Pass it as ``clock=`` to any part. :meth:`advance` moves time and wakes those whose time has
    come. Threads that wait on it block in real time until then. All methods may be called from
    any thread.

    Args:
        now_s: The time to begin with, in seconds.
        chance: What ``random()`` returns, each time.
    """

    def __init__(self, now_s: float = 1000.0, chance: float = 0.5) -> None:
        self._now_s = now_s
        self.chance = chance
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, Callable[[], None]]] = []
        self._waits_changed = threading.Condition(self._lock)

    def monotonic(self) -> float:
        """Return the virtual time in seconds."""
        return self._now_s

    def wall(self) -> float:
        """Return the virtual time as well: there is one only."""
        return self._now_s

    def random(self) -> float:
        """Return :attr:`chance`."""
        return self.chance

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Block until notified, or until time was moved ``timeout_s`` seconds on."""

        def wake() -> None:
            with condition:
                condition.notify_all()

        with self._waiter(timeout_s, wake) as has_to_wait:
            if has_to_wait:
                condition.wait()

    def get(self, items: queue.SimpleQueue[None], timeout_s: float | None) -> None:
        """Take an item, or come back when time was moved ``timeout_s`` seconds on."""
        waiter = self._waiter(timeout_s, lambda: items.put(None))
        with waiter as has_to_wait, contextlib.suppress(queue.Empty):
            items.get(block=has_to_wait)

    @contextlib.contextmanager
    def _waiter(self, timeout_s: float | None, wake: Callable[[], None]) -> Iterator[bool]:
        """Note a waiter for as long as it waits; yield whether it has to."""
        with self._lock:
            until_s = float("inf") if timeout_s is None else self._now_s + timeout_s
            if until_s > self._now_s:
                entry = (until_s, wake)
                self._waiting.append(entry)
                self._waits_changed.notify_all()
        if until_s <= self._now_s:
            yield False
            return
        try:
            yield True
        finally:
            with self._lock:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                    self._waits_changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Move time on, and wake whoever waited for a moment that has come."""
        with self._lock:
            self._now_s += seconds
            due = [entry for entry in self._waiting if entry[0] <= self._now_s]
            for entry in due:
                self._waiting.remove(entry)
        for _, wake in due:
            wake()

    def wait_for_waiters(self, count: int = 1, timeout_s: float = 10.0) -> None:
        """Block, in real time, until ``count`` threads wait on this clock.

        Raises:
            TimeoutError: they did not within ``timeout_s`` real seconds.
        """
        with self._lock:
            if not self._waits_changed.wait_for(lambda: len(self._waiting) >= count, timeout_s):
                raise TimeoutError(f"{len(self._waiting)} threads wait, not {count}")
