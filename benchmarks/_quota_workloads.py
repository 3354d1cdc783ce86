"""The workloads of ``quota.py``: what is asked, of which server, and what the client is told."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MODEL = "openai/gpt-oss-20b"
OTHER_MODEL = "openai/gpt-oss-120b"
UNHEARD_OF = "example/model-of-tomorrow"

# One minute holds 30,000 tokens, so 500 flow in each second. Requests are plentiful.
LIMITS = {"RPM": 300, "RPD": 14_400, "TPM": 30_000, "TPD": 5_000_000}
PLENTY = {"RPM": 3_000, "RPD": 1_000_000, "TPM": 3_000_000, "TPD": 1_000_000_000}
LATENCY_S = (0.3, 0.7)
QUICK = 0.8

_TEXT = (
    "the river runs past old houses and a market where people talk about weather trade music "
    "history and small plans for tomorrow while children play near water under tall green trees "
    "nobody knows when this road was built or why it turns before reaching that narrow bridge"
)
_WORDS = _TEXT.split()


@dataclass(frozen=True)
class Call:
    """One call; ``due_s`` counts from the start, and a watched one has its latency reported."""

    model: str
    prompt: str
    output_tokens: int
    cap: int
    priority: str = "normal"
    due_s: float = 0.0
    watched: bool = False


@dataclass(frozen=True)
class Flood:
    """Many calls at once, of drawn sizes; their priorities alternate."""

    calls: int = 140
    model: str = MODEL
    words: tuple[int, int] = (60, 200)
    output: tuple[int, int] = (60, 199)
    cap: int = 300
    priorities: tuple[str, ...] = ("normal",)

    def draw(self, scale: float) -> Iterator[Call]:
        rng = random.Random(1)
        for number in range(round(self.calls * scale)):
            priority = self.priorities[number % len(self.priorities)]
            yield _call(rng, self, priority)


@dataclass(frozen=True)
class Watch:
    """Small calls at regular times, one at a time, whose latency is what matters."""

    calls: int
    first_s: float
    every_s: float
    model: str = MODEL
    priority: str = "normal"

    def draw(self, scale: float) -> Iterator[Call]:
        rng, size = random.Random(2), Flood(model=self.model)
        for number in range(round(self.calls * scale)):
            due_s = self.first_s + number * self.every_s
            yield _call(rng, size, self.priority, due_s, watched=True)


def _call(
    rng: random.Random, size: Flood, priority: str, due_s: float = 0.0, watched: bool = False
) -> Call:
    prompt = " ".join(rng.choices(_WORDS, k=rng.randint(*size.words)))
    output = rng.randint(*size.output)
    return Call(size.model, prompt, output, size.cap, priority, due_s, watched)


@dataclass(frozen=True)
class Workload:
    """Some calls, the truth about the server, and what the client believes about it.

    ``belief`` is the factor by which the limits that the client is told differ from the truth;
    None tells it nothing. ``neighbour`` is the share of the refill of tokens that another program
    asks for with the same key.
    """

    name: str
    about: str
    flood: Flood = Flood()
    watch: Watch | None = None
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: {MODEL: LIMITS})
    rules: Mapping[str, Any] = field(default_factory=dict)
    belief: float | None = 1.0
    neighbour: float = 0.0
    latency_s: tuple[float, float] = LATENCY_S

    def calls(self, scale: float = 1.0) -> list[Call]:
        """Return the calls in the order in which they are due."""
        drawn = [*self.flood.draw(scale), *(self.watch.draw(scale) if self.watch else ())]
        return sorted(drawn, key=lambda call: call.due_s)

    def believed(self) -> dict[str, dict[str, int]]:
        """Return the limits by model that the client is told."""
        factor = self.belief
        if factor is None:
            return {}
        return {
            model: {code: round(limit * factor) for code, limit in limits.items()}
            for model, limits in self.limits.items()
        }

    def buckets(self) -> Iterator[Bucket]:
        """Yield the server's buckets as they are at the start."""
        start = self.rules.get("start_level", {})
        for model, limits in self.limits.items():
            for code, limit in limits.items():
                window_s = 60.0 if code.endswith("M") else 86_400.0
                yield Bucket(model, code, start.get(code, 1.0) * limit, limit / window_s)


