"""What the user says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from .chat_completion_content_part_param import ChatCompletionContentPartParam


class _Required(TypedDict):
    role: Literal["user"]
    content: str | Iterable[ChatCompletionContentPartParam]


class ChatCompletionUserMessageParam(_Required, total=False):
    """What the user says."""

    name: str
