"""Congestion control: what holds for any sequence, among many callers, and under many threads."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_congestion import (
    BROKEN,
    BUSY,
    CANCELLED,
    CUT_OFF,
    FLEX_FULL,
    KEY,
    REFUSED,
    SLOW,
    Control,
)
from helpers_properties import repeatable
from helpers_threads import switching_often, together
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat.congestion import Hold, Slot
from customgroqchat.exceptions import GroqError

# --- any sequence ------------------------------------------------------------------------------

errors = st.sampled_from([None, BUSY, BROKEN, FLEX_FULL, SLOW, CUT_OFF, REFUSED, CANCELLED])
steps = st.lists(
    st.one_of(
        st.just(("enter", None)),
        st.just(("enter", None)),
        st.tuples(st.just("done"), errors),
        st.tuples(st.just("done newest"), errors),
        st.tuples(st.just("pass"), st.floats(0, 3)),
    ),
    max_size=120,
)


class Journey:
    """Any sequence of steps, and what must hold after each."""

    def __init__(self, chance: float) -> None:
        self.control = Control()
        self.control.clock.chance = chance
        self.open: list[Slot] = []
        self.probes: list[Slot] = []  # on their way, since the breaker was last closed

    def take(self, kind: str, value: Any) -> None:
        if kind == "enter":
            self.enter()
        elif kind == "pass":
            self.control.clock.advance(value)
        elif self.open:
            self.end(self.open.pop(-1 if kind == "done newest" else 0), value)
        self.check()

    def enter(self) -> None:
        before = self.control.status(KEY)
        is_full = before["limit"] is not None and before["in_flight"] >= before["limit"]
        answer = self.control.enter(KEY)
        if isinstance(answer, Slot):
            self.open.append(answer)
        may_pass = {"closed": not is_full, "open": False, "half-open": not self.probes}
        assert isinstance(answer, Slot) == may_pass[before["breaker"]]
        if isinstance(answer, Hold):
            assert 0.0 < answer.wait_s <= (66.0 if before["breaker"] == "open" else 1.0)
        elif before["breaker"] == "half-open":
            self.probes.append(answer)

    def end(self, slot: Slot, error: BaseException | None) -> None:
        slot.done(error)
        slot.release()
        if slot in self.probes:
            self.probes.remove(slot)

    def check(self) -> None:
        status = self.control.status(KEY)
        assert status["in_flight"] == len(self.open)
        assert status["limit"] is None or status["limit"] >= 1
        if status["breaker"] == "closed":
            self.probes.clear()


@repeatable
@given(steps, st.floats(0, 1, exclude_max=True))
def test_what_holds_for_any_sequence(steps: list[tuple[str, Any]], chance: float) -> None:
    journey = Journey(chance)
    for kind, value in steps:
        journey.take(kind, value)
    for slot in journey.open:
        slot.release()
    assert journey.control.status(KEY)["in_flight"] == 0


# --- crowds, in virtual time ---------------------------------------------------------------------


class Attempt:
    """One request that was sent."""

    def __init__(self, begun_s: float, slot: Slot) -> None:
        self.begun_s = begun_s
        self.slot = slot
        self.ended_s = 0.0
        self.error: GroqError | None = None


class Service:
    """Works on ``capacity`` requests at a time, half a second to one and a half on each.

    Beyond that, and while it is down, it answers 503 after 50 ms; or, if it hangs then, never, and
    the client gives up after 10 s.
    """

    def __init__(self, capacity: float, down: tuple[float, float] = (0, 0), hangs: bool = False):
        self.capacity = capacity
        self.down_s, self.up_s = down
        self.hangs = hangs
        self.working = 0
        self.chance = random.Random(1)

    def take(self, attempt: Attempt) -> None:
        """Decide how it ends, and when."""
        begun_s = attempt.begun_s
        attempt.ended_s = begun_s + self.chance.uniform(0.5, 1.5)
        if begun_s < self.up_s and attempt.ended_s > self.down_s:
            noticed_s = max(begun_s, self.down_s) + 0.05
            attempt.error = SLOW if self.hangs else BUSY
            attempt.ended_s = begun_s + 10.0 if self.hangs else noticed_s
        elif self.working >= self.capacity:
            attempt.error, attempt.ended_s = BUSY, begun_s + 0.05
        self.working += attempt.error is None

    def ended(self, attempt: Attempt) -> None:
        self.working -= attempt.error is None


class Crowd:
    """Callers who ask again as soon as they have an answer, of whatever kind."""

    def __init__(self, callers: int, service: Service) -> None:
        self.waiting = callers
        self.service = service
        self.control = Control()
        self.control.clock.advance(-self.control.clock.monotonic())
        self.attempts: list[Attempt] = []
        self.limits: list[int | None] = []  # after each end
        self._events: list[tuple[float, int, Attempt | None]] = []
        self._serial = itertools.count()
        self._asks_s = 0.0  # when it asks again, the last time that it was told to wait

    def run(self, until_s: float) -> None:
        self.ask()
        while self._events[0][0] < until_s:
            due_s, _, attempt = heapq.heappop(self._events)
            self.control.clock.advance(due_s - self.control.clock.monotonic())
            if attempt is not None:
                self.end(attempt)
            if attempt is not None or due_s == self._asks_s:
                self.ask()

    def ask(self) -> None:
        """Send what may be sent, and come back when the first that may not is told to."""
        while self.waiting > 0:
            answer = self.control.enter(KEY)
            if isinstance(answer, Hold):
                self._asks_s = self.now() + answer.wait_s
                self._later(self._asks_s, None)
                break
            self.waiting -= 1
            attempt = Attempt(self.now(), answer)
            self.attempts.append(attempt)
            self.service.take(attempt)
            self._later(attempt.ended_s, attempt)

    def end(self, attempt: Attempt) -> None:
        self.service.ended(attempt)
        attempt.slot.done(attempt.error)
        self.waiting += 1
        self.limits.append(self.control.status(KEY)["limit"])

    def now(self) -> float:
        return self.control.clock.monotonic()

    def begun(self, from_s: float, to_s: float) -> list[Attempt]:
        return [attempt for attempt in self.attempts if from_s <= attempt.begun_s < to_s]

    def _later(self, due_s: float, attempt: Attempt | None) -> None:
        heapq.heappush(self._events, (due_s, next(self._serial), attempt))


def test_the_limit_settles_at_what_the_service_takes() -> None:
    crowd = Crowd(64, Service(capacity=8))
    crowd.run(1_000.0)
    assert set(crowd.limits[500:]) == {6, 7, 8, 9}
    answered = sum(attempt.error is None for attempt in crowd.begun(0.0, 999.0))
    assert answered >= 0.9 * 8 * 1_000.0  # at a second each
    assert answered / len(crowd.attempts) >= 0.93


def test_a_service_that_takes_more_again_is_used_more() -> None:
    crowd = Crowd(64, Service(capacity=8))
    crowd.run(100.0)
    crowd.service.capacity = 32
    crowd.run(400.0)
    assert set(crowd.limits[-2_000:]) <= set(range(23, 34))


def test_a_crowd_that_became_small_has_no_ceiling_in_the_end() -> None:
    crowd = Crowd(64, Service(capacity=8))
    crowd.run(100.0)
    crowd.waiting -= 60  # as many go away as soon as they have an answer
    crowd.run(400.0)
    assert crowd.limits[-1] is None
    assert crowd.attempts[-1].error is None


@pytest.mark.parametrize(("hangs", "probes"), [(False, 5), (True, 4)])
def test_an_outage_is_not_multiplied(hangs: bool, probes: int) -> None:
    crowd = Crowd(100, Service(float("inf"), (100.0, 160.0), hangs))
    crowd.run(300.0)
    during = crowd.begun(100.0, 160.0)
    assert sum(attempt.slot.is_probe for attempt in during) == probes
    assert len(during) <= 1.2 * 100 + probes

    first, *others = crowd.begun(160.0, 300.0)
    assert first.slot.is_probe
    assert first.begun_s < 160.0 + 32.0
    assert all(attempt.begun_s >= first.ended_s for attempt in others)
    assert all(attempt.error is None for attempt in others)
    assert len(crowd.begun(240.0, 260.0)) == pytest.approx(len(crowd.begun(50.0, 70.0)), rel=0.05)


# --- threads -------------------------------------------------------------------------------------

THREADS = 8


@pytest.fixture
def _switch_often() -> Iterator[None]:
    with switching_often():
        yield


class Inside:
    """How many threads have a slot at once; a thread counts for a little less long than it has."""

    def __init__(self, control: Control, rounds: int) -> None:
        self.control = control
        self.rounds = rounds
        self.slots: set[Slot] = set()
        self.sizes: set[int] = set()

    def visit(self) -> None:
        for _ in range(self.rounds):
            answer = self.control.enter(KEY)
            if isinstance(answer, Slot):
                self.slots.add(answer)
                self.sizes.add(len(self.slots))
                self.slots.remove(answer)
                answer.release()


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_threads_never_are_more_than_may_be() -> None:
    control = Control()
    for slot in [control.slot() for _ in range(5)]:
        slot.done(FLEX_FULL)
    inside = Inside(control, rounds=300)
    together(*[inside.visit] * THREADS)
    assert inside.sizes <= {1, 2, 3}
    assert control.status(KEY)["limit"] == 3
    assert control.status(KEY)["in_flight"] == 0


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_threads_probe_one_at_a_time() -> None:
    control = Control()
    control.fail()
    control.clock.advance(1.0)
    inside = Inside(control, rounds=300)
    together(*[inside.visit] * THREADS)
    assert inside.sizes == {1}
    assert control.slot().is_probe


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_every_end_counts_once_whoever_tells_it() -> None:
    control = Control()
    slots = [control.slot() for _ in range(200)]

    def end_all() -> None:
        for slot in slots[:-1]:
            slot.done(BROKEN)
            slot.release()

    together(*[end_all] * THREADS)
    assert control.status(KEY)["in_flight"] == 1


@pytest.mark.stress
@pytest.mark.usefixtures("_switch_often")
def test_threads_with_any_luck_leave_nothing_behind() -> None:
    control = Control()

    def work(seed: int) -> Callable[[], None]:
        chance = random.Random(seed)
        ends = [None, None, None, BUSY, BROKEN, FLEX_FULL, CANCELLED, REFUSED]

        def run() -> None:
            for _ in range(200):
                answer = control.enter(KEY)
                if isinstance(answer, Slot):
                    answer.done(chance.choice(ends))
                else:
                    control.clock.advance(answer.wait_s)
                assert control.status(KEY)["in_flight"] <= THREADS

        return run

    together(*[work(seed) for seed in range(THREADS)])
    assert control.status(KEY)["in_flight"] == 0
    assert not control._ended
