"""What tests provoke in one model and not in others: used-up limits, faults, refusals."""

from __future__ import annotations

import math

import pytest
from helpers_simulator import MODEL, ask, ask_chat, error_of, events
from test_simulator_http import Simulate, Time, in_background

from customgroqchat.testing import SimulatedGroq

OTHER = "openai/gpt-oss-120b"


@pytest.mark.parametrize(("code", "limit"), [("TPD", 200_000), ("RPD", 1_000)])
def test_a_daily_quota_is_used_up_for_one_model(
    groq_simulator_factory: Simulate, code: str, limit: int
) -> None:
    time = Time()
    simulator = groq_simulator_factory(clock=time)
    assert ask_chat(simulator).ok
    simulator.exhaust(MODEL, code)
    for key in ("any", "new"):  # an account that is there, and one to come
        error = error_of(ask_chat(simulator, key=key), 429)
        assert f"({code}): Limit {limit}, Used {limit}" in error["message"]
    assert ask_chat(simulator, model=OTHER).ok
    time.now += 86_400
    assert ask_chat(simulator).ok


def test_something_may_be_left(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(clock=Time())
    simulator.exhaust(MODEL, "TPM", left=100)
    assert simulator.levels(MODEL)["TPM"] == 100
    assert "Used 7900" in error_of(ask_chat(simulator, max_tokens=200), 429)["message"]
    assert ask_chat(simulator, max_tokens=20).ok
    simulator.reset()
    assert simulator.levels(MODEL)["TPM"] == 8000


def test_only_limits_that_exist_are_used_up(groq_simulator: SimulatedGroq) -> None:
    with pytest.raises(ValueError, match="has no limit ASH"):
        groq_simulator.exhaust(MODEL, "ASH")
    with pytest.raises(KeyError):
        groq_simulator.exhaust("no/such")


def test_one_model_is_out_of_order(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fail_next(503, times=2, model=MODEL)
    statuses = [ask_chat(groq_simulator, model=m).status_code for m in (OTHER, MODEL, OTHER)]
    assert statuses == [200, 503, 200]
    assert ask(groq_simulator, "GET", "/models").ok
    error = error_of(ask_chat(groq_simulator), 503)
    assert error["type"] == "internal_server_error"
    assert "over capacity" in error["message"]
    assert ask_chat(groq_simulator).ok
    assert groq_simulator.levels(MODEL)["RPD"] > 998


def test_one_model_is_out_of_order_for_good(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fault_next("498", times=math.inf, model=MODEL)
    for _ in range(5):
        assert error_of(ask_chat(groq_simulator), 498)
    assert groq_simulator.requests[-1].fault == "498"
    assert ask_chat(groq_simulator, model=OTHER).ok
    groq_simulator.reset()
    assert ask_chat(groq_simulator).ok


def test_faults_of_a_model_let_others_of_all_pass(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fail_next(503, model=OTHER)
    groq_simulator.fail_next(500)
    assert [ask_chat(groq_simulator).status_code for _ in range(2)] == [500, 200]
    assert ask_chat(groq_simulator, model=OTHER).status_code == 503


def test_faults_of_a_model_reach_its_forms(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fail_next(503, model="whisper-large-v3")
    assert ask_chat(groq_simulator).ok
    parts = {"model": (None, "whisper-large-v3"), "file": ("a.wav", bytes(4000))}
    assert error_of(ask(groq_simulator, "POST", "/audio/transcriptions", files=parts), 503)
    assert ask(groq_simulator, "POST", "/audio/transcriptions", files=parts).ok


def test_streams_of_one_model_break(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fault_next("stream_error", model=OTHER)
    assert events(ask_chat(groq_simulator, stream=True))[-1][1] == "[DONE]"
    assert events(ask_chat(groq_simulator, stream=True, model=OTHER))[-1][0] == "error"


def test_the_gate_holds_all_that_is_limited(groq_simulator: SimulatedGroq) -> None:
    asked = {"model": "nomic-embed-text-v1_5", "input": "Hi"}
    speech = {"model": "canopylabs/orpheus-v1-english", "input": "Hi", "voice": "troy"}
    tasks = [
        lambda: ask(groq_simulator, "POST", "/embeddings", json=asked),
        lambda: ask(groq_simulator, "POST", "/audio/speech", json=speech),
        lambda: ask(groq_simulator, "POST", "/responses", json={"model": MODEL, "input": "Hi"}),
    ]
    with groq_simulator.hold() as gate, in_background(*tasks):
        assert gate.wait_until_held(3)
        assert ask(groq_simulator, "GET", "/files").ok
        gate.release()
    assert groq_simulator.count(200) == 4
