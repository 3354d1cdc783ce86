"""QueueManager, frozen: closing, and what is forgotten when it has ended."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers_queue import Bench

from customgroqchat.exceptions import (
    ClientClosedException,
    ClientError,
    RateLimitExceededException,
)
from customgroqchat.queue_manager import Again, RequestFuture, Wait

# --- closing -------------------------------------------------------------------------------------


def test_closing_fails_what_waits_and_says_how_many(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["parked"] = Again(60.0)
    parked = bench.submit("parked")
    bench.turn()
    queued = [bench.submit(number) for number in range(2)]
    with caplog.at_level(logging.WARNING, "customgroqchat"):
        assert bench.close() is True
        assert bench.close() is True
    assert all(isinstance(f.exception(0), ClientClosedException) for f in [parked, *queued])
    assert [record.getMessage().split()[2] for record in caplog.records] == ["3"]
    assert bench.manager.status()["closed"] is True
    assert bench.manager.status()["queued"] == 0


def test_closing_an_idle_queue_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    assert bench.manager.close() is True
    assert caplog.records == []


def test_what_runs_while_the_queue_is_closed_finishes() -> None:
    bench = Bench()
    future = bench.submit("job")
    bench.manager.step()
    assert bench.manager.close(timeout_s=0.0) is False
    assert not future.done()
    bench.work()
    assert future.result(0) == "job"
    assert bench.manager.close(timeout_s=0.0) is True


def test_a_closed_queue_takes_nothing() -> None:
    bench = Bench()
    bench.manager.close()
    with pytest.raises(ClientClosedException):
        bench.submit("job")


@pytest.mark.parametrize("delay_s", [0.0, 5.0])
def test_a_job_does_not_come_back_to_a_closed_queue(delay_s: float) -> None:
    bench = Bench()
    bench.outcomes["job"] = Again(delay_s)
    future = bench.submit("job")
    bench.manager.step()
    bench.manager.close(timeout_s=0.0)
    bench.work()
    assert isinstance(future.exception(0), ClientClosedException)
    assert bench.manager.close(timeout_s=0.0) is True


def test_who_is_admitted_while_the_queue_closes_gives_it_back() -> None:
    bench = Bench()
    future = bench.submit("job")
    bench.waits["job"] = lambda: bench.manager.close() and None
    bench.turn()
    assert isinstance(future.exception(0), ClientClosedException)
    assert [(ticket.used, ticket.released) for ticket in bench.tickets] == [(0, 1)]


@pytest.mark.parametrize("fate", ["admitted", "too late"])
def test_without_workers_every_job_still_ends(fate: str) -> None:
    """As at the interpreter's end, where a pool takes no more work."""
    bench = Bench()
    if fate == "too late":
        bench.waits["job"] = Wait(60.0)
    future = bench.submit("job", max_wait_s=5.0)
    bench.workers.shutdown()
    bench.turn()
    expected = ClientError if fate == "admitted" else RateLimitExceededException
    assert isinstance(future.exception(0), expected)
    assert [ticket.released for ticket in bench.tickets] == [1] * len(bench.tickets)
    assert bench.manager.status()["in_flight"] == 0


def take_and_raise(function: Callable[..., None], *args: Any) -> None:
    function(*args)
    raise RuntimeError("can't start new thread")


def test_a_worker_may_be_at_a_job_that_the_pool_said_it_could_not_take() -> None:
    """A pool that cannot start another thread says so when an old one may have the job already."""
    bench = Bench()
    future = bench.submit("job")
    bench.workers.submit = take_and_raise  # type: ignore[method-assign]
    bench.turn()
    assert future.result(0) == "job"
    assert [(ticket.used, ticket.released) for ticket in bench.tickets] == [(1, 0)]
    assert bench.manager.status()["in_flight"] == 0


def test_a_callback_is_called_once_though_the_pool_said_it_could_not_take_it() -> None:
    bench = Bench()
    seen: list[object] = []
    future = bench.submit("job")
    future.add_done_callback(seen.append)
    bench.manager.callers.submit = take_and_raise  # type: ignore[method-assign]
    bench.turn()
    assert seen == [future]


def test_closing_does_not_wait_for_callbacks() -> None:
    bench = Bench()
    closed = threading.Event()

    outcome: list[bool] = []
    future = bench.submit("job")
    future.add_done_callback(lambda _: outcome.append(closed.wait(2.0)))
    bench.manager.close(timeout_s=0.0)
    closed.set()
    bench.close()
    assert outcome == [True]


# --- forgetting ----------------------------------------------------------------------------------


class Payload:
    """A work that can be watched."""


def submit_watched(bench: Bench, **options: Any) -> tuple[weakref.ref[Payload], RequestFuture]:
    work = Payload()
    bench.outcomes[work] = "answer"
    return weakref.ref(work), bench.submit(work, **options)


