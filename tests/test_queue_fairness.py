"""QueueManager, frozen: tags share what there is, within a priority."""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Hashable
from typing import Any

import pytest
from helpers_queue import Bench

from customgroqchat.exceptions import InvalidRequestException
from customgroqchat.queue_manager import Again, Wait

HIGH, NORMAL, LOW = 1, 2, 3


class Line(Bench):
    """A bench with one worker, whose jobs are named by tag, number and size."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"max_workers": 1, "max_queue": 0, **settings})
        self.numbers = itertools.count()

    def add(
        self, tag: str | None, count: int = 1, tokens: float = 1.0, level: int = 2, **options: Any
    ) -> list[Any]:
        works = [(tag, next(self.numbers), tokens) for _ in range(count)]
        for work in works:
            self.submit(work, level=level, tag=tag, tokens=tokens, **options)
        return works

    def serve(self, count: int) -> str:
        """Have so many jobs done; return their tags."""
        before = len(self.started)
        for _ in range(count):
            self.manager.step()
            self.work(1)
        return "".join(tag or "-" for tag, _, _ in self.started[before:])

    def tokens(self, start: int = 0) -> Counter[Hashable]:
        """Return what the jobs that were started since cost, by tag."""
        spent: Counter[Hashable] = Counter()
        for tag, _, tokens in self.started[start:]:
            spent[tag] += tokens
        return spent


# --- sharing -------------------------------------------------------------------------------------


def test_a_few_of_one_tag_are_served_alternately_with_a_thousand_of_another() -> None:
    line = Line()
    line.add("A", 1_000)
    line.add("B", 10)
    assert line.serve(20) == "AB" * 10
    assert line.serve(5) == "A" * 5


def test_it_is_tokens_that_are_served_alternately() -> None:
    line = Line()
    line.add("A", 1_000, tokens=50.0)
    line.add("B", 10, tokens=500.0)
    assert line.serve(88) == "A" + ("B" + "A" * 10) * 7 + "B" + "A" * 9


def test_without_tags_nothing_is_shared() -> None:
    line = Line()
    sizes = [500.0, 1.0, 20.0, 7_000.0, 3.0]
    works = [work for size in sizes for work in line.add(None, 3, size)]
    line.serve(15)
    assert line.started == works


@pytest.mark.parametrize("ageing_s", [300.0, None])
def test_three_to_one_is_three_to_one_in_tokens_over_any_stretch(ageing_s: float | None) -> None:
    line = Line(ageing_s=ageing_s)
    chance = random.Random(5)
    for _ in range(1_500):
        line.add("three", tokens=float(chance.randint(1, 400)), weight=3.0)
        line.add("one", tokens=float(chance.choice([10, 1_000])))
    for _ in range(20):
        start = len(line.started)
        line.serve(60)
        spent = line.tokens(start)
        # At both ends of the stretch, up to a job of each.
        assert abs(spent["three"] - 3 * spent["one"]) <= 2 * (400 + 3 * 1_000)
    spent = line.tokens()
    assert spent["three"] / spent["one"] == pytest.approx(3.0, rel=0.02)


def test_each_level_and_each_lane_shares_for_itself() -> None:
    line = Line()
    line.add("A", 4, level=LOW)
    line.add("A", 4, level=HIGH)
    line.add("B", 2, level=HIGH)
    line.add("B", 2, level=LOW)
    assert line.serve(12) == "ABABAA" + "ABABAA"


def test_a_higher_priority_goes_first_whoever_has_had_much() -> None:
    line = Line()
    line.add("light", 5, level=NORMAL)
    line.add("heavy", 5, tokens=1_000.0, level=HIGH)
    assert line.serve(10) == "heavy" * 5 + "light" * 5


def test_a_low_priority_that_won_by_age_sends_who_has_waited() -> None:
    line = Line(ageing_s=10.0)
    line.add("A", 4, level=LOW)
    assert line.serve(1) == "A"
    line.clock.advance(5.0)
    line.add("B", 1, level=LOW)
    line.clock.advance(20.0)
    line.add("u", 2, level=HIGH)
    assert line.serve(6) == "AAABuu"


@pytest.mark.parametrize(("tokens", "weight"), [(-1.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_a_share_that_is_none_is_refused_before_anything_is_queued(
    tokens: float, weight: float
) -> None:
    bench = Bench()
    with pytest.raises(InvalidRequestException):
        bench.submit("job", tag="a", tokens=tokens, weight=weight)
    assert bench.manager.status()["queued"] == 0


# --- nobody starves ------------------------------------------------------------------------------


@pytest.mark.parametrize("arriving", [1, 2, 5])
def test_endless_arrivals_of_another_tag_do_not_starve_a_tag(arriving: int) -> None:
    """At most twice the largest job of the other is served before each one of its own."""
    line = Line(ageing_s=None)
    line.add("A", 20, tokens=100.0)
    waited = [0.0]
    while sum(tag == "A" for tag, _, _ in line.started) < 20:
        line.add("B", arriving, tokens=30.0)
        if line.serve(1) == "A":
            waited.append(0.0)
        else:
            waited[-1] += 30.0
            assert waited[-1] <= 200.0


def test_endless_new_tags_do_not_starve_a_tag() -> None:
    line = Line(ageing_s=None)
    line.add("A", 20, tokens=100.0)
    names = map(str, itertools.count())
    served = 0
    while sum(tag == "A" for tag, _, _ in line.started) < 20:
        line.add(next(names), tokens=100.0)
        line.serve(1)
        served += 1
        assert served < 1_000


# --- the head waits for quota --------------------------------------------------------------------


def test_a_big_job_at_the_head_is_never_overtaken_while_it_waits_for_quota() -> None:
    line = Line(ageing_s=None)
    line.add("A", tokens=100.0)
    (big,) = line.add("A", tokens=9_000.0)
    line.add("B", tokens=50.0)
    line.serve(2)
    line.waits[big] = Wait(60.0, "TPM")
    asked = len(line.asked)
    for number in range(200):
        line.manager.step()
        line.add(str(number), tokens=1.0)
        line.clock.advance(0.25)
    assert set(line.asked[asked:]) == {big}
    urgent = line.add("urgent", level=HIGH)
    line.serve(1)
    assert line.started[-1:] == urgent
    del line.waits[big]
    line.serve(1)
    assert line.started[-1] == big


# --- leaving and coming back ---------------------------------------------------------------------


@pytest.mark.parametrize("end", ["cancelled", "given up", "failed"])
def test_a_thousand_jobs_that_were_not_run_cost_their_tag_nothing(end: str) -> None:
    line = Line()
    line.add("B", 20)
    line.manager.step()  # the worker is busy
    if end == "failed":
        works = line.add("A", 1_000, tokens=500.0)
        line.waits.update(dict.fromkeys(works, ValueError("no")))
    else:
        line.add("A", 1_000, tokens=500.0, max_wait_s=5.0 if end == "given up" else None)
    if end == "cancelled":
        line.manager.cancel(tag="A")
    line.clock.advance(5.0)
    line.work(1)
    line.serve(2)  # those who fail do so in their turn
    assert line.manager.status()["queued"] == 17
    line.add("A", 10)
    assert line.serve(20) == "BA" * 10


def test_a_job_that_comes_back_has_its_old_place_and_pays_once() -> None:
    line = Line()
    (first,) = line.add("A", tokens=10.0)
    line.outcomes[first] = [Again(), Again(), Again(5.0), "done"]
    line.add("A", 2, tokens=10.0)
    line.add("B", 3, tokens=10.0)
    assert line.serve(3) == "AAA"
    assert line.serve(3) == "BAB"
    line.clock.advance(5.0)
    assert line.serve(3) == "AAB"
    assert line.started.count(first) == 4


# --- what it costs -------------------------------------------------------------------------------


def calls_for(count: int) -> int:
    """Return the calls of functions that it takes to serve jobs of a thousand tags."""
    calls = 0
    line = Line(max_workers=64)

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        for number in range(count):
            line.add(str(number % 1_000), tokens=1.0 + number % 7, level=number % 5)
        line.turn()
    finally:
        sys.setprofile(None)
    assert len(line.started) == count
    return calls


def test_ten_thousand_jobs_in_a_thousand_tags_take_time_in_proportion() -> None:
    assert calls_for(10_000) < 7 * calls_for(2_000)


def test_a_tag_for_each_request_leaves_nothing_behind() -> None:
    line = Line()
    for number in range(2_000):
        line.add(str(number), 1)
        line.serve(1)
    assert line.manager._waiting.lanes["lane"].levels == {}
