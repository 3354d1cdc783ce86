"""JSON schemas as strict mode wants them: nothing is optional, and nothing is unnamed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._schemas import DEFINITIONS, JSONSchema, Path, inlined, rebuilt, types_of, where

# What strict mode has no words for: fields that are not named, conditions, rows.
_UNKNOWN_TO_IT = (
    *("patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems"),
    *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas"),
    *("prefixItems", "contains", "not", "if", "then", "else"),
)
# What says something of a schema, without allowing more or less.
_REMARKS = {"title", "description", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}
_NULL = {"type": "null"}


class NotStrictError(ValueError):
    """A schema cannot be made strict; the message says where and why."""


def strict_form(schema: JSONSchema) -> dict[str, Any]:
    """Return a schema as strict mode wants it, for the same values.

    Every field becomes required, those that were optional may be null instead; no field may be
    added. Defaults, which have no meaning then, are left out; ``$ref`` and ``$defs`` are kept.

    Raises:
        NotStrictError: it allows what strict mode has no words for, such as any field.
    """
    if schema.get("type") != "object":
        raise NotStrictError("its top is no object")
    return _Strict(schema).of(schema, ())


class _Strict:
    def __init__(self, root: JSONSchema) -> None:
        self._root = root

    def of(self, schema: Any, path: Path) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            raise _not_strict(path, "anything is allowed")
        schema = _plain(schema, path)
        if "$ref" in schema:
            return self._reference(schema, path)
        found = rebuilt({**schema, "properties": {}}, lambda child: self.of(child, path))
        del found["properties"]
        if "object" in types_of(schema):
            found |= self._fields(schema, path)
        elif not found.keys() - _REMARKS:
            raise _not_strict(path, "anything is allowed")
        elif "array" in types_of(schema) and "items" not in schema:
            raise _not_strict(path, "an array may hold anything")
        return found | self._definitions(schema)

    def _reference(self, schema: JSONSchema, path: Path) -> dict[str, Any]:
        beside = schema.keys() - {"$ref", *DEFINITIONS}
        if not beside:
            return dict(schema)
        # A reference stands alone: what is said beside it is said of what it refers to.
        definitions = {name: self._root[name] for name in DEFINITIONS if name in self._root}
        whole = inlined({**schema, **definitions})
        recursive = whole.pop("$defs", None)
        return {"$ref": schema["$ref"]} if recursive else self.of(whole, path)

    def _fields(self, schema: JSONSchema, path: Path) -> dict[str, Any]:
        if schema.get("additionalProperties", False) is not False:
            raise _not_strict(path, "fields of any name are allowed")
        if not isinstance(schema.get("properties"), Mapping):
            raise _not_strict(path, "an object may have any fields")
        required = schema.get("required", ())
        fields = {}
        for name, field in schema["properties"].items():
            strict = self.of(field, (*path, name))
            fields[name] = strict if name in required else _nullable(strict)
        return {"properties": fields, "required": [*fields], "additionalProperties": False}

    def _definitions(self, schema: JSONSchema) -> dict[str, Any]:
        return {
            keyword: {name: self.of(inside, (name,)) for name, inside in schema[keyword].items()}
            for keyword in DEFINITIONS
            if keyword in schema
        }


def _plain(schema: JSONSchema, path: Path) -> dict[str, Any]:
    """Return a schema in fewer of the words that say the same."""
    for keyword in _UNKNOWN_TO_IT:
        if keyword in schema:
            raise _not_strict(path, f"it has {keyword!r}")
    plain = {name: value for name, value in schema.items() if name not in _DROPPED}
    if "oneOf" in schema:
        plain["anyOf"] = [*schema["oneOf"], *schema.get("anyOf", ())]
    if "allOf" in schema:
        if len(schema["allOf"]) != 1:
            raise _not_strict(path, "it has 'allOf'")
        plain = _plain(schema["allOf"][0], path) | plain
    return plain


_DROPPED = ("default", "discriminator", "oneOf", "allOf")


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "null" in types_of(schema) or _NULL in schema.get("anyOf", ()):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    if "type" not in schema or schema.keys() & {"properties", "const"}:
        return _beside_null(schema)
    nullable = {**schema, "type": [*types_of(schema), "null"]}
    return nullable | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def _beside_null(schema: dict[str, Any]) -> dict[str, Any]:
    remarks = {name: value for name, value in schema.items() if name == "description"}
    inside = {name: value for name, value in schema.items() if name != "description"}
    return {**remarks, "anyOf": [inside, _NULL]}


def _not_strict(path: Path, why: str) -> NotStrictError:
    return NotStrictError(f"{where(path)}: {why}" if path else why)
