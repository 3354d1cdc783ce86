"""How long a backlog takes, by the buckets alone."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._bucket import WINDOWS_S, Bucket, BucketState
from customgroqchat._forecast import wait_for


def bucket(limit: int, level: float | None = None, window_s: float = 60.0) -> BucketState:
    return BucketState(limit, limit if level is None else level, window_s)


def test_what_fits_now_waits_for_nothing() -> None:
    assert wait_for({"TPM": 600}, {"TPM": bucket(600)}) == (0.0, None)


def test_what_nobody_limits_waits_for_nothing() -> None:
    assert wait_for({"TPM": 1e12}, {}) == (0.0, None)
    assert wait_for({}, {"TPM": bucket(600, -100)}) == (0.0, None)


def test_the_rest_flows_back_at_the_rate_of_the_limit() -> None:
    assert wait_for({"TPM": 900}, {"TPM": bucket(600, 300)}) == (60.0, "TPM")


def test_a_backlog_may_be_larger_than_the_bucket() -> None:
    assert wait_for({"TPM": 6_600}, {"TPM": bucket(600)}) == (600.0, "TPM")


def test_a_debt_is_paid_first() -> None:
    assert wait_for({"TPM": 10}, {"TPM": bucket(600, -50)}) == (6.0, "TPM")


def test_the_dimension_that_takes_longest_binds() -> None:
    buckets = {"RPM": bucket(30), "TPM": bucket(600), "RPD": bucket(1_000, 0, 86_400.0)}
    assert wait_for({"RPM": 60, "TPM": 1_300}, buckets) == (70.0, "TPM")
    assert wait_for({"RPM": 90, "TPM": 1_300}, buckets) == (120.0, "RPM")
    assert wait_for({"RPM": 1, "TPM": 1_300, "RPD": 1}, buckets) == (86.4, "RPD")


amounts = st.floats(0, 1e6)


@repeatable
@given(st.sampled_from(sorted(WINDOWS_S)), st.integers(1, 10**6), st.floats(-1e6, 1e6), st.data())
def test_it_agrees_with_the_bucket_on_what_the_bucket_can_hold(
    dimension: str, limit: int, level: float, data: st.DataObject
) -> None:
    window_s = WINDOWS_S[dimension]
    state = BucketState(limit, min(level, limit), window_s)
    real = Bucket(limit, window_s, 0.0)
    real.level = state.level
    cost = data.draw(st.floats(0, limit))
    wait_s, binding = wait_for({dimension: cost}, {dimension: state})
    assert wait_s == pytest.approx(real.wait_s(cost, 0.0), abs=1e-5)
    assert (binding is None) == (wait_s == 0)


@repeatable
@given(st.dictionaries(st.sampled_from(sorted(WINDOWS_S)), amounts), amounts)
def test_more_work_never_takes_less_time(work: dict[str, float], more: float) -> None:
    buckets = {name: BucketState(1_000, 500, window) for name, window in WINDOWS_S.items()}
    wait_s, _ = wait_for(work, buckets)
    assert wait_s >= 0
    for name in work:
        assert wait_for({**work, name: work[name] + more}, buckets)[0] >= wait_s
