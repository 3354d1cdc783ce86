"""What is refused before it is sent, and what is left to the service to judge."""

from __future__ import annotations

import json
import math
import sys
from collections import UserDict, UserList
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from helpers_recordings import recorded
from hypothesis import example, given
from hypothesis import strategies as st

from customgroqchat._validation import (
    ROLES,
    check_chat_payload,
    check_max_wait,
    check_timeout,
)
from customgroqchat.exceptions import InvalidRequestException

USER = {"role": "user", "content": "Hi"}
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
HUGE = 10**400  # JSON can carry it, a float cannot


def payload(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "openai/gpt-oss-20b", "messages": list(messages) or [USER], **fields}


def refusal(check: Callable[[], None]) -> InvalidRequestException:
    with pytest.raises(InvalidRequestException) as caught:
        check()
    return caught.value


def refused_field(request: Mapping[str, Any]) -> str | None:
    return refusal(lambda: check_chat_payload(request)).field


# --- fields ----------------------------------------------------------------------------------

RIGHT: dict[str, list[Any]] = {
    "temperature": [0, 0.0, 1, 2, 1.5],
    "top_p": [0, 0.5, 1],
    "frequency_penalty": [-2, 0, 2],
    "presence_penalty": [-2.0, 2.0],
    "max_completion_tokens": [0, 1, 65536, HUGE],
    "max_tokens": [0, 1, 8192],
    "top_logprobs": [0, 20],
    "n": [1],
    "seed": [0, -1, 2**63 - 1, -(2**63)],
    "stop": ["END", ["a", "b", "c", "d"], ("a",), UserList(["a"])],
    "stream": [True, False],
    "tools": [
        [],
        [{"type": "function", "function": {"name": "f"}}],
        [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        [{"type": "browser_search"}, {"type": "something_new", "x": 1}],
        [{"type": "browser_search"}] * 128,
    ],
    "tool_choice": ["auto", "anything", {"type": "function", "function": {"name": "f"}}],
    "parallel_tool_calls": [True, False],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}},
        {"type": "something_new"},
    ],
    "reasoning_effort": ["low", "a_new_effort"],
    "reasoning_format": ["parsed"],
    "service_tier": ["flex"],
    "user": ["somebody", ""],
}

WRONG: dict[str, list[Any]] = {
    "temperature": [-0.1, 2.1, "1", True, math.nan, math.inf, [1], HUGE],
    "top_p": [-0.1, 1.1, "1", False, -HUGE],
    "frequency_penalty": [-2.1, 2.1, "0"],
    "presence_penalty": [-2.1, 2.1, {}],
    "max_completion_tokens": [-1, 1.0, "100", True, math.inf],
    "max_tokens": [-1, 10.5, "x"],
    "top_logprobs": [-1, 21, 1.0],
    "n": [0, 2, True, "1", [1]],
    "seed": [1.5, "7", 2**63, -(2**63) - 1, True],
    "stop": [1, ["a", 1], {"a": 1}, b"END", ["a", "b", "c", "d", "e"]],
    "stream": [1, 0, "true"],
    "tools": [{}, "f", {"type": "function"}, [{"type": "browser_search"}] * 129],
    "tool_choice": [1, True, ["auto"]],
    "parallel_tool_calls": ["yes", 1],
    "response_format": ["json_object", {}, {"type": 1}, []],
    "reasoning_effort": [1, True, ["low"]],
    "reasoning_format": [0],
    "service_tier": [1],
    "user": [1, b"somebody"],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(field, value, id=f"{field}-{index}")
        for field, values in table.items()
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(("field", "value"), cases(RIGHT))
def test_right_values_pass(field: str, value: Any) -> None:
    check_chat_payload(payload(**{field: value}))


@pytest.mark.parametrize(("field", "value"), cases(WRONG))
def test_wrong_values_are_refused_by_the_name_of_their_field(field: str, value: Any) -> None:
    assert refused_field(payload(**{field: value})) == field


@pytest.mark.parametrize("field", RIGHT)
def test_none_stands_for_left_out(field: str) -> None:
    check_chat_payload(payload(**{field: None}))


def test_a_refusal_says_what_was_found_and_what_to_do() -> None:
    error = refusal(lambda: check_chat_payload(payload(temperature=3)))
    assert (error.field, error.value) == ("temperature", "3")
    assert "temperature cannot be 3" in str(error)
    assert "from 0 to 2" in str(error)
    assert isinstance(error, ValueError)
    assert error.attempts == 0


@pytest.mark.parametrize(
    ("field", "allowed"),
    [("max_completion_tokens", "an integer of at least 0"), ("top_logprobs", "from 0 to 20")],
)
def test_a_refusal_says_which_integers_are_allowed(field: str, allowed: str) -> None:
    assert allowed in str(refusal(lambda: check_chat_payload(payload(**{field: -1}))))


def test_a_long_value_is_shown_shortened() -> None:
    error = refusal(lambda: check_chat_payload(payload(temperature="hot " * 10_000)))
    assert len(str(error)) < 500
    assert len(error.value or "") < 500


@pytest.mark.parametrize("model", [None, "", "  ", 1, ["m"], b"m"])
def test_a_model_is_a_name(model: Any) -> None:
    assert refused_field({**payload(), "model": model}) == "model"


def test_a_model_and_messages_have_to_be_there() -> None:
    assert refused_field({"messages": [USER]}) == "model"
    assert refused_field({"model": "m"}) == "messages"


def test_any_name_of_a_model_passes() -> None:
    check_chat_payload({**payload(), "model": "somebody/model-of-tomorrow"})


def test_both_names_of_the_cap_must_agree() -> None:
    check_chat_payload(payload(max_tokens=100, max_completion_tokens=100))
    check_chat_payload(payload(max_tokens=None, max_completion_tokens=100))
    error = refusal(lambda: check_chat_payload(payload(max_tokens=100, max_completion_tokens=200)))
    assert error.field == "max_tokens"
    assert "max_completion_tokens" in str(error)
    assert "200" in str(error)


def test_how_many_stops_and_tools_there_are_is_told() -> None:
    stops = refusal(lambda: check_chat_payload(payload(stop=list("abcdef"))))
    assert "6 stop sequences" in str(stops)
    tools = refusal(lambda: check_chat_payload(payload(tools=[{"type": "x"}] * 200)))
    assert "200 tools" in str(tools)


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        (1, "tools[1]"),
        ({}, "tools[1]"),
        ({"type": None}, "tools[1]"),
        ({"type": "function"}, "tools[1].function"),
        ({"type": "function", "function": "f"}, "tools[1].function"),
        ({"type": "function", "function": {}}, "tools[1].function"),
        ({"type": "function", "function": {"name": 1}}, "tools[1].function"),
        (
            {"type": "function", "function": {"name": "f", "parameters": "{}"}},
            "tools[1].function.parameters",
        ),
    ],
)
def test_a_wrong_tool_is_found_at_its_place(tool: Any, field: str) -> None:
    assert refused_field(payload(tools=[{"type": "browser_search"}, tool])) == field


