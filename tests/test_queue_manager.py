"""QueueManager, frozen: who goes when, on how many workers, and what comes out."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ALL_COMPLETED, CancelledError, as_completed, wait
from typing import Any

import pytest
from helpers_queue import Bench

from customgroqchat.exceptions import RateLimitExceededException
from customgroqchat.queue_manager import Again, RequestFuture, Wait

HIGH, NORMAL, LOW = 1, 2, 3


class Unusual(BaseException):
    """As KeyboardInterrupt and SystemExit are: no Exception."""


# --- order ---------------------------------------------------------------------------------------


def test_a_job_runs_and_its_future_has_what_run_returned() -> None:
    bench = Bench()
    bench.outcomes["question"] = "answer"
    future = bench.submit("question")
    assert not future.done()
    bench.turn()
    assert future.result(0) == "answer"
    assert [(ticket.used, ticket.released) for ticket in bench.tickets] == [(1, 0)]


def test_the_smallest_level_goes_first() -> None:
    bench = Bench(max_workers=1)
    for level in (NORMAL, 7, LOW, HIGH, -3, 0):
        bench.submit(level, level=level)
    bench.turn()
    assert bench.started == [-3, 0, HIGH, NORMAL, LOW, 7]


@pytest.mark.parametrize("ageing_s", [300.0, None])
def test_within_a_level_it_is_first_in_first_out(ageing_s: float | None) -> None:
    bench = Bench(max_workers=1, ageing_s=ageing_s)
    for number in range(50):
        bench.submit(number)
    bench.turn()
    assert bench.started == list(range(50))


def test_a_level_is_worth_exactly_the_ageing_period() -> None:
    bench = Bench(max_workers=1, ageing_s=30.0)
    bench.submit("low", level=LOW)
    bench.clock.advance(59.5)
    bench.submit("high, born sooner than two periods later", level=HIGH)
    bench.clock.advance(0.5)
    bench.submit("high, born two periods later", level=HIGH)
    bench.turn()
    assert bench.started == [
        "high, born sooner than two periods later",
        "low",
        "high, born two periods later",
    ]


def test_a_strict_order_knows_no_age() -> None:
    bench = Bench(max_workers=1, ageing_s=None)
    bench.submit("low", level=LOW)
    bench.clock.advance(10 * 365 * 86_400.0)
    bench.submit("high", level=HIGH)
    bench.turn()
    assert bench.started == ["high", "low"]


def seconds_until_low_is_served(
    ageing_s: float | None, backlog: int, arrivals: int, horizon_s: int
) -> float | None:
    """One is served every second, while so many of high priority arrive without end."""
    bench = Bench(max_workers=1, max_queue=0, ageing_s=ageing_s)
    for number in range(backlog):
        bench.submit(number, level=HIGH)
    bench.submit("low", level=LOW)
    for second in range(horizon_s):
        for number in range(arrivals):
            bench.submit((second, number), level=HIGH)
        bench.manager.step()
        bench.work(1)
        if bench.started[-1] == "low":
            return float(second)
        bench.clock.advance(1.0)
    return None


@pytest.mark.parametrize("ageing_s", [5.0, 60.0])
@pytest.mark.parametrize("backlog", [0, 40])
@pytest.mark.parametrize("arrivals", [1, 2, 3])
def test_low_priority_is_served_in_bounded_time_under_endless_high_load(
    ageing_s: float, backlog: int, arrivals: int
) -> None:
    # Two levels are worth two periods: whoever is born later goes later.
    ahead = backlog + arrivals * 2 * ageing_s
    waited_s = seconds_until_low_is_served(ageing_s, backlog, arrivals, int(ahead) + 2)
    assert waited_s == ahead


def test_in_a_strict_order_low_priority_starves() -> None:
    assert seconds_until_low_is_served(None, 0, 1, 2_000) is None


def test_ten_thousand_jobs_go_in_the_order_of_their_ranks() -> None:
    bench = Bench(max_workers=16, ageing_s=100.0)
    chance = random.Random(7)
    born = []
    for number in range(10_000):
        level = chance.choice([HIGH, NORMAL, LOW, 0, 9])
        bench.submit(number, level=level)
        born.append((bench.clock.monotonic() + 100.0 * level, number))
        bench.clock.advance(chance.choice([0.0, 0.01, 0.5]))
    bench.turn()
    assert bench.started == [number for _, number in sorted(born)]


# --- lanes ---------------------------------------------------------------------------------------


def test_a_lane_that_waits_does_not_delay_another() -> None:
    bench = Bench(max_workers=2)
    bench.waits["blocked"] = Wait(3_600.0, "TPD")
    bench.submit("blocked", "full", HIGH)
    bench.submit("behind it", "full", HIGH)
    free = [bench.submit(number, "free", LOW) for number in range(20)]
    bench.turn()
    assert [future.result(0) for future in free] == list(range(20))
    assert "behind it" not in bench.asked  # the head alone may go


def test_a_hundred_saturated_lanes_do_not_delay_one() -> None:
    bench = Bench(max_workers=1)
    for name in range(100):
        bench.waits[name] = Wait(60.0, "RPM")
        bench.submit(name, f"lane {name}", HIGH)
    free = bench.submit("free", "free", LOW)
    bench.turn()
    assert free.result(0) == "free"


def test_the_best_of_all_heads_goes_first() -> None:
    bench = Bench(max_workers=1)
    bench.submit("a low", "a", LOW)
    bench.submit("b normal", "b", NORMAL)
    bench.submit("c high", "c", HIGH)
    bench.submit("a high", "a", HIGH)
    bench.turn()
    assert bench.started == ["c high", "a high", "b normal", "a low"]


def test_among_equal_heads_the_older_goes_first() -> None:
    bench = Bench(max_workers=1)
    for number in range(6):
        bench.submit(number, f"lane {number % 3}")
    bench.turn()
    assert bench.started == list(range(6))


# --- workers -------------------------------------------------------------------------------------


def test_the_executor_never_gets_more_than_it_has_free_workers() -> None:
    bench = Bench(max_workers=3)
    for number in range(10):
        bench.submit(number)
    bench.manager.step()
    while bench.workers.tasks:
        assert len(bench.workers.tasks) == min(3, 10 - len(bench.started))
        bench.work(1)
        bench.manager.step()
    assert bench.started == list(range(10))


def test_an_urgent_late_comer_passes_all_who_wait() -> None:
    bench = Bench(max_workers=2)
    for number in range(6):
        bench.submit(number, level=LOW)
    bench.manager.step()
    bench.submit("urgent", level=HIGH)
    bench.turn()
    assert bench.started[:3] == [0, 1, "urgent"]


def test_nothing_is_admitted_without_a_worker_for_it() -> None:
    bench = Bench(max_workers=1)
    bench.submit("first")
    bench.submit("second")
    bench.manager.step()
    assert bench.manager.step() is None  # its end will wake the dispatcher
    assert bench.asked == ["first"]


def test_a_slot_is_free_before_callbacks_run() -> None:
    bench = Bench(max_workers=1)
    seen: list[int] = []
    future = bench.submit("job")
    future.add_done_callback(lambda _: seen.append(bench.manager.status()["in_flight"]))
    bench.turn()
    assert seen == [0]


# --- the next instant ----------------------------------------------------------------------------


def test_an_empty_queue_has_nothing_to_wake_for() -> None:
    assert Bench().manager.step() is None


def test_a_wait_of_a_job_that_is_gone_wakes_nobody() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(5.0)
    future = bench.submit("job")
    assert bench.turn() is not None
    future.cancel()
    assert bench.turn() is None


def test_the_next_instant_is_the_earliest_of_all_lanes() -> None:
    bench = Bench()
    now = bench.clock.monotonic()
    for wait_s in (7.0, 2.5, 60.0):
        bench.waits[wait_s] = Wait(wait_s)
        bench.submit(wait_s, wait_s)
    assert bench.turn() == now + 2.5
    bench.waits.clear()
    bench.clock.advance(2.5)
    assert bench.turn() is None
    assert sorted(bench.started) == [2.5, 7.0, 60.0]


def test_the_next_instant_minds_what_is_parked_and_what_gives_up() -> None:
    bench = Bench()
    now = bench.clock.monotonic()
    bench.waits["waiting"] = Wait(50.0)
    bench.submit("waiting")
    assert bench.turn() == now + 50.0
    bench.outcomes["parked"] = [Again(40.0), "done"]
    bench.submit("parked", "another")
    assert bench.turn() == now + 40.0
    bench.submit("impatient", max_wait_s=30.0)
    assert bench.turn() == now + 30.0


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("no"), Unusual("no")])
def test_what_run_raises_ends_the_job(error: BaseException) -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["bad"] = error
    bad, good = bench.submit("bad"), bench.submit("good")
    bench.turn()
    assert bad.exception(0) is error
    assert good.result(0) == "good"


@pytest.mark.parametrize("error", [ValueError("no"), Unusual("no")])
def test_what_admit_raises_ends_the_job(error: BaseException) -> None:
    bench = Bench(max_workers=1)
    bench.waits["bad"] = error
    bad, good = bench.submit("bad"), bench.submit("good")
    bench.turn()
    assert bad.exception(0) is error
    assert good.result(0) == "good"
    assert bench.started == ["good"]


def test_callbacks_that_raise_disturb_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(max_workers=1)
    seen = []

    def broken(future: Any) -> None:
        seen.append(future.result())
        raise RuntimeError("a mistake of the user")

    for number in range(3):
        bench.submit(number).add_done_callback(broken)
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        bench.turn()
    assert seen == [0, 1, 2]


# --- jobs that come back -------------------------------------------------------------------------


def test_a_job_that_comes_back_keeps_its_place() -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["first"] = [Again(), Again(), "at last"]
    first = bench.submit("first")
    bench.submit("second")
    bench.submit("third")
    bench.turn()
    assert bench.started == ["first", "first", "first", "second", "third"]
    assert first.result(0) == "at last"
    assert [ticket.used for ticket in bench.tickets] == [1] * 5  # a new admission each time


def test_a_job_that_comes_back_keeps_its_age() -> None:
    bench = Bench(max_workers=1, ageing_s=10.0)
    bench.outcomes["old"] = [Again(25.0), "done"]
    bench.submit("old", level=LOW)
    bench.turn()
    bench.clock.advance(25.0)
    bench.submit("young", level=HIGH)
    bench.turn()
    assert bench.started == ["old", "old", "young"]


def test_a_parked_job_lets_others_pass_and_returns_to_its_place() -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["first"] = [Again(5.0), "done"]
    bench.submit("first")
    bench.submit("second")
    bench.turn()
    assert bench.started == ["first", "second"]
    bench.clock.advance(4.999)
    bench.submit("third")
    bench.waits["third"] = Wait(1.0)
    bench.turn()
    assert "first" not in bench.asked[2:]
    bench.waits.clear()
    bench.clock.advance(0.001)
    bench.turn()
    assert bench.started == ["first", "second", "first", "third"]


def test_parked_jobs_come_back_in_the_order_of_their_times() -> None:
    bench = Bench(max_workers=1)
    for delay_s in (3.0, 1.0, 2.0):
        bench.outcomes[delay_s] = [Again(delay_s), "done"]
        bench.submit(delay_s)
    bench.turn()
    for _ in range(3):
        bench.clock.advance(1.0)
        bench.turn()
    assert bench.started == [3.0, 1.0, 2.0, 1.0, 2.0, 3.0]


# --- futures -------------------------------------------------------------------------------------


def test_futures_carry_number_and_tag() -> None:
    bench = Bench()
    plain, tagged = bench.submit("a"), bench.submit("b", tag="report")
    assert plain.request_id < tagged.request_id
    assert (plain.tag, tagged.tag) == (None, "report")


def test_a_future_is_running_only_while_its_job_is_sent() -> None:
    bench = Bench()
    seen: list[bool] = []
    future: RequestFuture
    bench.outcomes["job"] = [lambda _: seen.append(future.running()) or Again(1.0), "done"]
    future = bench.submit("job")
    assert not future.running()
    bench.turn()
    assert seen == [True]
    assert not future.running()  # it waits to be sent once more
    bench.clock.advance(1.0)
    bench.turn()
    assert future.done()
    assert not future.running()


def test_the_standard_helpers_understand_our_futures() -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["bad"] = ValueError("no")
    bench.waits["late"] = Wait(9.0)
    good, bad, gone = bench.submit("good"), bench.submit("bad"), bench.submit("gone")
    late = bench.submit("late", max_wait_s=1.0)
    futures = {good, bad, gone, late}
    gone.cancel()
    bench.turn()
    assert wait(futures, 0, ALL_COMPLETED).done == futures
    assert set(as_completed(futures, 0)) == futures
    assert isinstance(late.exception(0), RateLimitExceededException)
    with pytest.raises(CancelledError):
        gone.result(0)
