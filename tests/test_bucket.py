"""One bucket, against the service's rule: used + requested <= limit, and a linear refill."""

from __future__ import annotations

import math
from typing import Any

import pytest
from helpers_properties import repeatable
from helpers_recordings import quoted_refusals
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._bucket import WINDOWS_S, Bucket
from customgroqchat._headers import parse_limit_message

DAY_S = 86_400.0
NOW = 1000.0

limits = st.integers(1, 10**6)
windows = st.sampled_from(sorted(set(WINDOWS_S.values())))
shares = st.floats(0.0, 1.0)


def bucket_at(level: float, limit: int, window_s: float, now: float = NOW) -> Bucket:
    bucket = Bucket(limit, window_s, now)
    bucket.set_level(level, now)
    return bucket


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


def test_a_stated_level_holds_from_its_instant_on() -> None:
    bucket = Bucket(6000, 60.0, NOW)
    bucket.set_level(1000, NOW + 10)
    assert bucket.refill(NOW + 10) == 1000
    assert bucket.refill(NOW + 11) == pytest.approx(1100)


def test_a_stated_level_above_the_capacity_is_a_full_bucket() -> None:
    bucket = bucket_at(10, 100, 60.0)
    bucket.set_level(500, NOW)
    assert bucket.level == 100


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
    st.tuples(st.just("set_level"), st.floats(-1e6, 1e6)),
    st.tuples(st.just("set_limit"), limits),
)


@repeatable
@given(limits, windows, st.lists(st.tuples(st.floats(-10.0, 1e5), changes)))
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