@pytest.mark.parametrize("schema", [None, {}, "{}", {"name": 1}, {"schema": {}}])
def test_a_schema_has_a_name(schema: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": schema}
    assert refused_field(payload(response_format=wanted)) == "response_format.json_schema"


# --- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [None, "Hi", USER, 1, b"Hi", []])
def test_messages_are_a_list_with_something_in_it(messages: Any) -> None:
    assert refused_field({**payload(), "messages": messages}) == "messages"


@pytest.mark.parametrize("sequence", [tuple, UserList])
def test_any_sequence_of_messages_will_do(sequence: Callable[[list[Any]], Any]) -> None:
    check_chat_payload({**payload(), "messages": sequence([USER])})


@pytest.mark.parametrize("role", ROLES)
def test_every_role_may_speak(role: str) -> None:
    check_chat_payload(payload({"role": role, "content": "Hi", "tool_call_id": "c"}))


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": ""},
        {"role": "user", "content": "Hi", "name": "Ann", "something_new": [1]},
        MappingProxyType(USER),
        UserDict(USER),
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "user", "content": ({"type": "text", "text": ""},)},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
        {"role": "user", "content": [{"type": "document", "document": {"data": {}}}]},
        {"role": "user", "content": [{"type": "something_new"}]},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "assistant", "tool_calls": CALLS},
        {"role": "assistant", "function_call": {"name": "f"}},
        {"role": "assistant", "content": None, "reasoning": "Hm."},
        {"role": "assistant", "content": [], "tool_calls": CALLS},
        {"role": "assistant", "content": "Hi", "tool_calls": None},
        {"role": "assistant", "content": "Hi", "tool_calls": []},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ],
)
def test_right_messages_pass(message: Any) -> None:
    check_chat_payload(payload(USER, message))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Hi", "messages[1]"),
        (None, "messages[1]"),
        (["user", "Hi"], "messages[1]"),
        ({}, "messages[1].role"),
        ({"role": "robot", "content": "Hi"}, "messages[1].role"),
        ({"role": ["user"], "content": "Hi"}, "messages[1].role"),
        ({"role": "user"}, "messages[1].content"),
        ({"role": "user", "content": None}, "messages[1].content"),
        ({"role": "user", "content": 1}, "messages[1].content"),
        ({"role": "user", "content": {"type": "text"}}, "messages[1].content"),
        ({"role": "user", "content": b"Hi"}, "messages[1].content"),
        ({"role": "user", "content": []}, "messages[1].content"),
        ({"role": "user", "content": None, "tool_calls": CALLS}, "messages[1].content"),
        ({"role": "assistant", "content": None}, "messages[1].content"),
        ({"role": "assistant", "tool_calls": []}, "messages[1].content"),
        ({"role": "tool", "content": "42"}, "messages[1].tool_call_id"),
        ({"role": "tool", "content": "42", "tool_call_id": 1}, "messages[1].tool_call_id"),
        ({"role": "assistant", "tool_calls": "f"}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": {"id": "c"}}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": ["f"]}, "messages[1].tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": [{}]}, "messages[1].tool_calls[0].function"),
        (
            {"role": "assistant", "tool_calls": [*CALLS, {"function": {"name": 1}}]},
            "messages[1].tool_calls[1].function",
        ),
    ],
)
def test_a_wrong_message_is_found_at_its_place(message: Any, field: str) -> None:
    assert refused_field(payload(USER, message)) == field


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("Hi", "[1]"),
        ({}, "[1]"),
        ({"type": 1}, "[1]"),
        ({"type": "text"}, "[1].text"),
        ({"type": "text", "text": 1}, "[1].text"),
        ({"type": "image_url"}, "[1].image_url.url"),
        ({"type": "image_url", "image_url": "https://x"}, "[1].image_url.url"),
        ({"type": "image_url", "image_url": {}}, "[1].image_url.url"),
        ({"type": "image_url", "image_url": {"url": ""}}, "[1].image_url.url"),
        ({"type": "image_url", "image_url": {"url": 1}}, "[1].image_url.url"),
    ],
)
def test_a_wrong_part_is_found_at_its_place(part: Any, field: str) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}
    assert refused_field(payload(message)) == f"messages[0].content{field}"


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="any integer is printed")
def test_an_integer_too_long_to_print_is_refused_all_the_same() -> None:
    endless = 10 ** (sys.get_int_max_str_digits() + 1)
    assert refused_field(payload(top_logprobs=endless)) == "top_logprobs"


