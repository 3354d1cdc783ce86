"""Bodies of answers: here already, or still on their way."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers_servers import in_thread, until
from helpers_stories import DONE, chunk, frame, frames, usage
from helpers_streams import ScriptedFeed

from customgroqchat import (
    APIResponseValidationError,
    ClientClosedException,
    ClientError,
    GroqError,
    RequestCancelledException,
    Stream,
)
from customgroqchat._bodies import DirectBody, FedBody, WholeBody, in_chunks
from customgroqchat._collector import Collector
from customgroqchat._records import Headers

SAID = frames("One ", "two")
ENDED = [*SAID, frame(chunk(finish="stop", usage=usage())), DONE]


def scripted(*pieces: Any, events: bool = True) -> tuple[ScriptedFeed, FedBody]:
    feed = ScriptedFeed(*pieces)
    kind = "text/event-stream" if events else "audio/wav"
    feed.facts = feed.facts._replace(headers=Headers({"content-type": kind}))
    return feed, FedBody(feed, Collector())


def test_a_whole_body_can_be_read_once() -> None:
    body = WholeBody(b"abc", is_closed=False)
    assert not body.is_closed
    assert list(body.pieces()) == [b"abc"]
    assert body.is_closed
    assert WholeBody(b"abc", is_closed=True).is_closed


class Comes:
    """An answer on its way in."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.closed = 0
        self.was_cut = threading.Event()

    def read1(self) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if not piece:
            raise ClientError("cut")
        return piece

    def cut(self) -> None:
        self.was_cut.set()

    def close(self) -> None:
        self.closed += 1


def test_a_direct_body_lets_go_of_the_connection_at_its_end() -> None:
    comes = Comes(b"ab", b"c")
    body = DirectBody(comes, 100)  # type: ignore[arg-type]
    assert not body.is_closed
    assert list(body.pieces()) == [b"ab", b"c"]
    assert (body.is_closed, comes.closed) == (True, 1)
    assert body.max_bytes == 100


@pytest.mark.parametrize("way", ["closed", "left", "broken"])
def test_a_direct_body_lets_go_whatever_happens(way: str) -> None:
    comes = Comes(b"ab", b"", b"c")
    body = DirectBody(comes, 100)  # type: ignore[arg-type]
    pieces: Iterator[Any] = body.pieces()
    next(pieces)
    if way == "closed":
        body.close()
    elif way == "left":
        pieces.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(ClientError):
            next(pieces)
    assert body.is_closed
    assert comes.closed == 1


def test_what_is_read_to_its_end_is_settled_with_what_was_said() -> None:
    feed, body = scripted(*ENDED)
    assert not body.is_closed
    assert list(body.pieces()) == ENDED
    assert body.is_closed
    assert feed.ends == [("end", "One two")]
    body.close()
    del body
    gc.collect()
    assert len(feed.ends) == 1


def test_what_is_no_stream_of_events_is_not_looked_into() -> None:
    feed, body = scripted(b"RIFF", *SAID, events=False)
    assert b"".join(body.pieces()) == b"RIFF" + b"".join(SAID)
    assert feed.ends == [("end", "")]


@pytest.mark.parametrize("odd", [b"data: {\n\n", b"data: [1]\n\n", b": ping\n\n", b"data:\n\n"])
def test_odd_events_are_handed_over_as_they_are(odd: bytes) -> None:
    feed, body = scripted(SAID[0], odd, *ENDED[1:])
    assert list(body.pieces()) == [SAID[0], odd, *ENDED[1:]]
    assert feed.ends == [("end", "One two")]


def test_what_is_too_large_to_be_kept_is_an_error() -> None:
    huge = frame(chunk("x" * 2 * ScriptedFeed.max_event_bytes))
    feed, body = scripted(SAID[0], huge)
    with pytest.raises(APIResponseValidationError, match="too large"):
        list(body.pieces())
    assert [end.way for end in feed.ends] == ["fail"]
    many = [frame(chunk("x" * 800))] * 150
    feed, body = scripted(*many)
    with pytest.raises(APIResponseValidationError, match="as a whole"):
        list(body.pieces())
    assert [end.way for end in feed.ends] == ["fail"]
    feed, body = scripted(*many, events=False)  # of which nothing is kept
    assert sum(map(len, body.pieces())) > ScriptedFeed.max_response_bytes


def test_a_stream_without_its_last_word_broke_off() -> None:
    feed, body = scripted(*SAID)
    said: list[bytes] = []
    with pytest.raises(GroqError):
        said.extend(body.pieces())
    assert body.is_closed
    assert feed.ends == [("fail", "One two")]
    assert feed.was_begun is True
    body.close()
    assert len(feed.ends) == 1


def test_a_fault_on_the_way_is_raised_and_settled_once() -> None:
    fault = ClientError("cut")
    feed, body = scripted(SAID[0], fault)
    pieces = body.pieces()
    assert next(pieces) == SAID[0]
    with pytest.raises(ClientError) as caught:
        next(pieces)
    assert caught.value is fault
    assert feed.ends == [("fail", "One ")]
    assert list(body.pieces()) == []


