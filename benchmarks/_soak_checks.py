"""What must hold of the calls of a soak, and of the process when all is over."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from _soak_calls import ANSWER, MARGIN_S, Call

from customgroqchat.testing import RequestRecord

_REST_S = 5.0
_LOOK_S = 0.02


def broken_by_calls(
    calls: Sequence[Call], records: Sequence[RequestRecord]
) -> dict[str, list[str]]:
    """What each invariant was broken by, in words; nothing for those that hold.

    ``records`` are all requests that arrived, in that order.
    """
    arrivals = _arrivals(records)
    checks: dict[str, Callable[[Call], bool]] = {
        "every call ended": lambda call: call.outcome is not None,
        "with an answer or an error of the package's": lambda call: call.stranger is None,
        f"within its deadline and {MARGIN_S:g} s": lambda call: call.late_s <= MARGIN_S,
        "what was said is the answer to this call, from its start": lambda call: (
            call.expected.startswith(call.said)
        ),
        "an answer is a whole one": lambda call: is_whole(call, arrivals[call.text]),
        "nothing was sent again after it had been answered": lambda call: (
            not sent_again(call, arrivals[call.text])
        ),
    }
    return {name: [str(c) for c in calls if not check(c)] for name, check in checks.items()}


Arrivals = list[tuple[int, RequestRecord]]


def _arrivals(records: Sequence[RequestRecord]) -> dict[str, Arrivals]:
    found: dict[str, Arrivals] = defaultdict(list)
    for number, record in enumerate(records):
        if record.payload is not None:
            found[record.payload["messages"][-1]["content"]].append((number, record))
    return found


def is_whole(call: Call, arrivals: Arrivals) -> bool:
    """Whether an answer has all of its text, or is an object of another shape on purpose."""
    if call.outcome != ANSWER or call.said == call.expected:
        return True
    return not call.said and any(record.fault == "wrong_shape" for _, record in arrivals)


def sent_again(call: Call, arrivals: Arrivals) -> bool:
    """Whether a request of this call arrived after its caller had been handed something."""
    return call.handed_after is not None and any(
        number >= call.handed_after for number, _ in arrivals
    )


# --- at rest ---------------------------------------------------------------------------------


def comes_true(condition: Callable[[], Any], within_s: float = _REST_S) -> bool:
    """Look again and again whether something is so, for a while."""
    until_s = time.monotonic() + within_s
    while not (result := bool(condition())) and time.monotonic() < until_s:
        gc.collect()  # what was dropped in a cycle is dropped now
        time.sleep(_LOOK_S)
    return result


class Belongings:
    """The threads and sockets that this process had at a time."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._sockets = open_sockets()

    def new_threads(self) -> list[str]:
        """The names of threads that there are now and were not then."""
        return sorted(thread.name for thread in set(threading.enumerate()) - self._threads)

    def new_sockets(self) -> int:
        """How many more sockets are open now, where the system tells."""
        return open_sockets() - self._sockets


def open_sockets() -> int:
    """The open sockets of this process, or 0 where that is not known."""
    found = 0
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Collect what threads and finalizers raise and nobody catches."""
    heard: list[str] = []

    def note(caught: Any) -> None:
        heard.append(f"{caught.exc_type.__name__}: {caught.exc_value}")

    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = sys.unraisablehook = note
    try:
        yield heard
    finally:
        threading.excepthook, sys.unraisablehook = hooks
