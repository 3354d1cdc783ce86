"""Failure stories of what a stream carries: errors after a 200, and text that is hard to cut."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

import pytest
from helpers_servers import RawServer
from helpers_stories import (
    MakeClient,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    chunk,
    contents,
    ending,
    fault,
    floods,
    frame,
    frames,
    open_stream,
    read,
    stream_head,
    streams,
)

from customgroqchat import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    BadRequestError,
    GroqClient,
    InternalServerError,
    RateLimitError,
    Stream,
)
from customgroqchat.testing import SimulatedGroq

GOOD = streams(frames("One ", "two"), ending())


# --- 22: errors inside a 200 -----------------------------------------------------------------


CLASSES = [(400, BadRequestError), (429, RateLimitError), (503, InternalServerError)]


@pytest.mark.parametrize("name", ["error", ""])
@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_story_22_an_error_frame_is_the_error_of_the_status_that_it_names(
    make_client: MakeClient, name: str, status: int, kind: type[APIError]
) -> None:
    with RawServer(streams(frames("One"), frame(fault(status), name)), GOOD) as server:
        said, error = read(open_stream(make_client(server.url)))
        assert said == ["One"]
        assert type(error) is kind
        assert (error.code, error.status_code) == ("some_code", status)  # type: ignore[attr-defined]
        assert "It went wrong" in str(error)
        assert len(server.heard) == 1


@pytest.mark.parametrize(
    "data",
    [fault(None, "internal_server_error"), chunk(x_groq={"id": "req_1", "error": "It went wrong"})],
    ids=["no status", "x_groq"],
)
def test_story_22_also_where_no_status_is_named(make_client: MakeClient, data: Any) -> None:
    with RawServer(streams(frames("One"), frame(data))) as server:
        said, error = read(open_stream(make_client(server.url)))
        assert said == ["One"]
        assert isinstance(error, APIError)
        assert not isinstance(error, APIConnectionError)  # the service did say something
        assert "It went wrong" in str(error)


def test_story_22_before_anything_was_said_what_may_pass_is_tried_again(
    make_client: MakeClient,
) -> None:
    with RawServer(streams(frame(fault(503), "error")), GOOD) as server:
        stream = open_stream(make_client(server.url))
        assert contents(stream) == ["One ", "two"]
        assert (stream.attempts, len(server.heard)) == (2, 2)


def test_story_22_and_what_cannot_pass_is_raised(make_client: MakeClient) -> None:
    with RawServer(streams(frame(fault(400), "error")), GOOD) as server:
        with pytest.raises(BadRequestError):
            list(open_stream(make_client(server.url)))
        assert len(server.heard) == 1


def test_story_22_against_the_simulated_service(
    simulator: SimulatedGroq, client: GroqClient
) -> None:
    simulator.interrupt_next_stream(3, {"message": "No tool was called", "code": "tool_use_failed"})
    said, error = read(open_stream(client))
    assert said
    assert isinstance(error, BadRequestError)
    assert error.code == "tool_use_failed"
    assert at_rest(client)


# --- 23: decoding ----------------------------------------------------------------------------

NASTY = ["Grüße, ", "日本語 ", "\u2028\u0085", "😀\u2029", " data: x", "\\r\\n", "end"]
LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def nasty_stream(line_end: bytes) -> bytes:
    """All that a decoder may stumble over, without any escape."""
    events = [b"\xef\xbb\xbf: a comment\nid: 7\nretry: 10\n\n", *frames(*NASTY), b"event: x\n\n"]
    two_lines = json.dumps(chunk("two lines"), indent=1).replace("\n", "\ndata: ")
    events += [f"data:{two_lines}\n\n".encode(), *ending()]
    return b"".join(events).replace(b"\n", line_end)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
@pytest.mark.parametrize("chunked", [True, False])
def test_story_23_text_is_the_same_however_it_is_cut(
    make_client: MakeClient, size: int, line_end: bytes, chunked: bool
) -> None:
    data = nasty_stream(line_end)
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    with RawServer(streams(pieces, chunked=chunked)) as server:
        stream = open_stream(make_client(server.url))
        assert contents(stream) == [*NASTY, "two lines"]
        assert stream.text == "".join([*NASTY, "two lines"])


def test_story_23_an_event_that_ends_in_cr_is_given_at_once(make_client: MakeClient) -> None:
    seen = threading.Event()
    first = frames("One ")[0].replace(b"\n\n", b"\r\n\r")
    with RawServer(streams(first, seen, b"\n", frames("two"), ending())) as server:
        stream = open_stream(make_client(server.url, timeout=8.0))
        said = []
        for text in map(contents, ([part] for part in stream)):
            said += text
            seen.set()
        assert said == ["One ", "two"]


def test_story_23_events_come_as_soon_as_they_are_sent(make_client: MakeClient) -> None:
    seen = [threading.Event() for _ in range(20)]
    script: list[Any] = list(
        itertools.chain.from_iterable(zip(frames(*"a" * 20), seen, strict=True))
    )
    with RawServer(streams(*script, ending(), chunked=False)) as server:
        stream = open_stream(make_client(server.url, timeout=8.0))
        for event, text in zip(seen, contents_one_by_one(stream), strict=False):
            assert text == "a"
            event.set()  # only then is the next one sent
        assert stream.text == "a" * 20


def contents_one_by_one(stream: Stream[Any]) -> Any:
    for part in stream:
        yield from contents([part])


def test_story_23_an_event_without_end_is_not_read_for_ever(make_client: MakeClient) -> None:
    sent: list[int] = []
    head = stream_head(chunked=False) + b"data: {"
    with RawServer(floods(head, b"x" * 100_000, sent)) as server:
        stream = open_stream(make_client(server.url, max_event_bytes=500_000))
        with pytest.raises(APIResponseValidationError, match="max_event_bytes"):
            next(stream)
        server.wait_for_ends(1)
        assert len(server.heard) == 1
    assert sum(sent) < 30_000_000
