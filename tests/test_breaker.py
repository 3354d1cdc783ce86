"""The circuit breaker: when it opens, for how long, and who may probe."""

from __future__ import annotations

import pytest

from customgroqchat._breaker import Breaker

NOW = 1000.0


def fail(breaker: Breaker, times: int = 5, now: float = NOW, chance: float = 0.0) -> None:
    """So many requests, one after the other."""
    for _ in range(times):
        breaker.failed(breaker.begin(), now, chance)


def opened(now: float = NOW) -> Breaker:
    breaker = Breaker()
    fail(breaker, now=now)
    return breaker


# --- closed ----------------------------------------------------------------------------------


def test_it_opens_after_five_failures_in_a_row() -> None:
    breaker = Breaker()
    fail(breaker, 4)
    assert (breaker.state(NOW), breaker.is_closed, breaker.open_s(NOW)) == ("closed", True, 0.0)
    fail(breaker, 1)
    assert (breaker.state(NOW), breaker.is_closed, breaker.open_s(NOW)) == ("open", False, 1.0)
    assert breaker.failures == 5


def test_an_answer_in_between_begins_the_row_anew() -> None:
    breaker = Breaker()
    fail(breaker, 4)
    breaker.answered()
    fail(breaker, 4)
    assert (breaker.state(NOW), breaker.failures) == ("closed", 4)


def test_what_tells_nothing_neither_adds_to_the_row_nor_ends_it() -> None:
    breaker = Breaker()
    fail(breaker, 4)
    breaker.abandoned(breaker.begin())
    assert breaker.failures == 4
    fail(breaker, 1)
    assert breaker.state(NOW) == "open"


def test_a_closed_one_has_no_probes() -> None:
    breaker = Breaker()
    breaker.begin()
    assert not breaker.probing


# --- open ------------------------------------------------------------------------------------


def test_it_is_half_open_when_its_time_is_over() -> None:
    breaker = opened()
    assert breaker.open_s(NOW + 0.25) == 0.75
    assert breaker.state(NOW + 0.999) == "open"
    assert breaker.state(NOW + 1.0) == "half-open"
    assert breaker.open_s(NOW + 1.0) == 0.0


def test_who_comes_back_a_rounding_error_early_finds_it_half_open() -> None:
    assert opened().open_s(NOW + 1.0 - 1e-9) == 0.0


def test_failures_of_requests_that_were_in_flight_do_not_prolong_it() -> None:
    breaker = Breaker()
    tickets = [breaker.begin() for _ in range(20)]
    for ticket in tickets[:5]:
        breaker.failed(ticket, NOW, 0.0)
    for ticket in tickets[5:]:
        breaker.failed(ticket, NOW + 0.9, 0.0)
    assert (breaker.failures, breaker.open_s(NOW)) == (5, 1.0)


@pytest.mark.parametrize("later", [0.5, 1.5])
def test_an_answer_to_a_request_that_was_in_flight_closes_it(later: float) -> None:
    breaker = opened()
    breaker.answered()
    assert (breaker.state(NOW + later), breaker.failures) == ("closed", 0)


def test_failures_from_before_it_opened_do_not_count_after_it_closed() -> None:
    breaker = Breaker()
    tickets = [breaker.begin() for _ in range(20)]
    for ticket in tickets[:5]:
        breaker.failed(ticket, NOW, 0.0)
    breaker.answered()
    for ticket in tickets[5:]:
        breaker.failed(ticket, NOW, 0.0)
    assert (breaker.state(NOW), breaker.failures) == ("closed", 0)


# --- half-open -------------------------------------------------------------------------------


def test_the_first_request_after_its_time_is_the_probe() -> None:
    breaker = opened()
    assert not breaker.probing
    breaker.begin()
    assert breaker.probing


def test_the_answer_to_the_probe_closes_it() -> None:
    breaker = opened()
    breaker.begin()
    breaker.answered()
    assert (breaker.state(NOW), breaker.probing, breaker.failures) == ("closed", False, 0)


def test_the_failure_of_the_probe_opens_it_for_twice_as_long() -> None:
    breaker = opened()
    fail(breaker, 1, now=NOW + 1.0)
    assert (breaker.state(NOW + 1.0), breaker.probing) == ("open", False)
    assert (breaker.open_s(NOW + 1.0), breaker.failures) == (2.0, 6)


def test_an_abandoned_probe_lets_the_next_one_go() -> None:
    breaker = opened()
    breaker.abandoned(breaker.begin())
    assert (breaker.state(NOW + 1.0), breaker.probing) == ("half-open", False)
    breaker.begin()
    assert breaker.probing


@pytest.mark.parametrize("end", ["failed", "abandoned"])
def test_an_old_request_does_not_end_the_probe(end: str) -> None:
    breaker = Breaker()
    old = breaker.begin()
    fail(breaker)
    breaker.begin()
    breaker.failed(old, NOW + 1.0, 0.0) if end == "failed" else breaker.abandoned(old)
    assert (breaker.state(NOW + 1.0), breaker.probing) == ("half-open", True)


def test_the_probe_of_a_closed_breaker_is_old_news() -> None:
    breaker = opened()
    probe = breaker.begin()
    breaker.answered()  # to a request that was in flight
    breaker.failed(probe, NOW + 1.0, 0.0)
    assert (breaker.state(NOW + 1.0), breaker.failures) == ("closed", 0)


# --- how long --------------------------------------------------------------------------------


def periods(chance: float) -> list[float]:
    """How long it is open, each time a probe fails."""
    breaker, now, found = Breaker(), NOW, []
    fail(breaker, 4, now, chance)
    for _ in range(9):
        fail(breaker, 1, now, chance)
        found.append(breaker.open_s(now))
        now += found[-1]
    return found


def test_the_time_doubles_up_to_a_minute() -> None:
    assert periods(chance=0.0) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_chance_prolongs_it_by_up_to_a_tenth() -> None:
    assert periods(chance=0.5) == pytest.approx([1.05 * period for period in periods(0.0)])


def test_an_outage_of_any_length_overflows_nothing() -> None:
    breaker = opened()
    fail(breaker, 5_000)
    assert breaker.open_s(NOW) == 60.0


def test_the_time_is_short_again_once_it_was_closed() -> None:
    breaker = opened()
    fail(breaker, 6)
    breaker.answered()
    fail(breaker)
    assert breaker.open_s(NOW) == 1.0


# --- abandoning ------------------------------------------------------------------------------


def test_abandoning_all_frees_the_place_of_the_probe() -> None:
    breaker = opened()
    probe = breaker.begin()
    breaker.abandon()
    assert (breaker.state(NOW + 1.0), breaker.probing) == ("half-open", False)
    breaker.failed(probe, NOW + 1.0, 0.0)
    assert breaker.state(NOW + 1.0) == "half-open"
