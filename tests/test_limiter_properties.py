"""RateLimitHandler in virtual time: what holds for any calls, under any rule of the service."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from helpers_limits import MODEL, Limiter
from helpers_properties import repeatable
from helpers_virtual import World
from helpers_virtual_calls import (
    USUAL,
    Bite,
    Fate,
    Job,
    Result,
    Service,
    configured,
    miscounted,
    workload,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from customgroqchat.rate_limit_handler import Demand, Reservation, Usage
from customgroqchat.testing._sim_buckets import Charging

# Worlds do not become simpler by being smaller: no shrinking.
MANY = settings(repeatable, max_examples=40, phases=(Phase.explicit, Phase.generate))
FEW = settings(MANY, max_examples=8)

seeds = st.integers(0, 10**6)
services = st.builds(
    Service,
    st.sampled_from([6_000, 8_000, 30_000, 250_000]).map(lambda tpm: {**USUAL, "TPM": tpm}),
    st.sampled_from(get_args(Charging)),
    st.booleans(),
    st.sampled_from(["admission", "end"]),
    st.sampled_from([0.2, 0.5, 1.0]).map(lambda level: {"TPM": level}),
)
latencies = st.sampled_from([(0.05, 0.2), (0.3, 2.5), (1.0, 20.0), (5.0, 90.0)])
ways = st.sampled_from([(0.0, 0.0), (0.005, 0.03), (0.02, 0.1)])
fates: st.SearchStrategy[dict[Fate, float]] = st.fixed_dictionaries(
    {
        "cancelled": st.sampled_from([0.0, 0.3]),
        "answer lost": st.sampled_from([0.0, 0.05]),
        "request lost": st.sampled_from([0.0, 0.05]),
    }
)


@st.composite
def worlds(
    draw: st.DrawFn, *, count: int = 150, fated: bool = True, beside_others: bool = False
) -> World:
    """Draw calls of which some dozens fit into the bucket, and all that may happen to them."""
    service = draw(services)
    size = service.limits["TPM"] // 40
    jobs = workload(
        count,
        caps=draw(st.booleans()),
        seed=draw(seeds),
        prompts=(size // 5, size),
        outputs=(size // 10, size),
        latencies_s=draw(latencies),
    )
    jobs = list(miscounted(jobs, draw(st.sampled_from([0.8, 1.0, 1.25]))))
    known = fated and draw(st.booleans())
    return World(
        with_fates(jobs, draw(fates)) if fated else jobs,
        service,
        config=configured(service.limits) if known else None,
        workers=draw(st.sampled_from([1, 5, 64])) if fated else 500,
        seed=draw(seeds),
        way_s=draw(ways),
        foreign=draw(others(service.limits["TPM"])) if beside_others else (),
        events=draw(steps_of_the_wall_clock),
        tells_instant=draw(st.booleans()),
    )


def with_fates(jobs: list[Job], shares: dict[Fate, float]) -> list[Job]:
    chance = random.Random(7)
    names: list[Fate] = ["answered", *shares]
    weights = [1.0 - sum(shares.values()), *shares.values()]
    return [replace(job, fate=chance.choices(names, weights)[0]) for job in jobs]


@st.composite
def others(draw: st.DrawFn, tpm: int) -> list[Bite]:
    """Draw what somebody takes who uses a tenth or half of the quota, in bites of any size."""
    every_s = draw(st.sampled_from([0.5, 5.0]))
    bite = round(tpm / 60 * every_s * draw(st.sampled_from([0.1, 0.5])))
    return [Bite(number * every_s, bite // 2, bite - bite // 2) for number in range(1_000)]


def _step(by_s: float) -> Callable[[World], None]:
    def step(world: World) -> None:
        world.clock.wall_offset_s += by_s

    return step


steps_of_the_wall_clock = st.lists(
    st.tuples(st.floats(0.0, 300.0), st.sampled_from([-86_400.0, -1.0, 2.0, 3_600.0]).map(_step)),
    max_size=3,
)


def check_none_is_missing(world: World, result: Result) -> None:
    ended = [*result.delivered, *result.kept, *result.cancelled]
    assert sorted(ended) == list(range(len(world.jobs))), result


def nothing_lost(world: World) -> World:
    """Have every request that is sent answered."""
    for index, job in enumerate(world.jobs):
        if job.fate != "cancelled":
            world.jobs[index] = replace(job, fate="answered")
    return world


@MANY
@given(worlds())
def test_alone_nothing_is_refused_that_could_be_foreseen(world: World) -> None:
    result = nothing_lost(world).run()
    check_none_is_missing(world, result)
    service = world.service
    is_plain = service.charging == "prompt+cap" and service.headers_at == "admission"
    # What the service expects of an answer it alone knows, and headers of the end tell late.
    assert len(result.foreseeable) <= (0 if is_plain else 2), (world, result)


@MANY
@given(worlds())
def test_when_answers_are_lost_hardly_anything_is_refused(world: World) -> None:
    result = world.run()
    check_none_is_missing(world, result)
    assert len(result.foreseeable) <= 10, (world, result)


@MANY
@given(worlds(beside_others=True))
def test_beside_others_everything_is_delivered_nevertheless(world: World) -> None:
    result = world.run()
    check_none_is_missing(world, result)
    assert result.own_429s <= 25, (world, result)  # one in six calls, where bites are the largest


@MANY
@given(worlds())
def test_at_rest_the_books_agree(world: World) -> None:
    nothing_lost(world).run()
    ours, theirs = world.mirror()["TPM"], world.levels()["TPM"]
    limit = world.service.limits["TPM"]
    # What the last answers have taken is known to the service first, or told in no header.
    assert ours <= theirs + 0.12 * limit, (world, ours, theirs)
    assert ours >= theirs - 0.15 * limit, (world, ours, theirs)
    world.rest(86_400.0)  # nothing stays set aside for ever
    assert world.mirror()["TPM"] == limit


steps = st.lists(
    st.tuples(st.sampled_from(["settle", "release"]), st.integers(1, 40), st.integers(0, 40)),
    max_size=40,
)


@MANY
@given(steps, st.randoms(use_true_random=False))
def test_what_is_free_is_the_limit_less_what_was_used(
    ends: list[tuple[str, int, int]], chance: random.Random
) -> None:
    limiter = Limiter(token_per_minute=10_000, token_per_day=100_000, policy="greedy")
    opened = [(limiter.reserve(Demand(end[1], 40, end[1])), end) for end in ends]
    chance.shuffle(opened)
    used = 0
    for reservation, (kind, prompt, output) in opened:
        if kind == "release":
            reservation.release()
        else:
            used += prompt + output
            limiter.handler.settle(reservation, Usage(prompt, output))
    assert limiter.levels() == {"TPM": 10_000 - used, "TPD": 100_000 - used}


@FEW
@given(worlds(count=1_000, fated=False))
def test_alone_it_takes_99_percent_of_the_quota(world: World) -> None:
    result = world.run()
    check_none_is_missing(world, result)
    # With hundreds on their way that take minutes, a rule that changes the price is learnt late.
    assert len(result.foreseeable) <= 0.02 * len(world.jobs), (world, result)
    # How much calls are charged, nobody knows before the first answers.
    unknown_s = max(job.latency_s for job in world.jobs)
    assert result.unused_s() <= unknown_s + 0.01 * result.seconds, (world, result)


@MANY
@given(worlds(count=60), st.integers(0, 59))
def test_a_big_request_waits_for_a_full_bucket_at_most(world: World, place: int) -> None:
    limit = world.service.limits["TPM"]
    world.replace_job(place, Job(limit // 2, limit // 10, limit * 2 // 5))
    result = world.run()
    check_none_is_missing(world, result)
    [waited_s] = [sent.at_head_s for sent in result.sent if sent.index == place][-1:]
    longest_s = max(job.latency_s for job in world.jobs)
    assert waited_s <= 60.0 + longest_s + 2.0, (world, result)


@MANY
@given(st.lists(st.tuples(st.integers(1, 200), st.none() | st.integers(0, 200)), min_size=1))
def test_after_the_wait_that_was_told_it_is_admitted(sizes: list[tuple[int, int | None]]) -> None:
    limiter = Limiter(token_per_minute=2_000, req_per_minute=20, policy="greedy")
    for prompt, cap in sizes:
        answer = limiter.admit(Demand(prompt, cap, prompt))
        if not isinstance(answer, Reservation):
            limiter.clock.advance(answer.wait_s)
            answer = limiter.reserve(Demand(prompt, cap, prompt))
        limiter.handler.keep(answer)


def test_the_same_world_runs_the_same_twice() -> None:
    def run() -> Result:
        return World(workload(100), Service(USUAL), config=configured(USUAL)).run()

    assert run() == run()
    assert {sent.model for sent in run().sent} == {MODEL}
