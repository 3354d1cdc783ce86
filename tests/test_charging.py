"""The rules by which the service may charge."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._charging import RULES, Rule

tokens = st.integers(0, 10**5)
rules = st.sampled_from(RULES)


@pytest.mark.parametrize(
    ("charges", "cap", "charge"),
    [
        ("prompt+cap", 500, 600),
        ("prompt+cap", 0, 100),
        ("prompt+cap", None, 101),  # as if it were one token, until the answer is there
        ("expected", 500, 300),
        ("expected", 150, 250),
        ("expected", None, 300),
        ("prompt", 500, 101),
        ("prompt", None, 101),
    ],
)
def test_at_admission_it_charges_the_prompt_and_something_for_the_answer(
    charges: str, cap: int | None, charge: int
) -> None:
    for rule in RULES:
        if rule.charges == charges:
            assert rule.charge(100, cap, expected=200) == charge


@pytest.mark.parametrize(
    ("refunds", "used", "final"), [(True, 150, 150), (False, 150, 600), (False, 700, 700)]
)
def test_at_the_end_it_charges_what_was_used_or_at_least_what_it_was(
    refunds: bool, used: int, final: int
) -> None:
    assert Rule("prompt+cap", refunds, "end").final(600, used) == final


def test_every_rule_is_there_once_and_the_most_cautious_first() -> None:
    assert len(set(RULES)) == len(RULES) == 10
    assert RULES[0] == Rule("prompt+cap", refunds=False, headers_at="admission")
    assert {rule.charges for rule in RULES} == {"prompt+cap", "expected", "prompt"}
    assert [rule.headers_at for rule in RULES] == ["admission", "end"] * 5


@repeatable
@given(tokens, tokens, tokens)
def test_who_reckons_with_an_earlier_rule_is_safe_under_a_later_one(
    prompt: int, cap: int, longest: int
) -> None:
    expected = max(1, min(cap, longest))
    charges = [rule.charge(prompt, max(1, cap), expected) for rule in RULES]
    assert charges == sorted(charges, reverse=True)


@repeatable
@given(rules, st.floats(0, 1e5), st.floats(0, 1e5))
def test_no_rule_charges_less_than_was_used(rule: Rule, charged: float, used: float) -> None:
    assert rule.final(charged, used) >= used
