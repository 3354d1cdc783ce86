"""Things to be done at an instant, on one thread for all of them."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from . import _process
from ._clock import Clock

_log = logging.getLogger(__name__)

# A thread with nothing to watch stays for so long, since the next deadline is seldom far.
_LINGER_S = 1.0


def _call(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:  # a defect of ours, which shall not cost everybody else their deadlines
        _log.exception("an alarm failed")


class Alarm:
    """A function to be called at an instant."""

    __slots__ = ("_dog", "function")

    def __init__(self, dog: Watchdog, function: Callable[[], object]) -> None:
        self._dog = dog
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Do not call it. From any thread; may be called again, and after the call."""
        if self.function is not None:
            self.function = None
            self._dog.forget()


class Watchdog:
    """Calls functions at instants. Its thread is made when it is needed, and ends when it is not.

    All methods may be called from any thread; none blocks. The functions must not block either,
    or those that are due after them come late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._serials = itertools.count()
        self._reset()
        _process.on_fork(self)

    def _reset(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._cancelled = 0
        self._runs = False
        self._lingers = True

    def at(self, instant_s: float, function: Callable[[], object]) -> Alarm:
        """Have the function called at an instant of the monotonic clock.

        Where no thread can be started it is never called.
        """
        alarm = Alarm(self, function)
        with self._changed:
            heapq.heappush(self._alarms, (instant_s, next(self._serials), alarm))
            if not self._runs:
                self._start()
            elif self._alarms[0][2] is alarm:
                self._changed.notify_all()
        return alarm

    def forget(self) -> None:
        """Count an alarm that was cancelled; where most were, throw them away."""
        with self._changed:
            self._cancelled += 1
            if not self._lingers or self._cancelled > len(self._alarms) // 2 + 32:
                self._throw_away()

    def close(self) -> None:
        """Have the thread end now, if there is nothing to watch. May be called again."""
        with self._changed:
            self._lingers = False
            self._throw_away()

    def after_fork(self) -> None:
        """In a forked child: no thread, and nothing to watch."""
        self._reset()

    def _throw_away(self) -> None:
        """Throw cancelled alarms away. Lock held."""
        self._alarms = [entry for entry in self._alarms if entry[2].function]
        heapq.heapify(self._alarms)
        self._cancelled = 0
        self._changed.notify_all()

    def _start(self) -> None:
        thread = threading.Thread(target=self._watch, name="customgroqchat-watchdog", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter is ending
            thread.start()
            self._runs = True

    def _watch(self) -> None:
        while (due := self._wait_for_due()) is not None:
            for alarm in due:
                function, alarm.function = alarm.function, None
                if function is not None:
                    _call(function)

    def _wait_for_due(self) -> list[Alarm] | None:
        """Block until something is due and return it; None if there was nothing to watch."""
        changed = self._changed  # another one, as soon as somebody takes this for a forked child
        with changed:
            while True:
                now = self._clock.monotonic()
                due = self._due(now)
                if due:
                    return due
                if self._alarms:
                    # Not much longer than for nothing: most alarms are cancelled, and wake nobody.
                    until_s = self._alarms[0][0]
                    self._clock.wait(changed, min(until_s - now, _LINGER_S))
                    continue
                if self._lingers:
                    self._clock.wait(changed, _LINGER_S)
                if not self._alarms:
                    self._runs = False
                    return None

    def _due(self, now: float) -> list[Alarm]:
        due = []
        while self._alarms and (self._alarms[0][0] <= now or not self._alarms[0][2].function):
            alarm = heapq.heappop(self._alarms)[2]
            if alarm.function:
                due.append(alarm)
            else:
                self._cancelled -= 1
        return due
