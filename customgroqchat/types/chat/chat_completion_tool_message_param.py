"""What a tool answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from .chat_completion_content_part_param import ChatCompletionContentPartParam


class ChatCompletionToolMessageParam(TypedDict):
    """What a tool answered to the call of that id."""

    role: Literal["tool"]
    tool_call_id: str
    content: str | Iterable[ChatCompletionContentPartParam]
