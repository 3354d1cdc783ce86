"""What is known of one account and model."""

from __future__ import annotations

import pytest

from customgroqchat._bucket import Mark
from customgroqchat._calls import Call
from customgroqchat._pricing import Demand, Usage
from customgroqchat._scope_state import ScopeState

NOW = 1_000.0


class Opened:
    """A state, with requests that are sent and ended at stated seconds."""

    def __init__(self) -> None:
        self.state = ScopeState(first_guess=500)
        self.serial = 0

    def send(self, after_s: float = 0.0, **facts: float | str | dict[str, float]) -> Call:
        self.serial += 1
        call = Call(self.serial, {"TPM": 100.0}, NOW + after_s)
        for name, fact in facts.items():
            setattr(call, name, fact)
        self.state.begin(call)
        return call


@pytest.fixture
def opened() -> Opened:
    return Opened()


# --- the first request ---------------------------------------------------------------------------


def test_one_goes_ahead_and_more_in_each_second_that_nothing_is_heard(opened: Opened) -> None:
    state = opened.state
    assert state.start_wait_s(NOW) == 0.0
    allowed = []
    for second in range(5):
        while not state.start_wait_s(NOW + second):
            opened.send(second)
        assert state.start_wait_s(NOW + second + 0.25) == pytest.approx(0.75)
        allowed.append(len(state.calls.open))
    assert allowed == [1, 2, 4, 8, 16]


def test_when_something_was_heard_nobody_waits(opened: Opened) -> None:
    opened.send()
    opened.state.heard = True
    assert opened.state.start_wait_s(NOW) == 0.0


def test_the_time_begins_anew_with_the_next_who_goes_alone(opened: Opened) -> None:
    opened.state.end(opened.send(), NOW + 30.0)
    opened.send(30.0)
    assert opened.state.start_wait_s(NOW + 30.5) == pytest.approx(0.5)


# --- limits that are tried -----------------------------------------------------------------------


def test_one_at_a_time_tries_a_limit_and_more_if_its_answer_takes_long(opened: Opened) -> None:
    state = opened.state
    assert state.may_probe("RPM", NOW)
    first = opened.send(probe="RPM")
    assert not state.may_probe("RPM", NOW + 0.9)
    assert state.may_probe("TPD", NOW)
    assert state.may_probe("RPM", NOW + 1.0)
    opened.send(1.0, probe="RPM")
    assert not state.may_probe("RPM", NOW + 1.9)
    state.end(first, NOW + 1.9)
    assert not state.may_probe("RPM", NOW + 1.9)


def test_what_passed_is_proven(opened: Opened) -> None:
    state = opened.state
    assert state.unproven() == 0.0
    state.rungs = {"RPM": 60}
    blind = 60 - state.unproven()
    assert 0 < blind < 60, "a few are sent at once without knowing"
    call = opened.send(marks={"RPM": Mark(25.0, 0, 0, 0), "TPM": Mark(9_000.0, 0, 0, 0)})
    state.passed(call)
    assert state.unproven() == 60 - 25 - blind
    state.passed(opened.send(marks={"RPM": Mark(3.0, 0, 0, 0)}))
    state.passed(opened.send())
    assert state.unproven() == 60 - 25 - blind
    state.passed(opened.send(marks={"RPM": Mark(60.0, 0, 0, 0)}))
    assert state.unproven() == 0.0
    assert state.proven == {"RPM": 60.0}


@pytest.mark.parametrize(
    ("sent_s", "limit", "now_s", "used"),
    [
        ([], 60, 100, 0),
        ([0], 60, 0, 1),
        ([0, 0, 0], 60, 0, 3),
        ([0, 0, 0], 60, 2, 1),
        ([0, 0, 0], 60, 1_000, 0),
        ([0, 500, 500], 60, 500, 2),  # what flowed back long ago is not there twice
        ([0, 0, 1, 1], 60, 2, 2),
        ([0, 0, 1, 1], 30, 2, 3),
    ],
)
def test_what_would_be_in_use_of_another_limit(
    opened: Opened, sent_s: list[float], limit: int, now_s: float, used: float
) -> None:
    for after_s in sent_s:
        opened.send(after_s)
    assert opened.state.requests_used(limit, NOW + now_s) == pytest.approx(used)


# --- what is on its way --------------------------------------------------------------------------


def test_what_is_on_its_way_will_give_something_back(opened: Opened) -> None:
    state = opened.state
    assert state.relief(30.0, hopeful=False) == 0.0
    first = opened.send(prompt=40)
    opened.send(prompt=90)
    assert state.relief(30.0, hopeful=False) == 140.0
    assert state.relief(0.0, hopeful=False) == 0.0
    assert state.relief(0.0, hopeful=True) == 70.0
    assert state.end(first, NOW + 1.0)
    assert not state.end(first, NOW + 2.0)
    assert state.relief(0.0, hopeful=True) == 10.0


def test_room_is_left_for_answers_that_are_charged_when_they_end(opened: Opened) -> None:
    state = opened.state
    opened.send()
    assert state.held_for_answers() == 0.0
    opened.send(later=200.0)
    assert state.held_for_answers() == 200.0
    for _ in range(19):
        opened.send(later=100.0)
    state.answered_after(0.1)
    assert state.held_for_answers() == 200.0 + 19 * 100.0, "all of them may end in no time"
    state.answered_after(20.0)
    assert 200.0 < state.held_for_answers() < 400.0, "of answers that take long few end at once"


def test_a_long_delay_is_believed_at_once_and_a_short_one_little_by_little(opened: Opened) -> None:
    state = opened.state
    state.answered_after(2.0)
    assert state.blind_s == 2.0
    state.answered_after(1.0)
    assert state.blind_s == pytest.approx(1.8)
    state.answered_after(5.0)
    assert state.blind_s == 5.0


def test_costs_are_those_of_the_dearest_rule_that_is_possible(opened: Opened) -> None:
    assert opened.state.costs(Demand(100, 900))["TPM"] == 1_000
    for _ in range(8):
        opened.state.pricing.learn(Demand(100), Usage(100, 50))
    assert opened.state.costs(Demand(100))["TPM"] == 150


def test_others_are_known_by_dimension(opened: Opened) -> None:
    assert not opened.state.is_shared("TPM", NOW)
    opened.state.saw_others("TPM", 500.0, NOW)
    assert opened.state.is_shared("TPM", NOW)
    assert not opened.state.is_shared("RPD", NOW)
    assert not opened.state.is_shared("TPM", NOW + 3_600.0)
