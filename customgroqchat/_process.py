"""What happens to threads, sockets and locks when the process forks or ends.

Parts register themselves when made, and are held weakly. Nothing is started here.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread
import os
import sys
import threading
import weakref
from typing import Protocol


class ForkPart(Protocol):
    """A part that must do something in a forked child."""

    def after_fork(self) -> None:
        """Become usable where no other thread exists and locks may be held for ever."""


class ExitPart(Protocol):
    """A part that must do something when the interpreter ends."""

    def at_exit(self) -> None:
        """Let go of threads, so that the interpreter can end. Must not block."""


_forked: weakref.WeakSet[ForkPart] = weakref.WeakSet()
_ending: weakref.WeakSet[ExitPart] = weakref.WeakSet()
_exit_hooked = False
_pid = os.getpid()


def on_fork(part: ForkPart) -> None:
    """Have ``after_fork`` of this part called in a forked child."""
    _forked.add(part)


class ForkLock:
    """A lock, used with ``with``, that is free in a forked child, whoever held it before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        on_fork(self)

    def after_fork(self) -> None:
        """Become free: the thread that may hold it is not there."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def on_exit(part: ExitPart) -> None:
    """Have ``at_exit`` of this part called when the interpreter ends."""
    global _exit_hooked
    _ending.add(part)
    if not _exit_hooked:
        _exit_hooked = True
        # The pool of concurrent.futures joins its workers before ordinary atexit hooks run, so an
        # answer that takes a minute would hold up the exit for as long. Hooks of this kind run
        # last in, first out: before the pool's, which was imported before anything is registered.
        hook = getattr(threading, "_register_atexit", atexit.register)
        try:
            hook(_at_exit)
        except RuntimeError:  # the end has begun
            atexit.register(_at_exit)


def is_ending() -> bool:
    """Return whether the interpreter is ending: its main thread is done, or it is finalized."""
    # Set before the threads are joined. From then on Python 3.12 starts no thread any more; the
    # others do, but take nothing into a pool once its hook has run.
    return getattr(threading, "_SHUTTING_DOWN", False) or sys.is_finalizing()


def _at_exit() -> None:
    try:
        # Threads that somebody started, and that may call a client, still work: Python waits for
        # them next, so nothing is taken from them before. Who pressed Ctrl-C does not wait.
        if getattr(sys, "last_type", None) is not KeyboardInterrupt:
            for thread in threading.enumerate():
                if not thread.daemon and not _is_of_a_pool(thread):
                    thread.join()
    finally:
        for part in list(_ending):
            part.at_exit()


def _is_of_a_pool(thread: threading.Thread) -> bool:
    """Whether it is this thread, or one that ends when its pool is told to."""
    pools = getattr(concurrent.futures.thread, "_threads_queues", ())
    return thread in (threading.current_thread(), threading.main_thread()) or thread in pools


def notice_fork() -> None:
    """Do what is to be done after a fork, if one went by without notice.

    uWSGI forks below Python, where its hooks are not called. Costs a tenth of a microsecond.
    """
    if os.getpid() != _pid:
        _after_fork()


def _after_fork() -> None:
    global _pid
    _pid = os.getpid()
    for part in list(_forked):
        part.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
