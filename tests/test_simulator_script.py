"""What the models of the simulator say: answers that were written, calls of tools, JSON."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import requests
from helpers_simulator import HELLO, MODEL, ask_chat, error_of, events
from test_simulator_http import Simulate, Time

from customgroqchat.testing import SimulatedGroq
from customgroqchat.testing._sim_schema import example
from customgroqchat.testing._sim_schema_check import mismatches

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
        "required": ["city"],
    },
}
CLOCK = {"name": "clock", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": function} for function in (WEATHER, CLOCK)]
HELLO_SYSTEM = {"role": "system", "content": "Hello"}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
AS_PERSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}


def message_of(answer: requests.Response) -> Any:
    assert answer.ok, answer.text
    return answer.json()["choices"][0]["message"]


def called(answer: requests.Response) -> list[tuple[str, Any]]:
    functions = [call["function"] for call in message_of(answer)["tool_calls"]]
    return [(f["name"], json.loads(f["arguments"])) for f in functions]


# ------------------------------------------------------------------------- answers


def test_answers_come_in_order_and_then_as_always(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(answers=["one", " two,\n  with spaces \n"])
    said = [message_of(ask_chat(simulator))["content"] for _ in range(3)]
    assert said[:2] == ["one", " two,\n  with spaces \n"]
    assert said[2].startswith("You said: Hello there")


def test_asked_for_answers_come_before_the_supply(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(answers=itertools.cycle(["tick", "tock"]))
    simulator.answer_next("first", "second")
    said = [message_of(ask_chat(simulator))["content"] for _ in range(5)]
    assert said == ["first", "second", "tick", "tock", "tick"]
    simulator.reset()
    assert message_of(ask_chat(simulator))["content"].startswith("You said")


def test_a_callable_answers_what_it_wants_to(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(
        answers=lambda asked: "Ahoy" if asked["messages"] == HELLO else None
    )
    assert message_of(ask_chat(simulator))["content"] == "Ahoy"
    other = [{"role": "user", "content": "Bye"}]
    assert message_of(ask_chat(simulator, messages=other))["content"].startswith("You said: Bye")
    simulator.set_answers(["Set"])
    assert message_of(ask_chat(simulator))["content"] == "Set"
    simulator.set_answers(None)
    assert message_of(ask_chat(simulator))["content"].startswith("You said")


@pytest.mark.parametrize("one", ["Ahoy", {"content": "Ahoy"}])
def test_one_answer_is_a_supply_of_one(groq_simulator_factory: Simulate, one: Any) -> None:
    simulator = groq_simulator_factory(answers=one, call_tools="weather", retired="allam-2-7b")
    assert message_of(ask_chat(simulator))["content"] == "Ahoy"
    assert called(ask_chat(simulator, tools=TOOLS))[0][0] == "weather"
    assert error_of(ask_chat(simulator, model="allam-2-7b"), 400)


def test_usage_and_caps_hold_for_written_answers(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 8000}, clock=Time())
    simulator.answer_next("one two three", "one two three")
    body = ask_chat(simulator).json()
    assert (body["usage"]["completion_tokens"], body["choices"][0]["finish_reason"]) == (3, "stop")
    assert simulator.levels(MODEL)["TPM"] == 8000 - body["usage"]["total_tokens"]
    body = ask_chat(simulator, max_completion_tokens=2).json()
    assert body["choices"][0]["message"]["content"] == "one two"
    assert body["choices"][0]["finish_reason"] == "length"


def test_an_answer_may_be_a_whole_message(groq_simulator: SimulatedGroq) -> None:
    calls = [
        {"name": "weather", "arguments": {"city": "Zürich"}},
        {"type": "function", "function": {"name": "clock", "arguments": "{}"}},
    ]
    groq_simulator.answer_next({"content": "I look.", "reasoning": "Hm", "tool_calls": calls})
    answer = ask_chat(groq_simulator, tools=TOOLS)
    message = message_of(answer)
    assert (message["content"], message["reasoning"]) == ("I look.", "Hm")
    assert called(answer) == [("weather", {"city": "Zürich"}), ("clock", {})]
    identifiers = [call["id"] for call in message["tool_calls"]]
    assert len(set(identifiers)) == 2
    assert all(identifier.startswith("fc_") for identifier in identifiers)
    assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert answer.json()["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}


def test_a_stream_says_the_same(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.answer_next(
        {"content": "I look.", "tool_calls": [{"name": name} for name in ("clock", "clock")]}
    )
    chunks = [data for _, data in events(ask_chat(groq_simulator, tools=TOOLS, stream=True))]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "I look."
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [
        (0, "clock"), (1, "clock")
    ]  # fmt: skip
    assert chunks[-1] == "[DONE]"


# --------------------------------------------------------------------------- tools


def test_tools_are_called_once_and_then_answered(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(call_tools=True)
    first = ask_chat(simulator, tools=TOOLS)
    assert called(first) == [("weather", {"city": "city", "days": 2})]
    call = message_of(first)["tool_calls"][0]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "Rain"}
    talk = [*HELLO, message_of(first), result]
    assert message_of(ask_chat(simulator, tools=TOOLS, messages=talk))["content"]
    talk += [{"role": "assistant", "content": "Rain"}, *HELLO]
    assert called(ask_chat(simulator, tools=TOOLS, messages=talk))


def test_who_has_a_result_calls_no_tool(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.call_tools()
    result = {"role": "tool", "tool_call_id": "fc_1", "content": "Rain"}
    for talk, calls in (([HELLO_SYSTEM], True), ([HELLO_SYSTEM, result], False)):
        message = message_of(ask_chat(groq_simulator, tools=TOOLS, messages=talk))
        assert ("tool_calls" in message) is calls


def test_a_function_that_is_not_offered_cannot_be_forced(groq_simulator: SimulatedGroq) -> None:
    choice = {"type": "function", "function": {"name": "oven"}}
    error = error_of(ask_chat(groq_simulator, tools=TOOLS, tool_choice=choice), 400)
    assert error["code"] == "tool_use_failed"


def test_named_tools_are_called_together(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.call_tools(["clock", "weather", "unknown"])
    assert [name for name, _ in called(ask_chat(groq_simulator, tools=TOOLS))] == [
        "weather", "clock"
    ]  # fmt: skip
    assert "tool_calls" not in message_of(ask_chat(groq_simulator))
    assert "tool_calls" not in message_of(ask_chat(groq_simulator, tools=TOOLS, tool_choice="none"))
    groq_simulator.call_tools(False)
    assert "tool_calls" not in message_of(ask_chat(groq_simulator, tools=TOOLS))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"name": "oven"}, "attempted to call tool 'oven' which was not in request.tools"),
        (
            {"name": "weather", "arguments": {"city": 5, "days": "2"}},
            "parameters for tool weather did not match schema: errors: [`/city`: expected string, "
            "but got integer, `/days`: expected integer, but got string]",
        ),
        ({"name": "weather"}, "errors: [`/`: missing properties: 'city']"),
        ({"name": "weather", "arguments": '{"city": '}, "Failed to call a function. Please"),
    ],
)
def test_wrong_calls_are_refused_and_charged(
    groq_simulator: SimulatedGroq, call: dict[str, Any], text: str
) -> None:
    groq_simulator.answer_next({"tool_calls": [call]})
    answer = ask_chat(groq_simulator, tools=TOOLS)
    error = error_of(answer, 400)
    assert error["code"] == "tool_use_failed"
    assert text in error["message"]
    assert json.loads(error["failed_generation"])[0]["name"] == call["name"]
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 8000
    assert groq_simulator.requests[-1].completion_tokens > 0
    groq_simulator.answer_next({"tool_calls": [call]})
    assert message_of(ask_chat(groq_simulator, tools=TOOLS, disable_tool_validation=True))


def test_who_has_to_call_and_does_not_is_refused(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.answer_next("I would rather not")
    error = error_of(ask_chat(groq_simulator, tools=TOOLS, tool_choice="required"), 400)
    assert error == {
        "message": "Tool choice is required, but model did not call a tool",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": "I would rather not",
    }


# ---------------------------------------------------------------------------- JSON


def test_json_fits_the_schema(groq_simulator: SimulatedGroq) -> None:
    answer = ask_chat(groq_simulator, response_format=AS_PERSON)
    assert json.loads(message_of(answer)["content"]) == {"name": "name", "age": 1}
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("format_", [{"type": "json_object"}, AS_PERSON])
def test_json_fails_as_often_as_asked(groq_simulator: SimulatedGroq, format_: Any) -> None:
    groq_simulator.fail_json_next(times=2, failed_generation="Sure! {")
    assert message_of(ask_chat(groq_simulator))["content"]
    for _ in range(2):
        answer = ask_chat(groq_simulator, response_format=format_)
        error = error_of(answer, 400)
        assert (error["code"], error["failed_generation"]) == ("json_validate_failed", "Sure! {")
        assert error["message"].startswith("Failed to validate JSON.")
        assert "x-ratelimit-remaining-tokens" in answer.headers
    assert json.loads(message_of(ask_chat(groq_simulator, response_format=format_))["content"])


def test_json_that_fails_is_charged(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 8000}, clock=Time())
    simulator.fail_json_next()
    assert error_of(ask_chat(simulator, response_format=AS_PERSON, max_tokens=500), 400)
    record = simulator.requests[-1]
    assert record.completion_tokens > 0
    spent = record.prompt_tokens + record.completion_tokens
    assert simulator.levels(MODEL)["TPM"] == 8000 - spent


def test_written_answers_have_to_fit_as_well(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.answer_next('{"name": "Ada"}', "Ada", '{"name": "Ada", "age": 36}')
    error = error_of(ask_chat(groq_simulator, response_format=AS_PERSON), 400)
    assert error["message"].startswith("Generated JSON does not match the expected schema.")
    assert error["message"].endswith("`/`: missing properties: 'age'")
    assert error_of(ask_chat(groq_simulator, response_format=AS_PERSON), 400)
    good = message_of(ask_chat(groq_simulator, response_format=AS_PERSON))["content"]
    assert json.loads(good) == {"name": "Ada", "age": 36}


def test_json_that_is_cut_is_refused(groq_simulator: SimulatedGroq) -> None:
    answer = ask_chat(groq_simulator, response_format=AS_PERSON, max_completion_tokens=3)
    error = error_of(answer, 400)
    assert "max completion tokens reached" in error["message"]
    assert error["failed_generation"].startswith('{"name')


def test_a_stream_fails_in_an_error_event(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.fail_json_next(failed_generation="Sure!")
    answer = ask_chat(groq_simulator, response_format=AS_PERSON, stream=True)
    assert answer.status_code == 200
    *chunks, (name, last) = events(answer)
    assert name == "error"
    assert (last["error"]["code"], last["error"]["status_code"]) == ("json_validate_failed", 400)
    assert "".join(c["choices"][0]["delta"]["content"] for _, c in chunks) == "Sure!"
    assert groq_simulator.requests[-1].completion_tokens == 2


def test_formats_have_to_be_objects(groq_simulator: SimulatedGroq) -> None:
    wrong = {"type": "json_schema", "json_schema": "person"}
    assert (
        "must be an object"
        in error_of(ask_chat(groq_simulator, response_format=wrong), 400)["message"]
    )
    tools = [{"type": "function", "function": "weather"}]
    assert error_of(ask_chat(groq_simulator, tools=tools), 400)


# ------------------------------------------------------------------------- schemas

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                "all": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "minLength": 8}, "text...."),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "null"}, None),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 5}, 5),
        ({"type": "integer", "default": 7}, 7),
        ({"type": "integer", "minimum": 10, "multipleOf": 4}, 12),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -3}, -4),
        ({"type": "number", "minimum": 0.25, "maximum": 0.5}, 0.375),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": False}, [1]),
        ({"items": {"const": 0}}, [0]),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"oneOf": [{"const": "x"}, {"const": "y"}]}, "x"),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]},
                       {"properties": {"b": {"const": 2}}, "required": ["b"]}]},
            {"a": 1, "b": 2},
        ),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 3}}}, 3),
        ({"properties": {"a": True}}, {"a": "a"}),
        ({"$ref": "#"}, "text"),
        (
            {"allOf": [{"title": "t"}, {"type": "integer"}], "description": "d"},
            1,
        ),
        ({"$ref": "#/nowhere"}, "text"),
        ({}, "text"),
        (None, "text"),
    ],
)  # fmt: skip
def test_an_example_fits(schema: Any, expected: Any) -> None:
    value = example(schema)
    assert value == expected
    assert type(value) is type(expected)
    if schema != {"$ref": "#"}:
        assert mismatches(value, schema) == []


def test_an_example_of_a_recursive_schema_ends() -> None:
    value = example(TREE)
    assert value["value"] == 1.0
    assert value["next"]["next"]["value"] == 1.0
    assert mismatches(value, TREE) == []


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"value": "x"}, TREE, ["`/value`: expected number, but got string"]),
        ({"value": 1, "next": {}}, TREE, ["`/next`: expected null, but got object"]),
        ({"value": 1, "all": [5]}, TREE, ["`/all/0`: expected object, but got integer"]),
        ({"name": "x", "age": 1, "b": 2}, PERSON, ["`/`: additionalProperties 'b' not allowed"]),
        ({"name": "x", "age": 1.5}, PERSON, ["`/age`: expected integer, but got number"]),
        ({"name": "x", "age": True}, PERSON, ["`/age`: expected integer, but got boolean"]),
        ({"name": "x", "age": 2.0}, PERSON, []),
        ("c", {"enum": ["a", "b"]}, ['`/`: value must be one of "a", "b"']),
        (5, {"const": 4}, ["`/`: value must be one of 4"]),
        (None, {"type": ["string", "integer"]}, ["`/`: expected string or integer, but got null"]),
        ([1, 2], {"prefixItems": [{}], "items": False}, ["`/1`: not allowed"]),
        ({"a": 1}, {"additionalProperties": {"enum": [2]}}, ["`/a`: value must be one of 2"]),
        (5, {"allOf": [{"type": "string"}]}, ["`/`: expected string, but got integer"]),
        (5, {"type": "of my own"}, []),
        (5, None, []),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(value: Any, schema: Any, expected: list[str]) -> None:
    assert mismatches(value, schema) == expected
