"""RateLimitHandler against the simulated service: the whole quota, and no refusal.

In virtual time. Unless a test says otherwise, this client is alone on its account, knows its
limits, and has more to do than the quota allows.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any, Literal, get_args

import pytest
from helpers_limits import MODEL
from helpers_virtual import World
from helpers_virtual_calls import (
    USUAL,
    Bite,
    Job,
    Result,
    Service,
    bites,
    configured,
    miscounted,
    workload,
)

from customgroqchat.stores import Decision
from customgroqchat.testing._sim_buckets import Charging

CHARGING: tuple[Charging, ...] = get_args(Charging)
HEADERS_AT: tuple[Literal["admission", "end"], ...] = ("admission", "end")

# --- alone, under every rule ---------------------------------------------------------------------

RULES = [
    pytest.param(
        Service(USUAL, CHARGING[charging], (True, False)[kept], HEADERS_AT[end], {"TPM": start}),
        caps,
        (charging + kept + end + caps + (start < 1.0)) % 2 == 0,
        id=f"{CHARGING[charging]}-{'kept' if kept else 'refund'}-headers at {HEADERS_AT[end]}-"
        f"{'caps' if caps else 'no caps'}-{start:.0%} full",
    )
    for charging, kept, end, caps, start in itertools.product(
        range(len(CHARGING)), (0, 1), (0, 1), (True, False), (1.0, 0.1)
    )
    # Without a cap, "prompt" and "prompt+cap" are the same. An empty bucket is the harder start.
    if (caps or CHARGING[charging] != "prompt") and (start < 1.0 or end == kept)
]


def unavoidable(service: Service) -> int:
    """How many refusals alone are put up with, until the rule is known.

    None where the service charges prompt and cap at admission and shows that at once. What it
    expects of an answer is known to itself alone, and headers of the end tell late.
    """
    if service.charging == "expected":
        return 25 if service.headers_at == "end" else 2
    return 6 if service.headers_at == "end" and not service.refund else 0


def complete(world: World) -> Result:
    """Run it to the end, where every job must have been delivered."""
    result = world.run()
    assert result.delivered == list(range(len(world.jobs))), result
    return result


@pytest.mark.parametrize(("service", "caps", "tells_instant"), RULES)
def test_alone_it_takes_the_whole_quota_and_is_never_refused(
    service: Service, caps: bool, tells_instant: bool
) -> None:
    jobs = workload(600, caps=caps)
    world = World(jobs, service, config=configured(USUAL), tells_instant=tells_instant)
    result = complete(world)
    assert result.own_429s <= unavoidable(service), result
    assert result.util() >= 0.99, result


@pytest.mark.parametrize(
    ("limits", "binding"),
    [
        ({"RPM": 30, "TPM": 1_000_000}, "RPM"),
        ({"RPM": 1_000, "RPD": 100, "TPM": 30_000}, "RPD"),
        ({"RPM": 1_000, "TPM": 30_000, "TPD": 200_000}, "TPD"),
        ({"RPM": 1_000, "RPD": 14_400, "TPM": 6_000}, "TPM"),
        ({"RPM": 10_000, "RPD": 500_000, "TPM": 250_000}, "TPM"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
@pytest.mark.parametrize("charging", CHARGING)
def test_whichever_limit_binds(limits: dict[str, int], binding: str, charging: Charging) -> None:
    size = 8 if limits["TPM"] == 250_000 else 1
    jobs = workload(500, prompts=(100 * size, 500 * size), outputs=(50 * size, 300 * size))
    service = Service(limits, charging)
    result = complete(World(jobs, service, config=configured(limits)))
    assert result.own_429s <= unavoidable(service), result
    assert result.util(binding) >= 0.99, result


@pytest.mark.parametrize("charging", CHARGING)
def test_answers_of_any_length_without_caps(charging: Charging) -> None:
    chance = random.Random(3)
    jobs = [replace(job, output=_long_tailed(chance)) for job in workload(1_000, caps=False)]
    result = complete(World(jobs, Service(USUAL, charging), config=configured(USUAL)))
    # Where the longest by far comes last, nobody could know.
    assert result.own_429s <= (5 if charging == "expected" else 2), result
    assert result.util() >= 0.99, result


def _long_tailed(chance: random.Random) -> int:
    return min(8_000, round(chance.lognormvariate(5.0, 0.9)))


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize("caps", [True, False], ids=["caps", "no caps"])
def test_calls_that_take_long_against_what_the_bucket_holds(caps: bool, charging: Charging) -> None:
    # What is on its way would empty the bucket many times: dozens of calls of up to half of it.
    jobs = workload(
        400,
        caps=caps,
        prompts=(2_000, 8_000),
        outputs=(1_000, 6_000),
        latencies_s=(60.0, 480.0),
    )
    result = complete(World(jobs, Service(USUAL, charging), config=configured(USUAL), workers=200))
    # Answers that are charged when they end may all end at once, and nobody knows when.
    assert result.own_429s <= (0 if caps and charging == "prompt+cap" else 8), result
    # How much they are charged, nobody knows before the first answers.
    assert result.unused_s() <= 480.0 + 0.15 * result.seconds, (result.unused_s(), result)


@pytest.mark.parametrize("way_s", [(0.0, 0.0), (0.01, 0.15), (0.05, 0.5)])
@pytest.mark.parametrize("tells_instant", [True, False], ids=["instants", "no instants"])
def test_ways_of_any_length(way_s: tuple[float, float], tells_instant: bool) -> None:
    world = World(
        workload(800),
        Service(USUAL),
        config=configured(USUAL),
        way_s=way_s,
        tells_instant=tells_instant,
    )
    result = complete(world)
    assert result.own_429s <= 4, result  # until it has seen how long the ways are
    assert result.util() >= 0.99, result


@pytest.mark.parametrize("charging", CHARGING)
def test_known_to_be_full_the_bucket_is_emptied_at_once(charging: Charging) -> None:
    settings = {"policy": "greedy"}
    jobs = [Job(500, 100, 200, latency_s=2.0) for _ in range(100)]
    world = World(jobs, Service(USUAL, charging), config=configured(USUAL), settings=settings)
    result = complete(world)
    assert result.own_429s == 0, result
    assert sum(sent.at_s == 0.0 for sent in result.sent) >= 40  # of the 42 that 30,000 can hold
    assert result.util() >= 0.97, result


# --- what is believed is wrong ---------------------------------------------------------------


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize(("factor", "start"), [(2.0, 1.0), (2.0, 0.1), (0.5, 1.0)])
def test_a_wrong_limit_in_the_configuration(
    factor: float, charging: Charging, start: float
) -> None:
    believed = {**USUAL, "TPM": round(USUAL["TPM"] * factor)}
    service = Service(USUAL, charging, start_level={"TPM": start})
    result = complete(World(workload(600), service, config=configured(believed)))
    assert result.own_429s == 0, result
    assert result.util() >= 0.99, result


@pytest.mark.parametrize("headers_at", ["admission", "end"])
@pytest.mark.parametrize("start", [1.0, 0.1])
@pytest.mark.parametrize("caps", [True, False], ids=["caps", "no caps"])
def test_no_limit_in_the_configuration(
    caps: bool, start: float, headers_at: Literal["admission", "end"]
) -> None:
    limits = {"RPD": 14_400, "TPM": 30_000}
    service = Service(limits, headers_at=headers_at, start_level={"TPM": start})
    result = complete(World(workload(600, caps=caps), service))
    assert result.own_429s == 0, result
    assert result.util() >= 0.99, result


@pytest.mark.parametrize(
    ("rpm", "at_most"),
    [(30, 2), (60, 2), (100, 2), (300, 2), (1_000, 2), (37, 24), (260, 24)],
)
def test_a_limit_that_is_in_no_header_and_in_no_configuration(rpm: int, at_most: int) -> None:
    limits = {"RPM": rpm, "RPD": 500_000, "TPM": 10_000_000}
    jobs = workload(rpm * 2 + 60, prompts=(50, 100), outputs=(20, 40), latencies_s=(0.2, 0.8))
    result = complete(World(jobs, Service(limits)))
    assert result.own_429s <= at_most, result
    # Each number that is tried takes the time of an answer.
    assert result.util("RPM") >= (0.9 if rpm < 1_000 else 0.75), result


def test_separate_limits_of_input_and_output_are_learnt() -> None:
    limits = {**USUAL, "ITPM": 7_000, "OTPM": 5_000}
    result = complete(World(workload(400), Service(limits), config=configured(USUAL)))
    assert result.own_429s <= 24, result
    assert max(result.util("ITPM"), result.util("OTPM")) >= 0.9, result


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize("start", [0.0, -0.5])
def test_a_bucket_that_others_have_emptied_before(start: float, charging: Charging) -> None:
    service = Service(USUAL, charging, start_level={"TPM": start})
    result = complete(World(workload(300), service, config=configured(USUAL)))
    assert result.own_429s == 1, result  # its text says the rest
    assert result.util() >= 0.99, result


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize(("ratio", "start"), [(0.7, 1.0), (0.85, 0.1), (1.4, 0.1)])
def test_prompts_counted_wrongly(ratio: float, charging: Charging, start: float) -> None:
    service = Service(USUAL, charging, start_level={"TPM": start})
    jobs = list(miscounted(workload(600), ratio))
    result = complete(World(jobs, service, config=configured(USUAL)))
    assert result.own_429s == 0, result
    assert result.util() >= 0.99, result


# --- the service changes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("prompt", True), ("prompt+cap", True)),
        (("prompt", True), ("expected", True)),
        (("prompt", True), ("prompt+cap", False)),
        (("expected", True), ("prompt+cap", True)),
        (("prompt+cap", True), ("prompt+cap", False)),
        (("prompt+cap", True), ("prompt", True)),
        (("prompt+cap", False), ("prompt", True)),
    ],
    ids=lambda rule: f"{rule[0]} {'refund' if rule[1] else 'kept'}",
)
@pytest.mark.parametrize("headers_at", ["admission", "end"])
def test_a_new_rule_is_noticed_within_ten_answers(
    before: tuple[Charging, bool],
    after: tuple[Charging, bool],
    headers_at: Literal["admission", "end"],
) -> None:
    changed_s = 200.0
    world = World(
        workload(600),
        Service(USUAL, *before, headers_at),
        config=configured(USUAL),
        events=[(changed_s, lambda world: world.change_rule(*after))],
    )
    result = complete(world)
    noticed_s = [sent.at_s for sent in result.sent if sent.at_s > changed_s][10] + 3.0
    assert [refused for refused in result.refused if refused.made_s > noticed_s] == []
    assert result.own_429s <= 10, result
    assert result.util() >= 0.98, result


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_new_limit_is_adopted(factor: float) -> None:
    changed_s, limit = 200.0, round(USUAL["TPM"] * factor)
    world = World(
        workload(600),
        Service(USUAL),
        config=configured(USUAL),
        events=[(changed_s, lambda world: world.change_limit("TPM", limit))],
    )
    result = complete(world)
    assert result.own_429s <= 10, result
    rest_s = result.last_admission_s - changed_s
    assert result.charged["TPM"] >= 0.98 * (limit + 500 * changed_s + limit / 60 * rest_s)


# --- others on the same account --------------------------------------------------------------


@pytest.mark.parametrize("charging", CHARGING)
@pytest.mark.parametrize("refund", [True, False], ids=["refund", "kept"])
@pytest.mark.parametrize("share", [0.17, 0.40])
def test_others_use_the_account_too(share: float, charging: Charging, refund: bool) -> None:
    world = World(
        workload(600),
        Service(USUAL, charging, refund),
        config=configured(USUAL),
        foreign=bites(share, 3_000.0),
    )
    result = complete(world)
    assert result.own_429s <= (15 if refund else 25), result  # of 600
    assert result.util() >= 0.97, result


def test_polite_leaves_others_more() -> None:
    results = {}
    for policy in ("greedy", "balanced", "polite"):
        world = World(
            workload(500),
            Service(USUAL),
            config=configured(USUAL),
            settings={"policy": policy},
            foreign=bites(0.4, 3_000.0),
        )
        results[policy] = complete(world)
    refused = {policy: result.foreign_refused for policy, result in results.items()}
    assert refused["polite"] <= refused["balanced"] <= refused["greedy"], refused
    assert refused["polite"] < refused["greedy"], refused


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("charging", CHARGING)
def test_a_refused_request_is_sent_again_after_the_named_wait_and_not_before(
    charging: Charging,
) -> None:
    # Just before it comes, somebody else has taken nearly everything.
    service, taken = Service(USUAL, charging), Bite(0.001, 29_800, 100)
    result = complete(
        World([Job(3_600, 10, 100)], service, config=configured(USUAL), foreign=[taken])
    )
    [refused] = result.refused
    wait_s = refused.error.retry_after
    assert wait_s is not None
    assert wait_s > 6.9
    assert refused.known_s + wait_s - 1e-6 <= result.sent[1].at_s <= refused.known_s + wait_s + 0.3


def test_nothing_is_sent_inside_an_announced_wait() -> None:
    limits = {"RPM": 37, "TPM": 10_000_000}
    result = complete(World(workload(100), Service(limits)))
    assert result.refused
    for refused in result.refused:
        again_s = refused.known_s + (refused.error.retry_after or 0.0) - 1e-6
        between = [sent for sent in result.sent if refused.known_s < sent.at_s < again_s]
        assert between == []


def test_a_refused_request_keeps_its_place() -> None:
    taken = Bite(0.001, 29_800, 100)
    jobs = [Job(600, 10, 100) for _ in range(5)]
    result = complete(World(jobs, Service(USUAL), config=configured(USUAL), foreign=[taken]))
    arrived = [sent.index for sent in result.sent]
    assert arrived[len(result.refused) :] == sorted(arrived[len(result.refused) :])


@pytest.mark.parametrize("cap", [None, 30_000])
def test_what_is_larger_than_the_bucket_is_never_sent(cap: int | None) -> None:
    oversize = Job(30_001 if cap is None else 100, 10, cap)
    jobs = [Job(100, 10, 20), oversize, Job(100, 10, 20)]
    result = World(jobs, Service(USUAL), config=configured(USUAL)).run()
    assert result.too_large == [1]
    assert result.delivered == [0, 2]
    assert [sent.index for sent in result.sent] == [0, 2]


def test_what_is_larger_than_an_unknown_bucket_is_sent_once() -> None:
    jobs = [Job(100, 10, 30_000), Job(100, 10, 30_000), Job(100, 10, 20), Job(100, 10, 30_000)]
    result = World(jobs, Service(USUAL)).run()
    assert sorted(result.too_large) == [0, 1, 3]
    assert [sent.index for sent in result.sent] == [0, 2]
    assert result.delivered == [2]


# --- scopes, and long waits ------------------------------------------------------------------


def test_a_model_is_not_held_up_by_another() -> None:
    limits = {"other": {"RPM": 5, "TPM": 1_000}}
    config = configured(USUAL) | configured({"RPM": 30, "TPM": 6_000}, "other")
    alone = complete(World(workload(200), Service(USUAL), config=config))
    jobs = workload(200) + workload(20, model="other", prompts=(100, 200), outputs=(20, 50))
    beside = complete(World(jobs, Service(USUAL), config=config, models=limits))
    assert [sent for sent in beside.sent if sent.model == MODEL] == alone.sent
    assert {refused.model for refused in beside.refused} <= {"other"}


def wait_of(world: World, demand: Any) -> Decision:
    answer = world.limiter.admit(world.limiter.scope(MODEL), demand)
    assert isinstance(answer, Decision)
    return answer


def test_the_wait_for_a_daily_limit_that_nobody_configured_is_told_exactly() -> None:
    limits = {**USUAL, "TPD": 200_000}
    job = Job(1_500, 100, 500)
    world = World([job], Service(limits, start_level={"TPD": 0.005}), config=configured(USUAL))
    [refused] = world.run(until_s=1.0).refused
    told_s = refused.error.retry_after or 0.0
    assert told_s == pytest.approx(1_000 / (200_000 / 86_400), abs=0.5)
    decision = wait_of(world, job.demand)
    assert (decision.dimension, decision.limit) == ("TPD", 200_000)
    assert decision.wait_s == pytest.approx(told_s - (world.now_s - refused.known_s), abs=0.5)
    result = world.run()
    assert (result.own_429s, result.delivered) == (1, [0])
    assert result.sent[1].at_s == pytest.approx(refused.known_s + told_s, abs=0.5)


def test_the_wait_for_a_configured_daily_limit_is_told_exactly() -> None:
    limits = {"RPM": 1_000, "TPM": 1_000_000, "TPD": 200_000}
    jobs = [Job(140_000, 10_000, 10_000), Job(90_000, 100, 10_000)]
    world = World(jobs, Service(limits), config=configured(limits))
    world.run(until_s=10.0)
    decision = wait_of(world, jobs[1].demand)
    assert decision.dimension == "TPD"
    assert decision.wait_s == pytest.approx(50_000 / (200_000 / 86_400), abs=15.0)
    result = world.run()
    assert (result.own_429s, result.delivered) == (0, [0, 1])
