"""The simulated service's rate limits: continuously refilling buckets behind one lock."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Charging = Literal["prompt+cap", "prompt", "expected"]
Charge = Mapping[str, int]
"""What a request costs, by the code of the limit; nothing of those that are absent."""

# The service expects an answer as long as the longest of a key's latest ones.
_ANSWERS_REMEMBERED = 8
# A wait is announced in whole nanoseconds, cut off, so who waits exactly that long arrives a
# hair early. This much of a bucket (60 ns of refill for a minute) forgives it.
_SLACK = 1e-9


@dataclass(frozen=True)
class Dimension:
    """One kind of limit: its code, its wording in errors, its refill window in seconds."""

    code: str
    wording: str
    window_s: float
    unit: Literal["requests", "tokens", "seconds"]


# Requests come first: the service refuses on them before it has looked at anything else.
DIMENSIONS: dict[str, Dimension] = {
    dimension.code: dimension
    for dimension in (
        Dimension("RPM", "requests per minute (RPM)", 60.0, "requests"),
        Dimension("RPD", "requests per day (RPD)", 86_400.0, "requests"),
        Dimension("TPM", "tokens per minute (TPM)", 60.0, "tokens"),
        Dimension("ITPM", "input tokens per minute (ITPM)", 60.0, "tokens"),
        Dimension("OTPM", "output tokens per minute (OTPM)", 60.0, "tokens"),
        Dimension("TPD", "tokens per day (TPD)", 86_400.0, "tokens"),
        Dimension("ASH", "seconds of audio per hour (ASPH)", 3_600.0, "seconds"),
        Dimension("ASD", "seconds of audio per day (ASPD)", 86_400.0, "seconds"),
    )
}


class Bucket:
    """A level that refills linearly up to ``limit`` over ``window_s`` and may go below zero."""

    def __init__(self, limit: int, window_s: float, level: float, now: float) -> None:
        """Start at ``level`` units at the time ``now`` (seconds)."""
        self.limit = limit
        self.window_s = window_s
        self._level = level
        self._at = now

    def level(self, now: float) -> float:
        """Units available at ``now``; negative while more was used than has refilled."""
        self._level += max(0.0, now - self._at) * self.limit / self.window_s
        self._level = min(float(self.limit), self._level)
        self._at = max(now, self._at)
        return self._level

    def whole_level(self, now: float) -> int:
        """The level as the service shows it: whole units, rounded down."""
        return math.floor(self.level(now) + self.limit * _SLACK)

    def fits(self, now: float, amount: int) -> bool:
        """Whether ``used + amount <= limit``, that is, whether the level covers ``amount``."""
        return self.level(now) + self.limit * _SLACK >= amount

    def debit(self, now: float, amount: float) -> None:
        """Take ``amount`` units; a negative amount gives units back, up to the limit."""
        self._level = min(float(self.limit), self.level(now) - amount)


@dataclass(frozen=True)
class Refusal:
    """Why a request was not admitted. ``used`` is None when it can never fit."""

    dimension: Dimension
    limit: int
    used: int | None
    requested: int

    @property
    def wait_ns(self) -> int | None:
        """Nanoseconds until the request would fit if nothing else is sent."""
        if self.used is None:
            return None
        excess = self.used + self.requested - self.limit
        return refill_ns(excess, self.limit, self.dimension.window_s)


def refill_ns(amount: float, limit: int, window_s: float) -> int:
    """Nanoseconds in which ``amount`` units refill.

    The order of the operations and the cut at the end are the service's own; they produce its
    ``16.849999999s`` where arithmetic says 16.85.
    """
    return int(amount / limit * window_s * 1e9)


@dataclass(frozen=True)
class Level:
    """One bucket as the headers show it: whole units."""

    dimension: Dimension
    limit: int
    level: int


Snapshot = dict[str, Level]


@dataclass
class Account:
    """What one key may use of one model, and how long its latest answers were."""

    buckets: dict[str, Bucket]
    answers: deque[int] = field(default_factory=lambda: deque(maxlen=_ANSWERS_REMEMBERED))

    def expected_output(self, cap: int | None) -> int:
        """The output tokens the service expects of the next answer: 1 while nothing is known."""
        expected = max(self.answers, default=1)
        return expected if cap is None else min(expected, cap)

    def refusal(self, now: float, charge: Charge) -> Refusal | None:
        """The first reason not to admit ``charge``, or None."""
        return (
            self._exhausted(now, charge, requests=True)
            or self._oversize(charge)
            or self._exhausted(now, charge, requests=False)
        )

    def debit(self, now: float, charge: Charge) -> None:
        """Take ``charge`` from every limited bucket."""
        for code, bucket in self.buckets.items():
            bucket.debit(now, charge.get(code, 0))

    def snapshot(self, now: float) -> Snapshot:
        """All levels in whole units."""
        return {
            code: Level(DIMENSIONS[code], bucket.limit, bucket.whole_level(now))
            for code, bucket in self.buckets.items()
        }

    def _exhausted(self, now: float, charge: Charge, requests: bool) -> Refusal | None:
        for code, bucket in self.buckets.items():
            dimension, amount = DIMENSIONS[code], charge.get(code, 0)
            if (dimension.unit == "requests") is requests and not bucket.fits(now, amount):
                used = bucket.limit - bucket.whole_level(now)
                return Refusal(dimension, bucket.limit, used, amount)
        return None

    def _oversize(self, charge: Charge) -> Refusal | None:
        for code, bucket in self.buckets.items():
            dimension, amount = DIMENSIONS[code], charge.get(code, 0)
            if dimension.unit != "requests" and amount > bucket.limit:
                return Refusal(dimension, bucket.limit, None, amount)
        return None


@dataclass
class Admission:
    """The outcome of asking: what was charged, the levels just after, or the refusal."""

    account: Account
    prompt_tokens: int
    charge: dict[str, int]
    snapshot: Snapshot
    refusal: Refusal | None


class Ledger:
    """All accounts of the service, one per API key and model.

    Every method takes the one lock, never blocks otherwise and may be called from any thread.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        charging: Charging = "prompt+cap",
        refund: bool = True,
        start_level: float | Mapping[str, float] = 1.0,
    ) -> None:
        """Keep the rules of charging; accounts open at ``start_level`` of their limits."""
        self._clock = clock
        self._charging = charging
        self._refund = refund
        self._start_level = start_level
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._set_levels: dict[tuple[str, str], float] = {}

    def admit(
        self,
        key: str,
        model: str,
        limits: Mapping[str, int],
        prompt: int,
        cap: int | None,
        audio_s: int = 0,
    ) -> Admission:
        """Charge all buckets, or none and say which one refused.

        A ``cap`` of 0 is a request without output tokens.
        """
        with self._lock:
            now = self._clock()
            account = self._account(key, model, limits, now)
            charge = self._charge(account, prompt, cap) | _audio_charge(audio_s)
            refusal = account.refusal(now, charge)
            if refusal is None:
                account.debit(now, charge)
            return Admission(account, prompt, charge, account.snapshot(now), refusal)

    def settle(self, admission: Admission, completion: int, cached: int = 0) -> Snapshot:
        """Replace the charge by what was really used and return the levels just after."""
        actual = _actual(admission.prompt_tokens, completion, cached)
        charged, keep = admission.charge, not self._refund
        final = {code: max(used, charged[code]) if keep else used for code, used in actual.items()}
        with self._lock:
            now, account = self._clock(), admission.account
            account.debit(now, {code: final[code] - charged[code] for code in final})
            account.answers.append(completion)
            return account.snapshot(now)

    def snapshot(self, admission: Admission) -> Snapshot:
        """The present levels of the account that ``admission`` was charged to."""
        with self._lock:
            return admission.account.snapshot(self._clock())

    def levels(self, key: str, model: str, limits: Mapping[str, int]) -> dict[str, float]:
        """The exact present levels, by dimension code."""
        with self._lock:
            now = self._clock()
            buckets = self._account(key, model, limits, now).buckets
            return {code: bucket.level(now) for code, bucket in buckets.items()}

    def set_level(self, model: str, code: str, level: float) -> None:
        """Let all accounts of ``model`` have this level, those to be opened as well."""
        with self._lock:
            self._set_levels[model, code] = level
            now = self._clock()
            for (_, of_model), account in self._accounts.items():
                if of_model == model and code in account.buckets:
                    bucket = account.buckets[code]
                    bucket.debit(now, bucket.level(now) - level)

    def keys(self, model: str) -> list[str]:
        """The API keys that have been charged for ``model``."""
        with self._lock:
            return [key for key, of_model in self._accounts if of_model == model]

    def clear(self) -> None:
        """Forget every account."""
        with self._lock:
            self._accounts.clear()
            self._set_levels.clear()

    def _account(self, key: str, model: str, limits: Mapping[str, int], now: float) -> Account:
        account = self._accounts.get((key, model))
        if account is None:
            buckets = {
                code: self._new_bucket(model, dimension, limits[code], now)
                for code, dimension in DIMENSIONS.items()
                if code in limits
            }
            account = self._accounts[key, model] = Account(buckets)
        return account

    def _new_bucket(self, model: str, dimension: Dimension, limit: int, now: float) -> Bucket:
        start = self._start_level
        fraction = start.get(dimension.code, 1.0) if isinstance(start, Mapping) else start
        level = self._set_levels.get((model, dimension.code), fraction * limit)
        return Bucket(limit, dimension.window_s, level, now)

    def _charge(self, account: Account, prompt: int, cap: int | None) -> dict[str, int]:
        expected = account.expected_output(cap)
        placeholder = {
            "prompt+cap": 1 if cap is None else cap,
            "prompt": 1 if cap is None else min(1, cap),
            "expected": expected,
        }[self._charging]
        tokens = prompt + placeholder
        return {"RPM": 1, "RPD": 1, "TPM": tokens, "ITPM": prompt, "OTPM": expected, "TPD": tokens}


def _audio_charge(seconds: int) -> dict[str, int]:
    return {"ASH": seconds, "ASD": seconds} if seconds else {}


def _actual(prompt: int, completion: int, cached: int) -> dict[str, int]:
    tokens = prompt + completion - cached
    per_input = prompt - cached
    return {
        "RPM": 1,
        "RPD": 1,
        "TPM": tokens,
        "ITPM": per_input,
        "OTPM": completion,
        "TPD": tokens,
    }
