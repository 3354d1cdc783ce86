"""Events are counted, and handed to a hook that cannot do harm."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_events import story, troubled
from helpers_threads import LONG_S, in_thread, our_threads, switching_often, together
from test_process import needs_fork, passes

from customgroqchat import _observer
from customgroqchat._clock import Clock
from customgroqchat._observer import Observer
from customgroqchat.events import Event
from customgroqchat.testing import FakeClock

QUEUED = Event("queued", 1, 1000.0, "m")
SETTLED = Event("settled", 1, 1001.0, "m", attempt=1, took_s=1.0)


class Recorder:
    """A hook that notes events and the thread it runs on; a gate can hold it up."""

    def __init__(self, error: Exception | None = None) -> None:
        self.events: list[Event] = []
        self.threads: set[threading.Thread] = set()
        self.error = error
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, event: Event) -> None:
        self.threads.add(threading.current_thread())
        self.entered.set()
        assert self.gate.wait(LONG_S)
        self.events.append(event)
        if self.error is not None:
            raise self.error

    @property
    def numbers(self) -> list[int]:
        return [event.request_id for event in self.events]


Make = Callable[..., Observer]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[weakref.ref[Observer]] = []

    def make(hook: Any = None) -> Observer:
        observer = Observer(hook, FakeClock())
        made.append(weakref.ref(observer))
        return observer

    yield make
    for reference in made:
        if (observer := reference()) is not None:
            observer.close(0.0)


def numbered(count: int, first: int = 0) -> list[Event]:
    return [QUEUED._replace(request_id=number) for number in range(first, first + count)]


def tell(observer: Observer, events: list[Event]) -> None:
    for event in events:
        observer.tell(event)


def delivered(observer: Observer) -> bool:
    """Wait until the hook has had everything. The clock stands still: only this may give up."""
    return in_thread(lambda: observer.flush(LONG_S)).result(LONG_S)


# --- the hook ------------------------------------------------------------------------------------


def test_the_hook_is_called_with_all_events_in_order_on_one_thread(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    tell(observer, [*story(), *troubled()])
    assert delivered(observer)
    assert hook.events == [*story(), *troubled()]
    (thread,) = hook.threads
    assert (thread.name, thread.daemon) == ("customgroqchat-events", True)


def test_there_is_no_thread_before_the_first_event_or_without_a_hook(make: Make) -> None:
    before = our_threads()
    silent, idle = make(), make(Recorder())
    tell(silent, story())
    assert silent.flush(0.0)
    assert idle.flush(0.0)
    assert our_threads() <= before


def test_telling_does_not_wait_for_the_hook(make: Make) -> None:
    hook = Recorder()
    hook.gate.clear()
    observer = make(hook)
    tell(observer, numbered(100))
    assert hook.events == []
    hook.gate.set()
    assert delivered(observer)
    assert hook.numbers == list(range(100))


def test_what_the_hook_raises_is_logged_loudly_once_for_each_class(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "customgroqchat")
    hook = Recorder(OSError("disk full"))
    observer = make(hook)
    tell(observer, numbered(2))
    assert delivered(observer)
    hook.error = ValueError("wrong")
    tell(observer, numbered(1))
    assert delivered(observer)
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "WARNING"]
    assert {record.name for record in caplog.records} == {"customgroqchat._observer"}
    assert "disk full" in caplog.text
    assert "Traceback" in caplog.text
    assert hook.numbers == [0, 1, 0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_hook_that_ends_its_thread_gets_another_one(make: Make) -> None:
    hook = Recorder()
    hook.error = SystemExit()  # type: ignore[assignment]
    observer = make(hook)
    observer.tell(QUEUED)
    assert hook.entered.wait(LONG_S)
    (first,) = hook.threads
    first.join(LONG_S)
    assert not first.is_alive()
    hook.error = None
    tell(observer, numbered(2, first=7))
    assert delivered(observer)
    assert hook.numbers == [1, 7, 8]


def test_a_hook_may_ask_to_flush_and_is_not_waited_for(make: Make) -> None:
    answers = []
    observer = make(lambda event: answers.append(observer.flush(LONG_S)))
    observer.tell(QUEUED)
    assert delivered(observer)
    assert answers == [False]


def test_a_hook_may_tell_events_itself(make: Make) -> None:
    hook = Recorder()

    def telling(event: Event) -> None:
        hook(event)
        if event.kind == "queued":
            observer.tell(SETTLED)

    observer = make(telling)
    observer.tell(QUEUED)
    assert delivered(observer)
    assert delivered(observer)
    assert hook.events == [QUEUED, SETTLED]


# --- capture -------------------------------------------------------------------------------------


class Capturing(Recorder):
    def capture(self) -> object:
        return threading.current_thread()


def test_a_context_is_captured_in_the_thread_that_asks(make: Make) -> None:
    observer = make(Capturing())
    assert observer.capture() is threading.current_thread()
    assert in_thread(observer.capture).result(LONG_S) is not threading.current_thread()


def test_a_hook_need_not_capture(make: Make) -> None:
    assert make(Recorder()).capture() is None
    assert make().capture() is None


def test_a_capture_that_fails_is_logged_loudly_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorder):
        def capture(self) -> object:
            raise LookupError("no request")

    observer = make(Broken())
    assert observer.capture() is None
    assert observer.capture() is None
    (record,) = caplog.records
    assert record.getMessage() == "the capture() of the hook failed"


# --- what finds no room --------------------------------------------------------------------------


@pytest.fixture
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_observer, "_MOST_WAITING", 5)


@pytest.mark.usefixtures("_little_room")
def test_what_finds_no_room_is_dropped_counted_and_logged_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Recorder()
    hook.gate.clear()
    observer = make(hook)
    observer.tell(QUEUED)
    assert hook.entered.wait(LONG_S)  # it has taken the first: five more find room
    tell(observer, numbered(8, first=10))
    assert observer.stats()["events_dropped"] == 3
    hook.gate.set()
    assert delivered(observer)
    tell(observer, numbered(2, first=30))
    assert delivered(observer)
    assert hook.numbers == [1, 10, 11, 12, 13, 14, 30, 31]
    assert [record.getMessage() for record in caplog.records] == [
        "the hook is too slow: events are dropped; stats() says how many"
    ]
    assert observer.stats()["events"]["queued"] == 11  # all are counted, dropped or not


# --- where there are no threads ------------------------------------------------------------------


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_where_threads_cannot_be_started_the_hook_is_called_in_place(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    hook = Recorder(OSError("disk full"))
    observer = make(hook)
    tell(observer, story())
    assert hook.events == story()
    assert hook.threads == {threading.current_thread()}
    assert observer.in_place
    assert observer.flush(0.0)


def test_it_can_be_told_that_threads_do_not_run(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    observer.in_place = True
    tell(observer, story())
    assert hook.events == story()
    assert hook.threads == {threading.current_thread()}


def test_what_waits_goes_first_when_there_turn_out_to_be_no_threads(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    hook = Recorder()
    observer = make(hook)
    observer.tell(SETTLED)  # by the garbage collector, say, in a forked child
    assert hook.events == []
    observer.tell(QUEUED)
    assert hook.events == [SETTLED, QUEUED]


def test_an_end_starts_no_thread(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    before = our_threads()
    observer.tell(SETTLED)
    assert our_threads() <= before
    assert delivered(observer)
    assert hook.events == [SETTLED]


# --- the end -------------------------------------------------------------------------------------


def test_close_delivers_what_was_told_and_ends_the_thread(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    tell(observer, story())
    assert in_thread(observer.close).result(LONG_S)
    (thread,) = hook.threads
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert hook.events == story()
    assert observer.close()


def test_what_is_told_after_the_end_is_counted_and_dropped(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    assert observer.close()
    before = our_threads()
    tell(observer, story())
    assert our_threads() <= before
    assert hook.events == []
    stats = observer.stats()
    assert (stats["events_dropped"], stats["events"]["settled"]) == (4, 1)


def test_close_does_not_wait_longer_than_it_may(make: Make) -> None:
    hook = Recorder()
    hook.gate.clear()
    observer = make(hook)
    observer.tell(QUEUED)
    clock: FakeClock = observer._clock  # type: ignore[assignment]
    closing = in_thread(lambda: observer.close(3.0))
    clock.wait_for_waiters()
    clock.advance(2.9)
    clock.wait_for_waiters()
    assert not closing.done()
    clock.advance(0.1)
    assert closing.result(LONG_S) is False
    hook.gate.set()
    (thread,) = hook.threads
    thread.join(LONG_S)
    assert hook.events == [QUEUED]


def test_an_observer_that_is_dropped_takes_its_thread_with_it_after_the_last_event() -> None:
    hook = Recorder()
    hook.gate.clear()
    observer = Observer(hook, Clock())
    tell(observer, story())
    gone = weakref.ref(observer)
    del observer
    hook.gate.set()
    assert hook.entered.wait(LONG_S)
    (thread,) = hook.threads
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert hook.events == story()
    assert gone() is None


def test_a_hook_that_knows_its_client_keeps_it_from_nothing() -> None:
    class Owner:
        def __init__(self) -> None:
            self.observer = Observer(self.note, Clock())
            self.threads: list[threading.Thread] = []

        def note(self, event: Event) -> None:
            self.threads.append(threading.current_thread())

    owner = Owner()
    owner.observer.tell(QUEUED)
    assert owner.observer.flush(LONG_S)
    (thread,) = owner.threads
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert gone() is None


# --- counting ------------------------------------------------------------------------------------


def test_everything_is_counted(make: Make) -> None:
    observer = make()
    tell(observer, [*story(), *troubled(model="other")])
    nothing = {"admitted": 0, "retried": 0, "limited": 0, "settled": 0, "failed": 0}
    assert observer.stats() == {
        "since": 1000.0,
        "events": {
            "queued": 2,
            "admitted": 1,
            "sent": 3,
            "retried": 1,
            "limited": 1,
            "settled": 1,
            "failed": 1,
        },
        "models": {
            "m": {**nothing, "queued": 1, "admitted": 1, "sent": 1, "settled": 1},
            "other": {**nothing, "queued": 1, "sent": 2, "retried": 1, "limited": 1, "failed": 1},
        },
        "errors": {"RequestCancelledException": 1},
        "retries": {"InternalServerError": 1},
        "refused": {"TPM": 1},
        "tokens": {"prompt": 70, "completion": 12, "cached": 64},
        "waited_s": {"sum": 3.75, "max": 2.0},
        "took_s": {"sum": 1.75, "max": 1.0},
        "events_dropped": 0,
    }


def test_nothing_is_counted_as_nothing(make: Make) -> None:
    stats = make().stats()
    assert set(stats["events"].values()) == {0}
    assert (stats["models"], stats["errors"], stats["took_s"]["max"]) == ({}, {}, 0.0)


def test_what_is_not_known_has_a_place_of_its_own(make: Make) -> None:
    observer = make()
    observer.tell(Event("limited", 1, 1000.0, "m", status_code=429))
    observer.tell(Event("limited", 1, 1000.0, "m", dimension="RPM"))  # refused by the client
    observer.tell(Event("retried", 1, 1000.0, "m"))
    observer.tell(Event("failed", 1, 1000.0, "m"))
    stats = observer.stats()
    assert (stats["refused"], stats["retries"], stats["errors"]) == ({"unknown": 1},) * 3


def test_stats_are_a_copy(make: Make) -> None:
    observer = make()
    observer.stats()["tokens"]["prompt"] = 99
    assert observer.stats()["tokens"]["prompt"] == 0


def test_counting_needs_no_one_to_ask(make: Make) -> None:
    observer = make()
    tell(observer, numbered(1000))
    assert len(observer._news) < _observer._BATCH


def test_counting_holds_nothing_that_belongs_to_a_request(make: Make) -> None:
    class Context:
        pass

    context = Context()
    gone = weakref.ref(context)
    observer = make()
    observer.tell(QUEUED._replace(context=context))
    del context
    assert gone() is None


def test_telling_does_not_wait_for_who_counts(make: Make) -> None:
    observer = make()
    with observer._counting:
        in_thread(lambda: tell(observer, numbered(3 * _observer._BATCH))).result(LONG_S)
    assert observer.stats()["events"]["queued"] == 3 * _observer._BATCH


@pytest.mark.stress
def test_many_threads_lose_no_event_and_no_order(make: Make) -> None:
    hook = Recorder()
    observer = make(hook)
    seen: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 500):
            tell(observer, story(number))

    def look() -> None:
        for _ in range(50):
            seen.append(observer.stats()["events"]["queued"])

    with switching_often():
        together(*(lambda first=first: work(first) for first in (0, 1000, 2000, 3000)), look)
    assert delivered(observer)
    stats = observer.stats()
    assert set(stats["models"]["m"].values()) == {0, 2000}
    assert (stats["tokens"]["prompt"], stats["took_s"]["sum"]) == (2000 * 70, 1000.0)
    assert seen == sorted(seen)
    assert stats["events_dropped"] == 0
    assert len(hook.threads) == 1
    kinds: dict[int, list[str]] = {}
    for event in hook.events:
        kinds.setdefault(event.request_id, []).append(event.kind)
    assert len(kinds) == 2000
    assert set(map(tuple, kinds.values())) == {("queued", "admitted", "sent", "settled")}


# --- processes of their own ----------------------------------------------------------------------

HOOKED = """
    from customgroqchat._observer import Observer
    from customgroqchat.events import Event

    def event(kind, number):
        return Event(kind, number, 1000.0, "m")
