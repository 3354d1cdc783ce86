"""Answers that are dicts with attributes: fields, classes, how they are made and copied."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat import InvalidRequestException
from customgroqchat._objects import APIObject
from customgroqchat.types import CompletionUsage, Model, ModelList, TextChoice, TextCompletion
from customgroqchat.types.chat import (
    ChatCompletion,
    ChatCompletionMessage,
    ChatCompletionMessageToolCall,
)
from customgroqchat.types.chat.chat_completion import Choice
from customgroqchat.types.chat.chat_completion_message_tool_call import Function

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
    assert type(message.tool_calls[0]) is ChatCompletionMessageToolCall
    assert type(message.tool_calls[0].function) is Function


def test_unknown_fields_are_wrapped_as_well(chat: ChatCompletion) -> None:
    new_field = chat["new_field"]
    assert new_field.parts[0].a == 1
    assert new_field.parts[1][0].b == 2
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


NAMES_OF_METHODS = ["items", "keys", "values", "get", "copy", "update", "pop", "json", "wrap"]


@pytest.mark.parametrize("name", NAMES_OF_METHODS)
def test_names_of_methods_are_reached_by_key_only(name: str) -> None:
    answer = APIObject.wrap({name: [{"a": 1}], "other": 2})
    assert answer[name] == [{"a": 1}]
    assert callable(getattr(answer, name))
    assert list(answer.items()) == [(name, [{"a": 1}]), ("other", 2)]
    assert json.loads(json.dumps(answer)) == answer.to_dict() == answer
    with pytest.raises(AttributeError, match=rf"answer\['{name}'\]"):
        setattr(answer, name, 1)
    assert answer[name] == [{"a": 1}]


def test_attributes_can_be_set_and_deleted(chat: ChatCompletion) -> None:
    anything: Any = chat
    anything.remark = "mine"
    assert chat["remark"] == "mine"
    del anything.remark
    assert "remark" not in chat
    with pytest.raises(AttributeError, match="remark"):
        del anything.remark


def test_names_with_an_underscore_are_no_fields(chat: ChatCompletion) -> None:
    anything: Any = chat
    anything._raw_response = chat
    anything._kept = [1]
    assert anything._raw_response is chat
    assert chat == CHAT
    assert "_kept" not in repr(chat)
    del anything._kept
    assert not hasattr(chat, "_kept")


def test_fields_with_an_underscore_can_be_read() -> None:
    sent: Any = APIObject.wrap({"_id": 1, "__html__": 2, "__setstate__": 3})
    assert sent._id == 1
    assert not hasattr(sent, "__html__")
    assert copy.deepcopy(sent) == sent == pickle.loads(pickle.dumps(sent))
    del sent._id
    assert list(sent) == ["__html__", "__setstate__"]


def test_what_can_follow_the_dot_is_told(chat: ChatCompletion) -> None:
    assert {"choices", "service_tier", "new_field", "model_dump", "items"} <= set(dir(chat))
    assert dir(chat) == sorted(set(dir(chat)))


def test_answers_can_be_matched(chat: ChatCompletion) -> None:
    match chat:
        case ChatCompletion(choices=[Choice(message=ChatCompletionMessage(content=str(text)))]):
            assert text == "Grüezi"
        case _:
            pytest.fail("the class does not match")
    match chat:
        case {"choices": [{"message": {"content": "Grüezi"}}], "usage": {"total_tokens": int(n)}}:
            assert n == 77
        case _:
            pytest.fail("the mapping does not match")


def test_models_and_texts_have_their_classes() -> None:
    models = ModelList.wrap({"object": "list", "data": [{"id": "m", "pricing": {"prompt": "1"}}]})
    assert type(models.data[0]) is Model
    assert models.data[0].pricing is not None
    assert models.data[0].pricing.prompt == "1"
    text = TextCompletion.wrap({"choices": [{"index": 0, "text": "Hi"}]})
    assert type(text.choices[0]) is TextChoice
    assert text.choices[0].text == "Hi"


# --- making ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        ChatCompletion(CHAT),
        ChatCompletion(**CHAT),
        ChatCompletion(CHAT.items()),
        ChatCompletion.construct(**CHAT),
        ChatCompletion.model_construct(_fields_set={"id"}, **CHAT),
        ChatCompletion.model_validate(CHAT),
        ChatCompletion.model_validate(APIObject.wrap(CHAT), strict=True),
        ChatCompletion.model_validate_json(json.dumps(CHAT)),
        ChatCompletion.model_validate_json(json.dumps(CHAT).encode()),
    ],
)
def test_every_way_to_make_one_gives_the_same(made: ChatCompletion) -> None:
    assert made == CHAT
    assert type(made) is ChatCompletion
    assert type(made.choices[0].message) is ChatCompletionMessage
    assert made.choices[0].message.tool_calls is not None
    assert made.choices[0].message.tool_calls[0].function.name == "f"


def test_what_is_valid_already_is_left_alone(chat: ChatCompletion) -> None:
    assert ChatCompletion.model_validate(chat) is chat
    assert APIObject.model_validate(chat) is chat


@pytest.mark.parametrize("odd", [None, 3, "text", [CHAT]])
def test_what_is_no_mapping_is_refused(odd: Any) -> None:
    with pytest.raises(InvalidRequestException, match="ChatCompletion cannot be made of") as caught:
        ChatCompletion.model_validate(odd)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == "obj"
    assert str(caught.value.value).startswith(repr(odd)[:60])


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", b"\xff"])
def test_text_that_is_no_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidRequestException, match="give a mapping"):
        Model.model_validate_json(text)


def test_known_and_unknown_fields_are_told_apart(chat: ChatCompletion) -> None:
    assert chat.model_fields_set == set(CHAT)
    assert chat.model_extra == {"new_field": CHAT["new_field"]}
    assert APIObject(a=1).model_extra == {"a": 1}
    assert Model().model_fields_set == set()


# --- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "twin_of",
    [copy.copy, APIObject.copy, APIObject.model_copy],
    ids=["copy.copy", "copy", "model_copy"],
)
def test_a_copy_is_shallow(chat: ChatCompletion, twin_of: Any) -> None:
    twin = twin_of(chat)
    assert type(twin) is ChatCompletion
    assert twin == chat
    assert twin.choices is chat.choices
    twin.id = "other"
    assert chat.id == "chatcmpl-1"


@pytest.mark.parametrize(
    "twin_of",
    [
        copy.deepcopy,
        lambda chat: chat.copy(deep=True),
        lambda chat: chat.model_copy(deep=True),
    ],
    ids=["copy.deepcopy", "copy", "model_copy"],
)
def test_a_deep_copy_shares_nothing(chat: ChatCompletion, twin_of: Any) -> None:
    twin = twin_of(chat)
    assert type(twin.choices[0].message) is ChatCompletionMessage
    assert twin == chat
    twin.choices[0].message.content = "changed"
    assert chat.choices[0].message.content == "Grüezi"


def test_a_copy_can_be_given_other_fields(chat: ChatCompletion) -> None:
    twin = chat.model_copy(update={"id": "other", "more": 1})
    assert twin == {**CHAT, "id": "other", "more": 1}
    assert chat == CHAT


def test_a_deep_copy_keeps_what_is_shared_shared() -> None:
    shared = APIObject(n=1)
    twin: Any = copy.deepcopy(APIObject(one=shared, two=shared))
    assert twin.one is twin.two
    assert twin.one is not shared


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_keep_data_and_classes(chat: ChatCompletion, protocol: int) -> None:
    twin = pickle.loads(pickle.dumps(chat, protocol))
    assert twin == chat
    assert type(twin) is ChatCompletion
    assert type(twin.choices[0].message) is ChatCompletionMessage


TWINS = [
    copy.copy,
    copy.deepcopy,
    *(lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in PROTOCOLS),
]


@pytest.mark.parametrize("twin_of", TWINS)
def test_copies_keep_what_is_private(chat: ChatCompletion, twin_of: Any) -> None:
    anything: Any = chat
    anything._kept = ["by a framework"]
    assert twin_of(anything)._kept == ["by a framework"]


@pytest.mark.parametrize("twin_of", TWINS[1:])
def test_copies_may_contain_themselves(chat: ChatCompletion, twin_of: Any) -> None:
    anything: Any = chat
    anything._raw_response = chat
    twin = twin_of(anything)
    assert twin._raw_response is twin
    assert twin is not chat
    assert twin == CHAT


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
