"""Sentinels and aliases of public signatures."""

from __future__ import annotations


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
