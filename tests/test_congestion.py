"""Congestion control: what it makes of the ends of requests, one by one, at a clock that stands."""

from __future__ import annotations

import inspect
import itertools
import weakref
from collections.abc import Callable
from types import CodeType
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
    UNREACHABLE,
    Control,
)
from helpers_interleaving import called_before_instruction

from customgroqchat import _process, congestion
from customgroqchat.congestion import CongestionControl, Hold, Outcome, Slot, verdict_on
from customgroqchat.exceptions import (
    APIResponseValidationError,
    APIStatusError,
    ClientClosedException,
    GroqError,
    InternalServerError,
    RateLimitError,
    RateLimitExceededException,
)


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def open_control(control: Control) -> Control:
    control.fail()
    return control


@pytest.fixture
def half_open(open_control: Control) -> Control:
    open_control.clock.advance(1.0)
    return open_control


def status_of(control: Control, *names: str) -> list[Any]:
    return [control.status(KEY)[name] for name in names]


# --- what an error means -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome", "counts"),
    [
        (None, Outcome.OK, False),
        (APIStatusError("moved", status_code=302), Outcome.OK, False),
        (REFUSED, Outcome.OK, False),
        (APIStatusError("too slow a request", status_code=408), Outcome.OK, False),
        (RateLimitError("no quota", status_code=429), Outcome.OK, False),
        (APIResponseValidationError("not JSON", status_code=200), Outcome.OK, False),
        (FLEX_FULL, Outcome.OVERLOADED, False),
        (BUSY, Outcome.OVERLOADED, True),
        (InternalServerError("overloaded", status_code=529), Outcome.OVERLOADED, True),
        (SLOW, Outcome.OVERLOADED, True),
        (UNREACHABLE, Outcome.FAILED, True),
        (CUT_OFF, Outcome.FAILED, True),
        (BROKEN, Outcome.FAILED, True),
        (InternalServerError("bad gateway", status_code=502), Outcome.FAILED, True),
        (CANCELLED, Outcome.NEUTRAL, False),
        (ClientClosedException("closed"), Outcome.NEUTRAL, False),
        (RateLimitExceededException("no quota in time"), Outcome.NEUTRAL, False),
        (ValueError("a fault of the caller's"), Outcome.NEUTRAL, False),
        (KeyboardInterrupt(), Outcome.NEUTRAL, False),
    ],
)
def test_what_an_error_tells(error: BaseException | None, outcome: Outcome, counts: bool) -> None:
    assert verdict_on(error) == (outcome, counts)


@pytest.mark.parametrize("error", [BUSY, SLOW, FLEX_FULL])
def test_overload_lowers_the_ceiling(control: Control, error: GroqError) -> None:
    slots = [control.slot() for _ in range(10)]
    slots[0].done(error)
    assert status_of(control, "limit", "in_flight") == [7, 9]


@pytest.mark.parametrize("error", [None, REFUSED, BROKEN, CUT_OFF, CANCELLED])
def test_nothing_else_does(control: Control, error: GroqError | None) -> None:
    slots = [control.slot() for _ in range(10)]
    slots[0].done(error)
    assert status_of(control, "limit", "in_flight") == [None, 9]


@pytest.mark.parametrize("error", [BUSY, SLOW, BROKEN, CUT_OFF, UNREACHABLE])
def test_failures_open_the_breaker(control: Control, error: GroqError) -> None:
    control.fail(5, error)
    assert control.status(KEY)["breaker"] == "open"


@pytest.mark.parametrize("error", [None, REFUSED, FLEX_FULL])
def test_answers_end_a_row_of_failures(control: Control, error: GroqError | None) -> None:
    control.fail(4)
    control.slot().done(error)
    assert control.status(KEY)["failures"] == 0


def test_no_number_of_refusals_opens_it(control: Control) -> None:
    control.fail(100, REFUSED)
    control.fail(100, FLEX_FULL)
    assert control.status(KEY)["breaker"] == "closed"


# --- a full house ------------------------------------------------------------------------------


