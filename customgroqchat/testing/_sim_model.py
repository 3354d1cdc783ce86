"""What a model of the simulated service is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SimulatedModel:
    """One model: its sizes in tokens, its rate limits by code, and whether it chats.

    ``status`` "decommissioned" answers 400 as the service did for years, "gone" 404 as it does
    now. A limit that is absent is unlimited. ``pricing`` holds strings in US dollars per token.
    A model that takes "audio" transcribes; one whose output is "speech" speaks with its
    ``voices`` (any, if none are named), "embedding" embeds. What is not ``listed`` serves all
    the same. Tools are refused where ``features`` are named and "tools" is not among them.
    """

    name: str = ""
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
    voices: tuple[str, ...] = ()
    listed: bool = True

    def listing(self, model_id: str) -> dict[str, Any]:
        """The model as ``GET /openai/v1/models`` shows it."""
        item: dict[str, Any] = {
            "id": model_id,
            "object": "model",
            "created": self.created,
            "owned_by": self.owned_by,
            "active": True,
            "context_window": self.context_window,
            "public_apps": None,
            "max_completion_tokens": self.max_completion_tokens,
            "name": self.name or model_id,
            "context_length": self.context_window,
            "max_output_length": self.max_completion_tokens,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
        }
        if self.features:
            item["supported_features"] = list(self.features)
        if self.pricing:
            item["pricing"] = {**self.pricing, "image": "0", "request": "0"}
        return item
