"""Streams that are closed, left, dropped or interrupted: whichever, they end exactly once."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import in_thread
from helpers_stories import contents, ending, frame, frames, usage
from helpers_streams import End, Piece, ScriptedFeed, scripted, shown_usage
from helpers_threads import switching_often, together

from customgroqchat import APIConnectionError, BadRequestError, RequestCancelledException, Stream

# --- closing ---------------------------------------------------------------------------------


def test_closing_ends_it() -> None:
    feed, stream = scripted(*frames("One ", "two"), *ending())
    next(stream)
    stream.close()
    assert (feed.ends, stream.closed) == ([End("leave", "One ")], True)
    assert list(stream) == []
    stream.close()
    assert (feed.reads, len(feed.ends)) == (1, 1)
    assert not feed.was_cut.is_set()  # nobody was reading


def test_closing_it_unread() -> None:
    feed, stream = scripted(*ending())
    stream.close()
    assert feed.ends == [End("leave", "")]


def test_closing_after_the_end_changes_nothing() -> None:
    feed, stream = scripted(*frames("One"), *ending())
    list(stream)
    stream.close()
    assert feed.ends == [End("end", "One")]


def test_a_with_block_closes_it() -> None:
    feed, stream = scripted(*frames("One ", "two"), *ending())
    with stream as entered:
        assert entered is stream
        next(stream)
    assert feed.ends == [End("leave", "One ")]


def test_an_error_in_a_with_block_is_not_hidden() -> None:
    feed, stream = scripted(*frames("One"), *ending())
    next(stream)
    with pytest.raises(ZeroDivisionError), stream:
        raise ZeroDivisionError
    assert feed.ends == [End("leave", "One")]


def test_what_has_arrived_is_looked_through_for_the_usage() -> None:
    feed, stream = scripted(b"".join([*frames("One "), shown_usage(7), *frames("two")]))
    next(stream)
    stream.close()
    assert stream.usage is not None
    assert stream.usage.completion_tokens == 7
    assert [end.way for end in feed.ends] == ["leave"]
    assert feed.reads == 1


def test_and_for_the_end() -> None:
    feed, stream = scripted(b"".join([*frames("One ", "two"), *ending()]))
    next(stream)
    stream.close()
    assert feed.ends == [End("end", "One two")]
    assert stream.usage == usage()


@pytest.mark.parametrize("event", [frame({"error": {"message": "no"}}, "error"), b"data: what\n\n"])
def test_what_is_wrong_with_it_nobody_wants_to_know_any_more(event: bytes) -> None:
    feed, stream = scripted(frames("One")[0] + event)
    next(stream)
    stream.close()
    assert [end.way for end in feed.ends] == ["leave"]


# --- from another thread ---------------------------------------------------------------------


class Waiting:
    """A read that waits until it is told how it ends."""

    def __init__(self, outcome: bytes | BaseException) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self._outcome = outcome

    def __call__(self) -> bytes:
        self.began.set()
        assert self.go_on.wait(10)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


OUTCOMES: dict[str, bytes | BaseException] = {
    "an error": RequestCancelledException("cut"),
    "another error": APIConnectionError("cut"),
    "what looks like the end": b"",
    "an event": frames("two")[0],
    "the end": b"".join(ending()),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_closing_ends_a_read_of_another_thread(outcome: bytes | BaseException) -> None:
    """However the cut looks to the thread that reads: it gets no further event, and no error."""
    waiting = Waiting(outcome)
    feed, stream = scripted(*frames("One"), waiting)
    next(stream)
    reading = in_thread(list, stream)
    assert waiting.began.wait(10)
    stream.close()
    assert stream.closed
    assert feed.was_cut.is_set()
    assert feed.ends == []  # the one who reads will see to it
    waiting.go_on.set()
    assert reading.result(10) == []
    assert len(feed.ends) == 1
    assert feed.ends[0].way in ("leave", "end")


def test_closing_while_another_try_is_opened_ends_it_as_soon_as_it_is_open() -> None:
    opening = threading.Event()
    second = ScriptedFeed(*frames("One"), *ending())

    class Slow(ScriptedFeed):
        def fail(self, *arguments: Any, **options: Any) -> ScriptedFeed:
            opening.set()
            assert self.was_cut.wait(10)
            return super().fail(*arguments, **options)

    first = Slow(APIConnectionError("broken"), then=second)
    stream = Stream.of_chat(first)
    reading = in_thread(list, stream)
    assert opening.wait(10)
    stream.close()
    assert reading.result(10) == []
    assert [end.way for end in first.ends] == ["fail"]
    assert second.ends == [End("leave", "")]
    assert second.reads == 0


def test_two_threads_may_close_it_at_once() -> None:
    with switching_often():
        for _ in range(200):
            feed, stream = scripted(*frames("One"), *ending())
            together(stream.close, stream.close, timeout_s=10.0)
            assert len(feed.ends) == 1


def test_whenever_it_is_closed_while_it_is_read_it_ends_once() -> None:
    with switching_often():
        for _ in range(200):
            feed, stream = scripted(*frames(*"abcdefgh"), *ending())
            said: list[str] = []
            together(
                lambda stream=stream, said=said: said.extend(contents(stream)),
                stream.close,
                timeout_s=10.0,
            )
            assert len(feed.ends) == 1
            assert "abcdefgh".startswith("".join(said))


def test_two_threads_that_read_share_the_events() -> None:
    feed, stream = scripted(*frames(*"abcdefgh"), *ending())
    said: list[str] = []
    with switching_often():
        together(*[lambda: said.extend(contents(stream))] * 2, timeout_s=10.0)
    assert sorted(said) == list("abcdefgh")
    assert len(feed.ends) == 1


# --- dropping, and interrupting --------------------------------------------------------------


@pytest.mark.parametrize("read", [0, 1])
def test_dropping_it_lets_go_of_it(read: int) -> None:
    feed, stream = scripted(*frames("One"), *ending())
    for _ in range(read):
        next(stream)
    del stream
    gc.collect()
    assert feed.ends == [End("drop", "One" * read)]


def read_to_the_end(stream: Stream[Any]) -> None:
    with contextlib.suppress(BadRequestError):
        list(stream)


ENDINGS: dict[str, tuple[list[Piece], Callable[[Stream[Any]], None]]] = {
    "read": ([*frames("One"), *ending()], read_to_the_end),
    "failed": ([*frames("One"), BadRequestError("no")], read_to_the_end),
    "closed": (frames("One"), Stream.close),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("pieces", "end"), ENDINGS.values(), ids=ENDINGS)
def test_what_has_ended_is_not_let_go_of_once_more(
    pieces: list[Piece], end: Callable[[Stream[Any]], None]
) -> None:
    feed, stream = scripted(*pieces)
    end(stream)
    (way, _) = feed.ends[0]
    feed.fault = None  # which holds the frames that it came through
    del stream
    gc.collect()
    assert [end.way for end in feed.ends] == [way]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_leaves_it(interrupt: type[BaseException]) -> None:
    feed, stream = scripted(*frames("One"), interrupt())
    next(stream)
    with pytest.raises(interrupt):
        next(stream)
    assert (feed.ends, stream.closed) == ([End("leave", "One")], True)
    assert list(stream) == []


def test_an_interrupt_while_another_try_is_opened_is_raised() -> None:
    class Interrupted(ScriptedFeed):
        def fail(self, *arguments: Any, **options: Any) -> ScriptedFeed:
            self.ends.append(End("fail", ""))
            raise KeyboardInterrupt

    feed = Interrupted(APIConnectionError("broken"))
    stream = Stream.of_chat(feed)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert stream.closed
    stream.close()
    assert [end.way for end in feed.ends] == ["fail"]
