"""QueueManager and limiter under many threads, which are switched every microsecond.

Nothing is known of the order here. What must hold in any: a future ends once, an admission is used
or released once, and no more runs or waits than may.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from typing import Any

import pytest
from helpers_queue import Ticket
from helpers_threads import LONG_S, switching_often, together

from customgroqchat.exceptions import (
    ClientClosedException,
    QueueFullException,
    RateLimitExceededException,
)
from customgroqchat.queue_manager import Again, Ahead, QueueManager, RequestFuture, Wait

pytestmark = pytest.mark.stress


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    with switching_often():
        yield


class Chaos:
    """A limiter and a service that do anything, and count what became of everything."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.tickets: list[Ticket] = []
        self.futures: list[RequestFuture] = []
        self.ends: Counter[int] = Counter()
        self.running = 0
        self.peak = 0
        self.manager = QueueManager(self.admit, self.run, self.foresee, **settings)

    def draw(self) -> float:
        with self.lock:
            return self.chance.random()

    def admit(self, work: Any) -> Ticket | Wait:
        drawn = self.draw()
        if drawn < 0.2:
            return Wait(drawn / 400)
        if drawn < 0.25:
            raise ValueError("refused")
        ticket = Ticket(work)
        with self.lock:
            self.tickets.append(ticket)
        return ticket

    def foresee(self, work: Any, ahead: Ahead) -> Wait:
        assert ahead.jobs >= 0
        return Wait(0.001 if self.draw() < 0.1 else 0.0)

    def run(self, work: Any, ticket: Ticket) -> Any:
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
            ticket.used += 1
        drawn = self.draw()
        with self.lock:
            self.running -= 1
        if drawn < 0.1:
            raise ValueError("failed")
        if drawn < 0.3:
            return Again(0.0 if drawn < 0.2 else drawn / 300)
        return work

    def submit(self, work: Any, **options: Any) -> RequestFuture:
        shares = {"tokens": self.draw() * 100, "weight": 1.0 + self.draw()}
        lane, level = int(self.draw() * 4), int(self.draw() * 3)
        future = self.manager.submit(work, lane, level, **shares, **options)
        future.add_done_callback(self.ended)
        with self.lock:
            self.futures.append(future)
        return future

    def ended(self, future: RequestFuture) -> None:
        with self.lock:
            self.ends[future.request_id] += 1

    def check(self) -> None:
        """Everything ended once, and was used or released once."""
        assert not wait(self.futures, LONG_S).not_done
        assert self.manager.close(LONG_S)
        for executor in (self.manager._threads.workers, self.manager._threads.callers):
            if executor is not None:
                executor.shutdown(wait=True)
        assert self.ends == Counter({future.request_id: 1 for future in self.futures})
        assert {ticket.used + ticket.released for ticket in self.tickets} <= {1}
        status = self.manager.status()
        assert (status["queued"], status["in_flight"], self.running) == (0, 0, 0)
        assert not any(lane.levels for lane in self.manager._waiting.lanes.values())

    def outcomes(self) -> Counter[str]:
        return Counter(_outcome(future) for future in self.futures)


def _outcome(future: RequestFuture) -> str:
    try:
        error = future.exception(0)
    except CancelledError:
        return "cancelled"
    return "answered" if error is None else type(error).__name__


def test_every_future_ends_once_and_every_admission_is_used_or_released_once() -> None:
    chaos = Chaos(1, max_workers=4, max_queue=0)

    def submit_many() -> None:
        for number in range(300):
            impatient = chaos.draw() < 0.3
            future = chaos.submit(
                number, max_wait_s=0.0 if impatient else None, tag=str(number % 7)
            )
            if chaos.draw() < 0.2 and future.cancel():
                assert future.cancelled()

    def cancel_some() -> None:
        for number in range(60):
            if number % 20 == 0:
                chaos.manager.cancel(tag=str(number % 7))
            with chaos.lock:
                future = chaos.chance.choice(chaos.futures) if chaos.futures else None
            if future is not None and future.cancel():
                assert future.cancelled()

    def look() -> None:
        for _ in range(50):
            status = chaos.manager.status()
            assert status["in_flight"] <= 4

    together(*[submit_many] * 4, *[cancel_some] * 2, look)
    chaos.check()
    assert chaos.peak <= 4
    outcomes = chaos.outcomes()
    assert {"answered", "cancelled", "ValueError"} <= set(outcomes)
    assert outcomes[RateLimitExceededException.__name__] > 0


def test_closing_in_the_midst_of_everything() -> None:
    for seed in range(5):
        chaos = Chaos(seed, max_workers=3, max_queue=0)

        def submit_until_closed(chaos: Chaos = chaos) -> None:
            for number in range(10_000):
                try:
                    chaos.submit(number)
                except ClientClosedException:
                    return

        def close(chaos: Chaos = chaos) -> None:
            while len(chaos.futures) < 40:
                pass
            chaos.manager.close(LONG_S)

        together(*[submit_until_closed] * 3, close)
        chaos.check()


def test_a_future_that_many_cancel_while_it_is_dispatched_has_one_outcome() -> None:
    chaos = Chaos(3, max_workers=2, max_queue=0)
    for number in range(150):
        future = chaos.submit(number)
        answers: list[bool] = []
        together(*[lambda f=future, a=answers: a.append(f.cancel())] * 3)
        wait([future], LONG_S)
        assert any(answers) == future.cancelled()
    chaos.check()


def test_no_more_wait_than_there_is_room_for_and_nobody_is_forgotten() -> None:
    longest = 0
    lock = threading.Lock()

    def run(work: Any, ticket: Ticket) -> Any:
        nonlocal longest
        queued = manager.status()["queued"]
        with lock:
            longest = max(longest, queued)
        return work

    manager = QueueManager(Ticket, run, max_workers=2, max_queue=3)
    answers: list[int] = []

    def submit_many(start: int) -> None:
        for number in range(start, start + 60):
            answers.append(manager.submit(number, number % 3, 2, max_wait_s=LONG_S).result(LONG_S))

    def submit_without_waiting() -> None:
        for number in range(60):
            try:
                future = manager.submit(-number, 0, 2)
            except QueueFullException:
                continue
            if number % 2:
                future.cancel()

    together(
        *[lambda start=start: submit_many(start) for start in range(0, 480, 60)],
        submit_without_waiting,
    )
    assert manager.close(LONG_S)
    assert sorted(answers) == list(range(480))
    assert longest <= 3
