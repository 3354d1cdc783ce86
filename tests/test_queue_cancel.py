"""Cancelling a job wherever it is: one outcome, one report, nothing left set aside."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import pytest
from helpers_queue import Bench, Ticket
from helpers_threads import LONG_S, MakeManager, managers, switching_often, together

from customgroqchat import RequestCancelledException
from customgroqchat._futures import outcome_of
from customgroqchat.queue_manager import Again, QueueManager


class Watched(Bench):
    """Notes which works were interrupted, and how each of them ended."""

    def __init__(self, **settings: Any) -> None:
        self.interrupted: list[Any] = []
        self.ended: list[tuple[Any, Any, str | None]] = []
        super().__init__(interrupt=self.interrupted.append, ended=self._note, **settings)

    def _note(self, work: Any, value: Any, error: BaseException | None) -> None:
        self.ended.append((work, value, error and type(error).__name__))


CANCELLED = ("job", None, "RequestCancelledException")


@pytest.fixture
def bench() -> Watched:
    return Watched(max_workers=1)


# --- wherever it is --------------------------------------------------------------------------


def test_a_queued_job(bench: Watched) -> None:
    future = bench.submit("job")
    assert future.cancel()
    bench.turn()
    assert (bench.started, bench.tickets, bench.interrupted) == ([], [], [])
    assert bench.ended == [CANCELLED]


def test_a_job_that_was_handed_over(bench: Watched) -> None:
    future = bench.submit("job")
    bench.manager.step()
    assert future.running()
    assert future.cancel()
    assert not future.running()
    assert bench.manager.status()["in_flight"] == 1  # until the worker has seen it
    bench.turn()
    assert bench.started == []
    assert [ticket.released for ticket in bench.tickets] == [1]
    assert bench.ended == [CANCELLED]
    assert bench.manager.status()["in_flight"] == 0


class Closable:
    """An outcome that has to be closed, as a stream has."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


