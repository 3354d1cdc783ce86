"""What the paths of the API take, refuse, and say of what was used."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_surface import CHAT as CHAT_ANSWER
from helpers_surface import EMBEDDINGS as EMBEDDINGS_ANSWER
from helpers_surface import RESPONSE

from customgroqchat import InvalidRequestException
from customgroqchat._endpoints import (
    CHAT,
    EMBEDDINGS,
    PACED,
    RESPONSES,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    Endpoint,
)

TOOL = {"type": "function", "function": {"name": "f"}}
GOOD: dict[str, tuple[Endpoint, dict[str, Any]]] = {
    "responses": (
        RESPONSES,
        {
            "model": "m",
            "input": "Hi",
            "temperature": 0,
            "top_p": 1,
            "max_output_tokens": 5,
            "instructions": "Be brief.",
            "stream": True,
            "tools": [TOOL, {"type": "browser_search"}],
            "text": {"format": {"type": "text"}},
            "reasoning": {"effort": "low"},
            "unknown": object(),
        },
    ),
    "embeddings": (
        EMBEDDINGS,
        {"model": "e", "input": ["a", "b"], "encoding_format": "base64", "user": "u"},
    ),
    "speech": (
        SPEECH,
        {
            "model": "o",
            "input": "Hi",
            "voice": "troy",
            "response_format": "wav",
            "sample_rate": 8_000,
            "speed": 0.5,
        },
    ),
    "audio": (
        TRANSCRIPTIONS,
        {
            "model": "w",
            "language": "en",
            "prompt": "Groq",
            "response_format": "json",
            "temperature": 0.5,
            "timestamp_granularities": ["word", "segment"],
            "url": "https://host/a.wav",
        },
    ),
}
BAD = [
    ("responses", "model", [None, "", 3]),
    ("responses", "input", [None, "", [], 3, {"role": "user"}]),
    ("responses", "temperature", [-0.1, 2.1, "1", True]),
    ("responses", "top_p", [1.1, "1"]),
    ("responses", "max_output_tokens", [-1, 0.5, "1"]),
    ("responses", "instructions", [3]),
    ("responses", "stream", [1, "true"]),
    ("responses", "tools", [3, "f", [TOOL] * 129]),
    ("responses", "text", ["x"]),
    ("responses", "reasoning", ["low"]),
    ("embeddings", "model", [None, " "]),
    ("embeddings", "input", [None, "", [], 3]),
    ("embeddings", "encoding_format", [3]),
    ("embeddings", "user", [3]),
    ("speech", "model", [None]),
    ("speech", "input", [None, "", 3, ["Hi"]]),
    ("speech", "voice", [None, "", 3]),
    ("speech", "response_format", [3]),
    ("speech", "sample_rate", [0, 8_000.5]),
    ("speech", "speed", [0, "fast", 101]),
    ("audio", "model", [None]),
    ("audio", "language", [3]),
    ("audio", "prompt", [3]),
    ("audio", "response_format", [3]),
    ("audio", "temperature", [-0.1, 1.1]),
    ("audio", "timestamp_granularities", [3, "word", [3]]),
    ("audio", "url", [3]),
]


@pytest.mark.parametrize("name", GOOD)
def test_what_may_be_right_passes(name: str) -> None:
    endpoint, payload = GOOD[name]
    endpoint.check(payload)
    optional = dict.fromkeys(payload.keys() - {"model", "input", "voice"})
    endpoint.check({**payload, **optional})  # None is no value


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [(name, field, value) for name, field, values in BAD for value in values],
)
def test_what_is_certainly_wrong_is_named(name: str, field: str, value: Any) -> None:
    endpoint, payload = GOOD[name]
    with pytest.raises(InvalidRequestException) as caught:
        endpoint.check({**payload, field: value})
    assert caught.value.field == field
    assert caught.value.hint


@pytest.mark.parametrize("tool", [{}, {"type": 3}, "f", None])
def test_the_tool_that_is_wrong_is_named(tool: Any) -> None:
    endpoint, payload = GOOD["responses"]
    with pytest.raises(InvalidRequestException) as caught:
        endpoint.check({**payload, "tools": [TOOL, tool]})
    assert caught.value.field == "tools[1]"


@pytest.mark.parametrize(
    ("endpoint", "answer", "prompt", "completion"),
    [
        (CHAT, CHAT_ANSWER, 70, 5),
        (RESPONSES, RESPONSE, 70, 5),
        (EMBEDDINGS, EMBEDDINGS_ANSWER, 4, 0),
    ],
)
def test_an_answer_says_what_it_took(
    endpoint: Endpoint, answer: Any, prompt: int, completion: int
) -> None:
    assert endpoint.is_answer(answer)
    usage = endpoint.usage_of(answer)
    assert usage is not None
    assert (usage.prompt, usage.completion) == (prompt, completion)


def test_cached_tokens_of_a_response_are_known() -> None:
    details = {"cached_tokens": 64}
    answer = {"usage": {"input_tokens": 70, "output_tokens": 5, "input_tokens_details": details}}
    usage = RESPONSES.usage_of(answer)
    assert usage is not None
    assert usage.cached == 64


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, EMBEDDINGS])
@pytest.mark.parametrize("data", [None, [], "x", {}, {"usage": None}, {"usage": []}, {"usage": {}}])
def test_an_answer_that_does_not_say_is_not_guessed_at(endpoint: Endpoint, data: Any) -> None:
    assert endpoint.usage_of(data) is None


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, EMBEDDINGS, SPEECH, TRANSCRIPTIONS])
@pytest.mark.parametrize("data", [None, [], [1], "x", 3])
def test_what_is_no_object_is_no_answer(endpoint: Endpoint, data: Any) -> None:
    assert not endpoint.is_answer(data)


def test_embeddings_have_data() -> None:
    assert not EMBEDDINGS.is_answer({})
    assert not EMBEDDINGS.is_answer({"data": None})
    assert RESPONSES.is_answer({})
    assert TRANSCRIPTIONS.is_answer({})


@pytest.mark.parametrize(
    ("endpoint", "payload", "cap"),
    [
        (CHAT, {}, None),
        (CHAT, {"max_tokens": 5}, 5),
        (CHAT, {"max_tokens": 5, "max_completion_tokens": 3}, 3),
        (CHAT, {"max_tokens": 5, "max_completion_tokens": None}, 5),
        (RESPONSES, {"max_tokens": 5}, None),
        (RESPONSES, {"max_output_tokens": 0}, 0),
        (EMBEDDINGS, {"max_tokens": 5}, 0),
    ],
)
def test_the_cap_is_what_the_path_knows_as_one(
    endpoint: Endpoint, payload: dict[str, int], cap: int | None
) -> None:
    assert endpoint.cap(payload) == cap


def test_what_is_posted_by_hand_is_paced_where_it_is_json() -> None:
    assert set(PACED) == {"/chat/completions", "/responses", "/embeddings", "/audio/speech"}
    assert all(PACED[path].path == path for path in PACED)
    assert TRANSLATIONS.path == "/audio/translations"
    assert (TRANSLATIONS.unit, SPEECH.unit, CHAT.unit) == ("audio", "characters", "tokens")
