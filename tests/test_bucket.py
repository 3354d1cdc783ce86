"""One bucket, against the service's rule: used + requested <= limit, and a linear refill."""

from __future__ import annotations

import math
from typing import Any

import pytest
from helpers_properties import repeatable
from helpers_recordings import quoted_refusals
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._bucket import WINDOWS_S, Bucket, Mark
from customgroqchat._headers import parse_limit_message

DAY_S = 86_400.0
NOW = 1000.0

limits = st.integers(1, 10**6)
windows = st.sampled_from(sorted(set(WINDOWS_S.values())))
shares = st.floats(0.0, 1.0)


def bucket_at(level: float, limit: int, window_s: float, now: float = NOW) -> Bucket:
    bucket = Bucket(limit, window_s, now)
    bucket.add(level - limit, now)
    return bucket


def mark_of(bucket: Bucket, now: float) -> Mark:
    bucket.refill(now)
    return bucket.mark()


def test_each_dimension_has_the_window_of_its_name() -> None:
    by_last_letter = {"M": 60.0, "H": 3600.0, "D": DAY_S}
    assert {name: by_last_letter[name[-1]] for name in WINDOWS_S} == WINDOWS_S
    assert set(WINDOWS_S) == {"RPM", "RPD", "TPM", "TPD", "ITPM", "OTPM", "ASH", "ASD"}


def test_begins_full() -> None:
    bucket = Bucket(8000, 60.0, NOW)
    assert bucket.refill(NOW) == 8000
    assert bucket.wait_s(8000, NOW) == 0.0


def test_an_empty_bucket_is_full_after_its_window() -> None:
    bucket = bucket_at(0, 1000, DAY_S)
    assert bucket.rate == pytest.approx(1000 / DAY_S)
    assert bucket.refill(NOW + DAY_S / 2) == pytest.approx(500)
    assert bucket.refill(NOW + DAY_S) == pytest.approx(1000)


def test_refill_stops_at_the_capacity() -> None:
    assert bucket_at(5999, 6000, 60.0).refill(NOW + 3600) == 6000


def test_a_clock_that_steps_back_adds_and_takes_nothing() -> None:
    bucket = bucket_at(100, 6000, 60.0)
    assert bucket.refill(NOW - 30) == 100
    assert bucket.refill(NOW + 1) == pytest.approx(200), "time stood still until it was caught up"


# The service's own reset headers: limit, remaining, window, seconds until full.
@pytest.mark.parametrize(
    ("limit", "remaining", "window_s", "full_in_s"),
    [
        (30000, 29987, 60.0, 0.026),
        (6000, 5987, 60.0, 0.130),
        (8000, 7923, 60.0, 0.5775),
        (14400, 14399, DAY_S, 6.0),
        (2000, 1998, DAY_S, 86.4),
        (1000, 942, DAY_S, 5011.2),
        (7200, 7199, 3600.0, 0.5),
    ],
)
def test_the_whole_bucket_is_back_when_the_service_says(
    limit: int, remaining: int, window_s: float, full_in_s: float
) -> None:
    assert bucket_at(remaining, limit, window_s).wait_s(limit, NOW) == pytest.approx(full_in_s)


def _waits(row: dict[str, Any]) -> bool:
    return row.get("wait_s") is not None and row["axis"] is not None


@pytest.mark.parametrize("row", [row for row in quoted_refusals() if _waits(row)])
def test_the_wait_is_the_one_that_the_service_states(row: dict[str, Any]) -> None:
    told = parse_limit_message(row["message"])
    assert told.limit is not None
    assert told.used is not None
    assert told.requested is not None
    bucket = bucket_at(told.limit - told.used, told.limit, WINDOWS_S[row["axis"]])
    wait_s = bucket.wait_s(told.requested, NOW)
    if told.requested > told.limit:
        assert wait_s == math.inf, "no wait helps, though the service once stated one"
    else:  # the level that it shows is rounded, by less than one unit
        assert wait_s == pytest.approx(row["wait_s"], abs=1.001 / bucket.rate)


def test_a_cost_above_the_limit_never_fits() -> None:
    assert Bucket(6000, 60.0, NOW).wait_s(6001, NOW) == math.inf


def test_debt_is_paid_back_before_anything_fits() -> None:
    bucket = bucket_at(-43124, 30000, 60.0)
    assert bucket.wait_s(1877, NOW) == pytest.approx(90.002)


