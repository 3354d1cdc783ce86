"""RateLimitHandler: what holds for any sequence of requests, and under any number of threads."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_limits import MODEL, Limiter, load
from helpers_properties import repeatable
from helpers_threads import switching_often, together
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat.exceptions import RateLimitError
from customgroqchat.rate_limit_handler import Demand, Reservation, Usage

WINDOW_S = {"RPM": 60.0, "TPM": 60.0, "RPD": 86_400.0, "TPD": 86_400.0}

limits = st.fixed_dictionaries(
    {},
    optional={
        "req_per_minute": st.integers(1, 10),
        "req_per_day": st.integers(1, 50),
        "token_per_minute": st.integers(100, 2_000),
        "token_per_day": st.integers(100, 5_000),
    },
)
demands = st.builds(
    lambda prompt, cap: Demand(prompt, cap), st.integers(0, 60), st.none() | st.integers(0, 40)
)
usages = st.builds(
    lambda prompt, completion, cached: Usage(prompt, completion, min(prompt, cached)),
    st.integers(0, 80),
    st.integers(0, 80),
    st.integers(0, 20),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), demands),
        st.tuples(st.just("settle"), usages),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("keep"), st.integers(0, 5)),
        st.tuples(st.just("pass"), st.floats(0, 300)),
    ),
    max_size=60,
)


class Journey:
    """Any sequence of steps, with a record of when what was admitted."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limiter = Limiter(**limits)
        self.limits = {name: limit for name, (limit, _) in self.limiter.sources().items()}
        self.open: list[Reservation] = []
        self.charged: list[tuple[float, dict[str, float]]] = []

    def take(self, kind: str, value: Any) -> None:
        if kind == "admit":
            self.admit(value)
        elif kind == "pass":
            self.limiter.clock.advance(value)
        elif self.open:
            self.end(kind, value)

    def admit(self, demand: Demand) -> None:
        answer = self.limiter.admit(demand)
        if isinstance(answer, Reservation):
            self.open.append(answer)
            self.charged.append((self.limiter.clock.monotonic(), answer.costs))
        else:
            assert 0.0 < answer.wait_s < float("inf")
            assert answer.dimension in self.limits

    def end(self, kind: str, value: Any) -> None:
        if kind == "settle":
            self.limiter.handler.settle(self.open.pop(0), value)
            return
        reservation = self.open.pop(value % len(self.open))
        getattr(self.limiter.handler, kind)(reservation)


@repeatable
@given(limits=limits, steps=steps)
def test_no_level_ever_exceeds_its_limit(
    limits: dict[str, int], steps: list[tuple[str, Any]]
) -> None:
    journey = Journey(limits)
    for kind, value in steps:
        journey.take(kind, value)
        levels = journey.limiter.store.snapshot(journey.limiter.scope)
        assert {name: bucket.level <= bucket.limit for name, bucket in levels.items()} == (
            dict.fromkeys(journey.limits, True)
        )


@repeatable
@given(
    limits=limits,
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("admit"), demands),
            st.tuples(st.just("keep"), st.integers(0, 5)),
            st.tuples(st.just("pass"), st.floats(0, 300)),
        ),
        max_size=60,
    ),
)
def test_in_no_stretch_of_time_is_more_admitted_than_a_full_bucket_and_its_refill(
    limits: dict[str, int], steps: list[tuple[str, Any]]
) -> None:
    journey = Journey(limits)
    for kind, value in steps:
        journey.take(kind, value)
    for name, limit in journey.limits.items():
        for first, (since_s, _) in enumerate(journey.charged):
            total = 0.0
            for now_s, costs in journey.charged[first:]:
                total += costs[name]
                refill = (now_s - since_s) * limit / WINDOW_S[name]
                assert total <= (limit + refill) * (1 + 1e-6)


@repeatable
@given(limits=limits, steps=steps, usage=usages)
def test_nothing_is_lost_or_found_while_time_stands_still(
    limits: dict[str, int], steps: list[tuple[str, Any]], usage: Usage
) -> None:
    journey = Journey(limits)
    used = dict.fromkeys(journey.limits, 0.0)
    for kind, value in steps:
        before = list(journey.open)
        if kind == "pass":
            continue
        journey.take(kind, value)
        for reservation in before:
            if reservation not in journey.open:
                _add(used, _charge(kind, value, reservation))
    for reservation in journey.open:
        journey.limiter.handler.settle(reservation, usage)
        _add(used, _charge("settle", usage, reservation))
    for name, bucket in journey.limiter.store.snapshot(journey.limiter.scope).items():
        assert bucket.level + used[name] == pytest.approx(bucket.limit)


