"""Tool calls, given back to the model that wanted them."""

from __future__ import annotations

from typing import Literal, TypedDict


class Function(TypedDict):
    """The function of a tool call; ``arguments`` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ChatCompletionMessageToolCallParam(TypedDict):
    """A call that the model wanted made."""

    id: str
    type: Literal["function"]
    function: Function
