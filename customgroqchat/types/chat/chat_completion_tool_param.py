"""Tools that the model may use."""

from __future__ import annotations

from typing import Literal, TypedDict

from ..shared_params import FunctionDefinition


class _Required(TypedDict):
    type: Literal["function", "browser_search", "code_interpreter"] | str


class ChatCompletionToolParam(_Required, total=False):
    """A function of the program, or a tool of the service, which has no ``function``."""

    function: FunctionDefinition
