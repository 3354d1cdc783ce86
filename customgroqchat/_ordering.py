"""Who goes first: priorities, and ranks that age. Pure: a birth time in, a rank out."""

from __future__ import annotations

from ._text import shown
from .exceptions import InvalidRequestException

#: Smaller is sooner, as in ``queue.PriorityQueue``.
PRIORITIES = {"high": 1, "normal": 2, "low": 3}

Priority = str | int

_FARTHEST = 1_000_000  # a rank is a float, and must tell neighbours apart


def priority_level(priority: Priority) -> int:
    """Return the level of ``"high"``, ``"normal"``, ``"low"`` or an integer (smaller is sooner).

    Raises:
        InvalidRequestException: for anything else.
    """
    if isinstance(priority, str) and priority.lower() in PRIORITIES:
        return PRIORITIES[priority.lower()]
    if isinstance(priority, int) and not isinstance(priority, bool) and abs(priority) <= _FARTHEST:
        return priority
    raise InvalidRequestException(
        f"priority must be 'high', 'normal', 'low' or an integer, not {shown(priority)}.",
        field="priority",
        value=shown(priority),
        hint="Smaller integers go first: 'high' is 1, 'normal' 2, 'low' 3.",
    )


def priority_name(level: int) -> str:
    """Return the name of a level, or its number as text where it has none."""
    return next((name for name, known in PRIORITIES.items() if known == level), str(level))


def rank(level: int, born_s: float, ageing_s: float | None) -> float:
    """Return the rank of a request: lower goes first, whenever two are compared.

    A request gains one level in every ``ageing_s`` seconds. Since all of them age alike, adding
    the birth time once sorts exactly as comparing aged priorities at any later moment would, so
    that nothing is ever sorted again. With ``ageing_s`` None the order is strict: the level alone.
    """
    return float(level) if ageing_s is None else level * ageing_s + born_s
