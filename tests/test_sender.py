"""Sender: what it admits, how it ends each attempt, and what its errors tell of the way."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_handler import MODEL, TOLD, Bench

from customgroqchat import (
    Again,
    APITimeoutError,
    ClientClosedException,
    HTTPResponse,
    InternalServerError,
    RateLimitError,
    RateLimitExceededException,
    RequestCancelledException,
    RequestOptions,
    Wait,
)
from customgroqchat._records import Headers, ResponseInfo
from customgroqchat._work import Work
from customgroqchat.congestion import Outcome, verdict_on

ANSWER = {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 20}}
GOOD = HTTPResponse(200, Headers({**TOLD, "x-request-id": "req_1"}), ANSWER)
FAULT = InternalServerError("HTTP 503", status_code=503, response=ResponseInfo(503))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def in_flight(bench: Bench, work: Work) -> int:
    return int(bench.handler.sender._congestion.status(work.service)["in_flight"])


def bound(bench: Bench, **options: Any) -> Work:
    work = bench.prepare()
    work.bind(RequestOptions(**options))
    return work


# --- admission -------------------------------------------------------------------------------


def test_what_was_admitted_is_noted(bench: Bench) -> None:
    work = bench.prepare()
    ticket = bench.admit(work)
    assert work.reserved_tokens == work.demand.prompt_tokens + 100
    assert in_flight(bench, work) == 1
    ticket.release()
    assert in_flight(bench, work) == 0
    assert not any(bench.used().values())


def test_past_its_deadline_nothing_is_admitted(bench: Bench) -> None:
    work = bound(bench, deadline=5.0)
    bench.clock.advance(5.0)
    with pytest.raises(RateLimitExceededException, match=r"deadline.* 5\.000 s") as caught:
        bench.handler.sender.admit(work)
    assert (caught.value.model, caught.value.waited, caught.value.attempts) == (MODEL, 5.0, 0)
    assert not any(bench.used().values())
    assert in_flight(bench, work) == 0


def test_past_its_deadline_what_was_sent_before_is_told(bench: Bench) -> None:
    work = bound(bench, deadline=5.0)
    assert isinstance(bench.run(work, FAULT)[1], Again)
    bench.clock.advance(5.0)
    with pytest.raises(RateLimitExceededException) as caught:
        bench.handler.sender.admit(work)
    assert caught.value.attempts == 1
    assert [attempt.outcome for attempt in caught.value.history] == ["InternalServerError"]


# --- the way that an answer or an error has come ----------------------------------------------


def test_an_answer_knows_how_it_came_about(bench: Bench) -> None:
    work = bench.prepare()
    bench.api.takes_s = 2.0
    bench.clock.advance(1.0)
    assert isinstance(bench.run(work, FAULT)[1], Again)
    bench.clock.advance(3.0)
    _, result = bench.run(work, GOOD)
    assert (result.request_id, result.attempts, result.retries_taken) == ("req_1", 2, 1)
    assert result.waited_s == pytest.approx(4.0)
    first, second = result.history
    assert (first.began_s, first.took_s, first.outcome, first.status_code) == (
        1.0,
        2.0,
        "InternalServerError",
        503,
    )
    assert (second.began_s, second.took_s, second.outcome, second.status_code) == (
        6.0,
        2.0,
        "ok",
        200,
    )
    assert result.headers["x-request-id"] == "req_1"
    assert set(result) == {"choices", "usage"}


def test_an_error_knows_it_as_well(bench: Bench) -> None:
    work = bench.prepare()
    for _ in range(3):
        _, result = bench.run(work, FAULT)
    assert result is FAULT
    assert (result.model, result.attempts, result.retries_taken) == (MODEL, 3, 2)
    assert [attempt.outcome for attempt in result.history] == ["InternalServerError"] * 3


def test_a_refusal_tells_when_to_come_back() -> None:
    bench = Bench(max_retries=0)
    refusal = RateLimitError("429", status_code=429, retry_after=7.5)
    _, error = bench.run(bench.prepare(), refusal)
    assert error.available_at == bench.clock.wall() + 7.5


@pytest.mark.parametrize("error", [RequestCancelledException("x"), ClientClosedException("x")])
def test_the_word_of_others_gets_the_way_added(bench: Bench, error: Any) -> None:
    work = bench.prepare()
    bench.run(work, FAULT)
    bench.clock.advance(2.0)
    bench.handler.sender.ended(work, None, error)
    assert (error.model, error.attempts, error.waited) == (MODEL, 1, 2.0)
    assert len(error.history) == 1


def test_where_nothing_was_sent_there_is_no_way_to_tell(bench: Bench) -> None:
    error = RequestCancelledException("cancelled")
    bench.handler.sender.ended(bench.prepare(), None, error)
    assert (error.attempts, error.history) == (0, ())


# --- deadlines -------------------------------------------------------------------------------


def test_a_missed_deadline_tells_where_the_time_went(bench: Bench) -> None:
    work = bound(bench, deadline=10.0)
    bench.clock.advance(4.0)

    ticket = bench.admit(work)

    def attempt(request: Any, line: Any = None) -> HTTPResponse:
        for phase, seconds in {"connecting": 0.5, "sending": 0.0, "waiting": 5.5}.items():
            line.enter(phase)
            bench.clock.advance(seconds)
        raise APITimeoutError("The deadline came before the whole answer.")

    bench.api.attempt = attempt  # type: ignore[method-assign]
    with pytest.raises(APITimeoutError) as caught:
        bench.handler.sender.run(work, ticket)
    error = caught.value
    assert error.message == (
        "No whole answer within the deadline of 10 s: 4.000 s waiting for its turn, "
        "0.500 s connecting, 5.500 s waiting for the answer."
    )
    assert error.spent is not None
    spent = {name: seconds for name, seconds in error.spent.items() if seconds}
    assert spent == {"queue": 4.0, "connecting": 0.5, "waiting": 5.5}
    assert error.may_have_arrived
    assert error.attempts == 1


def test_a_timeout_before_the_deadline_is_what_it_is(bench: Bench) -> None:
    work = bound(bench, deadline=10.0)
    bench.api.takes_s = 3.0
    slow = APITimeoutError("The service did not answer in time.")
    assert isinstance(bench.run(work, slow)[1], Again)


def test_the_haste_of_a_caller_tells_nothing_of_the_service(bench: Bench) -> None:
    assert verdict_on(APITimeoutError("slow")).outcome is not Outcome.NEUTRAL
    control = bench.handler.sender._congestion
    for _ in range(20):
        work = bound(bench, deadline=1.0)
        bench.api.takes_s = 1.0
        bench.run(work, APITimeoutError("The deadline came before the whole answer."))
        bench.clock.advance(60.0)
    assert control.status(work.service)["opens_again_s"] is None


def test_no_try_is_made_after_it(bench: Bench) -> None:
    work = bound(bench, deadline=1.0)
    bench.api.takes_s = 1.0
    _, error = bench.run(work, FAULT)
    assert error is FAULT


# --- cutting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "charged"), [("connecting", False), ("waiting", True)])
@pytest.mark.parametrize("error", [RequestCancelledException("x"), ClientClosedException("x")])
def test_what_was_cut_is_charged_if_it_may_have_arrived(
    bench: Bench, phase: str, charged: bool, error: Exception
) -> None:
    work = bench.prepare()
    ticket = bench.admit(work)

    def attempt(request: Any, line: Any = None) -> HTTPResponse:
        line.enter(phase)
        raise error

    bench.api.attempt = attempt  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        bench.handler.sender.run(work, ticket)
    assert any(bench.used().values()) is charged
    assert in_flight(bench, work) == 0
    (tried,) = work.history
    assert (tried.outcome, tried.phase) == (type(error).__name__, phase)


def test_interrupting_cuts_the_line(bench: Bench) -> None:
    work = bench.prepare()
    bench.handler.sender.interrupt(work)
    assert work.line.cut_by == "cancelled"


def test_cancelling_takes_what_waits_for_another_try_out_of_the_queue(bench: Bench) -> None:
    bench.api.outcomes = [FAULT]
    future = bench.handler.submit(
        {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}, RequestOptions(), dict
    )
    while not bench.handler.queue.status()["queued"]:
        bench.clock.wait_for_waiters(1)
    work = bench.prepare()
    work.request_id = future.request_id
    bench.handler.sender.cancel(work)
    assert future.cancelled()
    bench.handler.queue.close()


def test_what_is_looked_at_while_its_breaker_is_open_waits(bench: Bench) -> None:
    for _ in range(5):
        bench.run(bench.prepare(), FAULT)
    answer = bench.handler.sender.admit(bench.prepare())
    assert isinstance(answer, Wait)
    assert answer.reason


def test_a_result_of_ones_own_is_given_as_it_is(bench: Bench) -> None:
    work = bench.prepare()
    work.convert = len
    assert bench.run(work, GOOD)[1] == 2


def test_the_end_is_reported_once(bench: Bench) -> None:
    kinds: list[str] = []
    sender, work = bench.handler.sender, bench.prepare()
    sender._reporter.observer.tell = lambda event: kinds.append(event.kind)  # type: ignore[method-assign]
    sender.ended(work, None, RequestCancelledException("cancelled"))
    sender.ended(work, None, RequestCancelledException("cancelled"))
    sender.ended(work, dict(ANSWER), None)
    assert kinds == ["failed"]


def test_a_refusal_by_this_client_is_a_limit_and_then_a_failure(bench: Bench) -> None:
    kinds: list[str] = []
    sender, work = bench.handler.sender, bench.prepare()
    sender._reporter.observer.tell = lambda event: kinds.append(event.kind)  # type: ignore[method-assign]
    sender.ended(work, None, RateLimitExceededException("no", dimension="RPM", retry_after=5.0))
    assert kinds == ["limited", "failed"]
