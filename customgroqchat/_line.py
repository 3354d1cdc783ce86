"""One request's line to the service: how far it has come, and a way to cut it from elsewhere.

While a thread is blocked in a socket there is no response to close yet, and closing a file
descriptor wakes nobody: the only way to wake it is to shut the socket down.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Protocol

from ._clock import Clock
from ._records import Attempt

#: What has been done of an attempt, in this order.
PHASES = ("starting", "connecting", "sending", "waiting", "reading", "paused", "done")


class LineCut(Exception):
    """The line was cut before the next step; ``str()`` says by what."""


class Alarm(Protocol):
    """Something that goes off later, unless it is cancelled."""

    def cancel(self) -> None:
        """Do not go off."""


class Line:
    """All attempts of one request, one after the other; cut once, it stays cut.

    :meth:`cut` may be called from any thread and does not block; everything else belongs to the
    thread that sends.

    Attributes:
        read_timeout_s: The longest silence while something is sent or read, or None.
        cut_by: What cut it, such as ``"deadline"``, or None.
        phase: How far the present attempt is, one of :data:`PHASES`.
        spent: Seconds by phase, of all attempts.
        is_reused: Whether the present attempt uses a connection that has served before.
        wants_new: Whether it must not.
        born_s: When the request was submitted.
        alarm: What would cut it, to be cancelled in the end.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Re-entrant, for the garbage collector may cut it in the middle of anything.
        self._changed = threading.Condition(threading.RLock())
        self._socket: socket.socket | None = None
        self._handle: socket.socket | None = None
        self._process = os.getpid()
        self.born_s = self._began_s = self._since_s = clock.monotonic()
        self.read_timeout_s: float | None = None
        self.cut_by: str | None = None
        self.phase = "starting"
        self.spent: dict[str, float] = {}
        self.is_reused = False
        self.wants_new = False
        self.alarm: Alarm | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the service may have got something of the request."""
        # Where nothing was noted and nothing cut, the connection is not one of ours but a mock's.
        return self.phase not in ("starting", "connecting") or (
            self.phase == "starting" and self.cut_by is None
        )

    def start(self) -> None:
        """Start an attempt."""
        self._began_s = self._since_s = self._clock.monotonic()
        self.phase = "starting"

    def look_for_connection(self, *, wants_new: bool) -> None:
        """Be about to send on a connection, a new one if need be; raises :class:`LineCut`."""
        self.let_go()
        self.wants_new, self.is_reused = wants_new, False
        self.enter("starting")

    def enter(self, phase: str, sock: socket.socket | None = None) -> None:
        """Go on to a phase, on a socket if there is one by now; raises :class:`LineCut`."""
        with self._changed:
            self._go_on_to(phase)
            if sock is not None:
                self._hold(sock)
        self.check()

    def check(self) -> None:
        """Raise :class:`LineCut` if it was cut, or belongs to the process that this one is of."""
        if self.cut_by is None and os.getpid() != self._process:
            self.cut_by = "forked"
        if self.cut_by is not None:
            raise LineCut(self.cut_by)

    def report(self, outcome: str, status_code: int | None, request_id: str | None) -> Attempt:
        """Return the record of the attempt that has just ended."""
        with self._changed:
            self._go_on_to(self.phase)
        took_s = self._since_s - self._began_s
        began_s = self._began_s - self.born_s
        phase = "reading" if self.phase == "paused" else self.phase
        return Attempt(began_s, took_s, outcome, status_code, request_id, phase)

    def hurry(self, timeout_s: float) -> None:
        """Have the next read wait no longer than this."""
        with self._changed:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.settimeout(timeout_s)

    def let_go(self) -> None:
        """Forget the socket, which from now on may serve somebody else."""
        with self._changed:
            handle, self._handle, self._socket = self._handle, None, None
        if handle is not None:
            handle.close()

    def took_s(self) -> float:
        """Return the seconds since the present attempt began."""
        return self._clock.monotonic() - self._began_s

    def pause(self) -> None:
        """Take note that nobody reads just now."""
        with self._changed:
            self._go_on_to("paused")

    def done(self) -> None:
        """Take note that the whole answer is in."""
        with self._changed:
            self._go_on_to("done")

    def leave(self) -> None:
        """Take note of the end of an attempt: nothing needs to be cut any more."""
        self.let_go()
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def cut(self, why: str) -> bool:
        """Have the thread that sends fail at once; return whether it is the first cut."""
        with self._changed:
            first = self.cut_by is None
            if first:
                self.cut_by = why
            self._shut_down()
            self._changed.notify_all()
        return first

    def wait_for(self, is_done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Block until something is done, and :meth:`nudge` says so; False if time is up first.

        Raises:
            LineCut: it was cut meanwhile.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: is_done() or self.cut_by, timeout_s)
            if self.cut_by is not None:
                raise LineCut(self.cut_by)
        return bool(done)

    def nudge(self) -> None:
        """Have the one that waits look again."""
        with self._changed:
            self._changed.notify_all()

    def __del__(self) -> None:
        if self._handle is not None:
            self._handle.close()

    def _go_on_to(self, phase: str) -> None:
        now = self._clock.monotonic()
        self.spent[self.phase] = self.spent.get(self.phase, 0.0) + now - self._since_s
        self.phase, self._since_s = phase, now

    def _hold(self, sock: socket.socket) -> None:
        """Keep a handle of the connection's own, whatever becomes of the socket object.

        Wrapped in TLS, it is another object; and one that is shut down as such forgets its keys
        first, so that whoever sends in the same instant would send in the clear.
        """
        if sock is self._socket:
            return
        if self._handle is not None:
            self._handle.close()
        self._socket = sock
        number = socket.dup(sock.fileno())
        self._handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)

    def _shut_down(self) -> None:
        # A forked child shares the connection with its parent, who may still be using it.
        if self._handle is not None and os.getpid() == self._process:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)
