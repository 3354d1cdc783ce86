"""Chunks of a stream, put together: what was said, called and used."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._collector import Collector, error_of
from customgroqchat._objects import APIObject
from customgroqchat._sse import ServerSentEvent
from customgroqchat.types import CompletionUsage
from customgroqchat.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageToolCall,
)
from customgroqchat.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)

USAGE = {"prompt_tokens": 72, "completion_tokens": 5, "total_tokens": 77}
HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": "openai/gpt-oss-20b",
    "system_fingerprint": "fp_1",
}


def chunk(
    delta: Any = None, *, index: int = 0, finish_reason: str | None = None, **fields: Any
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish_reason}
    return {**HEAD, "choices": [{**choice, "logprobs": None}], **fields}


def calls(*pieces: Any) -> dict[str, Any]:
    return chunk({"tool_calls": list(pieces)})


def collected(*chunks: Any) -> Collector:
    collector = Collector()
    for each in chunks:
        collector.add(each)
    return collector


def message_of(*chunks: Any) -> dict[str, Any]:
    (choice,) = collected(*chunks).completion()["choices"]
    message: dict[str, Any] = choice["message"]
    return message


def tool_calls_of(*pieces: Any) -> Any:
    return message_of(*map(calls, pieces))["tool_calls"]


# --- the answer ------------------------------------------------------------------------------


def test_a_whole_stream_is_one_answer() -> None:
    collector = collected(
        chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1", "seed": 7}),
        chunk({"reasoning": "Say ", "channel": "analysis"}),
        chunk({"reasoning": "hello.", "channel": "analysis"}),
        chunk({"content": "Grüe"}),
        chunk({"content": "zi"}),
        chunk(finish_reason="stop", x_groq={"id": "req_1", "usage": USAGE}, usage=USAGE),
        {**HEAD, "choices": [], "usage": USAGE, "service_tier": "on_demand"},
    )
    assert collector.completion() == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Grüezi", "reasoning": "Say hello."},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": USAGE,
        "service_tier": "on_demand",
        "x_groq": {"id": "req_1", "seed": 7, "usage": USAGE},
    }
    assert collector.text == "Grüezi"
    assert collector.spoken == "Say hello.Grüezi"


def test_nothing_is_no_choice() -> None:
    collector = Collector()
    assert (collector.text, collector.spoken, collector.usage) == ("", "", None)
    assert collector.completion() == {
        "id": None,
        "object": "chat.completion",
        "created": None,
        "model": None,
        "choices": [],
    }
    assert collector.finished is False


def test_it_can_be_asked_while_chunks_come() -> None:
    collector = collected(chunk({"content": "one"}))
    assert (collector.text, collector.finished) == ("one", False)
    early = collector.completion()
    collector.add(chunk({"content": " two"}))
    assert collector.text == collector.spoken == "one two"
    collector.add(chunk(finish_reason="length"))
    assert collector.finished is True
    assert early["choices"][0]["message"]["content"] == "one"
    assert early["choices"][0]["finish_reason"] is None
    assert collector.completion()["choices"][0]["finish_reason"] == "length"


def test_a_text_is_put_together_once() -> None:
    collector = collected(chunk({"content": "one"}), chunk({"content": " two"}))
    assert collector.text is collector.text


def test_what_it_gives_away_is_no_longer_its_own() -> None:
    collector = collected(
        chunk({"content": "x", "annotations": [1]}, x_groq={"id": "r"}, usage=USAGE),
        calls({"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}),
    )
    before = copy.deepcopy(collector.completion())
    given_away = collector.completion()
    message = given_away["choices"][0]["message"]
    message["annotations"].append(2)
    message["tool_calls"][0]["function"].clear()
    for part in (message, given_away["usage"], given_away["x_groq"], given_away):
        part.clear()
    assert collector.completion() == before


def test_what_is_added_is_left_as_it_is() -> None:
    first, second = chunk({"annotations": [1]}, usage=USAGE), chunk({"annotations": [2]})
    before = copy.deepcopy([first, second])
    collector = collected(first, second)
    collector.completion()
    assert collector.usage is not None
    collector.usage.clear()
    assert [first, second] == before


def test_wrapped_chunks_are_collected_as_well() -> None:
    plain = chunk({"content": "x", "executed_tools": [{"index": 0}]}, usage=USAGE)
    assert collected(ChatCompletionChunk.wrap(plain)).completion() == collected(plain).completion()


# --- messages --------------------------------------------------------------------------------


def test_silence_is_an_empty_text_unless_tools_were_called() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert message_of(chunk({"role": "assistant", "content": None}))["content"] == ""
    assert message_of(chunk({"reasoning": "Hm."}))["content"] == ""
    assert message_of(chunk({"content": ""}), calls(call))["content"] is None
    assert message_of(chunk({"content": "Wait."}), calls(call))["content"] == "Wait."


def test_the_role_is_the_one_that_came_first() -> None:
    assert message_of(chunk({"role": "critic"}), chunk({"role": "assistant"}))["role"] == "critic"
    assert message_of(chunk({"role": None}), chunk({"role": "critic"}))["role"] == "critic"
    assert message_of(chunk({"content": "x"}))["role"] == "assistant"


def test_where_a_piece_belongs_is_no_part_of_the_message() -> None:
    assert "channel" not in message_of(chunk({"reasoning": "x", "channel": "analysis"}))


def test_fields_that_nobody_knows_grow_or_are_replaced() -> None:
    message = message_of(
        chunk({"poem": "roses ", "executed_tools": [{"index": 0}], "mood": {"a": 1}, "n": 1}),
        chunk({"poem": None, "executed_tools": None, "mood": None, "n": None}),
        chunk({"poem": "are red", "executed_tools": [{"index": 1}], "mood": {"b": 2}, "n": 2}),
    )
    assert message["poem"] == "roses are red"
    assert message["executed_tools"] == [{"index": 0}, {"index": 1}]
    assert (message["mood"], message["n"]) == ({"b": 2}, 2)


@pytest.mark.parametrize(("old", "new"), [("x", [1]), ([1], "x"), ({"a": 1}, "x"), ("x", 1)])
def test_a_field_that_changes_its_kind_starts_anew(old: Any, new: Any) -> None:
    assert message_of(chunk({"odd": old}), chunk({"odd": new}))["odd"] == new


def test_a_field_that_is_only_ever_null_is_null() -> None:
    assert message_of(chunk({"refusal": None}))["refusal"] is None
    assert collected({"usage_breakdown": None}).completion()["usage_breakdown"] is None


def test_content_that_is_no_text_is_kept_and_not_spoken() -> None:
    parts = [{"type": "text", "text": "x"}]
    collector = collected(chunk({"content": parts}), chunk({"content": parts}))
    assert collector.completion()["choices"][0]["message"]["content"] == parts + parts
    assert collector.text == collector.spoken == ""


# --- tool calls ------------------------------------------------------------------------------


def call_of(
    call_id: str | None, name: str | None, arguments: str, kind: str = "function"
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": kind, "function": function}


def test_a_call_that_comes_whole() -> None:
    assert tool_calls_of({"index": 0, **call_of("fc_1", "f", '{"a":1}')}) == [
        call_of("fc_1", "f", '{"a":1}')
    ]


def test_arguments_come_bit_by_bit() -> None:
    assert tool_calls_of(
        {"index": 0, **call_of("fc_1", "f", "")},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ) == [call_of("fc_1", "f", '{"a":1}')]


def test_calls_are_told_apart_by_their_index() -> None:
    assert tool_calls_of(
        {"index": 1, **call_of("b", "g", "[")},
        {"index": 0, **call_of("a", "f", "{")},
        {"index": 1, "function": {"arguments": "]"}},
        {"index": 0, "function": {"arguments": "}"}},
    ) == [call_of("a", "f", "{}"), call_of("b", "g", "[]")]


def test_several_calls_in_one_chunk() -> None:
    first, second = call_of("a", "f", "{}"), call_of("b", "f", "[]")
    chunks = calls({"index": 0, **first}, {"index": 1, **second})
    assert message_of(chunks)["tool_calls"] == [first, second]


def test_of_id_type_and_name_the_first_telling_holds() -> None:
    assert tool_calls_of(
        {"index": 0, "id": "", "type": None, "function": {"name": "", "arguments": "1"}},
        {"index": 0, **call_of("a", "f", "2", "custom")},
        {"index": 0, **call_of("b", "g", "3")},
    ) == [call_of("a", "f", "123", "custom")]


def test_a_call_that_tells_little_has_the_shape_of_a_call() -> None:
    bare = [{"id": None, "type": "function", "function": {"name": None, "arguments": ""}}]
    nulls = {"id": None, "type": None, "function": {"name": None, "arguments": None}}
    assert tool_calls_of({"index": 0}) == bare
    assert tool_calls_of({"index": 0, **nulls}) == bare
    assert tool_calls_of({"index": 0, "function": None}) == bare


def test_without_an_index_pieces_are_told_apart_by_their_id() -> None:
    assert tool_calls_of(
        call_of("a", "f", "{"),
        call_of("b", "g", "["),
        call_of("a", None, "}"),
        call_of("b", None, "]"),
    ) == [call_of("a", "f", "{}"), call_of("b", "g", "[]")]


def test_without_index_and_id_a_piece_belongs_to_the_last_call() -> None:
    assert tool_calls_of(
        {"function": {"name": "f", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"index": 5, **call_of("b", "g", "[")},
        {"id": "", "function": {"arguments": "1"}},
        {"id": None, "function": {"arguments": "]"}},
    ) == [call_of(None, "f", "{}"), call_of("b", "g", "[1]")]


def test_a_call_without_an_index_comes_after_those_that_are_there() -> None:
    assert tool_calls_of(
        {"index": 1, **call_of("b", "g", "2")},
        {"index": 0, **call_of("a", "f", "1")},
        call_of("c", "h", "3"),
        call_of("d", "i", "4"),
    ) == [
        call_of("a", "f", "1"),
        call_of("b", "g", "2"),
        call_of("c", "h", "3"),
        call_of("d", "i", "4"),
    ]


@pytest.mark.parametrize("index", [True, None, "0", 0.0, [0]])
def test_an_index_is_an_integer(index: Any) -> None:
    assert tool_calls_of(
        {"index": 5, **call_of("a", "f", "1")}, {"index": index, "function": {"arguments": "2"}}
    ) == [call_of("a", "f", "12")]


def test_names_and_arguments_of_calls_are_spoken() -> None:
    collector = collected(
        chunk({"content": "Wait."}),
        calls({"index": 0, **call_of("a", "look_up", '{"a"')}),
        calls({"index": 0, "function": {"arguments": ":1}"}}, {"index": 1}),
    )
    assert collector.spoken == 'Wait.look_up{"a":1}'
    assert collector.text == "Wait."


# --- choices ---------------------------------------------------------------------------------


def test_several_choices_are_told_apart_by_their_index() -> None:
    collector = collected(
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}),
        chunk({"content": "B"}, index=1, finish_reason="stop"),
        chunk({"content": "A"}),
    )
    choices = collector.completion()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert [choice["message"]["content"] for choice in choices] == ["aA", "bB"]
    assert [choice["finish_reason"] for choice in choices] == [None, "stop"]
    assert collector.text == "aA"
    assert sorted(collector.spoken) == ["A", "B", "a", "b"]
    assert collector.finished


def test_a_choice_without_an_index_is_the_first() -> None:
    assert collected({"choices": [{"delta": {"content": "x"}}]}).text == "x"


@pytest.mark.parametrize("reason", [None, "", 0, False, []])
def test_a_finish_reason_is_a_word(reason: Any) -> None:
    assert not collected(chunk(finish_reason=reason)).finished


def test_the_finish_reason_stays() -> None:
    collector = collected(chunk(finish_reason="stop"), chunk(), chunk(finish_reason=""))
    assert collector.finished
    assert collector.completion()["choices"][0]["finish_reason"] == "stop"


def test_log_probabilities_are_lists_that_grow() -> None:
    one, two = {"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}
    pieces = [{"content": [one], "refusal": None}, {"content": [two], "refusal": None}, None]
    collector = collected(
        *({"choices": [{"index": 0, "delta": {}, "logprobs": piece}]} for piece in pieces)
    )
    (choice,) = collector.completion()["choices"]
    assert choice["logprobs"] == {"content": [one, two], "refusal": None}


def test_log_probabilities_that_nobody_names_are_absent() -> None:
    (choice,) = collected({"choices": [{"delta": {}}]}).completion()["choices"]
    assert "logprobs" not in choice


# --- usage and the rest ----------------------------------------------------------------------


def test_the_usage_is_the_one_shown_last() -> None:
    more = {**USAGE, "completion_tokens": 9}
    collector = collected(
        chunk(x_groq={"id": "r", "usage": USAGE}), chunk(usage=more), chunk(usage=None), chunk()
    )
    assert collector.usage == more
    assert collector.completion()["usage"] == more


def test_the_usage_may_stand_in_one_place_alone() -> None:
    assert collected(chunk(usage=USAGE)).usage == USAGE
    assert collected(chunk(x_groq={"usage": USAGE})).usage == USAGE


def test_a_usage_of_the_whole_request_precedes_the_detail_of_its_chunk() -> None:
    cached = {"dram_cached_tokens": 64, "sram_cached_tokens": 0}
    assert collected(chunk(usage=USAGE), chunk(x_groq={"usage": cached})).usage == USAGE
    assert collected(chunk(usage=USAGE, x_groq={"usage": {"completion_tokens": 1}})).usage == USAGE
    assert collected(chunk(x_groq={"usage": cached})).usage is None


@pytest.mark.parametrize("usage", [None, {}, 5, "none", [USAGE]])
def test_what_is_no_usage_replaces_none(usage: Any) -> None:
    assert collected(chunk(usage=usage)).usage is None
    assert collected(chunk(usage=USAGE), chunk(usage=usage)).usage == USAGE
    assert "usage" not in collected(chunk(usage=usage)).completion()


def test_whose_answer_it_is_says_the_first_chunk() -> None:
    answer = collected(
        {"id": None, "choices": []},
        {"id": "one", "created": 1, "model": "a", "choices": []},
        {"id": "two", "created": 2, "model": "b", "choices": []},
    ).completion()
    assert (answer["id"], answer["created"], answer["model"]) == ("one", 1, "a")


def test_of_other_fields_the_last_telling_holds() -> None:
    answer = collected(
        {"system_fingerprint": "fp_1", "tomorrow": [1], "service_tier": "flex"},
        {"system_fingerprint": "fp_2", "tomorrow": [2], "service_tier": None},
    ).completion()
    assert answer["system_fingerprint"] == "fp_2"
    assert answer["tomorrow"] == [2]
    assert answer["service_tier"] == "flex"


def test_the_services_own_fields_are_merged() -> None:
    answer = collected(
        chunk(x_groq={"id": "one", "seed": 1}), chunk(x_groq=None), chunk(x_groq={"id": "two"})
    ).completion()
    assert answer["x_groq"] == {"id": "one", "seed": 1}
    assert "x_groq" not in collected(chunk(x_groq=None)).completion()


# --- errors in the stream --------------------------------------------------------------------

ERROR = {"message": "no", "code": "tool_use_failed", "status_code": 400}


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("error", {"error": ERROR}, ERROR),
        ("", {"error": ERROR}, ERROR),
        ("", {**chunk({"content": "x"}), "error": ERROR}, ERROR),
        ("error", ERROR, ERROR),
        ("error", {"error": "over capacity"}, {"message": "over capacity"}),
        ("", {"error": "over capacity"}, {"message": "over capacity"}),
        ("", {"error": ["a", 1]}, {"message": "['a', 1]"}),
        ("", chunk(x_groq={"id": "r", "error": "out of luck"}), {"message": "out of luck"}),
        ("", chunk(x_groq={"error": ERROR}), ERROR),
        ("error", "over capacity", {"message": "over capacity"}),
        ("error", None, {"message": "the data"}),
        ("error", {}, {"message": "the data"}),
        ("", {"error": None}, None),
        ("", {"error": ""}, None),
        ("", {"error": {}}, None),
        ("", chunk({"content": "error"}), None),
        ("", chunk(x_groq={"id": "r"}), None),
        ("", chunk(x_groq="error"), None),
        ("", chunk(x_groq=None), None),
        ("", None, None),
        ("", ["error"], None),
        ("", "error", None),
        ("message", chunk(), None),
    ],
)
def test_errors_are_found_in_every_place(name: str, said: Any, expected: Any) -> None:
    assert error_of(ServerSentEvent(name, "the data"), said) == expected


# --- any JSON at all -------------------------------------------------------------------------

FIELDS = [
    *("id", "object", "created", "model", "choices", "usage", "x_groq", "error", "name", "type"),
    *("index", "delta", "finish_reason", "logprobs", "role", "content", "reasoning", "channel"),
    *("tool_calls", "function", "arguments", "completion_tokens"),
]

#: What looks like a chunk and may be anything: known names, each with any value.
likely = st.recursive(
    json_values | st.integers(-2, 2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
        | st.fixed_dictionaries({"choices": st.lists(inner, max_size=2)})
        | st.fixed_dictionaries({"delta": inner, "index": st.integers(-1, 1)})
        | st.fixed_dictionaries({"tool_calls": st.lists(inner, max_size=2)})
    ),
    max_leaves=12,
)


@repeatable
@given(st.lists(likely, max_size=5), st.sampled_from(["", "error"]))
def test_no_shape_is_too_strange(chunks: list[Any], name: str) -> None:
    collector = collected(*chunks)
    assert isinstance(collector.text, str)
    assert isinstance(collector.spoken, str)
    assert isinstance(collector.finished, bool)
    answer = collector.completion()
    assert answer["object"] == "chat.completion"
    assert answer.get("usage") == collector.usage
    json.dumps(ChatCompletion.wrap(answer))
    for each in chunks:
        assert isinstance(error_of(ServerSentEvent(name, "x"), each), dict | None)


@repeatable
@given(st.lists(st.text(max_size=5), max_size=20), st.lists(st.text(max_size=5), max_size=20))
def test_any_pieces_are_put_together(content: list[str], arguments: list[str]) -> None:
    collector = Collector()
    for count, piece in enumerate(content, 1):
        collector.add(chunk({"content": piece}))
        assert collector.text == "".join(content[:count])
    for piece in arguments:
        collector.add(calls({"index": 0, "function": {"arguments": piece}}))
    assert collector.text == "".join(content)
    assert collector.spoken == "".join(content + arguments)


# --- the classes of chunks -------------------------------------------------------------------


def test_chunks_have_attributes_and_classes() -> None:
    pieces = [{"index": 0, **call_of("c", "f", "{}")}]
    wrapped = ChatCompletionChunk.wrap(chunk({"content": "x", "tool_calls": pieces}, usage=USAGE))
    choice = wrapped.choices[0]
    assert choice.delta.content == "x"
    assert choice.delta.tool_calls is not None
    call = choice.delta.tool_calls[0]
    assert (call.index, call.id) == (0, "c")
    assert [type(part) for part in (choice, choice.delta, call, call.function, wrapped.usage)] == [
        Choice,
        ChoiceDelta,
        ChoiceDeltaToolCall,
        ChoiceDeltaToolCallFunction,
        CompletionUsage,
    ]
    assert pickle.loads(pickle.dumps(wrapped)) == wrapped


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        (ChatCompletionChunk(), "usage"),
        (ChatCompletionChunk(), "x_groq"),
        (Choice(), "finish_reason"),
        (ChoiceDelta(), "content"),
        (ChoiceDelta(), "tool_calls"),
        (ChoiceDeltaToolCall(index=0), "id"),
        (ChoiceDeltaToolCallFunction(), "name"),
    ],
)
def test_what_a_chunk_leaves_out_is_none(piece: APIObject, name: str) -> None:
    assert getattr(piece, name) is None


def test_the_collected_answer_has_the_classes_of_an_answer() -> None:
    answer = ChatCompletion.wrap(
        collected(calls({"index": 0, **call_of("c", "f", "{}")})).completion()
    )
    message = answer.choices[0].message
    assert message.tool_calls is not None
    assert type(message.tool_calls[0]) is ChatCompletionMessageToolCall
    assert message.tool_calls[0].function.name == "f"