def _charge(kind: str, value: Any, reservation: Reservation) -> dict[str, float]:
    if kind == "release":
        return {}
    if kind == "keep":  # with what its answer would have been charged beyond that
        later = reservation._call.later
        return {
            name: cost + later * (name in ("TPM", "TPD"))
            for name, cost in reservation.costs.items()
        }
    total = value.prompt - value.cached + value.completion
    return {"RPM": 1, "RPD": 1, "TPM": total, "TPD": total}


def _add(used: dict[str, float], costs: dict[str, float]) -> None:
    for name in used:
        used[name] += costs.get(name, 0.0)


# --- threads -------------------------------------------------------------------------------------


@pytest.fixture
def _switch_often() -> Iterator[None]:
    with switching_often():
        yield


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_threads_lose_and_find_nothing() -> None:
    limiter = Limiter(token_per_minute=10**6, token_per_day=10**7, req_per_minute=10**5)
    used: list[tuple[int, int]] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(150):
            reservation = limiter.reserve(Demand(chance.randrange(100), chance.randrange(100)))
            ends = [limiter.handler.keep, limiter.handler.release]
            if chance.random() < 0.6:
                usage = Usage(chance.randrange(200), chance.randrange(200))
                limiter.handler.settle(reservation, usage)
                used.append((1, usage.prompt + usage.completion))
            elif chance.choice(ends) == limiter.handler.keep:
                limiter.handler.keep(reservation)
                used.append((1, int(reservation.costs["TPM"])))
            else:
                reservation.release()
            limiter.handler.release(reservation)

    together(*[lambda seed=seed: work(seed) for seed in range(6)])
    requests, tokens = (sum(column) for column in zip(*used, strict=True))
    assert limiter.levels() == {
        "TPM": 10**6 - tokens,
        "TPD": 10**7 - tokens,
        "RPM": 10**5 - requests,
    }


LOOKS: dict[str, Callable[[Limiter], object]] = {
    "status": lambda limiter: limiter.status(),
    "costs": lambda limiter: limiter.costs(Demand(10)),
    "check_fits": lambda limiter: limiter.handler.check_fits(limiter.scope, Demand(10)),
    "fitted_cap": lambda limiter: limiter.handler.fitted_cap(limiter.scope, Demand(10), None),
    "forecast": lambda limiter: limiter.handler.forecast(limiter.scope, Demand(10), 3, 100.0),
    "reserve": lambda limiter: limiter.reserve(Demand(10)).release(),
    "settle": lambda limiter: limiter.handler.settle(limiter.reserve(Demand(10)), Usage(9, 9)),
}


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_limits_may_change_while_others_are_at_it() -> None:
    limiter = Limiter(token_per_minute=10**6, req_per_day=10**6)
    configs = [
        load({MODEL: limits}, policy="greedy")
        for limits in ({"token_per_minute": 10**6}, {"req_per_day": 10**6}, {})
    ]

    def change() -> None:
        for config in configs * 60:
            limiter.handler.use_config(config)

    def look() -> None:
        for _ in range(25):
            for each in LOOKS.values():
                each(limiter)

    together(change, look, look, look)
    assert limiter.levels() == {}
    limiter.handler.use_config(configs[0])
    assert limiter.levels() == {"TPM": 10**6}


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_what_many_threads_learn_at_once_is_the_same_in_handler_and_store() -> None:
    limiter = Limiter()

    def learn(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            name = chance.choice(["TPM", "RPD", "TPD"])
            error = RateLimitError("429", dimension=name, limit=chance.randrange(10**5, 10**6))
            limiter.handler.refused(limiter.reserve(Demand(1, 1)), error)

    together(*[lambda seed=seed: learn(seed) for seed in range(4)])
    in_store = limiter.store.snapshot(limiter.scope)
    known = limiter.sources()
    tried = {"RPM": 30}
    assert {name: bucket.limit for name, bucket in in_store.items()} == tried | {
        name: limit for name, (limit, _) in known.items()
    }
    assert set(known) == {"TPM", "RPD", "TPD"}
