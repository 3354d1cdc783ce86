"""What is sent in virtual time, what the service's rules are, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from helpers_limits import MODEL

from customgroqchat.exceptions import RateLimitError, RequestTooLargeError
from customgroqchat.rate_limit_handler import Demand
from customgroqchat.testing._sim_buckets import Charging

#: What a service that tests do not ask for anything else limits: 500 tokens a second.
USUAL = {"RPM": 1_000, "RPD": 14_400, "TPM": 30_000}
_SETTINGS = {
    "RPM": "req_per_minute",
    "RPD": "req_per_day",
    "TPM": "token_per_minute",
    "TPD": "token_per_day",
    "ITPM": "input_token_per_minute",
    "OTPM": "output_token_per_minute",
}

Fate = Literal["answered", "answer lost", "request lost", "cancelled"]


@dataclass(frozen=True)
class Job:
    """One call: what it really takes, what the client believes, and how it ends."""

    prompt: int
    output: int
    cap: int | None = None
    counted: int | None = None  # the prompt as the client counts it; None: correctly
    latency_s: float = 1.0
    model: str = MODEL
    fate: Fate = "answered"

    @property
    def demand(self) -> Demand:
        counted = self.prompt if self.counted is None else self.counted
        return Demand(counted, self.cap, counted)


@dataclass(frozen=True)
class Bite:
    """What somebody else takes of the same account, all at once."""

    at_s: float
    prompt: int
    output: int
    model: str = MODEL


@dataclass(frozen=True)
class Service:
    """The rules of the service."""

    limits: Mapping[str, int]
    charging: Charging = "prompt+cap"
    refund: bool = True
    headers_at: Literal["admission", "end"] = "admission"
    start_level: float | Mapping[str, float] = 1.0


@dataclass(frozen=True)
class Sent:
    """One attempt."""

    index: int
    model: str
    at_s: float
    at_head_s: float  # how long the job had been the first of its queue


@dataclass(frozen=True)
class Refused:
    """One refusal: when the service made it, when it was known here, and what it said."""

    index: int
    model: str
    made_s: float
    known_s: float
    error: RateLimitError | RequestTooLargeError


@dataclass(repr=False)
class Result:
    """What came of a run. Times are seconds since its beginning."""

    delivered: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    too_large: list[int] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    foreign_refused: int = 0
    tokens: int = 0
    seconds: float = 0.0
    heard_s: float = float("inf")  # when the first answer or refusal was there
    last_admission_s: float = 0.0
    charged: Mapping[str, float] = field(default_factory=dict)  # at the last admission
    foreign: Mapping[str, float] = field(default_factory=dict)  # likewise
    start: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def own_429s(self) -> int:
        return len(self.refused)

    @property
    def foreseeable(self) -> list[Refused]:
        """The refusals of what was sent when something had been heard of the service."""
        return [refused for refused in self.refused if refused.made_s > self.heard_s + 0.1]

    @property
    def longest_at_head_s(self) -> float:
        return max((sent.at_head_s for sent in self.sent), default=0.0)

    def util(self, dimension: str = "TPM") -> float:
        """The share that was used of what the bucket could have given until the last admission."""
        return self.charged.get(dimension, 0.0) / self._given(dimension)

    def unused_s(self, dimension: str = "TPM") -> float:
        """What was not used of it, as the seconds in which so much flows back."""
        unused = self._given(dimension) - self.charged.get(dimension, 0.0)
        return unused / self.rates[dimension]

    def _given(self, dimension: str) -> float:
        given = self.start[dimension] + self.rates[dimension] * self.last_admission_s
        return given - self.foreign.get(dimension, 0.0)

    def __repr__(self) -> str:
        return (
            f"{len(self.delivered)} delivered, {self.own_429s} own 429s, "
            f"{self.foreign_refused} foreign 429s, {self.seconds:.1f} s, {self.tokens} tokens, "
            f"longest at head {self.longest_at_head_s:.1f} s, "
            + ", ".join(f"util {name} {self.util(name):.4f}" for name in self.start)
        )


def configured(limits: Mapping[str, int], model: str = MODEL) -> dict[str, Any]:
    """Return a configuration with these limits of a model, by dimension."""
    return {model: {_SETTINGS[name]: limit for name, limit in limits.items()}}


def workload(
    count: int,
    *,
    caps: bool = True,
    seed: int = 1,
    prompts: tuple[int, int] = (100, 500),
    outputs: tuple[int, int] = (50, 300),
    latencies_s: tuple[float, float] = (0.3, 2.5),
    model: str = MODEL,
) -> list[Job]:
    """Jobs of mixed sizes. Their caps leave room: one to two times the longest answer."""
    chance = random.Random(seed)
    most = outputs[1]
    return [
        Job(
            chance.randint(*prompts),
            chance.randint(*outputs),
            chance.choice((most, most * 4 // 3, most * 2)) if caps else None,
            latency_s=chance.uniform(*latencies_s),
            model=model,
        )
        for _ in range(count)
    ]


def miscounted(jobs: list[Job], ratio: float, noise: float = 0.02) -> Iterator[Job]:
    """Yield them as a client sees them that is always wrong by the same, give or take a little."""
    chance = random.Random(5)
    for job in jobs:
        wrong = ratio * chance.uniform(1.0 - noise, 1.0 + noise)
        yield replace(job, counted=round(job.prompt * wrong))


def bites(share: float, until_s: float, seed: int = 2) -> list[Bite]:
    """What somebody takes who uses a share of the usual 500 tokens a second, in uneven bites."""
    chance, at_s, found = random.Random(seed), 0.0, []
    while at_s < until_s:
        prompt, output = chance.randint(75, 250), chance.randint(50, 125)
        found.append(Bite(at_s, prompt, output))
        at_s += chance.expovariate(share * 500 / 250)
    return found
