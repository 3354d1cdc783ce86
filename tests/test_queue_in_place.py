"""Where no thread runs: whoever waits for a request does all the work."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import TimeoutError
from typing import Any

import pytest
from helpers_queue import Bench, Ticket, echo, give_ticket
from helpers_servers import in_thread, user
from helpers_threads import our_threads

from customgroqchat import GroqClient, QueueFullException, RateLimitExceededException
from customgroqchat import queue_manager as module
from customgroqchat.queue_manager import Again, QueueManager, RequestFuture, Wait
from customgroqchat.testing import FakeClock, SimulatedGroq


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from customgroqchat import _map, _observer

    before = our_threads()
    for user_of_it in (module, _map, _observer):
        monkeypatch.setattr(user_of_it, "threads_run", lambda: False)
    yield
    assert not our_threads() - before


class InPlace(Bench):
    """A manager without threads, whose limiter and service do what the test says."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.queue = QueueManager(self.admit, self.run, clock=self.clock, **settings)

    def give(self, work: Any, lane: str = "lane", level: int = 2, **options: Any) -> RequestFuture:
        return self.queue.submit(work, lane, level, **options)


@pytest.fixture
def place() -> InPlace:
    return InPlace()


# --- one who waits ---------------------------------------------------------------------------


def test_who_waits_does_the_work_and_nobody_does_before(place: InPlace) -> None:
    future = place.give("job")
    assert place.started == []
    assert not future.done()
    assert future.result() == "job"
    assert place.started == ["job"]
    assert future.result() == "job"


def test_an_error_is_raised_to_who_waits(place: InPlace) -> None:
    place.outcomes["job"] = ValueError("no")
    future = place.give("job")
    assert isinstance(future.exception(), ValueError)
    with pytest.raises(ValueError, match="no"):
        future.result()


def test_who_waits_for_the_last_does_those_before_it(place: InPlace) -> None:
    futures = [place.give(number) for number in range(5)]
    assert futures[-1].result() == 4
    assert place.started == [0, 1, 2, 3, 4]
    assert all(future.done() for future in futures)


def test_the_more_urgent_go_first(place: InPlace) -> None:
    low, high = place.give("low", level=3), place.give("high", level=1)
    assert low.result() == "low"
    assert place.started == ["high", "low"]
    assert high.done()


def test_a_job_that_comes_back_is_run_again(place: InPlace) -> None:
    place.outcomes["job"] = [Again(0.0), Again(0.0), "answer"]
    assert place.give("job").result() == "answer"
    assert place.started == ["job"] * 3


def test_no_more_run_at_once_than_allowed() -> None:
    place = InPlace(max_workers=2)
    seen: list[int] = []
    for number in range(6):
        place.outcomes[number] = lambda work: seen.append(place.queue.status()["in_flight"])
    futures = [place.give(number) for number in range(6)]
    futures[-1].result()
    assert max(seen) <= 2


def test_a_wait_for_quota_passes(place: InPlace) -> None:
    due_s = place.clock.monotonic() + 5.0

    def left() -> Wait | None:
        left_s = due_s - place.clock.monotonic()
        return Wait(left_s) if left_s > 0.0 else None

    place.waits["job"] = left
    outcome = in_thread(place.give("job").result)
    place.clock.wait_for_waiters()
    assert not outcome.done()
    place.clock.advance(5.0)
    assert outcome.result(10) == "job"


def test_who_waits_no_longer_is_told_so(place: InPlace) -> None:
    place.waits["job"] = Wait(50.0)
    future = place.give("job")
    with pytest.raises(TimeoutError):
        future.result(timeout=0.0)
    outcome = in_thread(future.result, timeout=3.0)
    while not outcome.done():
        place.clock.advance(1.0)
    assert isinstance(outcome.exception(10), TimeoutError)
    assert not future.done()
    del place.waits["job"]
    assert future.result() == "job"


def test_a_request_that_may_not_wait_so_long_is_refused(place: InPlace) -> None:
    place.waits["job"] = Wait(50.0)
    with pytest.raises(RateLimitExceededException):
        place.give("job", max_wait_s=1.0).result()


def test_a_job_that_is_cancelled_is_not_run(place: InPlace) -> None:
    cancelled, kept = place.give("cancelled"), place.give("kept")
    assert cancelled.cancel()
    assert kept.result() == "kept"
    assert place.started == ["kept"]


