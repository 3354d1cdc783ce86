"""Streams of a client: every way to ask for one, and what becomes of one that breaks off."""

from __future__ import annotations

import os
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import RawServer, closes, in_thread, says, until, user
from helpers_stories import (
    FORKING,
    MakeClient,
    Simulate,
    Stopwatch,
    chunk,
    completion,
    contents,
    ending,
    fault,
    frame,
    frames,
    open_stream,
    read,
    running,
    streams,
)
from helpers_streams import Books, call_frames, delta

from customgroqchat import (
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityExceededError,
    ChatCompletion,
    ChatCompletionChunk,
    GroqClient,
    IncompleteStreamError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
    RateLimitExceededException,
    Stream,
    TextCompletion,
    sender,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

GOOD = streams(frames("One ", "two"), ending())

# --- asking for one --------------------------------------------------------------------------

WAYS: dict[str, Callable[[GroqClient], Stream[Any]]] = {
    "chat_completion": lambda client: client.chat_completion("m", user(), stream=True),
    "chat.completions": lambda client: client.chat.completions.create(
        model="m", messages=user(), stream=True
    ),
    "submit": lambda client: client.submit("m", user(), stream=True).result(10),
    "map": lambda client: next(client.map([{"messages": user()}], model="m", stream=True)),
    "map unordered": lambda client: next(
        client.map([{"messages": user()}], model="m", stream=True, ordered=False)
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_gives_the_same_stream(
    way: Callable[[GroqClient], Stream[Any]], client: GroqClient, simulator: SimulatedGroq
) -> None:
    whole = client.chat_completion("m", user())
    with way(client) as stream:
        assert isinstance(stream, Stream)
        assert stream.response.status_code == 200
        assert stream.headers["content-type"] == "text/event-stream"
        chunks = list(stream)
    assert all(isinstance(part, ChatCompletionChunk) for part in chunks)
    assert "".join(contents(chunks)) == stream.text == whole.choices[0].message.content
    record = simulator.requests[-1]
    assert (stream.request_id, stream.attempts) == (record.request_id, 1)
    assert record.payload is not None
    assert record.payload["stream"] is True
    assert record.headers["accept"] == "text/event-stream"


def test_the_final_completion_is_as_if_it_had_not_been_streamed(client: GroqClient) -> None:
    whole = client.chat_completion("m", user(), seed=1)
    final = client.chat_completion("m", user(), seed=1, stream=True).get_final_completion()
    assert isinstance(final, ChatCompletion)
    assert final.choices == whole.choices
    assert final.usage.total_tokens == whole.usage.total_tokens
    assert (final.object, final.model) == (whole.object, whole.model)
    assert final.request_id
    assert final.headers["x-request-id"] == final.request_id


def test_the_final_completion_of_tool_calls_has_them_whole(make_client: MakeClient) -> None:
    with RawServer(
        streams(call_frames(), frame(chunk(finish="tool_calls")), ending()[1])
    ) as server:
        (choice,) = open_stream(make_client(server.url)).get_final_completion().choices
    assert [call.function.name for call in choice.message.tool_calls] == ["weather", "time"]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.reasoning


def test_a_text_is_streamed_in_the_older_shape(client: GroqClient) -> None:
    whole = client.text_completion("m", "Hello")
    with client.text_completion("m", "Hello", stream=True) as stream:
        pieces = list(stream)
    assert all(isinstance(piece, TextCompletion) for piece in pieces)
    said = "".join(piece.choices[0].text for piece in pieces if piece.choices)
    assert said == stream.text == whole.choices[0].text
    final = stream.get_final_completion()
    assert (final.object, final.choices[0].text) == ("text_completion", said)


def test_a_callback_gets_the_stream(client: GroqClient) -> None:
    told: list[Any] = []
    stream = client.chat_completion("m", user(), stream=True, callback=told.append)
    assert told == [stream]
    stream.close()


def test_streams_of_a_map_may_be_read_while_others_are_opened(client: GroqClient) -> None:
    requests = ({"messages": user(f"text {number}")} for number in range(20))
    said = [
        stream.get_final_completion() for stream in client.map(requests, model="m", stream=True)
    ]
    assert len(said) == 20
    assert all(answer.choices[0].message.content for answer in said)


def test_the_worker_is_free_as_soon_as_the_headers_are_in(make_client: MakeClient) -> None:
    go_on = threading.Event()
    slow = streams(frames("One "), go_on, frames("two"), ending())
    with RawServer(slow, slow, says(completion())) as server:
        client = make_client(server.url, max_workers=1)
        first, second = open_stream(client), open_stream(client)
        assert client.chat_completion("m", user()).choices
        go_on.set()
        assert [contents(first), contents(second)] == [["One ", "two"]] * 2


# --- errors in it ----------------------------------------------------------------------------

STATUSES = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    429: RateLimitError,
    498: CapacityExceededError,
    500: InternalServerError,
    503: InternalServerError,
    None: InternalServerError,
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_an_error_in_a_stream_is_that_of_the_status_it_names(
    make_client: MakeClient, status: int | None, kind: type[Exception]
) -> None:
    broken = streams(frames("One "), frame(fault(status, "whatever"), "error"))
    with RawServer(broken) as server:
        said, error = read(open_stream(make_client(server.url)))
        assert said == ["One "]
        assert type(error) is kind
        assert isinstance(error, BadRequestError | InternalServerError | kind)
        assert error.code == "some_code"  # type: ignore[union-attr]
        assert (error.model, error.attempts) == ("m", 1)
        assert [attempt.outcome for attempt in error.history] == [kind.__name__]
        assert len(server.heard) == 1


def test_an_event_larger_than_the_setting_is_refused_with_its_name(make_client: MakeClient) -> None:
    with RawServer(streams(frames("One ", "x" * 5_000))) as server:
        said, error = read(open_stream(make_client(server.url, max_event_bytes=4_000)))
        assert said == ["One "]
        assert isinstance(error, APIResponseValidationError)
        assert "max_event_bytes" in str(error)


def test_a_stream_without_end_is_read_no_further_than_the_setting_says(
    make_client: MakeClient,
) -> None:
    with RawServer(streams(frames(*["One "] * 500))) as server:
        said, error = read(open_stream(make_client(server.url, max_response_bytes=10_000)))
        assert 10 < len(said) < 200
        assert isinstance(error, APIResponseValidationError)
        assert "max_response_bytes" in str(error)


# --- breaking off ----------------------------------------------------------------------------


def test_what_breaks_off_says_what_it_knows(make_client: MakeClient) -> None:
    with RawServer(streams(frames("One ", "two"), whole=False)) as server:
        stream = open_stream(make_client(server.url))
        said, error = read(stream)
        assert isinstance(error, IncompleteStreamError)
        assert (said, error.text) == (["One ", "two"], "One two")
        assert error.usage is not None
        assert error.usage["completion_tokens"] >= 1  # an estimate
        assert error.usage["total_tokens"] > error.usage["completion_tokens"]
        assert error.request is not None
        assert error.request.method == "POST"
        assert (error.attempts, error.retries_taken, error.model) == (1, 0, "m")
        (attempt,) = error.history
        assert (attempt.outcome, attempt.phase) == ("IncompleteStreamError", "reading")


def test_what_was_opened_anew_has_the_history_of_both(make_client: MakeClient) -> None:
    with RawServer(closes, streams(whole=False), GOOD) as server:
        client = make_client(server.url, max_retries=2)
        client._clock.random = lambda: 0.0
        stream = open_stream(client)
        first = stream.history
        assert contents(stream) == ["One ", "two"]
        assert len(first) == 2
        outcomes = ["APIConnectionError", "IncompleteStreamError", "ok"]
        assert [attempt.outcome for attempt in stream.history] == outcomes
        assert (stream.attempts, stream.retries_taken) == (3, 2)
        assert stream.get_final_completion().retries_taken == 2


def test_what_is_opened_anew_waits_its_turn_again(
    make_client: MakeClient, groq_simulator_factory: Simulate
) -> None:
    """Nothing was handed over yet, but the quota is gone: the next try has to wait for it."""
    clock = FakeClock(chance=0.0)
    groq = groq_simulator_factory(models={"m": {}}, clock=clock.monotonic)
    client = make_client(groq.url, {"m": {"req_per_minute": 1}}, clock=clock, policy="greedy")
    groq.fault_next("stream_cut", after_pieces=0)
    stream = open_stream(client, max_wait=600.0)
    reading = in_thread(read, stream)
    until(lambda: client.get_queue_status()["queued"])
    assert not reading.done()
    clock.wait_for_waiters()
    clock.advance(60.0)
    said, error = reading.result(10)
    assert (error, len(groq.requests)) == (None, 2)
    assert said
    assert stream.waited_s == pytest.approx(60.0)


def test_or_is_refused_where_that_takes_too_long(make_client: MakeClient) -> None:
    with RawServer(streams(whole=False)) as server:
        limits = {"m": {"req_per_minute": 1}}
        client = make_client(server.url, limits, clock=FakeClock(chance=0.0), policy="greedy")
        _, error = read(open_stream(client, max_wait=10.0))
        assert isinstance(error, RateLimitExceededException)
        assert error.dimension == "RPM"
        assert (error.attempts, len(server.heard)) == (1, 1)


def test_closing_ends_the_wait_for_another_try(make_client: MakeClient) -> None:
    with RawServer(streams(whole=False)) as server:
        limits = {"m": {"req_per_minute": 1}}
        client = make_client(server.url, limits, clock=FakeClock(chance=0.0), policy="greedy")
        stream = open_stream(client, max_wait=600.0)
        reading = in_thread(read, stream)
        until(lambda: client.get_queue_status()["queued"])
        stream.close()
        assert reading.result(10) == ([], None)
        assert client.get_queue_status()["queued"] == 0


def test_no_more_tries_than_retries(make_client: MakeClient) -> None:
    with RawServer(streams(whole=False)) as server:
        client = make_client(server.url, max_retries=1)
        _, error = read(open_stream(client))
        assert isinstance(error, IncompleteStreamError)
        assert (error.attempts, len(error.history), len(server.heard)) == (2, 2, 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_failed_try_is_counted_and_reported_once(make_client: MakeClient, whole: bool) -> None:
    kinds: list[str] = []
    with RawServer(streams(whole=whole)) as server:
        client = make_client(
            server.url, max_retries=0, on_event=lambda event: kinds.append(event.kind)
        )
        _, error = read(open_stream(client))
        assert error is not None
        client.close()
    assert kinds == ["queued", "admitted", "sent", "failed"]


def test_what_is_opened_anew_in_the_instant_in_which_it_is_closed_is_let_go(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(streams(whole=False), GOOD) as server:
        client = make_client(server.url)
        client._clock.random = lambda: 0.0  # type: ignore[method-assign]
        books, stream = Books(client), open_stream(client)
        opened = client._api.open

        def open_and_close(*arguments: Any) -> Any:
            incoming = opened(*arguments)
            stream.close()
            return incoming

        monkeypatch.setattr(client._api, "open", open_and_close)
        assert read(stream) == ([], None)
        until(lambda: not books.open)
        assert books.ways == ["keep", "settle"]
        server.wait_for_ends(2)


def test_an_interrupt_in_the_instant_in_which_it_is_open_again_lets_it_go(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(future: Any) -> Any:
        future.exception(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(sender, "result_of", interrupted)
    with RawServer(streams(whole=False), GOOD) as server:
        client = make_client(server.url)
        client._clock.random = lambda: 0.0  # type: ignore[method-assign]
        books, stream = Books(client), open_stream(client)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        until(lambda: not books.open)
        assert books.ways == ["keep", "settle"]


# --- time ------------------------------------------------------------------------------------


def test_the_deadline_holds_while_it_is_read(make_client: MakeClient) -> None:
    never = threading.Event()
    with RawServer(streams(frames("One "), never)) as server:
        watch = Stopwatch()
        said, error = read(open_stream(make_client(server.url), deadline=0.15))
        never.set()
    assert said == ["One "]
    assert isinstance(error, APITimeoutError)
    assert 0.14 <= watch.seconds < 0.55
    assert "reading the answer" in error.message
    assert error.spent is not None
    assert error.spent["reading"] == pytest.approx(0.15, abs=0.1)
    assert [attempt.phase for attempt in error.history] == ["reading"]


def test_a_caller_that_dawdles_misses_it_as_well(make_client: MakeClient) -> None:
    with RawServer(streams(delta(role="assistant"), threading.Event())) as server:
        stream = open_stream(make_client(server.url), deadline=0.1)
        until(lambda: stream._reading.feed.work.line.cut_by)  # type: ignore[attr-defined]
        _, error = read(stream)
        assert isinstance(error, APITimeoutError)


# --- processes -------------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@forks
def test_a_forked_child_cannot_read_it_and_the_parent_goes_on() -> None:
    go_on = threading.Event()
    script = """
        client = GroqClient({}, base_url=url, policy="greedy", timeout=3.0, max_retries=0)
        stream = client.chat_completion("m", hello(), stream=True)
        first = next(stream).choices[0].delta.content

        def child():
            signal.alarm(2)
            try:
                said = [part.choices[0].delta.content for part in stream]
            except GroqError:
                return
            raise AssertionError(f"the child read {said}")

        say(in_child(child))
        sys.stdin.readline()
        say(first + "".join(part.choices[0].delta.content or "" for part in stream))
    """
    parent = streams(frames("One "), go_on, frames("two"), ending())
    with (
        RawServer(parent) as server,
        running(FORKING + textwrap.dedent(script), server.url) as process,
    ):
        assert process.stdout is not None
        child = process.stdout.readline()
        go_on.set()
        printed, errors = process.communicate("\n")
        assert (child, printed, errors) == ("0\n", "One two\n", "")
