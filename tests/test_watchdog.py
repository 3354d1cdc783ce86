"""The watchdog: what is to be done at an instant is done then, by one thread for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from helpers_servers import until

from customgroqchat._watchdog import Watchdog
from customgroqchat.testing import FakeClock

NAME = "customgroqchat-watchdog"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now_s=100.0)


@pytest.fixture
def dog(clock: FakeClock) -> Iterator[Watchdog]:
    before = set(threads())
    dog = Watchdog(clock)
    yield dog
    dog.close()
    clock.advance(1e6)
    until(lambda: not set(threads()) - before)


@pytest.fixture
def done() -> list[str]:
    return []


Note = Callable[[str], Callable[[], None]]


@pytest.fixture
def note(done: list[str]) -> Note:
    return lambda name: lambda: done.append(name)


def test_nothing_runs_before_there_is_something_to_watch(dog: Watchdog) -> None:
    assert threads() == []


def test_it_is_done_at_its_instant_and_not_before(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(105.0, note("it"))
    clock.wait_for_waiters()
    clock.advance(4.9)
    assert done == []
    clock.advance(0.1)
    until(lambda: done)
    assert done == ["it"]


def test_what_is_overdue_is_done_at_once(dog: Watchdog, done: list[str], note: Note) -> None:
    dog.at(99.0, note("it"))
    until(lambda: done)


def test_one_thread_does_it_all_in_the_order_of_the_instants(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    for instant_s in (103.0, 101.0, 102.0, 101.0):
        dog.at(instant_s, note(f"{instant_s}"))
    clock.wait_for_waiters()
    assert len(threads()) == 1
    clock.advance(50.0)
    until(lambda: len(done) == 4)
    assert done == ["101.0", "101.0", "102.0", "103.0"]


def test_an_earlier_instant_wakes_the_one_who_sleeps_until_a_later_one(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(200.0, note("late"))
    clock.wait_for_waiters()
    dog.at(101.0, note("early"))
    until(lambda: any(until_s == 101.0 for until_s, _ in clock._waiting))
    clock.advance(1.0)
    until(lambda: done)
    assert done == ["early"]


def test_what_is_cancelled_is_not_done(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    first, second = dog.at(101.0, note("first")), dog.at(102.0, note("second"))
    first.cancel()
    first.cancel()
    clock.wait_for_waiters()
    clock.advance(5.0)
    until(lambda: done)
    assert done == ["second"]
    second.cancel()  # too late, which is no trouble


def test_what_cancels_another_that_is_due_at_the_same_instant_comes_first(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    clock_now = clock.monotonic()
    dog.at(clock_now + 1.0, lambda: later.cancel())
    later = dog.at(clock_now + 1.0, note("later"))
    dog.at(clock_now + 1.0, note("last"))
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: done)
    assert done == ["last"]


def test_what_is_done_may_set_another_alarm(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(101.0, lambda: dog.at(102.0, note("second")))
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: any(until_s == 102.0 for until_s, _ in clock._waiting))
    clock.advance(1.0)
    until(lambda: done)


def test_an_alarm_that_fails_is_logged_and_costs_nobody_else_theirs(
    dog: Watchdog,
    clock: FakeClock,
    done: list[str],
    note: Note,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a defect")

    dog.at(101.0, fail)
    dog.at(101.0, note("the next"))
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: done)
    assert "a defect" in caplog.text
    dog.at(102.0, note("a later one"))
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: len(done) == 2)


def test_alarms_that_were_cancelled_are_thrown_away(dog: Watchdog, clock: FakeClock) -> None:
    """Nearly every request ends before its deadline, which may be an hour away."""
    for _ in range(1_000):
        dog.at(3_600.0, lambda: None).cancel()
        assert len(dog._alarms) < 100
    kept = [dog.at(3_600.0, lambda: None) for _ in range(200)]
    for alarm in kept[:150]:
        alarm.cancel()
    assert {entry[2] for entry in dog._alarms} >= set(kept[150:])


# --- its thread ------------------------------------------------------------------------------


def test_its_thread_stays_a_moment_and_ends(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(101.0, note("it"))
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: done)
    clock.wait_for_waiters()  # for the next deadline, which is seldom far
    assert len(threads()) == 1
    clock.advance(10.0)
    until(lambda: not threads())
    dog.at(120.0, note("again"))
    clock.wait_for_waiters()
    clock.advance(20.0)
    until(lambda: len(done) == 2)


def test_closing_ends_its_thread_at_once_if_there_is_nothing_to_watch(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(100.0, note("it"))
    until(lambda: done)
    clock.wait_for_waiters()
    dog.close()
    until(lambda: not threads())
    dog.close()


def test_closing_leaves_what_is_still_to_be_done(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(101.0, note("it"))
    clock.wait_for_waiters()
    dog.close()
    clock.wait_for_waiters()
    clock.advance(1.0)
    until(lambda: done)
    until(lambda: not threads())


def test_a_forked_child_has_nothing_to_watch(
    dog: Watchdog, clock: FakeClock, done: list[str], note: Note
) -> None:
    dog.at(101.0, note("the parent's"))
    clock.wait_for_waiters()
    dog.after_fork()
    dog.at(102.0, note("the child's"))
    clock.wait_for_waiters(2)
    assert [entry[0] for entry in dog._alarms] == [102.0]
    clock.advance(5.0)
    until(lambda: "the child's" in done)


def test_where_no_thread_can_be_started_nothing_is_done_but_the_next_alarm_tries_again(
    dog: Watchdog,
    clock: FakeClock,
    done: list[str],
    note: Note,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        dog.at(100.0, note("it"))
    assert (done, threads()) == ([], [])
    dog.at(100.0, note("the next"))
    until(lambda: len(done) == 2)
    assert done == ["it", "the next"]