def test_taking_may_go_below_zero() -> None:
    bucket = Bucket(100, 60.0, NOW)
    bucket.add(-250, NOW)
    assert bucket.level == -150


def test_giving_back_stops_at_the_capacity() -> None:
    bucket = bucket_at(50, 100, 60.0)
    bucket.add(10, NOW)
    assert bucket.level == 60
    bucket.add(1000, NOW)
    assert bucket.level == 100


def test_a_change_happens_on_top_of_the_refill_until_then() -> None:
    bucket = bucket_at(0, 6000, 60.0)
    bucket.add(-100, NOW + 5)
    assert bucket.refill(NOW + 5) == pytest.approx(400)


@pytest.mark.parametrize(("limit", "level"), [(9000, 8000), (500, -500), (6000, 5000)])
def test_another_limit_leaves_in_use_what_is_in_use(limit: int, level: float) -> None:
    bucket = bucket_at(5000, 6000, 60.0)
    bucket.set_limit(limit, NOW)
    assert (bucket.limit, bucket.level) == (limit, level)
    assert bucket.rate == limit / 60.0


def test_the_time_until_another_limit_flowed_at_the_old_rate() -> None:
    bucket = bucket_at(0, 6000, 60.0)
    bucket.set_limit(12000, NOW + 10)
    assert bucket.refill(NOW + 10) == pytest.approx(7000)


def test_a_margin_waits_for_so_many_seconds_of_refill_more() -> None:
    bucket = bucket_at(1000, 6000, 60.0)
    assert bucket.wait_s(1000, NOW, margin_s=0.25) == pytest.approx(0.25)
    assert bucket.wait_s(1500, NOW, margin_s=0.25) == pytest.approx(5.25)
    assert bucket.wait_s(975, NOW, margin_s=0.25) == 0.0


def test_a_margin_does_not_forbid_what_needs_the_whole_bucket() -> None:
    assert Bucket(6000, 60.0, NOW).wait_s(6000, NOW, margin_s=10.0) == 0.0
    assert bucket_at(5900, 6000, 60.0).wait_s(5990, NOW, margin_s=10.0) == pytest.approx(1.0)


@repeatable
@given(limit=limits, window_s=windows, level=st.floats(-5, 1), cost=shares, margin_s=shares)
def test_the_wait_is_long_enough_and_no_longer_than_needed(
    limit: int, window_s: float, level: float, cost: float, margin_s: float
) -> None:
    def wait_s(after_s: float) -> float:
        bucket = bucket_at(level * limit, limit, window_s)
        return bucket.wait_s(cost * limit, NOW + after_s, margin_s)

    waited_s = wait_s(0.0)
    assert wait_s(waited_s) == 0.0
    too_early_s = waited_s - window_s * 1e-6
    if too_early_s > 0:
        assert wait_s(too_early_s) == pytest.approx(window_s * 1e-6, rel=0.01)


@repeatable
@given(limit=limits, level=st.floats(-5, 1), now=st.floats(1.7e9, 1.8e9))
def test_the_wait_is_long_enough_on_a_clock_that_counts_from_1970(
    limit: int, level: float, now: float
) -> None:
    bucket = bucket_at(level * limit, limit, 60.0, now)
    assert bucket.wait_s(limit, now + bucket.wait_s(limit, now)) == 0.0


changes = st.one_of(
    st.tuples(st.just("add"), st.floats(-1e6, 1e6)),
    st.tuples(st.just("set_limit"), limits),
)
history = st.lists(st.tuples(st.floats(-10.0, 1e5), changes))


@repeatable
@given(limits, windows, history)
def test_the_level_is_never_above_the_limit(
    limit: int, window_s: float, history: list[tuple[float, tuple[str, Any]]]
) -> None:
    bucket, now = Bucket(limit, window_s, NOW), NOW
    for seconds, (change, value) in history:
        now += seconds
        getattr(bucket, change)(value, now)
        assert bucket.level <= bucket.limit
        assert bucket.refill(now + 1e6) <= bucket.limit


@repeatable
@given(limits, windows, st.lists(shares, min_size=1, max_size=50))
def test_who_waits_as_told_never_takes_more_than_flowed_in(
    limit: int, window_s: float, costs: list[float]
) -> None:
    bucket, now, taken = Bucket(limit, window_s, NOW), NOW, 0.0
    for cost in costs:
        now += bucket.wait_s(cost * limit, now)
        bucket.add(-cost * limit, now)
        taken += cost * limit
        assert taken <= (limit + bucket.rate * (now - NOW)) * (1 + 1e-6)