# --- any payload at all ----------------------------------------------------------------------

near_misses = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from([*ROLES, "robot"]) | json_values,
        "content": st.text() | json_values | st.lists(st.dictionaries(st.text(), json_values)),
        "tool_calls": json_values | st.lists(st.fixed_dictionaries({"function": json_values})),
        "tool_call_id": json_values,
    },
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "model": st.just("m") | json_values,
        "messages": st.lists(near_misses | json_values, max_size=3) | json_values,
        **dict.fromkeys(RIGHT, json_values),
    },
)


@repeatable
@given(payloads)
@example(payload(temperature=HUGE))
def test_nothing_but_a_refusal_is_ever_raised(request: dict[str, Any]) -> None:
    with suppress(InvalidRequestException):
        check_chat_payload(request)


@repeatable
@given(st.dictionaries(st.text().filter(lambda name: name not in RIGHT), json_values))
def test_fields_that_nobody_knows_pass(unknown: dict[str, Any]) -> None:
    check_chat_payload({**unknown, **payload()})


@repeatable
@given(st.dictionaries(st.text(min_size=1), json_values))
def test_unknown_fields_inside_messages_and_parts_pass(unknown: dict[str, Any]) -> None:
    part = {**unknown, "type": "text", "text": "Hi"}
    message = {**unknown, "role": "user", "content": [part], "tool_calls": None}
    check_chat_payload(payload(message, tools=[{**unknown, "type": "something_new"}]))


def test_what_the_service_answered_was_right() -> None:
    rows = [
        row
        for row in recorded("exchanges.jsonl")
        if row["response"]["status"] == 200 and "chat/completions" in row["request"]["path"]
    ]
    if not rows:
        pytest.skip("no recordings here")
    bodies = [body for row in rows if (body := _json(row["request"].get("body")))]
    assert len(bodies) > 400
    for body in bodies:
        check_chat_payload(body)


def _json(body: Any) -> Any:
    return json.loads(body) if isinstance(body, str) and body else body


# --- keywords of our own ---------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, 1, 0.5, (3, 60), (None, 60.0), (3.5, None)])
def test_right_timeouts_pass(timeout: Any) -> None:
    check_timeout(timeout)


@pytest.mark.parametrize(
    "timeout",
    [0, -1, math.nan, math.inf, "5", True, (1, 2, 3), (), (0, 5), (1, "x"), [3, 60], HUGE],
    ids=lambda timeout: repr(timeout)[:12],
)
def test_wrong_timeouts_are_refused(timeout: Any) -> None:
    assert refusal(lambda: check_timeout(timeout)).field == "timeout"


@pytest.mark.parametrize("max_wait", [None, 0, 0.0, 5, 86_400.5])
def test_right_longest_waits_pass(max_wait: Any) -> None:
    check_max_wait(max_wait)


@pytest.mark.parametrize(
    "max_wait",
    [-1, -0.1, "5", True, math.nan, math.inf, (1, 2), HUGE],
    ids=lambda max_wait: repr(max_wait)[:12],
)
def test_wrong_longest_waits_are_refused(max_wait: Any) -> None:
    assert refusal(lambda: check_max_wait(max_wait)).field == "max_wait"
