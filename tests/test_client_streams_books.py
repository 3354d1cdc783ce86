"""However a stream ends: what was set aside for it is accounted for exactly once."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import (
    Behaviour,
    Heard,
    RawServer,
    closes,
    hangs,
    in_thread,
    says,
    sends,
    until,
)
from helpers_stories import (
    MakeClient,
    chunk,
    contents,
    ending,
    fault,
    frame,
    frames,
    in_chunk,
    open_stream,
    read,
    refusal,
    remaining,
    stream_head,
    streams,
    usage,
)
from helpers_streams import Books

from customgroqchat import GroqClient, GroqError
from customgroqchat.testing import FakeClock

LIMITS = {"m": {"req_per_minute": 100, "token_per_minute": 60_000}}
CAP = 10_000
GOOD = streams(frames("One ", "two"), ending())
WITHOUT_USAGE = streams(frames("One ", "two"), frame(chunk(finish="stop")), b"data: [DONE]\n\n")
CUT = streams(frames("One "), whole=False)
NOTHING = streams(whole=False)


def holds(*pieces: bytes) -> Behaviour:
    """Begin a stream, and say no more until the client leaves."""

    def behave(connection: Any, request: Heard) -> bool:
        connection.sendall(stream_head() + b"".join(map(in_chunk, pieces)))
        while connection.recv(1_000):
            pass
        return False

    return behave


HOLDS = holds(*frames("One "))


def read_it(client: GroqClient) -> None:
    with contextlib.suppress(GroqError):
        list(open_stream(client, max_completion_tokens=CAP))


def close_it(client: GroqClient) -> None:
    with open_stream(client, max_completion_tokens=CAP) as stream:
        next(stream)


def close_it_unread(client: GroqClient) -> None:
    open_stream(client, max_completion_tokens=CAP).close()


def drop_it(client: GroqClient) -> None:
    next(open_stream(client, max_completion_tokens=CAP))
    gc.collect()


def close_it_elsewhere(client: GroqClient) -> None:
    stream = open_stream(client, max_completion_tokens=CAP)
    next(stream)
    reading = in_thread(read, stream)
    until(stream._reading.busy.locked)
    stream.close()
    assert reading.result(10) == ([], None)


def miss_the_deadline(client: GroqClient) -> None:
    with pytest.raises(GroqError):
        list(open_stream(client, max_completion_tokens=CAP, deadline=0.05))


def time_out(client: GroqClient) -> None:
    with pytest.raises(GroqError):
        list(open_stream(client, max_completion_tokens=CAP, timeout=0.05))


def close_the_client(client: GroqClient) -> None:
    stream = open_stream(client, max_completion_tokens=CAP)
    next(stream)
    client.close(0.0)
    said, error = read(stream)
    assert (said, type(error).__name__) == ([], "ClientClosedException")


def interrupt_it(client: GroqClient) -> None:
    stream = open_stream(client, max_completion_tokens=CAP)
    next(stream)

    def interrupted() -> bytes:
        raise KeyboardInterrupt

    stream._reading.feed.read = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        next(stream)


Act = Callable[[GroqClient], None]

#: What the service does, what the caller does, and what becomes of each reservation.
ENDINGS: dict[str, tuple[list[Behaviour], Act, list[str]]] = {
    "read to its end": ([GOOD], read_it, ["settle"]),
    "read to its end, without usage": ([WITHOUT_USAGE], read_it, ["settle"]),
    "closed": ([HOLDS], close_it, ["settle"]),
    "closed with its end in hand": (
        [streams(b"".join([*frames("One "), *ending()]))],
        close_it,
        ["settle"],
    ),
    "closed unread": ([HOLDS], close_it_unread, ["settle"]),
    "closed by another thread": ([HOLDS], close_it_elsewhere, ["settle"]),
    "dropped": ([HOLDS], drop_it, ["settle"]),
    "interrupted": ([HOLDS], interrupt_it, ["settle"]),
    "cut": ([CUT], read_it, ["keep"]),
    "ended without a last word": ([streams(frames("One "))], read_it, ["keep"]),
    "cut after its usage": (
        [streams(frames("One "), frame(chunk("two", usage=usage())), whole=False)],
        read_it,
        ["settle"],
    ),
    "an error in it": ([streams(frames("One "), frame(fault(400), "error"))], read_it, ["keep"]),
    "no stream": ([says(b"<html>")], read_it, ["keep"]),
    "cut before anything was said, and then read": ([NOTHING, GOOD], read_it, ["keep", "settle"]),
    "ended before anything was said, and then read": (
        [streams(), GOOD],
        read_it,
        ["keep", "settle"],
    ),
    "cut before anything was said, again and again": ([NOTHING], read_it, ["keep"] * 3),
    "ended before anything was said, again and again": ([streams()], read_it, ["keep"] * 3),
    "an error before anything was said": (
        [streams(frame(fault(400), "error"))],
        read_it,
        ["release"],
    ),
    "the deadline": ([HOLDS], miss_the_deadline, ["keep"]),
    "the read timeout": ([HOLDS], time_out, ["keep"]),
    "never answered": ([closes], read_it, ["keep"] * 3),
    "refused": ([says(refusal("no"), 429, retry_after="1000")], read_it, ["refused"]),
    "refused for good": ([says(refusal("no"), 400)], read_it, ["release"]),
    "the client was closed": ([HOLDS], close_the_client, ["settle"]),
}


@pytest.mark.parametrize(("script", "act", "ways"), ENDINGS.values(), ids=ENDINGS)
def test_every_reservation_ends_once(
    make_client: MakeClient, script: list[Behaviour], act: Act, ways: list[str]
) -> None:
    with RawServer(*script) as server:
        client = make_client(
            server.url, LIMITS, policy="greedy", share_limits=False, ageing_s="off"
        )
        _retry_at_once(client)
        books = Books(client)
        act(client)
        until(lambda: not books.open)
        assert books.ways == ways


def _retry_at_once(client: GroqClient) -> None:
    client._clock.random = lambda: 0.0  # type: ignore[method-assign]


def test_what_is_cancelled_before_it_is_open_stays_charged(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, LIMITS, policy="greedy", share_limits=False)
        books = Books(client)
        opening = in_thread(open_stream, client, tag="slow")
        server.wait_for(1)
        assert client.cancel(tag="slow") == 1
        assert isinstance(opening.exception(10), GroqError)
        until(lambda: not books.open)
        assert books.ways == ["keep"]


def test_while_it_is_open_it_is_under_way_and_takes_no_worker(make_client: MakeClient) -> None:
    with RawServer(HOLDS) as server:
        client = make_client(server.url, LIMITS, policy="greedy", share_limits=False)
        books = Books(client)
        opened = [open_stream(client, max_completion_tokens=100) for _ in range(3)]
        assert books.open == 3
        assert client.get_queue_status()["in_flight"] == 0
        for left, stream in zip((2, 1, 0), opened, strict=True):
            stream.close()
            assert books.open == left


def test_an_end_that_was_read_is_settled_by_what_the_service_says(make_client: MakeClient) -> None:
    with RawServer(GOOD) as server:
        client = make_client(server.url, LIMITS, policy="greedy", clock=FakeClock())
        stream = open_stream(client, max_completion_tokens=CAP)
        assert remaining(client, "TPM") <= 60_000 - CAP
        list(stream)
        assert remaining(client, "TPM") == 60_000 - usage()["total_tokens"]


@pytest.mark.parametrize("behaviour", [WITHOUT_USAGE, holds(*frames("One ", "two"))])
def test_otherwise_by_what_was_seen(make_client: MakeClient, behaviour: Behaviour) -> None:
    with RawServer(behaviour) as server:
        client = make_client(server.url, LIMITS, policy="greedy", clock=FakeClock())
        prompt = int(client.count_tokens([{"role": "user", "content": "Hello"}], "m"))
        with open_stream(client, max_completion_tokens=CAP) as stream:
            assert contents([next(stream), next(stream)]) == ["One ", "two"]
            rest = next(stream) if behaviour is WITHOUT_USAGE else None
            assert rest is None or rest.choices[0].finish_reason == "stop"
        left = remaining(client, "TPM")
        assert 60_000 - 2 * prompt - 50 < left < 60_000 - prompt // 2


def test_who_waits_for_what_a_stream_gives_back_goes_at_once(make_client: MakeClient) -> None:
    limits = {"m": {"token_per_minute": 6_000}}
    with RawServer(HOLDS, GOOD) as server:
        client = make_client(server.url, limits, policy="greedy", clock=FakeClock())
        stream = open_stream(client, max_completion_tokens=5_000)
        waiting = client.submit("m", [{"role": "user", "content": "Hi"}], max_tokens=5_000)
        until(lambda: client.get_queue_status()["queued"])
        stream.close()
        server.wait_for(2)
        assert isinstance(waiting.exception(10), GroqError)  # that was a stream, and no answer


def test_a_client_that_was_closed_is_forgotten_with_its_last_stream(
    make_client: MakeClient,
) -> None:
    from customgroqchat import queue_manager

    with RawServer(HOLDS) as server:
        client = make_client(server.url)
        stream = open_stream(client)
        next(stream)
        client.close(0.0)
        queue = client._handler.queue
        del stream
        gc.collect()
        until(lambda: queue not in queue_manager._busy, 2.0)


def test_a_page_in_place_of_a_stream_says_so(make_client: MakeClient) -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>Sign in</p>"
    with RawServer(sends(page)) as server:
        said, error = read(open_stream(make_client(server.url)))
        assert (said, type(error).__name__) == ([], "APIResponseValidationError")
        assert "base_url" in str(error)
        assert len(server.heard) == 1


def test_threads_that_read_and_close_many_streams_leave_nothing_under_way(
    make_client: MakeClient,
) -> None:
    with RawServer(GOOD) as server:
        client = make_client(server.url, LIMITS, share_limits=False, policy="greedy")
        books, turns = Books(client), threading.Barrier(6)

        def work(number: int) -> None:
            turns.wait(10)
            for _ in range(8):
                stream = open_stream(client, max_completion_tokens=10)
                (list, lambda stream: stream.close(), next)[number % 3](stream)

        for outcome in [in_thread(work, number) for number in range(6)]:
            outcome.result(30)
        gc.collect()
        until(lambda: not books.open)
        assert books.ways == ["settle"] * 48
