"""Whole answers: how they came about, beside their fields; and pydantic, which may have them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from customgroqchat import Attempt
from customgroqchat._came_about import RateLimit
from customgroqchat._objects import APIAnswer
from customgroqchat._records import AnswerFacts, Headers
from customgroqchat.types.chat import ChatCompletion
from customgroqchat.types.chat.chat_completion import Choice

HEADERS = Headers(
    {
        "X-RateLimit-Limit-Requests": "14400",
        "x-ratelimit-remaining-requests": "14399",
        "x-ratelimit-reset-requests": "6s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5293",
        "x-ratelimit-reset-tokens": "7.07s",
        "x-ratelimit-limit-audio-seconds": "7200",
        "x-ratelimit-remaining-audio-seconds": "7000",
    }
)
FACTS = AnswerFacts(
    request_id="req_1",
    headers=HEADERS,
    waited_s=1.5,
    history=(Attempt(0.0, 0.5, "RateLimitError", 429), Attempt(1.5, 0.5, "ok", 200, "req_1")),
    fallbacks=("a step",),
)


@pytest.fixture
def answer() -> ChatCompletion:
    return ChatCompletion(id="chatcmpl-1").note(FACTS)


def test_it_knows_how_it_came_about(answer: ChatCompletion) -> None:
    assert answer.request_id == answer._request_id == "req_1"
    assert answer.headers["x-ratelimit-limit-requests"] == "14400"
    assert answer.waited_s == 1.5
    assert answer.history == FACTS.history
    assert (answer.attempts, answer.retries_taken) == (2, 1)
    assert answer.fallbacks == ("a step",)


def test_rate_limits_are_told_by_dimension(answer: ChatCompletion) -> None:
    assert answer.rate_limits == {
        "RPD": RateLimit(limit=14400, remaining=14399, reset_s=6.0),
        "TPM": RateLimit(limit=6000, remaining=5293, reset_s=7.07),
        "ASH": RateLimit(limit=7200, remaining=7000, reset_s=None),
    }


def test_nothing_is_known_of_one_that_the_program_made() -> None:
    answer = ChatCompletion()
    assert answer.request_id is answer._request_id is None
    assert (answer.waited_s, answer.attempts, answer.retries_taken) == (0.0, 0, 0)
    assert (dict(answer.headers), answer.rate_limits, answer.fallbacks) == ({}, {}, ())


def test_that_is_no_field(answer: ChatCompletion) -> None:
    assert answer == {"id": "chatcmpl-1"}
    assert answer.to_dict() == json.loads(json.dumps(answer)) == answer
    assert answer.model_fields_set == {"id"}


@pytest.mark.parametrize(
    "twin_of",
    [
        copy.copy,
        copy.deepcopy,
        ChatCompletion.model_copy,
        ChatCompletion.copy,
        ChatCompletion.model_validate,
        lambda answer: pickle.loads(pickle.dumps(answer)),
        lambda answer: pickle.loads(pickle.dumps(answer, 0)),
    ],
)
def test_copies_know_it_too(answer: ChatCompletion, twin_of: Any) -> None:
    twin = twin_of(answer)
    assert twin == answer
    assert (twin.request_id, twin.headers, twin.history) == ("req_1", HEADERS, FACTS.history)


@pytest.mark.parametrize("name", ["request_id", "_request_id", "headers", "rate_limits"])
def test_it_cannot_be_changed_by_accident(answer: ChatCompletion, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(answer, name, "other")
    assert answer == {"id": "chatcmpl-1"}


def test_fields_of_these_names_are_reached_by_key() -> None:
    answer = APIAnswer.wrap({"headers": {"a": 1}, "request_id": "sent"}).note(FACTS)
    assert answer["headers"] == {"a": 1}
    assert (answer.request_id, answer["request_id"]) == ("req_1", "sent")


# --- pydantic, where it is installed ----------------------------------------------------------

CHAT = {"id": "1", "choices": [{"message": {"content": "x"}}]}


@pytest.fixture
def model() -> Any:
    pydantic = pytest.importorskip("pydantic")
    return pydantic.create_model("Holder", chat=(ChatCompletion, ...))


def test_pydantic_takes_an_answer_as_it_is(model: Any, answer: ChatCompletion) -> None:
    assert model(chat=answer).chat is answer


def test_pydantic_makes_one_of_a_dict(model: Any) -> None:
    made = model(chat=CHAT).chat
    assert type(made) is ChatCompletion
    assert type(made.choices[0]) is Choice


def test_pydantic_refuses_what_is_no_dict(model: Any) -> None:
    with pytest.raises(ValueError, match="valid dictionary"):
        model(chat=3)


def test_pydantic_writes_and_reads_json(model: Any) -> None:
    held = model(chat=CHAT)
    assert model.model_validate_json(held.model_dump_json()) == held
    assert type(held.model_dump()["chat"]) is dict
    assert model.model_json_schema()["properties"]["chat"]["type"] == "object"
