"""Text completions by way of chat."""

from __future__ import annotations

from typing import Any

import pytest

from customgroqchat._text_completion import to_chat, to_text_completion
from customgroqchat._validation import check_chat_payload
from customgroqchat.exceptions import InvalidRequestException
from customgroqchat.types import CompletionUsage, TextChoice, TextCompletion
from customgroqchat.types.chat import ChatCompletion

MODEL = "openai/gpt-oss-20b"
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": "upon a time", "reasoning": "Hm."},
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 74, "completion_tokens": 3, "total_tokens": 77},
    "system_fingerprint": "fp_1",
    "x_groq": {"id": "req_1"},
    "field_of_tomorrow": 1,
}


def test_a_prompt_becomes_one_message_of_the_user() -> None:
    messages, wanted = to_chat("Once", {"max_completion_tokens": 3, "stop": ["."]})
    assert messages == [{"role": "user", "content": "Once"}]
    assert wanted == {"max_completion_tokens": 3, "stop": ["."]}
    check_chat_payload({"model": MODEL, "messages": messages, **wanted})


@pytest.mark.parametrize("prompt", [None, "", 1, ["one", "two"], [1, 2], b"Once", {"role": "user"}])
def test_a_prompt_is_one_text(prompt: Any) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        to_chat(prompt, {})
    assert caught.value.field == "prompt"
    assert caught.value.value == repr(prompt)
    assert "map()" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("suffix", "the end"), ("echo", True), ("best_of", 3), ("logprobs", 5)]
)
def test_what_chat_cannot_do_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        to_chat("Once", {field: value})
    assert (caught.value.field, caught.value.value) == (field, repr(value))
    assert f"Leave {field} out" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("suffix", ""), ("suffix", None), ("echo", False), ("logprobs", None)]
)
def test_what_asks_for_nothing_impossible_is_left_out(field: str, value: Any) -> None:
    assert field not in to_chat("Once", {field: value})[1]


@pytest.mark.parametrize(("prompt", "field"), [(["x" * 10_000], "prompt"), ("Once", "suffix")])
def test_long_values_are_shown_shortened(prompt: Any, field: str) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        to_chat(prompt, {"suffix": "x" * 10_000})
    assert caught.value.field == field
    assert len(str(caught.value)) < 500
    assert len(caught.value.value or "") < 500


def test_parameters_are_not_changed() -> None:
    parameters = {"echo": False, "seed": 1}
    to_chat("Once", parameters)
    assert parameters == {"echo": False, "seed": 1}


def test_an_answer_has_the_older_shape() -> None:
    answer = to_text_completion(ChatCompletion.wrap(CHAT))
    assert type(answer) is TextCompletion
    assert answer.object == "text_completion"
    assert [type(choice) for choice in answer.choices] == [TextChoice]
    assert answer.choices == [
        {"index": 0, "text": "upon a time", "finish_reason": "length", "logprobs": None}
    ]


def test_every_other_field_is_kept() -> None:
    answer = to_text_completion(ChatCompletion.wrap(CHAT))
    kept = {name: value for name, value in CHAT.items() if name not in ("object", "choices")}
    assert {name: answer[name] for name in kept} == kept
    assert answer.keys() == CHAT.keys()
    assert type(answer.usage) is CompletionUsage
    assert answer.x_groq.id == "req_1"


def test_the_chat_answer_is_left_as_it_was() -> None:
    chat = ChatCompletion.wrap(CHAT)
    to_text_completion(chat)
    assert chat == CHAT


@pytest.mark.parametrize("message", [{"content": None}, {}, None])
def test_an_answer_without_content_is_an_empty_text(message: Any) -> None:
    answer = to_text_completion({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert answer.choices[0].text == ""
    assert answer.choices[0].index == 0
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("chat", [{}, {"choices": None}, {"choices": []}])
def test_an_answer_without_choices_has_none(chat: dict[str, Any]) -> None:
    assert to_text_completion(chat).choices == []
