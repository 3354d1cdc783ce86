"""Answers on their way in: their size, their end, and what can go wrong with them."""

from __future__ import annotations

import gzip
import json
import logging
import sys
import threading
import zlib
from typing import Any

import pytest
from helpers_api import MODELS, MakeAPI, Simulate
from helpers_servers import (
    Behaviour,
    RawServer,
    closes,
    response,
    says,
    sends,
    sends_and_hangs,
)
from helpers_stories import drips, floods, frames, in_chunk, stream_head, streams

from customgroqchat import (
    APIConnectionError,
    APIError,
    APIRequest,
    APIResponseValidationError,
    APITimeoutError,
    ClientClosedException,
    InternalServerError,
    RequestCancelledException,
)
from customgroqchat._incoming import Incoming
from customgroqchat._line import Line
from customgroqchat.testing import FakeClock

GET = APIRequest("GET", MODELS)
STREAM = GET._replace(is_stream=True)


@pytest.fixture
def line() -> Line:
    return Line(FakeClock())


def failure(make_api: MakeAPI, behaviour: Behaviour, **settings: Any) -> APIError:
    """See a request fail that is sent once."""
    with RawServer(behaviour) as server, pytest.raises(APIError) as caught:
        make_api(server.url, max_retries=0, **settings).request("GET", MODELS)
    assert len(server.heard) == 1
    return caught.value


# --- the size of an answer -------------------------------------------------------------------

BODY = json.dumps("x" * 998).encode()
assert len(BODY) == 1_000


