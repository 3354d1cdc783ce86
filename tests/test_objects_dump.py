"""Answers as plain dicts and as JSON: the methods of the official SDK and of pydantic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._objects import APIObject
from customgroqchat.types.chat import ChatCompletion

CHAT = {
    "id": "chatcmpl-1",
    "usage": None,
    "choices": [
        {"index": 0, "logprobs": None, "message": {"role": "assistant", "content": "Grüezi"}},
        {"index": 1, "logprobs": None, "message": {"role": "assistant", "content": None}},
    ],
    "new_field": {"parts": [{"a": None}, None]},
}


@pytest.fixture
def chat() -> ChatCompletion:
    return ChatCompletion.wrap(CHAT)


def classes_in(value: Any) -> set[type]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(classes_in, inside))


@pytest.mark.parametrize("name", ["to_dict", "model_dump", "dict"])
def test_plain_dicts_and_lists(chat: ChatCompletion, name: str) -> None:
    plain = getattr(chat, name)()
    assert plain == CHAT
    assert classes_in(plain) <= {dict, list, str, int, type(None)}
    plain["choices"][0]["index"] = 99
    assert chat.choices[0].index == 0


@pytest.mark.parametrize("name", ["to_dict", "model_dump", "dict"])
def test_what_was_not_sent_is_in_no_dump(name: str) -> None:
    assert getattr(ChatCompletion(id="1"), name)(exclude_unset=False) == {"id": "1"}


@pytest.mark.parametrize("name", ["to_json", "model_dump_json", "json"])
def test_json_text_is_readable_and_complete(chat: ChatCompletion, name: str) -> None:
    text = getattr(chat, name)()
    assert json.loads(text) == CHAT
    assert "Grüezi" in text
    assert ("\n  " in text) is (name == "to_json")
    assert "\n   " in getattr(chat, name)(indent=3)
    assert "Gr\\u00fcezi" in getattr(chat, name)(ensure_ascii=True)


def test_json_text_on_one_line_has_no_spaces() -> None:
    answer = APIObject.wrap({"a": [1, 2], "b": {"c": None}})
    assert answer.model_dump_json() == answer.to_json(indent=None) == '{"a":[1,2],"b":{"c":null}}'


WITHOUT_NONE = {
    "id": "chatcmpl-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Grüezi"}},
        {"index": 1, "message": {"role": "assistant"}},
    ],
    "new_field": {"parts": [{}, None]},
}


@pytest.mark.parametrize("option", ["exclude_none", "exclude_defaults"])
def test_none_can_be_left_out_at_every_depth(chat: ChatCompletion, option: str) -> None:
    assert chat.to_dict(**{option: True}) == WITHOUT_NONE
    assert json.loads(chat.to_json(**{option: True})) == WITHOUT_NONE
    assert chat == CHAT


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "json", "use_api_names": False, "exclude_unset": False, "warnings": False},
        {"mode": "python", "by_alias": True, "round_trip": True, "serialize_as_any": True},
        {"context": {"a": 1}, "fallback": str, "exclude_computed_fields": True},
    ],
)
def test_the_other_options_are_accepted(chat: ChatCompletion, options: dict[str, Any]) -> None:
    assert chat.to_dict(**options) == chat.model_dump(**options) == CHAT
    assert json.loads(chat.to_json(**options)) == json.loads(chat.model_dump_json(**options))


@pytest.mark.parametrize("name", ["to_dict", "to_json", "model_dump", "model_dump_json"])
def test_a_misspelt_option_is_told(chat: ChatCompletion, name: str) -> None:
    with pytest.raises(TypeError, match="no option exclude_nothing"):
        getattr(chat, name)(exclude_nothing=True)


ROLES = [{"message": {"role": "assistant"}}, {"message": {"role": "assistant"}}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": {"id", "no_such"}}, {"id": "chatcmpl-1"}),
        ({"include": ["id"]}, {"id": "chatcmpl-1"}),
        ({"include": {}}, {}),
        ({"include": set()}, {}),
        ({"exclude": {"choices", "new_field"}}, {"id": "chatcmpl-1", "usage": None}),
        ({"include": {"id", "usage"}, "exclude": {"id"}}, {"usage": None}),
        ({"include": {"id", "usage"}, "exclude_none": True}, {"id": "chatcmpl-1"}),
        (
            {"include": {"id": True, "usage": ..., "choices": False}},
            {"id": "chatcmpl-1", "usage": None},
        ),
        ({"include": {"choices": {"__all__": {"message": {"role"}}}}}, {"choices": ROLES}),
        ({"include": {"choices": {1: {"index"}}}}, {"choices": [{"index": 1}]}),
        ({"include": {"new_field": {"parts": {0}}}}, {"new_field": {"parts": [{"a": None}]}}),
        (
            {"include": {"choices"}, "exclude": {"choices": {0: True, 1: {"message", "logprobs"}}}},
            {"choices": [{"index": 1}]},
        ),
        ({"include": {"choices"}, "exclude": {"choices": {"__all__"}}}, {"choices": []}),
    ],
)
def test_fields_can_be_chosen(
    chat: ChatCompletion, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert chat.model_dump(**options) == expected
    assert json.loads(chat.model_dump_json(**options)) == expected
    assert classes_in(chat.model_dump(**options)) <= {dict, list, str, int, type(None)}


@repeatable
@given(st.dictionaries(st.text(max_size=3), json_values))
def test_to_choose_all_or_nothing_is_to_choose_all(data: dict[str, Any]) -> None:
    answer = APIObject.wrap(data)
    assert answer.model_dump(include=set(data)) == answer.model_dump(exclude=set()) == data
    assert answer.model_dump(exclude=set(data)) == answer.model_dump(include=set()) == {}
