"""How long an answer will probably be."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._expectation import OutputExpectation, PromptCalibration

FIRST_GUESS = 1000
answers = st.lists(st.integers(0, 100_000), max_size=200)


def expected_after(*answers: int) -> int:
    expectation = OutputExpectation(FIRST_GUESS)
    for tokens in answers:
        expectation.learn(tokens)
    return expectation.tokens()


def test_knowing_nothing_it_is_the_first_guess() -> None:
    assert expected_after() == FIRST_GUESS


def test_until_five_answers_are_known_the_first_guess_is_the_floor() -> None:
    assert expected_after(10, 20, 30, 40) == FIRST_GUESS
    assert expected_after(10, 5000) == 5000
    assert expected_after(10, 20, 30, 40, 50) < FIRST_GUESS


def test_it_is_high_among_the_recent_answers() -> None:
    recent = range(100, 164)
    assert 155 <= expected_after(*recent) <= 163


def test_one_very_long_answer_does_not_keep_the_bucket_idle() -> None:
    assert expected_after(*[100] * 30, 60_000, *[100] * 30) == 100


def test_it_forgets_what_is_long_ago() -> None:
    assert expected_after(*[60_000] * 500, *[100] * 100) == 100


@repeatable
@given(answers.filter(lambda known: len(known) >= 5))
def test_it_is_an_answer_that_was_given(known: list[int]) -> None:
    assert expected_after(*known) in known


@repeatable
@given(st.lists(st.integers(0, 100_000), min_size=5, max_size=60))
def test_it_suffices_for_nine_in_ten_of_the_recent_answers(known: list[int]) -> None:
    enough = sum(tokens <= expected_after(*known) for tokens in known)
    assert enough >= 0.9 * len(known)


@repeatable
@given(answers, st.integers(0, 100_000))
def test_the_order_of_few_answers_does_not_matter(known: list[int], seed: int) -> None:
    few = known[:50]
    pivot = seed % (len(few) + 1)
    assert expected_after(*few) == expected_after(*few[pivot:], *few[:pivot])


def test_the_mean_of_the_recent_answers_is_typical() -> None:
    expectation = OutputExpectation(FIRST_GUESS)
    assert expectation.typical() == FIRST_GUESS
    for tokens in (10, 20, 60):
        expectation.learn(tokens)
    assert expectation.typical() == 30
    assert not expectation.is_known


def test_the_longest_is_that_of_the_latest_and_never_nothing() -> None:
    expectation = OutputExpectation(FIRST_GUESS)
    assert expectation.longest() == 1
    expectation.learn(0)
    assert expectation.longest() == 1
    for tokens in (900, *[10] * 7):
        expectation.learn(tokens)
    assert expectation.longest() == 900
    expectation.learn(10)
    assert expectation.longest() == 10


# --- prompts -------------------------------------------------------------------------------------


def calibrated(*ratios: float) -> PromptCalibration:
    calibration = PromptCalibration()
    for ratio in ratios:
        calibration.learn(1_000, round(1_000 * ratio))
    return calibration


def test_knowing_nothing_a_prompt_is_as_long_as_counted() -> None:
    calibration = calibrated()
    assert calibration.at_most(77) == calibration.at_least(77) == calibration.typical(77) == 77


def test_one_answer_corrects_a_count_upwards() -> None:
    assert calibrated(1.25).at_most(100) == 125
    assert calibrated(1.25).at_least(100) == 100
    assert calibrated(1.25).typical(100) == 125


def test_a_lower_count_is_trusted_when_five_have_said_so() -> None:
    assert calibrated(*[0.8] * 4).at_most(100) == 100
    assert calibrated(*[0.8] * 5).at_most(100) == 80
    assert calibrated(0.8).at_least(100) == 80


def test_the_highest_of_the_recent_counts() -> None:
    mixed = calibrated(0.8, 0.9, 1.1, 0.7, 1.0)
    assert (mixed.at_least(1_000), mixed.at_most(1_000)) == (700, 1_100)
    assert mixed.typical(1_000) == pytest.approx(900)


def test_what_is_long_ago_is_forgotten() -> None:
    assert calibrated(5.0, *[0.5] * 64).at_most(100) == 50


def test_what_cannot_be_is_bounded_or_left_out() -> None:
    assert calibrated(1_000.0).at_most(10) == 80
    assert calibrated(*[0.001] * 5).at_most(800) == 100
    calibration = calibrated()
    calibration.learn(0, 50)
    calibration.learn(50, 0)
    assert calibration.at_most(100) == 100


@repeatable
@given(st.lists(st.floats(0.05, 20), max_size=30), st.integers(0, 10**6))
def test_at_least_is_never_more_than_at_most(ratios: list[float], counted: int) -> None:
    calibration = calibrated(*ratios)
    assert calibration.at_least(counted) <= calibration.at_most(counted)
    assert calibration.at_least(counted) <= counted
