"""Sentinels and aliases of public signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal


class NotGiven:
    """The type of :data:`NOT_GIVEN`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


#: Stands for an argument that was left out, where None means something else.
NOT_GIVEN = NotGiven()

#: Seconds: one number, or (connect, read), where None is no bound.
Timeout = float | tuple[float | None, float | None] | None

#: A conversation.
Messages = Sequence[Mapping[str, Any]]

#: The most tokens of an answer; ``"auto"`` leaves it to this client.
Cap = int | Literal["auto"] | None
