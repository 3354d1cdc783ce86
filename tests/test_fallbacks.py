"""Whether another model may do what one cannot now."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from helpers_recordings import quoted_refusals

from customgroqchat import exceptions as errors
from customgroqchat._fallbacks import FallbackStep, chain_of, moves_on, step_of
from customgroqchat._faults import error_from_response
from customgroqchat._records import ResponseInfo
from customgroqchat.exceptions import (
    APIStatusError,
    GroqError,
    InvalidRequestException,
    RateLimitExceededException,
)

LIMIT = (
    "Rate limit reached for model `m` in organization `org_1` service tier `on_demand` on {}: "
    "Limit {}, Used 990, Requested {}. Please try again in {}."
)


def refusal(status: int, code: str | None = None, message: str = "No.") -> APIStatusError:
    text = json.dumps({"error": {"message": message, "code": code}})
    return error_from_response(ResponseInfo(status, text=text), None, 0.0)


def quota(name: str, limit: int = 1_000, requested: int = 50) -> APIStatusError:
    text = LIMIT.format(name, limit, requested, "5m")
    return refusal(429, "rate_limit_exceeded", text)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (quota("tokens per day (TPD)"), "daily_quota"),
        (quota("requests per day (RPD)"), "daily_quota"),
        (quota("tokens per minute (TPM)"), None),
        (quota("requests per minute (RPM)"), None),
        (quota("seconds of audio per hour (ASPH)"), None),
        (quota("tokens per day (TPD)", requested=1_001), None),  # too large: nothing is used up
        (
            RateLimitExceededException("Wait.", dimension="RPD", limit=10, requested=1),
            "daily_quota",
        ),
        (RateLimitExceededException("Wait.", dimension="ASD"), "daily_quota"),
        (RateLimitExceededException("Wait.", dimension="TPM"), None),
        (RateLimitExceededException("The deadline is over."), None),
        (refusal(429, None, "no credits remaining"), None),
        (refusal(498), "capacity"),
        (refusal(503), "capacity"),
        (refusal(529), "capacity"),
        (refusal(500), None),
        (refusal(502), None),
        (refusal(504), None),
        (refusal(404, "model_not_found"), "not_found"),
        (refusal(400, "model_decommissioned"), "retired"),
        (refusal(404, "unknown_url"), None),
        (refusal(403, "model_permission_blocked_org"), "blocked"),
        (refusal(403, "model_permission_blocked_project"), "blocked"),
        (refusal(403), None),
        (refusal(403, "model_terms_required"), None),
        (refusal(400), None),
        (refusal(400, "blocked_api_access"), None),
        (refusal(400, "context_length_exceeded"), None),
        (refusal(401, "invalid_api_key"), None),
        (refusal(409), None),
        (refusal(413, "rate_limit_exceeded"), None),
        (refusal(422), None),
        (errors.APIConnectionError("gone"), None),
        (errors.APITimeoutError("late"), None),
        (errors.IncompleteStreamError("cut"), None),
        (errors.TokenLimitExceededException("large", dimension="TPD"), None),
        (errors.ModelNotFoundException("strict"), None),
        (errors.QueueFullException("full"), None),
        (errors.RequestCancelledException("enough"), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_only_what_is_the_models_own_trouble_moves_on(
    error: BaseException, reason: str | None
) -> None:
    assert moves_on(error) == reason


def test_a_dead_model_is_told_from_one_that_never_was() -> None:
    missing = refusal(404, "model_not_found")
    assert moves_on(missing, "llama-3.3-70b-versatile") == "retired"
    assert moves_on(missing, "openai/gpt-oss-200b") == "not_found"
    missing.model = "llama-3.3-70b-versatile"
    assert moves_on(missing) == "retired"


@pytest.mark.parametrize("row", quoted_refusals())
def test_of_quoted_refusals_those_of_the_day_move_on(row: dict[str, Any]) -> None:
    error = refusal(429, "rate_limit_exceeded", row["message"])
    shorter = any(span in row["message"] for span in ("per minute", "per hour", "too large"))
    assert (moves_on(error) == "daily_quota") is not shorter


# --- steps ---------------------------------------------------------------------------------------


def test_a_step_says_why() -> None:
    step = step_of("m", quota("tokens per day (TPD)"))
    assert step is not None
    assert (step.model, step.reason, type(step.error).__name__) == (
        "m",
        "daily_quota",
        "RateLimitError",
    )
    assert str(step) == "m has used up what it may take in a day"
    plain = json.loads(json.dumps(step.to_dict()))
    assert (plain["model"], plain["reason"]) == ("m", "daily_quota")
    assert plain["error"]["dimension"] == "TPD"
    assert step_of("m", refusal(401)) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(498), "m is over capacity"),
        (refusal(400, "model_decommissioned"), "m was shut down"),
        (refusal(404, "model_not_found"), "m is not there for this key"),
        (
            refusal(403, "model_permission_blocked_org"),
            "m is blocked for this project or organisation",
        ),
    ],
)
def test_each_reason_has_its_words(error: GroqError, words: str) -> None:
    assert str(step_of("m", error)) == words


def test_a_step_holds_on_to_nothing() -> None:
    error = refusal(503)
    try:
        try:
            raise ValueError("what holds a key")
        except ValueError as cause:
            raise error from cause
    except APIStatusError:
        step = step_of("m", error)
    assert step is not None
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    copy = pickle.loads(pickle.dumps(step))
    assert isinstance(copy, FallbackStep)
    assert (copy.reason, copy.error.to_dict()) == (step.reason, step.error.to_dict())


# --- chains --------------------------------------------------------------------------------------


def test_a_chain_begins_with_the_model_and_has_each_once() -> None:
    assert chain_of("a", None) == ("a",)
    assert chain_of("a", []) == ("a",)
    assert chain_of("a", ["b", "a", "c", "b"]) == ("a", "b", "c")
    assert chain_of("a", iter(("b",))) == ("a", "b")


@pytest.mark.parametrize(
    ("fallbacks", "field"),
    [
        ("b", "fallbacks"),
        (b"b", "fallbacks"),
        ({"b": 1}, "fallbacks"),
        (5, "fallbacks"),
        (["b", ""], "fallbacks[1]"),
        (["b", " "], "fallbacks[1]"),
        ([None], "fallbacks[0]"),
        ([5], "fallbacks[0]"),
    ],
)
def test_what_is_no_list_of_names_is_refused(fallbacks: Any, field: str) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        chain_of("a", fallbacks)
    assert caught.value.field == field
    assert caught.value.hint
