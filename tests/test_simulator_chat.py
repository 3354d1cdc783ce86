"""The answers, streams and refusals of the simulated service."""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from typing import Any

import pytest
from test_simulator_http import CHAT, MODEL, Simulate, Time, chat, connect, payload, send

from customgroqchat.testing import SimulatedGroq, SimulatedModel

pytest_plugins = ["customgroqchat.testing.fixtures"]


# ------------------------------------------------------------------- whole answers


def test_whole_answer_has_the_service_shape(groq_simulator: SimulatedGroq) -> None:
    answer = chat(groq_simulator, completion_tokens=None, seed=42)
    body = answer.json
    assert answer.status == 200
    assert list(body) == [
        "id", "object", "created", "model", "choices", "usage", "usage_breakdown",
        "system_fingerprint", "x_groq", "service_tier",
    ]  # fmt: skip
    assert uuid.UUID(body["id"].removeprefix("chatcmpl-")).version == 4
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["message"]["content"].startswith("You said: Hello there")
    assert body["x_groq"] == {"id": answer.headers["x-request-id"], "seed": 42}
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (73, 32)
    assert body["usage"]["total_tokens"] == 105
    assert {"queue_time", "prompt_time", "completion_time", "total_time"} < set(body["usage"])


def test_equal_requests_get_equal_texts(groq_simulator: SimulatedGroq) -> None:
    first, second = (chat(groq_simulator).json["choices"] for _ in range(2))
    assert first == second
    assert chat(groq_simulator, payload("Something else")).json["choices"] != first


def test_cap_cuts_the_answer(groq_simulator: SimulatedGroq) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        body = chat(groq_simulator, payload() | {name: 5}).json
        assert body["usage"]["completion_tokens"] == 5
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["choices"][0]["message"]["content"] == "You said: Hello there"


def test_model_and_context_bound_the_answer_too(groq_simulator_factory: Simulate) -> None:
    models = {
        "brief": {"max_completion_tokens": 7},
        "small": {"context_window": 20, "max_completion_tokens": 50},
    }
    simulator = groq_simulator_factory(models=models)
    for name, number in (("brief", 7), ("small", 20 - 10)):
        body = chat(simulator, payload() | {"model": name}).json
        assert body["usage"]["completion_tokens"] == number
        assert body["choices"][0]["finish_reason"] == "length"


def test_length_of_answers_may_depend_on_the_payload(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(completion_tokens=lambda asked: asked["seed"])
    assert chat(simulator, seed=7).json["usage"]["completion_tokens"] == 7


def test_reasoning_and_cached_tokens_show_in_the_answer(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(reasoning_tokens=10, cached_tokens=64)
    body = chat(simulator).json
    assert body["choices"][0]["message"]["reasoning"]
    assert body["usage"]["completion_tokens"] == 32
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 10}
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 64}


def test_forced_tools_are_called(groq_simulator: SimulatedGroq) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        said = chat(groq_simulator, tools=[tool], tool_choice=choice).json["choices"][0]
        assert said["finish_reason"] == "tool_calls"
        call = said["message"]["tool_calls"][0]
        assert call["function"] == {"name": "weather", "arguments": "{}"}
        assert "content" not in said["message"]
    assert chat(groq_simulator, tools=[tool]).json["choices"][0]["finish_reason"] == "stop"


def test_json_mode_answers_json_of_the_wanted_length(groq_simulator: SimulatedGroq) -> None:
    body = chat(groq_simulator, payload('Say "a\\b"', response_format={"type": "json_object"})).json
    assert json.loads(body["choices"][0]["message"]["content"])["answer"].startswith("You said")
    assert body["usage"]["completion_tokens"] == 32


# ------------------------------------------------------------------------ streams


def test_stream_has_the_service_shape(groq_simulator: SimulatedGroq) -> None:
    whole = chat(groq_simulator).json
    answer = chat(groq_simulator, stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "x-ratelimit-remaining-tokens" in answer.headers
    first, *middle, last = answer.chunks
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["x_groq"]["id"] == answer.headers["x-request-id"]
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in middle)
    assert text == whole["choices"][0]["message"]["content"]
    assert len(middle) == last["usage"]["completion_tokens"] == 32
    assert last["usage"] == last["x_groq"]["usage"]
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")
    assert answer.events[-1] == "data: [DONE]"
    assert {chunk["object"] for chunk in answer.chunks} == {"chat.completion.chunk"}