def test_a_full_house_holds_until_somebody_leaves(control: Control) -> None:
    slots = [control.slot() for _ in range(10)]
    control.clock.advance(3.0)
    for slot in slots[:3]:
        slot.done(BUSY)
    hold = control.hold()
    assert hold.reason == "as many of its requests are in flight as it takes at present (7)"
    assert hold.wait_s == pytest.approx(3.0 / 7)
    slots[3].done(None)
    control.slot()
    control.hold()


def test_cancelled_requests_teach_no_latency(control: Control) -> None:
    slots = [control.slot() for _ in range(3)]
    slots[0].done(BUSY)
    control.clock.advance(0.8)
    slots[1].done(None)
    control.clock.advance(50.0)
    slots[2].done(CANCELLED)
    [control.slot(), control.slot()]
    assert control.hold().wait_s == pytest.approx(0.2 * 0.8 / 2)


def test_another_key_has_nothing_to_do_with_it(control: Control) -> None:
    control.slot().done(BUSY)
    control.slot()
    control.hold()
    control.slot(("https://api.groq.com/openai/v1", "other"))


# --- the breaker -------------------------------------------------------------------------------


def test_an_open_breaker_tells_why_and_how_long(open_control: Control) -> None:
    open_control.clock.advance(0.25)
    assert open_control.hold() == (
        0.75,
        "its circuit breaker is open after 5 failures in a row",
        False,
    )


def test_one_probe_passes_and_the_others_hold(half_open: Control) -> None:
    probe = half_open.slot()
    for _ in range(10):
        assert half_open.hold() == (
            1.0,
            "its circuit breaker is half-open, and a probe is under way",
            True,
        )
    probe.done(None)
    assert all(isinstance(half_open.enter(KEY), Slot) for _ in range(10))


def test_a_failed_probe_opens_it_for_longer(half_open: Control) -> None:
    half_open.slot().done(CUT_OFF)
    assert half_open.hold() == (
        2.0,
        "its circuit breaker is open after 6 failures in a row",
        False,
    )


def test_clients_do_not_probe_at_the_same_instant(control: Control) -> None:
    control.clock.chance = 0.5
    control.fail()
    assert control.hold().wait_s == pytest.approx(1.05)


@pytest.mark.parametrize("end", [Slot.release, lambda slot: slot.done(CANCELLED)])
def test_a_probe_that_was_never_sent_lets_the_next_one_go(
    half_open: Control, end: Callable[[Slot], None]
) -> None:
    end(half_open.slot())
    half_open.slot()
    half_open.hold()


def test_a_probe_that_is_refused_for_itself_closes_it(half_open: Control) -> None:
    half_open.slot().done(REFUSED)
    assert status_of(half_open, "breaker", "failures") == ["closed", 0]


def test_the_probe_passes_a_full_house(control: Control) -> None:
    stuck = [control.slot() for _ in range(20)]
    for slot in stuck[:5]:
        slot.done(SLOW)
    control.clock.advance(1.0)
    assert status_of(control, "limit", "in_flight") == [14, 15]
    control.slot().done(None)
    assert control.hold().reason.startswith("as many of its requests are in flight")


@pytest.mark.parametrize("error", [BUSY, FLEX_FULL])
def test_a_probe_does_not_lower_the_ceiling(control: Control, error: GroqError) -> None:
    for slot in [control.slot() for _ in range(10)]:
        slot.done(BUSY)
    control.clock.advance(1.0)
    control.slot().done(error)
    assert control.status(KEY)["limit"] == 7


# --- giving back -------------------------------------------------------------------------------


def test_the_first_end_counts(control: Control) -> None:
    slot, other = control.slot(), control.slot()
    slot.release()
    slot.done(BUSY)
    slot.done(BROKEN)
    slot.release()
    assert status_of(control, "in_flight", "limit", "failures") == [1, None, 0]
    other.done(None)


def test_what_ended_after_its_key_was_forgotten_does_nothing(control: Control) -> None:
    slot = control.slot()
    slot.done(None)
    slot.done(BUSY)
    control.slot()
    slot.done(BUSY)
    assert status_of(control, "in_flight", "limit") == [1, None]


