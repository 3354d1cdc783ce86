"""Events from bytes: the rules of the standard, for every way to cut the bytes."""

from __future__ import annotations

import pickle
import re
import time
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._sse import EventTooLarge, ServerSentEvent, SSEDecoder

PLENTY = 1 << 20
MARK = b"\xef\xbb\xbf"


def data(*texts: str) -> list[ServerSentEvent]:
    return [ServerSentEvent("", text) for text in texts]


def decoded(pieces: Iterable[bytes], max_bytes: int = PLENTY) -> list[ServerSentEvent]:
    """Return the events of a whole stream; the last one is named "too large" if one was."""
    decoder = SSEDecoder(max_bytes)
    events: list[ServerSentEvent] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
    except EventTooLarge as error:
        events += [*error.events, ServerSentEvent("too large", "")]
    return events


def by_the_standard(stream: bytes) -> list[ServerSentEvent]:
    """Return the events as the standard words it: first the text, then lines, then fields."""
    text = stream.decode("utf-8", errors="replace").removeprefix("\ufeff")
    events: list[ServerSentEvent] = []
    name, lines = "", list[str]()
    for line in [*re.split("\r\n|\n|\r", text), ""]:
        field, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if line == "":
            events += [ServerSentEvent(name, "\n".join(lines))] if lines else []
            name, lines = "", []
        elif field == "data":
            lines.append(value)
        elif field == "event":
            name = value
    return events


# --- the rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: one\n\n", data("one")),
        (b"data: one\n\ndata: two\n\n", data("one", "two")),
        (b"data:no space\n\n", data("no space")),
        (b"data:  two spaces\n\n", data(" two spaces")),
        (b"data: \tx \n\n", data("\tx ")),
        (b"data: a: b\n\n", data("a: b")),
        (b"data: one\ndata: two\n\n", data("one\ntwo")),
        (b"data\n\n", data("")),
        (b"data:\ndata\ndata: \n\n", data("\n\n")),
        (b"event: error\ndata: x\n\ndata: y\n\n", [ServerSentEvent("error", "x"), *data("y")]),
        (b"data: x\nevent: late\n\n", [ServerSentEvent("late", "x")]),
        (b"event: a\nevent: b\ndata: x\n\n", [ServerSentEvent("b", "x")]),
        (b"event: forgotten\n\ndata: x\n\n", data("x")),
        (b": comment\n\n:\n\ndata: x\n: another\n\n", data("x")),
        (b"id: 7\nretry: 10\nother: 1\nlonely\ndata: x\n\n", data("x")),
        (b"Data: x\n\n data: y\n\ndata : z\n\n", []),
        (b"data: caf\xc3\xa9 \xf0\x9f\x8c\x8d\n\n", data("café 🌍")),
        ("data: a\u2028b\x85c\x0bd\x0ce\x1cf\n\n".encode(), data("a\u2028b\x85c\x0bd\x0ce\x1cf")),
        (b"data: \xff|\xe2\x82|\xc3\n\n", data("\ufffd|\ufffd|\ufffd")),
        (b"data: \xe2\x82\ndata: \xac\n\n", data("\ufffd\n\ufffd")),
        (b"event: \xff\ndata: x\n\n", [ServerSentEvent("\ufffd", "x")]),
        (b"data: nul\x00\n\n", data("nul\x00")),
        (MARK + b"data: x\n\n", data("x")),
        (MARK + MARK + b"data: x\n\n", []),
        (b"data: " + MARK + b"x\n\n" + MARK + b"data: y\n\n", data("\ufeffx")),
        (MARK[:2] + b"data: x\n\n", []),
        (MARK + b"\ndata: x\n\n", data("x")),
    ],
)
def test_what_a_stream_says(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert decoded([stream]) == events
    assert decoded(stream[i : i + 1] for i in range(len(stream))) == events
    assert by_the_standard(stream) == events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_end(end: bytes) -> None:
    lines = [b"event: e", b"data: one", b"data: two", b"", b": c", b"data: three", b"", b""]
    expected = [ServerSentEvent("e", "one\ntwo"), *data("three")]
    assert SSEDecoder(PLENTY).feed(end.join(lines)) == expected


def test_line_ends_may_be_mixed() -> None:
    stream = b"data: a\r\ndata: b\rdata: c\n\rdata: d\r\r\ndata: e\r\r"
    assert SSEDecoder(PLENTY).feed(stream) == data("a\nb\nc", "d", "e")


# --- at once, and not later ------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_given_with_the_byte_that_ends_it(end: bytes) -> None:
    decoder = SSEDecoder(PLENTY)
    assert decoder.feed(b"data: x" + end) == []
    assert decoder.feed(end[:1]) == data("x")


def test_the_line_feed_after_a_carriage_return_that_came_alone_is_no_line() -> None:
    decoder = SSEDecoder(PLENTY)
    assert decoder.feed(b"data: x\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\r") == data("x")
    assert decoder.feed(b"\ndata: y\r") == []
    assert decoder.feed(b"\r") == data("y")


def test_only_one_line_feed_belongs_to_a_carriage_return() -> None:
    decoder = SSEDecoder(PLENTY)
    assert [decoder.feed(piece) for piece in (b"data: x\r", b"\n", b"\n")] == [[], [], data("x")]


def test_the_last_event_of_a_piece_does_not_wait_for_the_next_piece() -> None:
    decoder = SSEDecoder(PLENTY)
    assert decoder.feed(b"data: one\n\ndata: two\n\ndata: thr") == data("one", "two")
    assert decoder.feed(b"ee\n\n") == data("three")


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [b"data: x", b"data: x\n", b"data: x\r", b"data: x\r\n"])
def test_the_end_ends_line_and_event(rest: bytes) -> None:
    decoder = SSEDecoder(PLENTY)
    assert decoder.feed(b"data: whole\n\n" + rest) == data("whole")
    assert decoder.end() == data("x")
    assert decoder.end() == []


