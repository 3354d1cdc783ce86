"""The store in this process's memory: what it promises beside what every store does."""

from __future__ import annotations

import pytest

from customgroqchat.stores import MemoryStore
from customgroqchat.testing import FakeClock

SCOPE = ("account", "model")
DAY_S = 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_margin_holds_back_refill_once_and_not_a_share_of_the_rate(clock: FakeClock) -> None:
    store = MemoryStore(clock, margin_s=0.25)
    store.set_limits(SCOPE, {"TPM": 6_000})
    assert store.reserve(SCOPE, {"TPM": 5_970}).admitted
    assert store.reserve(SCOPE, {"TPM": 30}).wait_s == pytest.approx(0.25)
    clock.advance(0.25)
    for _ in range(100):
        assert store.reserve(SCOPE, {"TPM": 30}).admitted
        assert store.reserve(SCOPE, {"TPM": 30}).wait_s == pytest.approx(0.3)
        clock.advance(0.3)


def test_the_margin_asks_of_nobody_more_than_a_full_bucket(clock: FakeClock) -> None:
    store = MemoryStore(clock, margin_s=0.25)
    store.set_limits(SCOPE, {"TPM": 6_000})
    assert store.reserve(SCOPE, {"TPM": 6_000}).admitted
    assert store.reserve(SCOPE, {"TPM": 6_000}).wait_s == pytest.approx(60.0)


def test_a_store_in_memory_keeps_real_time_and_its_margin_by_default() -> None:
    store = MemoryStore()
    store.set_limits(SCOPE, {"RPD": 1})
    assert store.reserve(SCOPE, {"RPD": 1}).admitted
    assert DAY_S - 60.0 < store.reserve(SCOPE, {"RPD": 1}).wait_s <= DAY_S


def test_the_margin_is_a_tenth_of_a_second_by_default(clock: FakeClock) -> None:
    store = MemoryStore(clock)
    store.set_limits(SCOPE, {"TPM": 6_000})
    assert store.reserve(SCOPE, {"TPM": 5_990}).admitted
    assert store.reserve(SCOPE, {"TPM": 10}).wait_s == pytest.approx(0.1)


def test_after_a_fork_a_lost_thread_may_hold_the_lock(clock: FakeClock) -> None:
    store = MemoryStore(clock)
    store.set_limits(SCOPE, {"RPM": 2})
    store._lock.acquire()
    store.after_fork()
    assert store.reserve(SCOPE, {"RPM": 1}).admitted
