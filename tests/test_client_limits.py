"""The whole client against the whole simulated service: no 429, nothing wasted, urgent first.

Most of it in virtual time: client and service share a clock, which jumps to the next thing to do
whenever the client has nothing on its way. A minute of quota takes a second, and the result is
that of a network without delay. One run in real time shows that this is not what makes it pass.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import in_threads, said, until, user

from customgroqchat import GroqClient, TokenCounter
from customgroqchat.testing import FakeClock, SimulatedGroq

MODEL = "m"
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


class JumpingClock(FakeClock):
    """Virtual time that jumps over every wait for quota, while nothing is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.jump_if_idle: Callable[[], object] = lambda: None

    def jump(self, seconds: float) -> None:
        self._now_s += seconds

    def get(self, items: queue.SimpleQueue[None], timeout_s: float | None) -> None:
        try:
            items.get(timeout=0.001)
        except queue.Empty:
            if timeout_s is not None:
                self.jump_if_idle()


def jumping(make_client: MakeClient, url: str, limits: Any, **settings: Any) -> GroqClient:
    """Make a client whose clock jumps whenever all it does is wait for quota."""
    clock = JumpingClock()
    counter = TokenCounter(use_vocabulary=False)
    client = make_client(url, {MODEL: limits}, clock=clock, token_counter=counter, **settings)

    def jump_if_idle() -> None:
        # Nobody starts a request between the look at what is in flight and the jump.
        with client._handler.queue._stepping:
            status = client.get_queue_status()
            head = None if status["in_flight"] else status["lanes"][MODEL]["head"]
            clock.jump(float(head["wait_s"]) if head else 0.0)

    clock.jump_if_idle = jump_if_idle
    return client


def clock_of(client: GroqClient) -> JumpingClock:
    clock = client._clock
    assert isinstance(clock, JumpingClock)
    return clock


