"""Failure stories about limits: herds, storms, long waits, impossible requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from helpers_servers import in_thread, in_threads, until, user
from helpers_stories import (
    MakeClient,
    Simulate,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    drive,
    refusal,
)

from customgroqchat import (
    GroqClient,
    RateLimitError,
    RateLimitExceededException,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

OUTAGE_S = 60.0


def done(futures: Sequence[Future[Any]]) -> bool:
    return all(future.done() for future in futures)


# --- 1: the herd after a refusal -------------------------------------------------------------


def test_story_01_fifty_threads_at_an_empty_bucket_cause_one_refusal_more_at_most(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    per_second = 4_000
    simulator = groq_simulator_factory(
        limits={"TPM": 60 * per_second}, start_level=0.0, models={"m": {}}
    )
    client = make_client(simulator.url)

    def ask(index: int) -> int:
        answer = client.chat_completion("m", user(f"Question {index}"), max_completion_tokens=100)
        return int(answer.usage.total_tokens)

    in_threads(50, ask)
    assert simulator.count(200) == 50
    assert simulator.count(429) <= 2  # the first, which nobody could foresee, and one more


def test_story_01_starts_are_spread_as_the_bucket_refills(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    clock = FakeClock()
    simulator = groq_simulator_factory(
        limits={"TPM": 6_000}, start_level=0.0, models={"m": {}}, clock=clock.monotonic
    )
    client = make_client(simulator.url, clock=clock)
    futures = [client.submit("m", user(str(n)), max_completion_tokens=200) for n in range(20)]
    drive(clock, client, lambda: done(futures), step_s=0.05)
    admitted = [record for record in simulator.requests if record.status == 200]
    assert len(admitted) == 20
    taken = sum(record.prompt_tokens + record.completion_tokens for record in admitted[:-1])
    assert admitted[-1].time_s - 1_000.0 >= taken / 100.0  # 6,000 a minute are 100 a second
    starts_s = [record.time_s for record in simulator.requests]
    assert max(sum(s <= other < s + 1.0 for other in starts_s) for s in starts_s) <= 6
    assert simulator.count(429) <= 2


def test_story_01_nobody_is_sent_before_the_time_that_a_refusal_told(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, clock=clock)
    simulator.fail_next(429, headers={"retry-after": "20"})
    futures = [client.submit("m", user(str(n))) for n in range(50)]
    until(lambda: simulator.count(429) and at_rest(client))
    began = simulator.count()
    drive(clock, client, lambda: clock.monotonic() >= 1_019.0, step_s=1.0)
    assert simulator.count() == began <= 2
    drive(clock, client, lambda: done(futures))
    assert simulator.count(429) == 1


# --- 2: the storm in an outage ---------------------------------------------------------------


class Outage:
    """A service that is down for a minute of virtual time."""

    def __init__(self, simulate: Simulate, make_client: MakeClient, **settings: Any) -> None:
        self.clock = FakeClock()
        self.ends_s = self.clock.monotonic() + OUTAGE_S
        self.simulator = simulate(
            models={"m": {}}, clock=self.clock.monotonic, on_request=self._answer
        )
        self.client = make_client(self.simulator.url, clock=self.clock, **settings)

    def _answer(self, payload: Any, headers: Any) -> tuple[int, dict[str, str], Any] | None:
        is_down = self.clock.monotonic() < self.ends_s
        return (503, {}, refusal("over capacity", "", "internal_server_error")) if is_down else None


def test_story_02_an_outage_is_not_multiplied_by_retries(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    outage = Outage(groq_simulator_factory, make_client)
    futures = [outage.client.submit("m", user(str(n))) for n in range(100)]
    drive(outage.clock, outage.client, lambda: done(futures), step_s=0.25)
    assert outage.simulator.count() <= 120
    answered = [future for future in futures if future.exception() is None]
    assert outage.simulator.count(200) == len(answered) >= 80  # the rest gave up, not all


def test_story_02_recovery_is_found_out_by_one_probe(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    outage = Outage(groq_simulator_factory, make_client)
    futures = [outage.client.submit("m", user(str(n))) for n in range(100)]
    drive(outage.clock, outage.client, lambda: outage.clock.monotonic() > outage.ends_s - 1.0)
    during = outage.simulator.count()
    with outage.simulator.hold() as gate:
        drive(outage.clock, outage.client, lambda: gate.held, longest_s=120.0)
        outage.clock.advance(1.0)
        assert gate.held == 1
        assert outage.simulator.count() - outage.simulator.count(503) == 1
        assert outage.simulator.count(503) - during <= 2
    drive(outage.clock, outage.client, lambda: done(futures))


def test_story_02_while_it_is_down_the_impatient_are_refused_unsent(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    outage = Outage(groq_simulator_factory, make_client, max_retries=0)
    for _ in range(5):
        assert in_thread(outage.client.chat_completion, "m", user()).exception(10)
    with pytest.raises(RateLimitExceededException) as caught:
        outage.client.chat_completion("m", user(), max_wait=0)
    assert outage.simulator.count() == 5
    assert caught.value.dimension is None
    assert caught.value.retry_after is not None
    assert "circuit breaker" in str(caught.value)


# --- 3 and 4: long waits ---------------------------------------------------------------------

DAILY = refusal(
    "Rate limit reached for model `m` in organization `org_1` service tier `on_demand` on tokens "
    "per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s. Need "
    "more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
)


def test_story_03_a_wait_beyond_the_deadline_is_raised_at_once(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url)
    simulator.fail_next(429, DAILY, {"retry-after": "579"})
    watch = Stopwatch()
    with pytest.raises(RateLimitError) as caught:
        client.chat_completion("m", user(), deadline=60.0)
    assert watch.seconds < 5.0
    error = caught.value
    assert (error.dimension, error.limit, error.used, error.requested) == (
        "TPD",
        100000,
        97050,
        3619,
    )
    assert error.retry_after == pytest.approx(578.016)
    assert error.attempts == simulator.count() == 1


def test_story_03_otherwise_it_is_waited_for_exactly(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, clock=clock)
    simulator.fail_next(429, DAILY, {"retry-after": "579"})
    future = client.submit("m", user())
    until(lambda: simulator.count(429) and at_rest(client))
    clock.wait_for_waiters(1)
    clock.advance(577.9)
    drive(clock, client, future.done, step_s=0.01, longest_s=10.0)
    assert future.result().choices
    assert 1_578.0 <= 1_000.0 + 578.016 <= clock.monotonic() <= 1_579.5
    assert simulator.count() == 2


@pytest.mark.parametrize("body", [None, DAILY])
def test_story_04_an_hours_wait_is_an_error_that_names_the_time(
    simulator: SimulatedGroq, client: GroqClient, body: Any
) -> None:
    assert client.config.max_wait == 600.0
    text = "1h0m0s"
    if body is not None:
        text_of = body["error"]["message"].replace("9m38.016s", text)
        body = refusal(text_of.replace("Used 97050", "Used 100548"))
    simulator.fail_next(429, body, {"retry-after": "3600"})
    watch = Stopwatch()
    with pytest.raises(RateLimitError) as caught:
        client.chat_completion("m", user())  # neither deadline nor max_wait
    assert watch.seconds < 5.0
    assert caught.value.retry_after == 3_600.0
    assert re.search(r"3,?600|\b1 ?h|60(\.0)? min", str(caught.value))
    assert simulator.count() == 1


def test_story_04_who_wants_to_wait_an_hour_may(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, clock=clock)
    simulator.fail_next(429, None, {"retry-after": "3600"})
    outcome = in_thread(client.chat_completion, "m", user(), max_wait=7_200)
    until(lambda: simulator.count(429) and at_rest(client))
    clock.wait_for_waiters(1)
    clock.advance(3_599.0)
    assert simulator.count() == 1
    drive(clock, client, outcome.done, longest_s=10.0)
    assert outcome.result().choices


# --- 5 and 6: what can never pass ------------------------------------------------------------


@pytest.mark.parametrize("limit", ["token_per_minute", "token_per_day"])
def test_story_05_the_impossible_is_refused_at_once_and_unsent(
    simulator: SimulatedGroq, make_client: MakeClient, limit: str
) -> None:
    client = make_client(simulator.url, {"m": {limit: 1_000}})
    client.count_tokens(user(), "m")  # the first count of a process loads what it counts with
    took_s = []
    for _ in range(5):
        watch = Stopwatch()
        with pytest.raises(TokenLimitExceededException) as caught:
            client.chat_completion("m", user(), max_completion_tokens=5_000)
        took_s.append(watch.seconds)
    assert min(took_s) < 0.010
    assert simulator.count() == 0
    assert caught.value.limit == 1_000
    assert (caught.value.requested or 0) > 5_000


def test_story_05_also_when_the_limit_was_learnt(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 1_000}, models={"m": {}})
    client = make_client(simulator.url)
    client.chat_completion("m", user(), max_completion_tokens=10)
    with pytest.raises(TokenLimitExceededException):
        client.chat_completion("m", user(), max_completion_tokens=5_000)
    assert simulator.count() == 1


TOO_LARGE = refusal(
    "Request too large for model `m` in organization `org_1` service tier `on_demand` on tokens "
    "per minute (TPM): Limit 6000, Requested 12328, please reduce your message size and try again. "
    "Visit https://console.groq.com/docs/rate-limits for more information."
)


def test_story_06_a_413_is_about_a_limit_and_says_which(
    simulator: SimulatedGroq, client: GroqClient
) -> None:
    simulator.fail_next(413, TOO_LARGE)
    with pytest.raises(RequestTooLargeError) as caught:
        client.chat_completion("m", user(), max_completion_tokens=12_000)
    error = caught.value
    assert (error.dimension, error.limit, error.requested) == ("TPM", 6_000, 12_328)
    assert not isinstance(error, TokenLimitExceededException)
    assert "context" not in str(error).lower()
    assert (error.attempts, simulator.count()) == (1, 1)
    assert client.check_model_limits("m")["limits"]["TPM"]["limit"] == 6_000


def test_story_06_a_cap_of_auto_is_fitted_once(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 2_000}, models={"m": {}})
    answer = make_client(simulator.url).chat_completion("m", user(), max_completion_tokens="auto")
    assert answer.choices
    too_large, fitted = simulator.requests
    assert (too_large.status, fitted.status) == (413, 200)
    assert too_large.payload is not None
    assert fitted.payload is not None
    assert fitted.payload["max_completion_tokens"] < too_large.payload["max_completion_tokens"]
