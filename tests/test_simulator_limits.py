"""The limits of the simulated service as clients see them, and its faults on demand."""

from __future__ import annotations

import http.client
import json
import random
import re
from typing import Any

import pytest
from test_simulator_http import CHAT, MODEL, Simulate, Time, chat, in_background, payload, send

from customgroqchat.testing import LIVE_MODELS, SimulatedGroq
from customgroqchat.testing._sim_chat import _Stream
from customgroqchat.testing._sim_http import Request

pytest_plugins = ["customgroqchat.testing.fixtures"]


# ------------------------------------------------------------------ limits, headers


def test_headers_show_the_level_at_admission(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(clock=Time())
    headers = chat(simulator, max_tokens=927).headers
    assert headers["x-ratelimit-limit-requests"] == "1000"
    assert headers["x-ratelimit-remaining-requests"] == "999"
    assert headers["x-ratelimit-reset-requests"] == "1m26.4s"
    assert headers["x-ratelimit-limit-tokens"] == "8000"
    assert headers["x-ratelimit-remaining-tokens"] == "7000"
    assert headers["x-ratelimit-reset-tokens"] == "7.5s"
    assert headers["x-groq-region"]
    assert re.fullmatch(r"req_[0-9a-z]{26}", headers["x-request-id"])
    assert simulator.levels(MODEL)["TPM"] == 8000 - 105


def test_headers_may_show_the_level_at_the_end(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(clock=Time(), headers_at="end", refund=True)
    headers = chat(simulator, max_tokens=927).headers
    assert headers["x-ratelimit-remaining-tokens"] == str(8000 - 105)


def test_stream_headers_may_be_read_after_the_wait(groq_simulator_factory: Simulate) -> None:
    time = Time()

    def pass_a_second(_asked: object) -> float:
        time.now += 1
        return 0.0

    simulator = groq_simulator_factory(clock=time, headers_at="end", latency_s=pass_a_second)
    headers = chat(simulator, max_tokens=927, stream=True).headers
    assert headers["x-ratelimit-remaining-tokens"] == str(8000 - 1000 + 8000 // 60)


def test_stream_is_settled_once_before_its_end_is_sent() -> None:
    simulator = SimulatedGroq(limits={"TPM": 8000}, clock=Time())
    body = json.dumps(payload(stream=True, max_tokens=927)).encode()
    asked = Request("POST", CHAT, {"authorization": "Bearer k"}, body, keep_alive=True)
    stream = simulator._handle(asked).chunks
    assert isinstance(stream, _Stream)
    levels = [(chunk, simulator.levels(MODEL)["TPM"]) for chunk in stream]
    assert levels[0][1] == 8000 - 1000
    assert levels[-1][0].endswith(b"[DONE]\n\n")
    assert levels[-1][1] == 8000 - 105
    stream.close()
    assert simulator.levels(MODEL) == {"TPM": 8000 - 105}


def test_exhausted_bucket_is_a_429_and_costs_nothing(groq_simulator_factory: Simulate) -> None:
    time = Time()
    simulator = groq_simulator_factory(limits={"TPM": 600}, clock=time, refund=False)
    assert chat(simulator, max_tokens=427).status == 200
    refused = chat(simulator, max_tokens=100)
    assert refused.status == 429
    assert refused.error == {
        "message": (
            f"Rate limit reached for model `{MODEL}` in organization `org_sim` service tier "
            "`on_demand` on tokens per minute (TPM): Limit 600, Used 500, Requested 173. Please "
            "try again in 7.3s. Need more tokens? Upgrade to Dev Tier today at "
            "https://console.groq.com/settings/billing"
        ),
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
    assert refused.headers["retry-after"] == "8"
    assert refused.headers["x-ratelimit-remaining-tokens"] == "100"
    assert "x-ratelimit-limit-requests" not in refused.headers
    assert simulator.requests[-1].refused_by == "TPM"
    time.now += 7.3
    assert chat(simulator, max_tokens=100).status == 200


def test_request_larger_than_the_bucket_is_a_413(groq_simulator: SimulatedGroq) -> None:
    refused = chat(groq_simulator, max_tokens=20_000)
    assert refused.status == 413
    assert refused.error["code"] == "rate_limit_exceeded"
    assert (
        "(TPM): Limit 8000, Requested 20073, please reduce your message"
        in (refused.error["message"])
    )
    assert "retry-after" not in refused.headers


def test_keys_are_organisations(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 1})
    statuses = [chat(simulator, key=key).status for key in ("a", "a", "b")]
    assert statuses == [200, 429, 200]
    with pytest.raises(ValueError, match="several keys"):
        simulator.levels(MODEL)


def test_limits_replace_the_table_and_absent_ones_are_unlimited(
    groq_simulator_factory: Simulate,
) -> None:
    simulator = groq_simulator_factory(limits={})
    headers = chat(simulator, max_tokens=60_000).headers
    assert not [name for name in headers if "ratelimit" in name]
    assert simulator.levels(MODEL) == {}


def test_published_table_is_the_default() -> None:
    assert LIVE_MODELS["openai/gpt-oss-120b"].limits == {
        "RPM": 30, "RPD": 1000, "TPM": 8000, "TPD": 200_000,
    }  # fmt: skip
    assert LIVE_MODELS["qwen/qwen3.8-27b"].limits["OTPM"] == 1000


@pytest.mark.parametrize(
    "settings",
    [{"limits": {"TPH": 1}}, {"charging": "guess"}, {"headers_at": "lunch"}],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        SimulatedGroq(**settings)


# --------------------------------------------------------------------------- faults


def test_next_answers_can_be_made_to_fail(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fail_next(503, times=2)
    groq_simulator.fail_next(418, body="<html>", headers={"Content-Type": "text/html"})
    answers = [chat(groq_simulator) for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 503, 418, 200]
    assert "over capacity" in answers[0].error["message"]
    assert (answers[2].body, answers[2].headers["content-type"]) == (b"<html>", "text/html")
    assert (groq_simulator.count(503), groq_simulator.count()) == (2, 4)


def test_next_connections_can_be_dropped(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.drop_next()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        chat(groq_simulator)
    assert chat(groq_simulator).status == 200
    assert groq_simulator.count(0) == 1


def test_hook_answers_instead(groq_simulator_factory: Simulate) -> None:
    seen: list[Any] = []

    def hook(asked: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        seen.append((asked, headers["authorization"]))
        if asked is None or asked.get("seed") != 1:
            return None
        return 200, {"content-type": "text/event-stream"}, iter([b"data: a\n\n", b"data: b\n\n"])

    simulator = groq_simulator_factory(on_request=hook)
    assert chat(simulator, seed=1).body == b"data: a\n\ndata: b\n\n"
    assert chat(simulator, seed=2).json["object"] == "chat.completion"
    assert send(simulator, "GET", "/openai/v1/models").status == 200
    assert seen[0] == (payload(seed=1), "Bearer any")
    assert seen[2] == (None, "Bearer any")


def test_failing_callable_of_a_test_is_shown(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(completion_tokens=lambda asked: asked["missing"])
    refused = chat(simulator)
    assert refused.status == 500
    assert "KeyError('missing')" in refused.error["message"]


def test_held_requests_are_charged_and_wait(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 10}, clock=Time())
    gate = simulator.hold()
    with in_background(*[lambda: chat(simulator).status] * 3) as results, gate:
        assert gate.wait_until_held(3)
        assert (gate.held, simulator.count(200), results) == (3, 0, [])
        assert simulator.levels(MODEL) == {"RPM": 7}
        gate.release(1)
        assert simulator.wait_for_connections(2)
        assert (gate.held, simulator.count(200)) == (2, 1)
    assert results == [200] * 3


def test_latency_is_waited_out_and_shown(groq_simulator_factory: Simulate) -> None:
    drawn = groq_simulator_factory(latency_s=(0.001, 0.002), rng=random.Random(5))
    assert 0.001 <= chat(drawn).json["usage"]["queue_time"] <= 0.002
    called = groq_simulator_factory(latency_s=lambda asked: asked["seed"] / 1000)
    assert chat(called, seed=3).json["usage"]["queue_time"] == 0.003
