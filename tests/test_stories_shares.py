"""Failure stories about who gets what is left, and when: jumping clocks, order, two clients."""

from __future__ import annotations

import random
from concurrent.futures import Future
from typing import Any

import pytest
from helpers_servers import KEY, in_threads, texts, until, user
from helpers_stories import (
    MakeClient,
    Simulate,
    Stopwatch,
    WallClock,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    drive,
    remaining,
)

from customgroqchat import GroqClient, RateLimitExceededException
from customgroqchat.testing import FakeClock, SimulatedGroq

# --- 30: clocks that jump --------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [3_600.0, -3_600.0, 86_400.0 * 365])
def test_story_30_a_wall_clock_that_is_set_changes_no_wait(
    simulator: SimulatedGroq, make_client: MakeClient, jump_s: float
) -> None:
    clock = WallClock()
    client = make_client(simulator.url, {"m": {"req_per_minute": 1}}, clock=clock)
    client.chat_completion("m", user())
    future = client.submit("m", user())
    clock.wait_for_waiters(1)
    clock.wall_offset_s += jump_s
    with pytest.raises(RateLimitExceededException) as caught:
        client.chat_completion("m", user(), max_wait=0)
    assert caught.value.retry_after == pytest.approx(120.0)  # behind the one that waits
    assert caught.value.available_at == pytest.approx(clock.wall() + 120.0)
    clock.advance(59.0)
    assert not future.done()
    drive(clock, client, future.done, longest_s=3.0)
    assert simulator.count() == 2


def test_story_30_a_suspended_machine_wakes_to_full_buckets_and_no_more(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, {"m": {"req_per_minute": 5}}, clock=clock)
    client.chat_completion("m", user())
    futures = [client.submit("m", user(str(n))) for n in range(30)]
    until(lambda: simulator.count() >= 4 and at_rest(client))
    clock.wait_for_waiters(1)
    assert simulator.count() <= 5
    before = simulator.count()
    clock.advance(8 * 3_600.0)
    until(lambda: simulator.count() - before >= 4 and at_rest(client))
    clock.wait_for_waiters(1)
    assert simulator.count() - before <= 5
    assert sum(future.done() for future in futures) <= 9


# --- 37 and 38: order ------------------------------------------------------------------------


def test_story_38_who_may_not_wait_is_not_refused_where_nothing_has_to_be_waited_for(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"req_per_minute": 1_000}}
    client = make_client(simulator.url, limits, max_workers=64, policy="greedy")
    client.chat_completion("m", user())
    outcomes = in_threads(40, lambda _: client.submit("m", user(), max_wait=0).exception(10))
    assert [str(error) for error in outcomes if error] == []


LEVELS = {"high": 1, "normal": 2, "low": 3}


def test_story_37_priorities_of_all_kinds_have_one_order(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1, clock=FakeClock())
    kinds: list[str | int] = ["high", 1, "normal", 2, "low", 3, 0, -4, 10**6]
    chosen = [random.Random(37).choice(kinds) for _ in range(60)]
    with simulator.hold() as gate:
        futures = [client.submit("m", user("running"))]
        assert gate.wait_until_held(1)
        for number, priority in enumerate(chosen):  # all born in the same instant
            futures.append(client.submit("m", user(str(number)), priority=priority))
    for future in futures:
        assert future.result(10).choices
    level = [priority if isinstance(priority, int) else LEVELS[priority] for priority in chosen]
    expected = sorted(range(60), key=lambda number: level[number])
    assert texts(simulator) == ["running", *map(str, expected)]


def test_story_38_a_big_low_request_is_sent_in_bounded_time_under_endless_small_high_ones(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    limits = {"m": {"token_per_minute": 6_000}}
    client = make_client(
        simulator.url, limits, clock=clock, ageing_s=10.0, policy="greedy", max_workers=4
    )
    before = [_small(client) for _ in range(60)]
    big = client.submit("m", user("big"), max_completion_tokens=5_000, priority="low")

    def sent() -> bool:
        before.extend(_small(client) for _ in range(10 - _waiting(client)))
        return "big" in texts(simulator)

    drive(clock, client, sent, step_s=0.5, longest_s=95.0)
    assert big.result(10).choices
    assert texts(simulator).index("big") > 60  # it did not simply go first
    client.close(0.0)


def _small(client: GroqClient) -> Future[Any]:
    return client.submit("m", user("small"), max_completion_tokens=28, priority="high")


def _waiting(client: GroqClient) -> int:
    lane = client.get_queue_status()["lanes"].get("m", {"by_priority": {}})
    return int(lane["by_priority"].get("high", 0))


# --- 45: two clients of one account ----------------------------------------------------------

TWENTY = {"m": {"req_per_minute": 20}}


def impatient_calls(clients: list[GroqClient], number: int) -> list[str]:
    """Call from as many threads, none of which waits for quota; return how each ended."""

    def call(index: int) -> str:
        try:
            clients[index % len(clients)].chat_completion("m", user(str(index)), max_wait=0.5)
        except RateLimitExceededException as error:
            return error.dimension or str(error)
        return "ok"

    return in_threads(number, call)


def test_story_45_two_clients_of_one_key_share_its_limits(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 20}, models={"m": {}})
    clients = [make_client(simulator.url, TWENTY, max_workers=64) for _ in range(2)]
    clients[0].chat_completion("m", user())  # what is left is known now
    outcomes = impatient_calls(clients, 40)
    assert 18 <= outcomes.count("ok") <= 19  # a tenth of a second of refill is held back
    assert outcomes.count("ok") + outcomes.count("RPM") == 40
    assert simulator.count(429) == 0
    assert remaining(clients[0], "RPM") == remaining(clients[1], "RPM") <= 1


def test_story_45_also_one_client_after_the_other(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    one_a_minute = {"m": {"req_per_minute": 1}}
    make_client(simulator.url, one_a_minute).chat_completion("m", user())
    with pytest.raises(RateLimitExceededException) as caught:
        make_client(simulator.url, one_a_minute).chat_completion("m", user(), max_wait=0)
    assert (caught.value.dimension, simulator.count()) == ("RPM", 1)


@pytest.mark.parametrize(
    "other", [{"share_limits": False}, {"api_key": KEY + "2"}, {"clock": FakeClock()}]
)
def test_story_45_unless_told_otherwise_or_of_another_account(
    simulator: SimulatedGroq, make_client: MakeClient, other: dict[str, Any]
) -> None:
    one_a_minute = {"m": {"req_per_minute": 1}}
    make_client(simulator.url, one_a_minute).chat_completion("m", user())
    separate = make_client(simulator.url, one_a_minute, **other)
    assert separate.chat_completion("m", user(), max_wait=0).choices


def test_story_45_what_one_gives_back_wakes_the_other(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"token_per_minute": 10_000}}
    holder, waiter = (make_client(simulator.url, limits, policy="greedy") for _ in range(2))
    with simulator.hold() as gate:
        large = holder.submit("m", user("large"), max_completion_tokens=9_500)
        assert gate.wait_until_held(1)
        small = waiter.submit("m", user("small"), max_completion_tokens=9_000)
        until(lambda: waiter.get_queue_status()["queued"])
    assert large.result(10).choices  # of which 32 tokens were used: there is room now
    watch = Stopwatch()
    assert small.result(10).choices
    assert watch.seconds < 5.0  # and not after the minute that it would have taken before
