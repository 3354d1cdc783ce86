"""What a request of the Responses API can have in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from ..._types import NotGiven, Omit


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

    instructions: str | NotGiven | Omit | None
    max_output_tokens: int | NotGiven | Omit | None
    metadata: dict[str, str] | NotGiven | Omit | None
    parallel_tool_calls: bool | NotGiven | Omit | None
    reasoning: ReasoningParam | NotGiven | Omit | None
    service_tier: Literal["auto", "default", "flex"] | NotGiven | Omit | None
    store: Literal[False] | NotGiven | Omit | None
    temperature: float | NotGiven | Omit | None
    text: ResponseTextConfigParam | NotGiven | Omit
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any] | NotGiven | Omit
    tools: Iterable[Mapping[str, Any]] | NotGiven | Omit
    top_p: float | NotGiven | Omit | None
    truncation: Literal["disabled"] | NotGiven | Omit | None
    user: str | NotGiven | Omit | None


class ResponseCreateParams(ResponseCreateParamsBase, total=False):
    """A request of the Responses API."""

    stream: bool | NotGiven | Omit | None
