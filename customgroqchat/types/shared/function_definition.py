"""A function that the model may call."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..._objects import APIObject

#: A JSON schema of the arguments.
FunctionParameters: TypeAlias = dict[str, Any]


class FunctionDefinition(APIObject):
    """A function that the model may call; ``parameters`` is the JSON schema of its arguments."""

    name: str
    description: str | None
    parameters: FunctionParameters | None
    strict: bool | None