def test_stream_may_include_usage_once_more(groq_simulator: SimulatedGroq) -> None:
    answer = chat(groq_simulator, stream=True, stream_options={"include_usage": True})
    final, extra = answer.chunks[-2:]
    assert extra["choices"] == []
    assert extra["usage"] == final["usage"]
    assert extra["service_tier"] == "on_demand"


def test_stream_of_reasoning_and_of_a_tool_call(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(reasoning_tokens=3)
    deltas = [chunk["choices"][0]["delta"] for chunk in chat(simulator, stream=True).chunks]
    assert [delta.get("channel") for delta in deltas[1:5]] == ["analysis"] * 3 + [None]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    answer = chat(groq_simulator_factory(), stream=True, tools=tools, tool_choice="required")
    opening, called, last = [chunk["choices"][0] for chunk in answer.chunks]
    assert opening["delta"] == {"role": "assistant", "content": None}
    assert called["delta"]["tool_calls"][0]["index"] == 0
    assert called["delta"]["tool_calls"][0]["function"]["name"] == "weather"
    assert last["finish_reason"] == "tool_calls"


def test_paced_stream_sends_each_piece_as_it_is_spoken(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(tokens_per_second=2000.0, completion_tokens=10)
    assert len(chat(simulator, stream=True).chunks) == 12
    assert chat(simulator).json["usage"]["completion_time"] == 0.005


def test_interrupted_stream_ends_in_an_error_event(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 1000}, clock=Time())
    simulator.interrupt_next_stream(4, error={"message": "no", "type": "invalid_request_error"})
    *said, failure = chat(simulator, stream=True, max_tokens=500).events
    assert len(said) == 1 + 4
    name, data = failure.split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"] == {
        "message": "no", "type": "invalid_request_error", "status_code": 400,
    }  # fmt: skip
    assert simulator.levels(MODEL) == {"TPM": 1000 - 73 - 4}
    assert chat(simulator, stream=True).events[-1] == "data: [DONE]"


@pytest.mark.parametrize("pieces", [1, 15, 20])
def test_cut_stream_breaks_the_connection(groq_simulator: SimulatedGroq, pieces: int) -> None:
    groq_simulator.interrupt_next_stream(after_pieces=pieces)
    with pytest.raises(http.client.IncompleteRead) as cut:
        chat(groq_simulator, stream=True)
    assert cut.value.partial.count(b"data: ") == 1 + pieces
    assert groq_simulator.requests[-1].completion_tokens == pieces


def test_client_that_leaves_a_stream_pays_for_what_was_said(
    groq_simulator_factory: Simulate, capfd: pytest.CaptureFixture[str]
) -> None:
    simulator = groq_simulator_factory(
        limits={"TPM": 100_000}, tokens_per_second=500.0, completion_tokens=10_000, clock=Time()
    )
    with contextlib.closing(connect(simulator)) as connection:
        body = json.dumps(payload(stream=True, max_tokens=20_000))
        connection.request("POST", CHAT, body, {"Authorization": "Bearer k"})
        response = connection.getresponse()
        response.read(500)
        response.close()
    assert simulator.wait_for_connections(0)
    spoken = simulator.requests[-1].completion_tokens
    assert 0 < spoken < 10_000
    assert simulator.levels(MODEL, "k") == {"TPM": 100_000 - 73 - spoken}
    assert capfd.readouterr().err == ""


