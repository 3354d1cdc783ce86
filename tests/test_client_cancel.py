"""Cancelling requests of a client, on their way or not: at once, and with nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_servers import (
    Behaviour,
    RawServer,
    closes,
    hangs,
    in_thread,
    response,
    says,
    sends_and_hangs,
    until,
    user,
)
from helpers_stories import MakeClient, Simulate, Stopwatch, completion, remaining
from helpers_streams import Books

from customgroqchat import GroqClient, RequestCancelledException
from customgroqchat.testing import FakeClock, SimulatedGroq

LIMITS = {"m": {"req_per_minute": 100, "token_per_minute": 60_000}}
AT_ONCE_S = 1.0

#: How to cancel a future's request.
WAYS: dict[str, Callable[[GroqClient, Any], int]] = {
    "future.cancel": lambda client, future: int(future.cancel()),
    "cancel(future)": lambda client, future: client.cancel(future),
    "cancel(number)": lambda client, future: client.cancel(future.request_id),
    "cancel(tag)": lambda client, future: client.cancel(tag=future.tag),
}
HALF = response(b"{" + b" " * 99)[:-50]

#: How far the request has come when it is cancelled.
PLACES: dict[str, Behaviour] = {
    "no answer": hangs(),
    "in its headers": sends_and_hangs(HALF[:20], threading.Event()),
    "in its body": sends_and_hangs(HALF, threading.Event()),
}


@pytest.mark.parametrize("behaviour", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_on_its_way_ends_at_once(
    make_client: MakeClient, way: Callable[[GroqClient, Any], int], behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        client = make_client(server.url, LIMITS, timeout=60.0, policy="greedy", share_limits=False)
        books = Books(client)
        future = client.submit("m", user(), tag="group")
        server.wait_for(1)
        watch = Stopwatch()
        assert way(client, future) == 1
        with pytest.raises(CancelledError):
            future.result(10)
        server.wait_for_ends(1)  # the connection is closed, not left to itself
        until(lambda: not books.open)
        assert watch.seconds < AT_ONCE_S
        assert books.ways == ["keep"]  # the service has got it, and may charge for it
        assert client.get_queue_status()["in_flight"] == 0
        assert len(server.heard) == 1


def test_a_blocking_call_tells_how_far_it_had_come(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, timeout=60.0)
        call = in_thread(client.chat_completion, "m", user(), tag="slow")
        server.wait_for(1)
        assert client.cancel(tag="slow") == 1
        error = call.exception(10)
        assert isinstance(error, RequestCancelledException)
        assert (error.model, error.attempts, error.retries_taken) == ("m", 1, 0)


def test_what_waits_for_quota_gives_everything_back(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"req_per_minute": 1, "token_per_minute": 6_000}}
    client = make_client(simulator.url, limits, clock=FakeClock(), policy="greedy")
    client.chat_completion("m", user(), max_completion_tokens=10)
    before = remaining(client, "TPM")
    futures = [client.submit("m", user(), tag="late") for _ in range(3)]
    assert client.cancel(tag="late") == 3
    assert all(future.cancelled() for future in futures)
    assert remaining(client, "TPM") == before
    assert client.get_queue_status()["queued"] == 0


def test_what_waits_for_its_next_try_is_not_sent_again(make_client: MakeClient) -> None:
    with RawServer(closes) as server:
        client = make_client(server.url, clock=FakeClock(), max_retries=5)
        future = client.submit("m", user())
        server.wait_for(1)
        until(lambda: client.get_queue_status()["queued"])
        assert client.cancel(future) == 1
        assert len(server.heard) == 1
        assert isinstance(future.cancelled_by, RequestCancelledException)
        assert future.cancelled_by.attempts == 1
        assert [attempt.outcome for attempt in future.cancelled_by.history] == [
            "APIConnectionError"
        ]


def test_a_worker_is_free_again(make_client: MakeClient) -> None:
    with RawServer(hangs(), says(completion())) as server:
        client = make_client(server.url, max_workers=1, timeout=60.0)
        first, second = client.submit("m", user()), client.submit("m", user())
        server.wait_for(1)
        first.cancel()
        assert second.result(10).choices


def test_others_on_their_way_are_not_disturbed(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=8)
    client.chat_completion("m", user())  # nothing is known of a new model, so few are sent at first
    with simulator.hold() as gate:
        futures = [client.submit("m", user(f"text {number}")) for number in range(8)]
        assert gate.wait_until_held(8)
        for future in futures[::2]:
            assert client.cancel(future) == 1
    assert all(future.cancelled() for future in futures[::2])
    assert all(future.result(10).choices for future in futures[1::2])


def test_a_future_that_is_cancelled_twice_is_cancelled_once(make_client: MakeClient) -> None:
    told: list[Any] = []
    with RawServer(hangs()) as server:
        client = make_client(server.url)
        future = client.submit("m", user(), callback=told.append)
        server.wait_for(1)
        assert [client.cancel(future), client.cancel(future)] == [1, 0]
        assert client.cancel(future.request_id) == 0
        client.close(10.0)
    assert [type(error) for error in told] == [RequestCancelledException]


def test_each_is_told_as_one_failure(make_client: MakeClient) -> None:
    told: list[tuple[str, str | None]] = []
    with RawServer(hangs()) as server:
        client = make_client(
            server.url, on_event=lambda event: told.append((event.kind, event.error))
        )
        future = client.submit("m", user())
        server.wait_for(1)
        future.cancel()
        client.close(10.0)
    assert [kind for kind, _ in told] == ["queued", "admitted", "sent", "failed"]
    assert told[-1][1] == "RequestCancelledException"
    assert client.stats()["events"]["failed"] == 1


def test_closing_a_map_cancels_what_is_on_its_way(make_client: MakeClient) -> None:
    with RawServer(says(completion()), hangs()) as server:
        client = make_client(server.url, max_workers=4)
        answers = client.map(({"messages": user(str(n))} for n in range(100)), model="m")
        next(answers)
        server.wait_for(4)
        answers.close()  # type: ignore[attr-defined]
        until(lambda: not client.get_queue_status()["in_flight"])
        assert client.get_queue_status()["queued"] == 0


def test_whenever_they_are_cancelled_each_ends_once_and_nothing_stays_set_aside(
    make_client: MakeClient, groq_simulator_factory: Simulate
) -> None:
    simulator = groq_simulator_factory(models={"m": {}})
    client = make_client(simulator.url, LIMITS, policy="greedy", share_limits=False)
    books, futures = Books(client), []
    for number in range(60):
        future = client.submit("m", user(f"text {number}"), max_completion_tokens=5)
        futures.append(future)
        if number % 2:
            threading.Timer(0.0005 * (number % 7), future.cancel).start()
    outcomes = {True: 0, False: 0}
    for future in futures:
        try:
            assert future.result(10).choices
        except CancelledError:
            assert future.cancelled()
        outcomes[future.cancelled()] += 1
    assert outcomes[False] >= 30
    until(lambda: not books.open)
    assert {len(ways) for ways in books.ends.values()} <= {1}
