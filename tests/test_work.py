"""One request on its way: its options, its bounds in time, its cap, and what it was let in with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers_handler import PAYLOAD, Bench

from customgroqchat._work import Fit, Ticket, Work
from customgroqchat.api_client import APIRequest
from customgroqchat.rate_limit_handler import Demand, Scope
from customgroqchat.request_handler import RequestOptions

BORN_S = 1_000.0


def work(timeout: Any = None) -> Work:
    request = APIRequest("POST", "/x", b"{}", "https://example.org", "gsk_test", timeout)
    return Work(request, Scope("account", "m"), Demand(100, 50), dict, BORN_S)


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
    assert bound.deadline_s == (None if deadline is None else BORN_S + deadline)


def test_without_a_deadline_it_is_sent_as_it_is() -> None:
    unbound = work(timeout=5.0)
    assert unbound.request_at(BORN_S + 100, 60.0) is unbound.request


@pytest.mark.parametrize(
    ("own", "configured", "expected"),
    [
        (None, None, (4.0, 4.0)),
        (None, 60.0, (4.0, 4.0)),
        (None, (2.0, 60.0), (2.0, 4.0)),
        (None, (None, 3.0), (4.0, 3.0)),
        (1.5, 60.0, (1.5, 1.5)),
        ((9.0, 1.0), 60.0, (4.0, 1.0)),
    ],
)
def test_no_timeout_is_longer_than_the_deadline_leaves(
    own: Any, configured: Any, expected: tuple[float, float]
) -> None:
    bound = work(timeout=own)
    bound.bind(RequestOptions(deadline=10.0))
    sent = bound.request_at(BORN_S + 6.0, configured)
    assert sent == bound.request._replace(timeout=expected)
    assert bound.request.timeout == own


def test_past_its_deadline_hardly_any_time_is_left() -> None:
    bound = work()
    bound.bind(RequestOptions(deadline=10.0))
    timeout = bound.request_at(BORN_S + 11.0, 60.0).timeout
    assert isinstance(timeout, tuple)
    assert all(part is not None and 0.0 < part < 0.1 for part in timeout)


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
