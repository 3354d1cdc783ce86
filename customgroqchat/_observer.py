"""Tells a hook what happens to requests, on a thread of its own, and counts it."""

from __future__ import annotations

import contextlib
import logging
import operator
import queue
import threading
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, get_args

from . import _process
from ._clock import Clock, Signal
from ._surroundings import threads_run
from .events import ENDS, Event, Kind

_log = logging.getLogger(__name__)

Hook = Callable[[Event], object]
_Item = tuple[Callable[[Any], None], Any]  # what the thread is to call, and with what

_MOST_WAITING = 10_000  # events that wait for the hook
_BATCH = 64  # events that are counted at a time
_CLOSING_S = 1.0
_AT_EXIT_S = 0.5


class Observer:
    """Counts events and hands them to a hook, one after another, on a daemon thread of its own.

    The thread is made with the first event, and ends with :meth:`close`, or with the observer. A
    hook that blocks or raises harms nobody: events wait for it, up to 10,000; those that find no
    room are dropped and counted. In a forked child all begins anew.

    All methods may be called from any thread; but for :meth:`flush` and :meth:`close`, none
    blocks.

    Args:
        hook: What is called with each event; what it raises is logged. If it has a method
            ``capture()``, see :meth:`capture`. None if events are to be counted only.
        clock: Where time is read.

    Attributes:
        in_place: Whether the hook is called at once, by :meth:`tell`, on whatever thread that is
            called. So it is where threads cannot be started, and after the end of the main
            thread. To be set where threads can be started and do not run.
    """

    def __init__(self, hook: Hook | None, clock: Clock) -> None:
        self.in_place = False
        self._clock = clock
        self._hook = None if hook is None else GuardedHook(hook)
        self._closed = False
        self._begin()
        _process.on_fork(self)
        if hook is not None:
            _process.on_exit(self)

    def _begin(self) -> None:
        self._news: deque[tuple[Any, ...] | None] = deque()  # not counted yet; None was dropped
        self._counting = threading.Lock()
        self._tally = Tally(self._clock.wall())
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._finalizer: weakref.finalize[[None], Observer] | None = None
        self._has_dropped = self._drop_is_told = False

    def after_fork(self) -> None:
        """In a forked child: what was told is the parent's, and so is the thread."""
        self._begin()

    # --- telling --------------------------------------------------------------------------

    def capture(self) -> object | None:
        """Return what the hook's ``capture()`` returns, or None if it has none or fails.

        To be called by the thread that queues a request: it is for what belongs to that thread,
        such as the span that it is in.
        """
        return None if self._hook is None else self._hook.capture()

    def tell(self, event: Event) -> None:
        """Count an event, and have the hook called with it.

        Never raises or blocks, takes microseconds, and calls no foreign code unless ``in_place``:
        it may be called under a lock, and by the garbage collector.
        """
        self._news.append(_facts_of(event))
        if len(self._news) >= _BATCH:
            self._count()
        if self._hook is not None:
            self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        # An end may be told by the garbage collector, in the middle of anything, also of starting
        # a thread: none is started then. Another event went before it.
        if self._thread is None and not self.in_place and event.kind not in ENDS:
            self._start()
        if self.in_place:
            self._catch_up()
            self._deliver(event)
        elif self._closed or self._items.qsize() >= _MOST_WAITING:
            self._news.append(None)
            self._has_dropped = True
        else:
            self._items.put((self._deliver, event))

    def _deliver(self, event: Event) -> None:
        assert self._hook is not None
        self._hook(event)
        if self._has_dropped and not self._drop_is_told:
            self._drop_is_told = True
            _log.warning("the hook is too slow: events are dropped; stats() says how many")

    # --- the thread -----------------------------------------------------------------------

    def _start(self) -> None:
        if not threads_run():
            self.in_place = True
            return
        with self._starting:
            if self._thread is not None or self._closed:
                return
            self._thread = threading.Thread(
                target=_work,
                args=(self._items, weakref.ref(self)),
                name="customgroqchat-events",
                daemon=True,
            )
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None
                self.in_place = True
            else:
                self._bind_thread()

    def _bind_thread(self) -> None:
        """Have the thread end with this observer, after what it was given."""
        if self._finalizer is None:
            self._finalizer = weakref.finalize(self, self._items.put, None)
            self._finalizer.atexit = False

    def _catch_up(self) -> None:
        """Do on this thread what waits for another one."""
        while not self._items.empty():
            with contextlib.suppress(queue.Empty):
                if (item := self._items.get_nowait()) is not None:
                    item[0](item[1])

    def ended(self, items: queue.SimpleQueue[_Item | None]) -> None:
        """Note that the thread has ended; what it has left is for the next one."""
        if items is self._items:
            self._thread = None

    # --- ending ---------------------------------------------------------------------------

    def flush(self, timeout_s: float) -> bool:
        """Block until the hook has been called with all that was told, or the time is over.

        Returns:
            Whether it has been. False at once if the hook itself asks.
        """
        return self._flush(timeout_s, self._clock)

    def _flush(self, timeout_s: float, clock: Clock) -> bool:
        if self._thread is None and not self._items.empty() and not self.in_place:
            self._start()
        if self.in_place:
            self._catch_up()
            return True
        if self._thread is None or self._thread is threading.current_thread():
            return self._thread is None
        mark = _Mark(clock)
        self._items.put((mark.reach, None))
        return mark.wait(timeout_s)

    def close(self, timeout_s: float = _CLOSING_S) -> bool:
        """Flush, and let the thread end; what is told later is counted and dropped.

        Blocks for at most ``timeout_s`` seconds. May be called again.

        Returns:
            Whether the hook has been called with all that was told before.
        """
        delivered = self.flush(timeout_s)
        self._closed = True
        self._items.put(None)
        return delivered

    def at_exit(self) -> None:
        """Give the hook half a second; what is still told then is told in place."""
        if not self._closed:
            self.in_place = self._flush(_AT_EXIT_S, Clock())  # no other clock is sure to go on

    # --- counting -------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Return what was told since the beginning, or since the fork, counted.

        Returns:
            ``since`` (seconds since 1970); ``events`` (by kind) and ``models`` (the same by
            model); ``errors`` (by class, of requests that failed), ``retries`` (by class, of
            attempts that were repeated) and ``refused`` (429s by dimension); ``tokens``
            (``prompt``, ``completion`` and ``cached``, as the service counts); ``waited_s`` of
            requests that ended and ``took_s`` of attempts (``sum`` and ``max``, in seconds); and
            ``events_dropped``. A copy.
        """
        with self._counting:
            self._count_news()
            return self._tally.to_dict()

    def _count(self) -> None:
        # Whoever finds another one counting leaves it to that one. Only two who find it free in
        # the same instant wait, for one batch. A plain ``with`` is proof against Ctrl-C.
        if not self._counting.locked():
            with self._counting:
                self._count_news()

    def _count_news(self) -> None:
        for _ in range(len(self._news)):
            self._tally.add(self._news.popleft())


def _work(items: queue.SimpleQueue[_Item | None], reference: weakref.ref[Observer]) -> None:
    """Do what is asked, until None is; an observer is held only while something is to be done."""
    try:
        while (item := items.get()) is not None:
            function, argument = item
            function(argument)
            del item, function, argument
    finally:
        if (observer := reference()) is not None:
            observer.ended(items)


class _Mark:
    """A place among the events, and whether the thread has come there."""

    def __init__(self, clock: Clock) -> None:
        self._signal = Signal(clock)
        self._is_reached = False

    def reach(self, _: None) -> None:
        self._is_reached = True
        self._signal.give()

    def wait(self, timeout_s: float) -> bool:
        self._signal.wait(timeout_s)
        return self._is_reached


class GuardedHook:
    """A hook that raises nothing: that is logged, once for each class, and then at DEBUG."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._capture: Callable[[], object] | None = getattr(hook, "capture", None)
        self._known: set[tuple[str, type]] = set()

    def capture(self) -> object | None:
        """Return what the hook's ``capture()`` returns, or None."""
        try:
            return None if self._capture is None else self._capture()
        except Exception as error:
            self._complain("the capture() of the hook", error)
            return None

    def __call__(self, event: Event) -> None:
        """Call the hook."""
        try:
            self._hook(event)
        except Exception as error:
            self._complain("the hook", error)

    def _complain(self, what: str, error: Exception) -> None:
        is_known = (what, type(error)) in self._known
        self._known.add((what, type(error)))
        _log.log(logging.DEBUG if is_known else logging.WARNING, "%s failed", what, exc_info=error)


