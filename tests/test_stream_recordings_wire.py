"""Recorded streams of the service, through sockets and the whole client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Any

import pytest
from helpers_servers import RawServer, user
from helpers_stories import streams
from test_stream_recordings import FAILED, IN_CHUNKS, STREAMS, WHOLE, body, collected, of

from customgroqchat import APIStatusError, GroqClient, Stream

MakeClient = Callable[..., GroqClient]


def pieces_of(row: dict[str, Any]) -> list[bytes]:
    """The stream in the pieces in which it came, or else in some."""
    whole = body(row)
    lengths = row.get("chunk_lengths") or [97] * (len(whole) // 97) + [len(whole) % 97]
    return [whole[start:stop] for start, stop in pairwise(accumulate(lengths, initial=0))]


@pytest.fixture
def replay(make_client: MakeClient) -> Iterator[Callable[..., Stream[Any]]]:
    servers = []

    def open_replay(row: dict[str, Any], *, chunked: bool = True) -> Stream[Any]:
        server = RawServer(streams(*pieces_of(row), chunked=chunked))
        servers.append(server.__enter__())
        client = make_client(server.url, max_retries=0)
        return client.chat_completion("m", user(), stream=True)

    yield open_replay
    for server in servers:
        server.__exit__(None, None, None)


@of(WHOLE)
def test_a_recorded_stream_is_read_to_its_end(
    replay: Callable[..., Stream[Any]], row: dict[str, Any]
) -> None:
    stream, expected = replay(row), collected(row)
    assert stream.get_final_completion() == expected.completion()
    assert stream.text == expected.text
    assert stream.usage == expected.usage
    assert stream.closed


@of(IN_CHUNKS[::5])
def test_and_so_it_is_if_only_the_end_of_the_connection_ends_it(
    replay: Callable[..., Stream[Any]], row: dict[str, Any]
) -> None:
    assert replay(row, chunked=False).get_final_completion() == collected(row).completion()


@of(FAILED)
def test_a_recorded_failure_is_the_error_that_it_names(
    replay: Callable[..., Stream[Any]], row: dict[str, Any]
) -> None:
    stream = replay(row)
    with pytest.raises(APIStatusError) as caught:
        for _ in stream:
            pass
    assert caught.value.status_code == 400
    assert caught.value.code in body(row).decode()
    assert stream.closed


def test_there_are_recordings_of_each_kind_if_there_are_any() -> None:
    assert bool(STREAMS) == bool(FAILED) == bool(WHOLE) == bool(IN_CHUNKS)