# ------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("key", [None, "", "bad", "unknown"])
def test_rejected_keys(groq_simulator_factory: Simulate, key: str | None) -> None:
    simulator = groq_simulator_factory(api_keys={"good", "bad"}, rejected_keys={"bad"})
    refused = chat(simulator, key=key)
    assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
    assert not [name for name in refused.headers if "ratelimit" in name]
    assert chat(simulator, key="good").status == 200


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"model": "nobody/knows"}, 404, "The model `nobody/knows` does not exist"),
        ({"model": None}, 400, "'model' : property 'model' is missing"),
        ({"model": "whisper-large-v3"}, 400, "does not support chat"),
        ({"messages": None}, 400, "'messages' : property 'messages' is missing"),
        ({"messages": []}, 400, "'messages' : minimum number of items is 1"),
        ({"messages": "hi"}, 400, "'messages' : value must be an array"),
        ({"messages": ["hi"]}, 400, "'messages.0' : value must be an object"),
        ({"messages": [{"role": "human", "content": ""}]}, 400, "'messages.0' : discriminator"),
        ({"messages": [{"role": "user"}]}, 400, "'messages.0' : property 'content'"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "'messages.0.content'"),
        ({"messages": [{"role": "tool", "content": ""}]}, 400, "property 'tool_call_id'"),
        ({"messages": [{"role": "user", "content": "", "name": "x"}]}, 400, "'name'"),
        ({"n": 2}, 400, "'n' : number must be at most 1"),
        ({"temperature": 2.5}, 400, "'temperature' : number must be at most 2"),
        ({"top_p": -1}, 400, "'top_p' : number must be at least 0"),
        ({"temperature": "hot"}, 400, "'temperature' : value must be a number"),
        ({"stop": list("abcde")}, 400, "'stop' : maximum number of items is 4"),
        ({"tools": ["x"]}, 400, "'tools' : value must be an array of objects"),
        ({"response_format": "json"}, 400, "'response_format' : value must be an object"),
        ({"stream": "yes"}, 400, "'stream' : value must be a boolean"),
        ({"stream_options": {}}, 400, "'stream_options' is only allowed"),
        ({"logprobs": True}, 400, "`logprobs` is not supported"),
        ({"max_tokens": 0}, 400, "'max_tokens' : number must be at least 1"),
        ({"max_tokens": "9"}, 400, "'max_tokens' : value must be an integer"),
        (
            {"max_completion_tokens": 65_537},
            400,
            "`max_completion_tokens` must be less than or equal to `65536`, the maximum value",
        ),
    ],
)
def test_unacceptable_requests(
    groq_simulator: SimulatedGroq, change: dict[str, Any], status: int, text: str
) -> None:
    asked = {name: value for name, value in (payload() | change).items() if value is not None}
    refused = chat(groq_simulator, asked)
    assert (refused.status, refused.error["type"]) == (status, "invalid_request_error")
    assert text in refused.error["message"]
    assert not [name for name in refused.headers if "ratelimit" in name]


def test_body_that_is_no_json(groq_simulator: SimulatedGroq) -> None:
    for body in (b"{", b"[]", b"\xff\xfe\xfa"):
        assert send(groq_simulator, "POST", CHAT, body).status == 400


def test_context_overflow(groq_simulator_factory: Simulate) -> None:
    models = {MODEL: {"context_window": 200, "max_completion_tokens": 150}}
    simulator = groq_simulator_factory(models=models)
    refused = chat(simulator, max_tokens=150)
    assert refused.status == 400
    assert refused.error == {
        "message": "Please reduce the length of the messages or completion.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    assert chat(simulator, max_tokens=127).status == 200


def test_models_that_are_gone(groq_simulator_factory: Simulate) -> None:
    models = {
        "old": SimulatedModel(status="decommissioned"),
        "older": SimulatedModel(status="gone"),
    }
    simulator = groq_simulator_factory(models=models)
    assert chat(simulator, payload() | {"model": "old"}).error["code"] == "model_decommissioned"
    assert chat(simulator, payload() | {"model": "older"}).error["code"] == "model_not_found"
    assert send(simulator, "GET", "/openai/v1/models").json == {"object": "list", "data": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/openai/v1/completions"),
        ("GET", CHAT),
        ("GET", "/openapi.json"),
        ("DELETE", CHAT),
        ("POST", "/openai/v1/models"),
        ("GET", "/openai/v1/models/"),
        ("GET", "/openai/v1/files/x/y"),
    ],
)
def test_unknown_paths(groq_simulator: SimulatedGroq, method: str, path: str) -> None:
    refused = send(groq_simulator, method, path, key=None)
    assert (refused.status, refused.error["code"]) == (404, "unknown_url")
    assert refused.error["message"].startswith(f"Unknown request URL: {method} {path}. Please")
