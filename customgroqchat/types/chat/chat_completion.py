"""The answer to a chat request."""

from __future__ import annotations

from typing import Any, Literal

from ..._objects import APIAnswer, APIObject
from ..completion_usage import CompletionUsage
from .chat_completion_message import ChatCompletionMessage
from .chat_completion_token_logprob import ChatCompletionTokenLogprob


class ChoiceLogprobs(APIObject):
    """How probable each token of the answer was."""

    content: list[ChatCompletionTokenLogprob] | None


class Choice(APIObject):
    """One answer; the service gives exactly one."""

    index: int
    finish_reason: Literal["stop", "length", "tool_calls", "function_call"]
    message: ChatCompletionMessage
    logprobs: ChoiceLogprobs | None


class McpListToolTool(APIObject):
    """A tool of an MCP server; ``input_schema`` is the JSON schema of its arguments."""

    name: str | None
    description: str | None
    input_schema: dict[str, Any] | None
    annotations: Any


class McpListTool(APIObject):
    """The tools that an MCP server offered."""

    id: str | None
    type: str | None
    server_label: str | None
    tools: list[McpListToolTool] | None


class UsageBreakdownModel(APIObject):
    """What one of several models used."""

    model: str
    usage: CompletionUsage


class UsageBreakdown(APIObject):
    """What each model used, where several worked on an answer."""

    models: list[UsageBreakdownModel]


class XGroqDebug(APIObject):
    """The tokens of prompt and answer, as ids and as texts; told if ``debug`` was asked for."""

    input_token_ids: list[int] | None
    input_tokens: list[str] | None
    output_token_ids: list[int] | None
    output_tokens: list[str] | None


class XGroqUsage(APIObject):
    """How many tokens of the prompt were found in which cache of the service."""

    dram_cached_tokens: int | None
    sram_cached_tokens: int | None


class XGroq(APIObject):
    """What the service tells of its own: ``id`` is its name of the request, for its support."""

    id: str
    seed: int | None
    usage: XGroqUsage | None
    debug: XGroqDebug | None


class ChatCompletion(APIAnswer):
    """The answer to a chat request; ``created`` is in seconds since 1970."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    usage_breakdown: UsageBreakdown | None
    system_fingerprint: str | None
    service_tier: Literal["auto", "on_demand", "flex", "performance"] | None
    mcp_list_tools: list[McpListTool] | None
    x_groq: XGroq | None
