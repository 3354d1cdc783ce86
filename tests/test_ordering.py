"""Who goes first."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._ordering import PRIORITIES, priority_level, priority_name, rank
from customgroqchat.exceptions import InvalidRequestException

births = st.integers(0, 10**7)
levels = st.integers(-5, 50)
ageings = st.integers(1, 3600)


@pytest.mark.parametrize(
    ("priority", "level"),
    [("high", 1), ("normal", 2), ("low", 3), ("HIGH", 1), ("Low", 3), (0, 0), (-4, -4), (99, 99)],
)
def test_level_of_a_priority(priority: str | int, level: int) -> None:
    assert priority_level(priority) == level


@pytest.mark.parametrize("wrong", ["urgent", "", "1", " high", True, False, 1.0, None, ["high"]])
def test_anything_else_is_refused_and_named(wrong: object) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        priority_level(wrong)  # type: ignore[arg-type]
    assert caught.value.field == "priority"
    assert caught.value.value == repr(wrong)
    assert "'normal'" in str(caught.value)


def test_a_long_wrong_priority_is_shown_shortened() -> None:
    with pytest.raises(InvalidRequestException) as caught:
        priority_level("please " * 10_000)
    assert len(str(caught.value)) < 500
    assert len(caught.value.value or "") < 500


@pytest.mark.parametrize("name", PRIORITIES)
def test_names_and_levels_belong_together(name: str) -> None:
    assert priority_name(priority_level(name)) == name


@pytest.mark.parametrize("level", [0, 4, -1])
def test_a_level_without_a_name_is_called_by_its_number(level: int) -> None:
    assert priority_name(level) == str(level)


def test_among_equals_the_oldest_goes_first() -> None:
    assert rank(2, 10.0, 30.0) < rank(2, 10.5, 30.0)


def test_a_level_is_worth_as_many_seconds_as_ageing_takes() -> None:
    low_born_at_zero = rank(3, 0.0, 30.0)
    assert rank(2, 29.9, 30.0) < low_born_at_zero
    assert rank(2, 30.1, 30.0) > low_born_at_zero, "nobody starves"


@given(levels, births, levels, births)
def test_strict_order_looks_at_the_level_alone(
    one: int, one_born: int, two: int, two_born: int
) -> None:
    assert (rank(one, one_born, None) < rank(two, two_born, None)) == (one < two)


@repeatable
@given(
    st.lists(st.tuples(levels, births), min_size=2, max_size=30),
    ageings,
    st.integers(0, 10**7),
)
def test_ranks_sort_as_aged_priorities_do_at_any_later_instant(
    requests: list[tuple[int, int]], ageing_s: int, later_s: int
) -> None:
    now = max(born for _, born in requests) + later_s

    def aged(request: tuple[int, int]) -> int:
        level, born = request
        return level * ageing_s - (now - born)  # the aged level, in whole units of a second

    by_rank = sorted(requests, key=lambda request: rank(request[0], request[1], ageing_s))
    assert [aged(request) for request in by_rank] == sorted(map(aged, requests))
