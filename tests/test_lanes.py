"""One lane and its jobs, without a manager."""

from __future__ import annotations

import gc
import itertools
import random
import weakref
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._fairness import Ahead, Share
from customgroqchat._lanes import Job, Lane, RequestFuture, State, Wait


class Work:
    """Something that cannot be compared, but watched."""


def make_job(
    lane: Lane, serial: int, rank: float = 0.0, level: int = 2, share: Share | None = None
) -> Job:
    job = Job(Work(), lane, level, 0.0, serial, share or Share())
    job.rank = rank
    job.future = RequestFuture(job, lambda _: True)
    return job


def added(lane: Lane, *ranks: float) -> list[Job]:
    jobs = [make_job(lane, serial, rank) for serial, rank in enumerate(ranks)]
    for job in jobs:
        lane.add(job)
    return jobs


def add(lane: Lane, level: int, rank: float, tag: str | None = None, tokens: float = 1.0) -> Job:
    job = make_job(lane, next(_serials), rank, level, Share(tag, tokens))
    lane.add(job)
    return job


_serials = itertools.count()


def drained(lane: Lane) -> list[Job]:
    jobs = []
    while (job := lane.head()) is not None:
        jobs.append(job)
        lane.leave(job, goes=True)
    return jobs


def serials(jobs: list[Job]) -> list[int]:
    return [job.serial for job in jobs]


# --- order ---------------------------------------------------------------------------------------


def test_an_empty_lane_has_no_head() -> None:
    lane = Lane("lane")
    assert lane.claim() is None
    assert lane.head() is None
    assert lane.jobs() == []


def test_looking_at_the_head_does_not_take_it() -> None:
    lane = Lane("lane")
    job = added(lane, 1.0)[0]
    assert lane.head() is job
    assert lane.head() is job
    assert lane.claim() == (1.0, 0, job)


@repeatable
@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_the_best_rank_goes_first_and_the_older_of_equals(ranks: list[float]) -> None:
    lane = Lane("lane")
    added(lane, *ranks)
    expected = sorted(range(len(ranks)), key=lambda serial: (ranks[serial], serial))
    assert serials(drained(lane)) == expected


@repeatable
@given(st.lists(st.tuples(st.sampled_from(["leave", "return"]), st.integers(0, 29)), max_size=80))
def test_whatever_leaves_and_returns_the_order_stays(moves: list[tuple[str, int]]) -> None:
    lane = Lane("lane")
    jobs = added(lane, *[float(number % 4) for number in range(30)])
    waiting = set(jobs)
    for move, number in moves:
        job = jobs[number]
        if move == "leave" and job in waiting:
            lane.leave(job)
            waiting.remove(job)
        elif move == "return" and job not in waiting:
            lane.add(job)
            waiting.add(job)
    assert set(lane.jobs()) == waiting
    assert drained(lane) == sorted(waiting, key=lambda job: (job.rank, job.serial))


# --- levels --------------------------------------------------------------------------------------


def test_the_best_rank_decides_on_the_level_and_fairness_within_it() -> None:
    lane = Lane("lane")
    add(lane, 2, 300.0, "low")
    heavy = [add(lane, 1, 100.0 + number, "heavy") for number in range(3)]
    light = add(lane, 1, 200.0, "light")
    lane.leave(heavy[0], goes=True)
    assert lane.claim() == (101.0, heavy[1].serial, light)  # among lanes, its oldest job counts


def test_a_level_that_won_by_age_alone_sends_its_oldest_job() -> None:
    lane = Lane("lane")
    served = add(lane, 2, 100.0, "heavy")
    oldest = add(lane, 2, 101.0, "heavy")
    add(lane, 2, 150.0, "light")
    urgent = add(lane, 1, 160.0)
    lane.leave(served, goes=True)
    assert lane.head() is oldest
    lane.leave(urgent)
    assert lane.head() is not oldest, "nobody is passed over for its sake any more"


def test_a_lane_remembers_no_level_without_jobs() -> None:
    lane = Lane("lane")
    for level in range(1_000):
        job = add(lane, level % 300 - 150, float(level))
        if level % 2:
            lane.park(job)
        lane.leave(job, goes=True)
        if level % 2:
            lane.unpark(job)
    assert lane.levels == {}
    assert lane._numbers == []


# --- ahead ---------------------------------------------------------------------------------------


def test_ahead_is_what_is_as_urgent_or_more() -> None:
    lane = Lane("lane")
    for level, tokens in ((1, 10.0), (2, 200.0), (2, 300.0), (3, 4_000.0)):
        add(lane, level, float(level), None, tokens)
    assert lane.ahead_of(0, None) == Ahead(0, 0.0)
    assert lane.ahead_of(1, None) == Ahead(1, 10.0)
    assert lane.ahead_of(2, None) == Ahead(3, 510.0)
    assert lane.ahead_of(99, None) == Ahead(4, 4_510.0)


