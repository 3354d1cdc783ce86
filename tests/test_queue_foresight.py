"""QueueManager, frozen: a wait that will be too long is told at once."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from helpers_queue import Bench

from customgroqchat.exceptions import (
    ClientClosedException,
    QueueFullException,
    RateLimitExceededException,
)
from customgroqchat.queue_manager import Again, Ahead, RequestFuture, Wait

HIGH, NORMAL, LOW = 1, 2, 3


class Forecast(Bench):
    """A bench whose limiter passes ten tokens in a second, and says so."""

    def __init__(self, answer: Callable[[Any, Ahead], Wait] | None = None, **settings: Any) -> None:
        self.questions: list[tuple[Any, Ahead]] = []
        self.answer = answer or (lambda _, ahead: Wait(ahead.tokens / 10.0, "TPM", 600, 590, 7))
        super().__init__(foresee=self.foresee, **settings)

    def foresee(self, work: Any, ahead: Ahead) -> Wait:
        assert self.manager._lock.acquire(blocking=False), "nothing foreign is called under it"
        self.manager._lock.release()
        self.questions.append((work, ahead))
        return self.answer(work, ahead)

    def block(self, wait_s: float = 3_600.0) -> None:
        """Have the lane wait."""
        until_s = self.clock.monotonic() + wait_s
        self.waits["head"] = lambda: Wait(until_s - self.clock.monotonic(), "RPM", 30, 30, 1)
        self.submit("head", level=0, tokens=100.0)
        self.manager.step()


def refusal(future: RequestFuture) -> RateLimitExceededException:
    error = future.exception(0)
    assert isinstance(error, RateLimitExceededException)
    return error


# --- at once -------------------------------------------------------------------------------------


def test_a_wait_behind_others_that_is_too_long_is_told_at_once() -> None:
    bench = Forecast()
    bench.block()
    for number in range(3):
        bench.submit(number, tokens=200.0)
    future = bench.submit("late", max_wait_s=60.0, tokens=5.0, model="a-model")
    error = refusal(future)
    assert bench.questions == [("late", Ahead(4, 700.0))]
    assert (error.retry_after, error.available_at) == (70.0, bench.clock.wall() + 70.0)
    assert (error.dimension, error.limit, error.used, error.requested) == ("TPM", 600, 590, 7)
    assert (error.model, error.attempts, error.waited) == ("a-model", 0, 0.0)
    assert "70.000 s" in str(error)
    assert "behind 4 others" in str(error)
    assert bench.manager.status()["queued"] == 4
    assert not future.cancel()
    assert not future.running()


def test_a_wait_of_just_max_wait_is_waited_for() -> None:
    bench = Forecast()
    bench.block()
    assert not bench.submit("job", max_wait_s=10.0).done()
    assert refusal(bench.submit("next", max_wait_s=10.0)).retry_after == pytest.approx(10.1)


def test_who_waits_as_long_as_it_takes_is_not_asked_for() -> None:
    bench = Forecast()
    bench.block()
    assert not bench.submit("patient").done()
    assert bench.questions == []


def test_a_callback_of_who_was_refused_at_once_is_called_at_once() -> None:
    bench = Forecast(lambda *_: Wait(9.0))
    bench.block()
    seen: list[object] = []
    future = bench.submit("job", max_wait_s=1.0)
    future.add_done_callback(seen.append)
    assert seen == [future]


def test_who_is_refused_at_once_needs_no_room_and_takes_none() -> None:
    bench = Forecast(max_queue=1)
    bench.block()
    assert refusal(bench.submit("late", max_wait_s=5.0)).retry_after == 10.0
    with pytest.raises(QueueFullException):
        bench.submit("patient", max_wait_s=60.0, wait_for_room=False)


def test_a_closed_queue_says_so_and_foresees_nothing() -> None:
    bench = Forecast()
    bench.manager.close()
    with pytest.raises(ClientClosedException):
        bench.submit("job", max_wait_s=5.0)
    assert bench.questions == []


def test_who_submits_gets_what_foresee_raises_and_nothing_is_queued() -> None:
    def fail(*_: Any) -> Wait:
        raise KeyboardInterrupt

    bench = Forecast(fail)
    bench.block()
    with pytest.raises(KeyboardInterrupt):
        bench.submit("job", max_wait_s=5.0)
    assert bench.manager.status()["queued"] == 1


def test_with_nothing_in_front_and_a_free_worker_nothing_is_foreseen() -> None:
    bench = Forecast(lambda *_: Wait(9.0))
    future = bench.submit("job", max_wait_s=1.0)
    bench.turn()
    assert future.result(0) is not None
    assert bench.questions == []


def test_one_alone_in_front_is_called_one() -> None:
    bench = Forecast()
    bench.block()
    assert ", behind another one, later" in str(refusal(bench.submit("late", max_wait_s=1.0)))


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_reason_that_is_no_limit_is_told(foreseen: bool) -> None:
    reason = "its circuit breaker is open after 5 failures in a row"
    wait = Wait(30.0, reason=reason)
    bench = Forecast(lambda *_: wait if foreseen else Wait(0.0))
    bench.waits["job"] = wait
    future = bench.submit("job", max_wait_s=1.0)
    bench.turn()
    text = f"The service lets this request pass in 30.000 s ({reason}), later"
    assert str(refusal(future)).startswith(text)


# --- what is ahead -------------------------------------------------------------------------------


def test_a_light_tag_is_not_told_the_backlog_of_a_heavy_one() -> None:
    bench = Forecast()
    for _ in range(1_000):
        bench.submit("batch", tag="heavy", tokens=100.0)
    bench.submit("quick", tag="light", tokens=100.0, max_wait_s=60.0)
    late = bench.submit("batch", tag="heavy", tokens=100.0, max_wait_s=60.0)
    told, told_late = [ahead for _, ahead in bench.questions]
    assert told == Ahead(1, 100.0)
    assert told_late == Ahead(1_001, 100_100.0)
    assert refusal(late).retry_after == 10_010.0


def test_anybody_may_ask_what_is_ahead() -> None:
    bench = Bench()
    assert bench.manager.ahead("lane", NORMAL) == Ahead(0, 0.0)
    bench.submit("a", level=HIGH, tokens=10.0)
    bench.submit("b", level=NORMAL, tag="t", tokens=20.0)
    bench.submit("c", level=LOW, tokens=40.0)
    bench.submit("d", "another", tokens=80.0)
    assert bench.manager.ahead("lane", HIGH) == Ahead(1, 10.0)
    assert bench.manager.ahead("lane", NORMAL, "t") == Ahead(2, 30.0)
    assert bench.manager.ahead("lane", LOW, "t") == Ahead(3, 70.0)
    assert bench.manager.ahead("no lane", LOW) == Ahead(0, 0.0)


def test_what_runs_is_not_ahead_and_what_will_be_tried_again_is() -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["job"] = Again(9.0)
    bench.submit("job", tokens=10.0)
    bench.manager.step()
    assert bench.manager.ahead("lane", NORMAL) == Ahead(0, 0.0)
    bench.work()
    assert bench.manager.ahead("lane", NORMAL) == Ahead(1, 10.0)
    bench.clock.advance(9.0)
    bench.waits["job"] = Wait(9.0)
    bench.manager.step()
    assert bench.manager.ahead("lane", NORMAL) == Ahead(1, 10.0)
    bench.manager.cancel(request_id=1)
    assert bench.manager.ahead("lane", NORMAL) == Ahead(0, 0.0)


# --- time that ran out all the same --------------------------------------------------------------


def test_who_runs_out_of_time_is_told_when_to_come_back() -> None:
    bench = Forecast()
    bench.block(20.0)
    hopeful = bench.submit("hopeful", max_wait_s=15.0, tokens=10.0)
    for _ in range(2):
        bench.submit("others", tokens=400.0)
    bench.clock.advance(15.0)
    bench.manager.step()
    error = refusal(hopeful)
    assert bench.questions[-1] == ("hopeful", Ahead(3, 900.0))  # without itself
    assert (error.retry_after, error.available_at) == (90.0, bench.clock.wall() + 90.0)
    assert (error.dimension, error.requested, error.waited) == ("TPM", 7, 15.0)


def test_who_runs_out_of_time_is_told_no_less_than_the_head_waits() -> None:
    bench = Forecast(lambda *_: Wait(1.0, "TPM"))
    bench.block(60.0)
    hopeful = bench.submit("hopeful", max_wait_s=15.0)
    bench.clock.advance(15.0)
    bench.manager.step()
    error = refusal(hopeful)
    assert (error.dimension, error.retry_after, error.requested) == ("RPM", 45.0, None)


def test_a_forecast_that_fails_does_not_keep_the_dispatcher_from_its_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Forecast(lambda *_: Wait(0.0))
    bench.block(60.0)
    hopeful = bench.submit("hopeful", max_wait_s=15.0)
    bench.answer = lambda *_: Wait(1 / 0)
    bench.clock.advance(15.0)
    bench.manager.step()
    assert refusal(hopeful).retry_after == 45.0
    assert "could not be told" in caplog.text


def test_what_the_head_waited_for_is_told_though_nobody_knows_for_how_long() -> None:
    bench = Forecast(lambda *_: Wait(0.0), max_workers=1)
    bench.waits["job"] = Wait(1.0, "RPM")
    future = bench.submit("job", max_wait_s=5.0)
    bench.manager.step()
    bench.submit("running", "another")
    bench.manager.step()
    bench.clock.advance(5.0)
    bench.manager.step()
    error = refusal(future)
    assert (error.dimension, error.retry_after, error.available_at) == ("RPM", None, None)


def test_nobody_knows_when_a_worker_will_be_free() -> None:
    bench = Forecast(lambda *_: Wait(0.0), max_workers=1)
    bench.submit("running")
    bench.manager.step()
    future = bench.submit("job", max_wait_s=2.0)
    bench.clock.advance(2.0)
    bench.manager.step()
    assert (refusal(future).retry_after, refusal(future).available_at) == (None, None)


# --- the fact ------------------------------------------------------------------------------------


def test_the_instant_is_told_wherever_the_wait_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(bench.clock, "wall", lambda: 1_800_000_000.0)
    bench.waits["job"] = Wait(12.5)
    future = bench.submit("job", max_wait_s=1.0)
    bench.turn()
    assert refusal(future).available_at == 1_800_000_012.5


def test_the_instant_survives_pickles_and_json() -> None:
    error = RateLimitExceededException("late", retry_after=1.0, available_at=1_800_000_000.5)
    again = pickle.loads(pickle.dumps(error))
    assert again.available_at == 1_800_000_000.5
    assert json.loads(json.dumps(again.to_dict()))["available_at"] == 1_800_000_000.5