def as_chunks(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + in_chunk(body[:600]) + in_chunk(body[600:]) + in_chunk(b"")


def until_the_end(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + body


def zipped(body: bytes) -> bytes:
    return response(gzip.compress(body), content_encoding="gzip")


SHAPES = {
    "a told length": response,
    "chunks": as_chunks,
    "the end of the connection": until_the_end,
    "compressed": zipped,
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@shapes
def test_an_answer_may_have_as_many_bytes_as_the_setting_says(
    make_api: MakeAPI, shape: Any
) -> None:
    with RawServer(sends(shape(BODY))) as server:
        api = make_api(server.url, max_response_bytes=1_000)
        assert api.request("GET", MODELS).data == "x" * 998


@shapes
def test_one_that_has_more_is_refused_with_the_name_of_the_setting(
    make_api: MakeAPI, shape: Any
) -> None:
    error = failure(make_api, sends(shape(BODY)), max_response_bytes=999)
    assert isinstance(error, APIResponseValidationError)
    assert error.status_code == 200
    assert "999 bytes" in error.message
    assert "max_response_bytes" in (error.hint or "")


def test_it_is_not_sent_again(make_api: MakeAPI) -> None:
    with RawServer(says(BODY)) as server, pytest.raises(APIResponseValidationError):
        make_api(server.url, max_response_bytes=999, max_retries=5).request("GET", MODELS)
    assert len(server.heard) == 1


def test_an_answer_without_end_is_read_no_further_than_that(make_api: MakeAPI) -> None:
    sent: list[int] = []
    behaviour = floods(until_the_end(b""), b"x" * 100_000, sent)
    error = failure(make_api, behaviour, max_response_bytes=200_000)
    assert isinstance(error, APIResponseValidationError)
    assert sum(sent) < 100_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked(make_api: MakeAPI, encoding: str) -> None:
    packed = zlib.compress(b"0" * 50_000_000)
    if encoding == "gzip":
        packed = gzip.compress(b"0" * 50_000_000)
    bomb = says(packed, content_encoding=encoding)
    error = failure(make_api, bomb, max_response_bytes=1_000_000)
    assert isinstance(error, APIResponseValidationError)
    assert "max_response_bytes" in (error.hint or "")


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,deflate"])
def test_what_is_packed_twice_is_not_unpacked(make_api: MakeAPI, coding: str) -> None:
    twice = gzip.compress(gzip.compress(b"0" * 1_000_000))
    error = failure(make_api, says(twice, content_encoding=coding))
    assert isinstance(error, APIResponseValidationError)
    assert coding in error.message


def test_an_error_without_end_is_still_the_error_of_its_status(make_api: MakeAPI) -> None:
    sent: list[int] = []
    head = b"HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n"
    error = failure(make_api, floods(head, b"x" * 100_000, sent))
    assert isinstance(error, InternalServerError)
    assert sum(sent) < 100_000_000
    assert len(error.message) < 1_000


def test_an_error_that_is_cut_is_still_the_error_of_its_status(make_api: MakeAPI) -> None:
    error = failure(make_api, sends(response(b'{"error"', 503, content_length="100")))
    assert isinstance(error, InternalServerError)
    assert error.status_code == 503


# --- answers that are cut --------------------------------------------------------------------

CUTS = {
    "in its headers": b"HTTP/1.1 200 OK\r\nx-one: 1\r\nx-tw",
    "in its status line": b"HTTP/1.1 2",
    "after its length": b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\nx-t",
    "before its body, without length": b"HTTP/1.1 200 OK\r\nx-one: 1\r\n\r\n",
    "in its body": response(b'{"n": ', content_length="20"),
    "before its body": response(b"", content_length="20"),
    "in a chunk": as_chunks(BODY)[:-200],
    "between chunks": as_chunks(BODY).partition(b"\r\n190\r\n")[0] + b"\r\n",
    "before the last chunk": as_chunks(BODY)[:-5],
    "in a body without length": until_the_end(b'{"n": 1, "m"'),
    "compressed": zipped(BODY)[:-20],
    "no gzip at all": response(b"\xff" * 100, content_encoding="gzip"),
}


@pytest.mark.parametrize("data", CUTS.values(), ids=CUTS)
def test_an_answer_that_is_cut_is_a_connection_error(make_api: MakeAPI, data: bytes) -> None:
    error = failure(make_api, sends(data))
    assert isinstance(error, APIConnectionError)
    assert not isinstance(error, APITimeoutError)
    assert error.may_have_arrived
    (attempt,) = error.history
    assert attempt.outcome == "APIConnectionError"
    assert attempt.phase in ("waiting", "reading")


@pytest.mark.parametrize("data", CUTS.values(), ids=CUTS)
def test_and_is_asked_for_again(make_api: MakeAPI, data: bytes) -> None:
    with RawServer(sends(data), says({"n": 1})) as server:
        assert make_api(server.url, max_retries=1).request("GET", MODELS).data == {"n": 1}


def test_what_has_no_length_and_is_no_json_is_not_taken_for_cut(make_api: MakeAPI) -> None:
    error = failure(make_api, sends(until_the_end(b"<html>Sign in</html>")))
    assert isinstance(error, APIResponseValidationError)


# --- piece by piece --------------------------------------------------------------------------


def read_all(incoming: Incoming) -> bytes:
    return b"".join(iter(incoming.read1, b""))


def test_pieces_are_given_as_they_arrive(make_api: MakeAPI, line: Line) -> None:
    more = threading.Event()
    with RawServer(streams(b"first", more, b"second")) as server:
        incoming = make_api(server.url).open(STREAM, line)
        assert incoming.read1() == b"first"
        more.set()
        assert read_all(incoming) == b"second"
        assert incoming.read1() == b""
        incoming.close()


def test_a_stream_that_is_compressed_against_the_clients_wish_is_unpacked(
    make_api: MakeAPI, line: Line
) -> None:
    data = b"".join(frames("One ", "two"))
    with RawServer(sends(zipped(data))) as server:
        incoming = make_api(server.url).open(STREAM, line)
        assert read_all(incoming) == data
        incoming.close()
        assert server.heard[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("chunked", [True, False])
def test_cutting_ends_a_read_that_waits(make_api: MakeAPI, line: Line, chunked: bool) -> None:
    """Where nothing tells the length, the cut looks like a good end, which it is not."""
    left = threading.Event()
    head = stream_head(chunked=chunked)
    with RawServer(sends_and_hangs(head, left)) as server:
        incoming = make_api(server.url, timeout=10.0).open(STREAM, line)
        cutting = threading.Timer(0.02, line.cut, ["cancelled"])
        cutting.start()
        with pytest.raises(RequestCancelledException):
            incoming.read1()
        incoming.close()
        assert left.wait(10)
        cutting.join()


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("deadline", APITimeoutError),
        ("closed", ClientClosedException),
        ("cancelled", RequestCancelledException),
    ],
)
def test_nothing_is_read_of_what_was_cut(
    make_api: MakeAPI, line: Line, why: str, kind: type[Exception]
) -> None:
    with RawServer(streams(b"first")) as server:
        incoming = make_api(server.url).open(STREAM, line)
        line.cut(why)
        with pytest.raises(kind):
            incoming.read1()
        with pytest.raises(kind):
            incoming.read(1_000)
        incoming.close()


def test_silence_is_a_timeout(make_api: MakeAPI, line: Line) -> None:
    with RawServer(sends_and_hangs(stream_head(), threading.Event())) as server:
        incoming = make_api(server.url, timeout=(10.0, 0.02)).open(STREAM, line)
        with pytest.raises(APITimeoutError, match="did not answer in time"):
            incoming.read1()
        incoming.close()


# --- its connection, afterwards --------------------------------------------------------------


def test_after_its_end_the_connection_serves_the_next_request(
    make_api: MakeAPI, line: Line
) -> None:
    with RawServer(streams(b"all"), says({"n": 1})) as server:
        api = make_api(server.url)
        incoming = api.open(STREAM, line)
        assert incoming.read1() == b"all"
        incoming.finish()  # the end of the body has not been read yet
        line.cut("cancelled")  # hits nobody else
        assert api.request("GET", MODELS).data == {"n": 1}
        assert server.connections == 1


def test_the_next_request_has_all_its_time(make_api: MakeAPI, line: Line) -> None:
    """The end of a stream is waited for a moment only; the connection is the same."""
    slow = drips(response(b'{"n": 1}'), pause_s=0.15, at_once=len(response(b'{"n": 1}')) - 1)

    def waits(connection: Any, request: Any) -> bool:
        threading.Event().wait(0.15)
        return slow(connection, request)

    with RawServer(streams(b"all"), waits) as server:
        api = make_api(server.url, timeout=10.0)
        incoming = api.open(STREAM, line)
        incoming.read1()
        incoming.finish()
        assert api.request("GET", MODELS).data == {"n": 1}
        assert server.connections == 1


def test_an_end_that_does_not_come_is_not_waited_for(make_api: MakeAPI, line: Line) -> None:
    left = threading.Event()
    with RawServer(sends_and_hangs(stream_head() + in_chunk(b"all"), left)) as server:
        incoming = make_api(server.url, timeout=60.0).open(STREAM, line)
        assert incoming.read1() == b"all"
        incoming.finish()
        assert left.wait(10)
        incoming.finish()


def test_more_after_the_end_is_not_read(make_api: MakeAPI, line: Line) -> None:
    more = stream_head() + in_chunk(b"all")
    with RawServer(floods(more, in_chunk(b"x" * 10_000), []), says({"n": 1})) as server:
        api = make_api(server.url, timeout=60.0)
        incoming = api.open(STREAM, line)
        incoming.read1()
        incoming.finish()
        server.wait_for_ends(1)
        assert api.request("GET", MODELS).data == {"n": 1}


def test_closing_it_early_closes_the_connection(make_api: MakeAPI, line: Line) -> None:
    left = threading.Event()
    with RawServer(sends_and_hangs(stream_head() + in_chunk(b"x"), left)) as server:
        incoming = make_api(server.url, timeout=60.0).open(STREAM, line)
        incoming.close()
        assert left.wait(10)
        incoming.close()


def test_any_number_of_streams_may_be_open_beside_the_pool(
    make_api: MakeAPI, caplog: pytest.LogCaptureFixture, groq_simulator_factory: Simulate
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(streams(b"all")) as server:
        api = make_api(server.url, pool_size=2)
        opened = [api.open(STREAM, Line(FakeClock())) for _ in range(6)]
        assert server.connections == 6
        for incoming in opened:
            assert incoming.read1() == b"all"
            incoming.finish()
        server.wait_for_ends(4)  # those that the pool has no room for are closed, without a word
    assert "pool is full" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_connection_that_comes_back_when_the_client_is_closed_is_closed(
    make_api: MakeAPI, line: Line
) -> None:
    with RawServer(streams(b"all")) as server:
        api = make_api(server.url)
        incoming = api.open(STREAM, line)
        incoming.read1()
        api.close()
        incoming.finish()
        server.wait_for_ends(1)


def test_what_its_caller_was_handling_keeps_its_frames(make_api: MakeAPI) -> None:
    with RawServer(closes) as server:
        api = make_api(server.url, max_retries=0)
        try:
            raise LookupError("of the caller")
        except LookupError:
            with pytest.raises(APIConnectionError) as caught:
                api.request("GET", MODELS)
            handled, below = sys.exc_info()[1], caught.value.__cause__
    assert handled is not None
    assert handled.__traceback__ is not None
    assert below is not None
    assert below.__traceback__ is None  # its variables hold the key