# --- what the service says of an earlier instant ---------------------------------------------


@pytest.mark.parametrize(
    ("lowest", "highest", "level"),
    [
        (-300.0, -200.0, 2_800.0),  # it was lower, by 200 at least
        (100.0, 250.0, 3_100.0),  # it was higher, by 100 at least
        (-50.0, 50.0, 3_000.0),  # it may have been the same
        (0.0, 0.0, 3_000.0),
        (-5_000.0, -4_000.0, -1_000.0),
        (4_000.0, 4_000.0, 6_000.0),  # never above the limit
    ],
)
def test_a_level_moves_by_as_little_as_agrees_with_what_is_said(
    lowest: float, highest: float, level: float
) -> None:
    bucket = bucket_at(3_000, 6_000, 60.0)
    shift = bucket.correct(mark_of(bucket, NOW), lowest, highest, NOW)
    assert bucket.level == level
    assert shift == level - 3_000


def test_a_mark_tells_what_is_in_use_and_all_that_ever_happened() -> None:
    bucket = bucket_at(3_000, 6_000, 60.0)
    bucket.add(-500, NOW)
    bucket.correct(mark_of(bucket, NOW), -100, -100, NOW)
    bucket.add(4_000, NOW + 1)  # 100 flowed back by then: 500 too many
    assert mark_of(bucket, NOW + 1) == Mark(used=0, taken=3_500, corrected=-100, spilled=500)


def test_two_that_say_the_same_of_one_gap_move_the_level_once() -> None:
    bucket = bucket_at(3_000, 6_000, 60.0)
    first, second = mark_of(bucket, NOW), mark_of(bucket, NOW + 1)
    assert bucket.correct(first, -400, -400, NOW + 2) == -400
    assert bucket.correct(second, -400, -400, NOW + 3) == 0
    assert bucket.correct(second, -450, -450, NOW + 3) == -50
    assert bucket.correct(mark_of(bucket, NOW + 3), -30, -30, NOW + 3) == -30


def test_what_is_said_of_a_gap_that_has_been_closed_since_opens_it_again_nowhere() -> None:
    bucket = bucket_at(3_000, 6_000, 60.0)
    mark = mark_of(bucket, NOW)
    bucket.correct(mark, 300, 300, NOW)
    assert bucket.correct(mark, 0, 0, NOW) == -300, "the later word counts"


def test_what_flowed_over_here_found_room_where_the_level_was_lower() -> None:
    bucket = bucket_at(5_900, 6_000, 60.0)
    mark = mark_of(bucket, NOW)
    assert bucket.correct(mark, -250, -250, NOW + 3) == -50  # 200 of 300 had no room here
    bucket = bucket_at(5_900, 6_000, 60.0)
    assert bucket.correct(mark_of(bucket, NOW), -250, -250, NOW + 60) == 0


def test_a_level_that_was_higher_gained_nothing_at_the_brim() -> None:
    bucket = bucket_at(5_000, 6_000, 60.0)
    mark = mark_of(bucket, NOW)
    bucket.add(-400, NOW + 5)  # 5,100 here; there it was full, and 400 were taken
    assert bucket.correct(mark, 1_000, 1_000, NOW + 5) == 500


@repeatable
@given(limits, windows, st.floats(0, 1), st.floats(-1, 1), history)
def test_a_correction_leads_to_the_service_s_level_and_never_above_it(
    limit: int, window_s: float, used: float, gap: float, history: list[Any]
) -> None:
    """Two buckets that began apart; of the gap then, one hears later."""
    ours, theirs = (Bucket(limit, window_s, NOW) for _ in range(2))
    ours.add(-used * limit, NOW)
    theirs.add(-used * limit, NOW)
    theirs.level = min(float(limit), theirs.level + gap * limit)
    mark, told, now = mark_of(ours, NOW), theirs.level - ours.level, NOW
    for seconds, (change, value) in history:
        now += seconds
        for bucket in (ours, theirs):
            getattr(bucket, change)(value, now)
    before = ours.refill(now)
    ours.correct(mark, told, told, now)
    tiny = 1e-6 * (1 + abs(ours.level) + ours.taken + ours.spilled)
    if told <= 0:
        assert ours.level == pytest.approx(theirs.refill(now), abs=tiny)
    else:
        assert before <= ours.level <= theirs.refill(now) + tiny
