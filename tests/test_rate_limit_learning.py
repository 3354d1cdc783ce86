"""RateLimitHandler: what the service's answers and refusals teach it, and what a guess is worth."""

from __future__ import annotations

import pytest
from helpers_limits import MODEL, Limiter, load

from customgroqchat._headers import HeaderLimit
from customgroqchat.exceptions import TokenLimitExceededException
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Usage
from customgroqchat.stores import Decision

GUESSED = "openai/gpt-oss-20b"  # RPM 30, RPD 1000, TPM 8000, TPD 200000 in the published plan
# Costs 200, by whatever rule it may be that the service charges.
SMALL = Demand(prompt_tokens=199, output_cap=1)
USED = Usage(199, 1)


def answer(
    limiter: Limiter,
    reservation: Reservation | None = None,
    usage: Usage = USED,
    **told: tuple[int, int],
) -> None:
    """Have an answer tell limits and what remains of them, and settle it."""
    headers = {name: HeaderLimit(limit, rest, None) for name, (limit, rest) in told.items()}
    reservation = reservation or limiter.reserve(SMALL)
    limiter.handler.observe(reservation, headers)
    limiter.handler.settle(reservation, usage)


# --- headers -------------------------------------------------------------------------------------


def test_headers_teach_limits_that_nobody_configured() -> None:
    limiter = Limiter()
    answer(limiter, RPD=(1_000, 941), TPM=(6_000, 5_800))
    assert limiter.sources() == {"RPD": (1_000, "server"), "TPM": (6_000, "server")}
    assert limiter.levels() == {"RPD": 942, "TPM": 5_800}  # what is told was rounded down


def test_levels_are_believed_when_the_reservation_is_settled() -> None:
    limiter = Limiter(token_per_minute=6_000)
    reservation = limiter.reserve(SMALL)
    limiter.handler.observe(reservation, {"TPM": HeaderLimit(6_000, 1_000, None)})
    assert limiter.levels() == {"TPM": 5_800}
    limiter.handler.settle(reservation, USED)
    assert limiter.levels() == {"TPM": 1_000}


def in_a_row(limiter: Limiter, number: int) -> list[Reservation]:
    """Send some, so long one after the other that the service must see them in that order."""
    sent = []
    for _ in range(number):
        limiter.clock.advance(1.0)
        sent.append(limiter.reserve(SMALL))
    return sent


def test_what_was_sent_later_is_counted_on_top_of_what_headers_say() -> None:
    limiter = Limiter(token_per_minute=6_000)
    first, second, third = in_a_row(limiter, 3)
    limiter.clock.advance(1.0)
    answer(limiter, second, TPM=(6_000, 5_000))
    after = 5_000 - 200 + 200  # less the third, and what flowed back in two seconds
    assert limiter.levels()["TPM"] == pytest.approx(after, abs=11)  # a tenth of a second, in doubt
    before = limiter.levels()
    for reservation in (first, third):
        limiter.handler.settle(reservation, USED)
    assert limiter.levels() == before


def test_of_what_was_sent_at_the_same_instant_nobody_knows_whether_it_is_counted() -> None:
    limiter = Limiter(token_per_minute=6_000)
    _, second, _ = (limiter.reserve(SMALL) for _ in range(3))
    answer(limiter, second, TPM=(6_000, 5_000))
    assert 4_600 - 3 <= limiter.levels()["TPM"] <= 5_000 + 1  # neither of them, or both


def test_what_was_sent_later_and_taken_back_is_not_counted() -> None:
    limiter = Limiter()
    first, second = limiter.reserve(SMALL), limiter.reserve(SMALL)
    second.release()
    answer(limiter, first, TPM=(6_000, 5_000))
    assert limiter.levels() == {"TPM": 5_000}


def test_an_answer_that_nobody_else_s_was_near_is_believed_in_both_directions() -> None:
    limiter = Limiter(token_per_minute=6_000)
    told = [5_800, 3_000, 5_000, 5_500, 300, 4_000]
    found = []
    for remaining in told:
        answer(limiter, TPM=(6_000, remaining))
        found.append(limiter.levels()["TPM"])
        limiter.clock.advance(1.0)
    assert found == [pytest.approx(remaining, abs=1) for remaining in told]


def test_the_debt_can_be_told_from_the_time_until_it_is_full() -> None:
    limiter = Limiter(token_per_minute=6_000)
    reservation = limiter.reserve(SMALL)
    limiter.handler.observe(reservation, {"TPM": HeaderLimit(6_000, 0, 70.0)})
    limiter.handler.settle(reservation, USED)
    assert limiter.levels() == {"TPM": -1_000}


