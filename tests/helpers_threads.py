"""Real threads for tests: calls at the same time, and managers that are closed afterwards."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from helpers_queue import echo, give_ticket

from customgroqchat.queue_manager import QueueManager

LONG_S = 10.0  # nobody waits so long, unless something is broken

MakeManager = Callable[..., QueueManager]


@contextlib.contextmanager
def managers() -> Iterator[MakeManager]:
    """Yield a maker of managers, which admit everything and echo it; close them in the end."""
    made: list[weakref.ref[QueueManager]] = []

    def make(admit: Any = give_ticket, run: Any = echo, **settings: Any) -> QueueManager:
        manager = QueueManager(admit, run, **settings)
        made.append(weakref.ref(manager))
        return manager

    try:
        yield make
    finally:
        for reference in made:
            if (manager := reference()) is not None:
                manager.close(0.0)


def our_threads() -> set[threading.Thread]:
    """The threads of all managers there are."""
    return {thread for thread in threading.enumerate() if "customgroqchat" in thread.name}


def in_thread(function: Callable[[], Any]) -> Future[Any]:
    """Call it on another thread; the future has what came of it."""
    outcome: Future[Any] = Future()

    def call() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return outcome


def together(*functions: Callable[[], Any], timeout_s: float = 3 * LONG_S) -> None:
    """Call them at the same time, each on its thread; raise what any of them raised."""
    start = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> None:
        start.wait(timeout_s)
        function()

    calls = [in_thread(lambda function=function: call(function)) for function in functions]
    for outcome in calls:
        outcome.result(timeout_s)


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    """Have threads switched every microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
