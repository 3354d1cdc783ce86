"""What runs this process: an event loop, uWSGI, an interpreter that is about to end.

Whatever is asked here is looked up in ``sys.modules``, so nothing is loaded for the sake of asking.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from ._process import ForkLock, is_ending

_PACKAGE = __name__.partition(".")[0]
_OFF = frozenset({"", "0", "false", "no", "off", "n", "f"})

_IN_EVENT_LOOP = (
    "A blocking call of customgroqchat was made inside a running asyncio event loop, which stands "
    "still until the call returns. Make it in a thread: await asyncio.to_thread(...)."
)
_NO_THREADS = (
    "uWSGI runs this process without threads, so customgroqchat can work only while it is being "
    "called: what was submitted waits for the next call. Start uWSGI with --enable-threads."
)

_lock = ForkLock()
_warned: set[str] = set()


def warn_if_in_event_loop() -> None:
    """Warn, once in a process, if this thread runs an asyncio event loop.

    From any thread; does not block, and costs next to nothing where asyncio is not loaded.
    """
    if _IN_EVENT_LOOP not in _warned and _event_loop_runs():
        _warn_once(_IN_EVENT_LOOP)


def threads_run() -> bool:
    """Return whether a thread can be started, and will run while this one does something else.

    It is False under uWSGI without threads, of which it warns, once in a process; and when the
    interpreter is ending, where new threads are refused. From any thread; does not block.
    """
    if is_ending():
        return False
    if _uwsgi_holds_threads():
        _warn_once(_NO_THREADS)
        return False
    return True


def forget_warnings() -> None:
    """Warn anew; for tests."""
    _warned.clear()


def _event_loop_runs() -> bool:
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return running is not None and running() is not None


def _uwsgi_holds_threads() -> bool:
    """Whether uWSGI keeps Python's lock between requests, in which no other thread gets on."""
    options = getattr(sys.modules.get("uwsgi"), "opt", None)
    if not isinstance(options, dict):  # the module is there in a process of uWSGI only
        return False
    given = {_text(name): _text(value).lower() for name, value in options.items()}
    return "threads" not in given and given.get("enable-threads", "") in _OFF


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _warn_once(message: str) -> None:
    with _lock:
        if message in _warned:
            return
        _warned.add(message)
    warnings.warn(message, RuntimeWarning, stacklevel=_levels_to_caller())


def _levels_to_caller() -> int:
    """Return how far up the caller of the package is, for the warning to point at."""
    levels = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None and _is_ours(frame):
        levels, frame = levels + 1, frame.f_back
    return levels


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE
