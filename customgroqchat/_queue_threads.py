"""The threads of a queue manager: its dispatcher, its workers, and those that call callbacks.

Where no thread runs, whoever waits for a job does all that they would do.
"""

from __future__ import annotations

import functools
import logging
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol

from ._clock import Clock, Signal

# Callbacks have threads of their own, made as they are needed: they may block, or call the client
# and wait for its workers, or for one another.
_CALLBACK_THREADS = 256
_AFTER_A_DEFECT_S = 0.1

_log = logging.getLogger(__name__)


class Stepper(Protocol):
    """What the dispatcher's thread looks at again and again."""

    @property
    def closed(self) -> bool:
        """Whether there is nothing more to do, ever."""

    def step(self) -> float | None:
        """Do all that is due now; return the instant of the next thing, or None."""


class QueueThreads:
    """Made with the first job; not thread-safe.

    Attributes:
        workers: Where jobs run, or None before the start.
        callers: Where callbacks run, or None before the start.
        in_place: Whether there are none: see :meth:`do_next`.
    """

    def __init__(self) -> None:
        self.workers: Executor | None = None
        self.callers: Executor | None = None
        self.in_place = False
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._finalizer: weakref.finalize[[], Stepper] | None = None

    @property
    def have_begun(self) -> bool:
        """Whether it is settled who does the work."""
        return self.in_place or self.workers is not None

    def start(self, stepper: Stepper, max_workers: int, changed: Signal, clock: Clock) -> None:
        """Make them, once; the dispatcher steps whenever something has changed."""
        if self.have_begun:
            return
        threading.Thread(
            target=_dispatch,
            args=(weakref.ref(stepper), changed, clock),
            name="customgroqchat-dispatcher",
            daemon=True,
        ).start()
        # The dispatcher holds the manager only while it steps, and is woken when it is gone.
        self._finalizer = weakref.finalize(stepper, changed.give)
        self._finalizer.atexit = False
        self.workers = ThreadPoolExecutor(max_workers, "customgroqchat-worker")
        self.callers = ThreadPoolExecutor(_CALLBACK_THREADS, "customgroqchat-callback")

    def work(self, function: Callable[..., None], *args: Any) -> None:
        """Have a worker call the function; raises RuntimeError if that cannot be."""
        if self.in_place:
            self._todo.put(functools.partial(function, *args))
            return
        assert self.workers is not None
        self.workers.submit(function, *args)

    def do_next(self) -> bool:
        """Do what a worker would do next, on this thread; False if there is nothing."""
        try:
            task = self._todo.get_nowait()
        except queue.Empty:
            return False
        task()
        return True

    def call(self, call_back: Callable[[], None]) -> None:
        """Have a thread of their own call the callbacks of a job, or else this one."""
        if self.callers is None:
            call_back()
            return
        try:
            self.callers.submit(call_back)
        except RuntimeError:  # shut down by close(), or by the interpreter's end
            call_back()

    def shutdown(self) -> None:
        """Let them end when they have done what they were given; does not block."""
        for executor in (self.workers, self.callers):
            if executor is not None:
                executor.shutdown(wait=False)

    def forget(self) -> None:
        """In a forked child: the parent's dispatcher, who would be woken, is not here."""
        if self._finalizer is not None:
            self._finalizer.detach()


def _dispatch(reference: weakref.ref[Stepper], changed: Signal, clock: Clock) -> None:
    while (stepper := reference()) is not None and not stepper.closed:
        try:
            next_s = stepper.step()
        except Exception:  # a defect of ours: it shall not leave everybody waiting for ever
            _log.exception("the dispatcher failed, and goes on")
            next_s = clock.monotonic() + _AFTER_A_DEFECT_S
        del stepper
        changed.wait(None if next_s is None else next_s - clock.monotonic())
