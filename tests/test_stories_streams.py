"""Failure stories of streams: those that are cut, and those that nobody closes."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import KEY, Behaviour, RawServer, closes, in_thread, says, sends, until, user
from helpers_stories import (
    DONE,
    LATE_S,
    MakeClient,
    Simulate,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    chunk,
    completion,
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

from customgroqchat import (
    APIConnectionError,
    APITimeoutError,
    GroqClient,
    GroqError,
    IncompleteStreamError,
    InternalServerError,
    RateLimitError,
)
from customgroqchat.testing import FakeClock

GOOD = streams(frames("One ", "two"), ending())


# --- 21: streams that are cut ----------------------------------------------------------------

BEGUN = frames("One ", "two ", "thr")
CUTS: dict[str, Behaviour] = {
    "between chunks": streams(BEGUN, whole=False),
    "in an event": streams(BEGUN, frame(chunk("ee"))[:30], whole=False),
    "in a character": streams(
        BEGUN, frame(chunk("é")).partition(b"\xc3")[0] + b"\xc3", whole=False
    ),
    "by a reset": streams(BEGUN, whole=False, reset=True),
    "delimited by the end": streams(BEGUN, chunked=False),
    "as if it were whole": streams(BEGUN),
}


@pytest.mark.parametrize("behaviour", CUTS.values(), ids=CUTS)
def test_story_21_a_stream_that_is_cut_says_what_it_said_and_is_not_asked_for_again(
    make_client: MakeClient, behaviour: Behaviour
) -> None:
    with RawServer(behaviour, GOOD) as server:
        stream = open_stream(make_client(server.url, max_retries=5))
        said, error = read(stream)
        assert said == ["One ", "two ", "thr"]
        assert isinstance(error, IncompleteStreamError)
        assert isinstance(error, APIConnectionError)
        assert error.text == stream.text == "One two thr"
        assert stream.closed
        assert (error.attempts, stream.attempts, len(server.heard)) == (1, 1, 1)
        assert list(stream) == []  # and that was that


def test_story_21_the_usage_shown_before_the_cut_is_told(make_client: MakeClient) -> None:
    shown = frame(chunk("two", x_groq={"id": "req_1", "usage": usage(70, 2)}))
    with RawServer(streams(frames("One "), shown, whole=False)) as server:
        _, error = read(open_stream(make_client(server.url)))
        assert isinstance(error, IncompleteStreamError)
        assert error.usage is not None
        assert error.usage["total_tokens"] == 72


@pytest.mark.parametrize("behaviour", CUTS.values(), ids=CUTS)
def test_story_21_its_reservation_is_kept_or_settled_but_not_given_back(
    make_client: MakeClient, behaviour: Behaviour
) -> None:
    limits = {"m": {"req_per_minute": 10, "token_per_minute": 6_000}}
    with RawServer(behaviour) as server:
        client = make_client(server.url, limits, clock=FakeClock(), policy="greedy")
        _, error = read(open_stream(client, max_completion_tokens=1_000))
        assert isinstance(error, IncompleteStreamError)
        assert remaining(client, "RPM") == 9
        assert remaining(client, "TPM") < 6_000 - 3
        assert at_rest(client)


NOTHING_YET: dict[str, Behaviour] = {
    "head only": streams(whole=False),
    "a comment": streams(b": hello\n\n", whole=False),
    "half an event": streams(BEGUN[0][:20], whole=False),
    "a reset": streams(whole=False, reset=True),
    "no answer": closes,
    "an empty stream": streams(),
}


@pytest.mark.parametrize("behaviour", NOTHING_YET.values(), ids=NOTHING_YET)
def test_story_21_a_stream_that_said_nothing_yet_is_opened_anew(
    make_client: MakeClient, behaviour: Behaviour
) -> None:
    with RawServer(behaviour, GOOD) as server:
        stream = open_stream(make_client(server.url))
        assert contents(stream) == ["One ", "two"]
        assert (stream.attempts, stream.retries_taken, len(server.heard)) == (2, 1, 2)
        assert [attempt.outcome for attempt in stream.history][-1] == "ok"
        assert stream.get_final_completion().usage.total_tokens == 75


def test_story_21_unless_no_retry_is_left(make_client: MakeClient) -> None:
    with RawServer(streams(whole=False)) as server:
        said, error = read(open_stream(make_client(server.url, max_retries=0)))
        assert (said, len(server.heard)) == ([], 1)
        assert isinstance(error, IncompleteStreamError)
        assert error.text == ""


@pytest.mark.parametrize("chunked", [True, False])
def test_story_21_a_finish_reason_is_a_good_end_without_done(
    make_client: MakeClient, chunked: bool
) -> None:
    with RawServer(streams(frames("One"), ending()[:1], chunked=chunked)) as server:
        stream = open_stream(make_client(server.url))
        assert read(stream) == (["One"], None)
        assert stream.get_final_completion().choices[0].finish_reason == "stop"


def test_story_21_silence_in_a_stream_is_a_timeout(make_client: MakeClient) -> None:
    never = threading.Event()
    with RawServer(streams(frames("One"), never)) as server:
        stream = open_stream(make_client(server.url, timeout=(5.0, 0.2)))
        watch = Stopwatch()
        said, error = read(stream)
        assert 0.15 <= watch.seconds <= 0.2 + LATE_S
        assert said == ["One"]
        assert isinstance(error, APITimeoutError)
        assert len(server.heard) == 1
        never.set()


def test_story_18_a_stream_that_drips_ends_at_its_deadline(make_client: MakeClient) -> None:
    def behave(connection: Any, request: Any) -> bool:
        connection.sendall(stream_head() + in_chunk(frames("One")[0]))
        for _ in range(200):
            connection.sendall(in_chunk(b": keep-alive\n\n"))
            threading.Event().wait(0.05)
        return False

    with RawServer(behave) as server:
        watch = Stopwatch()
        stream = open_stream(make_client(server.url, timeout=5.0), deadline=0.4)
        said, error = read(stream)
        assert said == ["One"]
        assert isinstance(error, APITimeoutError)
        assert "reading the answer" in str(error)
        assert 0.35 <= watch.seconds <= 0.4 + LATE_S
        server.wait_for_ends(1)


# --- 24: streams that are left ---------------------------------------------------------------


def test_story_24_streams_that_are_read_use_one_connection(make_client: MakeClient) -> None:
    with RawServer(GOOD) as server:
        client = make_client(server.url)
        for _ in range(5):
            assert contents(open_stream(client)) == ["One ", "two"]
        assert server.connections == 1


def leave_by_break(client: GroqClient) -> None:
    with open_stream(client) as stream:
        for part in stream:
            assert contents([part]) == ["One "]
            break


def leave_by_closing(client: GroqClient) -> None:
    stream = open_stream(client)
    next(stream)
    stream.close()
    stream.close()
    assert stream.closed
    assert stream.text == "One "


def leave_by_an_error(client: GroqClient) -> None:
    with contextlib.suppress(ZeroDivisionError), open_stream(client) as stream:
        for _ in stream:
            raise ZeroDivisionError


def leave_by_dropping(client: GroqClient) -> None:
    next(open_stream(client))


def leave_unread(client: GroqClient) -> None:
    open_stream(client)


LEAVING = [leave_by_break, leave_by_closing, leave_by_an_error, leave_by_dropping, leave_unread]


@pytest.mark.parametrize("leave", LEAVING)
def test_story_24_a_stream_that_is_left_frees_what_it_had(
    make_client: MakeClient, leave: Callable[[GroqClient], None]
) -> None:
    limits = {"m": {"req_per_minute": 100, "token_per_minute": 60_000}}
    never, turns = threading.Event(), 2
    half = streams(frames("One "), never)
    with RawServer(*[half] * turns, says(completion())) as server:
        client = make_client(server.url, limits, clock=FakeClock(), max_workers=1, policy="greedy")
        for turn in range(turns):
            leave(client)
            gc.collect()
            until(lambda: at_rest(client))
            assert remaining(client, "RPM") == 99 - turn  # given back once, or not at all
        assert client.chat_completion("m", user(), max_completion_tokens=5).choices
        never.set()
        server.wait_for_ends(turns)
        assert at_rest(client)


def test_story_24_and_is_settled_by_what_was_seen(make_client: MakeClient) -> None:
    limits = {"m": {"token_per_minute": 60_000}}
    never = threading.Event()
    with RawServer(streams(frames("One ", "two ", "three "), never)) as server:
        client = make_client(server.url, limits, clock=FakeClock(), policy="greedy")
        prompt = int(client.count_tokens(user(), "m"))
        with open_stream(client, max_completion_tokens=30_000) as stream:
            assert remaining(client, "TPM") <= 30_000
            for _ in range(3):
                next(stream)
        until(lambda: remaining(client, "TPM") > 30_000)
        assert 60_000 - 2 * prompt - 50 <= remaining(client, "TPM") < 60_000 - prompt // 2
        never.set()


def test_story_24_a_stream_holds_no_worker(make_client: MakeClient) -> None:
    go_on = threading.Event()
    slow = streams(frames("One "), go_on, frames("two"), ending())
    with RawServer(slow, slow, slow, says(completion())) as server:
        client = make_client(server.url, max_workers=1, policy="greedy")
        opened = [open_stream(client) for _ in range(3)]
        assert client.chat_completion("m", user()).choices
        go_on.set()
        assert [contents(stream) for stream in opened] == [["One ", "two"]] * 3


def test_story_24_a_refusal_of_a_stream_is_read_and_closed(make_client: MakeClient) -> None:
    refused = says(refusal("Rate limit reached " + "x" * 100_000), 429, retry_after="1000")
    with RawServer(refused, says(b"", 500), GOOD) as server:
        client = make_client(server.url, max_retries=0, policy="greedy")
        with pytest.raises(RateLimitError) as caught:
            open_stream(client)
        assert caught.value.retry_after == 1_000.0
        other: dict[str, Any] = {"model_name": "other", "messages": user(), "stream": True}
        with pytest.raises(InternalServerError):
            client.chat_completion(**other)
        assert contents(client.chat_completion(**other)) == ["One ", "two"]
        assert server.connections == 1


def test_story_24_closing_from_another_thread_wakes_the_reader(make_client: MakeClient) -> None:
    never = threading.Event()
    with RawServer(streams(frames("One "), never)) as server:
        client = make_client(server.url, timeout=60.0)
        stream = open_stream(client)
        next(stream)
        reader = in_thread(read, stream)
        watch = Stopwatch()
        stream.close()
        said, _ = reader.result(10)
        assert watch.seconds < 2.0
        assert (said, stream.closed) == ([], True)
        until(lambda: at_rest(client))
        never.set()


def test_story_24_streams_against_the_simulated_service_leave_nothing_behind(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"m": {}}, completion_tokens=200)
    client = make_client(simulator.url)
    for _ in range(10):
        leave_first(client)
    gc.collect()
    until(lambda: at_rest(client))
    client.close()
    assert simulator.wait_for_connections(0)


def leave_first(client: GroqClient) -> None:
    for _ in open_stream(client):
        break


# --- 29: the key -----------------------------------------------------------------------------

STREAM_FAULTS: dict[str, Behaviour] = {
    "cut": streams(BEGUN, whole=False),
    "error": streams(BEGUN, frame(fault(400), "error")),
    "echo": streams(frame({"error": {"message": f"Bearer {KEY}", "status_code": 401}}, "error")),
    "not JSON": streams(f"data: you sent {KEY}\n\n".encode(), DONE),
    "not a stream": sends(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nBearer " + KEY.encode()),
}


def read_and_log(client: GroqClient) -> None:
    """Read a stream as a program does that logs all it can of it."""
    stream = open_stream(client)
    logging.getLogger("application").debug("%r %r", stream, stream.response)
    list(stream)


@pytest.mark.parametrize("behaviour", STREAM_FAULTS.values(), ids=STREAM_FAULTS)
def test_story_29_a_stream_tells_the_key_to_nobody(
    make_client: MakeClient,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(behaviour) as server:
        client = make_client(server.url, max_retries=0)
        with pytest.raises(GroqError) as caught:
            read_and_log(client)
    error = caught.value
    logging.getLogger("application").error("it failed", exc_info=error)
    assert "application" in caplog.text
    seen = [caplog.text, *capfd.readouterr(), repr(error), json.dumps(error.to_dict())]
    assert not any(KEY in text for text in seen)
    assert KEY.encode() not in pickle.dumps(error)
