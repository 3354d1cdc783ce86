"""RequestHandler: settling exactly once, however an attempt ends, and what comes after."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from helpers_handler import MODEL, PAYLOAD, TOLD, Bench
from helpers_servers import KEY, until

from customgroqchat import (
    Again,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityExceededError,
    ChatCompletion,
    ClientClosedException,
    ConflictError,
    HTTPResponse,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    RateLimitExceededException,
    RequestOptions,
    RequestTooLargeError,
    Wait,
)
from customgroqchat._records import Headers, ResponseInfo


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- settling exactly once -------------------------------------------------------------------


def answer(data: Any, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    return HTTPResponse(200, Headers(headers or {}), data)


def usage(prompt: Any, completion: Any, **more: Any) -> dict[str, Any]:
    return {
        "choices": [],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more},
    }


def status_error(kind: Callable[..., APIError], status: int, **facts: Any) -> APIError:
    headers = facts.pop("headers", {})
    info = ResponseInfo(status, Headers(headers))
    return kind(f"HTTP {status}", status_code=status, response=info, **facts)


CACHED = {"prompt_tokens_details": {"cached_tokens": 30}}
# What it ends with; the tokens used afterwards (None: as many as were set aside), the requests.
OUTCOMES: dict[str, tuple[HTTPResponse | BaseException, type, int | None, int]] = {
    "success": (answer(usage(50, 20)), ChatCompletion, 70, 1),
    "more than expected": (answer(usage(9_000, 3_000)), ChatCompletion, 12_000, 1),
    "cached": (answer(usage(50, 20, **CACHED)), ChatCompletion, 40, 1),
    "odd details": (answer(usage(50, 20, prompt_tokens_details=[])), ChatCompletion, 70, 1),
    "odd cached": (
        answer(usage(50, 20, prompt_tokens_details={"cached_tokens": "x"})),
        ChatCompletion,
        70,
        1,
    ),
    "no usage": (answer({"choices": []}), ChatCompletion, None, 1),
    "null usage": (answer({"choices": [], "usage": None}), ChatCompletion, None, 1),
    "an error for 200": (answer({"error": {}}), APIResponseValidationError, None, 1),
    "no choices": (answer({"choices": None}), APIResponseValidationError, None, 1),
    "odd choices": (answer({"choices": ["x"]}), APIResponseValidationError, None, 1),
    "odd usage": (answer(usage("many", 20)), ChatCompletion, None, 1),
    "half a usage": (answer(usage(5, None)), ChatCompletion, None, 1),
    "list": (answer([1, 2]), APIResponseValidationError, None, 1),
    "null": (answer(None), APIResponseValidationError, None, 1),
    "not JSON": (APIResponseValidationError("no", status_code=200), Exception, None, 1),
    "400": (status_error(BadRequestError, 400), BadRequestError, 0, 0),
    "400 after the work": (
        status_error(BadRequestError, 400, headers=TOLD),
        BadRequestError,
        None,
        1,
    ),
    "401": (status_error(AuthenticationError, 401), AuthenticationError, 0, 0),
    "404": (status_error(NotFoundError, 404), NotFoundError, 0, 0),
    "409": (status_error(ConflictError, 409), Again, 0, 0),
    "413": (status_error(RequestTooLargeError, 413, headers=TOLD), RequestTooLargeError, 0, 0),
    "429": (status_error(RateLimitError, 429, retry_after=3.0, headers=TOLD), Again, 0, 0),
    "429 without a wait": (status_error(RateLimitError, 429), Again, 0, 0),
    "498": (status_error(CapacityExceededError, 498, headers=TOLD), Again, 0, 0),
    "500": (status_error(InternalServerError, 500), Again, None, 1),
    "503 after the work": (status_error(InternalServerError, 503, headers=TOLD), Again, None, 1),
    "timeout": (APITimeoutError("slow"), Again, None, 1),
    "refused": (APIConnectionError("refused", may_have_arrived=False), Again, 0, 0),
    "reset": (APIConnectionError("reset"), Again, None, 1),
    "closed": (ClientClosedException("closed"), ClientClosedException, None, 1),
    "a bug": (ZeroDivisionError("oops"), ZeroDivisionError, None, 1),
}


@pytest.mark.parametrize(("outcome", "kind", "tokens", "requests"), OUTCOMES.values(), ids=OUTCOMES)
def test_every_outcome_settles_once(
    bench: Bench,
    outcome: HTTPResponse | BaseException,
    kind: type,
    tokens: int | None,
    requests: int,
) -> None:
    work = bench.prepare()
    reserved = work.demand.prompt_tokens + 100
    ticket, result = bench.run(work, outcome)
    assert isinstance(result, kind)
    expected = reserved if tokens is None else tokens
    assert bench.used() == {"RPM": requests, "RPD": requests, "TPM": expected, "TPD": expected}
    assert len(bench.store.given_back) <= 1
    ticket.release()
    bench.limiter.keep(ticket.reservation)
    assert bench.used() == {"RPM": requests, "RPD": requests, "TPM": expected, "TPD": expected}
    assert len(bench.store.given_back) <= 1


def test_an_answer_of_another_form_is_settled_all_the_same(bench: Bench) -> None:
    work = bench.prepare()

    def fail(data: Mapping[str, Any]) -> None:
        raise KeyError("missing")

    work.convert = fail
    _, error = bench.run(work, answer(usage(50, 20)))
    assert isinstance(error, APIResponseValidationError)
    assert isinstance(error.__cause__, KeyError)
    assert bench.used() == {"RPM": 1, "RPD": 1, "TPM": 70, "TPD": 70}


@pytest.mark.parametrize("remaining", [9_000, 6_000, 0])
def test_the_headers_of_an_answer_tell_the_level(bench: Bench, remaining: int) -> None:
    work = bench.prepare(max_completion_tokens=1)
    told = {**TOLD, "x-ratelimit-remaining-tokens": str(remaining)}
    bench.run(work, answer(usage(work.demand.prompt_tokens, 1), told))
    assert bench.used()["TPM"] == pytest.approx(10_000 - remaining, abs=2)
    assert bench.used()["RPD"] == 1
    assert bench.store.given_back == [{}]


# --- after a failure -------------------------------------------------------------------------


def refusal(retry_after: float = 4.77, **facts: Any) -> RateLimitError:
    error = status_error(RateLimitError, 429, retry_after=retry_after, headers=TOLD, **facts)
    assert isinstance(error, RateLimitError)
    return error


def test_a_refusal_goes_back_to_the_queue_and_closes_the_model_for_that_long(bench: Bench) -> None:
    work = bench.prepare()
    for _ in range(5):  # more often than max_retries: it is no fault
        _, result = bench.run(work, refusal(90.5))
        assert result == Again(0.0)
        wait = bench.handler.sender.admit(work)
        assert isinstance(wait, Wait)
        assert wait.wait_s == pytest.approx(90.5)
        bench.clock.advance(90.5)
    assert work.attempts == 5


def test_a_refusals_words_are_learnt(bench: Bench) -> None:
    error = refusal(1.0, dimension="TPM", limit=6_000, used=5_900, requested=200)
    bench.run(bench.prepare(), error)
    status = bench.limiter.status(bench.limiter.scope(MODEL))["TPM"]
    assert (status.limit, status.remaining, status.source) == (6_000, 100, "server")


@pytest.mark.parametrize("max_wait", [None, 100.0])
def test_without_retries_the_first_refusal_is_raised(max_wait: float | None) -> None:
    bench = Bench(max_retries=0)
    work = bench.prepare()
    work.give_up_s = max_wait and work.born_s + max_wait
    _, error = bench.run(work, refusal(4.77))
    assert isinstance(error, RateLimitError)
    assert isinstance(error, RateLimitExceededException)
    assert error.retry_after == 4.77
    assert (error.attempts, error.model, error.waited) == (1, MODEL, 0.0)


@pytest.mark.parametrize("max_wait", [0.0, 4.76])
def test_a_refusal_longer_than_the_wait_allowed_is_raised(bench: Bench, max_wait: float) -> None:
    work = bench.prepare()
    work.give_up_s = work.born_s + max_wait
    _, error = bench.run(work, refusal(4.77))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 4.77


def test_faults_are_retried_with_backoff_and_then_raised_with_all_facts(bench: Bench) -> None:
    bench.api.takes_s = 2.0
    work = bench.prepare()
    bench.clock.advance(5.0)  # in the queue
    fault = status_error(InternalServerError, 503)
    assert bench.run(work, fault)[1] == Again(0.25)
    bench.clock.advance(0.25)
    assert bench.run(work, fault)[1] == Again(0.5)
    bench.clock.advance(0.5)
    assert bench.run(work, fault)[1] is fault
    assert (fault.attempts, fault.model) == (3, MODEL)
    assert fault.waited == pytest.approx(5.75)  # but not the six seconds of sending


def test_a_fault_whose_retry_would_come_too_late_is_raised(bench: Bench) -> None:
    work = bench.prepare()
    work.give_up_s = work.born_s + 0.2
    fault = status_error(InternalServerError, 503)
    assert bench.run(work, fault)[1] is fault
    assert fault.attempts == 1


def test_without_retries_a_fault_is_raised_at_once() -> None:
    bench = Bench(max_retries=0)
    fault = APITimeoutError("slow")
    assert bench.run(bench.prepare(), fault)[1] is fault


def test_an_answer_that_is_no_object_does_not_tell_the_key(bench: Bench) -> None:
    work = bench.prepare()
    echo = [f"Bearer {KEY}", {"authorization": KEY}]
    _, error = bench.run(work, answer(echo))
    assert isinstance(error, APIResponseValidationError)
    assert KEY not in json.dumps(error.to_dict())


def test_who_gives_up_in_the_queue_is_told_what_happened_before(bench: Bench) -> None:
    bench.api.outcomes = [refusal(5.0)]
    options = RequestOptions(max_wait=10.0)
    future = bench.handler.submit(PAYLOAD, options, ChatCompletion.wrap)
    until(lambda: bench.api.sent and not bench.handler.queue.status()["in_flight"])
    bench.clock.wait_for_waiters(1)
    bench.store.block(bench.limiter.scope(MODEL), 60.0)  # another request was refused meanwhile
    bench.clock.advance(5.0)
    error = future.exception(10)
    assert isinstance(error, RateLimitExceededException)
    assert error.model == MODEL
    assert error.attempts == 1
    bench.handler.queue.close()
