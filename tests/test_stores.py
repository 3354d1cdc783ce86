"""What every store of bucket levels promises. A further store is one line in ``STORES``."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_properties import repeatable
from helpers_threads import together
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat.stores import BucketState, Decision, MemoryStore, Store
from customgroqchat.stores.base import Mark
from customgroqchat.testing import FakeClock

SCOPE = ("account", "model")
DAY_S = 86_400.0

#: How to make each store, on a clock and in a directory of its own, with no refill held back.
STORES: dict[str, Callable[[FakeClock, Path], Store]] = {
    "memory": lambda clock, directory: MemoryStore(clock, margin_s=0.0),
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> Store:
    made: Store = request.param(clock, tmp_path)
    return made


def level(store: Store, dimension: str, scope: tuple[str, str] = SCOPE) -> float:
    return store.snapshot(scope)[dimension].level


def mark_of(store: Store, dimension: str = "TPM") -> Mark:
    """Where a bucket stands, to have something said of it later."""
    return store.settle(SCOPE, {})[dimension]


# --- limits --------------------------------------------------------------------------------------


def test_an_unknown_scope_is_unlimited(store: Store) -> None:
    assert store.snapshot(SCOPE) == {}
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 10**9}) == Decision(admitted=True)
    assert store.settle(SCOPE, {"TPM": 10**9}) == {}
    assert store.observe(SCOPE, "TPM", Mark(0.0, 0.0, 0.0, 0.0), -9.0, -5.0) == 0.0
    assert store.snapshot(SCOPE) == {}


def test_a_new_bucket_is_full(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 30, "TPD": 200_000})
    assert store.snapshot(SCOPE) == {
        "RPM": BucketState(30, 30.0, 60.0),
        "TPD": BucketState(200_000, 200_000.0, DAY_S),
    }


@pytest.mark.parametrize(
    ("dimension", "window_s"),
    [
        ("RPM", 60.0),
        ("TPM", 60.0),
        ("ITPM", 60.0),
        ("OTPM", 60.0),
        ("ASH", 3_600.0),
        ("RPD", DAY_S),
        ("TPD", DAY_S),
        ("ASD", DAY_S),
    ],
)
def test_every_dimension_fills_in_its_own_time(
    store: Store, clock: FakeClock, dimension: str, window_s: float
) -> None:
    store.set_limits(SCOPE, {dimension: 600})
    store.reserve(SCOPE, {dimension: 600})
    clock.advance(window_s / 3)
    assert level(store, dimension) == pytest.approx(200.0)
    clock.advance(window_s)
    assert store.snapshot(SCOPE)[dimension] == BucketState(600, 600.0, window_s)


def test_another_limit_leaves_in_use_what_is_in_use(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 8_000})
    store.reserve(SCOPE, {"TPM": 3_000})
    store.set_limits(SCOPE, {"TPM": 10_000})
    assert level(store, "TPM") == 7_000
    store.set_limits(SCOPE, {"TPM": 2_000})
    assert level(store, "TPM") == -1_000
    store.set_limits(SCOPE, {"TPM": 2_000})
    assert level(store, "TPM") == -1_000


def test_none_removes_a_bucket(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 10, "RPM": 1})
    store.set_limits(SCOPE, {"TPM": None, "TPD": None})
    assert set(store.snapshot(SCOPE)) == {"RPM"}
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 99}).admitted


def test_scopes_are_separate(store: Store) -> None:
    others = [("account", "another model"), ("another account", "model")]
    for scope in (SCOPE, *others):
        store.set_limits(scope, {"RPM": 1})
    store.reserve(SCOPE, {"RPM": 1})
    store.block(SCOPE, 60.0)
    assert [level(store, "RPM", scope) for scope in others] == [1.0, 1.0]
    assert all(store.reserve(scope, {"RPM": 1}).admitted for scope in others)


# --- reserve -------------------------------------------------------------------------------------


def test_costs_are_taken_from_every_bucket(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 30, "TPM": 8_000})
    decision = store.reserve(SCOPE, {"RPM": 1, "TPM": 500, "TPD": 500})
    assert (decision.admitted, decision.wait_s, decision.dimension) == (True, 0.0, None)
    assert (level(store, "RPM"), level(store, "TPM")) == (29.0, 7_500.0)


@pytest.mark.parametrize("short", ["RPM", "RPD", "TPM", "TPD"])
def test_all_or_nothing(store: Store, short: str) -> None:
    limits = {"RPM": 100, "RPD": 100, "TPM": 100, "TPD": 100}
    store.set_limits(SCOPE, limits)
    store.settle(SCOPE, {short: -96.0})
    decision = store.reserve(SCOPE, dict.fromkeys(limits, 5))
    assert not decision.admitted
    assert (decision.dimension, decision.limit, decision.level) == (short, 100, 4.0)
    expected = {name: 4.0 if name == short else 100.0 for name in limits}
    assert {name: bucket.level for name, bucket in store.snapshot(SCOPE).items()} == expected


def test_a_burst_may_use_the_whole_bucket(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 30})
    decisions = [store.reserve(SCOPE, {"RPM": 1}).admitted for _ in range(31)]
    assert decisions == [True] * 30 + [False]
    assert level(store, "RPM") == 0.0


@pytest.mark.parametrize(
    ("limits", "used", "costs", "wait_s", "dimension"),
    [
        ({"RPM": 30}, {"RPM": 30}, {"RPM": 1}, 2.0, "RPM"),
        ({"RPD": 1_000}, {"RPD": 1_000}, {"RPD": 1}, 86.4, "RPD"),
        ({"TPM": 6_000}, {"TPM": 5_969}, {"TPM": 752}, 7.21, "TPM"),
        ({"TPD": 200_000}, {"TPD": 199_000}, {"TPD": 1_500}, 216.0, "TPD"),
        ({"RPM": 30, "TPM": 6_000}, {"RPM": 30, "TPM": 6_000}, {"RPM": 1, "TPM": 1}, 2.0, "RPM"),
        ({"RPM": 30, "TPM": 6_000}, {"RPM": 30, "TPM": 6_000}, {"RPM": 1, "TPM": 300}, 3.0, "TPM"),
    ],
)
def test_the_wait_is_exact(
    store: Store,
    clock: FakeClock,
    limits: dict[str, int],
    used: dict[str, float],
    costs: dict[str, float],
    wait_s: float,
    dimension: str,
) -> None:
    store.set_limits(SCOPE, limits)
    store.reserve(SCOPE, used)
    decision = store.reserve(SCOPE, costs)
    assert decision.wait_s == pytest.approx(wait_s)
    assert decision.dimension == dimension
    clock.advance(decision.wait_s * 0.999)
    assert not store.reserve(SCOPE, costs).admitted
    clock.advance(decision.wait_s * 0.001)
    assert store.reserve(SCOPE, costs).admitted


@repeatable
@given(
    limit=st.integers(1, 10**9),
    used=st.floats(0, 1),
    cost=st.floats(0, 1, exclude_min=True),
    now_s=st.floats(0, 1e7),
)
@pytest.mark.parametrize("make", STORES.values(), ids=list(STORES))
def test_who_waits_as_long_as_told_gets_it(
    make: Callable[[FakeClock, Path], Store],
    tmp_path_factory: pytest.TempPathFactory,
    limit: int,
    used: float,
    cost: float,
    now_s: float,
) -> None:
    clock = FakeClock(now_s)
    store = make(clock, tmp_path_factory.mktemp("store"))
    store.set_limits(SCOPE, {"TPD": limit})
    store.reserve(SCOPE, {"TPD": limit * used})
    decision = store.reserve(SCOPE, {"TPD": limit * cost})
    if not decision.admitted:
        clock.advance(decision.wait_s)
        assert store.reserve(SCOPE, {"TPD": limit * cost}).admitted


def test_what_is_larger_than_a_bucket_never_fits(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 100})
    decision = store.reserve(SCOPE, {"TPM": 100.5})
    assert (decision.admitted, decision.wait_s, decision.dimension) == (False, math.inf, "TPM")
    assert level(store, "TPM") == 100.0


def test_what_costs_nothing_passes_an_empty_bucket(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 100, "RPM": 2})
    store.settle(SCOPE, {"TPM": -300})
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 0}).admitted
    assert level(store, "TPM") == -200.0


def test_who_is_not_admitted_takes_nothing(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 1})
    assert store.reserve(SCOPE, {"RPM": 1}).admitted
    first, second = (store.reserve(SCOPE, {"RPM": 1}) for _ in range(2))
    assert first == second
    assert first == Decision(False, pytest.approx(60.0), "RPM", 1, 0.0)


def test_marks_tell_where_each_bucket_stands_with_the_costs_taken(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 30, "TPM": 8_000})
    store.reserve(SCOPE, {"RPM": 1, "TPM": 300})
    store.settle(SCOPE, {"TPM": 100})
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 500}).marks == {
        "RPM": Mark(used=2.0, taken=2.0, corrected=0.0, spilled=0.0),
        "TPM": Mark(used=700.0, taken=800.0, corrected=0.0, spilled=0.0),
    }


# --- more, or less, than the cost -----------------------------------------------------------------


def test_a_bucket_must_hold_what_is_spared_and_keeps_it(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"TPM": 600, "RPM": 10})
    costs = {"TPM": 100, "RPM": 1}
    assert store.reserve(SCOPE, costs, {"TPM": 500}).admitted
    assert level(store, "TPM") == 500.0
    decision = store.reserve(SCOPE, costs, {"TPM": 450})
    assert decision[:3] == (False, pytest.approx(5.0), "TPM")
    assert store.reserve(SCOPE, costs, {"TPM": 400}).admitted
    assert level(store, "TPM") == 400.0


def test_what_is_spared_does_not_keep_out_what_only_just_fits(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    assert store.reserve(SCOPE, {"TPM": 550}, {"TPM": 300}).admitted
    assert store.reserve(SCOPE, {"TPM": 550}, {"TPM": 300}).wait_s == pytest.approx(55.0)
    assert store.reserve(SCOPE, {"TPM": 601}, {"TPM": 300}).wait_s == math.inf


def test_a_negative_spare_takes_what_need_not_be_there_yet(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600, "TPD": 10_000})
    store.reserve(SCOPE, {"TPM": 500})
    costs = {"TPM": 300, "TPD": 300}
    assert store.reserve(SCOPE, costs, {"TPM": -150}).wait_s == pytest.approx(5.0)
    assert store.reserve(SCOPE, costs, {"TPM": -200}).admitted
    assert (level(store, "TPM"), level(store, "TPD")) == (-200.0, 9_700.0)


def test_an_infinitely_negative_spare_asks_nothing_of_a_bucket(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 2, "TPM": 600})
    store.settle(SCOPE, {"RPM": -5})
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 1}, {"RPM": -math.inf}).admitted
    assert store.reserve(SCOPE, {"RPM": 3, "TPM": 1}, {"RPM": -math.inf}).admitted
    assert level(store, "RPM") == -7.0
    assert store.reserve(SCOPE, {"RPM": 1, "TPM": 601}, {"RPM": -math.inf}).dimension == "TPM"


def test_what_costs_nothing_spares_nothing(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    store.settle(SCOPE, {"TPM": -900})
    assert store.reserve(SCOPE, {"TPM": 0}, {"TPM": 500}).admitted


# --- time ----------------------------------------------------------------------------------------


def test_refill_is_continuous_over_days(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"RPD": 1_000})
    for _ in range(1_000):
        assert store.reserve(SCOPE, {"RPD": 1}).admitted
    served = 0
    for _ in range(2 * 1_440):  # two days in minutes, with no midnight in between
        clock.advance(60.0)
        while store.reserve(SCOPE, {"RPD": 1}).admitted:
            served += 1
    assert served == 2_000
    assert level(store, "RPD") == pytest.approx(0.0, abs=1e-6)


def test_no_bucket_holds_more_than_its_limit(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"TPM": 100})
    clock.advance(10 * DAY_S)
    store.settle(SCOPE, {"TPM": 50})
    assert level(store, "TPM") == 100.0


# --- settle ---------------------------------------------------------------------------------------


def test_what_is_given_back_can_be_had_again(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 100, "RPM": 5})
    store.reserve(SCOPE, {"TPM": 80, "RPM": 1})
    store.settle(SCOPE, {"TPM": 30, "TPD": 30})
    assert (level(store, "TPM"), level(store, "RPM")) == (50.0, 4.0)


def test_debt_is_paid_by_time(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    store.reserve(SCOPE, {"TPM": 600})
    store.settle(SCOPE, {"TPM": -300})
    assert level(store, "TPM") == -300.0
    assert store.reserve(SCOPE, {"TPM": 100}).wait_s == pytest.approx(40.0)
    clock.advance(30.0)
    assert level(store, "TPM") == pytest.approx(0.0)


def test_settling_returns_where_every_bucket_stands_then(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"TPM": 600, "RPM": 60})
    store.reserve(SCOPE, {"TPM": 400, "RPM": 1})
    clock.advance(2.0)
    assert store.settle(SCOPE, {"TPM": -50}) == {
        "TPM": Mark(used=pytest.approx(430.0), taken=450.0, corrected=0.0, spilled=0.0),
        "RPM": Mark(used=0.0, taken=1.0, corrected=0.0, spilled=pytest.approx(1.0)),
    }


# --- observe --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lowest", "highest", "shift"),
    [(-30.0, -20.0, -20.0), (10.0, 15.0, 10.0), (-5.0, 5.0, 0.0), (-300.0, -300.0, -300.0)],
)
def test_a_level_moves_by_as_little_as_is_true(
    store: Store, lowest: float, highest: float, shift: float
) -> None:
    store.set_limits(SCOPE, {"TPM": 100})
    store.reserve(SCOPE, {"TPM": 20})
    assert store.observe(SCOPE, "TPM", mark_of(store), lowest, highest) == shift
    assert level(store, "TPM") == 80.0 + shift


def test_what_happened_since_the_mark_stays(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    mark = store.reserve(SCOPE, {"TPM": 100}).marks["TPM"]
    store.reserve(SCOPE, {"TPM": 200})
    clock.advance(10.0)
    assert store.observe(SCOPE, "TPM", mark, -60.0, -50.0) == -50.0
    assert level(store, "TPM") == pytest.approx(350.0)


def test_of_what_was_observed_before_nothing_is_moved_again(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    marks = [store.reserve(SCOPE, {"TPM": 100}).marks["TPM"] for _ in range(3)]
    assert [store.observe(SCOPE, "TPM", mark, -40.0, -40.0) for mark in marks] == [-40.0, 0.0, 0.0]
    assert store.observe(SCOPE, "TPM", mark_of(store), -7.0, -7.0) == -7.0
    assert level(store, "TPM") == 253.0


def test_no_observation_raises_a_level_above_its_limit(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    store.reserve(SCOPE, {"TPM": 100})
    assert store.observe(SCOPE, "TPM", mark_of(store), 400.0, 500.0) == 100.0
    assert level(store, "TPM") == 600.0


def test_a_mark_outlives_another_limit(store: Store) -> None:
    store.set_limits(SCOPE, {"TPM": 600})
    mark = store.reserve(SCOPE, {"TPM": 100}).marks["TPM"]
    store.set_limits(SCOPE, {"TPM": 900})
    store.observe(SCOPE, "TPM", mark, -50.0, -50.0)
    assert level(store, "TPM") == 750.0


# --- block ----------------------------------------------------------------------------------------


def test_a_block_holds_for_exactly_its_time(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"RPM": 30})
    store.block(SCOPE, 90.0)
    decision = store.reserve(SCOPE, {"RPM": 1})
    assert (decision.admitted, decision.dimension) == (False, None)
    assert decision.wait_s == pytest.approx(90.0)
    clock.advance(89.999)
    assert not store.reserve(SCOPE, {"RPM": 1}).admitted
    assert not store.reserve(SCOPE, {}).admitted
    clock.advance(0.001)
    assert store.reserve(SCOPE, {"RPM": 1}).admitted


def test_the_longest_block_counts(store: Store, clock: FakeClock) -> None:
    store.block(SCOPE, 10.0)
    clock.advance(4.0)
    store.block(SCOPE, 2.0)
    assert store.reserve(SCOPE, {}).wait_s == pytest.approx(6.0)
    store.block(SCOPE, 60.0)
    assert store.reserve(SCOPE, {}).wait_s == pytest.approx(60.0)


def test_a_block_and_a_bucket_take_the_longer(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 60})
    store.reserve(SCOPE, {"RPM": 60})
    store.block(SCOPE, 3.0)
    assert store.reserve(SCOPE, {"RPM": 1})[:3] == (False, pytest.approx(3.0), None)
    assert store.reserve(SCOPE, {"RPM": 5})[:3] == (False, pytest.approx(5.0), "RPM")


def test_a_block_names_the_bucket_it_is_for(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 60, "TPM": 600})
    store.reserve(SCOPE, {"TPM": 450})
    store.block(SCOPE, 9.0, "TPM")
    assert store.reserve(SCOPE, {"RPM": 1}) == Decision(False, 9.0, "TPM", 600, 150.0)
    store.block(SCOPE, 5.0, "RPM")
    assert store.reserve(SCOPE, {"RPM": 1}).dimension == "TPM", "that one ends last"
    store.block(SCOPE, 20.0, "TPD")  # no such bucket
    assert store.reserve(SCOPE, {"RPM": 1}) == Decision(False, 20.0)


def test_buckets_refill_while_a_scope_is_blocked(store: Store, clock: FakeClock) -> None:
    store.set_limits(SCOPE, {"RPM": 60})
    store.reserve(SCOPE, {"RPM": 60})
    store.block(SCOPE, 20.0)
    clock.advance(20.0)
    assert level(store, "RPM") == pytest.approx(20.0)


# --- threads -------------------------------------------------------------------------------------


def test_threads_share_a_bucket_without_taking_more_than_it_holds(store: Store) -> None:
    store.set_limits(SCOPE, {"RPM": 400, "TPM": 100_000})
    admitted: list[int] = []

    def take() -> None:
        taken = sum(store.reserve(SCOPE, {"RPM": 1, "TPM": 7}).admitted for _ in range(100))
        store.settle(SCOPE, {"TPM": 7 * taken})
        admitted.append(taken)

    together(*[take] * 8)
    assert sum(admitted) == 400
    assert (level(store, "RPM"), level(store, "TPM")) == (0.0, 100_000.0)
