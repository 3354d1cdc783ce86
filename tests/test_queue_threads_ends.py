"""QueueManager with real threads: closing, neglect, and a machine that has no more threads."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple
from unittest import mock

import pytest
from helpers_queue import Ticket
from helpers_threads import LONG_S, MakeManager, in_thread, managers, our_threads

from customgroqchat.exceptions import ClientClosedException
from customgroqchat.queue_manager import QueueManager, Wait
from customgroqchat.testing import FakeClock


@pytest.fixture
def make_manager() -> Iterator[MakeManager]:
    with managers() as make:
        yield make


# --- closing -------------------------------------------------------------------------------------


class Busy(NamedTuple):
    """A manager with a job that is being sent until the event is set."""

    manager: QueueManager
    clock: FakeClock
    go_on: threading.Event
    threads_before: set[threading.Thread]

    def start_closing(self, timeout_s: float) -> Future[bool]:
        """Have another thread close it; return when that waits for the job."""
        closing: Future[bool] = in_thread(lambda: self.manager.close(timeout_s))
        for thread in our_threads() - self.threads_before:
            if "dispatcher" in thread.name:
                thread.join(LONG_S)
        self.clock.wait_for_waiters()
        return closing


@pytest.fixture
def busy(make_manager: MakeManager) -> Iterator[Busy]:
    before = our_threads()
    clock, sent, go_on = FakeClock(), threading.Event(), threading.Event()

    def run(work: str, ticket: Ticket) -> str:
        sent.set()
        assert go_on.wait(LONG_S)
        return work

    manager = make_manager(run=run, clock=clock, max_workers=1)
    manager.submit("running", "lane", 2)
    assert sent.wait(LONG_S)
    clock.wait_for_waiters()  # the dispatcher
    yield Busy(manager, clock, go_on, before)
    go_on.set()


def test_closing_waits_for_what_runs(busy: Busy) -> None:
    closing = busy.start_closing(30.0)
    assert not closing.done()
    busy.go_on.set()
    assert closing.result(LONG_S) is True


def test_closing_waits_no_longer_than_told(busy: Busy) -> None:
    closing = busy.start_closing(30.0)
    busy.clock.advance(30.0)
    assert closing.result(LONG_S) is False


def test_closing_at_once_from_many_threads(busy: Busy) -> None:
    manager = busy.manager
    waiting = manager.submit("waiting", "lane", 2)
    closings = [in_thread(lambda: manager.close(0.0)) for _ in range(5)]
    assert [closing.result(LONG_S) for closing in closings] == [False] * 5
    assert isinstance(waiting.exception(LONG_S), ClientClosedException)
    busy.go_on.set()
    assert in_thread(lambda: manager.close(LONG_S)).result(2 * LONG_S) is True


def test_closing_on_a_worker_does_not_wait_for_itself(make_manager: MakeManager) -> None:
    manager: QueueManager
    manager = make_manager(run=lambda work, ticket: manager.close(0.0))
    assert manager.submit("job", "lane", 2).result(LONG_S) is False


def test_closing_in_a_callback(make_manager: MakeManager) -> None:
    manager = make_manager()
    closed: Future[bool] = Future()
    manager.submit("job", "lane", 2).add_done_callback(
        lambda _: closed.set_result(manager.close(LONG_S))
    )
    assert closed.result(LONG_S) is True


def test_a_closed_manager_leaves_no_thread(make_manager: MakeManager) -> None:
    before = our_threads()
    manager = make_manager()
    manager.submit("job", "lane", 2).result(LONG_S)
    started = our_threads() - before
    manager.close()
    for thread in started:
        thread.join(LONG_S)
        assert not thread.is_alive()


# --- neglect -------------------------------------------------------------------------------------


def test_the_threads_of_a_dropped_manager_end(make_manager: MakeManager) -> None:
    before = our_threads()
    manager = make_manager()
    manager.submit("job", "lane", 2).result(LONG_S)
    started = our_threads() - before
    del manager
    gc.collect()
    for thread in started:
        thread.join(LONG_S)
        assert not thread.is_alive()


def test_a_manager_that_is_dropped_does_what_it_was_given_and_ends(
    make_manager: MakeManager,
) -> None:
    before = our_threads()
    asked, go_on = threading.Event(), threading.Event()
    outcome: Future[str] = Future()

    def admit(work: str) -> Ticket:
        asked.set()
        assert go_on.wait(LONG_S)
        return Ticket(work)

    manager = make_manager(admit)
    manager.submit("job", "lane", 2).add_done_callback(lambda f: outcome.set_result(f.result()))
    assert asked.wait(LONG_S)
    started = our_threads() - before
    del manager
    gc.collect()  # a job that waits and its manager hold each other
    go_on.set()
    assert outcome.result(LONG_S) == "job"
    (dispatcher,) = [thread for thread in started if "dispatcher" in thread.name]
    for _ in range(50):  # the worker lets go of the manager a moment after the outcome
        gc.collect()
        dispatcher.join(0.1)
        if not dispatcher.is_alive():
            break
    assert not dispatcher.is_alive()


def test_a_manager_that_is_dropped_ends_with_its_last_waiting_job(
    make_manager: MakeManager,
) -> None:
    before = our_threads()
    asked = threading.Event()

    def admit(work: str) -> Wait:
        asked.set()
        return Wait(3_600.0)

    manager = make_manager(admit)
    future = manager.submit("job", "lane", 2)
    assert asked.wait(LONG_S)
    started = our_threads() - before
    del manager
    gc.collect()
    assert all(thread.is_alive() for thread in started)
    assert future.cancel()
    for thread in started:
        gc.collect()
        thread.join(LONG_S)
        assert not thread.is_alive()


# --- a machine without threads -------------------------------------------------------------------


def no_more_threads(refused: threading.Event | None = None) -> Any:
    """Have the system refuse to start threads."""

    def start(thread: threading.Thread) -> None:
        if refused is not None:
            refused.set()
        raise RuntimeError("can't start new thread")

    return mock.patch.object(threading.Thread, "start", start)


def test_a_manager_that_could_not_start_its_threads_works_when_it_can(
    make_manager: MakeManager,
) -> None:
    manager = make_manager()
    with no_more_threads(), pytest.raises(RuntimeError):
        manager.submit("job", "lane", 2)
    assert manager.status()["queued"] == 0
    assert manager.submit("another", "lane", 2).result(LONG_S / 2) == "another"


def test_a_job_ends_once_when_no_further_worker_can_be_started(make_manager: MakeManager) -> None:
    sent, go_on, refused = threading.Event(), threading.Event(), threading.Event()
    tickets: list[Ticket] = []

    def admit(work: str) -> Ticket:
        tickets.append(Ticket(work))
        return tickets[-1]

    def run(work: str, ticket: Ticket) -> str:
        ticket.used += 1
        if work == "long":
            sent.set()
            assert go_on.wait(LONG_S)
        return work

    manager = make_manager(admit, run, max_workers=4)
    long = manager.submit("long", "lane", 2)
    assert sent.wait(LONG_S)
    with no_more_threads(refused):
        short = manager.submit("short", "lane", 2)
        assert refused.wait(LONG_S)
    go_on.set()
    assert long.result(LONG_S) == "long"
    assert short.result(LONG_S) == "short"
    manager.close(LONG_S)
    workers = manager._threads.workers
    assert workers is not None
    drained = in_thread(lambda: workers.shutdown(wait=True))
    drained.result(LONG_S)
    assert [ticket.used + ticket.released for ticket in tickets] == [1, 1]
