"""Failure story 41: the defects of the library that this package took the place of.

Each letter is one of them.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from helpers_servers import KEY, in_thread, until, user
from helpers_stories import (
    MakeClient,
    Simulate,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    remaining,
)

from customgroqchat import (
    GroqClient,
    GroqError,
    InternalServerError,
    NotFoundError,
    RateLimitExceededException,
    RequestCancelledException,
    TokenLimitExceededException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

ONE_A_MINUTE = {"m": {"req_per_minute": 1}}


def test_story_41a_waiting_burns_no_processor(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE)
    client.chat_completion("m", user())
    waiting = [client.submit("m", user()) for _ in range(20)]
    until(lambda: client.get_queue_status()["queued"] == 20)
    began_s = time.process_time()
    threading.Event().wait(0.4)
    assert time.process_time() - began_s < 0.1
    assert not any(future.done() for future in waiting)


@pytest.mark.parametrize("tight", ["m", "other"])
def test_story_41b_each_model_has_its_own_limits(
    simulator: SimulatedGroq, make_client: MakeClient, tight: str
) -> None:
    limits = {name: {"req_per_minute": 1 if name == tight else 100} for name in ("m", "other")}
    client = make_client(simulator.url, limits)
    wide = "other" if tight == "m" else "m"
    client.chat_completion(tight, user())
    with pytest.raises(RateLimitExceededException):
        client.chat_completion(tight, user(), max_wait=0)
    for _ in range(5):
        assert client.chat_completion(wide, user(), max_wait=0).model == wide


def test_story_41c_requests_are_on_their_way_together(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=8, policy="greedy")
    with simulator.hold() as gate:
        futures = [client.submit("m", user()) for _ in range(8)]
        assert gate.wait_until_held(8)
    assert all(future.result(10).choices for future in futures)


def test_story_41d_what_was_set_aside_is_corrected_by_what_was_used(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"token_per_minute": 6_000}}
    client = make_client(simulator.url, limits, clock=FakeClock(), policy="greedy")
    with simulator.hold() as gate:
        future = client.submit("m", user(), max_completion_tokens=3_000)
        assert gate.wait_until_held(1)
        assert remaining(client, "TPM") < 3_000
    used = future.result(10).usage.total_tokens
    assert remaining(client, "TPM") == 6_000 - used


def test_story_41e_a_full_minute_lets_no_burst_pass(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, {"m": {"req_per_minute": 100}}, clock=clock)

    def wait_for(sent: float) -> None:
        until(lambda: simulator.count(200) >= sent and at_rest(client))

    for _ in range(300):
        client.submit("m", user())
    wait_for(99)
    assert simulator.count() <= 100
    for seconds in (30, 60):  # half a minute, and across what would be the next window
        clock.wait_for_waiters(1)
        clock.advance(30.0)
        wait_for(98 + seconds / 0.6)
        assert simulator.count() <= 100 + seconds / 0.6


@pytest.mark.parametrize("limit", ["token_per_minute", "token_per_day"])
def test_story_41f_what_is_larger_than_a_limit_returns(
    simulator: SimulatedGroq, make_client: MakeClient, limit: str
) -> None:
    client = make_client(simulator.url, {"m": {limit: 500}})
    with pytest.raises(TokenLimitExceededException):
        client.chat_completion("m", user("word " * 2_000))
    assert simulator.count() == 0


def test_story_41g_errors_are_raised_with_status_headers_and_body(
    simulator: SimulatedGroq, client: GroqClient
) -> None:
    body = {"error": {"message": "No such model", "type": "t", "code": "model_not_found"}}
    simulator.fail_next(404, body, {"x-something": "seen"})
    with pytest.raises(NotFoundError) as caught:
        client.chat_completion("m", user())
    error = caught.value
    assert (error.status_code, error.body, error.code) == (404, body, "model_not_found")
    assert error.response is not None
    assert error.response.headers["X-Something"] == "seen"
    simulator.fail_next(503)
    assert client.chat_completion("m", user()).retries_taken == 1
    simulator.fail_next(500, times=3)
    with pytest.raises(InternalServerError) as failed:
        client.chat_completion("m", user())
    assert (failed.value.attempts, failed.value.retries_taken) == (3, 2)


def test_story_41h_each_model_has_its_own_address_and_key(groq_simulator_factory: Simulate) -> None:
    here, there = (groq_simulator_factory(models={"m": {}, "other": {}}) for _ in range(2))
    config = {
        "m": {"base_url": here.url, "api_key": "gsk_" + "a" * 52},
        "other": {"base_url": there.url, "api_key": "gsk_" + "b" * 52},
    }
    with GroqClient(config) as client:
        for model in ("m", "other", "m"):
            assert client.chat_completion(model, user()).model == model
    assert [record.key for record in here.requests] == ["gsk_" + "a" * 52] * 2
    assert [record.key for record in there.requests] == ["gsk_" + "b" * 52]


def test_story_41i_counting_needs_no_network(client: GroqClient) -> None:
    client.count_tokens("warm", "openai/gpt-oss-20b")
    watch = Stopwatch()
    counts = {
        model: int(client.count_tokens(user("Why is the sky blue?"), model))
        for model in ("openai/gpt-oss-20b", "qwen/qwen3.8-27b", "unknown")
    }
    assert watch.seconds < 2.0
    assert all(5 <= count <= 100 for count in counts.values())
    assert counts["openai/gpt-oss-20b"] != counts["qwen/qwen3.8-27b"]  # not one rule for all


def test_story_41j_contents_of_all_shapes_are_counted_and_sent(
    simulator: SimulatedGroq, client: GroqClient
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    assert client.count_tokens(messages, "m") > 5
    assert client.chat_completion("m", messages).choices
    assert simulator.requests[0].payload == {"model": "m", "messages": messages}


def test_story_41k_an_answer_without_a_cap_is_not_taken_for_short(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"token_per_minute": 6_000}}
    client = make_client(simulator.url, limits, clock=FakeClock(), policy="greedy")
    with simulator.hold() as gate:
        future = client.submit("m", user())
        assert gate.wait_until_held(1)
        assert remaining(client, "TPM") < 6_000 - 1_024
    assert future.result(10).choices


def test_story_41l_nothing_is_printed(
    simulator: SimulatedGroq, client: GroqClient, capfd: pytest.CaptureFixture[str]
) -> None:
    client.chat_completion("m", user())
    simulator.fail_next(400)
    with pytest.raises(GroqError):
        client.chat_completion("m", user())
    client.close()
    assert tuple(capfd.readouterr()) == ("", "")


def test_story_41m_a_cancelled_request_ends_for_its_caller(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE)
    client.chat_completion("m", user())
    caller = in_thread(client.chat_completion, "m", user(), tag="x")
    until(lambda: client.get_queue_status()["queued"])
    assert client.cancel(tag="x") == 1
    assert isinstance(caller.exception(10), RequestCancelledException)


def test_story_41n_texts_go_to_the_address_that_exists(
    simulator: SimulatedGroq, client: GroqClient
) -> None:
    assert client.text_completion("m", "Name a river.").choices[0].text
    assert [record.path for record in simulator.requests] == ["/openai/v1/chat/completions"]


def test_story_41o_what_is_promised_is_there(
    simulator: SimulatedGroq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    with GroqClient({}, base_url=simulator.url) as client:
        assert sorted(client.get_available_models()) == ["m", "other"]
        assert type(client.get_available_models()) is list
        parts = list(client.chat_completion("m", user(), stream=True))
        assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
        client.text_completion("m", "Hi", stream=True).close()
    assert {record.key for record in simulator.requests} == {KEY}
