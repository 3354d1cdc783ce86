"""The models the simulated service offers unless told otherwise, and those that are retired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from ._sim_buckets import DIMENSIONS
from ._sim_model import SimulatedModel

Retired = Mapping[str, Literal["decommissioned", "gone"]] | Iterable[str]


def as_models(
    models: Mapping[str, SimulatedModel | Mapping[str, Any]] | None,
    limits: Mapping[str, int] | None,
    retired: Retired = (),
) -> dict[str, SimulatedModel]:
    """The catalogue of a server: ``limits``, if given, replace those of every model.

    Raises ValueError for a limit whose code is unknown.
    """
    chosen = {**LIVE_MODELS, **OTHER_MODELS} if models is None else models
    catalogue = {
        model_id: model if isinstance(model, SimulatedModel) else SimulatedModel(**model)
        for model_id, model in chosen.items()
    }
    if limits is not None:
        catalogue = {name: replace(model, limits=limits) for name, model in catalogue.items()}
    _check_limits(catalogue)
    for name in {retired} if isinstance(retired, str) else retired:
        retire(catalogue, name, retired[name] if isinstance(retired, Mapping) else None)
    return catalogue


def retire(
    catalogue: dict[str, SimulatedModel],
    name: str,
    status: Literal["decommissioned", "gone"] | None = None,
) -> None:
    """Let a model be retired, known or not; without ``status`` as the service answers for it."""
    status = status or ("gone" if name in GONE_MODELS else "decommissioned")
    catalogue[name] = replace(catalogue.get(name, SimulatedModel()), status=status)


def _check_limits(models: Mapping[str, SimulatedModel]) -> None:
    for name, model in models.items():
        unknown = set(model.limits) - set(DIMENSIONS)
        if unknown:
            raise ValueError(f"unknown limits {sorted(unknown)} of {name}: use {list(DIMENSIONS)}")


def _limits(rpm: int, rpd: int, tpm: int | None = None, tpd: int | None = None) -> dict[str, int]:
    limits = {"RPM": rpm, "RPD": rpd, "TPM": tpm, "TPD": tpd}
    return {code: limit for code, limit in limits.items() if limit is not None}


_BASE = _limits(30, 1_000, 8_000, 200_000)
_GUARD = _limits(30, 14_400, 15_000, 500_000)
_SPEECH = _limits(10, 100, 1_200, 3_600)
_AUDIO = _limits(20, 2_000) | {"ASH": 7_200, "ASD": 28_800}

_GPT_OSS_120B = SimulatedModel(
    name="GPT OSS 120B",
    owned_by="OpenAI",
    created=1_754_408_224,
    limits=_BASE,
    reasoning=True,
    features=("tools", "json_mode", "structured_outputs", "reasoning"),
    pricing={"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000075"},
)
_GPT_OSS_20B = replace(
    _GPT_OSS_120B,
    name="GPT OSS 20B",
    created=1_754_407_957,
    pricing={
        "prompt": "0.000000075",
        "completion": "0.0000003",
        "input_cache_read": "0.0000000375",
    },
)
_QWEN = SimulatedModel(
    name="Qwen/Qwen3.8-27B",
    owned_by="Alibaba Cloud",
    created=1_786_984_846,
    max_completion_tokens=16_384,
    limits=_BASE | {"ITPM": 7_000, "OTPM": 1_000},
    reasoning=True,
    input_modalities=("text", "image"),
    features=("tools", "json_mode", "reasoning"),
    pricing={"prompt": "0.0000008", "completion": "0.000004"},
)
_PROMPT_GUARD = SimulatedModel(
    name="Llama Prompt Guard 2 22M",
    owned_by="Meta",
    context_window=512,
    max_completion_tokens=512,
    limits=_GUARD,
    pricing={"prompt": "0.00000003", "completion": "0.00000003"},
)
_WHISPER = SimulatedModel(
    name="Whisper",
    owned_by="OpenAI",
    context_window=448,
    max_completion_tokens=448,
    limits=_AUDIO,
    chat=False,
    input_modalities=("audio",),
    output_modalities=("transcription",),
)
_ORPHEUS = SimulatedModel(
    name="Canopy Labs Orpheus V1 English",
    owned_by="Canopy Labs",
    context_window=4_000,
    max_completion_tokens=50_000,
    limits=_SPEECH,
    chat=False,
    output_modalities=("speech",),
    pricing={"prompt": "0.000022", "input_cache_read": "0.000011"},
    voices=("autumn", "diana", "hannah", "austin", "daniel", "troy"),
)

LIVE_MODELS: dict[str, SimulatedModel] = {
    "openai/gpt-oss-120b": _GPT_OSS_120B,
    "openai/gpt-oss-20b": _GPT_OSS_20B,
    "openai/gpt-oss-safeguard-20b": replace(
        _GPT_OSS_20B, name="Safety GPT OSS 20B", created=1_761_708_789
    ),
    "qwen/qwen3.8-27b": _QWEN,
    "whisper-large-v3": _WHISPER,
    "whisper-large-v3-turbo": replace(_WHISPER, name="Whisper Large V3 Turbo"),
    "canopylabs/orpheus-v1-english": _ORPHEUS,
    "canopylabs/orpheus-arabic-saudi": replace(
        _ORPHEUS,
        name="Canopy Labs Orpheus Arabic Saudi",
        pricing={"prompt": "0.00004", "input_cache_read": "0.00002"},
        voices=("fahad", "sultan", "lulwa", "noura"),
    ),
    "meta-llama/llama-prompt-guard-2-22m": _PROMPT_GUARD,
    "meta-llama/llama-prompt-guard-2-86m": replace(
        _PROMPT_GUARD,
        name="Prompt Guard 2 86M",
        pricing={"prompt": "0.00000004", "completion": "0.00000004"},
    ),
    "allam-2-7b": SimulatedModel(
        name="ALLaM-2-7b",
        owned_by="SDAIA",
        context_window=4_096,
        max_completion_tokens=4_096,
        limits=_limits(30, 7_000, 6_000, 500_000),
        features=("json_mode",),
    ),
    "minimaxai/minimax-m2.7": SimulatedModel(
        name="MiniMax M2.7",
        owned_by="MiniMax",
        context_window=196_608,
        max_completion_tokens=131_072,
        limits=_BASE,
    ),
}


def _former(name: str, owner: str, **fields: Any) -> SimulatedModel:
    """A model that the service offers no more, and programs still name."""
    features = ("tools", "json_mode")
    model = SimulatedModel(name, owner, limits=_BASE, features=features, listed=False)
    return replace(model, **fields)


_LLAMA_8B = _former(
    "Llama 3.1 8B",
    "Meta",
    max_completion_tokens=131_072,
    limits=_limits(30, 14_400, 6_000, 500_000),
    pricing={"prompt": "0.00000005", "completion": "0.00000008"},
)
_LLAMA_70B = _former(
    "Llama 3.3 70B",
    "Meta",
    max_completion_tokens=32_768,
    limits=_limits(30, 1_000, 12_000, 100_000),
    pricing={"prompt": "0.00000059", "completion": "0.00000079"},
)
_SCOUT = _former(
    "Llama 4 Scout 17B 16E",
    "Meta",
    max_completion_tokens=8_192,
    limits=_limits(30, 1_000, 30_000, 500_000),
    input_modalities=("text", "image"),
    features=("tools", "json_mode", "structured_outputs"),
    pricing={"prompt": "0.00000011", "completion": "0.00000034"},
)
_KIMI = _former(
    "Kimi K2",
    "Moonshot AI",
    max_completion_tokens=16_384,
    limits=_limits(60, 1_000, 10_000, 300_000),
)
_COMPOUND = _former(
    "Compound",
    "Groq",
    max_completion_tokens=8_192,
    limits=_limits(30, 250, 70_000),
    features=("json_mode",),
)
_LLAMA_3 = _former("Llama 3 8B", "Meta", context_window=8_192, max_completion_tokens=8_192)
_EMBEDDING = SimulatedModel(
    "Nomic Embed Text v1.5",
    "Nomic AI",
    context_window=8_192,
    max_completion_tokens=0,
    limits=_BASE,
    chat=False,
    output_modalities=("embedding",),
    listed=False,
)
_PLAYAI = replace(_ORPHEUS, name="PlayAI TTS", owned_by="PlayAI", voices=(), listed=False)

# What examples and documents of clients name. The real service lists none of them any more, and
# has never listed a model for embeddings; here they serve unless they are said to be retired.
OTHER_MODELS: dict[str, SimulatedModel] = {
    "nomic-embed-text-v1_5": _EMBEDDING,
    "llama-3.1-8b-instant": _LLAMA_8B,
    "llama-3.3-70b-versatile": _LLAMA_70B,
    "llama3-8b-8192": _LLAMA_3,
    "llama3-70b-8192": replace(_LLAMA_3, name="Llama 3 70B"),
    "meta-llama/llama-4-scout-17b-16e-instruct": _SCOUT,
    "meta-llama/llama-4-maverick-17b-128e-instruct": replace(_SCOUT, name="Llama 4 Maverick"),
    "meta-llama/llama-guard-4-12b": _former("Llama Guard 4 12B", "Meta", features=()),
    "gemma2-9b-it": _former("Gemma 2 9B", "Google", context_window=8_192),
    "deepseek-r1-distill-llama-70b": _former("DeepSeek R1 Distill", "DeepSeek", reasoning=True),
    "moonshotai/kimi-k2-instruct": _KIMI,
    "moonshotai/kimi-k2-instruct-0905": _KIMI,
    "qwen/qwen3-32b": _former("Qwen 3 32B", "Alibaba Cloud", reasoning=True),
    "qwen/qwen3.6-27b": replace(_QWEN, name="Qwen/Qwen3.6-27B", limits=_BASE, listed=False),
    "compound-beta": _COMPOUND,
    "compound-beta-mini": replace(_COMPOUND, name="Compound Mini"),
    "groq/compound": _COMPOUND,
    "groq/compound-mini": replace(_COMPOUND, name="Compound Mini"),
    "playai-tts": _PLAYAI,
    "playai-tts-arabic": _PLAYAI,
    "distil-whisper-large-v3-en": replace(_WHISPER, name="Distil Whisper", listed=False),
}

# Shut down since August 2026: the service does not know them. Of older ones it says that they are
# decommissioned.
GONE_MODELS = frozenset(
    {
        "llama-3.1-8b-instant",
        "llama-3.3-70b-versatile",
        "qwen/qwen3.6-27b",
        "groq/compound",
        "groq/compound-mini",
        "compound-beta",
        "compound-beta-mini",
    }
)
