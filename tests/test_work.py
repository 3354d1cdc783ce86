"""One request on its way: its options, its bounds in time, its cap, and what it was let in with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers_handler import PAYLOAD, Bench
from helpers_servers import KEY

from customgroqchat import APIConnectionError, APITimeoutError
from customgroqchat._records import Attempt
from customgroqchat._work import Fit, Ticket, Work
from customgroqchat.api_client import APIRequest
from customgroqchat.rate_limit_handler import Demand, Scope
from customgroqchat.request_handler import RequestOptions
from customgroqchat.testing import FakeClock

BORN_S = 1_000.0


def work(timeout: Any = None, clock: FakeClock | None = None) -> Work:
    request = APIRequest("POST", "/x", b"{}", "https://example.org", KEY, timeout)
    clock = clock or FakeClock(BORN_S)
    return Work(request, Scope("account", "m"), Demand(100, 50), dict, clock)


# --- bounds in time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_wait", "deadline", "longest_s"),
    [
        (None, None, None),
        (5.0, None, 5.0),
        (None, 7.0, 7.0),
        (5.0, 7.0, 5.0),
        (9.0, 7.0, 7.0),
        (0.0, 7.0, 0.0),
    ],
)
def test_it_waits_no_longer_than_either_bound(
    max_wait: float | None, deadline: float | None, longest_s: float | None
) -> None:
    options = RequestOptions(max_wait=max_wait, deadline=deadline)
    assert options.longest_wait_s == longest_s
    bound = work()
    bound.bind(options)
    assert bound.give_up_s == (None if longest_s is None else BORN_S + longest_s)
    assert bound.request.deadline_s == (None if deadline is None else BORN_S + deadline)


def test_without_a_deadline_it_is_never_over() -> None:
    unbound = work(timeout=5.0)
    assert unbound.request.deadline_s is None
    assert not unbound.is_over(BORN_S + 1e9)


@pytest.mark.parametrize(("after_s", "is_over"), [(0.0, False), (9.9, False), (10.0, True)])
def test_it_is_over_at_its_deadline(after_s: float, is_over: bool) -> None:
    bound = work()
    bound.bind(RequestOptions(deadline=10.0))
    assert bound.is_over(BORN_S + after_s) is is_over


@pytest.mark.parametrize(
    ("error", "timeout", "after_s", "hasty"),
    [
        (APITimeoutError(), None, 1.0, False),  # the client's own timeout
        (APITimeoutError(), 0.5, 1.0, True),
        (APITimeoutError(), None, 10.0, True),  # the deadline
        (APIConnectionError(), 0.5, 10.0, False),
    ],
)
def test_whose_haste_it_was(error: Exception, timeout: Any, after_s: float, hasty: bool) -> None:
    bound = work(timeout=timeout)
    bound.bind(RequestOptions(deadline=10.0))
    assert bound.was_hasty(error, BORN_S + after_s) is hasty


# --- how it went ---------------------------------------------------------------------------------


def test_it_waited_while_it_was_not_being_sent() -> None:
    twice = work()
    for attempt in (Attempt(1.0, 2.0, "InternalServerError"), Attempt(4.0, 0.5, "ok")):
        twice.attempts += 1
        twice.tried(attempt)
    assert twice.waited_s(BORN_S + 6.0) == 3.5
    assert twice.waited_s(BORN_S + 1.0) == 0.0  # never less than nothing, however clocks round


def test_what_is_known_of_an_attempt_later_takes_the_place_of_what_was_noted_before() -> None:
    stream = work()
    stream.attempts = 1
    stream.tried(Attempt(0.0, 1.0, "ok", 200))
    stream.tried(Attempt(0.0, 9.0, "IncompleteStreamError", 200))
    assert [attempt.outcome for attempt in stream.history] == ["IncompleteStreamError"]
    assert stream.waited_s(BORN_S + 10.0) == 1.0


def test_it_ends_once() -> None:
    ended = work()
    assert [ended.ends(), ended.ends()] == [True, False]


def test_the_facts_of_its_answer_do_not_tell_the_key() -> None:
    done = work()
    done.attempts = 1
    done.tried(Attempt(0.0, 1.0, "ok", 200, "req_1"))
    facts = done.facts("req_1", {"X-Echo": f"you sent {KEY}"}, BORN_S + 1.5)
    assert (facts.request_id, facts.waited_s, facts.history) == ("req_1", 0.5, tuple(done.history))
    assert KEY not in facts.headers["x-echo"]
    assert "you sent" in facts.headers["x-echo"]


def test_what_is_down_as_one_is_an_address_and_a_model() -> None:
    assert work().service == ("https://example.org", "m")


# --- a cap that was left to this client ----------------------------------------------------------


def test_a_cap_is_put_into_the_payload_and_noted() -> None:
    fit = Fit(PAYLOAD, 900, 320, "the TPM limit of 8000")
    assert fit.payload == {**PAYLOAD, "max_completion_tokens": 320}
    assert PAYLOAD["max_completion_tokens"] == 100
    assert fit.note() == {"max_completion_tokens": 320, "reason": "fitted to the TPM limit of 8000"}


def test_another_cap_is_sent_from_then_on_and_its_price_is_unknown() -> None:
    fitted = work()
    fitted.demand = fitted.demand._replace(told={"TPM": 9_000})
    fitted.refit(Fit(PAYLOAD, None, 20, "the TPM limit of 500"))
    assert fitted.demand == Demand(100, 20)
    assert fitted.request.body is not None
    assert json.loads(fitted.request.body)["max_completion_tokens"] == 20
    assert fitted.fit is not None
    assert fitted.fit.cap == 20


# --- tickets -------------------------------------------------------------------------------------


def test_releasing_a_ticket_gives_back_quota_and_place() -> None:
    bench = Bench()
    ticket = bench.admit(bench.prepare())
    assert isinstance(ticket, Ticket)
    assert any(bench.used().values())
    ticket.release()
    assert not any(bench.used().values())
    ticket.release()
    assert not any(bench.used().values())
