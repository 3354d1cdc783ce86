"""Fair queueing, without lanes or a manager: who goes next among tags."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._fairness import Ahead, FairQueue, Share, share_of
from customgroqchat.exceptions import InvalidRequestException


@dataclass(eq=False)
class Job:
    """What the queue needs to know of a job."""

    serial: int
    share: Share
    rank: float = 0.0
    entry: int = 0
    start: float | None = None


class Line(FairQueue[Job]):
    """A fair queue that numbers its jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.serials = itertools.count()

    def submit(
        self, tag: str | None = None, tokens: float = 1.0, weight: float = 1.0, count: int = 1
    ) -> list[Job]:
        share = share_of(tag, tokens, weight)
        jobs = [Job(next(self.serials), share) for _ in range(count)]
        for job in jobs:
            self.add(job)
        return jobs

    def serve(self, count: int | None = None) -> list[Job]:
        """Let so many go, or all."""
        served: list[Job] = []
        while self.count if count is None else len(served) < count:
            served.append(self.head())
            self.leave(served[-1], goes=True)
        return served


def tags(jobs: list[Job]) -> str:
    return "".join(job.share.tag or "-" for job in jobs)


def tokens_by_tag(jobs: list[Job]) -> Counter[str | None]:
    tokens: Counter[str | None] = Counter()
    for job in jobs:
        tokens[job.share.tag] += job.share.tokens  # type: ignore[assignment]
    return tokens


# --- shares --------------------------------------------------------------------------------------


def test_whatever_a_job_costs_it_takes_a_turn() -> None:
    assert share_of("a", 0.0, 2.0) == ("a", 1.0, 2.0)
    assert share_of("a", 0.3, 2.0) == ("a", 1.0, 2.0)
    assert share_of("a", 700, 2.0) == ("a", 700, 2.0)


def test_jobs_without_a_tag_weigh_one() -> None:
    assert share_of(None, 5.0, 100.0) == (None, 5.0, 1.0)


@pytest.mark.parametrize(
    ("tokens", "weight", "field"),
    [
        (-1.0, 1.0, "tokens"),
        (math.inf, 1.0, "tokens"),
        (math.nan, 1.0, "tokens"),
        (1.0, 0.0, "weight"),
        (1.0, -2.0, "weight"),
        (1.0, math.inf, "weight"),
        (1.0, math.nan, "weight"),
    ],
)
def test_what_is_no_share_is_refused(tokens: float, weight: float, field: str) -> None:
    with pytest.raises(InvalidRequestException, match=field) as caught:
        share_of("a", tokens, weight)
    assert caught.value.field == field


# --- order ---------------------------------------------------------------------------------------


def test_one_tag_is_first_in_first_out() -> None:
    line = Line()
    line.submit("a", 5.0, count=3)
    line.submit("a", 1.0, count=3)
    assert [job.serial for job in line.serve()] == list(range(6))


def test_within_a_tag_the_rank_decides_and_then_the_number() -> None:
    line = Line()
    for serial, rank in enumerate([3.0, 1.0, 2.0, 1.0]):
        line.add(Job(serial, Share("a"), rank))
    assert [job.serial for job in line.serve()] == [1, 3, 2, 0]


def test_a_light_tag_does_not_wait_for_a_heavy_one() -> None:
    line = Line()
    line.submit("A", count=1_000)
    assert tags(line.serve(500)) == "A" * 500
    line.submit("B", count=10)
    assert tags(line.serve(24)) == "AB" * 10 + "AAAA"


def test_it_is_tokens_that_are_shared_and_not_jobs() -> None:
    line = Line()
    line.submit("A", 100.0, count=50)
    line.submit("b", 10.0, count=50)
    assert tags(line.serve(11)) == "A" + "b" * 10
    assert tags(line.serve(22)) == "A" + "b" * 10 + "A" + "b" * 10


def test_jobs_without_a_tag_are_one_flow() -> None:
    line = Line()
    line.submit(None, count=6)
    line.submit("a", count=3)
    assert tags(line.serve()) == "-a-a-a---"


def test_whoever_has_not_asked_has_nothing_in_hand() -> None:
    line = Line()
    line.submit("A", count=200)
    line.submit("B", count=1)
    line.serve(150)
    line.submit("B", count=50)
    assert tags(line.serve(20)).count("B") == 10


def test_the_newest_weight_of_a_tag_counts() -> None:
    line = Line()
    line.submit("a", count=100)
    line.submit("b", count=100)
    line.serve(20)
    line.submit("a", weight=3.0)
    assert tokens_by_tag(line.serve(40)) == {"a": 30, "b": 10}


sizes = st.integers(1, 500)


