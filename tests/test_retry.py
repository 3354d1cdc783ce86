"""Whether to try again, and when."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._faults import error_from_response
from customgroqchat._records import Headers, ResponseInfo
from customgroqchat._retry import RetryBudget, RetryPolicy, is_retryable, may_have_begun
from customgroqchat.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    CapacityExceededError,
    InternalServerError,
    RateLimitError,
    RequestTooLargeError,
)

chances = st.floats(0.0, 1.0, exclude_max=True)


def answered(status: int, told: str | None = None) -> APIStatusError:
    headers = Headers({} if told is None else {"X-Should-Retry": told})
    return error_from_response(ResponseInfo(status, headers), None, wall_s=0.0)


@pytest.mark.parametrize("status", [408, 409, 429, 498, 500, 502, 503, 504, 520, 522, 524, 599])
def test_passing_faults_are_retried(status: int) -> None:
    assert is_retryable(answered(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 418, 422, 424, 499])
def test_what_would_fail_again_is_not(status: int) -> None:
    assert not is_retryable(answered(status))


@pytest.mark.parametrize("status", [400, 413, 429, 500])
@pytest.mark.parametrize(("told", "expected"), [("true", True), ("false", False)])
def test_the_services_own_word_comes_first(status: int, told: str, expected: bool) -> None:
    assert is_retryable(answered(status, told)) is expected


@pytest.mark.parametrize(("status", "expected"), [(400, False), (500, True)])
def test_a_word_that_is_neither_yes_nor_no_is_none(status: int, expected: bool) -> None:
    assert is_retryable(answered(status, "maybe")) is expected


def test_an_error_without_an_answer_is_judged_by_its_class() -> None:
    assert is_retryable(InternalServerError("over capacity", status_code=503))
    assert is_retryable(CapacityExceededError("flex is full", status_code=498))
    assert not is_retryable(RequestTooLargeError("too large", status_code=413))


@pytest.mark.parametrize("error", [APIConnectionError("reset"), APITimeoutError("slow")])
def test_a_broken_connection_is_retried(error: APIError) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize("error", [APIError("in a stream"), APIResponseValidationError("no JSON")])
def test_what_is_no_status_and_no_connection_is_not(error: APIError) -> None:
    assert not is_retryable(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RateLimitError("reached", limit=8000, used=7000, requested=2000), True),
        (RateLimitError("reached", limit=8000, used=7000, requested=8000), True),
        (RateLimitError("reached", limit=7000, used=0, requested=12903), False),
        (RateLimitError("reached"), True),
        (RateLimitError("reached", limit=8000), True),
        (RateLimitError("HTTP 429: Request too large for model `m`"), False),
    ],
)
def test_a_refusal_is_retried_if_it_can_ever_pass(error: RateLimitError, expected: bool) -> None:
    assert is_retryable(error) is expected


# --- when ------------------------------------------------------------------------------------

FAULT = InternalServerError("over capacity", status_code=503)


def test_backoff_doubles_up_to_its_cap() -> None:
    policy = RetryPolicy(max_retries=10)
    halves = [policy.delay_s(FAULT, retries, 0.5) for retries in range(7)]
    assert halves == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_full_jitter_begins_at_zero() -> None:
    assert RetryPolicy().delay_s(FAULT, 0, 0.0) == 0.0


def test_it_gives_up_after_the_retries_it_has() -> None:
    policy = RetryPolicy(max_retries=2)
    given_up = [policy.delay_s(FAULT, retries, 0.5) is None for retries in range(4)]
    assert given_up == [False, False, True, True]


def test_without_retries_nothing_is_retried() -> None:
    assert RetryPolicy(max_retries=0).delay_s(FAULT, 0, 0.5) is None


def test_what_cannot_succeed_is_not_waited_for() -> None:
    error = answered(400)
    error.retry_after = 1.0
    assert RetryPolicy().delay_s(error, 0, 0.5) is None


def test_a_policy_can_be_shared_because_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RetryPolicy().max_retries = 5  # type: ignore[misc]


@repeatable
@given(st.integers(0, 10**6), chances, st.floats(1e-3, 60.0), st.floats(1e-3, 600.0))
def test_backoff_stays_within_its_bounds(
    retries: int, chance: float, base_s: float, cap_s: float
) -> None:
    policy = RetryPolicy(max_retries=10**9, base_s=base_s, cap_s=cap_s)
    delay_s = policy.delay_s(FAULT, retries, chance)
    assert delay_s is not None
    assert 0.0 <= delay_s <= cap_s
    if retries == 0:
        assert delay_s <= base_s


@repeatable
@given(st.floats(0.0, 120.0), chances, st.integers(0, 9))
def test_a_wait_that_was_asked_for_is_kept_and_hardly_exceeded(
    asked_s: float, chance: float, retries: int
) -> None:
    error = RateLimitError("reached", retry_after=asked_s)
    delay_s = RetryPolicy(max_retries=10, base_s=0.5).delay_s(error, retries, chance)
    assert delay_s is not None
    assert asked_s <= delay_s <= asked_s + 0.5


@pytest.mark.parametrize("asked_s", [120.1, 5011.0])
def test_a_wait_that_is_too_long_is_left_to_the_caller(asked_s: float) -> None:
    error = RateLimitError("reached", retry_after=asked_s)
    assert RetryPolicy().delay_s(error, 0, 0.5) is None
    assert RetryPolicy(longest_s=asked_s).delay_s(error, 0, 0.0) == asked_s


# --- the budget ------------------------------------------------------------------------------


def spent(budget: RetryBudget) -> int:
    count = 0
    while budget.spend():
        count += 1
    return count


def test_a_budget_is_spent_one_by_one() -> None:
    budget = RetryBudget(size=3)
    assert spent(budget) == 3
    assert not budget.spend()


def test_refusing_takes_nothing() -> None:
    budget = RetryBudget(size=0.5)
    assert not budget.spend()
    assert budget.left == 0.5


@pytest.mark.parametrize("retries", [1, 2, 3])
def test_ten_successes_are_worth_a_retry(retries: int) -> None:
    budget = RetryBudget()
    spent(budget)
    for _ in range(10 * retries):
        budget.refund()
    assert spent(budget) == retries


def test_nine_successes_are_not() -> None:
    budget = RetryBudget()
    spent(budget)
    for _ in range(9):
        budget.refund()
    assert not budget.spend()


def test_successes_are_not_hoarded() -> None:
    budget = RetryBudget(size=5)
    for _ in range(1000):
        budget.refund()
    assert spent(budget) == 5


# --- what must not be done twice -------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "begun"),
    [
        (APIConnectionError("refused", may_have_arrived=False), False),
        (APIConnectionError("reset"), True),
        (APITimeoutError("slow"), True),
        (APIResponseValidationError("no JSON"), True),
        *((answered(status), True) for status in (408, 500, 502, 504)),
        *((answered(status), False) for status in (400, 409, 413, 429, 498, 503)),
    ],
)
def test_whether_something_may_have_been_done(error: APIError, begun: bool) -> None:
    assert may_have_begun(error) is begun
