"""Which rule the service charges by, found out from what its answers say."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._calls import Call, Calls
from customgroqchat._charging import RULES, Rule
from customgroqchat._rule_learner import RuleLearner

LIMIT, RATE = 12_000, 200.0
EXPECTED = 400  # the longest answer of late, as both sides see it

numbers = st.sampled_from(range(len(RULES)))


class Job(NamedTuple):
    """A request: when it is sent, how long each part of its way takes, and its tokens."""

    sent_s: float
    way_s: float
    works_s: float
    back_s: float
    prompt: int
    output: int
    cap: int | None
    counted: int
    fate: str = "answered"


class Service:
    """A bucket that is charged by one rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.used, self.at = rule, 0.0, 0.0

    def admit(self, job: Job, now: float) -> float:
        """Charge a request; return what is in use then."""
        return self._charge(self.rule.charge(job.prompt, job.cap, EXPECTED), now)

    def answer(self, job: Job, now: float) -> float:
        """Charge what it took in the end instead; return what is in use then."""
        charged = self.rule.charge(job.prompt, job.cap, EXPECTED)
        final = self.rule.final(charged, job.prompt + job.output)
        return self._charge(final - charged, now)

    def _charge(self, amount: float, now: float) -> float:
        self.used = max(0.0, self.used - (now - self.at) * RATE) + amount
        self.at = now
        return self.used


class Client:
    """A learner, and the calls that it learns from."""

    def __init__(self) -> None:
        self.learner, self.calls = RuleLearner(), Calls()
        self.learner.resize(LIMIT, LIMIT / RATE, 0.0)
        self.serial = itertools.count(1)

    def send(self, job: Job) -> Call:
        call = Call(next(self.serial), {"TPM": self._reserved(job)}, job.sent_s)
        call.prompt, call.prompt_at_least = job.counted, min(job.counted, job.prompt)
        call.cap, call.expected = job.cap, EXPECTED
        self.learner.sent(call)
        self.calls.begin(call)
        return call

    def end(self, call: Call, job: Job, now: float) -> None:
        self.calls.end(call, now)
        call.released = job.fate == "released"
        if job.fate == "answered":
            call.used = float(job.prompt + job.output)
            call.miscounted = float(job.counted - job.prompt)
        self.learner.ended(call, now, released=call.released)

    def hear(self, call: Call, used: float, now: float) -> None:
        self.learner.told(call, float(int(used)), self.calls, now)
        self.calls.tidy()

    def _reserved(self, job: Job) -> float:
        return float(job.counted + (EXPECTED if job.cap is None else job.cap))


class Answer(NamedTuple):
    call: Call
    job: Job
    used: float  # as it says
    now: float


def exchanged(client: Client, service: Service, jobs: list[Job]) -> Iterator[Answer]:
    """Send jobs, and yield their answers at the instants when they are known and settled."""
    told: dict[int, float] = {}
    calls: dict[int, Call] = {}
    steps = [(job.sent_s, index, "send") for index, job in enumerate(jobs)]
    heapq.heapify(steps)
    while steps:
        now, index, step = heapq.heappop(steps)
        job = jobs[index]
        after = {"send": ("admit", job.way_s), "admit": ("answer", job.works_s)}
        if step == "send":
            calls[index] = client.send(job)
        elif step == "admit" and job.fate != "released":
            told[index] = service.admit(job, now)
        elif step == "answer" and job.fate != "released":
            at_end = service.answer(job, now)
            told[index] = at_end if service.rule.headers_at == "end" else told[index]
        elif step == "know":
            client.end(calls[index], job, now)
            if job.fate == "answered":
                yield Answer(calls[index], job, told[index], now)
        if step != "know":
            following, delay_s = after.get(step, ("know", job.back_s))
            heapq.heappush(steps, (now + delay_s, index, following))


def one_by_one(count: int, *, seed: int = 1, start_s: float = 0.0, caps: bool = True) -> list[Job]:
    """Jobs of which each is answered before the next is sent; the first is a large one."""
    chance = random.Random(seed)
    jobs = [Job(start_s, 0.02, 1.0, 0.02, 10_000 if not start_s else 300, 100, 300, 0)]
    jobs[0] = jobs[0]._replace(counted=jobs[0].prompt)
    for number in range(1, count):
        prompt, output = chance.randint(100, 900), chance.randint(20, 150)
        cap = chance.choice((160, 300, 600)) if caps else None
        works_s = chance.uniform(0.2, 1.8)
        jobs.append(Job(start_s + 2.0 * number, 0.02, works_s, 0.02, prompt, output, cap, prompt))
    return jobs


def teach(client: Client, rule: Rule, jobs: list[Job], service: Service | None = None) -> Service:
    service = service or Service(rule)
    service.rule = rule
    for answer in exchanged(client, service, jobs):
        client.hear(answer.call, answer.used, answer.now)
    return service


# --- what it finds out ---------------------------------------------------------------------------


def test_in_the_beginning_the_most_cautious_rule_is_in_force_and_all_are_possible() -> None:
    learner = RuleLearner()
    assert (learner.rule, learner.number, learner.is_new) == (RULES[0], 0, True)
    assert {rule.charges for rule in learner.possible_rules()} == {
        "prompt+cap",
        "expected",
        "prompt",
    }
    assert learner.plausible() == list(range(len(RULES)))


# In headers that tell of the end, how it was charged before shows only if it is not given back.
SHOWN = [rule for rule in RULES if rule.headers_at == "admission" or not rule.refunds]


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: "-".join(map(str, rule)))
def test_each_rule_is_found(rule: Rule) -> None:
    client = Client()
    teach(client, rule, one_by_one(60))
    assert client.learner.rule == rule
    assert not client.learner.is_new
    assert client.learner.plausible() == [client.learner.number]
    assert {found.charges for found in client.learner.possible_rules()} == {rule.charges}


