"""Types that are one value of JSON: its own, and those that stand in a string. Pure."""

from __future__ import annotations

import datetime
import decimal
import pathlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class PlainType(NamedTuple):
    """How a type looks in JSON, what it is called in an error, and the ways from and to JSON.

    ``load`` is given what fits the schema; it raises ValueError if that is not enough.
    """

    schema: Mapping[str, Any]
    words: str
    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _decimal(value: float) -> decimal.Decimal:
    return decimal.Decimal(str(value))  # 0.1, and not the float that is nearest to it


def _moment(text: str) -> datetime.datetime:
    # Before 3.11, Z is not understood, which is how most write it.
    return datetime.datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in "Zz" else text)


def _text(form: str) -> dict[str, str]:
    return {"type": "string", "format": form}


def _timely(form: str, words: str, load: Callable[[str], Any]) -> PlainType:
    words = f"a {words} in ISO 8601"
    return PlainType(_text(form), words, load, lambda value: value.isoformat())


PLAIN_TYPES: Mapping[type, PlainType] = {
    str: PlainType({"type": "string"}, "a string", _same, _same),
    bool: PlainType({"type": "boolean"}, "true or false", _same, _same),
    int: PlainType({"type": "integer"}, "an integer", int, _same),
    float: PlainType({"type": "number"}, "a number", float, _same),
    type(None): PlainType({"type": "null"}, "null", _same, _same),
    decimal.Decimal: PlainType({"type": "number"}, "a number", _decimal, str),
    datetime.datetime: _timely("date-time", "time", _moment),
    datetime.date: _timely("date", "date", datetime.date.fromisoformat),
    datetime.time: _timely("time", "time", datetime.time.fromisoformat),
    uuid.UUID: PlainType(_text("uuid"), "a UUID", uuid.UUID, str),
    pathlib.Path: PlainType({"type": "string"}, "a path", pathlib.Path, str),
}
