"""The line through the errors of counts: what it believes, what it promises."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._calibration import Key, Line, Origin, is_plausible

KEY = Key("openai/gpt-oss-20b", False, "", "o200k_base")


def origin(
    estimate: float = 100.0, *, margin: float = 0.08, exact: bool = False, known: bool = True
) -> Origin:
    return Origin(KEY, estimate, margin, exact, known)


EXACT = origin(80.0, margin=0.0, exact=True)


def taught(*seen: tuple[Origin, int], start: Line | None = None) -> Line:
    line = start or Line.start(seen[0][0])
    for count, truth in seen:
        line = line.learn(count, truth)
    return line


def told(line: Line, count: Origin) -> tuple[int, bool]:
    verdict = line.judge(count)
    return round(verdict.tokens), verdict.exact


# --- what is learnt ------------------------------------------------------------------------


def test_a_line_without_observations_changes_nothing() -> None:
    line = Line.start(origin())
    assert line.judge(origin(100.4)).tokens == 100.4
    assert (line.seen, line.margin, line.is_doubtful, line.is_sound) == (0, 0.08, False, True)


def test_a_constant_error_is_learnt_as_an_offset() -> None:
    line = taught(*[(origin(size), int(size) + 6) for size in (50.0, 400.0, 120.0, 900.0) * 5])
    assert line.offset == pytest.approx(6, abs=1)
    assert line.slope == pytest.approx(0, abs=0.003)
    assert line.seen == 20


def test_a_proportional_error_is_learnt_as_a_slope() -> None:
    line = taught(*[(origin(size), round(size * 1.06)) for size in (50.0, 400.0, 2_000.0) * 6])
    assert line.slope == pytest.approx(0.06, abs=0.01)
    assert round(line.correct(10_000)) == pytest.approx(10_600, rel=0.01)


def test_single_errors_are_averaged_and_not_followed() -> None:
    line = taught(*[(origin(), 100 + error) for error in (4, -4) * 10])
    assert abs(line.correct(100) - 100) < 1


def test_a_count_is_never_below_one_token() -> None:
    assert Line(-50.0, -0.5, (1.0, 0.0, 0.0), 0.1).correct(10) == 1.0


def test_of_an_unknown_model_more_is_believed_at_once() -> None:
    known = taught((origin(), 120)).correct(100)
    unknown = taught((origin(known=False, margin=0.3), 160)).correct(100)
    assert 100 < known < 120
    assert 150 < unknown <= 160


# --- what is not believed ------------------------------------------------------------------


def test_one_outlier_changes_no_count() -> None:
    before = taught(*[(origin(), 101)] * 10)
    after = before.learn(origin(), 380)
    assert after.correct(100) == before.correct(100)
    assert after.seen == before.seen + 1
    assert after.suspect > 200


def test_an_outlier_is_forgotten_when_the_next_is_as_expected() -> None:
    line = taught(*[(origin(), 101)] * 10, (origin(), 380), (origin(), 101), (origin(), 380))
    assert line.correct(100) == pytest.approx(101, abs=1)


def test_outliers_on_both_sides_are_no_new_template() -> None:
    line = taught(*[(origin(), 100)] * 10, (origin(), 380), (origin(), 51))
    assert line.correct(100) == pytest.approx(100, abs=1)


def test_a_second_surprise_of_the_same_kind_is_a_new_template() -> None:
    line = taught(*[(origin(), 100)] * 50, (origin(), 140), (origin(), 140))
    assert line.correct(100) == pytest.approx(140, abs=2)


def test_what_a_new_template_brings_is_an_offset() -> None:
    line = taught(*[(origin(80.0), 80)] * 50, *[(origin(80.0), 120)] * 2)
    assert line.correct(8_000) == pytest.approx(8_040, rel=0.015)


@pytest.mark.parametrize(
    ("truth", "known", "plausible"),
    [
        (100, True, True),
        (50, True, True),
        (49, True, False),
        (400, True, True),
        (401, True, False),
        (13, False, True),
        (12, False, False),
        (800, False, True),
        (801, False, False),
        (0, False, False),
        (-5, True, False),
        (True, True, False),
        (100.0, True, False),
        ("100", True, False),
        (None, True, False),
        (math.nan, True, False),
    ],
)
def test_what_a_prompt_can_cost(truth: object, known: bool, plausible: bool) -> None:
    assert is_plausible(origin(known=known), truth) is plausible


def test_the_shortest_prompt_may_get_a_template() -> None:
    assert is_plausible(origin(8.0), 160)
    assert not is_plausible(origin(8.0), 257)


def test_no_prompt_costs_nothing() -> None:
    assert not is_plausible(origin(0.0), 0)


# --- exactness -----------------------------------------------------------------------------


def test_a_confirmed_count_stays_exact() -> None:
    line = taught(*[(EXACT, 80)] * 30)
    assert line.judge(EXACT) == (80.0, 0.0, True)


def test_one_contradiction_does_not_undo_it() -> None:
    line = taught((EXACT, 80), (EXACT, 120), (EXACT, 80))
    assert told(line, EXACT) == (80, True)


def test_a_template_that_drifted_is_followed_within_a_few_answers() -> None:
    line = taught(*[(EXACT, 80)] * 200, *[(EXACT, 120)] * 3)
    assert told(line, EXACT) == (120, False)
    assert line.judge(EXACT).margin > 0.02


def test_where_every_third_count_is_wrong_none_is_exact() -> None:
    line = taught(*[(EXACT, 80), (EXACT, 80), (EXACT, 120)] * 5, (EXACT, 120))
    assert line.is_doubtful


def test_a_template_that_comes_back_is_exact_again() -> None:
    line = taught(*[(EXACT, 120)] * 20)
    assert line.is_doubtful
    line = taught(*[(EXACT, 80)] * 6, start=line)
    assert line.judge(EXACT) == (80.0, 0.0, True)


def test_other_counts_with_the_same_key_say_nothing_of_exactness() -> None:
    line = taught(*[(origin(80.0), 120)] * 10)
    assert not line.is_doubtful


# --- margins -------------------------------------------------------------------------------


def test_a_margin_shrinks_while_counts_are_right() -> None:
    lines = [Line.start(origin())]
    for _ in range(100):
        lines.append(lines[-1].learn(origin(), 100))
    margins = [line.judge(origin()).margin for line in lines]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] == 0.02


def test_a_margin_grows_to_the_shortfall_that_was_seen() -> None:
    line = taught(*[(origin(1_000.0), 1_000)] * 30)
    shortfall = 1_100 / line.correct(1_000) - 1
    assert line.margin < shortfall
    assert line.learn(origin(1_000.0), 1_100).margin == pytest.approx(shortfall)


def test_what_is_not_believed_doubles_the_margin_at_most() -> None:
    line = taught(*[(origin(), 100)] * 100)
    assert line.learn(origin(), 390).margin == 2 * line.margin
    assert line.learn(origin(), 51).margin <= line.margin


def test_far_from_what_was_seen_the_margin_is_wider() -> None:
    line = taught(*[(origin(100.0, known=False, margin=0.3), 103)] * 60)
    near, far = (line.judge(origin(size)).margin for size in (100.0, 100_000.0))
    assert near < far <= 1.0


def test_a_thousand_equal_prompts_leave_trust_in_longer_ones() -> None:
    line = taught(*[(origin(), 100)] * 1_000)
    assert line.judge(origin(10_000.0)).margin < 0.08


@repeatable
@given(
    st.lists(
        st.tuples(
            st.floats(1, 2e5),
            st.floats(0.5, 4),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
    st.floats(1, 2e5),
)
def test_whatever_is_seen_the_line_stays_sound(
    seen: list[tuple[float, float, bool]], known: bool, asked: float
) -> None:
    line = Line.start(origin(known=known))
    for estimate, factor, exact in seen:
        count = origin(estimate, exact=exact, known=known)
        truth = max(1, round(estimate * factor))
        line = line.learn(count, truth)
        verdict = line.judge(origin(asked, known=known))
        assert math.isfinite(verdict.tokens)
        assert verdict.tokens >= 1
        assert 0.02 <= verdict.margin <= 1.0
    assert line.is_sound


def test_lines_and_origins_pickle() -> None:
    line = taught((EXACT, 80))
    assert pickle.loads(pickle.dumps((line, EXACT))) == (line, EXACT)


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": math.nan},
        {"slope": -1.0},
        {"slope": math.inf},
        {"margin": 0.0},
        {"margin": 7.0},
        {"variances": (-1.0, 0.0, 1.0)},
        {"variances": (1.0, 0.0, -1.0)},
        {"variances": (1.0, 5.0, 1.0)},
        {"variances": (math.nan, 0.0, 1.0)},
        {"seen": -1},
        {"doubts": -1},
    ],
)
def test_a_line_that_cannot_have_been_learnt(changes: dict[str, Any]) -> None:
    assert not Line.start(origin())._replace(**changes).is_sound