def test_a_rule_that_shows_only_in_what_is_given_back() -> None:
    client = Client()
    teach(client, Rule("expected", True, "end"), one_by_one(60))
    rule = client.learner.rule
    assert (rule.refunds, rule.headers_at) == (True, "end")


def test_without_caps_all_that_charges_less_is_the_same() -> None:
    client = Client()
    teach(client, Rule("prompt", True, "admission"), one_by_one(60, caps=False))
    assert client.learner.rule.charge(100, None, EXPECTED) == 101


@pytest.mark.parametrize(
    ("before", "after"), [(1, 2), (2, 8), (8, 0), (0, 8), (6, 8), (8, 3), (2, 6)]
)
def test_it_is_noticed_when_the_service_changes(before: int, after: int) -> None:
    client = Client()
    service = teach(client, RULES[before], one_by_one(60))
    later = one_by_one(60, seed=2, start_s=200.0)
    teach(client, RULES[after], later, service)
    found = client.learner.rule
    if RULES[after] in SHOWN:
        assert found == RULES[after]
    else:
        assert (found.refunds, found.headers_at) == (True, "end")


def test_others_on_the_account_do_not_change_the_rule() -> None:
    client, service = Client(), Service(RULES[2])
    teach(client, RULES[2], one_by_one(60), service)
    for number, answer in enumerate(
        exchanged(client, service, one_by_one(60, seed=3, start_s=200.0))
    ):
        service.used += 400.0 * (number % 5 == 0)
        client.hear(answer.call, answer.used, answer.now)
    assert client.learner.rule == RULES[2]


def test_the_price_of_a_refused_request_shows_what_is_charged() -> None:
    client = Client()
    for number in range(5):
        call = client.send(Job(float(number), 0, 0, 0, 500, 0, 4_000, 500))
        client.learner.priced(call, 900.0, client.calls)
        client.calls.end(call, number + 0.5)
        client.learner.ended(call, number + 0.5, released=True)
    assert client.learner.rule.charges == "expected"


def test_a_price_that_only_the_margin_of_the_count_explains_shows_nothing_else() -> None:
    client = Client()
    call = client.send(Job(0.0, 0, 0, 0, 900, 0, 100, 1_000))
    for _ in range(5):
        client.learner.priced(call, 1_000.0, client.calls)  # 900 and the cap
    assert client.learner.rule.charges == "prompt+cap"


# --- how much more is set aside than it charges --------------------------------------------------


def test_what_is_held_is_what_is_set_aside_less_what_is_charged() -> None:
    client = Client()
    first = client.send(Job(0.0, 0, 0, 0, 500, 0, 1_000, 500))
    client.send(Job(0.0, 0, 0, 0, 500, 0, None, 500))
    held = [client.learner.held(number) for number in (0, 4, 8)]
    assert held == [399, 600, 1_398]  # with prompt and cap, as expected, and the prompt alone
    client.calls.end(first, 1.0)
    client.learner.ended(first, 1.0, released=True)
    assert [client.learner.held(number) for number in (0, 4, 8)] == [399, 0, 399]


# --- what follows from an answer -----------------------------------------------------------------

short = st.floats(0, 0.1)
jobs = st.lists(
    st.builds(
        lambda gap_s, way_s, works_s, back_s, prompt, output, cap, ratio, fate: Job(
            gap_s,
            way_s,
            works_s if fate != "released" else 0.0,  # who is refused knows at once
            back_s,
            prompt,
            output,
            cap,
            round(prompt * ratio),
            fate,
        ),
        st.floats(0, 1),
        short,
        st.floats(0.2, 3),
        short,
        st.integers(100, 2_000),
        st.integers(1, 100),
        st.none() | st.integers(100, 1_000),
        st.sampled_from([1.0, 1.1, 1.25]),
        st.sampled_from(["answered"] * 4 + ["released", "kept"]),
    ),
    min_size=1,
    max_size=25,
)


@repeatable
@given(numbers, jobs)
def test_the_true_rule_explains_every_answer(number: int, gaps: list[Job]) -> None:
    """Whatever was on its way, and in whatever order it came."""
    at_s, sent = 2.0, [Job(0.0, 0.0, 0.5, 0.0, 80_000, 1, 1, 80_000)]
    for job in gaps:
        at_s += job.sent_s
        sent.append(job._replace(sent_s=at_s))
    client, service = Client(), Service(RULES[number])
    kept = any(job.fate == "kept" for job in sent)
    for call, _, used, now in exchanged(client, service, sent):
        told = float(int(used) + (used > int(used)))  # what remains is rounded down
        lowest, highest = client.learner.error(call, number, told, None, client.calls, now)
        if not kept:  # of whose end nothing is known
            assert lowest <= 1e-3
            assert highest >= -1e-3
        client.learner.told(call, told, client.calls, now)
        client.calls.tidy()


def test_what_was_sent_before_the_service_changed_tells_nothing_of_the_other_rules() -> None:
    """While one rule explains everything the others are not followed, until it does no more."""
    client = Client()
    service = teach(client, RULES[2], one_by_one(60))
    sent = [
        Job(200.0 + 0.1 * number, 0.02, 1.0 + 0.3 * number, 0.02, 500, 50, 600, 500)
        for number in range(8)
    ]
    for answer in exchanged(client, service, sent):
        client.hear(answer.call, answer.used - 3_000.0, answer.now)  # somebody gave up a lot
    teach(client, RULES[2], one_by_one(60, seed=2, start_s=220.0), service)
    assert client.learner.rule == RULES[2]
    assert client.learner.held(client.learner.number) == 0.0
