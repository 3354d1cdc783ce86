"""RateLimitHandler: what requests cost, who is admitted when, and how reservations end."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_limits import MODEL, Limiter
from helpers_threads import together

from customgroqchat.config_loader import ConfigLoader
from customgroqchat.exceptions import ModelNotFoundException, TokenLimitExceededException
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage
from customgroqchat.stores import Decision

SMALL = Demand(prompt_tokens=100, output_cap=100)

ALL_LIMITS = {
    "req_per_minute": 30,
    "req_per_day": 1_000,
    "token_per_minute": 8_000,
    "token_per_day": 200_000,
}


# --- scopes --------------------------------------------------------------------------------------


def test_a_scope_is_an_account_and_a_model() -> None:
    limiter = Limiter()
    assert limiter.handler.scope(MODEL) == limiter.scope
    assert limiter.handler.scope("another").account == limiter.scope.account
    assert limiter.handler.scope("another") != limiter.scope


def test_another_key_or_address_is_another_account() -> None:
    models: dict[str, Any] = {
        "the-same": {},
        "another-key": {"api_key": "gsk_another"},
        "another-address": {"base_url": "https://example.org"},
    }
    config = {"defaults": {"api_key": "gsk_test"}, **models}
    limiter = Limiter(config=config, api_key=None)
    accounts = {limiter.handler.scope(name).account for name in models}
    assert len(accounts) == 3
    assert limiter.handler.scope("the-same").account == limiter.scope.account


def test_the_key_is_not_in_the_scope() -> None:
    limiter = Limiter(api_key="gsk_secret")
    assert "secret" not in repr(limiter.scope)
    assert Limiter(api_key="gsk_secret").scope == limiter.scope  # the same in every process
    assert Limiter(api_key="gsk_secret2").scope != limiter.scope


def test_a_scope_without_a_key() -> None:
    config = ConfigLoader({}, environ={"PYTHON_DOTENV_DISABLED": "1"}).load()
    assert RateLimitHandler(config).scope(MODEL).model == MODEL


def test_a_strict_configuration_knows_its_models_only() -> None:
    limiter = Limiter(strict_models=True)
    with pytest.raises(ModelNotFoundException):
        limiter.handler.scope("unheard-of")


# --- limits --------------------------------------------------------------------------------------


def test_without_limits_everything_is_admitted() -> None:
    limiter = Limiter()
    for _ in range(200):
        assert isinstance(limiter.admit(Demand(10**6, 10**6)), Reservation)
    assert limiter.levels() == {}


@pytest.mark.parametrize(
    ("limits", "admitted", "dimension", "wait_s"),
    [
        ({"req_per_minute": 3}, 3, "RPM", 20.0),
        ({"req_per_day": 4}, 4, "RPD", 21_600.0),
        ({"token_per_minute": 1_000}, 5, "TPM", 12.0),
        ({"token_per_day": 600}, 3, "TPD", 28_800.0),
        ({"req_per_minute": 3, "token_per_day": 500}, 2, "TPD", 17_280.0),
        ({"req_per_minute": 3, "token_per_minute": 500, "req_per_day": 2}, 2, "RPD", 43_200.0),
        ({**ALL_LIMITS, "req_per_minute": 7}, 7, "RPM", 60 / 7),
    ],
)
def test_any_subset_of_limits_holds(
    limits: dict[str, int], admitted: int, dimension: str, wait_s: float
) -> None:
    limiter = Limiter(**limits)
    for _ in range(admitted):
        assert isinstance(limiter.admit(SMALL), Reservation)
    decision = limiter.admit(SMALL)
    assert isinstance(decision, Decision)
    assert (decision.admitted, decision.dimension) == (False, dimension)
    assert decision.wait_s == pytest.approx(wait_s)
    limiter.clock.advance(decision.wait_s)
    assert isinstance(limiter.admit(SMALL), Reservation)


def test_minus_one_is_unlimited() -> None:
    limiter = Limiter(req_per_minute=-1, token_per_minute=1_000)
    assert set(limiter.levels()) == {"TPM"}


def test_all_or_nothing() -> None:
    limiter = Limiter(**{**ALL_LIMITS, "token_per_day": 300})
    limiter.admit(SMALL)
    before = limiter.levels()
    assert isinstance(limiter.admit(SMALL), Decision)
    assert limiter.levels() == before == {"RPM": 29, "RPD": 999, "TPM": 7_800, "TPD": 100}


def test_models_and_accounts_are_limited_separately() -> None:
    limiter = Limiter(config={"defaults": {"req_per_minute": 1}})
    scopes = [limiter.scope, limiter.handler.scope("another"), Scope("another account", MODEL)]
    for scope in scopes:
        assert isinstance(limiter.handler.admit(scope, SMALL), Reservation)
        assert isinstance(limiter.handler.admit(scope, SMALL), Decision)


def test_two_days_pass_as_much_as_flows_back() -> None:
    limiter = Limiter(req_per_day=100)
    passed = 0
    for _ in range(48 * 60):
        while isinstance(limiter.admit(SMALL), Reservation):
            passed += 1
        limiter.clock.advance(60.0)
    assert 299 <= passed <= 300  # the full bucket, and two more; the last comes due at the end


# --- costs ---------------------------------------------------------------------------------------


def test_with_a_cap_prompt_and_cap_are_charged() -> None:
    limiter = Limiter(expected_completion_tokens=50)
    costs = limiter.costs(Demand(300, 700))
    assert {name: costs[name] for name in ("RPM", "RPD", "TPM", "TPD", "ITPM")} == {
        "RPM": 1,
        "RPD": 1,
        "TPM": 1_000,
        "TPD": 1_000,
        "ITPM": 300,
    }
    assert costs["OTPM"] == 50  # what is expected, not what is allowed
    assert limiter.costs(Demand(300, 20))["OTPM"] == 20


def test_without_a_cap_the_first_guess_is_charged() -> None:
    limiter = Limiter(expected_completion_tokens=500)
    assert limiter.costs(Demand(300))["TPM"] == 800


def test_without_a_cap_recent_answers_tell_what_to_expect() -> None:
    limiter = Limiter(expected_completion_tokens=1_024)
    for _ in range(40):
        reservation = limiter.reserve(Demand(10))
        limiter.handler.settle(reservation, Usage(10, 80))
    assert limiter.costs(Demand(300))["TPM"] == 380
    assert limiter.costs(Demand(300, 2_000))["TPM"] == 2_300
    assert limiter.handler.expected(limiter.scope, Demand(300, 2_000))["TPM"] == 380


def test_answers_to_requests_of_one_tag_tell_of_those_to_come() -> None:
    limiter = Limiter(expected_completion_tokens=1_024)
    for tag, tokens in [("titles", 8), ("essays", 900)] * 10:
        reservation = limiter.reserve(Demand(10, tag=tag))
        limiter.handler.settle(reservation, Usage(10, tokens))
    tags = ("titles", "essays", "unheard-of")
    expected = [
        limiter.handler.expected(limiter.scope, Demand(300, tag=tag))["TPM"] for tag in tags
    ]
    assert expected == [308, 1_200, 754]
    assert limiter.costs(Demand(300, tag="essays"))["TPM"] == 1_200


def test_prompts_cost_what_the_service_counts_of_them() -> None:
    limiter = Limiter()
    for _ in range(5):
        limiter.handler.settle(limiter.reserve(Demand(100, 10)), Usage(120, 10))
    assert limiter.costs(Demand(1_000, 10))["TPM"] == 1_210


def test_expectations_of_one_model_are_not_those_of_another() -> None:
    limiter = Limiter(expected_completion_tokens=1_000)
    for _ in range(10):
        limiter.handler.settle(limiter.reserve(Demand(10)), Usage(10, 7))
    other = limiter.handler.scope("another")
    assert limiter.handler.costs(other, Demand(10))["TPM"] == 1_010


def test_what_is_expected_never_exceeds_the_room_beside_the_prompt() -> None:
    limiter = Limiter(expected_completion_tokens=5_000, token_per_minute=1_000, token_per_day=900)
    assert limiter.costs(Demand(300))["TPM"] == 900
    assert limiter.costs(Demand(2_000))["TPM"] == 2_000
    limiter.handler.check_fits(limiter.scope, Demand(300))


# --- what never fits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "demand", "dimension", "limit", "requested"),
    [
        ({"token_per_minute": 1_000}, Demand(900, 101), "TPM", 1_000, 1_001),
        ({"token_per_day": 1_000}, Demand(1_500), "TPD", 1_000, 1_500),
        ({"token_per_minute": 500, "token_per_day": 1_000}, Demand(599, 1), "TPM", 500, 600),
    ],
)
def test_what_is_larger_than_a_whole_bucket_is_refused_with_the_arithmetic(
    limits: dict[str, int], demand: Demand, dimension: str, limit: int, requested: int
) -> None:
    limiter = Limiter(**limits)
    with pytest.raises(TokenLimitExceededException) as caught:
        limiter.handler.check_fits(limiter.scope, demand)
    error = caught.value
    assert (error.dimension, error.limit, error.requested) == (dimension, limit, requested)
    assert (error.prompt_tokens, error.model) == (demand.prompt_tokens, MODEL)
    assert str(requested) in str(error)
    assert str(requested - limit) in (error.hint or "")


def test_the_hint_says_what_can_be_shortened() -> None:
    limiter = Limiter(token_per_minute=1_000)
    for demand, word in [(Demand(500, 600), "max_completion_tokens"), (Demand(1_400, 9), "messag")]:
        with pytest.raises(TokenLimitExceededException) as caught:
            limiter.handler.check_fits(limiter.scope, demand)
        assert word in (caught.value.hint or "")


def test_what_just_fits_is_not_refused() -> None:
    limiter = Limiter(token_per_minute=1_000)
    limiter.handler.check_fits(limiter.scope, Demand(400, 600))
    assert isinstance(limiter.admit(Demand(400, 600)), Reservation)
    assert limiter.levels() == {"TPM": 0}


def test_what_may_fit_when_counted_exactly_is_not_refused() -> None:
    limiter = Limiter(token_per_minute=1_000)
    uncertain = Demand(prompt_tokens=1_050, output_cap=0, prompt_at_least=950)
    limiter.handler.check_fits(limiter.scope, uncertain)
    assert isinstance(limiter.admit(uncertain), Reservation)
    assert limiter.levels() == {"TPM": 0}
    with pytest.raises(TokenLimitExceededException):
        limiter.handler.check_fits(limiter.scope, Demand(1_150, 0, prompt_at_least=1_001))


def test_what_no_longer_fits_since_a_limit_was_lowered_is_refused_on_admission() -> None:
    limiter = Limiter(token_per_minute=8_000)
    limiter.use_limits(token_per_minute=100)
    with pytest.raises(TokenLimitExceededException):
        limiter.admit(SMALL)


# --- the end of a reservation --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "left"),
    [
        (Usage(100, 20), 880),  # less than was set aside
        (Usage(90, 410), 500),  # more
        (Usage(100, 100), 800),  # as much
        (Usage(100, 20, cached=60), 940),  # cached tokens count for no limit
        (Usage(100, 1_900), -1_000),  # debt
        (Usage(0, 0), 1_000),
    ],
)
def test_settling_charges_what_was_used(usage: Usage, left: int) -> None:
    limiter = Limiter(token_per_minute=1_000, token_per_day=2_000, req_per_minute=10)
    limiter.handler.settle(limiter.reserve(SMALL), usage)
    assert limiter.levels() == {"TPM": left, "TPD": left + 1_000, "RPM": 9}


def test_settling_charges_input_and_output_separately_where_they_are_limited() -> None:
    limiter = Limiter(expected_completion_tokens=500)
    limiter.tell(ITPM=1_000, OTPM=1_000)
    reservation = limiter.reserve(Demand(300, 200))
    assert limiter.levels() == {"ITPM": 700, "OTPM": 800}
    limiter.handler.settle(reservation, Usage(280, 30, cached=80))
    assert limiter.levels() == {"ITPM": 800, "OTPM": 970}


def test_releasing_gives_all_of_it_back() -> None:
    limiter = Limiter(**ALL_LIMITS)
    full = limiter.levels()
    limiter.handler.release(limiter.reserve(SMALL))
    assert limiter.levels() == full
    limiter.reserve(SMALL).release()
    assert limiter.levels() == full


def test_keeping_leaves_it_charged_until_it_flows_back() -> None:
    limiter = Limiter(token_per_minute=600)
    limiter.handler.keep(limiter.reserve(SMALL))
    assert limiter.levels() == {"TPM": 400}
    limiter.clock.advance(20.0)
    assert limiter.levels() == {"TPM": 600}


ENDS: dict[str, Any] = {
    "settle": lambda handler, reservation: handler.settle(reservation, Usage(10, 10)),
    "release": lambda handler, reservation: handler.release(reservation),
    "its own release": lambda handler, reservation: reservation.release(),
    "keep": lambda handler, reservation: handler.keep(reservation),
}


@pytest.mark.parametrize("later", ENDS)
@pytest.mark.parametrize("first", ENDS)
def test_only_the_first_end_counts(first: str, later: str) -> None:
    limiter = Limiter(token_per_minute=10_000, req_per_minute=50)
    reservation = limiter.reserve(SMALL)
    ENDS[first](limiter.handler, reservation)
    before = limiter.levels()
    ENDS[later](limiter.handler, reservation)
    assert limiter.levels() == before


def test_only_one_of_many_threads_ends_a_reservation() -> None:
    limiter = Limiter(token_per_minute=10_000)
    limiter.handler.keep(limiter.reserve(Demand(8_999, 1)))
    for _ in range(20):
        reservation = limiter.reserve(SMALL)
        together(*[reservation.release] * 4)
        assert limiter.levels() == {"TPM": 1_000}


# --- status --------------------------------------------------------------------------------------


def test_the_status_tells_limit_rest_window_and_source() -> None:
    limiter = Limiter(token_per_minute=1_000, req_per_day=50)
    limiter.handler.settle(limiter.reserve(SMALL), Usage(100, 50))
    limiter.clock.advance(0.52)  # 8.67 tokens: the rest is rounded down
    status = {name: limit.to_dict() for name, limit in limiter.status().items()}
    assert status == {
        "TPM": {"limit": 1_000, "remaining": 858, "window_s": 60.0, "source": "configured"},
        "RPD": {"limit": 50, "remaining": 49, "window_s": 86_400.0, "source": "configured"},
    }


def test_the_status_of_a_debt_is_negative() -> None:
    limiter = Limiter(token_per_minute=1_000)
    limiter.handler.settle(limiter.reserve(SMALL), Usage(100, 1_400))
    assert limiter.status()["TPM"].remaining == -500


def test_after_a_fork_a_lost_thread_may_hold_any_lock() -> None:
    limiter = Limiter(token_per_minute=1_000)
    limiter.reserve(SMALL)
    for lock in (limiter.handler._ledgers._lock, limiter.store._lock):
        lock.acquire()
    limiter.handler._ledgers.after_fork()
    limiter.store.after_fork()
    limiter.handler.settle(limiter.reserve(SMALL), Usage(1, 1))
    limiter.use_limits(token_per_minute=2_000)
    assert limiter.levels() == {"TPM": 1_798}