@repeatable
@given(
    st.lists(sizes, min_size=1, max_size=20),
    st.lists(sizes, min_size=1, max_size=20),
    st.sampled_from([(1.0, 1.0), (3.0, 1.0), (0.5, 8.0)]),
)
def test_tokens_go_by_weight_whatever_the_sizes(
    one: list[int], two: list[int], weights: tuple[float, float]
) -> None:
    """At every moment, and so over any stretch, up to one job of each."""
    line = Line()
    for tag, jobs, weight in (("a", one, weights[0]), ("b", two, weights[1])):
        for tokens in jobs * 20:
            line.submit(tag, float(tokens), weight)
    slack = max(one) / weights[0] + max(two) / weights[1]
    done: Counter[str | None] = Counter()
    waiting = Counter({"a": len(one) * 20, "b": len(two) * 20})
    while all(waiting.values()):
        (job,) = line.serve(1)
        waiting[str(job.share.tag)] -= 1
        done += tokens_by_tag([job])
        assert abs(done["a"] / weights[0] - done["b"] / weights[1]) <= slack + 1e-6


# --- leaving and coming back ---------------------------------------------------------------------


def test_who_leaves_without_having_gone_has_paid_nothing() -> None:
    line = Line()
    line.submit("B", count=20)
    cancelled = line.submit("A", 50.0, count=1_000)
    line.serve(2)
    for job in cancelled[1:]:  # the first has gone
        line.leave(job)
    line.submit("A", count=60)
    assert tags(line.serve(18)) == "B" * 18  # for the one that went
    line = Line()
    line.submit("B", count=20)
    for job in line.submit("A", 50.0, count=1_000):
        line.leave(job)
    line.submit("A", count=20)
    assert tags(line.serve(40)) == "BA" * 20


def test_who_comes_back_has_the_old_place_and_pays_once() -> None:
    line = Line()
    line.submit("A", 10.0, count=3)
    line.submit("B", 10.0, count=3)
    (first,) = line.serve(1)
    line.serve(2)
    line.add(first)
    assert line.head() is first
    for _ in range(3):
        line.leave(first, goes=True)
        line.add(first)
    assert tags(line.serve()) == "ABAB"


def test_who_comes_back_to_an_empty_queue_goes_before_those_who_came_since() -> None:
    line = Line()
    line.submit("A", 1_000.0, count=2)
    first = line.serve(2)[-1]
    fresh = Line()
    fresh.submit("C", count=3)
    fresh.serve(1)
    first.serial = -1  # it is older
    fresh.add(first)
    assert tags(fresh.serve()) == "ACC"


def test_a_tag_that_had_much_lets_others_have_as_much() -> None:
    line = Line()
    line.submit("A", 50.0)
    line.submit("B", 1.0, count=100)
    assert tags(line.serve(1)) == "A"
    line.submit("A", 1.0, count=5)  # nothing of it waited: that makes it no new tag
    assert tags(line.serve(52)) == "B" * 51 + "A"


@pytest.mark.parametrize("holds", [True, False])
def test_what_waits_to_go_is_passed_by_nobody_who_comes_later(holds: bool) -> None:
    line = Line()
    line.submit("A", 100.0)
    (big,) = line.submit("A", 900.0)
    line.submit("B", 50.0)
    line.serve(2)
    assert line.head() is big
    if holds:
        line.hold()
    (new,) = line.submit("new", 1.0)
    assert line.head() is (big if holds else new)


# --- nobody starves ------------------------------------------------------------------------------


def served_before(line: Line, job: Job, arrive: Any = lambda: None) -> list[Job]:
    """Serve until this job has gone, while others arrive."""
    served: list[Job] = []
    while (head := line.head()) is not job:
        assert len(served) < 10_000, "it starves"
        line.leave(head, goes=True)
        served.append(head)
        arrive()
    return served


def test_endless_new_tags_do_not_starve_one_that_had_its_turn() -> None:
    line = Line()
    line.submit("A", 100.0)
    (second,) = line.submit("A", 100.0)
    names = map(str, itertools.count())

    def arrive() -> None:
        line.submit(next(names), 100.0)

    arrive()
    assert len(served_before(line, second, arrive)) <= 8


@repeatable
@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), sizes, st.sampled_from([0.5, 1.0, 4.0])),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 40),
)
def test_a_new_tag_waits_for_at_most_twice_the_largest_job_of_each_other(
    jobs: list[tuple[str, int, float]], served: int
) -> None:
    line = Line()
    weights: dict[str | None, float] = {}
    for tag, tokens, _ in jobs:
        weights.setdefault(tag, next(w for t, _, w in jobs if t == tag))
        line.submit(tag, float(tokens), weights[tag])
    largest = max(tokens / weights[tag] for tag, tokens, _ in jobs)
    line.serve(min(served, line.count))
    (new,) = line.submit("new", 1.0)
    arrivals = itertools.cycle("abcde")

    def arrive() -> None:
        tag = next(arrivals)
        line.submit(tag, 1.0, weights.get(tag, 1.0))

    before = tokens_by_tag(served_before(line, new, arrive))
    for name, tokens in before.items():
        assert tokens <= 2.0 * largest * weights.get(name, 1.0) + 1e-6


