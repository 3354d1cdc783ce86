"""Text in a message."""

from __future__ import annotations

from typing import Literal, TypedDict


class ChatCompletionContentPartTextParam(TypedDict):
    """A text."""

    type: Literal["text"]
    text: str
