"""What the model is told about its task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from .chat_completion_content_part_text_param import ChatCompletionContentPartTextParam


class _Required(TypedDict):
    role: Literal["system", "developer"]
    content: str | Iterable[ChatCompletionContentPartTextParam]


class ChatCompletionSystemMessageParam(_Required, total=False):
    """What the model is told about its task."""

    name: str
