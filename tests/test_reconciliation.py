"""What an answer or a refusal says about the levels of buckets."""

from __future__ import annotations

import math

import pytest

from customgroqchat._bucket import Bucket, Mark
from customgroqchat._calls import Call
from customgroqchat._charging import RULES
from customgroqchat._headers import HeaderLimit
from customgroqchat._limits import KnownLimit
from customgroqchat._reconciliation import (
    Correction,
    from_headers,
    from_refusal,
    in_use,
    most_left,
)
from customgroqchat._scope_state import ScopeState

LIMITS = {"TPM": 6_000, "RPD": 1_000, "RPM": 60}
RATE = 100.0  # tokens a second


class Scene:
    """A scope whose requests cost the same by every rule: a prompt of 199, and one token."""

    def __init__(self) -> None:
        self.state = ScopeState(first_guess=500)
        self.state.limits = {name: KnownLimit(n, "server") for name, n in LIMITS.items()}
        self.state.learner.resize(6_000, 60.0, 0.0)
        windows = {"TPM": 60.0, "RPD": 86_400.0, "RPM": 60.0}
        self.buckets = {name: Bucket(n, windows[name], 0.0) for name, n in LIMITS.items()}
        self.serial = 0

    def send(self, at_s: float) -> Call:
        self.serial += 1
        costs = {"TPM": 200.0, "RPD": 1.0, "RPM": 1.0}
        call = Call(self.serial, costs, at_s)
        call.prompt = call.prompt_at_least = 199
        call.cap, call.expected = 1, 1
        for name, bucket in self.buckets.items():
            bucket.add(-costs[name], at_s)
        call.marks = self.marks(at_s)
        self.state.begin(call)
        return call

    def marks(self, now: float) -> dict[str, Mark]:
        for bucket in self.buckets.values():
            bucket.refill(now)
        return {name: bucket.mark() for name, bucket in self.buckets.items()}

    def end(self, call: Call, now: float, *, released: bool = False) -> None:
        self.state.end(call, now)
        call.released = released
        call.used = None if released else 200.0
        self.state.learner.ended(call, now, released=released)

    def told(self, call: Call, now: float, **told: tuple[int, int]) -> list[Correction]:
        """What an answer says that tells limits, and what remains."""
        call.told = {name: HeaderLimit(limit, rest, None) for name, (limit, rest) in told.items()}
        self.end(call, now)
        return list(from_headers(self.state, call, self.marks(now), now))


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- what is in use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "used"),
    [
        (HeaderLimit(6_000, 5_000, None), 1_000),
        (HeaderLimit(6_000, 5_000, 10.0), 1_000),
        (HeaderLimit(6_000, 0, None), 6_000),
        (HeaderLimit(6_000, 0, 75.0), 7_500),  # in debt
        (HeaderLimit(6_000, 0, 59.99), 6_000),
    ],
)
def test_where_nothing_remains_the_time_until_it_is_full_tells_the_debt(
    header: HeaderLimit, used: float
) -> None:
    assert in_use("TPM", header) == pytest.approx(used)


# --- headers -------------------------------------------------------------------------------------


def test_what_agrees_corrects_nothing(scene: Scene) -> None:
    call = scene.send(0.0)
    for found in scene.told(call, 1.0, TPM=(6_000, 5_800), RPD=(1_000, 999)):
        assert found.lowest <= 0.0 <= found.highest


def test_of_requests_a_header_tells_all_but_the_fraction(scene: Scene) -> None:
    call = scene.send(0.0)
    mark = call.marks["RPD"]
    (found,) = scene.told(call, 1.0, RPD=(1_000, 900))
    assert found[:2] == ("RPD", mark)
    assert found.lowest == pytest.approx(-99.0, abs=0.15)
    assert found.highest == pytest.approx(-98.0, abs=0.15)
    assert not found.is_firm


def test_of_tokens_too_and_in_the_beginning_that_is_firm(scene: Scene) -> None:
    call = scene.send(0.0)
    by_rule, worst = scene.told(call, 1.0, TPM=(6_000, 5_000))
    assert by_rule[:2] == ("TPM", call.marks["TPM"])
    for found in (by_rule, worst):
        assert found.lowest == pytest.approx(-800.0, abs=RATE * 1.1)
    assert (by_rule.is_firm, worst.is_firm) == (False, True)
    assert worst.lowest <= by_rule.lowest


def test_when_the_rules_are_known_it_is_not_firm_unless_others_are_about(scene: Scene) -> None:
    for number in range(8):
        call = scene.send(2.0 * number)
        used = in_use("TPM", HeaderLimit(6_000, 5_800, None))
        scene.end(call, 2.0 * number + 1.0)
        scene.state.learner.told(call, used, scene.state.calls, 2.0 * number + 1.0)
    (found,) = scene.told(scene.send(16.0), 17.0, TPM=(6_000, 5_800))
    assert not found.is_firm
    scene.state.saw_others("TPM", 500.0, 17.0)
    assert len(scene.told(scene.send(18.0), 19.0, TPM=(6_000, 5_800))) == 2


def test_a_call_that_no_rule_was_followed_for_tells_nothing_of_tokens(scene: Scene) -> None:
    call = scene.send(0.0)
    call.held = {}
    assert scene.told(call, 1.0, TPM=(6_000, 10)) == []


