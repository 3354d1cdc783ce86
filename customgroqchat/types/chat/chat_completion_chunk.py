"""The events of a streamed chat answer."""

from __future__ import annotations

from typing import Literal

from ..._objects import APIObject
from ..completion_usage import CompletionUsage
from .chat_completion import ChoiceLogprobs, UsageBreakdown, UsageBreakdownModel, XGroqDebug
from .chat_completion_message import Annotation, ExecutedTool

__all__ = [
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "ChoiceLogprobs",
    "UsageBreakdown",
    "UsageBreakdownModel",
    "XGroq",
    "XGroqDebug",
]


class ChoiceDeltaFunctionCall(APIObject):
    """A piece of a call in its older form."""

    name: str | None
    arguments: str | None


class ChoiceDeltaToolCallFunction(APIObject):
    """A piece of a function: its name comes whole, ``arguments`` may come bit by bit."""

    name: str | None
    arguments: str | None


class ChoiceDeltaToolCall(APIObject):
    """A piece of the tool call that ``index`` tells."""

    index: int
    id: str | None
    type: Literal["function"] | None
    function: ChoiceDeltaToolCallFunction | None


class ChoiceDelta(APIObject):
    """What a chunk adds to the message; ``channel`` tells what its text belongs to."""

    role: Literal["system", "user", "assistant", "tool"] | None
    content: str | None
    reasoning: str | None
    channel: str | None
    tool_calls: list[ChoiceDeltaToolCall] | None
    executed_tools: list[ExecutedTool] | None
    annotations: list[Annotation] | None
    function_call: ChoiceDeltaFunctionCall | None


class Choice(APIObject):
    """A piece of one answer; the last one has the reason of its end."""

    index: int
    delta: ChoiceDelta
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None
    logprobs: ChoiceLogprobs | None


class XGroq(APIObject):
    """What the service tells of its own: ``id`` and ``seed`` first, ``usage`` last.

    ``error`` tells why a stream was broken off.
    """

    id: str | None
    seed: int | None
    usage: CompletionUsage | None
    usage_breakdown: UsageBreakdown | None
    debug: XGroqDebug | None
    error: str | None


class ChatCompletionChunk(APIObject):
    """One event of a streamed chat answer; ``choices`` is empty in the one for the usage."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    system_fingerprint: str | None
    service_tier: Literal["auto", "on_demand", "flex", "performance"] | None
    x_groq: XGroq | None
