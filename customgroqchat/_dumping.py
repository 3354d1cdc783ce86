"""Plain dicts and lists, out of dicts of any kind; all of them, or a choice. Pure.

A choice is written as pydantic has it: a set of keys; or a mapping from keys to ``True`` or to a
choice of what is inside. The keys of a list are its indices, or ``"__all__"``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

Choice = Mapping[Any, Any] | Collection[Any]

_ALL = "__all__"


def plain(value: Any) -> Any:
    """Return a value with plain dicts and lists in place of their subclasses."""
    if isinstance(value, dict):
        return {key: plain(inside) for key, inside in value.items()}
    return [plain(inside) for inside in value] if isinstance(value, list) else value


def chosen(
    value: Any, include: Choice | None, exclude: Choice | None, *, without_none: bool = False
) -> Any:
    """Return a value as :func:`plain` does, without what was not chosen.

    Args:
        value: What ``json.loads`` gives.
        include: What to keep, or None for all.
        exclude: What to leave out.
        without_none: Leave out what is None as well, at every depth, save in lists.
    """
    if isinstance(value, list):
        picked = _picked(enumerate(value), include, exclude)
        return [chosen(*inside, without_none=without_none) for _, *inside in picked]
    if not isinstance(value, dict):
        return value
    return {
        key: chosen(inside, *choices, without_none=without_none)
        for key, inside, *choices in _picked(value.items(), include, exclude)
        if not (without_none and inside is None)
    }


def _picked(
    entries: Iterable[tuple[Any, Any]], include: Choice | None, exclude: Choice | None
) -> Iterator[tuple[Any, Any, Choice | None, Choice | None]]:
    """Yield the entries that were chosen, each with the choices for what is inside of it."""
    for key, value in entries:
        kept, left_out = _named(include, key), _named(exclude, key)
        if left_out is not True and (include is None or kept is not None):
            yield key, value, None if kept is True else kept, left_out


def _named(choice: Choice | None, key: Any) -> Any:
    """Return True if a choice names a key, None if not, or its choice for what is inside."""
    if isinstance(choice, Mapping):
        found = choice.get(key, choice.get(_ALL))
        return True if found is ... else found or None
    return True if choice is not None and (key in choice or _ALL in choice) else None
