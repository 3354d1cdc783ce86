"""RateLimitHandler: what the service's answers and refusals teach it, and what a guess is worth."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_limits import MODEL, Limiter, load

from customgroqchat._headers import HeaderLimit
from customgroqchat.exceptions import (
    RateLimitError,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Usage
from customgroqchat.stores import Decision

GUESSED = "openai/gpt-oss-20b"  # RPM 30, RPD 1000, TPM 8000, TPD 200000 in the published plan
SMALL = Demand(prompt_tokens=100, output_cap=100)


def observe(
    limiter: Limiter, reservation: Reservation | None = None, **told: tuple[int, int]
) -> None:
    """Have an answer tell limits and what remains of them."""
    headers = {name: HeaderLimit(limit, rest, None) for name, (limit, rest) in told.items()}
    open_reservation = reservation or limiter.reserve(SMALL)
    limiter.handler.observe(open_reservation, headers)
    if reservation is None:
        limiter.handler.keep(open_reservation)


def refuse(limiter: Limiter, **facts: Any) -> None:
    limiter.handler.refused(limiter.reserve(SMALL), RateLimitError("429", **facts))


# --- headers -------------------------------------------------------------------------------------


def test_headers_teach_limits_that_nobody_configured() -> None:
    limiter = Limiter()
    observe(limiter, RPD=(1_000, 941), TPM=(6_000, 5_800))
    assert limiter.sources() == {"RPD": (1_000, "server"), "TPM": (6_000, "server")}
    assert limiter.levels() == {"RPD": 941, "TPM": 5_800}


def test_what_was_sent_later_is_counted_on_top_of_what_headers_say() -> None:
    limiter = Limiter()
    first, second, third = (limiter.reserve(SMALL) for _ in range(3))
    observe(limiter, second, TPM=(6_000, 5_000))
    assert limiter.levels() == {"TPM": 4_800}
    for reservation in (first, second, third):
        limiter.handler.settle(reservation, Usage(100, 50))
    assert limiter.levels() == {"TPM": 4_950}


def test_what_was_sent_later_and_taken_back_is_not_counted() -> None:
    limiter = Limiter()
    first, second = limiter.reserve(SMALL), limiter.reserve(SMALL)
    second.release()
    observe(limiter, first, TPM=(6_000, 5_000))
    assert limiter.levels() == {"TPM": 5_000}


def test_the_levels_of_later_headers_are_not_adopted() -> None:
    """They are older than what was counted here since."""
    limiter = Limiter()
    observe(limiter, TPM=(6_000, 5_800))
    observe(limiter, TPM=(6_000, 10))
    assert limiter.levels() == {"TPM": 5_600}


def test_a_level_is_not_raised_by_headers() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.handler.keep(limiter.reserve(Demand(5_000, 0)))
    observe(limiter, TPM=(6_000, 5_900))
    assert limiter.levels() == {"TPM": 800}


def test_a_first_look_at_one_bucket_comes_even_if_another_was_seen() -> None:
    limiter = Limiter()
    observe(limiter, TPM=(6_000, 5_000))
    observe(limiter, TPM=(6_000, 1), RPD=(100, 30))
    assert limiter.levels() == {"TPM": 4_800, "RPD": 30}


def test_a_changed_limit_leaves_in_use_what_is_in_use() -> None:
    limiter = Limiter()
    observe(limiter, TPM=(6_000, 5_000))
    observe(limiter, TPM=(8_000, 3))
    assert limiter.sources() == {"TPM": (8_000, "server")}
    assert limiter.levels() == {"TPM": 6_800}


def test_headers_without_limits_change_nothing() -> None:
    limiter = Limiter(token_per_minute=6_000)
    before = limiter.sources()
    observe(limiter)
    assert limiter.sources() == before


# --- which limit counts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "told", "expected"),
    [
        (5_000, 6_000, (5_000, "configured")),  # lower on purpose
        (8_000, 6_000, (6_000, "server")),
        (6_000, 6_000, (6_000, "server")),
    ],
)
def test_the_lower_of_configured_and_told_counts(
    configured: int, told: int, expected: tuple[int, str]
) -> None:
    limiter = Limiter(token_per_minute=configured)
    observe(limiter, TPM=(told, told - 200))
    assert limiter.sources() == {"TPM": expected}


def test_what_is_unlimited_by_choice_is_limited_by_the_service() -> None:
    limiter = Limiter(token_per_minute=-1, req_per_minute=10)
    observe(limiter, TPM=(6_000, 5_800))
    assert limiter.sources() == {"TPM": (6_000, "server"), "RPM": (10, "configured")}


def test_one_scope_learns_nothing_from_another() -> None:
    limiter = Limiter()
    observe(limiter, TPM=(6_000, 5_800))
    assert limiter.handler.status(limiter.handler.scope("another")) == {}


# --- guesses -------------------------------------------------------------------------------------


def test_the_published_plan_is_a_guess() -> None:
    assert Limiter(GUESSED).sources() == {
        "RPM": (30, "preset"),
        "RPD": (1_000, "preset"),
        "TPM": (8_000, "preset"),
        "TPD": (200_000, "preset"),
    }


def test_a_guess_may_slow_down() -> None:
    limiter = Limiter(GUESSED)
    for _ in range(30):
        limiter.reserve(Demand(1, 1))
    assert isinstance(limiter.admit(Demand(1, 1)), Decision)


@pytest.mark.parametrize("demand", [Demand(9_000, 500), Demand(100_000), Demand(10, 10**6)])
def test_a_guess_never_forbids(demand: Demand) -> None:
    limiter = Limiter(GUESSED)
    limiter.handler.check_fits(limiter.scope, demand)
    assert isinstance(limiter.admit(demand), Reservation)
    decision = limiter.admit(demand)
    assert isinstance(decision, Decision)
    assert decision.wait_s < float("inf")


def test_a_guess_that_the_service_confirms_keeps_the_other_guesses() -> None:
    limiter = Limiter(GUESSED)
    observe(limiter, TPM=(8_000, 7_800))
    assert limiter.sources() == {
        "RPM": (30, "preset"),
        "RPD": (1_000, "preset"),
        "TPM": (8_000, "server"),
        "TPD": (200_000, "preset"),
    }


@pytest.mark.parametrize("told", [250_000, 4_000])
def test_a_guess_that_the_service_contradicts_drops_the_others(told: int) -> None:
    limiter = Limiter(GUESSED)
    observe(limiter, TPM=(told, told - 200))
    assert limiter.sources() == {"TPM": (told, "server")}
    for _ in range(40):
        limiter.reserve(Demand(1, 1))


def test_a_limit_beside_the_guesses_contradicts_none() -> None:
    limiter = Limiter(GUESSED)
    limiter.tell(ITPM=7_000)
    assert limiter.sources()["ITPM"] == (7_000, "server")
    assert limiter.sources()["RPM"] == (30, "preset")


def test_what_the_service_tells_may_forbid() -> None:
    limiter = Limiter(GUESSED)
    limiter.tell(TPM=8_000)
    with pytest.raises(TokenLimitExceededException):
        limiter.handler.check_fits(limiter.scope, Demand(9_000, 0))


def test_a_configured_limit_is_no_guess() -> None:
    limiter = Limiter(GUESSED, token_per_minute=8_000)
    assert limiter.sources() == {"TPM": (8_000, "configured")}
    with pytest.raises(TokenLimitExceededException):
        limiter.handler.check_fits(limiter.scope, Demand(9_000, 0))


# --- refusals ------------------------------------------------------------------------------------


def test_a_refusal_teaches_limit_level_and_wait() -> None:
    limiter = Limiter()
    refuse(limiter, dimension="TPM", limit=6_000, used=5_969, requested=752, retry_after=7.21)
    assert limiter.sources() == {"TPM": (6_000, "server")}
    assert limiter.levels() == {"TPM": 31}
    decision = limiter.admit(Demand(752, 0))
    assert isinstance(decision, Decision)
    assert decision.wait_s == pytest.approx(7.21)
    limiter.clock.advance(7.21)
    assert isinstance(limiter.admit(Demand(752, 0)), Reservation)


def test_used_beyond_the_limit_is_a_debt() -> None:
    limiter = Limiter()
    refuse(limiter, dimension="TPD", limit=200_000, used=200_500, requested=100, retry_after=260.0)
    assert limiter.levels() == {"TPD": -500}


@pytest.mark.parametrize("retry_after", [0.33, 2.0, 259.2, 5_000.0])
def test_a_refusal_closes_the_scope_for_exactly_the_wait(retry_after: float) -> None:
    limiter = Limiter()
    refuse(limiter, retry_after=retry_after)
    decision = limiter.admit(SMALL)
    assert isinstance(decision, Decision)
    assert (decision.dimension, decision.wait_s) == (None, pytest.approx(retry_after))
    assert isinstance(limiter.handler.admit(limiter.handler.scope("another"), SMALL), Reservation)
    limiter.clock.advance(retry_after * 0.999)
    assert isinstance(limiter.admit(SMALL), Decision)
    limiter.clock.advance(retry_after * 0.001 + 1e-9)
    assert isinstance(limiter.admit(SMALL), Reservation)


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


def test_a_refusal_does_not_raise_a_level() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.handler.keep(limiter.reserve(Demand(5_000, 0)))
    refuse(limiter, dimension="TPM", limit=6_000, used=100)
    assert limiter.levels() == {"TPM": 1_000}


def test_a_request_that_is_too_large_teaches_the_limit_and_closes_nothing() -> None:
    limiter = Limiter(GUESSED)
    error = RequestTooLargeError("413", dimension="TPM", limit=6_000, requested=9_000)
    limiter.handler.refused(limiter.reserve(Demand(9_000, 0)), error)
    assert limiter.sources() == {"TPM": (6_000, "server")}
    assert limiter.levels() == {"TPM": 6_000}
    with pytest.raises(TokenLimitExceededException):
        limiter.handler.check_fits(limiter.scope, Demand(9_000, 0))


def test_limits_of_two_refusals_are_both_kept() -> None:
    limiter = Limiter()
    refuse(limiter, dimension="RPM", limit=30, used=30)
    limiter.clock.advance(2.0)
    refuse(limiter, dimension="TPD", limit=500_000, used=400_000)
    assert limiter.sources() == {"RPM": (30, "server"), "TPD": (500_000, "server")}
    assert limiter.levels() == {"RPM": 1, "TPD": 100_000}


def test_a_released_reservation_that_is_refused_gives_nothing_back_twice() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.handler.keep(limiter.reserve(Demand(3_000, 0)))
    reservation = limiter.reserve(SMALL)
    reservation.release()
    limiter.handler.refused(reservation, RateLimitError("429"))
    assert limiter.levels() == {"TPM": 3_000}


# --- another configuration -----------------------------------------------------------------------


def test_another_configuration_keeps_levels() -> None:
    limiter = Limiter(token_per_minute=6_000, req_per_minute=30)
    limiter.handler.keep(limiter.reserve(Demand(1_000, 0)))
    limiter.use_limits(token_per_minute=8_000, req_per_day=500)
    assert limiter.levels() == {"TPM": 7_000, "RPD": 500}
    limiter.use_limits(token_per_minute=500)
    assert limiter.levels() == {"TPM": -500}


def test_another_configuration_keeps_what_the_service_told() -> None:
    limiter = Limiter(token_per_minute=8_000)
    observe(limiter, TPM=(6_000, 5_000), RPD=(100, 60))
    limiter.use_limits(token_per_minute=7_000)
    assert limiter.sources() == {"TPM": (6_000, "server"), "RPD": (100, "server")}
    limiter.use_limits(token_per_minute=4_000)
    assert limiter.sources() == {"TPM": (4_000, "configured"), "RPD": (100, "server")}
    assert limiter.levels() == {"TPM": 3_000, "RPD": 60}


def test_reservations_outlive_a_configuration() -> None:
    limiter = Limiter(token_per_minute=6_000)
    reservation = limiter.reserve(Demand(1_000, 0))
    limiter.use_limits(token_per_minute=8_000)
    limiter.handler.release(reservation)
    assert limiter.levels() == {"TPM": 8_000}


def test_a_configuration_that_does_not_know_a_model_any_more_is_adopted_all_the_same() -> None:
    limiter = Limiter(config={MODEL: {"req_per_minute": 2}, "other": {"req_per_minute": 2}})
    other = limiter.handler.scope("other")
    for scope in (limiter.scope, other):
        assert isinstance(limiter.handler.admit(scope, SMALL), Reservation)
    limiter.handler.use_config(load({"other": {"req_per_minute": 9}}, strict_models=True))
    assert limiter.handler.status(other)["RPM"].limit == 9
    limiter.reserve(SMALL)  # what is queued already is still served


def test_a_store_of_its_own_by_default() -> None:
    handler = RateLimitHandler(load({MODEL: {"req_per_day": 1}}))
    assert isinstance(handler.admit(handler.scope(MODEL), SMALL), Reservation)
    assert isinstance(handler.admit(handler.scope(MODEL), SMALL), Decision)
