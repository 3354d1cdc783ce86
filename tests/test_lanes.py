"""One lane and its jobs, without a manager."""

from __future__ import annotations

import gc
import random
import weakref
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._lanes import Job, Lane, RequestFuture, State, Wait


class Work:
    """Something that cannot be compared, but watched."""


def make_job(lane: Lane, serial: int, rank: float = 0.0, level: int = 2) -> Job:
    job = Job(Work(), lane, level, 0.0, serial, None)
    job.rank = rank
    job.future = RequestFuture(job, lambda _: True)
    return job


def added(lane: Lane, *ranks: float) -> list[Job]:
    jobs = [make_job(lane, serial, rank) for serial, rank in enumerate(ranks)]
    for job in jobs:
        lane.add(job)
    return jobs


def drained(lane: Lane) -> list[int]:
    serials = []
    while (job := lane.head()) is not None:
        serials.append(job.serial)
        job.state = State.DONE
    return serials


# --- order ---------------------------------------------------------------------------------------


def test_an_empty_lane_has_no_head() -> None:
    lane = Lane("lane")
    assert lane.head() is None
    assert lane.jobs() == []


def test_looking_at_the_head_does_not_take_it() -> None:
    lane = Lane("lane")
    job = added(lane, 1.0)[0]
    assert lane.head() is job
    assert lane.head() is job


@repeatable
@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_the_best_rank_goes_first_and_the_older_of_equals(ranks: list[float]) -> None:
    lane = Lane("lane")
    added(lane, *ranks)
    assert drained(lane) == sorted(range(len(ranks)), key=lambda serial: (ranks[serial], serial))


@repeatable
@given(st.lists(st.tuples(st.sampled_from(["leave", "return"]), st.integers(0, 29)), max_size=80))
def test_whatever_leaves_and_returns_the_order_stays(moves: list[tuple[str, int]]) -> None:
    lane = Lane("lane")
    jobs = added(lane, *[float(number % 4) for number in range(30)])
    for move, number in moves:
        job = jobs[number]
        if move == "leave" and job.state is State.QUEUED:
            job.state = State.RUNNING
            lane.left()
        elif move == "return" and job.state is State.RUNNING:
            job.state = State.QUEUED
            lane.add(job)
    waiting = [job for job in jobs if job.state is State.QUEUED]
    assert sorted(job.serial for job in lane.jobs()) == [job.serial for job in waiting]
    expected = sorted(waiting, key=lambda job: (job.rank, job.serial))
    assert drained(lane) == [job.serial for job in expected]


# --- who left ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
def test_who_left_is_no_head(state: State) -> None:
    lane = Lane("lane")
    first, second = added(lane, 1.0, 2.0)
    first.state = state
    assert lane.head() is second
    assert lane.jobs() == [second]


def test_a_lane_holds_hardly_more_of_those_who_left_than_of_those_who_wait() -> None:
    lane = Lane("lane")
    jobs = added(lane, *map(float, range(200)))
    random.Random(1).shuffle(jobs)
    while jobs:
        jobs.pop().state = State.DONE
        lane.left()
        assert len(lane.queue) <= 2 * len(jobs) + 16
        assert len(lane.jobs()) == len(jobs)


# --- status --------------------------------------------------------------------------------------


def test_the_status_of_an_empty_lane() -> None:
    lane = Lane("lane")
    lane.waits = (Wait(5.0, "RPM"), 100.0)  # of a head that is gone
    assert lane.status([], 2, 50.0) == {
        "queued": 0,
        "by_priority": {},
        "in_flight": 2,
        "oldest_s": None,
        "head": None,
    }


def test_the_status_counts_by_priority_and_tells_the_wait() -> None:
    lane = Lane("lane")
    jobs = [make_job(lane, serial, level=level) for serial, level in enumerate([1, 2, 2, 3, -5])]
    jobs[1].born_s = -30.0
    lane.waits = (Wait(5.0, "TPM"), 104.0)
    status = lane.status(jobs, 0, 100.0)
    assert status["by_priority"] == {"high": 1, "normal": 2, "low": 1, "-5": 1}
    assert status["oldest_s"] == 130.0
    assert status["head"] == {"dimension": "TPM", "wait_s": 4.0}


def test_the_status_never_tells_a_negative_wait() -> None:
    lane = Lane("lane")
    lane.waits = (Wait(5.0), 90.0)
    assert lane.status([make_job(lane, 1)], 0, 100.0)["head"] == {"dimension": None, "wait_s": 0.0}


# --- futures -------------------------------------------------------------------------------------


def test_a_future_has_the_number_and_the_tag_of_its_job() -> None:
    job = Job(Work(), Lane("lane"), 2, 0.0, 17, "report")
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
