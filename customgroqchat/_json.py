"""JSON, to the service and from it. Pure."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Stands for what cannot be parsed.
NOT_JSON = object()


def parsed(text: bytes | str) -> Any:
    """Return what a JSON text says, or :data:`NOT_JSON`."""
    # The fault is not passed on, for it holds the whole text.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return NOT_JSON


def encode(payload: object) -> bytes:
    """Return a payload as compact JSON in UTF-8.

    Mappings and sequences of any kind become objects and lists, dates their ISO form, and objects
    with a ``model_dump`` what that says. Lone surrogates, which UTF-8
    cannot carry, are escaped.

    Raises:
        TypeError: something in it is not JSON.
        ValueError: NaN, an infinity, or something that contains itself.
        RecursionError: it is nested too deeply.
    """
    dumps = functools.partial(
        json.dumps, payload, separators=(",", ":"), allow_nan=False, default=_plain
    )
    try:
        return dumps(ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return dumps().encode()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return list(value)
    if isinstance(value, datetime.date):  # and datetime.datetime
        return value.isoformat()
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(exclude_unset=True, mode="json")
    raise TypeError(f"a {type(value).__name__} is not JSON")