def test_a_job_may_wait_for_another(place: InPlace) -> None:
    """The one at work calls the client again, and does that work as well."""
    place.outcomes["outer"] = lambda work: place.give("inner").result()
    assert place.give("outer").result() == "inner"


def test_a_full_queue_refuses_at_once_for_nobody_would_make_room() -> None:
    place = InPlace(max_queue=2)
    futures = [place.give(number) for number in range(2)]
    futures[0].result()  # makes room by working
    more = [place.give(number) for number in (2, 3)]
    with pytest.raises(QueueFullException):
        place.give(4, max_wait_s=60.0, wait_for_room=True)
    assert [future.result() for future in [*futures, *more]] == [0, 1, 2, 3]


def test_callbacks_are_called_by_who_waits(place: InPlace) -> None:
    called: list[tuple[Any, str]] = []
    future = place.give("job")
    future.add_done_callback(
        lambda done: called.append((done.result(), threading.current_thread().name))
    )
    place.give("other").result()
    assert called == [("job", threading.current_thread().name)]


def test_closing_fails_what_waits(place: InPlace) -> None:
    future = place.give("job")
    assert place.queue.close(0.0)
    assert future.exception() is not None
    assert place.started == []


# --- several who wait ------------------------------------------------------------------------


def test_several_who_wait_share_the_work_and_all_are_answered() -> None:
    clock = FakeClock()
    manager = QueueManager(give_ticket, echo, max_workers=4, clock=clock)
    futures = [manager.submit(number, number % 3, 2) for number in range(40)]
    outcomes = [in_thread(future.result) for future in futures]
    for outcome, number in zip(outcomes, range(40), strict=True):
        while not outcome.done():
            clock.advance(0.05)  # the longest that one is not woken
        assert outcome.result(10) == number


def test_who_waits_for_what_another_does_is_woken(place: InPlace) -> None:
    began, go_on = threading.Event(), threading.Event()

    def run(work: Any) -> str:
        began.set()
        assert go_on.wait(10)
        return "answer"

    place.outcomes["job"] = run
    future = place.give("job")
    first = in_thread(future.result)
    assert began.wait(10)
    second = in_thread(future.result)
    place.clock.wait_for_waiters()
    go_on.set()
    assert first.result(10) == "answer"
    place.clock.advance(0.05)
    assert second.result(10) == "answer"


# --- a client --------------------------------------------------------------------------------


def test_everything_a_client_can_do(client: GroqClient, simulator: SimulatedGroq) -> None:
    told: list[Any] = []
    assert client.chat_completion("m", user(), callback=told.append) == told[0]
    assert client.text_completion("m", "Hello").choices[0].text
    assert client.submit("m", user()).result().choices
    with client.chat_completion("m", user(), stream=True) as stream:
        assert stream.get_final_completion().choices
    client.close()
    assert len(simulator.requests) == 4


@pytest.mark.parametrize("ordered", [True, False])
def test_a_map(client: GroqClient, simulator: SimulatedGroq, ordered: bool) -> None:
    requests = ({"messages": user(f"text {number}")} for number in range(30))
    answers = list(client.map(requests, model="m", ordered=ordered, look_ahead=4))
    assert len(answers) == len(simulator.requests) == 30


def test_a_stream_that_breaks_off_is_opened_anew(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    client._clock.random = lambda: 0.0  # type: ignore[method-assign]
    simulator.fault_next("stream_cut", after_pieces=0)
    stream = client.chat_completion("m", user(), stream=True)
    assert stream.get_final_completion().attempts == 2


def test_nothing_is_said_where_it_is_the_end_of_the_interpreter(client: GroqClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.chat_completion("m", user())


def test_tickets_of_what_was_cancelled_meanwhile_are_released() -> None:
    tickets: list[Ticket] = []

    def admit(work: Any) -> Ticket:
        tickets.append(Ticket(work))
        return tickets[-1]

    manager = QueueManager(admit, echo, clock=FakeClock())
    first, second = manager.submit("first", "lane", 2), manager.submit("second", "lane", 2)
    first.add_done_callback(lambda _: second.cancel())
    assert first.result() == "first"
    manager.submit("third", "lane", 2).result()
    assert second.cancelled()
    assert [(ticket.work, ticket.released) for ticket in tickets if ticket.work == "second"] in (
        [("second", 1)],
        [],
    )
