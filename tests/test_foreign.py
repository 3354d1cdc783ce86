"""What others on the account use, seen from the gaps that they leave."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._foreign import ForeignUsage

NOW = 1_000.0

sightings = st.lists(st.tuples(st.floats(0, 5), st.floats(1, 1_000)), min_size=1, max_size=100)


def seen(*gaps: tuple[float, float]) -> ForeignUsage:
    """What somebody knows who has seen these, in seconds from the beginning, and amounts."""
    foreign = ForeignUsage()
    for after_s, amount in gaps:
        foreign.saw(amount, NOW + after_s)
    return foreign


def test_nobody_needs_no_room() -> None:
    foreign = ForeignUsage()
    assert not foreign.is_active(NOW)
    assert foreign.headroom(NOW, 5.0) == 0.0


def test_it_leaves_one_more_bite_and_what_is_taken_unseen() -> None:
    foreign = seen((0, 300))
    assert foreign.headroom(NOW, 0.0) == 300
    assert foreign.headroom(NOW, 2.0) == 300 + 2 * 300  # a second is the least to judge a rate by


def test_a_rate_is_that_of_the_whole_time_since_the_first() -> None:
    foreign = seen((0, 300), (5, 200), (10, 100))
    after_s, bite = 10.0, 300 * 0.5**0.5
    assert foreign.headroom(NOW + after_s, 0.0) == pytest.approx(bite)
    assert foreign.headroom(NOW + after_s, 3.0) == pytest.approx(bite + 3 * 600 / 10)


def test_a_bite_is_forgotten_by_half_in_twenty_seconds() -> None:
    foreign = seen((0, 1_000), (20, 400))
    assert foreign.headroom(NOW + 20, 0.0) == pytest.approx(500)
    assert foreign.headroom(NOW + 29, 0.0) == pytest.approx(1_000 * 0.5 ** (29 / 20))


def test_after_half_a_minute_they_have_gone() -> None:
    foreign = seen((0, 300), (10, 50))
    assert foreign.is_active(NOW + 30)
    assert foreign.is_active(NOW + 40)
    assert foreign.headroom(NOW + 31, 0.0) == pytest.approx(50 * 0.5 ** (21 / 20))
    assert not foreign.is_active(NOW + 40.1)
    assert foreign.headroom(NOW + 40.1, 9.0) == 0.0


def test_who_comes_back_is_judged_anew() -> None:
    foreign = seen((0, 300))
    assert not foreign.is_active(NOW + 100)
    foreign.saw(60, NOW + 100)
    assert foreign.headroom(NOW + 102, 1.0) == pytest.approx(60 * 0.5**0.1 + 30)


@repeatable
@given(sightings, st.floats(0, 10))
def test_it_leaves_at_least_the_latest_bite_and_at_most_all_that_was_taken(
    gaps: list[tuple[float, float]], blind_s: float
) -> None:
    foreign, now = ForeignUsage(), NOW
    for seconds, amount in gaps:
        now += seconds
        foreign.saw(amount, now)
    room = foreign.headroom(now, blind_s)
    total = sum(amount for _, amount in gaps)
    assert gaps[-1][1] <= room <= total * (1 + blind_s)
