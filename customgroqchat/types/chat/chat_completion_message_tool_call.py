"""Calls that the model wants made."""

from __future__ import annotations

from typing import Literal

from ..._objects import APIObject


class Function(APIObject):
    """The function of a tool call; ``arguments`` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ChatCompletionMessageToolCall(APIObject):
    """A call that the model wants made."""

    id: str
    type: Literal["function"]
    function: Function
