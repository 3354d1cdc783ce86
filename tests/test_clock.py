"""The real clock, the fake one, and the signal that waits on either."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable

import pytest

from customgroqchat._clock import Clock, Signal
from customgroqchat.testing import FakeClock

FAR_TOO_LONG_S = 10.0


class Running:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=call, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(FAR_TOO_LONG_S)
        assert not self._thread.is_alive()

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()


def waiting(clock: FakeClock, timeout_s: float | None, condition: threading.Condition) -> Running:
    def wait() -> None:
        with condition:
            clock.wait(condition, timeout_s)

    return Running(wait)


def notify(condition: threading.Condition) -> None:
    with condition:
        condition.notify_all()


# --- the real one ----------------------------------------------------------------------------


def test_monotonic_time_does_not_step_back() -> None:
    clock = Clock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


def test_wall_time_counts_from_1970() -> None:
    assert Clock().wall() == pytest.approx(time.time(), abs=60)


def test_chance_is_from_zero_to_below_one() -> None:
    drawn = [Clock().random() for _ in range(100)]
    assert all(0.0 <= number < 1.0 for number in drawn)
    assert len(set(drawn)) > 50


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, -float("inf")])
def test_a_time_that_is_past_is_not_waited_for(timeout_s: float) -> None:
    condition = threading.Condition()
    with condition:
        Clock().wait(condition, timeout_s)
        condition.notify()  # an error, if the condition were not held again


@pytest.mark.parametrize("timeout_s", [None, 60.0, 1e12, float("inf")])
def test_a_notification_ends_a_wait_of_any_length(timeout_s: float | None) -> None:
    condition, notified = threading.Condition(), threading.Event()

    def announce() -> None:
        with condition:  # not free before the wait has begun
            notified.set()
            condition.notify()

    with condition:
        notifier = Running(announce)
        Clock().wait(condition, timeout_s)
        assert notified.is_set()
    notifier.join()


# --- the fake one ----------------------------------------------------------------------------


def test_the_fake_one_replaces_every_method() -> None:
    methods = {name for name, _ in inspect.getmembers(Clock, inspect.isfunction)}
    assert methods >= {"monotonic", "wall", "random", "wait"}
    assert methods <= set(vars(FakeClock))


def test_virtual_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(now_s=50.0)
    assert clock.monotonic() == clock.wall() == 50.0
    clock.advance(2.5)
    assert clock.monotonic() == clock.wall() == 52.5


def test_chance_is_what_a_test_says() -> None:
    clock = FakeClock(chance=0.25)
    assert [clock.random(), clock.random()] == [0.25, 0.25]
    clock.chance = 0.75
    assert clock.random() == 0.75
    assert FakeClock().random() == 0.5


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_virtual_time_that_is_past_is_not_waited_for(timeout_s: float) -> None:
    condition = threading.Condition()
    with condition:
        FakeClock().wait(condition, timeout_s)


def test_a_wait_ends_when_its_time_has_come_and_not_before() -> None:
    clock, condition = FakeClock(), threading.Condition()
    waiter = waiting(clock, 5.0, condition)
    clock.wait_for_waiters(1)
    clock.advance(4.5)
    clock.wait_for_waiters(1)
    assert waiter.is_waiting
    clock.advance(0.5)
    waiter.join()


def test_only_those_whose_time_has_come_are_woken() -> None:
    clock = FakeClock()
    soon = waiting(clock, 1.0, threading.Condition())
    late_condition = threading.Condition()
    late = waiting(clock, 100.0, late_condition)
    never_condition = threading.Condition()
    never = waiting(clock, None, never_condition)
    clock.wait_for_waiters(3)
    clock.advance(50.0)
    soon.join()
    clock.wait_for_waiters(2)
    assert late.is_waiting
    clock.advance(50.0)
    late.join()
    clock.advance(1e12)
    assert never.is_waiting
    notify(never_condition)
    never.join()


def test_a_notification_ends_a_virtual_wait() -> None:
    clock, condition = FakeClock(), threading.Condition()
    waiter = waiting(clock, 5.0, condition)
    clock.wait_for_waiters(1)
    notify(condition)
    waiter.join()
    assert clock.monotonic() == 1000.0


def test_whoever_stopped_waiting_is_not_counted() -> None:
    clock, condition = FakeClock(), threading.Condition()
    waiter = waiting(clock, 5.0, condition)
    clock.wait_for_waiters(1)
    clock.advance(5.0)
    waiter.join()
    with pytest.raises(TimeoutError, match="0 threads wait, not 1"):
        clock.wait_for_waiters(1, timeout_s=0.0)


# --- the signal ------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [Clock(), FakeClock()])
def test_a_signal_given_before_is_not_lost(clock: Clock) -> None:
    signal = Signal(clock)
    signal.give()
    waiter = Running(lambda: signal.wait(None))
    waiter.join()


def test_a_signal_wakes_the_waiter() -> None:
    clock = FakeClock()
    signal = Signal(clock)
    waiter = Running(lambda: signal.wait(None))
    clock.wait_for_waiters(1)
    signal.give()
    waiter.join()


def test_a_signal_is_used_up_by_one_wait() -> None:
    clock = FakeClock()
    signal = Signal(clock)
    signal.give()
    signal.give()
    signal.wait(None)
    waiter = Running(lambda: signal.wait(None))
    clock.wait_for_waiters(1)
    signal.give()
    waiter.join()


def test_a_signal_that_woke_a_waiter_is_used_up_as_well() -> None:
    clock = FakeClock()
    signal = Signal(clock)
    for _ in range(2):
        waiter = Running(lambda: signal.wait(None))
        clock.wait_for_waiters(1)
        signal.give()
        waiter.join()


def test_a_wait_for_a_signal_times_out() -> None:
    clock = FakeClock()
    signal = Signal(clock)
    waiter = Running(lambda: signal.wait(3.0))
    clock.wait_for_waiters(1)
    clock.advance(3.0)
    waiter.join()


def test_no_time_at_all_is_a_look_only() -> None:
    Signal(Clock()).wait(0.0)
    Signal(FakeClock()).wait(0.0)
