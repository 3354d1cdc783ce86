"""The answer of the Responses API."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..._objects import APIAnswer, APIObject
from .response_output_item import ResponseOutputItem, ResponseOutputMessage, ResponseOutputText

#: How far a response has come.
ResponseStatus: TypeAlias = Literal[
    "completed", "failed", "in_progress", "incomplete", "cancelled", "queued"
]


class InputTokensDetails(APIObject):
    """Of the input's tokens, those found in the service's cache; they count for no limit."""

    cached_tokens: int | None


class OutputTokensDetails(APIObject):
    """Of the output's tokens, those of its reasoning."""

    reasoning_tokens: int | None


class ResponseUsage(APIObject):
    """What the request used, in tokens."""

    input_tokens: int
    input_tokens_details: InputTokensDetails | None
    output_tokens: int
    output_tokens_details: OutputTokensDetails | None
    total_tokens: int


class ResponseError(APIObject):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(APIObject):
    """Why a response ended early, such as ``"max_output_tokens"``."""

    reason: str | None


class Reasoning(APIObject):
    """How much the model was to think."""

    effort: str | None
    summary: str | None


class Response(APIAnswer):
    """The answer of the Responses API; ``created_at`` is in seconds since 1970."""

    id: str
    object: Literal["response"]
    created_at: float
    model: str
    status: ResponseStatus | None
    output: list[ResponseOutputItem]
    usage: ResponseUsage | None
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str] | None
    parallel_tool_calls: bool | None
    previous_response_id: str | None
    reasoning: Reasoning | None
    service_tier: str | None
    store: bool | None
    temperature: float | None
    text: APIObject | None
    tool_choice: Any
    tools: list[APIObject] | None
    top_p: float | None
    truncation: str | None
    user: str | None

    @property
    def output_text(self) -> str:
        """All texts of all messages in the output; empty if there is none."""
        messages = [item for item in self.output or () if isinstance(item, ResponseOutputMessage)]
        parts = [part for message in messages for part in message.content or ()]
        return "".join(part.text or "" for part in parts if isinstance(part, ResponseOutputText))