# --- counting ------------------------------------------------------------------------------------

# What is counted of an event. The rest of it is let go, above all what its context holds.
_FACTS = "kind model error status_code dimension waited_s took_s prompt_tokens completion_tokens"
_facts_of: Callable[[Event], tuple[Any, ...]] = operator.itemgetter(
    *(Event._fields.index(name) for name in (*_FACTS.split(), "cached_tokens"))
)


class Tally:
    """Events, counted. Not thread-safe.

    Args:
        since: When the counting began, in seconds since 1970.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._models: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._errors: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._tokens = {"prompt": 0, "completion": 0, "cached": 0}
        self._waited_s = {"sum": 0.0, "max": 0.0}
        self._took_s = {"sum": 0.0, "max": 0.0}
        self._dropped = 0

    def add(self, facts: tuple[Any, ...] | None) -> None:
        """Count an event, by its facts, or one that was dropped."""
        if facts is None:
            self._dropped += 1
            return
        kind, model, error, status_code, dimension, waited_s, took_s, *tokens = facts
        self._models[model][kind] += 1
        if took_s is not None:
            _add_seconds(self._took_s, took_s)
        if kind in ENDS:
            self._end(kind, waited_s, error, *tokens)
        elif kind == "retried":
            self._retries[error or "unknown"] += 1
        if status_code == 429:
            self._refused[dimension or "unknown"] += 1

    def _end(
        self,
        kind: Kind,
        waited_s: float,
        error: str | None,
        prompt: int | None,
        completion: int | None,
        cached: int | None,
    ) -> None:
        _add_seconds(self._waited_s, waited_s)
        if kind == "failed":
            self._errors[error or "unknown"] += 1
        if completion is not None:  # or it is an estimate
            self._tokens["prompt"] += prompt or 0
            self._tokens["completion"] += completion
            self._tokens["cached"] += cached or 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, as :meth:`Observer.stats` does."""
        total = sum(self._models.values(), Counter[str]())
        return {
            "since": self._since,
            "events": _by_kind(total),
            "models": {model: _by_kind(counts) for model, counts in self._models.items()},
            "errors": dict(self._errors),
            "retries": dict(self._retries),
            "refused": dict(self._refused),
            "tokens": dict(self._tokens),
            "waited_s": dict(self._waited_s),
            "took_s": dict(self._took_s),
            "events_dropped": self._dropped,
        }


def _by_kind(counts: Counter[str]) -> dict[str, int]:
    return {kind: counts[kind] for kind in get_args(Kind)}


def _add_seconds(seconds: dict[str, float], more_s: float) -> None:
    seconds["sum"] += more_s
    seconds["max"] = max(seconds["max"], more_s)