def spread(number: int, threads: int) -> list[int]:
    """How many calls each thread makes."""
    return [number // threads + (index < number % threads) for index in range(threads)]


def call_from_threads(client: GroqClient, number: int, threads: int, cap: int | None) -> None:
    shares = spread(number, threads)

    def call(index: int) -> None:
        for turn in range(shares[index]):
            text = f"Question {turn} of thread {index}, please answer."
            answer = client.chat_completion(
                MODEL, user(text), max_completion_tokens=cap, max_wait=None
            )
            assert answer.choices[0].message.content

    in_threads(threads, call)


CONFIGURED = {"req_per_minute": 600, "token_per_minute": 60_000}
SERVED = {"RPM": 600, "TPM": 60_000}
CASES: dict[str, tuple[Any, dict[str, int], int | None]] = {
    "tokens bind": (CONFIGURED, SERVED, 350),
    "without a cap": (CONFIGURED, SERVED, None),
    "requests bind": ({"req_per_minute": 120}, {"RPM": 120}, 20),
    "nothing configured": ({}, {"TPM": 60_000, "RPD": 14_400}, 300),
    "the service allows less": (CONFIGURED, {"TPM": 30_000}, 300),
}


@pytest.mark.parametrize(("configured", "served", "cap"), CASES.values(), ids=CASES)
def test_five_hundred_calls_are_all_answered_without_a_429(
    groq_simulator_factory: Simulate,
    make_client: MakeClient,
    configured: Any,
    served: dict[str, int],
    cap: int | None,
) -> None:
    ready: list[JumpingClock] = []
    simulator = groq_simulator_factory(
        models={MODEL: {"limits": served}},
        completion_tokens=300,
        clock=lambda: ready[0].monotonic() if ready else 1_000.0,
    )
    client = jumping(make_client, simulator.url, configured, max_workers=32)
    ready.append(clock_of(client))
    if "TPM" in served and served["TPM"] != configured.get("token_per_minute"):
        client.chat_completion(MODEL, user(), max_completion_tokens=1)  # the limit is told
    before_s, before = clock_of(client).monotonic(), simulator.count()
    call_from_threads(client, 500, 32, cap)
    assert simulator.count(429) == 0
    assert simulator.count(200) == simulator.count() == before + 500
    took_s = clock_of(client).monotonic() - before_s
    needed_s = _needed_s(simulator, served)
    print(f"500 calls: {took_s:.1f} virtual seconds, of which the quota needs {needed_s:.1f}")
    assert needed_s > 60  # the quota did bind
    assert took_s <= 1.05 * needed_s + 2.0  # and none of it was wasted


def _needed_s(simulator: SimulatedGroq, served: dict[str, int]) -> float:
    """The seconds that the run takes at best: what exceeds a full bucket has to flow in."""
    used = {
        "RPM": simulator.count(),
        "TPM": sum(
            record.prompt_tokens + record.completion_tokens for record in simulator.requests
        ),
        "RPD": 0,
    }
    return max(0.0, *((used[name] - limit) / limit * 60 for name, limit in served.items()))


def test_the_same_in_real_time(groq_simulator_factory: Simulate, make_client: MakeClient) -> None:
    simulator = groq_simulator_factory(
        models={MODEL: {"limits": SERVED}}, completion_tokens=108, latency_s=(0.0, 0.02)
    )
    client = make_client(simulator.url, {MODEL: CONFIGURED}, max_workers=32)
    start_s = time.monotonic()
    call_from_threads(client, 500, 32, 120)
    took_s = time.monotonic() - start_s
    assert simulator.count(429) == 0
    assert simulator.count(200) == simulator.count() == 500
    needed_s = _needed_s(simulator, SERVED)
    print(f"500 calls: {took_s:.2f} s, of which the quota needs {needed_s:.2f} s")
    assert 1.0 < needed_s < 6.0


def test_ten_times_the_limits_in_real_time(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    served = {"RPM": 6_000, "TPM": 600_000}
    simulator = groq_simulator_factory(
        models={MODEL: {"limits": served}}, completion_tokens=1_200, start_level=0.5
    )
    configured = {"req_per_minute": 6_000, "token_per_minute": 600_000}
    client = make_client(simulator.url, {MODEL: configured}, max_workers=32)
    client.chat_completion(MODEL, user(), max_completion_tokens=1)  # it is told how much is left
    call_from_threads(client, 260, 32, 1_200)
    assert simulator.count(429) == 0
    assert simulator.count(200) == simulator.count() == 261


def test_a_flood_of_unimportant_requests_delays_an_urgent_one_by_its_quota_only(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    clock = FakeClock()
    simulator = groq_simulator_factory(
        models={MODEL: {"limits": {"RPM": 60}}}, clock=clock.monotonic
    )
    client = make_client(simulator.url, {MODEL: {"req_per_minute": 60}}, clock=clock, max_workers=4)
    flood = [client.submit(MODEL, user("low"), priority="low") for _ in range(300)]
    until(lambda: _waits_for_quota(client))
    clock.advance(1.0)
    until(lambda: _waits_for_quota(client))
    for number in range(20):
        arrived = simulator.count()
        urgent = client.submit(MODEL, user(f"high {number}"), priority="high")
        until(lambda: _waits_for_quota(client))
        assert simulator.count() == arrived
        clock.advance(1.0)  # quota for exactly one
        assert urgent.result(10).choices
        assert simulator.count() == arrived + 1
        assert said(simulator.requests[-1].payload) == f"high {number}"
        clock.wait_for_waiters(1)
    assert simulator.count(429) == 0
    assert sum(future.done() for future in flood) == simulator.count() - 20


def _waits_for_quota(client: GroqClient) -> bool:
    status = client.get_queue_status()
    lane = status["lanes"][MODEL]
    return not status["in_flight"] and lane["head"] is not None and lane["head"]["wait_s"] > 0


def test_a_steady_flood_of_urgent_requests_does_not_starve_the_others(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    clock = FakeClock()
    simulator = groq_simulator_factory(models={MODEL: {}}, clock=clock.monotonic)
    limits = {MODEL: {"req_per_minute": 60}}
    client = make_client(simulator.url, limits, clock=clock, max_workers=1, ageing_s=10)
    low = client.submit(MODEL, user("low"), priority="low")
    low.result(10)
    urgent = [client.submit(MODEL, user("high"), priority="high") for _ in range(70)]
    until(lambda: _waits_for_quota(client))
    low = client.submit(MODEL, user("low"), priority="low")
    for _ in range(60):
        clock.advance(1.0)
        until(lambda: _waits_for_quota(client))
        urgent.append(client.submit(MODEL, user("high"), priority="high"))
    assert low.result(10).choices
    assert not urgent[-1].done()
