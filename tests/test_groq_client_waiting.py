"""GroqClient: waiting for quota and not waiting, callbacks, futures, cancelling."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_servers import in_thread, in_threads, texts, until, user, wait_until_asleep

from customgroqchat import (
    AuthenticationError,
    GroqClient,
    QueueFullException,
    RateLimitError,
    RateLimitExceededException,
    RequestCancelledException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

OSS = "openai/gpt-oss-20b"
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


# --- waiting and not waiting -----------------------------------------------------------------

ONE_A_MINUTE = {"m": {"req_per_minute": 1}}


def test_who_may_not_wait_is_refused_with_the_honest_wait(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, ONE_A_MINUTE, clock=clock)
    client.chat_completion("m", user())
    clock.advance(20.0)
    for max_wait in (0, 39.9):
        with pytest.raises(RateLimitExceededException) as caught:
            client.chat_completion("m", user(), max_wait=max_wait)
        error = caught.value
        assert not isinstance(error, RateLimitError)
        assert (error.dimension, error.limit, error.attempts) == ("RPM", 1, 0)
        assert error.retry_after == pytest.approx(40.0)
        assert error.model == "m"
    assert simulator.count() == 1


def test_the_clock_given_drives_limits_and_waits(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, ONE_A_MINUTE, clock=clock)
    client.chat_completion("m", user("first"))
    outcome = in_thread(client.chat_completion, "m", user("second"))
    until(lambda: client.get_queue_status()["queued"])
    clock.wait_for_waiters(1)
    clock.advance(59.0)
    clock.wait_for_waiters(1)
    assert texts(simulator) == ["first"]
    clock.advance(1.1)
    assert outcome.result(10)
    assert texts(simulator) == ["first", "second"]


def test_the_configured_wait_holds_unless_the_call_has_its_own(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE, max_wait=5)
    client.chat_completion("m", user())
    with pytest.raises(RateLimitExceededException):
        client.chat_completion("m", user())
    unbounded = in_thread(client.chat_completion, "m", user(), max_wait=None)
    future = client.submit("m", user())  # waits as long as it takes, whatever is configured
    until(lambda: client.get_queue_status()["queued"] == 2)
    assert not unbounded.done()
    assert not future.done()


REFUSING = {"limits": {"TPM": 1_000}, "start_level": 0.05, "models": {"m": {}}}


@pytest.mark.parametrize("settings", [{"max_retries": 0}, {"max_wait": 0}])
def test_the_first_429_is_raised_with_the_wait_of_its_text(
    groq_simulator_factory: Simulate, make_client: MakeClient, settings: dict[str, Any]
) -> None:
    simulator = groq_simulator_factory(**REFUSING)
    with pytest.raises(RateLimitError) as caught:
        make_client(simulator.url, **settings).chat_completion("m", user(), max_tokens=100)
    error = caught.value
    told = re.search(r"try again in (?:(\d+)m)?([\d.]+)s", error.message)
    assert told is not None
    assert error.retry_after == float(told[1] or 0) * 60 + float(told[2])
    assert error.retry_after != round(error.retry_after)
    assert (error.dimension, error.limit, error.attempts, error.model) == ("TPM", 1_000, 1, "m")
    assert simulator.count() == 1


def test_a_429_sends_the_request_back_to_its_old_place(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(
        limits={"TPM": 60_000}, start_level=0.0, models={"m": {}, "other": {}}
    )
    client = make_client(simulator.url, max_workers=1)
    futures = [client.submit("m", user(text), max_tokens=100) for text in "abcd"]
    for future in futures:
        assert future.result(10).choices
    arrived = texts(simulator)
    assert arrived.count("a") >= 2
    assert arrived == sorted(arrived)  # nobody overtook the one that was refused
    assert simulator.requests[0].status == 429


def test_a_model_out_of_quota_does_not_delay_another(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE, max_workers=1)
    client.chat_completion("m", user("m"))
    waiting = [client.submit("m", user("m"), priority="high") for _ in range(3)]
    for _ in range(3):
        client.chat_completion("other", user("other"), priority="low")
    assert texts(simulator) == ["m", "other", "other", "other"]
    assert not any(future.done() for future in waiting)


def test_urgent_requests_go_first(simulator: SimulatedGroq, make_client: MakeClient) -> None:
    client = make_client(simulator.url, max_workers=1)
    with simulator.hold() as gate:
        futures = [client.submit("m", user("running"))]
        gate.wait_until_held(1)
        for priority in ("low", "normal", 7, "high", 0, "normal", "low"):
            futures.append(client.submit("m", user(str(priority)), priority=priority))
    for future in futures:
        future.result(10)
    expected = ["running", "0", "high", "normal", "normal", "low", "low", "7"]
    assert texts(simulator) == expected


# --- callbacks -------------------------------------------------------------------------------


def test_a_blocking_calls_callback_is_called_in_its_thread_before_it_returns(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    calls: list[tuple[Any, str]] = []

    def note(outcome: Any) -> None:
        calls.append((outcome, threading.current_thread().name))

    here = threading.current_thread().name
    answer = client.chat_completion("m", user(), callback=note)
    simulator.fail_next(400)
    with pytest.raises(Exception, match="Simulated failure") as caught:
        client.chat_completion("m", user(), callback=note)
    assert calls == [(answer, here), (caught.value, here)]


@pytest.mark.parametrize("error", [ValueError("broken callback"), KeyError(1)])
def test_what_a_callback_raises_is_logged_only(
    client: GroqClient, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(outcome: Any) -> None:
        raise error

    assert client.chat_completion("m", user(), callback=fail).choices
    assert client.submit("m", user(), callback=fail).result(10).choices
    assert client.text_completion("m", "Hi", callback=fail).choices
    client.close()
    assert caplog.text.count("a callback failed") == 3


def test_a_futures_callback_gets_the_answer_the_error_or_the_cancellation(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    outcomes: list[Any] = []
    called = threading.Semaphore(0)

    def note(outcome: Any) -> None:
        outcomes.append(outcome)
        called.release()

    simulator.fail_next(401)
    client.submit("m", user(), callback=note)
    assert called.acquire(timeout=10)
    with simulator.hold() as gate:
        running = client.submit("m", user(), callback=note)
        gate.wait_until_held(1)
        client.submit("m", user(), callback=note).cancel()
        assert called.acquire(timeout=10)
    answer = running.result(10)
    assert called.acquire(timeout=10)
    refused, cancelled, answered = outcomes
    assert isinstance(refused, AuthenticationError)
    assert isinstance(cancelled, RequestCancelledException)
    assert answered is answer


def test_a_callback_may_call_the_client_even_with_a_single_worker(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    nested: list[str] = []
    done = threading.Event()

    def ask_on(answer: Any) -> None:
        nested.append(client.chat_completion("m", user(f"nested {len(nested)}")).model)
        if len(nested) < 5:
            client.submit("m", user("again"), callback=ask_on)
        else:
            done.set()

    client.submit("m", user("first"), callback=ask_on)
    assert done.wait(10)
    assert nested == ["m"] * 5
    client.chat_completion("m", user(), callback=ask_on)
    assert len(nested) == 6


def test_a_callback_may_close_the_client(client: GroqClient) -> None:
    closed = threading.Event()

    def close(answer: Any) -> None:
        client.close()
        closed.set()

    assert client.submit("m", user(), callback=close).result(10)
    assert closed.wait(10)


# --- futures and cancelling ------------------------------------------------------------------


def test_a_future_has_a_number_and_a_tag(client: GroqClient) -> None:
    first, second = client.submit("m", user(), tag="batch"), client.submit("m", user())
    assert first.result(10).choices
    assert first.tag == "batch"
    assert second.tag is None
    assert first.request_id != second.request_id
    assert client.cancel(first) == client.cancel(first.request_id) == 0


def test_what_has_not_ended_can_be_cancelled(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    with simulator.hold() as gate:
        running = client.submit("m", user("running"))
        gate.wait_until_held(1)
        by_future, by_number = (client.submit("m", user(text)) for text in ("future", "number"))
        by_tag = [client.submit("m", user("tag"), tag="night") for _ in range(3)]
        left = client.submit("m", user("left"))
        assert client.cancel(by_future) == 1
        assert client.cancel(by_future) == 0
        assert client.cancel(by_number.request_id) == 1
        assert client.cancel(tag="night") == 3
        assert client.cancel() == client.cancel(123_456) == client.cancel(tag="none") == 0
        assert client.get_queue_status()["queued"] == 1
        assert client.cancel(running) == 1  # which is on its way
        assert client.cancel(running) == 0
        gate.wait_until_held(2)
    for future in (running, by_future, by_number, *by_tag):
        with pytest.raises(CancelledError):
            future.result(10)
    assert left.result(10)
    assert texts(simulator) == ["running", "left"]


def test_a_blocking_call_that_is_cancelled_says_so(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE)
    client.chat_completion("m", user())
    called: list[Any] = []
    outcome = in_thread(client.chat_completion, "m", user(), tag="slow", callback=called.append)
    until(lambda: client.get_queue_status()["queued"])
    assert client.cancel(tag="slow") == 1
    error = outcome.exception(10)
    assert isinstance(error, RequestCancelledException)
    assert isinstance(error, CancelledError)
    assert isinstance(called[0], RequestCancelledException)


def test_an_interrupted_call_leaves_nothing_in_the_queue(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE)
    client.chat_completion("m", user("first"))

    def interrupt() -> None:
        until(lambda: client.get_queue_status()["queued"])
        wait_until_asleep(os.getpid())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupted = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.chat_completion("m", user("second"))
    interrupted.result(10)
    assert client.get_queue_status()["queued"] == 0
    assert texts(simulator) == ["first"]


def test_a_full_queue_refuses_or_makes_wait(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1, max_queue=1)
    with simulator.hold() as gate:
        client.submit("m", user("running"))
        gate.wait_until_held(1)
        client.submit("m", user("queued"))
        with pytest.raises(QueueFullException) as caught:
            client.submit("m", user("too many"))
        assert caught.value.limit == 1
        with pytest.raises(QueueFullException):
            client.chat_completion("m", user("too many"), max_wait=0)
        patient = in_thread(client.chat_completion, "m", user("patient"), max_wait=30)
    assert patient.result(10)
    assert texts(simulator) == ["running", "queued", "patient"]


def test_a_hundred_threads_may_use_it_first_at_the_same_moment(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=32)
    before = threading.active_count()

    def ask(index: int) -> str:
        client.check_model_limits("m")
        return str(client.chat_completion("m", user(str(index))).model)

    assert in_threads(100, ask) == ["m"] * 100
    assert sorted(map(int, texts(simulator))) == list(range(100))
    dispatchers = [t for t in threading.enumerate() if t.name == "customgroqchat-dispatcher"]
    assert len(dispatchers) == 1
    assert threading.active_count() <= before + 1 + 32 + simulator.open_connections
    assert simulator.open_connections <= 32