@pytest.mark.parametrize("rest", [b"", b"\n", b": comment", b"event: e", MARK[:1], MARK])
def test_nothing_is_left_where_no_data_is(rest: bytes) -> None:
    decoder = SSEDecoder(PLENTY)
    assert decoder.feed(rest) == []
    assert decoder.end() == []


def test_a_character_that_the_end_cut_is_replaced() -> None:
    assert decoded([b"data: \xf0\x9f\x8c"]) == data("\ufffd")


# --- however it is cut -----------------------------------------------------------------------

NASTY = (
    MARK
    + 'event: error\r\ndata: {"ä":"🌍\u2028\x85"}\r\rdata: b\rdata:c\n\n: 🌍\r\n'.encode()
    + b"id: 1\rretry\n\r\ndata\r\n\r\nevent:e\n\ndata: \xe2\x82\r\n\ndata: [DONE]\n\ndata: left"
)


def test_every_cut_in_two_gives_the_same() -> None:
    expected = by_the_standard(NASTY)
    assert len(expected) == 6
    for at in range(len(NASTY) + 1):
        assert decoded([NASTY[:at], NASTY[at:]]) == expected


def test_every_cut_in_three_gives_the_same() -> None:
    expected = by_the_standard(NASTY)
    for start in range(len(NASTY)):
        for stop in range(start + 1, min(start + 5, len(NASTY))):
            assert decoded([NASTY[:start], NASTY[start:stop], NASTY[stop:]]) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_pieces_of_any_size_give_the_same(size: int) -> None:
    pieces = [NASTY[i : i + size] for i in range(0, len(NASTY), size)]
    assert decoded(pieces) == by_the_standard(NASTY)


def cut_at(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in pairwise(edges)]


places = st.lists(st.integers(0, 1000), max_size=12)
words = st.sampled_from(
    [
        *(b"data", b"event", b"id", b":", b" ", b": ", b"data:x", b"\n", b"\r", b"\r\n", b"\n\n"),
        *(MARK, MARK[:2], "🌍".encode(), "\u2028\x85".encode(), b"\xff", b"\x00"),
    ]
)
like_streams = st.lists(words, max_size=30).map(b"".join)


@repeatable
@given(like_streams | st.binary(max_size=60), places)
def test_any_bytes_in_any_pieces_are_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    assert decoded(cut_at(stream, cuts)) == by_the_standard(stream)


