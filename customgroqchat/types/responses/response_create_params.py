"""What a request of the Responses API can have in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict


class ReasoningParam(TypedDict, total=False):
    """How much the model is to think."""

    effort: Literal["none", "default", "low", "medium", "high"] | None


class ResponseTextConfigParam(TypedDict, total=False):
    """The form of the answer, such as ``{"type": "json_schema", "name": ..., "schema": ...}``."""

    format: Mapping[str, Any]


class _Required(TypedDict):
    input: str | Iterable[Mapping[str, Any]]
    model: str


class ResponseCreateParamsBase(_Required, total=False):
    """A request of the Responses API, streamed or not; the service keeps nothing of it."""

    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str] | None
    parallel_tool_calls: bool | None
    reasoning: ReasoningParam | None
    service_tier: Literal["auto", "default", "flex"] | None
    store: Literal[False] | None
    temperature: float | None
    text: ResponseTextConfigParam
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any]
    tools: Iterable[Mapping[str, Any]]
    top_p: float | None
    truncation: Literal["disabled"] | None
    user: str | None


class ResponseCreateParams(ResponseCreateParamsBase, total=False):
    """A request of the Responses API."""

    stream: bool | None
