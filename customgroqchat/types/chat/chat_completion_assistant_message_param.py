"""What the model said before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from .chat_completion_content_part_text_param import ChatCompletionContentPartTextParam
from .chat_completion_message_tool_call_param import ChatCompletionMessageToolCallParam


class FunctionCall(TypedDict, total=False):
    """The older form of a tool call."""

    name: str
    arguments: str


class _Required(TypedDict):
    role: Literal["assistant"]


class ChatCompletionAssistantMessageParam(_Required, total=False):
    """What the model said before; without tool calls, ``content`` is needed."""

    content: str | Iterable[ChatCompletionContentPartTextParam] | None
    reasoning: str | None
    tool_calls: Iterable[ChatCompletionMessageToolCallParam]
    function_call: FunctionCall
    name: str
