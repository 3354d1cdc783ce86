"""The requests of one model that are on their way, and what of them shows in which level."""

from __future__ import annotations

import pytest

from customgroqchat._calls import LONGEST_DELAY_S, Call, Calls


class Traffic:
    """Calls that are begun and ended at stated seconds."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.serial = 0

    def send(self, at_s: float, instant_ms: int | None = None) -> Call:
        self.serial += 1
        call = Call(self.serial, {"TPM": 100.0}, at_s)
        call.instant_ms = instant_ms
        self.calls.begin(call)
        return call

    def past(self, sent_s: float, ended_s: float, instant_ms: int | None = None) -> Call:
        call = self.send(sent_s, instant_ms)
        assert self.calls.end(call, ended_s)
        return call

    def at_admission(self, call: Call, now: float) -> dict[Call, tuple[int, int, bool, bool]]:
        return {found.other: found[1:] for found in self.calls.around_admission(call, now)}

    def at_end(self, call: Call, now: float) -> dict[Call, tuple[int, int, bool, bool]]:
        return {found.other: found[1:] for found in self.calls.around_end(call, now)}


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


# --- from the beginning to the end ---------------------------------------------------------------


def test_a_call_ends_once(traffic: Traffic) -> None:
    call = traffic.send(0.0)
    assert traffic.calls.open == {1: call}
    assert traffic.calls.end(call, 3.0)
    assert call.ended_s == 3.0
    assert not traffic.calls.end(call, 5.0)
    assert call.ended_s == 3.0
    assert traffic.calls.open == {}


def test_the_service_looks_at_a_call_soon_and_before_it_ends(traffic: Traffic) -> None:
    call = traffic.send(10.0)
    assert call.delay_s(10.1) == pytest.approx(0.1)
    assert call.delay_s(60.0) == LONGEST_DELAY_S
    traffic.calls.end(call, 10.2)
    assert call.delay_s(60.0) == pytest.approx(0.2)
    assert traffic.past(10.0, 9.0).delay_s(60.0) == 0.0, "a clock that steps back"


# --- how long it was under way -------------------------------------------------------------------


def test_how_long_it_was_under_way_is_known_roughly(traffic: Traffic) -> None:
    assert traffic.calls.travel_s(traffic.past(0.0, 9.0), 9.0) == (0.0, 0.1)
    assert traffic.calls.travel_s(traffic.past(0.0, 0.04), 9.0) == (0.0, pytest.approx(0.04))


def test_the_service_s_clock_tells_by_how_much_longer_than_the_quickest(traffic: Traffic) -> None:
    """Its clock and the own one need not agree: only differences count."""
    for sent_s, offset_ms in ((0.0, 70_030), (1.0, 70_010), (2.0, 70_090)):
        traffic.past(sent_s, sent_s + 0.4, round(sent_s * 1000) + offset_ms)
    slow = traffic.past(3.0, 3.4, 73_210)
    assert traffic.calls.travel_s(slow, 3.4) == (pytest.approx(0.2), pytest.approx(0.25))
    quick = traffic.past(4.0, 4.4, 74_010)
    assert traffic.calls.travel_s(quick, 4.4) == (pytest.approx(0.0), pytest.approx(0.05))
    absurd = traffic.past(5.0, 5.4, 99_000)
    assert traffic.calls.travel_s(absurd, 5.4)[0] == pytest.approx(0.4), "it ended by then"


def test_without_anything_to_compare_its_clock_tells_nothing(traffic: Traffic) -> None:
    assert traffic.calls.travel_s(traffic.send(0.0, 70_000), 9.0) == (0.0, 0.1)


# --- what else shows at an admission -------------------------------------------------------------


@pytest.mark.parametrize(
    ("other_s", "expected"),
    [
        (0.0, (0, 0, False, True)),  # long before: its charge is in there
        (9.7, (0, 1, False, True)),  # just before: it may have been overtaken
        (10.3, (-1, 0, False, False)),  # just after: it may have overtaken
    ],
)
def test_an_open_call_may_be_seen_before_or_after(
    traffic: Traffic, other_s: float, expected: tuple[int, int, bool, bool]
) -> None:
    sent = [traffic.send(at_s) for at_s in sorted((other_s, 10.0))]
    other, call = sent if other_s < 10.0 else reversed(sent)
    traffic.calls.end(call, 20.0)
    assert traffic.at_admission(call, 20.0) == {other: expected}


def test_what_was_sent_long_after_tells_nothing(traffic: Traffic) -> None:
    call = traffic.send(10.0)
    traffic.send(10.6)
    traffic.past(11.5, 12.0)
    assert traffic.at_admission(call, 20.0) == {}


def test_what_ended_before_is_in_there_as_it_ended(traffic: Traffic) -> None:
    open_then = traffic.send(0.0)
    traffic.past(1.0, 9.9)
    call = traffic.send(10.0)
    assert traffic.at_admission(call, 20.0) == {open_then: (0, 0, False, True)}


@pytest.mark.parametrize(("ended_s", "may_be_done"), [(10.2, True), (10.7, True), (10.8, False)])
def test_what_ended_just_after_may_have_ended_before_it_was_looked_at(
    traffic: Traffic, ended_s: float, may_be_done: bool
) -> None:
    other, call = traffic.send(0.0), traffic.send(10.0)
    traffic.calls.end(other, ended_s)
    assert traffic.at_admission(call, 20.0) == {other: (0, 0, may_be_done, True)}


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "of_first", "of_second"),
    [
        (70_000, 70_300, (0, 0, False, True), None),  # in the order in which they were sent
        (70_300, 70_000, (1, 1, False, True), (-1, -1, False, False)),  # overtaken
        (70_000, 70_000, (0, 1, False, True), (-1, 0, False, False)),  # nobody knows
    ],
)
def test_the_service_s_clock_tells_who_came_first(
    traffic: Traffic,
    first_ms: int,
    second_ms: int,
    of_first: tuple[int, int, bool, bool],
    of_second: tuple[int, int, bool, bool] | None,
) -> None:
    first, second = traffic.send(10.0, first_ms), traffic.send(10.1, second_ms)
    assert traffic.at_admission(second, 20.0) == {first: of_first}
    assert traffic.at_admission(first, 20.0) == ({second: of_second} if of_second else {})


def test_what_was_sent_at_the_same_instant_may_have_come_first(traffic: Traffic) -> None:
    first, second = traffic.past(10.0, 10.0), traffic.past(10.0, 10.0)
    assert traffic.at_admission(second, 10.0) == {first: (0, 1, True, True)}
    assert traffic.at_admission(first, 10.0) == {second: (-1, 0, True, False)}


# --- and at an end -------------------------------------------------------------------------------


def test_at_an_end_open_calls_may_show_and_what_ended_just_now_may_not(traffic: Traffic) -> None:
    early = traffic.send(0.0)
    traffic.past(1.0, 9.0)
    call = traffic.send(2.0)
    just_done = traffic.past(3.0, 9.8)
    just_sent = traffic.send(9.9)
    assert traffic.at_end(call, 10.0) == {
        early: (0, 0, True, True),
        just_done: (0, 0, True, False),
        just_sent: (0, 1, True, True),
    }


# --- what is forgotten ---------------------------------------------------------------------------


def test_what_ended_before_the_oldest_open_call_was_sent_is_forgotten(traffic: Traffic) -> None:
    traffic.past(0.0, 1.0)
    call = traffic.send(2.0)
    overlapping = traffic.past(3.0, 4.0)
    traffic.calls.tidy()
    assert set(traffic.at_end(call, 4.1)) == {overlapping}
    assert traffic.calls.is_remembered(call)
    traffic.calls.end(call, 5.0)
    traffic.calls.tidy()
    assert traffic.at_end(call, 5.0) == {}


def test_of_too_many_some_are_forgotten_and_that_is_known(traffic: Traffic) -> None:
    call = traffic.send(0.0)
    for number in range(256):
        traffic.past(1.0, 2.0 + number)
    traffic.calls.tidy()
    assert traffic.calls.is_remembered(call)
    traffic.past(1.0, 300.0)
    later = traffic.send(300.0)
    traffic.calls.tidy()
    assert not traffic.calls.is_remembered(call)
    assert not traffic.calls.is_remembered(later)
    assert traffic.calls.is_remembered(traffic.send(301.0))
