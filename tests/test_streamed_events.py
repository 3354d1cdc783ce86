"""Streams of events with their HTTP around them: however they are read, left or broken off."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers_servers import RawServer, in_thread, until
from helpers_stories import chunk, ending, frame, frames, streams, usage
from helpers_streams import Books
from helpers_surface import (
    BY_NAME,
    RESPONSE,
    MakeClient,
    chat_stream,
    quick,
)

from customgroqchat import (
    APIConnectionError,
    APIResponseValidationError,
    ClientClosedException,
    ClientError,
    GroqClient,
    RequestCancelledException,
    Stream,
)

RAW, LAZY = "with_raw_response", "with_streaming_response"
LIMITS = {"m": {"req_per_minute": 100, "token_per_minute": 60_000}}
PIECES = [*frames("One ", "two"), *ending()]
SPEECH = BY_NAME["audio.speech.create"]
CHATS = BY_NAME["chat.completions.create"]


def test_a_raw_stream_parses_to_a_stream(make_client: MakeClient) -> None:
    with RawServer(chat_stream()) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)
        assert not raw.is_closed
        stream = raw.parse()
        assert isinstance(stream, Stream)
        assert raw.parse() is stream
        assert [part.choices[0].delta.content for part in stream][:2] == ["One ", "two"]
        assert raw.is_closed
        assert books.ways == ["settle"]
        assert not books.open


def test_a_stream_of_the_other_api_can_be_had_raw(make_client: MakeClient) -> None:
    said = {"type": "response.output_text.delta", "delta": "Hello!"}
    ended = {"type": "response.completed", "response": RESPONSE}
    way = BY_NAME["responses.create"]
    with RawServer(streams(frame(said), frame(ended))) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        with way.call(client, LAZY, stream=True) as response:
            events = list(response.parse())
        assert [event.type for event in events] == [said["type"], ended["type"]]
        with way.call(client, LAZY, stream=True) as response:
            assert response.read() == frame(said) + frame(ended)
        assert books.ways == ["settle", "settle"]


@pytest.mark.parametrize("form", [RAW, LAZY])
@pytest.mark.parametrize("how", ["iter_bytes", "iter_lines", "read", "text"])
def test_the_events_can_be_had_as_they_came(make_client: MakeClient, form: str, how: str) -> None:
    sent = b"".join(PIECES)
    with RawServer(streams(PIECES)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        answer = CHATS.call(client, form, stream=True)
        response = answer.__enter__() if form == LAZY else answer
        got = {
            "iter_bytes": lambda: b"".join(response.iter_bytes()),
            "iter_lines": lambda: "\n".join([*response.iter_lines(), ""]).encode(),
            "read": lambda: response.read(),
            "text": lambda: response.text().encode(),
        }[how]()
        assert got == sent
        assert response.is_closed
        assert books.ways == ["settle"]
        assert not books.open
        left = client.check_model_limits("m")["limits"]["TPM"]["remaining"]
        assert left == 60_000 - usage()["total_tokens"]


def test_who_has_read_some_of_it_cannot_parse_it(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES)) as server:
        with CHATS.call(quick(make_client, server.url), LAZY, stream=True) as response:
            next(response.iter_bytes())
            with pytest.raises(ClientError):
                response.parse()
        with CHATS.call(quick(make_client, server.url), LAZY, stream=True) as response:
            response.read()
            with pytest.raises(ClientError):
                response.parse()


def leave_unread(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True):
        pass


def leave_half_read(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True) as response:
        next(response.iter_bytes())


def leave_a_parsed_one(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True) as response:
        next(response.parse())


def close_a_raw_one(client: GroqClient) -> None:
    CHATS.call(client, RAW, stream=True).close()


def drop_a_raw_one(client: GroqClient) -> None:
    CHATS.call(client, RAW, stream=True)
    gc.collect()


def drop_a_half_read_one(client: GroqClient) -> None:
    next(CHATS.call(client, RAW, stream=True).iter_bytes())
    gc.collect()


def drop_a_parsed_one(client: GroqClient) -> None:
    next(CHATS.call(client, RAW, stream=True).parse())
    gc.collect()


def drop_speech(client: GroqClient) -> None:
    context = SPEECH.call(client, LAZY, model="m")
    next(context.__enter__().iter_bytes())
    del context
    gc.collect()


LEAVING = [
    leave_unread,
    leave_half_read,
    leave_a_parsed_one,
    close_a_raw_one,
    drop_a_raw_one,
    drop_a_half_read_one,
    drop_a_parsed_one,
    drop_speech,
]


@pytest.mark.parametrize("leave", LEAVING)
def test_whoever_leaves_early_settles_and_frees_the_connection(
    make_client: MakeClient, leave: Any
) -> None:
    end = threading.Event()
    behave = streams(PIECES[0], end, PIECES[1:])
    with RawServer(behave) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        leave(client)
        until(lambda: books.ways == ["settle"])
        assert not books.open
        until(lambda: not client.get_queue_status()["in_flight"])
        end.set()
        server.wait_for_ends(1)


def test_a_raw_stream_that_breaks_off_says_so(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES[:2], whole=False)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        said: list[bytes] = []
        with (
            CHATS.call(client, LAZY, stream=True) as response,
            pytest.raises(APIConnectionError) as caught,
        ):
            said.extend(response.iter_bytes())
        assert getattr(caught.value, "text", "") == "One two"
        assert books.ways == ["keep"]
        assert response.is_closed


def test_a_stream_without_its_end_is_none(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES[:2])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        with (
            CHATS.call(client, LAZY, stream=True) as response,
            pytest.raises(APIConnectionError),
        ):
            response.read()
        assert books.ways == ["keep"]


def test_a_client_that_is_closed_closes_its_open_answers(make_client: MakeClient) -> None:
    end = threading.Event()
    with RawServer(streams(PIECES[0], end, PIECES[1:])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)
        pieces: Iterator[bytes] = raw.iter_bytes()
        next(pieces)
        client.close(0.0)
        assert raw.is_closed
        with pytest.raises(ClientClosedException):
            next(pieces)
        assert not books.open
        end.set()


def test_another_thread_may_close_what_is_being_read(make_client: MakeClient) -> None:
    end, begun = threading.Event(), threading.Event()
    with RawServer(streams(PIECES[0], end, PIECES[1:])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)

        def read() -> None:
            for _ in raw.iter_bytes():
                begun.set()

        reading = in_thread(read)
        assert begun.wait(10)
        raw.close()
        assert isinstance(reading.exception(10), RequestCancelledException)
        until(lambda: not books.open)
        assert len(books.ways) == 1
        end.set()


def test_a_stream_is_kept_within_bounds_also_when_it_is_read_raw(make_client: MakeClient) -> None:
    many = [frame(chunk("x" * 800))] * 4
    with RawServer(streams(many)) as server:
        client = quick(make_client, server.url, LIMITS, max_response_bytes=1_024, max_retries=0)
        books = Books(client)
        with (
            CHATS.call(client, LAZY, stream=True) as response,
            pytest.raises(APIResponseValidationError, match="larger than 1024 bytes"),
        ):
            list(response.iter_bytes())
        assert len(books.ways) == 1
        assert not books.open


def test_usage_that_came_before_the_end_is_what_it_took(make_client: MakeClient) -> None:
    told = frame(chunk("two", usage=usage(70, 9)))
    end = threading.Event()
    with RawServer(streams(PIECES[0], told, end)) as server:
        client = quick(make_client, server.url, LIMITS)
        with CHATS.call(client, LAZY, stream=True, max_completion_tokens=10_000) as response:
            pieces = response.iter_bytes()
            while b"usage" not in next(pieces):
                pass
        assert client.check_model_limits("m")["limits"]["TPM"]["remaining"] == 60_000 - 79
        end.set()
