"""Sentinels and aliases of public signatures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any, Literal, TypeVar

_V = TypeVar("_V")


class NotGiven:
    """The type of :data:`NOT_GIVEN`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"  # of which there is one, copied or not


#: Stands for an argument that was left out, where None means something else.
NOT_GIVEN = not_given = NotGiven()


class Omit:
    """The type of :data:`omit`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "omit"

    def __reduce__(self) -> str:
        return "omit"


#: Stands for a field or a header that shall not be sent, where leaving it out would send it.
omit = Omit()

#: Seconds: one number, or (connect, read), where None is no bound.
Timeout = float | tuple[float | None, float | None] | None

#: The content of a file to be sent: bytes, a file object that reads bytes, or a path.
FileContent = bytes | IO[bytes] | os.PathLike[str]

#: A file to be sent: its content; or with (name, content), (name, content, media type) or (name,
#: content, media type, headers).
File = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Mapping[str, str]]
)

#: A conversation.
Messages = Sequence[Mapping[str, Any]]

#: The most tokens of an answer; ``"auto"`` leaves it to this client.
Cap = int | Literal["auto"] | None


def is_given(value: object) -> bool:
    """Whether an argument is more than a sentinel, ours or one of the same name elsewhere."""
    return type(value).__name__ not in ("NotGiven", "Omit")


def given(values: Mapping[str, _V]) -> dict[str, _V]:
    """Return the entries that were given."""
    return {name: value for name, value in values.items() if is_given(value)}
