"""What of a value does not fit a JSON schema, in the service's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._sim_schema import Schema, referred

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "null": lambda value: value is None,
    "number": lambda value: _is_number(value),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def mismatches(value: Any, schema: Any) -> list[str]:
    """Each as ``"`/age`: expected integer, but got string"``; none if the value fits.

    Looks at types, members and items, ``enum`` and ``const``, and follows references and
    alternatives; not at formats, patterns and bounds.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return list(_check(value, root, root, ""))


def _check(value: Any, schema: Any, root: Schema, place: str) -> Iterator[str]:
    if schema is False:
        yield _at(place, "not allowed")
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        yield from _check(value, referred(str(schema["$ref"]), root), root, place)
    for part in schema.get("allOf") or ():
        yield from _check(value, part, root, place)
    yield from _alternatives(value, schema, root, place)
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds and not any(_TYPES.get(kind, _anything)(value) for kind in kinds):
        yield _at(place, f"expected {' or '.join(kinds)}, but got {_kind(value)}")
        return
    yield from _values(value, schema, place)
    yield from _members(value, schema, root, place)
    yield from _items(value, schema, root, place)


def _alternatives(value: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    for word in ("anyOf", "oneOf"):
        failures = [list(_check(value, part, root, place)) for part in schema.get(word) or ()]
        if failures and all(failures):
            yield failures[0][0]


def _values(value: Any, schema: Schema, place: str) -> Iterator[str]:
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is not None and value not in allowed:
        names = ", ".join(json.dumps(item, ensure_ascii=False) for item in allowed)
        yield _at(place, f"value must be one of {names}")


def _members(value: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    missing = [repr(name) for name in schema.get("required") or () if name not in value]
    if missing:
        yield _at(place, f"missing properties: {', '.join(missing)}")
    known, others = schema.get("properties") or {}, schema.get("additionalProperties", True)
    for name, member in value.items():
        if name in known:
            yield from _check(member, known[name], root, f"{place}/{name}")
        elif others is False:
            yield _at(place, f"additionalProperties {name!r} not allowed")
        else:
            yield from _check(member, others, root, f"{place}/{name}")


def _items(value: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    if not isinstance(value, list):
        return
    first = schema.get("prefixItems") or []
    for index, item in enumerate(value):
        part = first[index] if index < len(first) else schema.get("items", True)
        yield from _check(item, part, root, f"{place}/{index}")


def _at(place: str, text: str) -> str:
    return f"`{place or '/'}`: {text}"


def _kind(value: Any) -> str:
    return next(kind for kind, fits in _TYPES.items() if fits(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything(_: Any) -> bool:
    return True
