"""Failure stories about answers: those that drip, are cut, are errors, or have no end."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
from helpers_servers import RawServer, hangs, response, says, sends, user
from helpers_stories import (
    LATE_S,
    MakeClient,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    completion,
    cut,
    drips,
    floods,
    in_chunk,
    remaining,
    whole,
)

from customgroqchat import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    GroqClient,
    GroqError,
    RateLimitExceededException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

GOOD = says(completion())


# --- 18 and 19: time -------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [0, len(whole()) - 60], ids=["head", "body"])
def test_story_18_a_deadline_ends_an_answer_that_drips(
    make_client: MakeClient, at_once: int
) -> None:
    with RawServer(drips(whole(), 0.05, at_once)) as server:
        client = make_client(server.url, timeout=5.0)
        watch = Stopwatch()
        with pytest.raises(APITimeoutError) as caught:
            client.chat_completion("m", user(), deadline=0.4)
        assert 0.35 <= watch.seconds <= 0.4 + LATE_S
        assert ("reading the answer" if at_once else "waiting for the answer") in str(caught.value)
        assert caught.value.attempts == 1
        server.wait_for_ends(1)  # the connection was cut
        assert at_rest(client)


def test_story_18_a_drip_that_ends_in_time_is_an_answer(make_client: MakeClient) -> None:
    with RawServer(drips(whole(), 0.02, len(whole()) - 10)) as server:
        client = make_client(server.url, timeout=5.0)
        assert client.chat_completion("m", user(), deadline=10.0).choices


def test_story_19_the_deadline_covers_all_attempts(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, timeout=0.15, max_retries=50)
        watch = Stopwatch()
        with pytest.raises(APITimeoutError) as caught:
            client.chat_completion("m", user(), deadline=0.6)
        assert watch.seconds <= 0.6 + LATE_S
        error = caught.value
        assert 1 <= error.attempts == len(server.heard) <= 4
        assert [attempt.phase for attempt in error.history] == ["waiting"] * error.attempts
        assert {attempt.outcome for attempt in error.history} == {"APITimeoutError"}


def test_story_19_also_a_single_attempt_that_is_longer(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, timeout=60.0)
        watch = Stopwatch()
        with pytest.raises(APITimeoutError, match="waiting for the answer") as caught:
            client.chat_completion("m", user(), deadline=0.3)
        assert 0.25 <= watch.seconds <= 0.3 + LATE_S
        assert caught.value.attempts == caught.value.retries_taken + 1 == 1
        (attempt,) = caught.value.history
        assert 0.2 < attempt.took_s < 0.3 + LATE_S
        server.wait_for_ends(1)


def test_story_19_without_a_deadline_each_attempt_has_its_timeout(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, timeout=0.1, max_retries=1)
        with pytest.raises(APITimeoutError) as caught:
            client.chat_completion("m", user())
        assert (caught.value.attempts, caught.value.retries_taken) == (2, 1)
        assert len(server.heard) == 2


def test_story_19_what_was_never_sent_ran_out_of_quota_and_not_of_time(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, {"m": {"req_per_minute": 1}}, max_workers=1)
    client.chat_completion("m", user())
    with pytest.raises(RateLimitExceededException) as caught:
        client.chat_completion("m", user(), deadline=0.2)
    assert caught.value.attempts == 0
    assert simulator.count() == 1


# --- 21: answers that are cut ----------------------------------------------------------------

_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CUT = {
    "in the headers": b"HTTP/1.1 200 OK\r\ncontent-type: applic",
    "after the status line": b"HTTP/1.1 200 OK\r\n",
    "in the body": cut(whole()),
    "before the body": response(b"", content_length="500"),
    "in a chunk": _CHUNKED_HEAD + in_chunk(b'{"id": "chatcmpl-1", "choices"')[:-9],
    "between chunks": _CHUNKED_HEAD + in_chunk(b'{"id": "chatcmpl-1", "choices"'),
    "before the last chunk": _CHUNKED_HEAD + in_chunk(json.dumps(completion()).encode()),
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_story_21_an_answer_that_is_cut_is_asked_for_again(
    make_client: MakeClient, data: bytes
) -> None:
    with RawServer(sends(data), GOOD) as server:
        answer = make_client(server.url).chat_completion("m", user())
        assert answer.choices[0].message.content == "Hello!"
        assert (answer.attempts, answer.retries_taken, len(server.heard)) == (2, 1, 2)
        first, second = answer.history
        assert first.outcome == "APIConnectionError"
        assert first.phase in ("waiting", "reading")
        assert (second.outcome, second.phase, second.status_code) == ("ok", "done", 200)
        assert first.began_s + first.took_s <= second.began_s + 0.001


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_story_21_and_what_it_may_have_cost_stays_charged(
    make_client: MakeClient, data: bytes
) -> None:
    limits = {"m": {"req_per_minute": 10}}
    with RawServer(sends(data)) as server:
        client = make_client(server.url, limits, max_retries=0, clock=FakeClock())
        with pytest.raises(APIConnectionError) as caught:
            client.chat_completion("m", user())
    assert caught.value.may_have_arrived is True
    assert not isinstance(caught.value, APITimeoutError)
    assert remaining(client, "RPM") == 9


def test_story_21_a_whole_body_that_is_not_json_is_not_asked_for_again(
    make_client: MakeClient,
) -> None:
    with RawServer(says(b"<html>"), GOOD) as server:
        with pytest.raises(APIResponseValidationError) as caught:
            make_client(server.url).chat_completion("m", user())
        assert (caught.value.attempts, len(server.heard)) == (1, 1)


# --- 24: error bodies ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 503])
def test_story_24_an_error_is_read_to_its_end_and_its_connection_is_used_again(
    make_client: MakeClient, status: int
) -> None:
    error = says({"error": {"message": "x" * 100_000}}, status)
    with RawServer(error, error, GOOD) as server:
        client = make_client(server.url, max_retries=0)
        for _ in range(2):
            with pytest.raises(APIStatusError):
                client.chat_completion("m", user())
        assert client.chat_completion("m", user()).choices
        assert server.connections == 1


# --- 25: answers without end -----------------------------------------------------------------


def bomb(megabytes: int, wbits: int = 31) -> bytes:
    """Zeros, compressed to a thousandth."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(packer.compress(bytes(10**6)) for _ in range(megabytes)) + packer.flush()