def test_parked_jobs_are_ahead_for_they_come_back_to_their_places() -> None:
    lane = Lane("lane")
    job = add(lane, 2, 1.0, "a", 50.0)
    lane.leave(job, goes=True)
    lane.park(job)
    assert lane.ahead_of(2, "b") == Ahead(1, 50.0)
    assert lane.ahead_of(3, "b") == Ahead(1, 50.0)
    assert lane.head() is None
    lane.unpark(job)
    assert lane.ahead_of(3, "b") == Ahead(0, 0.0)


# --- waiting -------------------------------------------------------------------------------------


def test_a_head_that_waits_is_passed_by_nobody_who_comes_later() -> None:
    lane = Lane("lane")
    first = add(lane, 2, 1.0, "a", 100.0)
    big = add(lane, 2, 2.0, "a", 900.0)
    other = add(lane, 2, 3.0, "b", 50.0)
    lane.leave(first, goes=True)
    lane.leave(other, goes=True)
    lane.hold(Wait(9.0), 100.0, 2)
    assert lane.waits == (Wait(9.0), 109.0)
    add(lane, 2, 5.0, "new")
    assert lane.head() is big


def test_a_head_that_left_while_it_was_told_to_wait_is_no_matter() -> None:
    lane = Lane("lane")
    lane.hold(Wait(9.0), 100.0, 2)
    job = add(lane, 2, 1.0)
    lane.leave(job, goes=True)
    lane.park(job)
    lane.hold(Wait(9.0), 100.0, 2)
    assert lane.head() is None


# --- who left ------------------------------------------------------------------------------------


def test_who_left_is_no_head() -> None:
    lane = Lane("lane")
    first, second = added(lane, 1.0, 2.0)
    lane.leave(first)
    assert lane.head() is second
    assert lane.jobs() == [second]


def test_a_lane_holds_hardly_more_of_those_who_left_than_of_those_who_wait() -> None:
    lane = Lane("lane")
    jobs = added(lane, *map(float, range(200)))
    random.Random(1).shuffle(jobs)
    while jobs:
        lane.leave(jobs.pop())
        assert len(lane.queue) <= 2 * len(jobs) + 16
        assert len(lane.jobs()) == len(jobs)


# --- futures -------------------------------------------------------------------------------------


def test_a_future_has_the_number_and_the_tag_of_its_job() -> None:
    job = Job(Work(), Lane("lane"), 2, 0.0, 17, Share("report"))
    future = RequestFuture(job, lambda _: False)
    assert (future.request_id, future.tag) == (17, "report")


@pytest.mark.parametrize("state", State)
def test_a_future_runs_while_its_job_is_on_its_way(state: State) -> None:
    job = make_job(Lane("lane"), 1)
    job.state = state
    assert job.future.running() is (state in (State.HANDED, State.RUNNING))


def test_an_ended_future_has_its_outcome_and_cannot_be_cancelled() -> None:
    job, error = make_job(Lane("lane"), 1), ValueError("no")
    answered, failed = job.future, make_job(Lane("lane"), 2).future
    assert answered.end("answer", None) is None  # there is nobody to call
    assert failed.end(None, error) is None
    assert (answered.result(0), failed.exception(0)) == ("answer", error)
    assert not answered.cancel()
    assert not answered.running()


def test_callbacks_are_called_by_whom_the_manager_chooses_and_once() -> None:
    seen: list[Any] = []
    future = make_job(Lane("lane"), 1).future
    future.add_done_callback(seen.append)
    future.add_done_callback(lambda f: seen.append(f.result(0)))
    call_back = future.end("answer", None)
    assert future.done()
    assert seen == []
    assert call_back is not None
    call_back()
    assert seen == [future, "answer"]


def test_a_callback_that_comes_late_is_called_at_once() -> None:
    seen: list[Any] = []
    future = make_job(Lane("lane"), 1).future
    future.end("answer", None)
    future.add_done_callback(seen.append)
    assert seen == [future]


def test_a_callback_that_raises_keeps_no_other_from_being_called() -> None:
    seen: list[Any] = []
    future = make_job(Lane("lane"), 1).future
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(seen.append)
    call_back = future.end("answer", None)
    assert call_back is not None
    call_back()
    assert seen == [future]


def test_a_cancelled_future_says_so_to_everybody_once() -> None:
    seen: list[Any] = []
    future = make_job(Lane("lane"), 1).future
    future.add_done_callback(seen.append)
    callers = [future.end_cancelled(), future.end_cancelled()]  # two may cancel at once
    for call_back in callers:
        if call_back is not None:
            call_back()
    assert future.cancelled()
    assert future.cancel()
    assert seen == [future]
    with pytest.raises(CancelledError):
        future.result(0)


def test_an_ended_future_lets_go_of_its_job() -> None:
    job = make_job(Lane("lane"), 1)
    work, future = weakref.ref(job.work), job.future
    future.end("answer", None)
    del job
    gc.collect()
    assert work() is None
