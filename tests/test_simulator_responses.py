"""The Responses API of the simulated service, asked with ``requests``."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from helpers_simulator import MODEL, ask, error_of, events
from test_simulator_http import Simulate, Time

from customgroqchat.testing import SimulatedGroq

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def respond(simulator: SimulatedGroq, given: Any = "Hello", **more: Any) -> requests.Response:
    headers = more.pop("headers", {})
    asked = {"model": MODEL, "input": given, **more}
    return ask(simulator, "POST", "/responses", json=asked, headers=headers)


def text_of(body: Any) -> str:
    (message,) = [item for item in body["output"] if item["type"] == "message"]
    return str(message["content"][0]["text"])


def test_a_response_has_the_shape(groq_simulator: SimulatedGroq) -> None:
    body = respond(groq_simulator, instructions="Be brief", temperature=0.5).json()
    assert body["id"].startswith("resp_")
    assert (body["object"], body["status"], body["model"]) == ("response", "completed", MODEL)
    assert (body["instructions"], body["temperature"], body["store"]) == ("Be brief", 0.5, False)
    assert (body["error"], body["incomplete_details"]) == (None, None)
    (message,) = body["output"]
    assert (message["role"], message["status"]) == ("assistant", "completed")
    assert text_of(body).startswith("You said: Hello")
    # 74 for a system prompt and the user, and three words
    assert body["usage"] == {
        "input_tokens": 77,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 32,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 109,
    }


def test_it_takes_from_the_buckets_of_the_model(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 1000, "RPD": 9}, clock=Time())
    headers = respond(simulator, max_output_tokens=500).headers
    assert headers["x-ratelimit-remaining-tokens"] == str(1000 - 72 - 500)
    assert simulator.levels(MODEL) == {"TPM": 1000 - 72 - 32, "RPD": 8}
    assert error_of(respond(simulator, max_output_tokens=900), 429)["type"] == "tokens"
    assert error_of(respond(simulator, max_output_tokens=1900), 413)


def test_a_cap_makes_it_incomplete(groq_simulator: SimulatedGroq) -> None:
    body = respond(groq_simulator, max_output_tokens=5).json()
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert body["usage"]["output_tokens"] == 5


def test_items_are_the_talk(groq_simulator: SimulatedGroq) -> None:
    talk = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is in "},
                                     {"type": "input_image", "image_url": "data:,"},
                                     {"type": "input_text", "text": "it?"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "fc_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "fc_1", "output": "A cat"},
    ]  # fmt: skip
    assert text_of(respond(groq_simulator, talk).json()).startswith("You said: What is in it?")


def test_reasoning_comes_first(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(reasoning_tokens=4, cached_tokens=64)
    body = respond(simulator, reasoning={"effort": "low"}).json()
    assert [item["type"] for item in body["output"]] == ["reasoning", "message"]
    assert body["output"][0]["content"][0]["type"] == "reasoning_text"
    assert body["reasoning"]["effort"] == "low"
    assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 4}
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 64}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_functions_are_called(groq_simulator: SimulatedGroq, choice: Any) -> None:
    body = respond(groq_simulator, tools=[WEATHER], tool_choice=choice).json()
    (call,) = body["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "weather", "completed")
    assert json.loads(call["arguments"]) == {"city": "city"}
    assert body["tools"] == [WEATHER]
    groq_simulator.call_tools()
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "Rain"}
    talk = [{"role": "user", "content": "Well?"}, call, result]
    assert respond(groq_simulator, talk, tools=[WEATHER]).json()["output"][0]["type"] == "message"


def test_tools_of_the_service_itself_are_let_through(groq_simulator: SimulatedGroq) -> None:
    body = respond(groq_simulator, tools=[{"type": "browser_search"}]).json()
    assert body["output"][0]["type"] == "message"
    assert body["tools"] == [{"type": "browser_search"}]


def test_text_may_be_json(groq_simulator: SimulatedGroq) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    format_ = {"type": "json_schema", "name": "x", "schema": schema}
    body = respond(groq_simulator, text={"format": format_}).json()
    assert json.loads(text_of(body)) == {"ok": True}
    assert body["text"] == {"format": format_}
    groq_simulator.fail_json_next()
    error = error_of(respond(groq_simulator, text={"format": {"type": "json_object"}}), 400)
    assert error["code"] == "json_validate_failed"


def test_metrics_are_told_if_asked_for(groq_simulator: SimulatedGroq) -> None:
    beta = {"Groq-Beta": "inference-metrics"}
    metadata = respond(groq_simulator, metadata={"a": "b"}, headers=beta).json()["metadata"]
    assert set(metadata) == {"a", "completion_time", "prompt_time", "queue_time", "total_time"}
    assert float(metadata["completion_time"]) == 0.064
    assert respond(groq_simulator, metadata={"a": "b"}).json()["metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"previous_response_id": "resp_1"}, "`previous_response_id` is not supported"),
        ({"store": True}, "`store` is not supported"),
        ({"include": ["x"]}, "`include` is not supported"),
        ({"prompt": {"id": "x"}}, "`prompt` is not supported"),
        ({"safety_identifier": "x"}, "`safety_identifier` is not supported"),
        ({"prompt_cache_key": "x"}, "`prompt_cache_key` is not supported"),
        ({"truncation": "auto"}, "`truncation` only supports `disabled`"),
        ({"service_tier": "on_demand"}, "`service_tier` must be one of"),
        ({"input": None}, "property 'input' is missing"),
        ({"input": ["x"]}, "'input.0' : value must be an object"),
        ({"input": [{"content": "x"}]}, "discriminator property 'role'"),
        ({"metadata": {str(n): "" for n in range(17)}}, "maximum number of properties is 16"),
        ({"metadata": "x"}, "'metadata' : value must be an object"),
        ({"tools": "x"}, "'tools' : value must be an array"),
        ({"temperature": 3}, "'temperature' : number must be at most 2"),
        ({"max_output_tokens": 70_000}, "must be less than or equal to"),
        ({"model": "whisper-large-v3"}, "does not support chat"),
        ({"model": None}, "property 'model' is missing"),
    ],
)
def test_what_the_service_refuses(
    groq_simulator: SimulatedGroq, change: dict[str, Any], text: str
) -> None:
    asked = {"model": MODEL, "input": "Hi", **change}
    assert text in error_of(ask(groq_simulator, "POST", "/responses", json=asked), 400)["message"]


def test_nothing_false_is_refused(groq_simulator: SimulatedGroq) -> None:
    quiet = {"store": False, "previous_response_id": None, "truncation": "disabled", "include": []}
    assert respond(groq_simulator, service_tier="auto", **quiet).ok


# ------------------------------------------------------------------------- streams


def test_a_stream_of_text(groq_simulator: SimulatedGroq) -> None:
    whole = respond(groq_simulator).json()
    answer = respond(groq_simulator, stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert "x-ratelimit-remaining-tokens" in answer.headers
    found = events(answer)
    names = [name for name, _ in found]
    assert names == [data["type"] for _, data in found]
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert [name for name in names if name != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [data["delta"] for name, data in found if name == "response.output_text.delta"]
    assert "".join(deltas) == text_of(whole)
    assert found[0][1]["response"]["status"] == "in_progress"
    final = found[-1][1]["response"]
    assert (text_of(final), final["usage"]) == (text_of(whole), whole["usage"])
    assert groq_simulator.requests[-1].completion_tokens == 32


def test_a_stream_of_reasoning_and_a_call(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(reasoning_tokens=3)
    found = events(respond(simulator, stream=True, tools=[WEATHER], tool_choice="required"))
    added = [data for name, data in found if name == "response.output_item.added"]
    assert [(data["output_index"], data["item"]["type"]) for data in added] == [
        (0, "reasoning"), (1, "function_call")
    ]  # fmt: skip
    thoughts = [data["delta"] for name, data in found if name == "response.reasoning_text.delta"]
    assert len(thoughts) == 3
    done = dict(found)["response.function_call_arguments.done"]
    assert json.loads(done["arguments"]) == {"city": "city"}
    assert done["item_id"] == added[1]["item"]["id"]
    assert [item["type"] for item in found[-1][1]["response"]["output"]] == [
        "reasoning", "function_call"
    ]  # fmt: skip


def test_a_stream_that_is_cut_is_incomplete(groq_simulator: SimulatedGroq) -> None:
    name, data = events(respond(groq_simulator, stream=True, max_output_tokens=3))[-1]
    assert name == "response.incomplete"
    assert data["response"]["usage"]["output_tokens"] == 3


def test_streams_meet_faults(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fault_next("stream_error", after_pieces=2)
    found = events(respond(groq_simulator, stream=True))
    assert found[-1][0] == "error"
    assert [name for name, _ in found].count("response.output_text.delta") == 2
    groq_simulator.fault_next("stream_no_done")
    assert events(respond(groq_simulator, stream=True))[-1][0] == "response.output_item.done"
    groq_simulator.fail_json_next()
    answer = respond(groq_simulator, stream=True, text={"format": {"type": "json_object"}})
    assert events(answer)[-1][1]["error"]["code"] == "json_validate_failed"
