"""What the end of an attempt means for quota and retries."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_handler import TOLD

from customgroqchat._outcomes import is_answer, usage_of, waits_for_quota, was_not_charged
from customgroqchat._pricing import Usage
from customgroqchat._records import Headers, ResponseInfo
from customgroqchat.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    CapacityExceededError,
    RateLimitError,
)

ODD_DETAILS: list[Any] = [None, [], "x", 7, {}, {"cached_tokens": None}, {"cached_tokens": "x"}]


def status(code: int, headers: dict[str, str] | None = None, **facts: Any) -> APIStatusError:
    info = None if headers is None else ResponseInfo(code, Headers(headers))
    return APIStatusError(f"HTTP {code}", status_code=code, response=info, **facts)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (RateLimitError("429", retry_after=2.0), True),
        (RateLimitError("429", retry_after=0.0), False),
        (RateLimitError("429"), False),
        (CapacityExceededError("498"), False),
        (status(503), False),
        (APITimeoutError("slow"), False),
    ],
)
def test_a_refusal_that_says_when_to_come_back_waits_for_quota(
    error: APIError, waits: bool
) -> None:
    assert waits_for_quota(error) is waits


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (APIConnectionError("refused", may_have_arrived=False), True),
        (APIConnectionError("reset", may_have_arrived=True), False),
        (APITimeoutError("slow"), False),
        (CapacityExceededError("498"), True),
        (APIResponseValidationError("no JSON"), False),
        *((status(code), True) for code in (400, 401, 404, 409, 503, 529)),
        *((status(code, {}), True) for code in (400, 404, 503, 529)),
        *((status(code, TOLD), False) for code in (400, 404, 503, 529)),  # after the work
        *((status(code), False) for code in (500, 502, 504)),
        *((status(code, {}), False) for code in (500, 502, 504)),
    ],
)
def test_what_was_certainly_not_charged(error: APIError, free: bool) -> None:
    assert was_not_charged(error) is free


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 50, "completion_tokens": 20}, Usage(50, 20)),
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 30},
            },
            Usage(50, 20, 30),
        ),
        *(
            (
                {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": details},
                Usage(5, 2),
            )
            for details in ODD_DETAILS
        ),
        ({"prompt_tokens": "5", "completion_tokens": 2}, None),
        ({"prompt_tokens": 5, "completion_tokens": None}, None),
        ({"prompt_tokens": 5}, None),
        ({}, None),
        (None, None),
        ([5, 2], None),
    ],
)
def test_usage_is_taken_as_far_as_it_can_be_understood(usage: Any, expected: Usage | None) -> None:
    assert usage_of({"usage": usage}) == expected


@pytest.mark.parametrize("data", [None, [], "usage", 7, {}])
def test_what_is_no_answer_has_no_usage(data: Any) -> None:
    assert usage_of(data) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"choices": []}, True),
        ({"choices": [{}, {"message": None}]}, True),
        ({"choices": None}, False),
        ({"choices": {}}, False),
        ({"choices": ["x"]}, False),
        ({"choices": [{}, None]}, False),
        ({}, False),
        ({"error": {}}, False),
        ([{"choices": []}], False),
        (None, False),
    ],
)
def test_an_answer_has_choices(data: Any, expected: bool) -> None:
    assert is_answer(data) is expected
