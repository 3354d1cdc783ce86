"""What is published about the service's models: limits of the free plan, facts, retirements.

All of it is a starting point and none of it is a rule: limits of an account differ from the
published ones, and the service changes models without asking. What the server says, and what a
user configures, replaces it. Pure data and look-ups, safe from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from .model_facts import ModelFacts, ModelPrices

PUBLISHED = date(2026, 10, 1)


@dataclass(frozen=True)
class PlanLimits:
    """Limits of one model in a plan, None where none is published."""

    req_per_minute: int | None = None
    req_per_day: int | None = None
    token_per_minute: int | None = None
    token_per_day: int | None = None
    audio_seconds_per_hour: int | None = None
    audio_seconds_per_day: int | None = None


_CHAT = PlanLimits(30, 1_000, 8_000, 200_000)
_GUARD = PlanLimits(30, 14_400, 15_000, 500_000)
_SPEECH = PlanLimits(10, 100, 1_200, 3_600)
_TRANSCRIPTION = PlanLimits(20, 2_000, None, None, 7_200, 28_800)

FREE_PLAN: Mapping[str, PlanLimits] = MappingProxyType(
    {
        "openai/gpt-oss-120b": _CHAT,
        "openai/gpt-oss-20b": _CHAT,
        "openai/gpt-oss-safeguard-20b": _CHAT,
        "qwen/qwen3.8-27b": _CHAT,
        "meta-llama/llama-prompt-guard-2-22m": _GUARD,
        "meta-llama/llama-prompt-guard-2-86m": _GUARD,
        "canopylabs/orpheus-v1-english": _SPEECH,
        "canopylabs/orpheus-arabic-saudi": _SPEECH,
        "whisper-large-v3": _TRANSCRIPTION,
        "whisper-large-v3-turbo": _TRANSCRIPTION,
    }
)
"""The free plan as published on :data:`PUBLISHED`, by model."""

# --- facts -----------------------------------------------------------------------------------


def _per_million(prompt: float, completion: float, cached: float | None = None) -> ModelPrices:
    """Return prices as they are published: in US dollars per million tokens."""
    return ModelPrices(
        prompt=prompt / 1e6, completion=completion / 1e6, cached=cached and cached / 1e6
    )


def _chat(
    context_window: int | None,
    max_completion_tokens: int | None,
    prices: ModelPrices | None,
    owner: str,
    features: str | None,
    *,
    sees: bool = False,
) -> dict[str, object]:
    able = (
        None if features is None else frozenset(features.split()) | ({"vision"} if sees else set())
    )
    return {
        "context_window": context_window,
        "max_completion_tokens": max_completion_tokens,
        "prices": prices,
        "features": able,
        "input_modalities": ("text", "image") if sees else ("text",),
        "output_modalities": ("text",),
        "owner": owner,
    }


def _guard(per_million: float, features: str = "") -> dict[str, object]:
    prices = _per_million(per_million, per_million, per_million / 2)
    return _chat(512, 512, prices, "Meta", features)


def _whisper(per_hour: float) -> dict[str, object]:
    return {
        "context_window": 448,
        "max_completion_tokens": 448,
        "prices": ModelPrices(audio_hour=per_hour),
        "features": frozenset[str](),
        "input_modalities": ("audio",),
        "output_modalities": ("transcription",),
        "owner": "OpenAI",
    }


def _orpheus(per_million: float) -> dict[str, object]:
    return {
        "context_window": 4_000,
        "max_completion_tokens": 50_000,
        "prices": ModelPrices(character=per_million / 1e6),
        "features": frozenset[str](),
        "input_modalities": ("text",),
        "output_modalities": ("speech",),
        "owner": "Canopy Labs",
    }


def _oss(prices: ModelPrices, more: str = "") -> dict[str, object]:
    able = f"tools json_mode structured_outputs reasoning {more}"
    return _chat(131_072, 65_536, prices, "OpenAI", able)


_OSS_20B = _per_million(0.075, 0.30, 0.0375)
_SERVED = {
    "openai/gpt-oss-120b": _oss(_per_million(0.15, 0.60, 0.075), "browser_search code_interpreter"),
    "openai/gpt-oss-20b": _oss(_OSS_20B, "browser_search code_interpreter"),
    "openai/gpt-oss-safeguard-20b": _oss(_OSS_20B),
    "qwen/qwen3.8-27b": _chat(
        131_072,
        16_384,
        _per_million(0.80, 4.00),
        "Alibaba Cloud",
        "tools json_mode reasoning",
        sees=True,
    ),
    "meta-llama/llama-prompt-guard-2-22m": _guard(0.03),
    "meta-llama/llama-prompt-guard-2-86m": _guard(0.04, "json_mode"),
    "canopylabs/orpheus-v1-english": _orpheus(22.0),
    "canopylabs/orpheus-arabic-saudi": _orpheus(40.0),
    "whisper-large-v3": _whisper(0.111),
    "whisper-large-v3-turbo": _whisper(0.04),
    "allam-2-7b": _chat(4_096, 4_096, None, "SDAIA", "json_mode"),
    "minimaxai/minimax-m2.7": _chat(196_608, 131_072, None, "MiniMax", None),
}

MODEL_FACTS: Mapping[str, ModelFacts] = MappingProxyType(
    {
        name: ModelFacts.said_by("preset", name, **facts, is_active=True)
        for name, facts in _SERVED.items()
    }
)
"""What is published of the models that the service lists, by model."""


# --- retirements -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Retirement:
    """The end of a model for free and developer accounts; some contracts keep it for longer.

    Attributes:
        on: The day it was shut down.
        successor: The model that replaces it, itself not retired; None if nothing does.
    """

    on: date
    successor: str | None = None

    def note(self, name: str) -> str:
        """Return a sentence for an error or the log."""
        advice = f"use {self.successor!r}" if self.successor else "nothing replaces it"
        return f"{name!r} was shut down on {self.on} for free and developer accounts: {advice}."


# Day, model, and the replacement that was named then, which may be gone itself by now.
_SHUT_DOWN = (
    ("2026-09-21", "groq/compound", None),
    ("2026-09-21", "groq/compound-mini", None),
    ("2026-09-14", "qwen/qwen3.6-27b", "qwen/qwen3.8-27b"),
    ("2026-08-16", "llama-3.1-8b-instant", "openai/gpt-oss-20b"),
    ("2026-08-16", "llama-3.3-70b-versatile", "openai/gpt-oss-120b"),
    ("2026-07-17", "qwen/qwen3-32b", "openai/gpt-oss-120b"),
    ("2026-07-17", "meta-llama/llama-4-scout-17b-16e-instruct", "openai/gpt-oss-120b"),
    ("2026-04-15", "moonshotai/kimi-k2-instruct-0905", "openai/gpt-oss-120b"),
    ("2026-03-09", "meta-llama/llama-4-maverick-17b-128e-instruct", "openai/gpt-oss-120b"),
    ("2026-03-05", "meta-llama/llama-guard-4-12b", "openai/gpt-oss-safeguard-20b"),
    ("2025-12-31", "playai-tts", "canopylabs/orpheus-v1-english"),
    ("2025-12-31", "playai-tts-arabic", "canopylabs/orpheus-arabic-saudi"),
    ("2025-10-10", "moonshotai/kimi-k2-instruct", "openai/gpt-oss-120b"),
    ("2025-10-08", "gemma2-9b-it", "llama-3.1-8b-instant"),
    ("2025-10-02", "deepseek-r1-distill-llama-70b", "llama-3.3-70b-versatile"),
    ("2025-08-30", "llama3-8b-8192", "llama-3.1-8b-instant"),
    ("2025-08-30", "llama3-70b-8192", "llama-3.3-70b-versatile"),
    ("2025-08-23", "distil-whisper-large-v3-en", "whisper-large-v3-turbo"),
    ("2025-07-30", "mistral-saba-24b", "qwen/qwen3-32b"),
    ("2025-07-14", "qwen-qwq-32b", "qwen/qwen3-32b"),
    ("2025-06-06", "llama-guard-3-8b", "meta-llama/llama-guard-4-12b"),
    ("2025-03-20", "mixtral-8x7b-32768", "mistral-saba-24b"),
)
_NAMED_THEN = {name: successor for _, name, successor in _SHUT_DOWN}


def _followed(successor: str | None) -> str | None:
    """Return the model at the end of a chain of replacements."""
    while successor in _NAMED_THEN:
        successor = _NAMED_THEN[successor]
    return successor


RETIRED: Mapping[str, Retirement] = MappingProxyType(
    {name: Retirement(date.fromisoformat(day), _followed(then)) for day, name, then in _SHUT_DOWN}
)
"""Models that are gone for free and developer accounts, by name."""

_LLAMA = ("Meta", "tools json_mode")
_ONCE_SERVED = {
    "groq/compound": _chat(131_072, 8_192, None, "Groq", "json_mode"),
    "groq/compound-mini": _chat(131_072, 8_192, None, "Groq", "json_mode"),
    "qwen/qwen3.6-27b": _chat(
        131_072,
        16_384,
        _per_million(0.60, 3.00, 0.30),
        "Alibaba Cloud",
        "tools json_mode reasoning",
        sees=True,
    ),
    "llama-3.1-8b-instant": _chat(131_072, 131_072, _per_million(0.05, 0.08, 0.025), *_LLAMA),
    "llama-3.3-70b-versatile": _chat(131_072, 32_768, _per_million(0.59, 0.79, 0.295), *_LLAMA),
    "qwen/qwen3-32b": _chat(None, None, _per_million(0.29, 0.59), "Alibaba Cloud", None),
    "meta-llama/llama-4-scout-17b-16e-instruct": _chat(
        None, None, _per_million(0.11, 0.34), "Meta", None, sees=True
    ),
    "moonshotai/kimi-k2-instruct-0905": _chat(
        None, None, _per_million(1.00, 3.00, 0.50), "Moonshot AI", None
    ),
    "llama3-8b-8192": _chat(8_192, None, None, "Meta", None),
    "llama3-70b-8192": _chat(8_192, None, None, "Meta", None),
    "mixtral-8x7b-32768": _chat(32_768, None, None, "Mistral AI", None),
}

RETIRED_FACTS: Mapping[str, ModelFacts] = MappingProxyType(
    {
        name: ModelFacts.said_by(
            "preset",
            name,
            **_ONCE_SERVED.get(name, {}),
            is_active=False,
            retired_on=retirement.on,
            successor=retirement.successor,
        )
        for name, retirement in RETIRED.items()
    }
)
"""What was published of them, by model: some accounts keep them, and old usage has its price."""


# --- look-ups --------------------------------------------------------------------------------


def preset_facts(name: str) -> ModelFacts:
    """Return what is published of a model; of an unknown one, its name alone. Does not block."""
    return MODEL_FACTS.get(name) or RETIRED_FACTS.get(name) or ModelFacts(name)


def retirement(name: str) -> Retirement | None:
    """Return when a model was shut down and what replaces it; None if it is not known to be."""
    return RETIRED.get(name)


def retired_on(name: str) -> date | None:
    """Return the day the model was shut down, or None if it is not known to be. Does not block."""
    gone = RETIRED.get(name)
    return gone.on if gone else None


def successor_of(name: str) -> str | None:
    """Return the live model that replaces a retired one.

    A replacement that was itself retired is followed to its own. None if the model is not known
    to be retired, or if nothing replaces it. Does not block.
    """
    gone = RETIRED.get(name)
    return gone.successor if gone else None


def retirement_note(name: str) -> str | None:
    """Return a sentence for an error about a retired model, else None. Does not block."""
    gone = RETIRED.get(name)
    return gone.note(name) if gone else None


_CLOSE = 0.7


def resembling(name: str, known: Iterable[str] = ()) -> str | None:
    """Return the model that a name was probably meant to be, or None.

    The name before the slash may be missing or another, and letters may be of any case. Models
    that are gone are looked at last. Does not block.

    Args:
        name: A name that is not known.
        known: The models that there are, if that is known; by default, those that are published.
    """
    live = [other for other in known or MODEL_FACTS if other != name]
    return _nearest(name, live) or _nearest(name, [other for other in RETIRED if other != name])


def _nearest(name: str, names: Iterable[str]) -> str | None:
    import difflib  # hardly ever needed

    by_short = {_short(other): other for other in names}
    found = difflib.get_close_matches(_short(name), by_short, n=1, cutoff=_CLOSE)
    return by_short[found[0]] if found else None


def _short(name: str) -> str:
    """Return a name as it is told apart: small, and without the maker's."""
    return name.strip().lower().rpartition("/")[2]