@repeatable
@given(like_streams | st.binary(max_size=60), places, st.integers(0, 20))
def test_limits_do_not_depend_on_cuts(stream: bytes, cuts: list[int], most: int) -> None:
    assert decoded(cut_at(stream, cuts), most) == decoded([stream], most)


@repeatable
@given(
    st.lists(st.tuples(st.sampled_from(["", "error"]), st.text()), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    places,
)
def test_texts_arrive_as_they_were_sent(
    sent: list[tuple[str, str]], end: str, cuts: list[int]
) -> None:
    stream = ""
    for name, text in sent:
        lines = [f"data: {line}" for line in re.split("\r\n|\n|\r", text)]
        stream += end.join([*([f"event: {name}"] if name else []), *lines, "", ""])
    expected = [ServerSentEvent(name, re.sub("\r\n|\r", "\n", text)) for name, text in sent]
    assert decoded(cut_at(stream.encode(), cuts)) == expected


# --- bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        [b"data: 4567890"],
        [b"data:5", b"event:7"],
        [b"data: x", b"data: "],
        [b": 34567890123"],
        [b"other: 89012"],
    ],
)
def test_an_event_may_have_as_many_bytes_and_not_one_more(lines: list[bytes]) -> None:
    size = sum(map(len, lines))
    stream = b"\r\n".join([*lines, b"", b""])
    assert decoded([stream, stream], size) == decoded([stream, stream])
    assert decoded([stream], size - 1) == [ServerSentEvent("too large", "")]
    assert decoded((stream[i : i + 1] for i in range(len(stream))), size - 1) == decoded(
        [stream], size - 1
    )


@pytest.mark.parametrize("start", [b"data: ", b": ", b"other", b"event: ", b"data: x\ndata: "])
def test_a_line_that_does_not_end_is_refused_with_the_byte_that_is_too_much(start: bytes) -> None:
    decoder = SSEDecoder(100)
    assert decoder.feed(start + b"x" * (100 - len(start.replace(b"\n", b"")))) == []
    with pytest.raises(EventTooLarge, match=r"more than max_event_bytes \(100\) bytes"):
        decoder.feed(b"x")


def test_an_event_that_does_not_end_is_refused() -> None:
    decoder = SSEDecoder(100)
    for _ in range(10):
        assert decoder.feed(b"data: 7890\n") == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data\n")


def test_what_was_complete_before_it_comes_with_the_error() -> None:
    with pytest.raises(EventTooLarge) as caught:
        SSEDecoder(10).feed(b"data: one\n\ndata: two\n\ndata: three\n\ndata: four\n\n")
    assert caught.value.events == tuple(data("one", "two"))


def test_nothing_follows_what_was_too_large() -> None:
    decoder = SSEDecoder(10)
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data: too large\n\n")
    for more in (decoder.end, lambda: decoder.feed(b""), lambda: decoder.feed(b"data: x\n\n")):
        with pytest.raises(EventTooLarge) as caught:
            more()
        assert caught.value.events == ()


def test_the_error_survives_pickling() -> None:
    with pytest.raises(EventTooLarge) as caught:
        SSEDecoder(10).feed(b"data: one\n\ndata: large")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), twin.events) == (str(caught.value), caught.value.events)


def test_what_is_not_kept_does_not_add_up() -> None:
    decoder = SSEDecoder(100)
    for _ in range(100):
        assert decoder.feed(b": still here\nid: 1\n") == []
    assert decoder.feed(b"data: x\n\n") == data("x")


@pytest.mark.parametrize("keepalive", [b": still here\n", b": still here\n\n", b"\n", b"event\n\n"])
def test_memory_does_not_grow_with_the_stream(keepalive: bytes) -> None:
    decoder, piece = SSEDecoder(PLENTY), keepalive * 100
    tracemalloc.start()
    try:
        for _ in range(400):
            decoder.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_large_event_in_small_pieces_takes_time_in_proportion_to_its_size() -> None:
    # A tenth of a second; copying what came before with every piece would take a minute.
    size, piece = 8_000_000, b"x" * 64
    decoder, before = SSEDecoder(2 * size), time.process_time()
    decoder.feed(b"data: ")
    for _ in range(size // len(piece)):
        decoder.feed(piece)
    (event,) = decoder.end()
    assert len(event.data) == size
    assert time.process_time() - before < 10