class Bucket(NamedTuple):
    """What a bucket holds at the start, and what flows in per second."""

    model: str
    code: str
    start: float
    rate: float


Costs = Mapping[str, Mapping[str, float]]
"""What calls cost in the end: by model, by the limit's code."""


def optimum_s(
    workload: Workload, costs: Costs, neighbour: Costs, wall_s: float, last_due_s: float = 0.0
) -> float:
    """Return the least seconds in which any client can have been served what cost ``costs``.

    Zero if the buckets held enough from the start. See the definition in ``quota.py``.
    """
    waits = [0.0]
    for bucket in workload.buckets():
        need = costs.get(bucket.model, {}).get(bucket.code, 0.0) - bucket.start
        taken = neighbour.get(bucket.model, {}).get(bucket.code, 0.0) / wall_s
        if need > 0:
            # A neighbour who took everything, and more, leaves no bound to compare with.
            waits.append(need / (bucket.rate - taken) if taken < bucket.rate else wall_s)
    longest = max(waits)
    return max(longest, last_due_s) + workload.latency_s[0] if longest else 0.0


WORKLOADS = [
    Workload("tokens", "tokens per minute bind"),
    Workload(
        "requests",
        "requests per minute bind",
        Flood(calls=170),
        limits={MODEL: PLENTY | {"RPM": 120}},
    ),
    Workload(
        "priority",
        "a flood of low and normal calls, and a high one every 1.5 s",
        Flood(calls=115, priorities=("low", "normal")),
        Watch(calls=16, first_s=4.0, every_s=1.5, priority="high"),
    ),
    Workload(
        "two-models",
        "one model exhausted, the other one free: is it delayed?",
        Flood(calls=120),
        Watch(calls=16, first_s=4.0, every_s=1.0, model=OTHER_MODEL),
        limits={MODEL: LIMITS, OTHER_MODEL: PLENTY},
    ),
    Workload("limits-double", "the client is told twice the true limits", belief=2.0),
    Workload(
        "limits-half",
        "the client is told half the true limits, and both begin with that half",
        Flood(calls=78),
        rules={"start_level": {"RPM": 0.5, "TPM": 0.5}},
        belief=0.5,
    ),
    Workload(
        "unknown-tokens",
        "the client is told nothing; tokens bind, which headers show",
        Flood(calls=175, model=UNHEARD_OF),
        limits={UNHEARD_OF: LIMITS},
        belief=None,
    ),
    Workload(
        "unknown-requests",
        "the client is told nothing; requests per minute bind, which no header shows",
        Flood(calls=150, model=UNHEARD_OF),
        limits={UNHEARD_OF: LIMITS | {"RPM": 100, "TPM": 60_000}},
        belief=None,
    ),
    Workload(
        "neighbour-17",
        "another program on the key asks for 17 % of the refill",
        Flood(calls=125),
        neighbour=0.17,
    ),
    Workload(
        "neighbour-40",
        "another program on the key asks for 40 % of the refill",
        Flood(calls=120),
        neighbour=0.40,
    ),
    Workload(
        "cold-start",
        "the bucket of tokens is at 10 % when the client starts",
        Flood(calls=50),
        rules={"start_level": {"TPM": 0.1}},
    ),
    Workload(
        "own-count",
        "the server counts a prompt's tokens by a rule of its own: 1.6 for a word, and 7",
        Flood(calls=75, words=(200, 400)),
        rules={"count_tokens": "by_words"},
    ),
]

RULES = [
    Workload("rule-prompt", "admission costs the prompt only", rules={"charging": "prompt"}),
    Workload(
        "rule-expected",
        "admission costs the prompt and the longest of the latest answers",
        rules={"charging": "expected"},
    ),
    Workload(
        "rule-no-refund",
        "what was set aside and not used is not given back",
        Flood(calls=90),
        rules={"refund": False},
    ),
    Workload(
        "rule-late-headers",
        "headers show the levels when the answer ends",
        rules={"headers_at": "end"},
    ),
]
