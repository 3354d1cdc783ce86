"""The ceiling on requests in flight: arithmetic only."""

from __future__ import annotations

import pytest

from customgroqchat._concurrency import Concurrency


def house(in_flight: int = 0, limit: int | None = None) -> Concurrency:
    """A ceiling and so many requests below it."""
    house = Concurrency()
    if limit is not None:
        cut_to(house, limit)
    for _ in range(in_flight):
        house.begin()
    return house


def cut_to(house: Concurrency, limit: int) -> None:
    """Refuse one of as many as lead to this limit; nothing is in flight afterwards."""
    in_flight = next(n for n in range(1, 1_000) if max(1, 7 * n // 10) == limit)
    flight = [house.begin() for _ in range(in_flight)]
    house.overloaded(flight[0])
    for _ in flight:
        house.end()


def succeed(house: Concurrency, times: int = 1) -> None:
    for _ in range(times):
        house.succeeded()


# --- no ceiling ------------------------------------------------------------------------------


def test_there_is_no_ceiling_before_the_first_overload() -> None:
    busy = house(in_flight=10_000)
    succeed(busy, 10_000)
    assert (busy.limit, busy.is_full, busy.in_flight) == (None, False, 10_000)


# --- down ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_flight", "limit"), [(1, 1), (2, 1), (3, 2), (9, 6), (10, 7), (64, 44), (90, 63)]
)
def test_overload_cuts_to_seven_tenths_of_what_is_in_flight(in_flight: int, limit: int) -> None:
    busy = house(in_flight - 1)
    busy.overloaded(busy.begin())
    assert busy.limit == limit


def test_a_flight_cuts_once() -> None:
    busy = Concurrency()
    flight = [busy.begin() for _ in range(100)]
    for number in flight:
        busy.overloaded(number)
        busy.end()
    assert (busy.limit, busy.in_flight) == (70, 0)


def test_a_request_begun_after_the_cut_cuts_again() -> None:
    busy = house(limit=7)
    flight = [busy.begin() for _ in range(7)]
    busy.overloaded(flight[0])
    assert busy.limit == 4


def test_the_limit_is_never_less_than_one() -> None:
    busy = Concurrency()
    for _ in range(3):
        busy.overloaded(busy.begin())
        busy.end()
        assert busy.limit == 1
    assert not busy.is_full


def test_it_is_full_when_the_limit_is_reached() -> None:
    assert not house(in_flight=6, limit=7).is_full
    assert house(in_flight=7, limit=7).is_full
    assert house(in_flight=8, limit=7).is_full


# --- up --------------------------------------------------------------------------------------


def test_the_limit_rises_by_one_for_as_many_successes_as_it_allows() -> None:
    busy = house(limit=6)
    limits = []
    for _ in range(6 + 7 + 8):
        busy.succeeded()
        limits.append(busy.limit)
    assert limits == [6] * 5 + [7] * 7 + [8] * 8 + [9]


def test_a_cut_begins_the_count_of_successes_anew() -> None:
    busy = house(limit=7)
    succeed(busy, 6)
    flight = [busy.begin() for _ in range(7)]
    busy.overloaded(flight[0])
    succeed(busy, 3)
    assert busy.limit == 4
    succeed(busy)
    assert busy.limit == 5


# --- no ceiling any more -----------------------------------------------------------------------


def test_a_ceiling_of_more_than_twice_what_was_in_flight_is_dropped() -> None:
    busy = house(limit=6)  # cut at 9 in flight
    succeed(busy, sum(range(6, 18)))
    assert busy.limit == 18
    succeed(busy, 18)
    assert busy.limit is None


def test_what_was_in_flight_since_the_cut_keeps_the_ceiling() -> None:
    busy = house(limit=6)
    for _ in range(20):
        busy.begin()
    succeed(busy, sum(range(6, 19)))
    assert busy.limit == 19


def test_the_height_before_an_earlier_cut_is_forgotten() -> None:
    busy = house(limit=44)  # cut at 63 in flight
    cut_to(busy, 6)
    succeed(busy, sum(range(6, 19)))
    assert busy.limit is None


def test_the_next_overload_makes_a_ceiling_again() -> None:
    busy = house(limit=1)
    busy.begin()
    succeed(busy, 3)
    assert busy.limit is None
    busy.overloaded(busy.begin())
    assert busy.limit == 1


# --- estimates -------------------------------------------------------------------------------


def test_the_wait_is_the_latency_shared_among_those_in_flight() -> None:
    busy = house(in_flight=9)
    busy.end(latency_s=2.0)
    assert busy.wait_s() == pytest.approx(2.0 / 8)


def test_newer_latencies_weigh_more() -> None:
    busy = house(in_flight=12)
    for latency_s in (1.0, 2.0):
        busy.end(latency_s)
    assert busy.wait_s() == pytest.approx(1.2 / 10)


def test_what_says_nothing_of_the_pace_leaves_the_estimate_alone() -> None:
    busy = house(in_flight=6)
    busy.end(latency_s=2.0)
    busy.end()
    assert busy.wait_s() == pytest.approx(2.0 / 4)


@pytest.mark.parametrize(
    ("latency_s", "wait_s"), [(None, 1.0), (600.0, 1.0), (0.0, 0.01), (0.001, 0.01)]
)
def test_the_wait_is_never_zero_and_at_most_a_second(
    latency_s: float | None, wait_s: float
) -> None:
    busy = house(in_flight=2)
    busy.end(latency_s)
    assert busy.wait_s() == wait_s


def test_the_wait_is_finite_with_nothing_in_flight() -> None:
    idle = house(in_flight=1)
    idle.end(latency_s=0.5)
    assert idle.wait_s() == 0.5


# --- abandoning ------------------------------------------------------------------------------


def test_abandoned_requests_leave_the_limit() -> None:
    busy = house(in_flight=7, limit=7)
    busy.abandon()
    assert (busy.in_flight, busy.limit, busy.is_full) == (0, 7, False)