@pytest.mark.parametrize("begun", [False, True])
def test_who_closes_early_has_left(begun: bool) -> None:
    feed, body = scripted(*ENDED)
    if begun:
        next(body.pieces())
    body.close()
    body.close()
    assert body.is_closed
    assert [end.way for end in feed.ends] == ["leave"]


@pytest.mark.parametrize("begun", [False, True])
def test_what_nobody_has_any_more_is_dropped(begun: bool) -> None:
    feed, body = scripted(*ENDED)
    if begun:
        feed.read()
    del body
    gc.collect()
    assert [end.way for end in feed.ends] == ["drop"]


def test_the_end_of_the_program_settles_nothing() -> None:
    _, body = scripted(*ENDED)
    assert body._finalizer.atexit is False


@pytest.mark.parametrize(
    ("leave", "error"),
    [("close", RequestCancelledException), ("shut", ClientClosedException)],
)
def test_who_reads_while_another_thread_leaves_is_told(leave: str, error: type[GroqError]) -> None:
    def wait() -> bytes:
        assert feed.was_cut.wait(10)
        raise ClientError("cut")

    feed, body = scripted(SAID[0], wait)
    outcome = in_thread(lambda: list(body.pieces()))
    until(lambda: feed.reads == 2)
    getattr(body, leave)()
    assert type(outcome.exception(10)) is error
    assert [end.way for end in feed.ends] == ["fail"]
    assert body.is_closed


@pytest.mark.parametrize(
    ("leave", "error"),
    [("close", RequestCancelledException), ("shut", ClientClosedException)],
)
@pytest.mark.parametrize("kind", ["fed", "direct"])
def test_what_was_left_in_the_middle_does_not_look_like_a_whole(
    kind: str, leave: str, error: type[GroqError]
) -> None:
    body: Any = scripted(*ENDED)[1]
    if kind == "direct":
        body = DirectBody(Comes(b"a", b"b"), 100)  # type: ignore[arg-type]
    pieces = body.pieces()
    next(pieces)
    getattr(body, leave)()
    assert body.is_closed
    with pytest.raises(error):
        next(pieces)


def test_a_direct_body_is_cut_where_another_thread_reads_it() -> None:
    class Waits(Comes):
        reads = 0

        def read1(self) -> bytes:
            self.reads += 1
            assert self.was_cut.wait(10)
            raise ClientError("cut")

    comes = Waits()
    body = DirectBody(comes, 100)  # type: ignore[arg-type]
    outcome = in_thread(lambda: list(body.pieces()))
    until(lambda: comes.reads)
    body.close()
    assert type(outcome.exception(10)) is RequestCancelledException
    assert comes.closed == 1


@pytest.mark.parametrize("kind", ["fed", "direct"])
def test_a_body_belongs_to_its_process(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    feed, fed = scripted(*ENDED)
    comes = Comes(b"a")
    body: Any = fed if kind == "fed" else DirectBody(comes, 100)  # type: ignore[arg-type]
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ClientClosedException):
            next(body.pieces())
        body.close()
        assert (feed.ends, comes.closed) == ([], 0)  # the parent reads on
    assert b"".join(body.pieces())


def test_a_whole_body_has_nothing_to_shut() -> None:
    body = WholeBody(b"abc", is_closed=False)
    body.shut()
    assert list(body.pieces()) == [b"abc"]


def test_a_stream_may_read_it_instead() -> None:
    feed, body = scripted(*ENDED)
    stream = body.read_by(Stream.of_chat)
    assert not body.is_closed
    assert stream.get_final_completion().choices[0].message.content == "One two"
    assert body.is_closed
    assert [end.way for end in feed.ends] == ["end"]


def test_closing_closes_the_stream_that_reads_it() -> None:
    feed, body = scripted(*ENDED)
    stream = body.read_by(Stream.of_chat)
    next(stream)
    body.close()
    assert stream.closed
    assert body.is_closed
    assert [end.way for end in feed.ends] == ["leave"]


@pytest.mark.parametrize("way", ["begun", "ended", "handed over"])
def test_nobody_reads_what_another_has_begun(way: str) -> None:
    _, body = scripted(*ENDED)
    if way == "begun":
        next(body.pieces())
    elif way == "ended":
        body.close()
    else:
        kept = body.read_by(Stream.of_chat)
        assert list(body.pieces()) == []
        body.shut()
        assert kept.closed
    with pytest.raises(ClientError) as caught:
        body.read_by(Stream.of_chat)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("size", "chunks"),
    [
        (None, [b"abc", b"d", b"efg"]),
        (2, [b"ab", b"cd", b"ef", b"g"]),
        (7, [b"abcdefg"]),
        (100, [b"abcdefg"]),
        (1, [b"a", b"b", b"c", b"d", b"e", b"f", b"g"]),
    ],
)
def test_chunks_have_the_size_that_was_asked_for(size: int | None, chunks: list[bytes]) -> None:
    assert list(in_chunks(iter([b"abc", b"", b"d", b"efg"]), size)) == chunks
    assert list(in_chunks(iter([]), size)) == []


def test_chunks_come_as_soon_as_they_are_full() -> None:
    came = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"abc"
        came.set()
        yield b"d"

    chunks = in_chunks(pieces(), 3)
    assert next(chunks) == b"abc"
    assert not came.is_set()
