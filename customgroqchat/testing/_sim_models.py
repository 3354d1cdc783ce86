"""The models the simulated service offers unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ._sim_buckets import DIMENSIONS


@dataclass(frozen=True)
class SimulatedModel:
    """One model: its sizes in tokens, its rate limits by code, and whether it chats.

    ``status`` "decommissioned" answers 400 as the service did for years, "gone" 404 as it does
    now. A limit that is absent is unlimited. ``pricing`` holds strings in US dollars per token.
    """

    owned_by: str = "Simulator"
    created: int = 1_754_407_957
    context_window: int = 131_072
    max_completion_tokens: int = 65_536
    limits: Mapping[str, int] = field(default_factory=dict)
    chat: bool = True
    reasoning: bool = False
    status: Literal["active", "decommissioned", "gone"] = "active"
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    features: tuple[str, ...] = ()
    pricing: Mapping[str, str] = field(default_factory=dict)

    def listing(self, model_id: str) -> dict[str, Any]:
        """The model as ``GET /openai/v1/models`` shows it."""
        return {
            "id": model_id,
            "object": "model",
            "created": self.created,
            "owned_by": self.owned_by,
            "active": True,
            "context_window": self.context_window,
            "public_apps": None,
            "max_completion_tokens": self.max_completion_tokens,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
            "supported_features": list(self.features),
            "pricing": dict(self.pricing),
        }


def as_models(
    models: Mapping[str, SimulatedModel | Mapping[str, Any]] | None,
    limits: Mapping[str, int] | None,
) -> dict[str, SimulatedModel]:
    """The catalogue of a server: ``limits``, if given, replace those of every model.

    Raises ValueError for a limit whose code is unknown.
    """
    chosen = LIVE_MODELS if models is None else models
    catalogue = {
        model_id: model if isinstance(model, SimulatedModel) else SimulatedModel(**model)
        for model_id, model in chosen.items()
    }
    if limits is not None:
        catalogue = {name: replace(model, limits=limits) for name, model in catalogue.items()}
    _check_limits(catalogue)
    return catalogue


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
_AUDIO = _limits(20, 2_000)

_GPT_OSS_120B = SimulatedModel(
    owned_by="OpenAI",
    created=1_754_408_224,
    limits=_BASE,
    reasoning=True,
    features=("tools", "json_mode", "structured_outputs", "reasoning"),
    pricing={"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000075"},
)
_GPT_OSS_20B = replace(
    _GPT_OSS_120B,
    created=1_754_407_957,
    pricing={
        "prompt": "0.000000075",
        "completion": "0.0000003",
        "input_cache_read": "0.0000000375",
    },
)
_QWEN = SimulatedModel(
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
    owned_by="Meta",
    context_window=512,
    max_completion_tokens=512,
    limits=_GUARD,
    pricing={"prompt": "0.00000003", "completion": "0.00000003"},
)
_WHISPER = SimulatedModel(
    owned_by="OpenAI",
    context_window=448,
    max_completion_tokens=448,
    limits=_AUDIO,
    chat=False,
    input_modalities=("audio",),
    output_modalities=("transcription",),
)
_ORPHEUS = SimulatedModel(
    owned_by="Canopy Labs",
    context_window=4_000,
    max_completion_tokens=50_000,
    limits=_SPEECH,
    chat=False,
    output_modalities=("speech",),
    pricing={"prompt": "0.000022"},
)

LIVE_MODELS: dict[str, SimulatedModel] = {
    "openai/gpt-oss-120b": _GPT_OSS_120B,
    "openai/gpt-oss-20b": _GPT_OSS_20B,
    "openai/gpt-oss-safeguard-20b": replace(
        _GPT_OSS_20B, created=1_761_708_789, features=("reasoning",)
    ),
    "qwen/qwen3.8-27b": _QWEN,
    "whisper-large-v3": _WHISPER,
    "whisper-large-v3-turbo": _WHISPER,
    "canopylabs/orpheus-v1-english": _ORPHEUS,
    "canopylabs/orpheus-arabic-saudi": replace(_ORPHEUS, pricing={"prompt": "0.00004"}),
    "meta-llama/llama-prompt-guard-2-22m": _PROMPT_GUARD,
    "meta-llama/llama-prompt-guard-2-86m": replace(
        _PROMPT_GUARD, pricing={"prompt": "0.00000004", "completion": "0.00000004"}
    ),
    "allam-2-7b": SimulatedModel(
        owned_by="SDAIA",
        context_window=4_096,
        max_completion_tokens=4_096,
        limits=_limits(30, 7_000, 6_000, 500_000),
        features=("json_mode",),
    ),
    "minimaxai/minimax-m2.7": SimulatedModel(
        owned_by="MiniMax", context_window=196_608, max_completion_tokens=131_072, limits=_BASE
    ),
}
