"""JSON as Python would write it: on one line if that is not too long, else indented. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from keyword import iskeyword
from typing import Any

_WIDTH = 100
_INDENT = "    "


def pretty(value: Any, room: int = _WIDTH, around: frozenset[int] = frozenset()) -> str:
    """Return a value as a Python expression; subclasses of dict as calls of their name.

    Args:
        value: What ``json.loads`` gives; anything else in it is shown by its own ``repr``.
        room: How long a line may be, in characters. What cannot be broken may be longer.
        around: The ids of what it is in: of what contains itself, the inner one is ``...``.
    """
    if not isinstance(value, dict | list):
        return repr(value)
    if id(value) in around:
        return "..."
    around |= {id(value)}
    opening, parts, closing = _taken_apart(value)
    less = room - len(_INDENT)
    shown = [head + pretty(inside, less - len(head), around) for head, inside in parts]
    line = opening + ", ".join(shown) + closing
    if len(line) <= room and "\n" not in line:
        return line
    lines = (part.replace("\n", f"\n{_INDENT}") for part in shown)
    return f"{opening}\n" + "".join(f"{_INDENT}{part},\n" for part in lines) + closing


def _taken_apart(value: Any) -> tuple[str, Iterable[tuple[str, Any]], str]:
    """Return what stands before, the parts, each with what stands before it, and the end."""
    if isinstance(value, list):
        return "[", [("", item) for item in value], "]"
    name = "" if type(value) is dict else type(value).__name__
    if name and all(map(_is_keyword_argument, value)):
        return f"{name}(", [(f"{key}=", item) for key, item in value.items()], ")"
    opening, closing = (f"{name}({{", "})") if name else ("{", "}")
    return opening, [(f"{key!r}: ", item) for key, item in value.items()], closing


def _is_keyword_argument(key: object) -> bool:
    # Python would read some letters beyond ASCII as others.
    return isinstance(key, str) and key.isidentifier() and key.isascii() and not iskeyword(key)