def test_a_bucket_that_is_new_is_charged_for_what_is_on_its_way() -> None:
    limiter = Limiter()
    first, second = limiter.reserve(SMALL), limiter.reserve(Demand(500, 500))
    limiter.handler.observe(first, {"TPM": HeaderLimit(6_000, 5_800, None)})
    assert limiter.levels() == {"TPM": 4_800}
    limiter.handler.release(second)
    assert limiter.levels() == {"TPM": 5_800}
    limiter.handler.settle(first, USED)
    assert limiter.levels() == {"TPM": 5_800}


def test_a_changed_limit_leaves_in_use_what_is_in_use() -> None:
    limiter = Limiter()
    answer(limiter, TPM=(6_000, 5_000))
    limiter.handler.observe(limiter.reserve(SMALL), {"TPM": HeaderLimit(8_000, 3, None)})
    assert limiter.sources() == {"TPM": (8_000, "server")}
    assert limiter.levels() == {"TPM": 6_800}


@pytest.mark.parametrize("end", ["keep", "release"])
def test_without_an_answer_that_can_be_settled_no_level_is_believed(end: str) -> None:
    limiter = Limiter(token_per_minute=6_000)
    reservation = limiter.reserve(SMALL)
    limiter.handler.observe(reservation, {"TPM": HeaderLimit(6_000, 9, None)})
    getattr(limiter.handler, end)(reservation)
    assert limiter.levels()["TPM"] >= 5_800


def test_headers_that_were_told_before_are_predicted() -> None:
    limiter = Limiter(req_per_day=100, token_per_day=10**6)
    answer(limiter, TPM=(6_000, 5_800), RPD=(100, 40))
    reservation = limiter.reserve(Demand(50, 150))
    assert limiter.handler.prediction(reservation) == {
        "TPM": pytest.approx(5_600, abs=1),
        "RPD": pytest.approx(39, abs=1),
    }
    assert Limiter().handler.prediction(Limiter().reserve(SMALL)) == {}


# --- what is not used ----------------------------------------------------------------------------


SPARING = Demand(prompt_tokens=100, output_cap=100)
SPARED = Usage(100, 20)


def test_where_no_level_was_ever_told_what_is_not_used_is_given_back_at_once() -> None:
    limiter = Limiter(token_per_minute=6_000)
    limiter.handler.settle(limiter.reserve(SPARING), SPARED)
    assert limiter.levels() == {"TPM": 5_880}


@pytest.mark.parametrize(("remaining", "left"), [(5_800, 5_701), (5_899, 5_800)])
def test_in_the_beginning_the_worst_is_believed_of_how_the_service_charges(
    remaining: int, left: int
) -> None:
    """It may not have charged the answer yet, or keep the whole cap."""
    limiter = Limiter(token_per_minute=6_000)
    answer(limiter, limiter.reserve(SPARING), Usage(100, 100), TPM=(6_000, remaining))
    assert limiter.levels() == {"TPM": left}


def sparing_answers(limiter: Limiter, number: int, charged: int) -> int:
    """Answers that use 120 of 200, while one token flows back; return what is in use at last."""
    in_use = 0
    for _ in range(number):
        told = {"TPM": (6_000, 6_000 - in_use - 200)}
        answer(limiter, limiter.reserve(SPARING), SPARED, **told)
        in_use = in_use + charged - 1
        limiter.clock.advance(0.01)
    return in_use


@pytest.mark.parametrize("charged", [120, 200])
def test_whether_the_service_gives_back_is_learnt_from_its_headers(charged: int) -> None:
    limiter = Limiter(token_per_minute=6_000)
    in_use = sparing_answers(limiter, 28, charged)
    before = limiter.levels()["TPM"]
    # One by one, it cannot be told whether headers speak of the admission or of the end.
    assert 6_000 - in_use - 100 <= before <= 6_000 - in_use + 3
    limiter.handler.settle(limiter.reserve(SPARING), SPARED)
    assert before - limiter.levels()["TPM"] == charged


def test_what_has_been_seen_to_be_given_back_is_so_without_headers_too() -> None:
    limiter = Limiter(token_per_minute=6_000, token_per_day=10**6)
    sparing_answers(limiter, 28, 120)
    before = limiter.levels()
    limiter.handler.settle(limiter.reserve(SPARING), SPARED)
    after = limiter.levels()
    assert {name: before[name] - after[name] for name in after} == {"TPM": 120, "TPD": 120}


def test_headers_without_limits_change_nothing() -> None:
    limiter = Limiter(token_per_minute=6_000)
    before = limiter.sources()
    answer(limiter)
    assert limiter.sources() == before


