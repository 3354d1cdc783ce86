"""What a request costs in each dimension."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._charging import RULES, Rule
from customgroqchat._limits import KnownLimit
from customgroqchat._pricing import Demand, Pricing, Usage

FIRST_GUESS = 1_000
BY_CAP = [Rule("prompt+cap", True, "admission")]
BY_EXPECTATION = [Rule("expected", True, "admission")]
BY_PROMPT = [Rule("prompt", True, "admission")]

tokens = st.integers(0, 10**5)


def taught(
    *outputs: int, counted: int = 100, told: int = 100, tag: str | None = None, first: Any = None
) -> Pricing:
    """What somebody knows who has seen such answers."""
    pricing = first or Pricing(FIRST_GUESS)
    for output in outputs:
        pricing.learn(Demand(counted, tag=tag), Usage(told, output))
    return pricing


def configured(**limits: int) -> dict[str, KnownLimit]:
    return {name: KnownLimit(limit, "configured") for name, limit in limits.items()}


# --- tokens --------------------------------------------------------------------------------------


def test_a_request_costs_one_request_and_its_tokens_in_every_dimension() -> None:
    costs = taught(*[50] * 8).costs(Demand(300, 200), BY_CAP, {})
    assert costs == {"RPM": 1, "RPD": 1, "TPM": 500, "TPD": 500, "ITPM": 300, "OTPM": 50}


@pytest.mark.parametrize(
    ("rules", "capped", "uncapped"),
    [
        (BY_CAP, 500, 301),
        (BY_EXPECTATION, 350, 350),
        (BY_PROMPT, 301, 301),
        (RULES, 500, 350),
        (BY_PROMPT + BY_EXPECTATION, 350, 350),
    ],
)
def test_of_the_rules_that_may_hold_the_dearest_is_reckoned_with(
    rules: list[Rule], capped: int, uncapped: int
) -> None:
    pricing = taught(*[50] * 8)
    assert pricing.costs(Demand(300, 200), rules, {})["TPM"] == capped
    assert pricing.costs(Demand(300), rules, {})["TPM"] == uncapped


def test_what_is_expected_is_never_more_than_the_cap() -> None:
    pricing = taught(*[50] * 8)
    assert pricing.costs(Demand(300, 20), BY_EXPECTATION, {})["TPM"] == 320
    assert pricing.output(Demand(300, 20)) == 20
    assert pricing.likely_output(Demand(300, 20)) == 20


def test_the_longest_of_the_latest_answers_counts_though_it_is_rare() -> None:
    pricing = taught(*[50] * 40, 700)
    assert pricing.output(Demand(300)) == 50
    assert pricing.longest_output() == 700
    assert pricing.likely_output(Demand(300)) == 700
    assert pricing.costs(Demand(300, 900), BY_EXPECTATION, {})["TPM"] == 1_000


def test_nothing_known_the_first_guess_is_expected() -> None:
    pricing = Pricing(FIRST_GUESS)
    assert pricing.output(Demand(300)) == pricing.likely_output(Demand(300)) == FIRST_GUESS
    assert pricing.costs(Demand(300), BY_EXPECTATION, {})["TPM"] == 1_300
    assert pricing.longest_output() == 1


@pytest.mark.parametrize(("rules", "later"), [(BY_CAP, 0), (BY_EXPECTATION, 0), (BY_PROMPT, 49)])
def test_what_is_charged_later_is_what_is_not_set_aside(rules: list[Rule], later: int) -> None:
    pricing, demand = taught(*[50] * 8), Demand(300, 200)
    set_aside = pricing.costs(demand, rules, {})["TPM"]
    assert pricing.charged_later(demand, set_aside, {}) == later


def test_without_a_cap_it_costs_no_more_than_the_smallest_bucket_holds() -> None:
    pricing = Pricing(FIRST_GUESS)
    limits = configured(TPM=900, TPD=700, RPM=5)
    assert pricing.costs(Demand(300), BY_EXPECTATION, limits)["TPM"] == 700
    assert pricing.costs(Demand(800), BY_EXPECTATION, limits)["TPM"] == 800  # no wait can help
    assert pricing.costs(Demand(300, 900), BY_CAP, limits)["TPM"] == 1_200


# --- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [80, 130])
def test_a_prompt_costs_what_the_service_counts_of_such_prompts(told: int) -> None:
    pricing = taught(*[50] * 8, told=told)
    most, least = pricing.prompt(Demand(1_000))
    assert most == 10 * told
    assert least == min(1_000, 10 * told)
    assert pricing.costs(Demand(1_000, 0), BY_CAP, {})["ITPM"] == 10 * told


def test_what_it_is_at_least_is_that_of_the_count_without_its_margin() -> None:
    demand = Demand(1_100, prompt_at_least=900)
    assert Pricing(FIRST_GUESS).prompt(demand) == (1_100, 900)
    assert taught(*[9] * 8, told=50).prompt(demand) == (550, 450)
    assert taught(*[9] * 8, told=200).prompt(demand) == (2_200, 900)


# --- guesses and margins -------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["remembered", "preset", "trial"])
def test_a_guess_forbids_nothing(source: str) -> None:
    limits = {name: KnownLimit(500, source) for name in ("TPM", "OTPM")}
    costs = Pricing(FIRST_GUESS).costs(Demand(2_000, 900), BY_CAP, limits)
    assert (costs["TPM"], costs["TPD"], costs["OTPM"]) == (500, 2_900, 500)


@pytest.mark.parametrize(
    ("at_least", "cost"), [(950, 1_000), (1_000, 1_000), (1_001, 1_050), (0, 1_050)]
)
def test_what_only_the_margin_makes_too_large_fits(at_least: int, cost: int) -> None:
    demand = Demand(1_050, 0, prompt_at_least=at_least)
    assert Pricing(FIRST_GUESS).costs(demand, BY_CAP, configured(TPM=1_000))["TPM"] == cost


def test_a_price_that_the_service_named_has_no_margin() -> None:
    demand = Demand(1_050, 0, prompt_at_least=950, told={"TPM": 1_040})
    assert Pricing(FIRST_GUESS).costs(demand, BY_CAP, configured(TPM=1_000))["TPM"] == 1_050


@pytest.mark.parametrize(("told", "cost"), [(900, 900), (400, 500), (500, 500)])
def test_a_price_that_the_service_named_is_set_aside_at_least(told: int, cost: int) -> None:
    demand = Demand(300, 200, told={"TPM": told, "ASD": 7})
    costs = Pricing(FIRST_GUESS).costs(demand, BY_CAP, {})
    assert (costs["TPM"], costs["TPD"], costs["ASD"]) == (cost, 500, 7)


# --- tags ----------------------------------------------------------------------------------------


def test_a_tag_counts_when_five_of_its_answers_are_known() -> None:
    pricing = taught(*[800] * 20)
    taught(*[10] * 4, tag="short", first=pricing)
    demand = Demand(300, tag="short")
    assert pricing.output(demand) == 800
    taught(10, tag="short", first=pricing)
    assert pricing.output(demand) == 10
    assert pricing.typical(demand)["TPM"] == 310
    assert pricing.output(Demand(300, tag="another")) == pricing.output(Demand(300)) == 800


def test_of_too_many_tags_the_one_not_seen_for_longest_is_forgotten() -> None:
    pricing = taught(*[800] * 100)
    for tag in ("first", "second"):
        taught(*[10] * 5, tag=tag, first=pricing)
    for number in range(254):
        taught(800, tag=str(number), first=pricing)
    taught(10, tag="first", first=pricing)
    taught(800, tag="one too many", first=pricing)
    assert pricing.output(Demand(0, tag="first")) == 10
    assert pricing.output(Demand(0, tag="second")) == 800


# --- audio, and what is typical ------------------------------------------------------------------


def test_no_more_is_charged_later_than_the_smallest_bucket_holds() -> None:
    pricing = Pricing(1_024)
    limits = {"TPM": KnownLimit(6_000, "server"), "TPD": KnownLimit(100_000, "server")}
    assert pricing.charged_later(Demand(5_900, None, 5_900), 5_950, limits) == 50
    assert pricing.charged_later(Demand(5_900, None, 5_900), 6_000, limits) == 0


def test_audio_takes_seconds_and_no_tokens() -> None:
    pricing, demand = taught(*[50] * 8), Demand(0, audio_s=12.5)
    expected = {"RPM": 1, "RPD": 1, "ASH": 12.5, "ASD": 12.5}
    assert pricing.costs(demand, BY_CAP, {}) == pricing.typical(demand) == expected
    assert pricing.charged_later(demand, 0.0, {}) == 0.0


def test_what_is_typical_is_the_mean_of_prompts_and_answers() -> None:
    pricing = taught(*[40, 60] * 4, told=90)
    costs = pricing.typical(Demand(1_000))
    assert costs["TPM"] == costs["TPD"] == pytest.approx(950)
    assert (costs["ITPM"], costs["OTPM"]) == (pytest.approx(900), 50)
    assert pricing.typical(Demand(1_000, 20))["OTPM"] == 20


@pytest.mark.parametrize(
    ("usage", "prompt", "total"),
    [(Usage(50, 20), 50, 70), (Usage(50, 20, 30), 20, 40), (Usage(50, 20, 80), 0, 20)],
)
def test_what_was_cached_counts_for_no_limit(usage: Usage, prompt: int, total: int) -> None:
    expected = {"TPM": total, "TPD": total, "ITPM": prompt, "OTPM": 20}
    assert usage.costs() == expected


@repeatable
@given(st.lists(tokens, max_size=20), tokens, st.none() | st.integers(1, 10**5))
def test_what_is_set_aside_and_what_is_charged_later_is_all_that_is_likely(
    outputs: list[int], prompt: int, cap: int | None
) -> None:
    pricing, demand = taught(*outputs), Demand(prompt, cap)
    for rule in RULES:
        set_aside = pricing.costs(demand, [rule], {})["TPM"]
        later = pricing.charged_later(demand, set_aside, {})
        assert set_aside + later >= prompt + pricing.likely_output(demand)
        assert 0 <= later <= pricing.likely_output(demand)