@pytest.fixture
def peak_memory() -> Iterator[Callable[[], float]]:
    """Megabytes that were allocated at most since the beginning of the test."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15)])
def test_story_25_a_bomb_is_not_unpacked(
    make_client: MakeClient, peak_memory: Callable[[], float], encoding: str, wbits: int
) -> None:
    body = bomb(200, wbits)
    with RawServer(says(body, content_encoding=encoding)) as server:
        client = make_client(server.url, max_response_bytes=2_000_000)
        client.count_tokens(user(), "m")
        tracemalloc.reset_peak()
        before = peak_memory()
        with pytest.raises(APIResponseValidationError, match="max_response_bytes") as caught:
            client.chat_completion("m", user())
        assert peak_memory() - before < 25
        assert (caught.value.attempts, len(server.heard)) == (1, 1)


def test_story_25_nor_is_a_flood_read(make_client: MakeClient) -> None:
    sent: list[int] = []
    head = response(b"", content_length=str(10**10))
    with RawServer(floods(head, bytes(100_000), sent)) as server:
        client = make_client(server.url, max_response_bytes=1_000_000)
        with pytest.raises(APIResponseValidationError, match="max_response_bytes") as caught:
            client.chat_completion("m", user())
        server.wait_for_ends(1)
        assert len(server.heard) == caught.value.attempts == 1
    assert sum(sent) < 30_000_000  # buffers of the system included


@pytest.mark.parametrize("status", [400, 503])
def test_story_25_nor_that_of_an_error(
    make_client: MakeClient, peak_memory: Callable[[], float], status: int
) -> None:
    sent: list[int] = []
    head = response(b"", status, content_length=str(10**10))
    with RawServer(floods(head, bytes(100_000), sent)) as server:
        client = make_client(server.url, max_response_bytes=1_000_000, max_retries=0)
        with pytest.raises(GroqError):
            client.chat_completion("m", user())
        server.wait_for_ends(1)
    assert sum(sent) < 30_000_000
    assert peak_memory() < 60


def test_story_25_what_is_below_the_bound_is_an_answer(make_client: MakeClient) -> None:
    text = "x" * 900_000
    with RawServer(says(completion(text))) as server:
        client = make_client(server.url, max_response_bytes=1_000_000)
        assert client.chat_completion("m", user()).choices[0].message.content == text


def test_story_25_there_is_a_bound_by_default(client: GroqClient) -> None:
    assert client.config.max_response_bytes == 64 * 2**20
    assert client.config.max_event_bytes == 8 * 2**20
