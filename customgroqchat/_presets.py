"""What is published about the service's models: limits of the free plan, sizes, retirements.

All of it is a starting point and none of it is a rule: limits of an account differ from the
published ones, and the service changes models without asking. What the server says, and what a
user configures, replaces it. Pure data and look-ups, safe from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

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


@dataclass(frozen=True)
class ModelFacts:
    """Sizes of one model, in tokens."""

    context_window: int
    max_completion_tokens: int


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

_GPT_OSS = ModelFacts(131_072, 65_536)
_PROMPT_GUARD = ModelFacts(512, 512)
_ORPHEUS = ModelFacts(4_000, 50_000)
_WHISPER = ModelFacts(448, 448)

MODEL_FACTS: Mapping[str, ModelFacts] = MappingProxyType(
    {
        "openai/gpt-oss-120b": _GPT_OSS,
        "openai/gpt-oss-20b": _GPT_OSS,
        "openai/gpt-oss-safeguard-20b": _GPT_OSS,
        "qwen/qwen3.8-27b": ModelFacts(131_072, 16_384),
        "meta-llama/llama-prompt-guard-2-22m": _PROMPT_GUARD,
        "meta-llama/llama-prompt-guard-2-86m": _PROMPT_GUARD,
        "canopylabs/orpheus-v1-english": _ORPHEUS,
        "canopylabs/orpheus-arabic-saudi": _ORPHEUS,
        "whisper-large-v3": _WHISPER,
        "whisper-large-v3-turbo": _WHISPER,
        "allam-2-7b": ModelFacts(4_096, 4_096),
        "minimaxai/minimax-m2.7": ModelFacts(196_608, 131_072),
    }
)
"""Sizes of the models that the service lists, by model."""


@dataclass(frozen=True)
class Retirement:
    """The day a model was shut down, and the replacement named then (itself retired, perhaps)."""

    on: date
    successor: str | None = None


RETIRED: Mapping[str, Retirement] = MappingProxyType(
    {
        name: Retirement(date.fromisoformat(day), successor)
        for day, name, successor in (
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
    }
)
"""Models that are gone for free and developer accounts, by name."""


def retired_on(name: str) -> date | None:
    """Return the day the model was shut down, or None if it is not known to be. Does not block."""
    retirement = RETIRED.get(name)
    return retirement.on if retirement else None


def successor_of(name: str) -> str | None:
    """Return the live model that replaces a retired one.

    A replacement that was itself retired is followed to its own. None if the model is not known
    to be retired, or if nothing replaces it. Does not block.
    """
    retirement = RETIRED.get(name)
    if retirement is None or retirement.successor is None:
        return None
    return successor_of(retirement.successor) or retirement.successor


def retirement_note(name: str) -> str | None:
    """Return a sentence for an error about a retired model, else None. Does not block."""
    day, successor = retired_on(name), successor_of(name)
    if day is None:
        return None
    advice = f"use {successor!r}" if successor else "nothing replaces it"
    return f"{name!r} was shut down on {day} for free and developer accounts: {advice}."
