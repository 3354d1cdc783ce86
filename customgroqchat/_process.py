"""What happens to threads, sockets and locks when the process forks or ends.

Parts register themselves when made, and are held weakly. Nothing is started here.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import Protocol


class ProcessPart(Protocol):
    """A part that has a say in it."""

    def after_fork(self) -> None:
        """Become usable in a forked child, where no other thread exists and locks may be held."""

    def at_exit(self) -> None:
        """Let go of threads, so that the interpreter can end. Must not block."""


_parts: weakref.WeakSet[ProcessPart] = weakref.WeakSet()
_exit_hooked = False


def register(part: ProcessPart) -> None:
    """Have ``after_fork`` and ``at_exit`` of this part called when their time comes."""
    global _exit_hooked
    _parts.add(part)
    if not _exit_hooked:
        _exit_hooked = True
        # The pool of concurrent.futures joins its workers before ordinary atexit hooks run, so an
        # answer that takes a minute would hold up the exit for as long. Hooks of this kind run
        # last in, first out: before the pool's, which was imported before anything is registered.
        hook = getattr(threading, "_register_atexit", atexit.register)
        hook(_at_exit)


def _at_exit() -> None:
    for part in list(_parts):
        part.at_exit()


def _after_fork() -> None:
    for part in list(_parts):
        part.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
