"""Answers that are dicts with attributes."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from helpers_recordings import exchanges
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._objects import (
    APIObject,
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    CompletionUsage,
    Function,
    Model,
    ModelList,
    TextChoice,
    TextCompletion,
    ToolCall,
)

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "openai/gpt-oss-20b",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Grüezi", "tool_calls": [CALL]},
        }
    ],
    "usage": {
        "prompt_tokens": 72,
        "completion_tokens": 5,
        "total_tokens": 77,
        "prompt_tokens_details": {"cached_tokens": 64},
    },
    "x_groq": {"id": "req_1"},
    "new_field": {"parts": [{"a": 1}, [{"b": 2}]]},
}


@pytest.fixture
def chat() -> ChatCompletion:
    return ChatCompletion.wrap(CHAT)


def test_keys_and_attributes_are_the_same(chat: ChatCompletion) -> None:
    assert chat.choices[0].message.content == "Grüezi"
    assert chat["choices"][0]["message"]["content"] == "Grüezi"
    assert chat.usage is chat["usage"]


def test_it_is_the_json_that_came(chat: ChatCompletion) -> None:
    assert chat == CHAT
    assert json.loads(json.dumps(chat)) == CHAT


def test_everything_inside_has_its_class(chat: ChatCompletion) -> None:
    message = chat.choices[0].message
    assert message.tool_calls is not None
    assert [type(part) for part in (chat.choices[0], message, chat.usage)] == [
        Choice,
        ChatCompletionMessage,
        CompletionUsage,
    ]
    assert type(message.tool_calls[0]) is ToolCall
    assert type(message.tool_calls[0].function) is Function


def test_unknown_fields_are_wrapped_as_well(chat: ChatCompletion) -> None:
    assert chat.new_field.parts[0].a == 1
    assert chat.new_field.parts[1][0].b == 2
    assert chat.x_groq is not None
    assert chat.x_groq.id == "req_1"


def test_the_source_is_left_as_it_was(chat: ChatCompletion) -> None:
    chat.choices.append(Choice(index=1))
    del chat["usage"]
    assert len(CHAT["choices"]) == 1  # type: ignore[arg-type]
    assert CHAT["usage"]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (ChatCompletion(), "usage"),
        (ChatCompletion(), "service_tier"),
        (ChatCompletionMessage(role="assistant"), "content"),
        (ChatCompletionMessage(role="assistant"), "tool_calls"),
        (CompletionUsage(), "queue_time"),
        (Model(), "pricing"),
        (TextCompletion(), "system_fingerprint"),
    ],
)
def test_a_known_field_that_was_not_sent_is_none(answer: APIObject, name: str) -> None:
    assert getattr(answer, name) is None
    assert name not in answer


@pytest.mark.parametrize("answer", [ChatCompletion(), APIObject(), Model()])
def test_a_name_that_nobody_knows_is_an_error(answer: APIObject) -> None:
    with pytest.raises(AttributeError, match="tokens_per_fortnight"):
        answer.tokens_per_fortnight  # noqa: B018
    assert not hasattr(answer, "tokens_per_fortnight")


def test_null_is_none(chat: ChatCompletion) -> None:
    assert ChatCompletion.wrap({"usage": None, "choices": [None, 1]}) == {
        "usage": None,
        "choices": [None, 1],
    }


def test_a_field_of_another_shape_than_promised_is_kept() -> None:
    odd: Any = ChatCompletion.wrap({"choices": {"text": "x"}, "usage": [1], "id": {"a": {"b": 1}}})
    assert odd.choices.text == "x"
    assert odd.usage == [1]
    assert odd.id.a.b == 1


def test_names_of_dicts_methods_are_reached_by_key_only() -> None:
    answer = APIObject.wrap({"items": [1], "keys": 2})
    assert answer["items"] == [1]
    assert list(answer.items()) == [("items", [1]), ("keys", 2)]


def test_attributes_can_be_set_and_deleted(chat: ChatCompletion) -> None:
    chat.note = "mine"
    assert chat["note"] == "mine"
    del chat.note
    assert "note" not in chat
    with pytest.raises(AttributeError, match="note"):
        del chat.note


def test_models_and_texts_have_their_classes() -> None:
    models = ModelList.wrap({"object": "list", "data": [{"id": "m", "pricing": {"prompt": "1"}}]})
    assert type(models.data[0]) is Model
    assert models.data[0].pricing is not None
    assert models.data[0].pricing.prompt == "1"
    text = TextCompletion.wrap({"choices": [{"index": 0, "text": "Hi"}]})
    assert type(text.choices[0]) is TextChoice
    assert text.choices[0].text == "Hi"


# --- copies ----------------------------------------------------------------------------------


def test_repr_names_the_class_and_holds_the_data() -> None:
    assert repr(Function(name="f")) == "Function({'name': 'f'})"


def test_a_copy_is_shallow(chat: ChatCompletion) -> None:
    twin = copy.copy(chat)
    assert type(twin) is ChatCompletion
    assert twin == chat
    assert twin.choices is chat.choices
    twin.id = "other"
    assert chat.id == "chatcmpl-1"


def test_a_deep_copy_shares_nothing(chat: ChatCompletion) -> None:
    twin = copy.deepcopy(chat)
    assert type(twin.choices[0].message) is ChatCompletionMessage
    assert twin == chat
    twin.choices[0].message.content = "changed"
    assert chat.choices[0].message.content == "Grüezi"


def test_a_deep_copy_keeps_what_is_shared_shared() -> None:
    shared = APIObject(n=1)
    twin = copy.deepcopy(APIObject(one=shared, two=shared))
    assert twin.one is twin.two
    assert twin.one is not shared


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_keep_data_and_classes(chat: ChatCompletion, protocol: int) -> None:
    twin = pickle.loads(pickle.dumps(chat, protocol))
    assert twin == chat
    assert type(twin) is ChatCompletion
    assert type(twin.choices[0].message) is ChatCompletionMessage


@pytest.mark.parametrize("dump", ["to_dict", "model_dump"])
def test_plain_dicts_and_lists(chat: ChatCompletion, dump: str) -> None:
    plain = getattr(chat, dump)()
    assert plain == CHAT
    assert _classes_in(plain) <= {dict, list, str, int}
    plain["choices"][0]["index"] = 99
    assert chat.choices[0].index == 0


def _classes_in(value: Any) -> set[type]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(_classes_in, inside))


def test_json_text_is_readable_and_complete(chat: ChatCompletion) -> None:
    assert json.loads(chat.to_json()) == CHAT
    assert "Grüezi" in chat.to_json()
    assert "\n  " in chat.to_json()
    assert "\n" not in chat.to_json(indent=None)


def test_the_official_sdks_options_are_accepted(chat: ChatCompletion) -> None:
    assert chat.model_dump(mode="json", exclude_none=True) == CHAT
    text = chat.model_dump_json(exclude_unset=True)
    assert json.loads(text) == CHAT
    assert "\n" not in text
    assert "\n   " in chat.model_dump_json(indent=3)


# --- any JSON at all -------------------------------------------------------------------------

objects = st.dictionaries(
    st.text(max_size=8) | st.sampled_from(["choices", "usage", "message", "data", "x_groq"]),
    json_values,
)


@repeatable
@given(objects, st.sampled_from([APIObject, ChatCompletion, TextCompletion, ModelList]))
def test_wrapping_changes_nothing_but_the_class(data: dict[str, Any], cls: type[APIObject]) -> None:
    before = copy.deepcopy(data)
    wrapped = cls.wrap(data)
    assert wrapped == data == before
    assert wrapped.to_dict() == data
    assert pickle.loads(pickle.dumps(wrapped)) == data
    assert copy.deepcopy(wrapped) == data
    assert json.dumps(wrapped) == json.dumps(data)


RECORDED = [row for row in exchanges(failed=False) if row["response"]["body"].startswith("{")]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["id"])
def test_recorded_answers_equal_their_json(row: dict[str, Any]) -> None:
    data = json.loads(row["response"]["body"])
    answer = (ModelList if "data" in data else ChatCompletion).wrap(data)
    assert answer == data
    assert answer.to_dict() == data
    for name, value in data.items():
        assert getattr(answer, name) == value
    for choice, raw in zip(answer.get("choices", ()), data.get("choices", ()), strict=True):
        assert choice.message.content == raw["message"].get("content")
        assert choice.finish_reason == raw["finish_reason"]
