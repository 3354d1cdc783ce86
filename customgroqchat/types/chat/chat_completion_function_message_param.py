"""What a function answered, in the older form."""

from __future__ import annotations

from typing import Literal, TypedDict


class ChatCompletionFunctionMessageParam(TypedDict):
    """What a function answered, in the older form."""

    role: Literal["function"]
    name: str
    content: str | None
