"""Functions that the model may call."""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict

#: A JSON schema of the arguments.
FunctionParameters: TypeAlias = dict[str, Any]


class _Required(TypedDict):
    name: str


class FunctionDefinition(_Required, total=False):
    """A function: ``name`` is of at most 64 letters, digits, ``_`` and ``-``.

    With ``strict``, the arguments follow the schema exactly, which not every schema allows.
    """

    description: str
    parameters: FunctionParameters
    strict: bool | None
