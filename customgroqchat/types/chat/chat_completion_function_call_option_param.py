"""A function that the model must call, in the older form."""

from __future__ import annotations

from typing import TypedDict


class ChatCompletionFunctionCallOptionParam(TypedDict):
    """A function that the model must call, in the older form."""

    name: str
