"""RateLimitHandler: what once went wrong, each with its test."""

from __future__ import annotations

import gc
import math

import pytest
from helpers_limits import Limiter, load

from customgroqchat._calls import Call
from customgroqchat._headers import HeaderLimit
from customgroqchat.exceptions import RateLimitError, TokenLimitExceededException
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Usage
from customgroqchat.stores import Decision, MemoryStore
from customgroqchat.testing import FakeClock

PLENTY = {"TPM": HeaderLimit(1_000_000, 999_000, None)}


def test_calls_that_overlap_do_not_keep_each_other_in_memory() -> None:
    limiter = Limiter(token_per_minute=10**6, req_per_minute=10**6, token_per_day=10**9)
    open_calls: list[Reservation] = []
    for _ in range(300):
        open_calls.append(limiter.reserve(Demand(10, 5)))
        if len(open_calls) > 4:
            first = open_calls.pop(0)
            limiter.handler.observe(first, PLENTY)
            limiter.handler.settle(first, Usage(10, 2))
        limiter.clock.advance(0.05)
    gc.collect()
    assert sum(isinstance(thing, Call) for thing in gc.get_objects()) < 100


def test_a_small_limit_of_output_makes_nobody_wait_for_ever() -> None:
    limiter = Limiter(output_token_per_minute=500)
    limiter.reserve(Demand(10))
    decision = limiter.admit(Demand(10))
    assert isinstance(decision, Decision)
    assert 0.0 < decision.wait_s <= 60.0


def test_a_refusal_by_the_whole_account_is_no_debt_of_a_share() -> None:
    limiter = Limiter(server_limits="lower", token_per_day=100_000)
    refused = limiter.reserve(Demand(1_000, 1_000))
    facts = {"dimension": "TPD", "limit": 500_000, "used": 499_000, "requested": 2_000}
    limiter.handler.refused(refused, RateLimitError("429", retry_after=172.8, **facts))
    decision = limiter.admit(Demand(1_000, 1_000))
    assert isinstance(decision, Decision)
    assert 172.0 < decision.wait_s < 2_000.0


def test_a_refusal_that_names_neither_limit_nor_bucket_is_waited_for() -> None:
    limiter = Limiter()
    facts = {"dimension": "TPD", "used": 500, "requested": 20, "retry_after": 300.0}
    limiter.handler.refused(limiter.reserve(Demand(10, 5)), RateLimitError("429", **facts))
    decision = limiter.admit(Demand(10, 5))
    assert isinstance(decision, Decision)
    assert decision.wait_s == pytest.approx(300.0)


def test_no_more_output_is_given_back_than_the_service_charged() -> None:
    limiter = Limiter(output_token_per_minute=6_000)
    on_their_way = [limiter.reserve(Demand(10, 300)) for _ in range(10)]
    refused = limiter.reserve(Demand(10, 300))
    facts = {"dimension": "OTPM", "limit": 6_000, "used": 5_900, "requested": 199}
    limiter.handler.refused(refused, RateLimitError("429", retry_after=1.0, **facts))
    for reservation in on_their_way:
        limiter.handler.settle(reservation, Usage(10, 100))
    assert limiter.levels()["OTPM"] <= 100 + 10 * 99


def test_where_one_configured_limit_was_too_low_the_others_are_tried() -> None:
    limiter = Limiter(token_per_minute=15_000, req_per_minute=60)
    first = limiter.reserve(Demand(10, 5))
    limiter.handler.observe(first, {"TPM": HeaderLimit(30_000, 29_985, None)})
    limiter.handler.settle(first, Usage(10, 5))
    for _ in range(100):
        passed = limiter.reserve(Demand(10, 5))  # the 61st tries whether there are more
        limiter.handler.settle(passed, Usage(10, 5))


def test_names_that_do_not_exist_do_not_fill_the_memory() -> None:
    handler = RateLimitHandler(load())
    for number in range(1_000):
        handler.status(handler.scope(f"no/such-model-{number}"))
    assert len(handler._ledgers) <= 256


def test_what_was_told_is_handed_over_again_lest_it_grows_old() -> None:
    handed: list[dict[str, int]] = []

    class Memory:
        def recall(self, account: str, model: str) -> dict[str, int]:
            return {}

        def remember(self, account: str, model: str, told: dict[str, int]) -> None:
            handed.append(dict(told))

    clock = FakeClock()
    handler = RateLimitHandler(
        load(policy="greedy"), MemoryStore(clock), clock=clock, memory=Memory()
    )
    scope = handler.scope("some/model")
    for _ in range(3):
        reservation = handler.admit(scope, Demand(10, 5))
        assert isinstance(reservation, Reservation)
        handler.observe(reservation, PLENTY)
        handler.settle(reservation, Usage(10, 5))
        clock.advance(4_000.0)
    assert handed == [{"TPM": 1_000_000}] * 3


def test_no_wait_is_so_short_that_it_is_none() -> None:
    limiter = Limiter()
    reservation = limiter.reserve(Demand(10, 5))
    limiter.handler.observe(reservation, PLENTY)
    limiter.handler.settle(reservation, Usage(10, 5))  # in no time
    decision = None
    for _ in range(100):
        decision = limiter.admit(Demand(10, 5))
        if isinstance(decision, Decision):
            break
    assert isinstance(decision, Decision)
    assert 0.01 <= decision.wait_s < math.inf


@pytest.mark.parametrize(
    ("limits", "demand", "text", "hint"),
    [
        (
            {"output_token_per_minute": 100},
            Demand(264, 300),
            "needs 300 tokens (for the answer), more than the whole OTPM limit of 100",
            "Lower max_completion_tokens by 200.",
        ),
        (
            {"input_token_per_minute": 100},
            Demand(264, 300),
            "needs 264 tokens (for the prompt), more than the whole ITPM limit of 100",
            "Shorten the messages by 164 tokens.",
        ),
    ],
)
def test_what_is_too_large_is_told_by_what_the_limit_looks_at(
    limits: dict[str, int], demand: Demand, text: str, hint: str
) -> None:
    with pytest.raises(TokenLimitExceededException) as caught:
        Limiter(**limits).admit(demand)
    assert text in str(caught.value)
    assert caught.value.hint == hint


def test_audio_that_is_longer_than_a_whole_limit_is_refused_and_does_not_wait_for_ever() -> None:
    limiter = Limiter(audio_seconds_per_hour=7_200)
    assert isinstance(limiter.admit(Demand(0, audio_s=7_200.0)), Reservation)
    with pytest.raises(TokenLimitExceededException, match="7300 seconds of audio") as caught:
        limiter.admit(Demand(0, audio_s=7_300.0))
    assert (caught.value.dimension, caught.value.requested) == ("ASH", 7_300)


@pytest.mark.parametrize("policy", ["greedy", "balanced", "polite"])
def test_whatever_the_policy_a_number_that_is_tried_is_left_behind(policy: str) -> None:
    limiter = Limiter(policy=policy)
    for _ in range(100):  # the trial begins with 30 a minute
        passed = limiter.reserve(Demand(10, 5))
        limiter.handler.observe(passed, PLENTY)
        limiter.handler.settle(passed, Usage(10, 5))
