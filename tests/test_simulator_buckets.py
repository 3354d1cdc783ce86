"""The simulated service's buckets, with frozen time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from customgroqchat.testing._sim_buckets import Admission, Bucket, Ledger
from customgroqchat.testing._sim_wire import rate_limit_headers, refusal_error

MODEL = "m"


class Time:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def ask(
    ledger: Ledger, limits: dict[str, int], prompt: int = 10, cap: int | None = None, key: str = "k"
) -> Admission:
    return ledger.admit(key, MODEL, limits, prompt, cap)


def message(admission: Admission) -> str:
    assert admission.refusal is not None
    return str(refusal_error(MODEL, admission.refusal, admission.snapshot))


def test_bucket_refills_linearly_up_to_its_limit() -> None:
    bucket = Bucket(600, 60.0, 0.0, now=0.0)
    assert bucket.level(0.0) == 0
    assert bucket.level(1.0) == pytest.approx(10)
    assert bucket.level(30.5) == pytest.approx(305)
    assert bucket.level(1000.0) == 600


def test_bucket_ignores_a_clock_that_steps_back() -> None:
    bucket = Bucket(600, 60.0, 0.0, now=50.0)
    assert bucket.level(20.0) == 0
    assert bucket.level(51.0) == pytest.approx(10)


def test_bucket_may_go_below_zero_and_never_above_its_limit() -> None:
    bucket = Bucket(600, 60.0, 5.0, now=0.0)
    bucket.debit(0.0, 45)
    assert bucket.level(0.0) == -40
    assert bucket.level(1.0) == pytest.approx(-30)
    bucket.debit(1.0, -10_000)
    assert bucket.level(1.0) == 600


def test_admission_is_used_plus_requested_up_to_the_limit_inclusive(time: Time) -> None:
    ledger = Ledger(time)
    assert ask(ledger, {"TPM": 100}, prompt=60, cap=40).refusal is None
    refused = ask(ledger, {"TPM": 100}, prompt=1, cap=0)
    assert refused.refusal is not None
    assert (refused.refusal.used, refused.refusal.requested) == (100, 1)


def test_refusal_charges_no_bucket_at_all(time: Time) -> None:
    limits = {"RPM": 5, "TPM": 1000, "TPD": 100}
    ledger = Ledger(time)
    ask(ledger, limits, prompt=50, cap=40)
    refused = ask(ledger, limits, prompt=50, cap=40)
    assert refused.refusal is not None
    assert refused.refusal.dimension.code == "TPD"
    assert ledger.levels("k", MODEL, limits) == {"RPM": 4, "TPM": 910, "TPD": 10}


def test_waiting_exactly_as_told_is_enough(time: Time) -> None:
    limits = {"TPM": 6000, "RPM": 30}
    ledger = Ledger(time)
    ask(ledger, limits, prompt=4093, cap=1000)
    refused = ask(ledger, limits, prompt=2000, cap=531).refusal
    assert refused is not None
    assert refused.wait_ns is not None
    time.now += refused.wait_ns / 1e9 - 0.01
    assert ask(ledger, limits, prompt=2000, cap=531).refusal is not None
    time.now += 0.01
    assert ask(ledger, limits, prompt=2000, cap=531).refusal is None


def test_requests_per_minute_come_back_one_each_two_seconds(time: Time) -> None:
    ledger = Ledger(time)
    for _ in range(30):
        assert ask(ledger, {"RPM": 30}).refusal is None
    assert "Limit 30, Used 30, Requested 1. Please try again in 2s." in message(
        ask(ledger, {"RPM": 30})
    )
    time.now += 2.0
    assert ask(ledger, {"RPM": 30}).refusal is None


def test_a_day_refills_continuously_too(time: Time) -> None:
    ledger = Ledger(time)
    shown = ask(ledger, {"RPD": 1000}).snapshot
    assert rate_limit_headers(shown)["x-ratelimit-reset-requests"] == "1m26.4s"
    time.now += 86.4
    assert ledger.levels("k", MODEL, {"RPD": 1000}) == {"RPD": pytest.approx(1000)}


@pytest.mark.parametrize(
    ("charging", "cap", "charge"),
    [
        ("prompt+cap", 500, 600),
        ("prompt+cap", None, 101),
        ("prompt", 500, 101),
        ("prompt", None, 101),
        ("expected", 500, 101),
    ],
)
def test_admission_charge_of_the_first_request(
    time: Time, charging: Any, cap: int | None, charge: int
) -> None:
    admission = ask(Ledger(time, charging), {"TPM": 10_000, "TPD": 10_000}, prompt=100, cap=cap)
    assert admission.charge["TPM"] == admission.charge["TPD"] == charge
    assert admission.charge["ITPM"] == 100
    assert admission.snapshot["TPM"].level == 10_000 - charge


def test_expected_output_is_the_longest_recent_answer_bounded_by_the_cap(time: Time) -> None:
    ledger = Ledger(time, "expected")
    for completion in (70, 300, 20):
        ledger.settle(ask(ledger, {"OTPM": 9000}), completion)
    assert ask(ledger, {"OTPM": 9000}).charge["OTPM"] == 300
    assert ask(ledger, {"OTPM": 9000}, cap=120).charge["TPM"] == 10 + 120
    for _ in range(8):
        ledger.settle(ask(ledger, {"OTPM": 9000}), 5)
    assert ask(ledger, {"OTPM": 9000}).charge["OTPM"] == 5


@pytest.mark.parametrize(("refund", "level"), [(True, 1000 - 130), (False, 1000 - 600)])
def test_settlement_replaces_the_charge_or_keeps_the_larger(
    time: Time, refund: bool, level: int
) -> None:
    ledger = Ledger(time, refund=refund)
    admission = ask(ledger, {"TPM": 1000}, prompt=100, cap=500)
    assert ledger.settle(admission, completion=50, cached=20)["TPM"].level == level


def test_settlement_may_overdraw(time: Time) -> None:
    ledger = Ledger(time, "prompt")
    after = ledger.settle(ask(ledger, {"TPM": 1000}, prompt=900), completion=5000)
    assert after["TPM"].level == 1000 - 5900
    headers = rate_limit_headers(after)
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert headers["x-ratelimit-reset-tokens"] == "5m54s"
    assert "Used 5900, Requested 11." in message(ask(ledger, {"TPM": 1000}))


def test_input_and_output_have_their_own_settlement(time: Time) -> None:
    limits = {"ITPM": 1000, "OTPM": 1000}
    ledger = Ledger(time)
    ledger.settle(ask(ledger, limits, prompt=200, cap=900), completion=300, cached=50)
    assert ledger.levels("k", MODEL, limits) == {"ITPM": 850, "OTPM": 700}


@pytest.mark.parametrize("code", ["TPM", "TPD", "ITPM"])
def test_what_can_never_fit_is_too_large(time: Time, code: str) -> None:
    admission = ask(Ledger(time), {code: 50}, prompt=60, cap=10)
    assert admission.refusal is not None
    assert admission.refusal.wait_ns is None
    error = refusal_error(MODEL, admission.refusal, admission.snapshot)
    assert error.status == 413
    assert "retry-after" not in error.headers


def test_output_that_can_never_fit_is_a_429_without_retry_after(time: Time) -> None:
    limits = {"OTPM": 1000}
    ledger = Ledger(time)
    ledger.settle(ask(ledger, limits), completion=1080)
    time.now += 3600
    refused = ask(ledger, limits)
    assert refused.refusal is not None
    error = refusal_error(MODEL, refused.refusal, refused.snapshot)
    assert (error.status, "retry-after" in error.headers) == (429, False)
    assert "Limit 1000, Requested 1080. The request's expected output tokens" in str(error)
    assert ask(ledger, limits, cap=900).refusal is None


def test_requests_are_refused_before_tokens_are_looked_at(time: Time) -> None:
    limits = {"RPM": 1, "RPD": 10, "TPM": 50}
    ledger = Ledger(time)
    ask(ledger, limits)
    refused = ask(ledger, limits, prompt=5000)
    assert refused.refusal is not None
    error = refusal_error(MODEL, refused.refusal, refused.snapshot)
    assert (error.status, error.error["type"]) == (429, "requests")
    assert error.headers["retry-after"] == "60"
    assert error.headers["x-ratelimit-limit-requests"] == "10"
    assert not [name for name in error.headers if name.endswith("tokens")]


def test_keys_and_models_have_buckets_of_their_own(time: Time) -> None:
    ledger = Ledger(time)
    limits = {"RPM": 1}
    assert ledger.admit("a", "x", limits, 1, None).refusal is None
    assert ledger.admit("b", "x", limits, 1, None).refusal is None
    assert ledger.admit("a", "y", limits, 1, None).refusal is None
    assert ledger.admit("a", "x", limits, 1, None).refusal is not None


@pytest.mark.parametrize(
    ("start", "levels"),
    [(0.25, {"RPM": 5, "TPM": 250}), ({"TPM": 0.1}, {"RPM": 20, "TPM": 100})],
)
def test_buckets_open_at_the_start_level(time: Time, start: Any, levels: dict[str, float]) -> None:
    ledger = Ledger(time, start_level=start)
    assert ledger.levels("k", MODEL, {"RPM": 20, "TPM": 1000}) == pytest.approx(levels)


def test_threads_cannot_overdraw_by_racing(time: Time) -> None:
    ledger = Ledger(time)
    outcomes: list[bool] = []
    start = threading.Barrier(8)

    def race() -> None:
        start.wait()
        for _ in range(50):
            outcomes.append(ask(ledger, {"TPM": 1100}, prompt=10, cap=1).refusal is None)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(True), len(outcomes)) == (100, 400)
    assert ledger.levels("k", MODEL, {"TPM": 1100}) == {"TPM": 0}
