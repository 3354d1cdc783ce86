"""RateLimitHandler: the first request, limits that nobody tells, and room for others."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_limits import MODEL, Limiter, load

from customgroqchat._headers import HeaderLimit
from customgroqchat.exceptions import RateLimitError
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Usage
from customgroqchat.stores import Decision
from customgroqchat.testing import FakeClock

SMALL = Demand(prompt_tokens=199, output_cap=1)  # costs 200, by whatever rule is charged
USED = Usage(199, 1)


def answer(limiter: Limiter, reservation: Reservation, **told: tuple[int, int]) -> None:
    headers = {name: HeaderLimit(limit, rest, None) for name, (limit, rest) in told.items()}
    limiter.handler.observe(reservation, headers)
    limiter.handler.settle(reservation, USED)


def waits(limiter: Limiter) -> Decision:
    decision = limiter.admit(SMALL)
    assert isinstance(decision, Decision), decision
    return decision


# --- the first request ---------------------------------------------------------------------------


@pytest.fixture(params=["balanced", "polite"])
def careful(request: pytest.FixtureRequest) -> Limiter:
    return Limiter(policy=request.param, token_per_minute=60_000)


def test_the_first_request_goes_alone(careful: Limiter) -> None:
    careful.reserve(SMALL)
    decision = waits(careful)
    assert (decision.dimension, decision.wait_s) == (None, 1.0)
    assert "first request" in (decision.reason or "")
    assert careful.levels() == {"TPM": 59_800}


def test_it_is_careful_by_default() -> None:
    handler = RateLimitHandler(load(), clock=FakeClock())
    scope = handler.scope(MODEL)
    assert isinstance(handler.admit(scope, SMALL), Reservation)
    assert isinstance(handler.admit(scope, SMALL), Decision)


def test_a_greedy_one_believes_in_full_buckets() -> None:
    limiter = Limiter(policy="greedy")
    for _ in range(20):
        limiter.reserve(SMALL)


def test_while_its_answer_takes_long_twice_as_many_go_in_every_second(careful: Limiter) -> None:
    sent = []
    for _ in range(6):
        while isinstance(admitted := careful.admit(Demand(1, 1)), Reservation):
            sent.append((careful.clock.monotonic(), admitted))
        assert isinstance(admitted, Decision)
        careful.clock.advance(admitted.wait_s)
    start_s = sent[0][0]
    by_second = [sum(at_s <= start_s + second for at_s, _ in sent) for second in range(6)]
    assert by_second == [1, 2, 4, 8, 16, 32]


def test_who_cannot_wait_so_long_is_not_made_to(careful: Limiter) -> None:
    careful.reserve(SMALL)
    admit = careful.handler.admit
    assert isinstance(admit(careful.scope, SMALL, 0.0), Reservation)
    assert isinstance(admit(careful.scope, SMALL, 0.9), Reservation)
    assert isinstance(admit(careful.scope, SMALL, 1.0), Decision)
    assert isinstance(admit(careful.scope, Demand(59_990, 1), 0.0), Decision), "quota is quota"


def test_who_ended_without_a_word_makes_room_for_the_next(careful: Limiter) -> None:
    for end in (careful.handler.keep, careful.handler.release):
        first = careful.reserve(SMALL)
        waits(careful)
        end(first)
    careful.reserve(SMALL)
    assert waits(careful).wait_s == 1.0, "it begins anew"


def test_an_answer_opens_the_gate(careful: Limiter) -> None:
    answer(careful, careful.reserve(SMALL), TPM=(60_000, 59_800))
    for _ in range(8):
        careful.reserve(SMALL)


def test_so_do_headers_before_the_answer_is_settled(careful: Limiter) -> None:
    careful.handler.observe(careful.reserve(SMALL), {})
    careful.reserve(SMALL)
    careful.reserve(SMALL)


def test_so_does_a_refusal(careful: Limiter) -> None:
    careful.handler.refused(careful.reserve(SMALL), RateLimitError("429"))
    careful.reserve(SMALL)
    careful.reserve(SMALL)


def test_each_scope_begins_for_itself(careful: Limiter) -> None:
    answer(careful, careful.reserve(SMALL), TPM=(60_000, 59_800))
    another = careful.handler.scope("another")
    assert isinstance(careful.handler.admit(another, SMALL), Reservation)
    assert isinstance(careful.handler.admit(another, SMALL), Decision)


# --- limits that nobody tells --------------------------------------------------------------------


@pytest.fixture
def limiter() -> Limiter:
    """One that has been told of tokens per minute and requests per day, as by every answer."""
    limiter = Limiter()
    told = {"TPM": (600_000, 599_800), "RPD": (14_400, 14_399)}
    answer(limiter, limiter.reserve(SMALL), **told)
    limiter.clock.advance(120.0)
    return limiter


def burst(limiter: Limiter) -> list[Reservation]:
    """As many as pass at once."""
    found = []
    while isinstance(admitted := limiter.admit(SMALL), Reservation):
        found.append(admitted)
    return found


def rung(limiter: Limiter, dimension: str = "RPM") -> int:
    """The number that is tried."""
    return limiter.store.snapshot(limiter.scope)[dimension].limit


def send_and_settle(limiter: Limiter, seconds: float, allowed: int) -> float:
    """Send as many as pass, to a service that allows so many a minute; return how many passed."""
    passed, allowance = 0, float(allowed)
    for _ in range(round(seconds * 10)):
        allowance = min(allowed, allowance + allowed / 600)
        sent = burst(limiter)
        limiter.clock.advance(0.1)
        for reservation in sent:
            if allowance >= 1.0:
                allowance -= 1.0
                passed += 1
                limiter.handler.settle(reservation, USED)
            else:
                used = int(allowed - allowance)
                facts = {"limit": allowed, "used": used, "retry_after": 60 / allowed}
                error = RateLimitError("429", dimension="RPM", **facts)
                limiter.handler.refused(reservation, error)
    return passed


def test_until_the_service_has_told_a_limit_nothing_is_tried() -> None:
    limiter = Limiter()
    for _ in range(200):
        limiter.handler.settle(limiter.reserve(SMALL), USED)


def test_a_number_that_is_tried_is_nobody_s_limit(limiter: Limiter) -> None:
    assert set(limiter.sources()) == {"TPM", "RPD"}
    assert set(limiter.handler.buckets(limiter.scope)) == {"TPM", "RPD"}
    assert set(limiter.store.snapshot(limiter.scope)) == {"TPM", "RPD", "RPM", "TPD"}


def test_hardly_more_than_the_lowest_number_go_at_once(limiter: Limiter) -> None:
    sent = burst(limiter)
    assert 10 < len(sent) <= 31
    decision = waits(limiter)
    assert 0.0 < decision.wait_s <= 2.0
    assert decision.dimension is None
    assert "RPM" in (decision.reason or "")


@pytest.mark.parametrize("allowed", [100, 1_000])
def test_if_they_pass_higher_ones_are_tried(limiter: Limiter, allowed: int) -> None:
    send_and_settle(limiter, 60.0, 10**6)
    assert rung(limiter) > 60
    passed = send_and_settle(limiter, 240.0, allowed)
    assert rung(limiter) >= allowed
    assert passed >= 0.9 * 240 / 60 * allowed


@pytest.mark.parametrize("allowed", [30, 45, 100])
def test_a_refusal_names_the_true_limit(limiter: Limiter, allowed: int) -> None:
    passed = send_and_settle(limiter, 300.0, allowed)
    assert limiter.sources()["RPM"] == (allowed, "server")
    assert passed >= 0.9 * (300 / 60 * allowed + allowed)
    assert passed <= 300 / 60 * allowed + allowed


def test_two_that_find_out_the_same_climb_once() -> None:
    limiter = Limiter()
    limiter.tell(TPM=10**7)
    limiter.reserve(Demand(99_900, 1))  # all but a few of the tokens of a day
    probes = []
    for _ in range(2):  # the second because the answer to the first takes long
        probes.append(limiter.reserve(Demand(9_000, 1)))
        limiter.clock.advance(1.0)
    for probe in probes:
        limiter.handler.settle(probe, Usage(9_000, 1))
    assert rung(limiter, "TPD") == 150_000


@pytest.mark.parametrize("end", ["keep", "release"])
def test_whose_end_tells_nothing_has_tried_nothing(limiter: Limiter, end: str) -> None:
    for _ in range(20):
        for reservation in burst(limiter):
            getattr(limiter.handler, end)(reservation)
        limiter.clock.advance(1.0)
    assert rung(limiter) == 30


def test_a_refusal_by_another_limit_tries_nothing(limiter: Limiter) -> None:
    error = RateLimitError("429", dimension="TPM", limit=600_000, used=1_000)
    for reservation in burst(limiter):
        limiter.handler.refused(reservation, error)
    assert rung(limiter) == 30
    assert limiter.sources().keys() == {"TPM", "RPD"}


def test_tokens_per_day_are_tried_too(limiter: Limiter) -> None:
    large = Demand(99_000, 1)
    for _ in range(2):
        limiter.handler.settle(limiter.reserve(large), Usage(99_000, 1))
        limiter.clock.advance(1.0)
    assert rung(limiter, "TPD") >= 150_000
    assert "TPD" not in limiter.sources()


def test_a_number_that_is_tried_forbids_nothing(limiter: Limiter) -> None:
    huge = Demand(150_000, 1)
    limiter.handler.check_fits(limiter.scope, huge)
    limiter.reserve(huge)


@pytest.mark.parametrize(
    "limits", [{"req_per_minute": 7}, {"token_per_day": 9_000}, {"req_per_minute": -1}]
)
def test_what_is_configured_is_not_tried(limits: dict[str, int]) -> None:
    limiter = Limiter(**limits)
    answer(limiter, limiter.reserve(SMALL), TPM=(600_000, 599_800))
    kept = limiter.store.snapshot(limiter.scope)
    for name, dimension in (("req_per_minute", "RPM"), ("token_per_day", "TPD")):
        if limits.get(name, -1) > 0:
            assert kept[dimension].limit == limits[name]
            assert dimension in limiter.sources()
        else:
            assert dimension not in limiter.sources()


# --- room for others -----------------------------------------------------------------------------


def beside_others(policy: str) -> Limiter:
    """One that has seen 3,000 tokens go to somebody else."""
    limiter = Limiter(policy=policy, token_per_minute=60_000, req_per_minute=10_000)
    answer(limiter, limiter.reserve(SMALL), TPM=(60_000, 59_800))
    answer(limiter, limiter.reserve(SMALL), TPM=(60_000, 56_600))
    assert limiter.levels()["TPM"] == pytest.approx(56_600, abs=1)
    return limiter


def left(limiter: Limiter) -> int:
    """What is left when nobody is admitted any more."""
    while isinstance(limiter.admit(SMALL), Reservation):
        pass
    return limiter.levels()["TPM"]


@pytest.mark.parametrize(
    ("policy", "room"), [("greedy", 0), ("balanced", 4_500), ("polite", 15_000)]
)
def test_room_is_left_for_as_much_as_others_take_at_once(policy: str, room: int) -> None:
    assert left(beside_others(policy)) == pytest.approx(room, abs=200)


def test_others_who_have_gone_need_no_room() -> None:
    limiter = beside_others("balanced")
    limiter.clock.advance(31.0)
    assert left(limiter) < 200


def test_room_for_others_is_never_more_than_half() -> None:
    limiter = Limiter(policy="polite", token_per_minute=60_000, req_per_minute=10_000)
    answer(limiter, limiter.reserve(SMALL), TPM=(60_000, 59_800))
    answer(limiter, limiter.reserve(SMALL), TPM=(60_000, 40_000))
    assert left(limiter) == pytest.approx(30_000 + 6_000, abs=200)


def test_the_polite_leave_a_tenth_of_every_bucket_to_all() -> None:
    limiter = Limiter(policy="polite", token_per_minute=6_000, req_per_minute=100)
    answer(limiter, limiter.reserve(SMALL), TPM=(6_000, 5_800))
    assert left(limiter) == pytest.approx(600, abs=200)


def test_an_own_miscount_is_not_taken_for_others() -> None:
    limiter = Limiter(policy="balanced", token_per_minute=6_000, req_per_minute=10_000)
    answer(limiter, limiter.reserve(SMALL), TPM=(6_000, 5_800))
    answer(limiter, limiter.reserve(SMALL), TPM=(6_000, 5_593))  # seven less
    assert left(limiter) < 200


# --- what is remembered --------------------------------------------------------------------------


class Notes:
    """A memory of limits that notes what it is told."""

    def __init__(self, told: dict[str, int] | None = None) -> None:
        self.told = told or {}
        self.remembered: list[Any] = []

    def recall(self, account: str, model: str) -> dict[str, int]:
        return self.told

    def remember(self, account: str, model: str, told: Any) -> None:
        self.remembered.append((account, model, dict(told)))


def test_what_an_earlier_process_was_told_is_a_guess() -> None:
    limiter = Limiter(memory=Notes({"TPM": 6_000, "RPM": 30}))
    assert limiter.sources() == {"TPM": (6_000, "remembered"), "RPM": (30, "remembered")}
    limiter.handler.check_fits(limiter.scope, Demand(9_000, 1))
    answer(limiter, limiter.reserve(SMALL), TPM=(8_000, 7_800))
    assert limiter.sources() == {"TPM": (8_000, "server"), "RPM": (30, "remembered")}


def test_what_the_service_tells_is_remembered_once() -> None:
    notes = Notes()
    limiter = Limiter(memory=notes)
    for _ in range(3):
        answer(limiter, limiter.reserve(SMALL), TPM=(6_000, 5_000))
    error = RateLimitError("429", dimension="TPD", limit=100_000)
    limiter.handler.refused(limiter.reserve(SMALL), error)
    assert notes.remembered == [
        (*limiter.scope, {"TPM": 6_000}),
        (*limiter.scope, {"TPM": 6_000, "TPD": 100_000}),
    ]


def test_a_guess_or_a_number_that_is_tried_is_not_remembered() -> None:
    notes = Notes({"RPM": 30})
    limiter = Limiter(memory=notes)
    answer(limiter, limiter.reserve(SMALL), TPM=(6_000, 5_800))
    assert notes.remembered == [(*limiter.scope, {"TPM": 6_000})]
