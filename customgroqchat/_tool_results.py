"""What tools return, as the text that a model is told. Pure."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ._plain_types import PLAIN_TYPES


def result_text(result: Any) -> str:
    """Return what a tool returned as text: a string as it is, and anything else as JSON.

    Raises:
        TypeError: something in it has no shape in JSON.
        ValueError: it contains itself.
    """
    if isinstance(result, str) and not isinstance(result, enum.Enum):
        return result
    try:
        return json.dumps(_plain(result), ensure_ascii=False)
    except RecursionError:
        raise ValueError("it contains itself, or is nested too deeply") from None


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    for kind, plain in PLAIN_TYPES.items():
        if isinstance(value, kind):
            return plain.dump(value)
    fields = _fields(value)
    if fields is not None:
        return {_key(name): _plain(item) for name, item in fields.items()}
    return _of_other(value)


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """Return what is inside something that becomes an object."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for name in ("model_dump", "dict", "_asdict"):  # models of pydantic 2 and 1, named tuples
        dump = getattr(value, name, None)
        if callable(dump) and not isinstance(value, type):
            return dict(dump())
    return None


def _of_other(value: Any) -> Any:
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    if callable(item := getattr(value, "item", None)):  # a number of numpy's
        return item()
    raise TypeError(f"a {type(value).__name__} has no shape in JSON")


def _key(name: Any) -> str:
    plain = _plain(name)
    return plain if isinstance(plain, str) else json.dumps(plain)