"""


@needs_fork
def test_a_forked_child_begins_anew() -> None:
    passes(
        HOOKED
        + """
    gate, entered, heard = threading.Event(), threading.Event(), []

    def hook(event):
        heard.append((os.getpid(), event.request_id))
        entered.set()
        gate.wait(LONG_S)

    observer = Observer(hook, Clock())
    for number in (1, 2, 3):
        observer.tell(event("queued", number))
    assert entered.wait(LONG_S)
    observer._counting.acquire(); observer._starting.acquire()  # as if threads held them

    def child():
        del heard[:]
        gate.set()
        assert observer.stats()["events"]["queued"] == 0
        observer.tell(event("queued", 7))
        assert observer.flush(LONG_S)
        assert heard == [(os.getpid(), 7)], heard
        assert observer.stats()["events"]["queued"] == 1
        assert observer.close(LONG_S)

    in_child(child)
    observer._counting.release(); observer._starting.release()
    gate.set()
    assert observer.flush(LONG_S)
    assert [number for _, number in heard] == [1, 2, 3]
    """
    )


def test_a_script_that_ends_delivers_its_events_and_those_of_its_last_hooks() -> None:
    passes(
        HOOKED
        + """
    import atexit
    heard = []
    observer = Observer(lambda event: heard.append(event.request_id), Clock())

    def last():
        observer.tell(event("queued", 2))
        observer.tell(event("settled", 2))
        if heard != [1, 1, 2, 2]:
            print(heard, file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)

    atexit.register(last)
    observer.tell(event("queued", 1))
    observer.tell(event("settled", 1))
    """
    )


def test_a_hook_that_is_stuck_does_not_keep_a_script_from_ending() -> None:
    passes(
        HOOKED
        + """
    from customgroqchat.testing import FakeClock
    observer = Observer(lambda event: threading.Event().wait(), FakeClock())
    observer.tell(event("queued", 1))
    observer.tell(event("settled", 1))
    """
    )
