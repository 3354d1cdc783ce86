"""An example of a JSON schema: the same each time, and as small as the schema allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Deeper than this, optional members are left out, so that a recursive schema has an end.
_DEEP = 6
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

Schema = Mapping[str, Any]


def example(schema: Any) -> Any:
    """A value that fits ``schema``, a dialect with ``$ref``, ``anyOf``, ``enum`` and so on.

    A ``pattern`` of a string is not followed.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _example(root, root, "", 0)


def _example(schema: Any, root: Schema, name: str, depth: int) -> Any:
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return _array(schema, root, name, depth)
    return _scalar(schema, kind, name)


def _resolved(schema: Any, root: Schema) -> Schema:
    """The schema itself, behind references and alternatives, of which the first is taken."""
    for _ in range(32):  # a chain of references that leads back to itself has no end
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            schema = referred(str(schema["$ref"]), root)
        elif schema.get("anyOf") or schema.get("oneOf"):
            schema = _alternative(schema.get("anyOf") or schema["oneOf"])
        elif schema.get("allOf"):
            schema = _merged(schema, root)
        else:
            return schema
    return {}


def referred(reference: str, root: Schema) -> Any:
    """What ``$ref`` points at; an empty schema if there is nothing."""
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step, {}) if step and isinstance(found, Mapping) else found
    return found


def _alternative(choices: Any) -> Any:
    nothing = {"type": "null"}
    return next((choice for choice in choices if choice != nothing), choices[0])


def _merged(schema: Schema, root: Schema) -> Schema:
    parts = [{key: value for key, value in schema.items() if key != "allOf"}]
    parts += [dict(_resolved(part, root)) for part in schema["allOf"]]
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    required = schema.get("required") or []
    return {
        name: _example(part, root, name, depth + 1)
        for name, part in (schema.get("properties") or {}).items()
        if name in required or depth < _DEEP
    }


def _array(schema: Schema, root: Schema, name: str, depth: int) -> list[Any]:
    first = [_example(part, root, name, depth + 1) for part in schema.get("prefixItems") or []]
    wanted = schema.get("minItems", 1 if depth < _DEEP else 0)
    if schema.get("items") is False:
        return first
    item = schema.get("items") or {}
    return first + [_example(item, root, name, depth + 1) for _ in range(wanted - len(first))]


def _scalar(schema: Schema, kind: str, name: str) -> Any:
    if kind == "string":
        return _string(schema, name)
    if kind in ("integer", "number"):
        return _number(schema, kind)
    return True if kind == "boolean" else None


def _string(schema: Schema, name: str) -> str:
    text = _FORMATS.get(str(schema.get("format"))) or name or "text"
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _number(schema: Schema, kind: str) -> float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = min(step, high - step) if high is not None else step
    value = -(-low // step) * step
    value += step if value == schema.get("exclusiveMinimum") else 0
    if kind == "integer":
        return int(value)
    if high is not None and (value > high or value == schema.get("exclusiveMaximum")):
        return float((low + high) / 2)
    return float(value)