def test_idle_healthy_keys_take_hardly_any_memory(control: Control) -> None:
    for key in range(1_000):
        control.slot(key).done(None)
        control.slot(key).release()
        control.status(key)
    assert len(control._states) <= 17


def test_idle_keys_that_are_not_healthy_are_remembered(control: Control) -> None:
    control.slot("busy").done(FLEX_FULL)
    control.slot("failed").done(BROKEN)
    assert control.status("busy")["limit"] == 1
    assert control.status("failed")["failures"] == 1
    control.slot("failed").done(None)
    for key in range(100):
        control.slot(key).done(None)
    assert control.status("busy")["limit"] == 1
    assert control.status("failed")["failures"] == 0


def test_the_status_of_an_unknown_key(control: Control) -> None:
    assert control.status("anything") == {
        "limit": None,
        "in_flight": 0,
        "breaker": "closed",
        "failures": 0,
        "opens_again_s": None,
    }


def test_the_status_tells_when_a_probe_may_pass(open_control: Control) -> None:
    assert status_of(open_control, "breaker", "opens_again_s") == ["open", 1.0]
    open_control.clock.advance(1.0)
    assert status_of(open_control, "breaker", "opens_again_s") == ["half-open", None]


def test_the_real_clock_is_the_default() -> None:
    control = CongestionControl()
    for _ in range(5):
        slot = control.enter(KEY)
        assert isinstance(slot, Slot)
        slot.done(BROKEN)
    hold = control.enter(KEY)
    assert isinstance(hold, Hold)
    assert 0.0 < hold.wait_s <= 1.1


# --- at any time -------------------------------------------------------------------------------

ACTS: dict[str, Callable[[Control, Slot], object]] = {
    "enter": lambda control, other: control.enter(KEY),
    "done": lambda control, other: other.done(None),
    "status": lambda control, other: control.status(KEY),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_slot_may_be_given_back_in_the_middle_of_anything(act: str) -> None:
    """By a finaliser, which the garbage collector may run on any thread, before any instruction."""

    def inside(code: CodeType) -> bool:
        return code.co_filename == inspect.getfile(congestion)

    for number in itertools.count():
        control = Control()
        slot, other = control.slot(), control.slot()
        with called_before_instruction(number, slot.release, inside) as calls:
            ACTS[act](control, other)
        if not calls:
            break
        assert not control._ended
        left = {"enter": 2, "done": 0, "status": 1}[act]
        assert control.status(KEY)["in_flight"] == left
    assert number > 50


def test_whoever_asks_next_knows_of_an_end_that_could_only_be_noted(control: Control) -> None:
    control.slot().done(FLEX_FULL)
    slot = control.slot()
    with control._lock:
        slot.release()
    slot = control.slot()
    with control._lock:
        slot.release()
    assert control.status(KEY)["in_flight"] == 0


# --- fork --------------------------------------------------------------------------------------


@pytest.fixture
def fork(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What happens in a forked child, to parts that are made from now on."""
    monkeypatch.setattr(_process, "_forked", weakref.WeakSet())
    return _process._after_fork


def test_nothing_is_in_flight_after_a_fork(fork: Callable[[], None]) -> None:
    control = Control()
    slots = [control.slot() for _ in range(10)]
    slots[0].done(BUSY)
    control._lock.acquire()  # by a thread that does not exist in the child
    slots[1].release()
    fork()
    assert not control._lock.locked()
    assert status_of(control, "in_flight", "limit", "failures") == [0, 7, 1]
    for slot in slots:
        slot.done(BROKEN)
    assert status_of(control, "in_flight", "limit", "failures") == [0, 7, 1]


def test_the_place_of_the_probe_is_free_after_a_fork(fork: Callable[[], None]) -> None:
    control = Control()
    control.fail()
    control.clock.advance(1.0)
    control.slot()
    fork()
    control.slot()
    control.hold()


def test_nothing_is_in_flight_in_a_fork(fork: Callable[[], None]) -> None:
    control = Control()
    control.slot()
    fork()
    assert status_of(control, "in_flight") == [0]