# --- which limit counts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "configured", "told", "expected"),
    [
        ("adopt", 5_000, 6_000, (6_000, "server")),
        ("adopt", 8_000, 6_000, (6_000, "server")),
        ("lower", 5_000, 6_000, (5_000, "configured")),  # lower on purpose
        ("lower", 8_000, 6_000, (6_000, "server")),
        ("lower", 6_000, 6_000, (6_000, "server")),
    ],
)
def test_what_is_told_counts_more_than_what_is_configured(
    setting: str, configured: int, told: int, expected: tuple[int, str]
) -> None:
    limiter = Limiter(token_per_minute=configured, server_limits=setting)
    answer(limiter, TPM=(told, told - 200))
    assert limiter.sources() == {"TPM": expected}


def test_below_the_service_s_limit_on_purpose_only_a_lower_level_is_believed() -> None:
    limiter = Limiter(token_per_minute=5_000, server_limits="lower")
    answer(limiter, TPM=(6_000, 5_700))
    assert limiter.levels() == {"TPM": 4_800}
    answer(limiter, TPM=(6_000, 1_000))
    assert limiter.levels() == {"TPM": 1_000}


def test_what_is_unlimited_by_choice_is_limited_by_the_service() -> None:
    limiter = Limiter(token_per_minute=-1, req_per_minute=10)
    answer(limiter, TPM=(6_000, 5_800))
    assert limiter.sources() == {"TPM": (6_000, "server"), "RPM": (10, "configured")}


def test_one_scope_learns_nothing_from_another() -> None:
    limiter = Limiter()
    answer(limiter, TPM=(6_000, 5_800))
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
    answer(limiter, TPM=(8_000, 7_800))
    assert limiter.sources() == {
        "RPM": (30, "preset"),
        "RPD": (1_000, "preset"),
        "TPM": (8_000, "server"),
        "TPD": (200_000, "preset"),
    }


@pytest.mark.parametrize("told", [250_000, 4_000])
def test_a_guess_that_the_service_contradicts_drops_the_others(told: int) -> None:
    limiter = Limiter(GUESSED)
    answer(limiter, TPM=(told, told - 200))
    assert limiter.sources() == {"TPM": (told, "server")}


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


# --- another configuration -----------------------------------------------------------------------


def test_another_configuration_keeps_levels() -> None:
    limiter = Limiter(token_per_minute=6_000, req_per_minute=30)
    limiter.handler.keep(limiter.reserve(Demand(999, 1)))
    limiter.use_limits(token_per_minute=8_000, req_per_day=500)
    assert limiter.levels() == {"TPM": 7_000, "RPD": 500}
    limiter.use_limits(token_per_minute=500)
    assert limiter.levels() == {"TPM": -500}


def test_another_configuration_keeps_what_the_service_told() -> None:
    limiter = Limiter(token_per_minute=8_000)
    answer(limiter, TPM=(6_000, 5_000), RPD=(100, 60))
    limiter.use_limits(token_per_minute=7_000)
    assert limiter.sources() == {"TPM": (6_000, "server"), "RPD": (100, "server")}
    limiter.use_limits(token_per_minute=4_000, server_limits="lower")
    assert limiter.sources() == {"TPM": (4_000, "configured"), "RPD": (100, "server")}
    assert limiter.levels() == {"TPM": 3_000, "RPD": 61}


def test_reservations_outlive_a_configuration() -> None:
    limiter = Limiter(token_per_minute=6_000)
    reservation = limiter.reserve(Demand(999, 1))
    limiter.use_limits(token_per_minute=8_000)
    limiter.handler.release(reservation)
    assert limiter.levels() == {"TPM": 8_000}


def test_a_configuration_that_does_not_know_a_model_any_more_is_adopted_all_the_same() -> None:
    limiter = Limiter(config={MODEL: {"req_per_minute": 2}, "other": {"req_per_minute": 2}})
    other = limiter.handler.scope("other")
    for scope in (limiter.scope, other):
        assert isinstance(limiter.handler.admit(scope, SMALL), Reservation)
    settings = {"strict_models": True, **limiter.settings}
    limiter.handler.use_config(load({"other": {"req_per_minute": 9}}, **settings))
    assert limiter.handler.status(other)["RPM"].limit == 9
    limiter.reserve(SMALL)  # what is queued already is still served


def test_a_store_of_its_own_by_default() -> None:
    handler = RateLimitHandler(load({MODEL: {"req_per_day": 1}}, policy="greedy"))
    assert isinstance(handler.admit(handler.scope(MODEL), SMALL), Reservation)
    assert isinstance(handler.admit(handler.scope(MODEL), SMALL), Decision)
