"""RateLimitHandler: what a refusal teaches it, and how long it then sends nothing."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_limits import Limiter

from customgroqchat.exceptions import (
    RateLimitError,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from customgroqchat.rate_limit_handler import Demand, Reservation, Usage
from customgroqchat.stores import Decision

GUESSED = "openai/gpt-oss-20b"  # RPM 30, RPD 1000, TPM 8000, TPD 200000 in the published plan
SMALL = Demand(prompt_tokens=199, output_cap=1)  # costs 200, by whatever rule is charged


def refuse(limiter: Limiter, demand: Demand = SMALL, **facts: Any) -> Demand:
    """Have the service refuse a request; return its demand as it is known then."""
    error = RateLimitError("429", **facts)
    limiter.handler.refused(limiter.reserve(demand), error)
    return limiter.handler.repriced(demand, error)


# --- the level -----------------------------------------------------------------------------------


def test_a_refusal_teaches_limit_level_and_wait() -> None:
    limiter = Limiter()
    large = Demand(751, 1)
    facts = {"dimension": "TPM", "limit": 6_000, "used": 5_969, "requested": 752}
    refuse(limiter, large, retry_after=7.21, **facts)
    assert limiter.sources() == {"TPM": (6_000, "server")}
    assert limiter.levels()["TPM"] == pytest.approx(31, abs=1)
    decision = limiter.admit(large)
    assert isinstance(decision, Decision)
    assert decision.wait_s == pytest.approx(7.21, abs=0.011)  # what is in use is told rounded
    limiter.clock.advance(decision.wait_s)
    assert isinstance(limiter.admit(large), Reservation)


@pytest.mark.parametrize("before", [0, 4_000, 5_800])
@pytest.mark.parametrize("used", [100, 3_000, 5_900, 7_000])
def test_the_level_is_believed_in_both_directions(before: int, used: int) -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.store.settle(limiter.scope, {"TPM": -before})
    refuse(limiter, dimension="TPM", limit=6_000, used=used)
    assert limiter.levels()["TPM"] == pytest.approx(6_000 - used, abs=1)


def test_used_beyond_the_limit_is_a_debt() -> None:
    limiter = Limiter()
    refuse(limiter, dimension="TPD", limit=200_000, used=200_500, requested=100, retry_after=260.0)
    assert limiter.levels()["TPD"] == pytest.approx(-500, abs=1)


@pytest.mark.parametrize(("dimension", "used"), [("RPD", 90), ("RPM", 29), ("TPD", 150_000)])
def test_the_level_of_any_bucket_is_told(dimension: str, used: int) -> None:
    limiter = Limiter(req_per_day=100, req_per_minute=30, token_per_day=200_000)
    limit = limiter.status()[dimension].limit
    before = limiter.levels()
    refuse(limiter, dimension=dimension, limit=limit, used=used)
    after = limiter.levels()
    assert after.pop(dimension) == pytest.approx(limit - used, abs=1)
    assert before.items() >= after.items()


def test_what_was_sent_with_it_is_not_forgotten() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.reserve(SMALL)
    refused = limiter.reserve(SMALL)
    limiter.reserve(SMALL)
    error = RateLimitError("429", dimension="TPM", limit=6_000, used=5_000)
    limiter.handler.refused(refused, error)
    # Nobody knows whether the others are in it: none of them is counted twice, or given back.
    assert 600 - 1 <= limiter.levels()["TPM"] <= 1_000


def test_a_refusal_by_a_limit_that_was_unknown_charges_it_what_is_on_its_way() -> None:
    limiter = Limiter()
    limiter.reserve(SMALL)
    limiter.clock.advance(1.0)
    refused = limiter.reserve(SMALL)
    limiter.clock.advance(1.0)
    error = RateLimitError("429", dimension="RPM", limit=30, used=30)
    limiter.handler.refused(refused, error)
    level = limiter.handler.buckets(limiter.scope)["RPM"].level
    assert 0.0 <= level <= 0.5  # half a request flowed back since


def test_a_refused_request_is_not_charged() -> None:
    limiter = Limiter(token_per_minute=6_000, req_per_minute=30)
    before = limiter.levels()
    refuse(limiter, retry_after=1.0)
    assert limiter.levels() == before


def test_a_refusal_that_names_nothing_changes_nothing() -> None:
    limiter = Limiter(token_per_minute=6_000)
    refuse(limiter)
    assert limiter.sources() == {"TPM": (6_000, "configured")}
    assert isinstance(limiter.admit(SMALL), Reservation)


def test_the_level_of_a_bucket_without_a_limit_changes_nothing() -> None:
    limiter = Limiter(token_per_minute=6_000)
    refuse(limiter, dimension="TPD", used=190_000)
    assert limiter.levels() == {"TPM": 6_000}


def test_limits_of_two_refusals_are_both_kept() -> None:
    limiter = Limiter()
    refuse(limiter, dimension="RPM", limit=30, used=30)
    limiter.clock.advance(2.0)
    refuse(limiter, dimension="TPD", limit=500_000, used=400_000)
    assert limiter.sources() == {"RPM": (30, "server"), "TPD": (500_000, "server")}
    assert limiter.levels() == {"RPM": 1, "TPD": 100_000}


def test_a_released_reservation_that_is_refused_gives_nothing_back_twice() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.handler.keep(limiter.reserve(Demand(2_999, 1)))
    reservation = limiter.reserve(SMALL)
    reservation.release()
    limiter.handler.refused(reservation, RateLimitError("429"))
    assert limiter.levels() == {"TPM": 3_000}


def test_a_refusal_teaches_a_bucket_that_others_use() -> None:
    limiter = Limiter(token_per_minute=6_000, policy="balanced")
    refuse(limiter, dimension="TPM", limit=6_000, used=1_000)
    limiter.handler.settle(limiter.reserve(SMALL), Usage(199, 1))
    assert limiter.levels()["TPM"] == pytest.approx(4_800, abs=1)


# --- the wait ------------------------------------------------------------------------------------


def waits(limiter: Limiter, demand: Demand = SMALL) -> Decision:
    decision = limiter.admit(demand)
    assert isinstance(decision, Decision), decision
    return decision


@pytest.mark.parametrize("retry_after", [0.33, 2.0, 59.9, 60.0])
@pytest.mark.parametrize("facts", [{}, {"dimension": "TPM", "limit": 60_000, "used": 100}])
def test_a_short_wait_closes_the_scope_for_exactly_that_long(
    retry_after: float, facts: dict[str, Any]
) -> None:
    limiter = Limiter()
    refuse(limiter, retry_after=retry_after, **facts)
    decision = waits(limiter)
    assert decision[1:3] == (pytest.approx(retry_after), facts.get("dimension"))
    assert isinstance(limiter.handler.admit(limiter.handler.scope("another"), SMALL), Reservation)
    limiter.clock.advance(retry_after * 0.999)
    waits(limiter)
    limiter.clock.advance(retry_after * 0.001 + 1e-9)
    assert isinstance(limiter.admit(SMALL), Reservation)


@pytest.mark.parametrize("known", [{}, {"dimension": "TPD"}, {"dimension": "TPD", "used": 5}])
def test_a_long_wait_without_all_numbers_closes_the_scope(known: dict[str, Any]) -> None:
    limiter = Limiter(token_per_day=200_000)
    refuse(limiter, retry_after=5_000.0, **known)
    assert waits(limiter).wait_s == pytest.approx(5_000.0)


def test_a_long_wait_binds_the_refused_request_only() -> None:
    limiter = Limiter(token_per_day=200_000)
    large = Demand(9_999, 1)
    facts = {"dimension": "TPD", "limit": 200_000, "used": 199_000, "requested": 20_000}
    large = refuse(limiter, large, retry_after=8_208.0, **facts)
    assert waits(limiter, large)[1:3] == (pytest.approx(8_208.0, abs=0.5), "TPD")
    assert isinstance(limiter.admit(SMALL), Reservation)
    # The service counts twice as many tokens as this side: so it will of the small one.
    assert waits(limiter, large).wait_s == pytest.approx(8_208.0 + 2 * 86.4, abs=0.5)


# --- the price -----------------------------------------------------------------------------------


def test_the_price_that_the_service_names_counts_more_than_the_own_one() -> None:
    limiter = Limiter(token_per_minute=6_000)
    told = refuse(limiter, dimension="TPM", limit=6_000, used=5_900, requested=700)
    assert told.told == {"TPM": 700}
    assert limiter.costs(told)["TPM"] == 700
    assert waits(limiter, told).wait_s == pytest.approx(6.0, abs=0.011)
    limiter.clock.advance(6.0 + 0.011)
    assert limiter.reserve(told).costs["TPM"] == 700


def test_a_price_below_the_own_one_has_to_be_there_and_no_more() -> None:
    limiter = Limiter(token_per_minute=6_000)
    told = refuse(limiter, dimension="TPM", limit=6_000, used=5_900, requested=150)
    assert limiter.costs(told)["TPM"] == 200
    assert waits(limiter, told).wait_s == pytest.approx(0.5, abs=0.011)


def test_of_several_limits_each_names_its_price() -> None:
    limiter = Limiter()
    first = RateLimitError("429", dimension="TPM", requested=300)
    second = RateLimitError("429", dimension="TPD", requested=301)
    demand = limiter.handler.repriced(limiter.handler.repriced(SMALL, first), second)
    assert demand.told == {"TPM": 300, "TPD": 301}
    nameless = RateLimitError("429", requested=300)
    for nothing in (nameless, RateLimitError("429", dimension="RPM")):
        assert limiter.handler.repriced(demand, nothing) is demand


# --- what is too large ---------------------------------------------------------------------------


def test_a_request_that_is_too_large_teaches_the_limit_and_closes_nothing() -> None:
    limiter = Limiter(GUESSED)
    error = RequestTooLargeError("413", dimension="TPM", limit=6_000, requested=9_000)
    limiter.handler.refused(limiter.reserve(Demand(9_000, 0)), error)
    assert limiter.sources() == {"TPM": (6_000, "server")}
    assert limiter.levels() == {"TPM": 6_000}
    with pytest.raises(TokenLimitExceededException):
        limiter.handler.check_fits(limiter.scope, Demand(9_000, 0))