def test_another_limit_than_the_own_one_tells_only_what_is_left_at_most(scene: Scene) -> None:
    (found,) = scene.told(scene.send(0.0), 1.0, TPM=(8_000, 1_000))
    assert (found.lowest, found.highest) == (-math.inf, 1_000 - 5_800)


def test_what_has_no_bucket_or_had_none_then_is_left_out(scene: Scene) -> None:
    call = scene.send(0.0)
    call.marks = {name: mark for name, mark in call.marks.items() if name != "TPM"}
    assert scene.told(call, 1.0, TPM=(6_000, 10), ASH=(7_200, 10)) == []


# --- others on their way -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "lowest", "highest"),
    [
        ([0.0, 9.9], -10.0, -8.0),  # the other may not be counted yet
        ([0.0, 5.0], -9.0, -8.0),  # it surely is
    ],
)
def test_whose_order_is_not_known_widens_what_is_said(
    scene: Scene, order: list[float], lowest: float, highest: float
) -> None:
    for at_s in order:
        scene.send(at_s)
    call = scene.send(10.0)
    (found,) = scene.told(call, 11.0, RPD=(1_000, 988))  # 12 in use, of which 3 are own
    assert found.lowest == pytest.approx(lowest, abs=0.15)
    assert found.highest == pytest.approx(highest, abs=0.15)


def test_what_was_sent_later_may_be_counted_already(scene: Scene) -> None:
    call = scene.send(0.0)
    scene.send(0.1)
    (found,) = scene.told(call, 1.0, RPD=(1_000, 990))
    assert found.lowest == pytest.approx(-9.0, abs=0.15)
    assert found.highest == pytest.approx(-7.0, abs=0.15)


def test_what_was_never_charged_was_not_counted(scene: Scene) -> None:
    refused, call = scene.send(0.0), scene.send(1.0)
    later = scene.send(1.1)
    scene.end(refused, 1.2, released=True)
    scene.end(later, 1.3, released=True)
    (found,) = scene.told(call, 2.0, RPD=(1_000, 999))
    assert found.lowest == pytest.approx(0.0, abs=0.15)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("used", "error"), [(100, -100.0), (5_000, -5_000.0), (0, 0.0)])
def test_a_refusal_tells_the_level_without_the_request_itself(
    scene: Scene, used: int, error: float
) -> None:
    call = scene.send(0.0)
    found = from_refusal(scene.state, call, "TPM", used, 0.01)
    assert found is not None
    assert found[:2] == ("TPM", call.marks["TPM"])
    assert found.lowest <= error + 0.5 <= found.highest
    assert found.highest - found.lowest == pytest.approx(1.0 + RATE * 0.01)


def teach(scene: Scene) -> None:
    """Have six answers and the price of a request show that prompt and cap are charged."""
    learner = scene.state.learner
    for number in range(6):
        call, now = scene.send(2.0 * number), 2.0 * number + 1.0
        scene.end(call, now)
        learner.told(call, call.marks["TPM"].used, scene.state.calls, now)
    call = scene.send(12.0)
    call.charges = {n: rule.charge(199, 4_000, 1) for n, rule in enumerate(RULES)}
    learner.priced(call, 4_199.0, scene.state.calls)
    scene.end(call, 13.0, released=True)
    assert [rule.charges for rule in learner.possible_rules()] == ["prompt+cap"]


@pytest.mark.parametrize(("is_sure", "not_charged"), [(True, 100.0), (False, 0.0)])
def test_what_is_set_aside_but_surely_not_charged_is_not_missed(
    scene: Scene, is_sure: bool, not_charged: float
) -> None:
    """Where the service charges less than is set aside, what it says is in use is less too."""
    if is_sure:
        teach(scene)
    call = scene.send(100.0)
    number = scene.state.learner.number
    call.held, call.charges[number] = {number: 150.0}, 150.0  # of those held, 50 are this one's
    found = from_refusal(scene.state, call, "TPM", 0, 100.01)
    assert found is not None
    error = call.marks["TPM"].used - 200.0 - not_charged
    assert found.lowest <= error + 0.5 <= found.highest


def test_of_a_bucket_that_was_not_there_a_refusal_tells_nothing_of_then(scene: Scene) -> None:
    assert from_refusal(scene.state, scene.send(0.0), "TPD", 5, 1.0) is None


def test_of_requests_a_refusal_tells_as_well(scene: Scene) -> None:
    call = scene.send(0.0)
    found = from_refusal(scene.state, call, "RPM", 60, 0.0)
    assert found is not None
    assert (found.lowest, found.highest) == (-60.0, -59.0)


def test_of_a_bucket_that_refused_no_more_is_left_than_flowed_back_since(scene: Scene) -> None:
    call = scene.send(0.0)
    assert most_left(scene.state, call, "TPM", 5_900, 3.0) == pytest.approx(100 + 300)
    assert most_left(scene.state, call, "RPM", 60, 3.0) == pytest.approx(3.0)


def test_or_was_given_back_by_what_ended_since(scene: Scene) -> None:
    before, long, kept, call = (scene.send(at_s) for at_s in (0.0, 0.1, 0.2, 2.0))
    scene.end(before, 1.0)
    scene.end(long, 2.5)
    long.used = 80.0
    scene.end(kept, 2.6)
    kept.used = None
    assert most_left(scene.state, call, "TPM", 5_900, 3.0) == pytest.approx(100 + 100 + 120)
    assert most_left(scene.state, call, "RPM", 60, 3.0) == pytest.approx(1.0)
