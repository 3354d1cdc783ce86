"""A function that the model must call."""

from __future__ import annotations

from typing import Literal, TypedDict


class Function(TypedDict):
    """Its name."""

    name: str


class ChatCompletionNamedToolChoiceParam(TypedDict):
    """A function that the model must call."""

    type: Literal["function"]
    function: Function
