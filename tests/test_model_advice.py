"""Models that are gone or misspelt, and requests that are larger than their model allows."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from helpers_recordings import exchanges

from customgroqchat._faults import error_from_response
from customgroqchat._model_advice import (
    Excess,
    did_you_mean,
    enriched,
    excess_of,
    is_gone,
    room_for,
    too_small,
)
from customgroqchat._presets import MODEL_FACTS, RETIRED, preset_facts, resembling
from customgroqchat._records import ResponseInfo
from customgroqchat.exceptions import APIConnectionError, APIStatusError, ModelNotFoundException
from customgroqchat.model_facts import ModelFacts, configured_facts, merged

OSS = "openai/gpt-oss-20b"
LLAMA = "llama-3.3-70b-versatile"
MISSING = "The model `x` does not exist or you do not have access to it."
DEAD = "The model `x` has been decommissioned and is no longer supported."


def refusal(status: int, code: str | None, message: str = "No.") -> APIStatusError:
    text = json.dumps({"error": {"message": message, "code": code}})
    return error_from_response(ResponseInfo(status, text=text), None, 0.0)


# --- gone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "message", "gone"),
    [
        (404, "model_not_found", "No.", True),
        (400, "model_decommissioned", "No.", True),
        (404, None, MISSING, True),
        (400, None, DEAD, True),
        (404, "unknown_url", MISSING, False),
        (404, None, "The file does not exist or you do not have access to it.", False),
        (400, None, "`tool calling` is not supported with this model", False),
        (403, "model_not_found", MISSING, False),
        (500, "model_not_found", MISSING, False),
    ],
)
def test_a_model_is_gone_if_the_service_says_so(
    status: int, code: str | None, message: str, gone: bool
) -> None:
    assert is_gone(refusal(status, code, message)) is gone


def test_what_the_service_did_not_say_is_nothing_of_a_model() -> None:
    assert not is_gone(APIConnectionError(DEAD))
    assert not is_gone(ModelNotFoundException(MISSING))


@pytest.mark.parametrize(
    ("status", "code"), [(404, "model_not_found"), (400, "model_decommissioned")]
)
def test_a_retired_model_names_its_day_and_its_successor(status: int, code: str) -> None:
    error = refusal(status, code)
    assert enriched(error, LLAMA) is error
    assert vars(error)["successor"] == "openai/gpt-oss-120b"
    assert "2026-08-16" in str(error)
    assert "use 'openai/gpt-oss-120b'" in str(error)
    assert "free and developer accounts" in str(error)


def test_where_nothing_replaces_it_the_hint_says_so() -> None:
    error = enriched(refusal(404, "model_not_found"), "groq/compound")
    assert vars(error).get("successor") is None
    assert "nothing replaces it" in str(error)


def test_a_model_that_is_listed_is_there_for_somebody() -> None:
    error = refusal(404, "model_not_found")
    before = error.hint
    assert enriched(error, LLAMA, [LLAMA, OSS]).hint == before
    dead = enriched(refusal(400, "model_decommissioned"), LLAMA, [LLAMA])
    assert "2026-08-16" in str(dead)  # which is the service's latest word


def test_a_misspelt_model_names_the_one_that_was_meant() -> None:
    error = enriched(refusal(404, "model_not_found"), "gpt-oss-20b")
    assert error.hint == "Did you mean 'openai/gpt-oss-20b'?"
    assert "successor" not in vars(error)


def test_what_was_decommissioned_without_notice_is_not_misspelt() -> None:
    error = refusal(400, "model_decommissioned")
    before = error.hint
    assert enriched(error, "qwen/qwen3.7-27b").hint == before


@pytest.mark.parametrize("model", [None, "something-quite-different"])
def test_where_nothing_is_known_the_hint_stays(model: str | None) -> None:
    error = refusal(404, "model_not_found")
    assert enriched(error, model).hint == "models.list() names the models that this key may use."


def test_other_errors_are_left_alone() -> None:
    error = refusal(429, "rate_limit_exceeded")
    before = dict(vars(error))
    assert vars(enriched(error, LLAMA)) == before


RECORDED = [
    row for row in exchanges(failed=True) if "decommissioned" in json.dumps(row["response"]["body"])
]


@pytest.mark.parametrize("row", RECORDED)
def test_each_recorded_refusal_of_a_dead_model_names_its_successor(row: dict[str, Any]) -> None:
    body = row["response"]["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    error = error_from_response(ResponseInfo(row["response"]["status"], text=text), None, 0.0)
    model = str(error.message).split("`")[1]
    assert model in RETIRED
    enriched(error, model)
    assert vars(error)["successor"] in MODEL_FACTS


# --- misspelt ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-oss-20b", OSS),
        ("GPT-OSS-20B", OSS),
        ("groq/gpt-oss-20b", OSS),
        ("groq/openai/gpt-oss-20b", OSS),
        (" openai/gpt-oss-20b ", OSS),
        ("openai/gpt-oss:20b", OSS),
        ("openai/gpt-oss-20", OSS),
        ("gpt-oss-120b", "openai/gpt-oss-120b"),
        ("whisper-large-v3-turb", "whisper-large-v3-turbo"),
        ("whisper-large-v4", "whisper-large-v3"),
        ("qwen3.8-27b", "qwen/qwen3.8-27b"),
        ("llama-3.3-70b", LLAMA),
        ("gpt-4o", None),
        ("no-such-model", None),
        ("", None),
        (OSS, "openai/gpt-oss-120b"),  # itself is not what was meant
    ],
)
def test_a_name_resembles_a_model(name: str, meant: str | None) -> None:
    assert resembling(name) == meant


def test_what_the_service_has_told_is_what_a_name_can_mean() -> None:
    assert resembling("gpt-oss-20b", ["my/gpt-oss-20b"]) == "my/gpt-oss-20b"
    assert resembling("gpt-oss-20b", ["m", "other"]) is None


def test_a_name_that_resembles_a_dead_model_is_told_what_became_of_it() -> None:
    hint = did_you_mean("llama-3.3-70b")
    assert hint is not None
    assert hint.startswith("Did you mean 'llama-3.3-70b-versatile'? ")
    assert "'openai/gpt-oss-120b'" in hint
    assert did_you_mean("nothing-like-it") is None


# --- too small -----------------------------------------------------------------------------------

SMALL = configured_facts("m", {"context_window": 100, "max_completion_tokens": 40})
GUESSED = ModelFacts.said_by("preset", "m", context_window=100, max_completion_tokens=40)


@pytest.mark.parametrize(
    ("prompt", "cap", "excess"),
    [
        (60, 40, None),
        (100, None, None),
        (101, None, Excess("context_window", 100, 101, True)),
        (61, 40, Excess("context_window", 100, 101, True)),
        (10, 41, Excess("max_completion_tokens", 40, 41, True)),
        (90, 41, Excess("context_window", 100, 131, True)),
    ],
)
def test_what_a_model_is_too_small_for(prompt: int, cap: int | None, excess: Excess | None) -> None:
    assert excess_of(SMALL, prompt, cap) == excess
    guessed = excess_of(GUESSED, prompt, cap)
    is_sure = excess is not None and excess.size == "context_window"
    assert guessed == (excess and excess._replace(is_sure=is_sure))
    assert excess_of(ModelFacts("m"), prompt, cap) is None


def test_what_is_sure_is_told_before_what_is_published() -> None:
    gone = ModelFacts.said_by("preset", "m", context_window=100, retired_on=date(2026, 8, 16))
    facts = merged(gone, configured_facts("m", {"max_completion_tokens": 5}))
    assert excess_of(facts, 200, 6) == Excess("max_completion_tokens", 5, 6, True)


def test_the_error_has_the_arithmetic() -> None:
    window = too_small("m", Excess("context_window", 100, 130, True), 90)
    assert (window.dimension, window.limit, window.requested) == ("context_window", 100, 130)
    assert (window.prompt_tokens, window.model) == (90, "m")
    assert "(90 for the prompt and 40 for the answer)" in window.message
    assert window.hint == "Shorten the messages or max_completion_tokens by 30 tokens."
    cap = too_small("m", Excess("max_completion_tokens", 40, 41, True), 90)
    assert (cap.dimension, cap.limit, cap.requested) == ("max_completion_tokens", 40, 41)
    assert "more than the 40 that m can give" in cap.message
    assert cap.hint == "Lower max_completion_tokens to 40."


@pytest.mark.parametrize(
    ("facts", "prompt", "room"),
    [
        (SMALL, 10, 40),
        (SMALL, 70, 30),
        (SMALL, 120, -20),
        (GUESSED, 70, 30),
        (GUESSED, 120, 40),  # the window may have grown
        (ModelFacts("m"), 120, None),
        (preset_facts("qwen/qwen3.8-27b"), 1_000, 16_384),
    ],
)
def test_the_room_for_an_answer(facts: ModelFacts, prompt: int, room: int | None) -> None:
    assert room_for(facts, prompt) == room