# --- against a plain model -----------------------------------------------------------------------


class Model:
    """The same order, said plainly: everything is looked at each time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[Job] = []
        self.stands: dict[str | None, float] = {}
        self.weights: dict[str | None, float] = {}

    def start(self, job: Job) -> float:
        return self.stands[job.share.tag] if job.start is None else job.start

    def first_of(self, tag: str | None) -> Job | None:
        own = [job for job in self.waiting if job.share.tag == tag]
        return min(own, key=lambda job: (job.rank, job.serial), default=None)

    def head(self) -> Job | None:
        firsts = [job for tag in self.stands if (job := self.first_of(tag))]
        return min(firsts, key=lambda job: (self.start(job), job.rank, job.serial), default=None)

    def add(self, job: Job) -> None:
        self.stands.setdefault(job.share.tag, self.now)
        self.weights[job.share.tag] = job.share.weight
        if job.start is not None:
            job.start = min(job.start, self.now)
        self.waiting.append(job)

    def leave(self, job: Job, goes: bool) -> None:
        if goes and job.start is None:
            self.hold()
            job.start = self.stands[job.share.tag]
            self.stands[job.share.tag] += job.share.tokens / job.share.weight
            self.move_on(
                self.now + job.share.tokens / sum(self.weights[tag] for tag in self.stands)
            )
        self.waiting.remove(job)
        self.move_on(self.now)

    def hold(self) -> None:
        if (head := self.head()) is not None:
            self.move_on(max(self.now, self.start(head)))

    def move_on(self, now: float) -> None:
        self.now = now
        for tag, stands in list(self.stands.items()):
            if stands <= now and self.first_of(tag) is None:
                del self.stands[tag]


moves = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(["a", "b", "c", None]), sizes),
    st.tuples(st.just("serve"), st.none(), st.none()),
    st.tuples(st.sampled_from(["cancel", "return", "hold"]), st.none(), st.integers(0, 99)),
)
WEIGHTS = {"a": 2.0, "b": 1.0, "c": 4.0, None: 1.0}


@repeatable
@given(st.lists(moves, max_size=120))
def test_it_does_what_a_plain_model_does(script: list[tuple[str, Any, Any]]) -> None:
    line, model = Line(), Model()
    gone: list[Job] = []
    for move, tag, number in script:
        if move == "submit":
            # Powers of two: both add up to the same, in whatever order.
            job = Job(next(line.serials), Share(tag, 2.0 ** (number % 9), WEIGHTS[tag]))
            twin = Job(job.serial, job.share)
            line.add(job)
            model.add(twin)
        elif move == "return" and gone:
            job = gone.pop(number % len(gone))
            twin = Job(job.serial, job.share, start=job.start)
            line.add(job)
            model.add(twin)
        elif move == "hold" and line.count:
            line.hold()
            model.hold()
        elif move in ("serve", "cancel") and line.count:
            twin = model.waiting[(number or 0) % len(model.waiting)]
            if move == "serve":
                twin = model.head()  # type: ignore[assignment]
            job = waiting_job(line, twin.serial)
            line.leave(job, goes=move == "serve")
            model.leave(twin, goes=move == "serve")
            if move == "serve":
                gone.append(job)
        check(line, model)


def waiting_job(line: Line, serial: int) -> Job:
    entries = [entry for flow in line._flows.values() for entry in flow._jobs]
    return next(job for _, number, entry, job in entries if number == serial == job.serial)


def check(line: Line, model: Model) -> None:
    assert line.count == len(model.waiting)
    assert line.tokens == sum(job.share.tokens for job in model.waiting)
    assert line.now == pytest.approx(model.now)
    for tag, flow in line._flows.items():
        unpaid = [job for job in model.waiting if job.share.tag == tag and job.start is None]
        assert flow.unpaid == sum(job.share.tokens for job in unpaid)
    head = model.head()
    if head is not None:
        assert line.head().serial == head.serial


# --- ahead ---------------------------------------------------------------------------------------


def test_nothing_is_ahead_in_an_empty_queue() -> None:
    assert Line().ahead_of("a") == Ahead(0, 0.0)


def test_all_of_its_own_tag_is_ahead() -> None:
    line = Line()
    line.submit("a", 7.0, count=3)
    assert line.ahead_of("a") == Ahead(3, 21.0)


def test_of_a_heavy_tag_only_what_goes_first_is_ahead() -> None:
    line = Line()
    line.submit("A", 10.0, count=1_000)
    line.serve(100)
    assert line.ahead_of("new") == Ahead(1, 10.0)
    line.submit("b", 10.0, count=5)
    assert line.ahead_of("b") == Ahead(5 + 5, 50.0 + 50.0)
    line.submit("c", 10.0, weight=2.0, count=6)
    assert line.ahead_of("c") == Ahead(6 + 3 + 3, 60.0 + 60.0)


def test_of_jobs_that_came_back_just_themselves_are_ahead() -> None:
    line = Line()
    small = line.submit("A", 5.0, count=2)
    line.submit("A", 500.0, count=2)
    line.submit("b", 10.0, count=200)
    while line.count > 180:
        line.serve(1)
    for job in [*small, Job(-1, Share("b", 10.0), start=0.0)]:
        line.add(job)
    # The last of A starts at 510, and the next of b at 210; now is in between.
    assert line.ahead_of("new").tokens == 10.0 + 10.0 + (line.now - 210.0)
    assert line.ahead_of("b").tokens == 510.0 + 1_800.0
    assert line.ahead_of("A").tokens == 510.0 + 10.0 + (510.0 + 500.0 - 210.0)


def test_never_more_of_a_tag_is_ahead_than_it_has() -> None:
    line = Line()
    line.submit("a", 10.0, count=2)
    line.submit("b", 10.0, count=50)
    assert line.ahead_of("b") == Ahead(52, 520.0)


@repeatable
@given(
    st.lists(st.tuples(st.sampled_from("abc"), sizes), max_size=60),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from("abcd"),
)
def test_as_many_tokens_go_first_as_are_said_to_be_ahead_or_more(
    jobs: list[tuple[str, int]], served: int, cancelled: int, tag: str
) -> None:
    line = Line()
    waiting = [line.submit(name, float(size), WEIGHTS.get(name, 1.0))[0] for name, size in jobs]
    gone = line.serve(min(served, line.count))
    left = [job for job in waiting if job.start is None]
    for job in left[: min(cancelled, len(left) // 2)]:
        line.leave(job)
    for job in gone[::3]:
        line.add(job)
    told = line.ahead_of(tag)
    (new,) = line.submit(tag, 1.0, WEIGHTS.get(tag, 1.0))
    before = served_before(line, new)
    assert told.tokens <= sum(job.share.tokens for job in before) + 1e-6
    assert (told.jobs > 0) == bool(before)


# --- what it costs -------------------------------------------------------------------------------


def test_a_tag_for_each_request_leaves_nothing_behind() -> None:
    line = Line()
    line.submit("A", count=10)
    for number in range(5_000):
        line.submit(str(number), 1.0)
        line.serve(1)
        assert len(line._flows) <= 32  # ten of which wait
        assert places(line) <= 96


def test_tags_that_come_and_are_cancelled_leave_nothing_behind() -> None:
    line = Line()
    line.submit("A")
    for number in range(5_000):
        (job,) = line.submit(str(number % 7))
        line.leave(job)
    assert len(line._flows) == 1
    assert places(line) <= 64


def test_those_who_left_are_not_kept() -> None:
    line = Line()
    jobs = line.submit("A", count=1_000) + line.submit("B", count=1_000)
    random.Random(1).shuffle(jobs)
    while jobs:
        line.leave(jobs.pop())
        held = sum(len(flow._jobs) for flow in line._flows.values())
        assert held <= 2 * len(jobs)


def places(line: Line) -> int:
    return len(line._heads) + len(line._idle)


@pytest.mark.parametrize("count_of_tags", [1, 1_000])
def test_ten_thousand_jobs_take_time_in_proportion(count_of_tags: int) -> None:
    """Counted in calls of functions, for time is not to be trusted on a shared machine."""
    calls = {count: calls_for(count, count_of_tags) for count in (1_000, 10_000)}
    assert calls[10_000] < 13 * calls[1_000]


def calls_for(count: int, count_of_tags: int) -> int:
    line = Line()
    calls = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        for number in range(count):
            line.submit(str(number % count_of_tags), 1.0 + number % 7)
        line.serve()
    finally:
        sys.setprofile(None)
    return calls


def test_weights_of_any_size_break_nothing() -> None:
    line = Line()
    line.submit("heavy", 1e6, weight=1e-300)
    line.submit("light", 1.0, weight=1e300)
    line.submit("plain", 1.0, count=5)
    line.submit("heavy", 1e6, weight=1e-300, count=3)
    assert len(line.serve()) == 10
    line.submit("plain", 1.0, count=2)
    line.ahead_of("plain")
    assert len(line.serve()) == 2
