"""RequestHandler: caps that it fits itself, deadlines, and what a request would wait for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers_handler import LIMITS, MODEL, PAYLOAD, TOLD, Bench

from customgroqchat import (
    Again,
    HTTPResponse,
    InternalServerError,
    InvalidRequestException,
    RateLimitError,
    RequestOptions,
    RequestTooLargeError,
    TokenLimitExceededException,
    Wait,
)
from customgroqchat._records import Headers, ResponseInfo
from customgroqchat.queue_manager import Ahead
from customgroqchat.request_handler import Work

ANSWER = {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 20}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def sent(work: Work) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(work.request.body or b"{}")
    return body


# --- a cap that is left to this client -----------------------------------------------------------


def test_a_cap_is_fitted_to_what_is_expected_and_noted_in_the_answer() -> None:
    bench = Bench(expected_completion_tokens=100)
    work = bench.prepare(max_completion_tokens="auto")
    assert sent(work) == {**PAYLOAD, "max_completion_tokens": 400}
    assert work.demand.output_cap == 400
    _, result = bench.run(work, HTTPResponse(200, Headers(TOLD), dict(ANSWER)))
    note = result["x_customgroqchat"]
    assert note["max_completion_tokens"] == 400
    assert "expected" in note["reason"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({**LIMITS, "token_per_minute": 300}, "TPM limit of 300"),
        ({**LIMITS, "max_completion_tokens": 70}, "model"),
        ({**LIMITS, "context_window": 250}, "model"),
    ],
)
def test_a_cap_is_fitted_to_whatever_is_smallest(limits: dict[str, int], reason: str) -> None:
    bench = Bench(limits=limits)
    work = bench.prepare(max_completion_tokens="auto")
    assert work.fit is not None
    assert 0 < work.fit.cap < 300
    assert reason in work.fit.note()["reason"]
    bench.admit(work)


def test_where_no_answer_has_room_it_is_refused() -> None:
    bench = Bench(limits={**LIMITS, "token_per_minute": 20})
    with pytest.raises(TokenLimitExceededException):
        bench.prepare(max_completion_tokens="auto")


def test_what_nobody_asked_for_is_not_noted(bench: Bench) -> None:
    _, result = bench.run(bench.prepare(), HTTPResponse(200, Headers(TOLD), dict(ANSWER)))
    assert "x_customgroqchat" not in result


def too_large(kind: type, **facts: Any) -> Any:
    info = ResponseInfo(413, Headers(TOLD))
    return kind("too large", status_code=413, response=info, dimension="TPM", **facts)


def test_when_a_lower_limit_is_told_the_cap_is_fitted_again() -> None:
    bench = Bench(expected_completion_tokens=1_000)
    work = bench.prepare(max_completion_tokens="auto")
    before = sent(work)["max_completion_tokens"]
    refusal = too_large(RequestTooLargeError, limit=1_500, requested=before + 50)
    assert bench.run(work, refusal)[1] == Again()
    assert work.attempts == 1
    assert sent(work)["max_completion_tokens"] < 1_500 < before
    bench.admit(work)


def test_a_cap_of_the_caller_s_own_is_never_changed(bench: Bench) -> None:
    work = bench.prepare(max_completion_tokens=2_000)
    refusal = too_large(RequestTooLargeError, limit=1_500, requested=2_050)
    assert bench.run(work, refusal)[1] is refusal
    assert sent(work)["max_completion_tokens"] == 2_000


@pytest.mark.parametrize(
    "refusal",
    [
        too_large(RequestTooLargeError, limit=10_000, requested=10_001),  # no less than before
        too_large(RateLimitError, limit=1_500, requested=900, retry_after=5.0),  # it may wait
    ],
)
def test_a_cap_is_not_fitted_again_without_need(refusal: Any) -> None:
    bench = Bench(expected_completion_tokens=100)
    work = bench.prepare(max_completion_tokens="auto")
    bench.run(work, refusal)
    assert sent(work)["max_completion_tokens"] == 400


# --- what the service named ----------------------------------------------------------------------


def test_a_refused_request_waits_for_the_price_that_the_service_named(bench: Bench) -> None:
    work = bench.prepare()
    facts = {"limit": 10_000, "used": 9_500, "requested": 1_500, "retry_after": 6.0}
    refusal = RateLimitError("429", status_code=429, dimension="TPM", **facts)
    assert bench.run(work, refusal)[1] == Again()
    assert work.demand.told == {"TPM": 1_500}
    wait = bench.handler.sender.admit(work)
    assert isinstance(wait, Wait)
    assert wait.wait_s == pytest.approx(6.0, abs=0.01)
    assert wait.dimension == "TPM"


# --- deadlines -----------------------------------------------------------------------------------


def test_each_attempt_is_sent_with_the_instant_of_the_deadline(bench: Bench) -> None:
    work = bench.prepare()
    work.bind(RequestOptions(deadline=10.0))
    bench.clock.advance(6.0)
    bench.run(work, HTTPResponse(200, Headers(TOLD), dict(ANSWER)))
    assert bench.api.sent[-1].deadline_s == work.born_s + 10.0


def test_no_retry_comes_after_the_deadline(bench: Bench) -> None:
    work = bench.prepare()
    work.bind(RequestOptions(deadline=0.2))
    fault = InternalServerError("HTTP 500", status_code=500)
    assert bench.run(work, fault)[1] is fault


@pytest.mark.parametrize("deadline", [0, -1, "soon", float("nan"), True])
def test_a_wrong_deadline_is_named(bench: Bench, deadline: Any) -> None:
    options = RequestOptions(deadline=deadline)
    with pytest.raises(InvalidRequestException) as caught:
        bench.handler.submit(PAYLOAD, options, dict)
    assert caught.value.field == "deadline"


# --- what a request would wait for ---------------------------------------------------------------


def test_nothing_is_in_the_way_of_a_free_model(bench: Bench) -> None:
    wait, ahead = bench.handler.explain(None, MODEL)
    assert wait == Wait(0.0)
    assert ahead.jobs == 0
    assert not any(bench.used().values())
    assert bench.api.sent == []


def test_those_ahead_are_reckoned_with(bench: Bench) -> None:
    work = bench.prepare()
    assert bench.handler.sender.foresee(work, Ahead(jobs=9, tokens=500.0)).wait_s == 0.0
    wait = bench.handler.sender.foresee(work, Ahead(jobs=12, tokens=500.0))
    assert (wait.wait_s, wait.dimension) == (pytest.approx(18.0), "RPM")
    # What the others will take is only guessed as yet: it refuses nobody.
    assert bench.handler.sender.foresee(work, Ahead(jobs=1, tokens=30_000.0)).wait_s == 0.0


@pytest.mark.parametrize(
    ("payload", "options"),
    [({"model": MODEL}, {}), (PAYLOAD, {"priority": "urgent"}), (PAYLOAD, {"tag": 7})],
)
def test_a_wrong_question_is_refused_as_a_wrong_request_is(
    bench: Bench, payload: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestException):
        bench.handler.explain(payload, MODEL, **options)


def test_a_service_that_is_down_is_waited_for_whatever_the_quota() -> None:
    bench = Bench(max_retries=0, limits={**LIMITS, "req_per_minute": 100})
    work = bench.prepare()
    for _ in range(20):
        if isinstance(bench.handler.sender.foresee(work, Ahead(0, 0.0)).reason, str):
            break
        bench.run(bench.prepare(), InternalServerError("HTTP 500", status_code=500))
    foreseen = bench.handler.sender.foresee(work, Ahead(0, 0.0))
    assert foreseen.reason == "its circuit breaker is open"
    admitted = bench.handler.sender.admit(work)
    assert isinstance(admitted, Wait)
    assert admitted.wait_s == pytest.approx(foreseen.wait_s)
    assert "circuit breaker" in (admitted.reason or "")
    before = bench.used()
    bench.clock.advance(foreseen.wait_s)
    bench.admit(work).release()
    assert all(bench.used()[name] <= used for name, used in before.items())


def test_what_the_limiter_refuses_takes_no_place_in_flight(bench: Bench) -> None:
    work = bench.prepare()
    bench.store.block(work.scope, 5.0)
    for _ in range(3):
        assert isinstance(bench.handler.sender.admit(work), Wait)
    assert bench.handler.sender._congestion.status(work.service)["in_flight"] == 0


def test_nor_does_what_no_longer_fits_at_all(bench: Bench) -> None:
    work = bench.prepare()
    error = RateLimitError("429", dimension="TPM", limit=50)
    bench.limiter.refused(bench.admit(bench.prepare()).reservation, error)
    before = bench.handler.sender._congestion.status(work.service)["in_flight"]
    with pytest.raises(TokenLimitExceededException):
        bench.handler.sender.admit(work)
    assert bench.handler.sender._congestion.status(work.service)["in_flight"] == before