OUTCOMES: dict[str, Any] = {
    "a value": "answer",
    "an error": ValueError("no"),
    "another try": Again(0.0),
    "another try, later": Again(60.0),
    "a stream": Closable(),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_a_running_job(bench: Watched, outcome: Any) -> None:
    """What comes of it is nobody's any more, whatever it is."""
    future = bench.submit("job")

    def run(work: Any) -> Any:
        assert future.cancel()
        assert future.cancelled()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    bench.outcomes["job"] = run
    bench.turn()
    bench.clock.advance(120.0)
    bench.turn()
    assert bench.started == ["job"]
    assert bench.interrupted == ["job"]
    assert bench.ended == [CANCELLED]
    assert [ticket.released for ticket in bench.tickets] == [0]  # run has seen to it
    status = bench.manager.status()
    assert (status["in_flight"], status["queued"]) == (0, 0)
    if isinstance(outcome, Closable):
        assert outcome.closed == 1


def test_a_job_that_waits_to_be_run_once_more(bench: Watched) -> None:
    bench.outcomes["job"] = Again(60.0)
    future = bench.submit("job")
    bench.turn()
    assert future.cancel()
    bench.clock.advance(60.0)
    bench.turn()
    assert (bench.started, bench.interrupted, bench.ended) == (["job"], [], [CANCELLED])


@pytest.mark.parametrize("outcome", ["answer", ValueError("no")])
def test_a_job_that_has_ended(bench: Watched, outcome: Any) -> None:
    bench.outcomes["job"] = outcome
    future = bench.submit("job")
    bench.turn()
    assert not future.cancel()
    assert not future.cancelled()
    assert bench.manager.cancel(request_id=future.request_id) == 0
    assert bench.interrupted == []
    assert len(bench.ended) == 1


def test_a_job_that_no_worker_could_take(bench: Watched) -> None:
    future = bench.submit("job")

    def refuse(*_: Any) -> None:
        assert future.cancel()
        raise RuntimeError("cannot schedule new futures after shutdown")

    bench.workers.submit = refuse  # type: ignore[method-assign]
    bench.manager.step()
    assert [ticket.released for ticket in bench.tickets] == [1]
    assert bench.ended == [CANCELLED]
    assert bench.manager.status()["in_flight"] == 0


def test_a_second_time_is_no_second_cancelling(bench: Watched) -> None:
    future = bench.submit("job", tag="group")
    bench.manager.step()
    assert bench.manager.cancel(tag="group") == 1
    assert bench.manager.cancel(tag="group") == 0
    assert future.cancel()  # as of any future that is cancelled
    assert bench.interrupted == ["job"]
    assert bench.ended == [CANCELLED]


# --- what follows ----------------------------------------------------------------------------


def test_who_waits_is_told(bench: Watched) -> None:
    future = bench.submit("job")
    future.cancel()
    with pytest.raises(CancelledError):
        future.result(0)
    assert isinstance(outcome_of(future), RequestCancelledException)
    assert outcome_of(future) is future.cancelled_by


def test_callbacks_are_called_once_by_the_one_who_cancels(bench: Watched) -> None:
    called: list[int] = []
    future = bench.submit("job")
    future.add_done_callback(lambda _: called.append(threading.get_ident()))
    bench.manager.step()
    future.cancel()
    future.cancel()
    bench.turn()
    assert called == [threading.get_ident()]


def test_the_next_one_goes_when_the_cancelled_one_has_left_its_worker(bench: Watched) -> None:
    first, second = bench.submit("job"), bench.submit("next")
    bench.manager.step()
    first.cancel()
    bench.manager.step()
    assert len(bench.workers.tasks) == 1
    bench.turn()
    assert second.result(0) == "next"
    assert bench.started == ["next"]


def test_whose_time_would_have_been_up_later_has_ended(bench: Watched) -> None:
    future = bench.submit("job", max_wait_s=5.0)
    future.cancel()
    bench.clock.advance(10.0)
    assert bench.turn() is None
    assert bench.ended == [CANCELLED]


def test_closing_waits_for_what_was_cancelled_and_still_runs(bench: Watched) -> None:
    future = bench.submit("job")

    def run(work: Any) -> str:
        future.cancel()
        assert not bench.manager.close(0.0)
        return "answer"

    bench.outcomes["job"] = run
    bench.turn()
    assert bench.manager.close(0.0)
    assert bench.ended == [CANCELLED]


def test_in_a_forked_child_nothing_of_the_parents_is_cancelled(bench: Watched) -> None:
    future = bench.submit("job")
    bench.manager.after_fork()
    assert not future.cancel()
    assert bench.interrupted == []


# --- with threads ----------------------------------------------------------------------------


@pytest.fixture
def make_manager() -> Any:
    with managers() as make:
        yield make


def test_interrupting_ends_what_runs(make_manager: MakeManager) -> None:
    running, interrupted = threading.Event(), threading.Event()

    def run(work: Any, ticket: Ticket) -> Any:
        running.set()
        assert interrupted.wait(LONG_S)
        raise ConnectionError("cut")

    manager = make_manager(run=run, interrupt=lambda work: interrupted.set())
    future = manager.submit("job", "lane", 2)
    assert running.wait(LONG_S)
    assert manager.cancel(request_id=future.request_id) == 1
    assert future.cancelled()
    assert manager.close(LONG_S)


@pytest.mark.stress
def test_whenever_they_are_cancelled_each_job_has_one_outcome() -> None:
    """And each admission is either run, or released once."""
    chance, lock = random.Random(7), threading.Lock()
    tickets: list[Ticket] = []
    ended: Counter[int] = Counter()
    told: Counter[int] = Counter()

    def admit(work: int) -> Ticket:
        tickets.append(Ticket(work))
        return tickets[-1]

    def run(work: int, ticket: Ticket) -> Any:
        ticket.used += 1
        with lock:
            drawn = chance.random()
        if drawn < 0.2:
            return Again(0.0)
        if drawn < 0.3:
            raise ValueError(work)
        return work

    def note(work: int, value: Any, error: BaseException | None) -> None:
        with lock:
            ended[work] += 1

    manager = QueueManager(admit, run, ended=note, interrupt=lambda work: None, max_workers=3)
    futures: list[Future[Any]] = []

    def submit() -> None:
        for _ in range(400):
            with lock:
                number = len(futures)
                futures.append(future := manager.submit(number, number % 3, 2, tag=str(number % 5)))
            future.add_done_callback(lambda _, number=number: told.update([number]))
            if number % 7 == 0:
                future.cancel()

    def cancel(seed: int) -> None:
        own = random.Random(seed)
        for turn in range(400):
            with lock:
                future = own.choice(futures) if futures else None
            if future is not None and future.cancel():
                assert future.cancelled()
            if turn % 50 == 49:
                manager.cancel(tag=str(own.randrange(5)))

    with switching_often():
        together(submit, submit, *[lambda seed=seed: cancel(seed) for seed in range(3)])
        assert not wait(futures, LONG_S).not_done
        assert manager.close(LONG_S)
    assert {future.cancelled() for future in futures} == {True, False}
    assert set(ended.values()) == {1}
    assert len(ended) == len(futures)
    assert {ticket.used + ticket.released for ticket in tickets} == {1}
    assert all(count == 1 for count in told.values())
