"""How answers look in a terminal, in IPython, and to the package rich."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._objects import APIObject
from customgroqchat._records import AnswerFacts, Headers
from customgroqchat.types.chat import ChatCompletion, ChatCompletionMessage
from customgroqchat.types.chat.chat_completion import Choice
from customgroqchat.types.completion_usage import CompletionUsage

NAMES = {cls.__name__: cls for cls in (APIObject, ChatCompletion, ChatCompletionMessage, Choice)}
CHAT = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Grüezi,\nand " + "good day " * 6},
        }
    ],
    "x-new": None,
}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (APIObject(), "APIObject()"),
        (CompletionUsage(prompt_tokens=1), "CompletionUsage(prompt_tokens=1)"),
        (APIObject({"a-b": 1, "c": "d"}), "APIObject({'a-b': 1, 'c': 'd'})"),
        (APIObject({"class": 1}), "APIObject({'class': 1})"),
        (APIObject(a=[], b=[1, [2]], c={}), "APIObject(a=[], b=[1, [2]], c=APIObject())"),
    ],
)
def test_short_ones_are_one_line(answer: APIObject, shown: str) -> None:
    assert repr(answer) == str(answer) == f"{answer}" == shown


def test_long_ones_are_indented() -> None:
    text = "'Grüezi,\\nand good day good day good day good day good day good day '"
    assert (
        repr(ChatCompletion.wrap(CHAT))
        == f"""\
ChatCompletion({{
    'id': 'chatcmpl-1',
    'choices': [
        Choice(
            index=0,
            finish_reason='stop',
            message=ChatCompletionMessage(
                role='assistant',
                content={text},
            ),
        ),
    ],
    'x-new': None,
}})"""
    )


def test_plain_dicts_that_were_put_in_are_shown_as_such() -> None:
    answer = APIObject()
    answer["given"] = {"a": {"b": ("c",)}}
    assert repr(answer) == "APIObject(given={'a': {'b': ('c',)}})"


def test_one_that_contains_itself_can_be_shown() -> None:
    answer = APIObject(a=1)
    answer["self"] = [answer]
    assert repr(answer) == "APIObject(a=1, self=[...])"


def test_how_it_came_about_is_not_shown() -> None:
    facts = AnswerFacts(request_id="req_1", headers=Headers({"x-a": "b"}))
    answer: Any = ChatCompletion(id="1").note(facts)
    answer._client = "gsk_secret"
    assert repr(answer) == "ChatCompletion(id='1')"


@repeatable
@given(st.dictionaries(st.text(max_size=5), json_values))
def test_what_is_shown_is_an_expression_that_makes_it(data: dict[str, Any]) -> None:
    answer = APIObject(data)
    again = eval(repr(answer), dict(NAMES))
    assert again == answer
    assert type(again) is APIObject


@repeatable
@given(st.lists(json_values, min_size=1))
def test_lines_are_short_where_they_can_be(values: list[Any]) -> None:
    for line in repr(APIObject(values=values)).splitlines():
        assert len(line) <= 101 or len(line.split(", ")) == 1 or "'" in line or '"' in line


class Printer:
    """What IPython hands over, as far as it is needed."""

    def __init__(self) -> None:
        self.shown = ""

    def text(self, text: str) -> None:
        self.shown += text

    def break_(self) -> None:
        self.shown += "\n>>"


def test_ipython_indents_it() -> None:
    printer = Printer()
    chat = ChatCompletion.wrap(CHAT)
    chat._repr_pretty_(printer, cycle=False)
    assert printer.shown == repr(chat).replace("\n", "\n>>")
    assert printer.shown.count(">>") > 5


def test_ipython_ends_where_one_contains_itself() -> None:
    printer = Printer()
    APIObject()._repr_pretty_(printer, cycle=True)
    assert printer.shown == "..."


def test_rich_gets_the_fields() -> None:
    assert list(APIObject({"a": 1, "b-c": [2]}).__rich_repr__()) == [("a", 1), ("b-c", [2])]
