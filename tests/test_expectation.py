"""How long an answer will probably be."""

from __future__ import annotations

from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._expectation import OutputExpectation

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