def forget(bench: Bench) -> None:
    """Drop what the bench itself remembers."""
    for notes in (bench.asked, bench.started, bench.tickets, bench.waits, bench.outcomes):
        notes.clear()
    gc.collect()


@pytest.mark.parametrize("max_wait_s", [None, 600.0])
@pytest.mark.parametrize("end", ["answered", "cancelled"])
def test_an_ended_job_is_forgotten_though_its_future_is_kept(
    end: str, max_wait_s: float | None
) -> None:
    bench = Bench()
    watched, future = submit_watched(bench, max_wait_s=max_wait_s)
    if end == "cancelled":
        future.cancel()
    bench.turn()
    forget(bench)
    assert future.done()
    assert watched() is None


@pytest.mark.parametrize("max_wait_s", [None, 600.0])
def test_an_answer_is_forgotten_with_its_future(max_wait_s: float | None) -> None:
    bench = Bench()
    answer = Payload()
    watched = weakref.ref(answer)
    bench.outcomes["job"] = answer
    future = bench.submit("job", max_wait_s=max_wait_s)
    del answer
    bench.turn()
    assert future.result(0) is watched()
    del future
    forget(bench)
    assert watched() is None


@pytest.mark.parametrize("max_wait_s", [None, 600.0])
def test_a_failed_job_is_forgotten_with_its_future(max_wait_s: float | None) -> None:
    bench = Bench()
    watched, future = submit_watched(bench, max_wait_s=max_wait_s)
    bench.outcomes[watched()] = ValueError("no")
    bench.turn()
    assert isinstance(future.exception(0), ValueError)
    del future  # with the error, whose traceback holds all that was on its way
    forget(bench)
    assert watched() is None


def test_a_future_that_is_kept_does_not_keep_the_manager() -> None:
    bench = Bench()
    future = bench.submit("job")
    bench.turn()
    watched = weakref.ref(bench.manager)
    del bench
    gc.collect()
    assert future.result(0) == "job"
    assert watched() is None


def test_a_job_that_is_cancelled_while_parked_is_forgotten() -> None:
    bench = Bench()
    watched, future = submit_watched(bench)
    bench.outcomes[watched()] = Again(3_600.0)
    bench.turn()
    future.cancel()
    bench.turn()
    forget(bench)
    assert watched() is None


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_jobs_that_end_behind_a_head_that_waits_for_hours_are_forgotten(end: str) -> None:
    bench = Bench(max_workers=1)
    bench.waits["head"] = Wait(36_000.0, "TPD")
    bench.submit("head", level=0)
    watched: list[weakref.ref[Any]] = []
    for _ in range(1_000):
        reference, future = submit_watched(bench, max_wait_s=5.0)
        watched += [reference, weakref.ref(future)]
        if end == "cancelled":
            future.cancel()
    del future
    bench.clock.advance(5.0)
    bench.turn()
    assert bench.manager.status()["queued"] == 1
    forget(bench)
    assert sum(reference() is not None for reference in watched) <= 64


def test_a_steady_stream_leaves_nothing_behind() -> None:
    bench = Bench(max_workers=1)
    watched = []
    for _ in range(1_000):
        reference, _ = submit_watched(bench, max_wait_s=600.0)
        watched.append(reference)
        bench.turn()
    forget(bench)
    assert sum(reference() is not None for reference in watched) <= 64


# --- in the garbage collector, and without threads -----------------------------------------------


def test_a_job_is_abandoned_even_while_its_own_thread_holds_the_lock() -> None:
    """As when the collector closes an iterator in the middle of ``submit``."""
    bench = Bench()
    future = bench.submit("job")
    with bench.manager._lock:
        future.abandon()
    assert not future.done()
    bench.turn()
    assert future.cancelled()
    assert bench.started == []


def test_an_abandoned_job_is_cancelled_at_once_where_that_is_possible() -> None:
    bench = Bench()
    future = bench.submit("job")
    future.abandon()
    assert future.cancelled()
    future.abandon()
    assert bench.manager.status()["queued"] == 0


def test_a_callback_is_called_once_though_its_pool_took_it_and_failed() -> None:
    """A pool that cannot start a thread has queued the task all the same."""
    bench = Bench()
    future = bench.submit("job")
    calls: list[object] = []
    future.add_done_callback(calls.append)
    bench.manager.step()
    callers = bench.manager.callers
    take = callers.submit

    def take_and_fail(function: Callable[..., None], *args: Any) -> None:
        take(function, *args)
        raise RuntimeError("can't start new thread")

    callers.submit = take_and_fail  # type: ignore[method-assign]
    bench.workers.work()
    while callers.tasks:
        callers.work()
    assert calls == [future]
