"""The round numbers that are tried as limits which nobody has told."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._rungs import FIRST_RUNGS, next_rung


def ladder(dimension: str, until: int) -> list[int]:
    rungs = [FIRST_RUNGS[dimension]]
    while rungs[-1] < until:
        rungs.append(next_rung(dimension, rungs[-1]))
    return rungs


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("RPM", [30, 60, 100, 120, 200, 250, 300, 400, 500, 600, 800, 1_000, 1_500, 2_000]),
        ("TPD", [100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000, 1_500_000, 2_000_000]),
    ],
)
def test_the_ladder(dimension: str, expected: list[int]) -> None:
    assert ladder(dimension, expected[-1]) == expected


def test_limits_that_the_service_publishes_are_on_it() -> None:
    assert set(ladder("RPM", 1_000)) >= {30, 60, 100, 200, 250, 300, 400, 1_000}
    assert set(ladder("TPD", 1_000_000)) >= {100_000, 200_000, 300_000, 500_000, 1_000_000}


@repeatable
@given(st.sampled_from(sorted(FIRST_RUNGS)), st.integers(1, 10**9))
def test_it_leads_upwards_and_at_most_doubles(dimension: str, limit: int) -> None:
    found = next_rung(dimension, limit)
    assert limit < found <= max(FIRST_RUNGS[dimension], 2 * limit)
    assert str(found).rstrip("0") in {"1", "12", "15", "2", "25", "3", "4", "5", "6", "8"}
