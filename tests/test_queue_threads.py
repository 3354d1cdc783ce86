"""QueueManager with real threads, which meet at events and barriers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from helpers_queue import Ticket
from helpers_threads import LONG_S, MakeManager, in_thread, managers, our_threads

from customgroqchat.exceptions import (
    ClientClosedException,
    QueueFullException,
    RateLimitExceededException,
)
from customgroqchat.queue_manager import Again, QueueManager, Wait
from customgroqchat.testing import FakeClock


@pytest.fixture
def make_manager() -> Iterator[MakeManager]:
    with managers() as make:
        yield make


# --- workers -------------------------------------------------------------------------------------


def test_no_thread_is_started_before_the_first_job(make_manager: MakeManager) -> None:
    before = our_threads()
    manager = make_manager()
    manager.status()
    manager.cancel(tag="any")
    assert our_threads() == before
    manager.submit("job", "lane", 2).result(LONG_S)
    assert {thread.name.split("_")[0] for thread in our_threads() - before} == {
        "customgroqchat-dispatcher",
        "customgroqchat-worker",
    }


def test_workers_work_at_the_same_time_and_are_no_more_than_allowed(
    make_manager: MakeManager,
) -> None:
    meeting = threading.Barrier(4)
    lock = threading.Lock()
    running = peak = 0

    def run(work: int, ticket: Ticket) -> int:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        meeting.wait(LONG_S)
        with lock:
            running -= 1
        return work

    manager = make_manager(run=run, max_workers=4)
    futures = [manager.submit(number, number % 3, 2) for number in range(40)]
    assert [future.result(LONG_S) for future in futures] == list(range(40))
    assert peak == 4


def test_a_lane_is_served_at_the_instant_at_which_it_may_be(make_manager: MakeManager) -> None:
    clock = FakeClock()
    opens_s = clock.monotonic() + 12.0

    def admit(work: Any) -> Ticket | Wait:
        left_s = opens_s - clock.monotonic()
        return Wait(left_s) if left_s > 0.0 else Ticket(work)

    manager = make_manager(admit, lambda work, ticket: clock.monotonic(), clock=clock)
    future = manager.submit("job", "lane", 2)
    clock.wait_for_waiters()
    clock.advance(11.0)
    clock.wait_for_waiters()
    assert not future.done()
    clock.advance(1.0)
    assert future.result(LONG_S) == opens_s


def test_a_saturated_lane_does_not_delay_another(make_manager: MakeManager) -> None:
    def admit(work: str) -> Ticket | Wait:
        return Wait(3_600.0) if work == "blocked" else Ticket(work)

    manager = make_manager(admit, max_workers=1)
    blocked = manager.submit("blocked", "a", 1)
    assert manager.submit("free", "b", 3).result(LONG_S) == "free"
    assert not blocked.done()


def test_a_job_that_comes_back_is_run_again(make_manager: MakeManager) -> None:
    answers = iter([Again(), Again(0.001), "at last"])
    manager = make_manager(run=lambda work, ticket: next(answers), max_workers=1)
    assert manager.submit("job", "lane", 2).result(LONG_S) == "at last"


# --- callbacks and nested calls ------------------------------------------------------------------


def test_a_callback_may_call_the_client_and_wait_even_with_one_worker(
    make_manager: MakeManager,
) -> None:
    manager = make_manager(max_workers=1)
    depth = 30
    innermost: Future[int] = Future()

    def go_deeper(future: Future[int]) -> None:
        if future.result() == depth:
            innermost.set_result(depth)
            return
        deeper = manager.submit(future.result() + 1, "lane", 2)
        deeper.add_done_callback(go_deeper)
        deeper.result(LONG_S)

    manager.submit(0, "lane", 2).add_done_callback(go_deeper)
    assert innermost.result(LONG_S) == depth


@pytest.mark.parametrize("count", [50, 300])
def test_every_callback_of_many_may_wait_for_a_call_even_with_one_worker(
    make_manager: MakeManager, count: int
) -> None:
    manager = make_manager(max_workers=1)
    all_queued = threading.Event()
    nested: list[Future[str]] = [Future() for _ in range(count)]

    def ask_more(future: Future[int]) -> None:
        all_queued.wait(LONG_S)
        try:
            answer = manager.submit("more", "lane", 2).result(LONG_S / 2)
        except BaseException as error:
            nested[future.result()].set_exception(error)
        else:
            nested[future.result()].set_result(answer)

    for number in range(count):
        manager.submit(number, "lane", 2).add_done_callback(ask_more)
    all_queued.set()
    assert {future.result(LONG_S) for future in nested} == {"more"}


def test_every_callback_of_many_may_wait_for_another_callback(make_manager: MakeManager) -> None:
    manager = make_manager(max_workers=1)
    all_queued = threading.Event()
    told: list[Future[bool]] = [Future() for _ in range(60)]

    def ask_more(future: Future[int]) -> None:
        all_queued.wait(LONG_S)
        called = threading.Event()
        manager.submit("more", "lane", 2).add_done_callback(lambda _: called.set())
        told[future.result()].set_result(called.wait(LONG_S / 2))

    for number in range(len(told)):
        manager.submit(number, "lane", 2).add_done_callback(ask_more)
    all_queued.set()
    assert [future.result(LONG_S) for future in told] == [True] * len(told)


def test_the_callback_of_a_refused_job_may_call_the_client_and_wait(
    make_manager: MakeManager,
) -> None:
    def admit(work: str) -> Ticket | Wait:
        return Wait(60.0) if work == "late" else Ticket(work)

    manager = make_manager(admit, max_workers=1)
    answer: Future[str] = Future()
    late = manager.submit("late", "a", 2, max_wait_s=0.0)
    late.add_done_callback(
        lambda _: answer.set_result(manager.submit("instead", "b", 2).result(LONG_S))
    )
    assert answer.result(LONG_S) == "instead"
    assert isinstance(late.exception(), RateLimitExceededException)


def test_a_callback_that_blocks_keeps_nobody_waiting(make_manager: MakeManager) -> None:
    manager = make_manager(max_workers=1)
    second_is_done = threading.Event()
    seen: Future[bool] = Future()
    first = manager.submit("first", "lane", 2)
    first.add_done_callback(lambda _: seen.set_result(second_is_done.wait(LONG_S)))
    assert manager.submit("second", "lane", 2).result(LONG_S) == "second"
    second_is_done.set()
    assert seen.result(LONG_S)


def test_a_callback_that_ends_its_thread_costs_no_worker(make_manager: MakeManager) -> None:
    manager = make_manager(max_workers=1)

    def leave(_: Any) -> None:
        raise SystemExit

    for number in range(5):
        manager.submit(number, "lane", 2).add_done_callback(leave)
    assert manager.submit("after", "lane", 2).result(LONG_S) == "after"


def test_a_job_may_queue_another_without_waiting_for_it(make_manager: MakeManager) -> None:
    manager: QueueManager

    def run(work: Any, ticket: Ticket) -> Any:
        return manager.submit("inner", "lane", 2) if work == "outer" else work

    manager = make_manager(run=run, max_workers=1)
    assert manager.submit("outer", "lane", 2).result(LONG_S).result(LONG_S) == "inner"


def test_admit_may_look_at_the_queue_and_cancel(make_manager: MakeManager) -> None:
    manager: QueueManager

    def admit(work: str) -> Ticket:
        if work == "first":
            assert manager.status()["queued"] >= 1
            manager.cancel(tag="unwanted")
        return Ticket(work)

    manager = make_manager(admit, max_workers=1)
    assert manager.submit("first", "lane", 2).result(LONG_S) == "first"


# --- room ----------------------------------------------------------------------------------------


@pytest.fixture
def full(make_manager: MakeManager) -> tuple[QueueManager, FakeClock]:
    """A queue of one place, taken by a job that waits for an hour."""
    clock = FakeClock()
    opens_s = clock.monotonic() + 3_600.0

    def admit(work: str) -> Ticket | Wait:
        return Wait(opens_s - clock.monotonic()) if work == "first" else Ticket(work)

    manager = make_manager(admit, clock=clock, max_queue=1)
    manager.submit("first", "a", 2, tag="first")
    clock.wait_for_waiters()  # the dispatcher
    return manager, clock


@pytest.mark.parametrize(
    "options", [{"max_wait_s": 60.0}, {"wait_for_room": True}], ids=["bounded", "unbounded"]
)
def test_a_caller_waits_for_room_and_gets_it(
    full: tuple[QueueManager, FakeClock], options: dict[str, Any]
) -> None:
    manager, clock = full
    second = in_thread(lambda: manager.submit("second", "b", 2, **options).result(LONG_S))
    clock.wait_for_waiters(2)
    clock.advance(59.0)
    assert not second.done()
    manager.cancel(tag="first")
    assert second.result(LONG_S) == "second"


def test_a_caller_waits_for_room_no_longer_than_max_wait(
    full: tuple[QueueManager, FakeClock],
) -> None:
    manager, clock = full
    second = in_thread(lambda: manager.submit("second", "b", 2, max_wait_s=60.0))
    clock.wait_for_waiters(2)
    clock.advance(60.0)
    assert isinstance(second.exception(LONG_S), QueueFullException)


def test_waiting_for_room_counts_as_waiting(full: tuple[QueueManager, FakeClock]) -> None:
    manager, clock = full
    second = in_thread(lambda: manager.submit("first", "b", 2, max_wait_s=60.0))
    clock.wait_for_waiters(2)
    clock.advance(20.0)
    manager.cancel(tag="first")
    error = second.result(LONG_S).exception(LONG_S)
    assert isinstance(error, RateLimitExceededException)
    assert error.waited == pytest.approx(20.0)


def test_closing_wakes_who_waits_for_room(full: tuple[QueueManager, FakeClock]) -> None:
    manager, clock = full
    callers = [in_thread(lambda: manager.submit("x", "b", 2, max_wait_s=60.0)) for _ in range(3)]
    clock.wait_for_waiters(4)
    manager.close(0.0)
    errors = [caller.exception(LONG_S) for caller in callers]
    assert [type(error) for error in errors] == [ClientClosedException] * 3


# --- cancelling ----------------------------------------------------------------------------------


def test_cancelling_while_admission_is_asked_for(make_manager: MakeManager) -> None:
    asked, go_on = threading.Event(), threading.Event()
    tickets: list[Ticket] = []

    def admit(work: str) -> Ticket:
        if work == "job":
            asked.set()
            assert go_on.wait(LONG_S)
        tickets.append(Ticket(work))
        return tickets[-1]

    manager = make_manager(admit, max_workers=1)
    future = manager.submit("job", "lane", 2)
    assert asked.wait(LONG_S)
    assert future.cancel()
    go_on.set()
    assert manager.submit("after", "lane", 2).result(LONG_S) == "after"
    assert [(ticket.work, ticket.released) for ticket in tickets] == [("job", 1), ("after", 0)]


def test_cancelling_what_is_being_sent(make_manager: MakeManager) -> None:
    sent, interrupted = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def run(work: str, ticket: Ticket) -> str:
        sent.set()
        assert interrupted.wait(LONG_S)
        outcomes.append(work)
        return work

    def interrupt(work: str) -> None:
        interrupted.set()

    manager = make_manager(run=run, interrupt=interrupt)
    future = manager.submit("job", "lane", 2, tag="group")
    assert sent.wait(LONG_S)
    assert future.running()
    assert manager.cancel(tag="group") == 1
    assert future.cancelled()
    assert not future.running()
    assert manager.cancel(tag="group") == 0
    assert manager.close(LONG_S)
    assert outcomes == ["job"]  # which nobody wanted any more


def test_cancelling_what_waits_to_be_sent_once_more(make_manager: MakeManager) -> None:
    clock = FakeClock()
    sent = threading.Event()

    def run(work: str, ticket: Ticket) -> Again:
        sent.set()
        return Again(60.0)

    manager = make_manager(run=run, clock=clock)
    future = manager.submit("job", "lane", 2)
    assert sent.wait(LONG_S)
    while future.running():
        clock.wait_for_waiters()
    assert future.cancel()
    clock.advance(60.0)
    assert manager.status()["queued"] == 0


def test_a_defect_of_the_dispatcher_is_logged_and_leaves_nobody_waiting(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    manager, failed = make_manager(), threading.Event()
    step = manager.step

    def fail_once() -> float | None:
        if failed.is_set():
            return step()
        failed.set()
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(manager, "step", fail_once)
    with manager._stepping:  # so that only the dispatcher can do it
        future = manager.submit("job", "lane", 2)
    assert future.result(LONG_S) == "job"
    assert failed.is_set()
    assert "dispatcher failed" in caplog.text
    assert "a defect" in caplog.text


def test_what_is_put_off_is_done_soon_and_may_fail(
    make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager, done = make_manager(), threading.Event()
    manager.submit("job", "lane", 2).result(LONG_S)

    def fail() -> None:
        raise ZeroDivisionError("a defect")

    manager.soon(fail)
    manager.soon(done.set)
    assert done.wait(LONG_S)
    assert "put off failed" in caplog.text
