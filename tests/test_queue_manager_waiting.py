"""QueueManager, frozen: room in the queue, max_wait, and cancelling."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_interleaving import called_before_instruction
from helpers_queue import Bench

from customgroqchat.exceptions import QueueFullException, RateLimitExceededException
from customgroqchat.queue_manager import Again, RequestFuture, Wait


def refusal(future: RequestFuture) -> RateLimitExceededException:
    error = future.exception(0)
    assert isinstance(error, RateLimitExceededException)
    return error


# --- room ----------------------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once() -> None:
    bench = Bench(max_queue=2)
    bench.submit("a")
    bench.submit("b")
    with pytest.raises(QueueFullException) as caught:
        bench.submit("c")
    assert caught.value.limit == 2
    assert bench.manager.status()["queued"] == 2


def test_a_full_queue_refuses_at_once_who_may_not_wait() -> None:
    bench = Bench(max_queue=1)
    bench.submit("a")
    with pytest.raises(QueueFullException):
        bench.submit("b", max_wait_s=0.0)


def test_who_does_not_wait_for_room_is_refused_at_once_whatever_max_wait_allows() -> None:
    bench = Bench(max_queue=1)
    bench.submit("a")
    with pytest.raises(QueueFullException):
        bench.submit("b", max_wait_s=60.0, wait_for_room=False)


def test_what_runs_takes_no_room() -> None:
    bench = Bench(max_queue=1, max_workers=1)
    bench.submit("a")
    bench.manager.step()
    bench.submit("b")
    with pytest.raises(QueueFullException):
        bench.submit("c")


@pytest.mark.parametrize("leave", ["cancelled", "expired", "failed", "served"])
def test_whoever_leaves_makes_room(leave: str) -> None:
    bench = Bench(max_queue=1)
    if leave == "expired":
        bench.waits["a"] = Wait(99.0)
    if leave == "failed":
        bench.waits["a"] = ValueError("no")
    future = bench.submit("a", max_wait_s=5.0)
    if leave == "cancelled":
        future.cancel()
    bench.turn()
    bench.submit("b")
    with pytest.raises(QueueFullException):
        bench.submit("c")


def test_a_parked_job_takes_room_and_is_never_refused_its_own() -> None:
    bench = Bench(max_queue=1, max_workers=1)
    bench.outcomes["a"] = [Again(5.0), "done"]
    bench.submit("a")
    bench.manager.step()
    bench.submit("b")
    bench.waits["b"] = Wait(60.0)
    parked_beside_b = bench.turn()
    assert parked_beside_b == bench.clock.monotonic() + 5.0
    with pytest.raises(QueueFullException):
        bench.submit("c")
    assert bench.manager.status()["queued"] == 2


def test_a_parked_job_alone_takes_room() -> None:
    bench = Bench(max_queue=1)
    bench.outcomes["a"] = Again(5.0)
    bench.submit("a")
    bench.turn()
    with pytest.raises(QueueFullException):
        bench.submit("b")


def test_a_queue_without_a_size_is_never_full() -> None:
    bench = Bench(max_queue=0)
    for number in range(500):
        bench.submit(number)
    assert bench.manager.status()["queued"] == 500


# --- max_wait ------------------------------------------------------------------------------------


def test_who_may_not_wait_goes_if_nothing_is_in_the_way() -> None:
    bench = Bench()
    future = bench.submit("job", max_wait_s=0.0)
    bench.turn()
    assert future.result(0) == "job"


def test_a_known_wait_that_is_too_long_is_refused_at_once_with_the_facts() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(12.5, "TPM", 8_000, 7_800, 700)
    future = bench.submit("job", max_wait_s=10.0)
    bench.clock.advance(2.0)
    bench.turn()
    error = refusal(future)
    assert error.retry_after == 12.5
    assert error.waited == 2.0
    assert (error.dimension, error.limit, error.used, error.requested) == ("TPM", 8_000, 7_800, 700)
    assert "12.5" in str(error)
    assert "TPM" in str(error)


def test_who_may_not_wait_at_all_is_refused_with_the_honest_wait() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(0.25)
    future = bench.submit("job", max_wait_s=0.0)
    bench.turn()
    assert refusal(future).retry_after == 0.25


def test_nobody_is_refused_for_a_guess_before_its_time_is_up() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(60.0, is_guess=True)
    future = bench.submit("job", max_wait_s=5.0)
    bench.turn()
    assert not future.done()
    bench.clock.advance(4.0)
    bench.turn()
    assert not future.done()
    bench.clock.advance(1.0)
    bench.turn()
    assert isinstance(future.exception(0), RateLimitExceededException)


def test_a_wait_of_just_max_wait_is_waited_for() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(10.0)
    future = bench.submit("job", max_wait_s=10.0)
    bench.turn()
    assert not future.done()
    bench.waits.clear()
    bench.clock.advance(10.0)
    bench.turn()
    assert future.result(0) == "job"


def test_a_wait_that_grows_too_long_is_refused_when_it_does() -> None:
    bench = Bench()
    bench.waits["job"] = Wait(4.0)
    future = bench.submit("job", max_wait_s=10.0)
    bench.turn()
    bench.clock.advance(4.0)
    bench.waits["job"] = Wait(6.5)
    bench.turn()
    assert refusal(future).retry_after == 6.5
    assert refusal(future).waited == 4.0


def test_time_runs_out_behind_others() -> None:
    bench = Bench()
    until_s = bench.clock.monotonic() + 60.0
    bench.waits["head"] = lambda: Wait(until_s - bench.clock.monotonic(), "RPM", 30)
    bench.submit("head")
    behind = bench.submit("behind", max_wait_s=8.0)
    assert bench.turn() == bench.clock.monotonic() + 8.0
    bench.clock.advance(7.999)
    bench.turn()
    assert not behind.done()
    bench.clock.advance(0.001)
    bench.turn()
    error = refusal(behind)
    assert (error.dimension, error.limit) == ("RPM", 30)
    assert error.retry_after == pytest.approx(52.0)
    assert error.waited == pytest.approx(8.0)
    assert "behind" not in bench.asked


def test_time_runs_out_while_all_workers_are_busy() -> None:
    bench = Bench(max_workers=1)
    bench.submit("running")
    bench.manager.step()
    at_once = bench.submit("may not wait", max_wait_s=0.0)
    later = bench.submit("may wait", max_wait_s=3.0)
    assert bench.manager.step() == bench.clock.monotonic() + 3.0
    bench.clock.advance(3.0)
    bench.manager.step()
    bench.work()
    assert (refusal(at_once).waited, refusal(at_once).attempts) == (0.0, 0)
    assert refusal(later).waited == pytest.approx(3.0)
    assert bench.started == ["running"]


def test_a_delay_beyond_max_wait_is_refused_at_once_with_the_honest_wait() -> None:
    bench = Bench()
    bench.outcomes["job"] = Again(30.0)
    future = bench.submit("job", max_wait_s=10.0)
    bench.turn()
    assert refusal(future).retry_after == 30.0
    assert bench.manager.status()["queued"] == 0


def test_time_runs_out_while_parked_at_the_same_moment_in_favour_of_the_job() -> None:
    bench = Bench()
    bench.outcomes["job"] = [Again(10.0), "done"]
    future = bench.submit("job", max_wait_s=10.0)
    bench.turn()
    bench.clock.advance(10.0)
    bench.turn()
    assert future.result(0) == "done"


def test_time_that_ran_out_for_a_job_that_came_back() -> None:
    bench = Bench()
    bench.outcomes["job"] = [Again(4.0), "never"]
    future = bench.submit("job", max_wait_s=10.0)
    bench.turn()
    bench.clock.advance(4.0)
    bench.waits["job"] = Wait(6.5)
    bench.turn()
    assert refusal(future).retry_after == 6.5
    assert refusal(future).attempts == 1
    assert bench.started == ["job"]


def test_who_runs_out_of_time_behind_a_known_wait_is_told_what_is_left_of_it() -> None:
    bench = Bench(max_workers=1)
    bench.waits["head"] = Wait(60.0)
    bench.submit("head", "a")
    bench.turn()
    bench.submit("running", "b")
    bench.manager.step()
    behind = bench.submit("behind", "a", max_wait_s=8.0)
    bench.clock.advance(8.0)
    bench.manager.step()  # without a free worker, nobody is asked
    assert refusal(behind).retry_after == pytest.approx(52.0)


@pytest.mark.parametrize("answer", [Wait(5.0), ValueError("no")])
def test_callbacks_are_not_called_by_the_dispatcher(answer: Wait | ValueError) -> None:
    bench = Bench()
    bench.waits["job"] = answer
    seen: list[object] = []
    bench.submit("job", max_wait_s=1.0).add_done_callback(seen.append)
    bench.manager.step()
    assert seen == []  # it could block
    bench.turn()
    assert len(seen) == 1


# --- cancelling ----------------------------------------------------------------------------------


def test_a_queued_job_can_be_cancelled() -> None:
    bench = Bench()
    future = bench.submit("job")
    calls: list[Any] = []
    future.add_done_callback(calls.append)
    assert future.cancel()
    assert future.cancel()  # it is cancelled, whoever asks
    bench.turn()
    assert future.cancelled()
    assert calls == [future]
    assert bench.started == []
    with pytest.raises(CancelledError):
        future.result(0)


def test_a_parked_job_can_be_cancelled_and_never_comes_back() -> None:
    bench = Bench()
    bench.outcomes["job"] = Again(5.0)
    future = bench.submit("job", max_wait_s=60.0)
    bench.turn()
    assert future.cancel()
    bench.clock.advance(60.0)
    bench.turn()
    assert bench.started == ["job"]
    assert bench.manager.status()["queued"] == 0


def test_who_is_cancelled_while_admission_is_asked_for_gives_it_back() -> None:
    bench = Bench(max_workers=1)
    future = bench.submit("job")
    after = bench.submit("after")
    bench.waits["job"] = lambda: future.cancel() and None
    bench.turn()
    assert future.cancelled()
    assert [(t.work, t.used, t.released) for t in bench.tickets] == [("job", 0, 1), ("after", 1, 0)]
    assert after.result(0) == "after"


@pytest.mark.parametrize("max_wait_s", [None, 1.0])
def test_who_is_cancelled_while_told_to_wait_is_just_cancelled(max_wait_s: float | None) -> None:
    bench = Bench()
    future = bench.submit("job", max_wait_s=max_wait_s)
    bench.waits["job"] = lambda: future.cancel() and Wait(9.0)
    bench.turn()
    assert future.cancelled()


def test_who_is_cancelled_when_admission_fails_is_just_cancelled() -> None:
    bench = Bench()
    future = bench.submit("job")

    def cancel_and_fail() -> None:
        future.cancel()
        raise ValueError("no")

    bench.waits["job"] = cancel_and_fail
    bench.turn()
    assert future.cancelled()


def test_two_who_cancel_at_the_same_time_are_told_the_same() -> None:
    """As if the second came in before the first instruction of the first, and so on."""
    bench = Bench()
    code = {RequestFuture.cancel.__code__, RequestFuture.end_cancelled.__code__}
    for number in itertools.count():
        future = bench.submit(number)
        answers: list[bool] = []

        def cancel(future: RequestFuture = future, answers: list[bool] = answers) -> None:
            answers.append(future.cancel())
            answers.append(future.cancelled())

        with called_before_instruction(number, cancel, code.__contains__) as calls:
            cancel()
        if not calls:
            break
        assert (number, answers) == (number, [True] * 4)
    assert number > 20


def test_cancelling_many_takes_time_in_proportion() -> None:
    """Counted in calls of functions, for time is not to be trusted on a shared machine."""
    calls = {count: calls_for_cancelling(count) for count in (250, 1_000)}
    assert calls[1_000] < 8 * calls[250]


def calls_for_cancelling(count: int) -> int:
    calls = 0
    bench = Bench()
    for number in range(count):
        bench.submit(number, tag="group")

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        assert bench.manager.cancel(tag="group") == count
    finally:
        sys.setprofile(None)
    return calls


def test_cancelling_by_tag_or_number_counts_those_that_had_not_ended() -> None:
    bench = Bench(max_workers=1)
    bench.outcomes["parked"] = Again(60.0)
    bench.submit("parked", tag="group")
    bench.turn()
    running = bench.submit("running", tag="group")
    bench.manager.step()
    queued = [bench.submit(number, tag="group") for number in range(3)]
    other = bench.submit("other", tag="another")
    untagged = bench.submit("untagged")
    assert bench.manager.cancel(tag="group") == 5
    assert bench.manager.cancel(tag="group") == 0
    assert bench.manager.cancel(request_id=other.request_id) == 1
    assert bench.manager.cancel() == 0
    assert all(future.cancelled() for future in [*queued, running, other])
    bench.turn()
    assert untagged.result(0) == "untagged"
    assert bench.started == ["parked", "untagged"]
