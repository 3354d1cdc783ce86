"""JSON schemas: what of a value does not fit one, and how one is made flat or strict. Pure.

This is no JSON-schema library. It knows ``type``, ``enum``, ``const``, ``properties``,
``required``, ``additionalProperties``, ``items``, ``prefixItems``, ``anyOf``, ``oneOf``, ``allOf``,
``$ref`` within the schema, and bounds of numbers and lengths; of the rest it says nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ._text import shown

JSONSchema = Mapping[str, Any]
Path = tuple[str | int, ...]

DEFINITIONS = ("$defs", "definitions")
_UNIONS = ("anyOf", "oneOf")


class Problem(NamedTuple):
    """What is wrong with a value, and where in it: the keys and indices that lead there."""

    path: Path
    text: str

    def __str__(self) -> str:
        """Return the problem as one line, such as ``items[0].price: expected a number``."""
        return f"{where(self.path)}: {self.text}" if self.path else self.text

    def below(self, step: str | int) -> Problem:
        """Return the same problem, told of the value that has this one at ``step``."""
        return Problem((step, *self.path), self.text)


class MisfitError(ValueError):
    """A value does not fit; ``problems`` say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def where(path: Path) -> str:
    """Return a path in the words of code: ``items[0].price``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


# --- what does not fit ------------------------------------------------------------------------


def misfits(value: Any, schema: JSONSchema) -> list[Problem]:
    """Return what of a value, parsed from JSON, does not fit a schema; nothing if it fits."""
    try:
        return [*_misfits(value, schema, schema)]
    except RecursionError:
        return [Problem((), "it is nested too deeply")]


def _misfits(value: Any, schema: Any, root: JSONSchema) -> Iterator[Problem]:
    if schema is False:
        yield Problem((), "nothing is allowed here")
    if not isinstance(schema, Mapping):
        return
    if (target := target_of(schema, root)) is not None:
        yield from _misfits(value, target, root)
    mistyped = _mistyped(value, schema)
    if mistyped is not None:
        yield mistyped
        return
    for part in schema.get("allOf", ()):
        yield from _misfits(value, part, root)
    yield from _outside_bounds(value, schema)
    yield from _of_no_branch(value, schema, root)
    if isinstance(value, dict):
        yield from _of_object(value, schema, root)
    if isinstance(value, list):
        yield from _of_array(value, schema, root)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array": ("an array", lambda value: isinstance(value, list)),
    "string": ("a string", lambda value: isinstance(value, str)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "null": ("null", lambda value: value is None),
    "integer": ("an integer", lambda value: _is_number(value) and value == value // 1),
    "number": ("a number", _is_number),
}


def types_of(schema: JSONSchema) -> list[str]:
    """Return the types that a schema names, which may be none."""
    names = schema.get("type", ())
    return [names] if isinstance(names, str) else [*names]


def _mistyped(value: Any, schema: JSONSchema) -> Problem | None:
    known = [_TYPES[name] for name in types_of(schema) if name in _TYPES]
    if known and not any(fits(value) for _, fits in known):
        allowed = " or ".join(name for name, _ in known)
        return Problem((), f"expected {allowed}, got {shown(value)}")
    options = [schema["const"]] if "const" in schema else schema.get("enum")
    if options is not None and not any(same(value, option) for option in options):
        return Problem((), f"expected {' or '.join(map(shown, options))}, got {shown(value)}")
    return None


def same(value: Any, other: Any) -> bool:
    """Return whether two JSON values are one: unlike in Python, true is not 1."""
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


# What keeps a bound, and how to say it, by keyword.
_Bounds = dict[str, tuple[Callable[[Any, Any], bool], str]]
_OF_NUMBERS: _Bounds = {
    "minimum": (operator.ge, "at least"),
    "maximum": (operator.le, "at most"),
    "exclusiveMinimum": (operator.gt, "more than"),
    "exclusiveMaximum": (operator.lt, "less than"),
}
_OF_LENGTHS: dict[type, _Bounds] = {
    str: {
        "minLength": (operator.ge, "a length of at least"),
        "maxLength": (operator.le, "a length of at most"),
    },
    list: {
        "minItems": (operator.ge, "a length of at least"),
        "maxItems": (operator.le, "a length of at most"),
    },
}


def _outside_bounds(value: Any, schema: JSONSchema) -> Iterator[Problem]:
    bounds = _OF_NUMBERS if _is_number(value) else _OF_LENGTHS.get(type(value), {})
    size = value if _is_number(value) else len(value) if bounds else None
    for keyword, (keeps, words) in bounds.items():
        bound = schema.get(keyword)
        if _is_number(bound) and not keeps(size, bound):
            yield Problem((), f"expected {words} {bound}, got {shown(value)}")


def _of_no_branch(value: Any, schema: JSONSchema, root: JSONSchema) -> Iterator[Problem]:
    for keyword in _UNIONS:
        branches = [[*_misfits(value, branch, root)] for branch in schema.get(keyword, ())]
        if branches and all(branches):
            # The branch that was meant is the one that objects to something deep inside it.
            yield from max(branches, key=lambda found: max(len(problem.path) for problem in found))


def _of_object(value: JSONSchema, schema: JSONSchema, root: JSONSchema) -> Iterator[Problem]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem((name,), "it is required, and missing")
    for name, item in value.items():
        if name in known:
            yield from _below(name, item, known[name], root)
        elif schema.get("additionalProperties") is False:
            yield Problem((name,), "there is no such field")
        else:
            yield from _below(name, item, schema.get("additionalProperties"), root)


def _of_array(value: list[Any], schema: JSONSchema, root: JSONSchema) -> Iterator[Problem]:
    first = schema.get("prefixItems", ())
    for index, item in enumerate(value):
        inside = first[index] if index < len(first) else schema.get("items")
        yield from _below(index, item, inside, root)


def _below(step: str | int, value: Any, schema: Any, root: JSONSchema) -> Iterator[Problem]:
    for problem in _misfits(value, schema, root):
        yield problem.below(step)


# --- references -------------------------------------------------------------------------------


def target_of(schema: JSONSchema, root: JSONSchema) -> Any:
    """Return what a schema's ``$ref`` refers to; None if it has none, or it leads nowhere."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def children(schema: JSONSchema) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the schemas directly inside one, each with the keys that lead to it.

    Those in lists have the number as a key; definitions are left out.
    """
    for name, child in schema.get("properties", {}).items():
        yield ("properties", name), child
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(keyword), Mapping):
            yield (keyword,), schema[keyword]
    for keyword in (*_UNIONS, "allOf", "prefixItems"):
        for index, child in enumerate(schema.get(keyword, ())):
            yield (keyword, str(index)), child


def rebuilt(schema: JSONSchema, change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a schema with each of the schemas directly inside it changed."""
    new = dict(schema)
    for path, child in children(schema):
        if len(path) == 1:
            new[path[0]] = change(child)
        elif isinstance(schema[path[0]], Mapping):
            new[path[0]] = {**new[path[0]], path[1]: change(child)}
        else:
            new[path[0]] = _replaced(new[path[0]], int(path[1]), change(child))
    return new


def _replaced(items: Sequence[Any], index: int, item: Any) -> list[Any]:
    return [*items[:index], item, *items[index + 1 :]]


def inlined(schema: JSONSchema) -> dict[str, Any]:
    """Return a schema with what it refers to written in place.

    Only what contains itself remains a definition, in ``$defs``.
    """
    writer = _Inliner(schema)
    whole = dict(writer.of(schema))
    for keyword in DEFINITIONS:
        whole.pop(keyword, None)
    if "$ref" in whole and writer.definitions:  # the whole of it contains itself
        whole = dict(writer.definitions[whole["$ref"].rpartition("/")[2]])
    return whole | ({"$defs": writer.definitions} if writer.definitions else {})


class _Inliner:
    def __init__(self, root: JSONSchema) -> None:
        self.definitions: dict[str, Any] = {}
        self._root = root
        self._open: list[str] = []
        self._recursive: set[str] = set()

    def of(self, schema: Any) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        target = target_of(schema, self._root)
        if target is None:
            return rebuilt(schema, self.of)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**self._target(schema["$ref"], target), **beside}

    def _target(self, reference: str, target: Any) -> dict[str, Any]:
        name = reference.rpartition("/")[2].replace("#", "") or "root"
        ours = {"$ref": f"#/$defs/{name}"}
        if reference in self._open or name in self.definitions:
            self._recursive.add(reference)
            return ours
        self._open.append(reference)
        body = dict(self.of(target))
        self._open.remove(reference)
        if reference not in self._recursive:
            return body
        self.definitions[name] = body
        return ours


# --- nulls that stand for nothing -------------------------------------------------------------


def without_fillers(value: Any, schema: JSONSchema) -> Any:
    """Return a value without the nulls of fields that may be missing, and may not be null.

    In strict mode nothing may be missing, and models write such nulls in other modes as well.
    """
    try:
        return _without_fillers(value, schema, schema)
    except RecursionError:
        return value


def _without_fillers(value: Any, schema: Any, root: JSONSchema) -> Any:
    if not isinstance(schema, Mapping) or not isinstance(value, dict | list):
        return value
    if (target := target_of(schema, root)) is not None:
        return _without_fillers(value, target, root)
    for keyword in (*_UNIONS, "allOf"):
        for branch in schema.get(keyword, ()):
            cleaned = _without_fillers(value, branch, root)
            if not [*_misfits(cleaned, branch, root)]:
                return cleaned
    if isinstance(value, list):
        return [_without_fillers(item, schema.get("items"), root) for item in value]
    return dict(_fields_without_fillers(value, schema, root))


def _fields_without_fillers(
    value: JSONSchema, schema: JSONSchema, root: JSONSchema
) -> Iterator[tuple[str, Any]]:
    known = schema.get("properties", {})
    for name, item in value.items():
        inside = known.get(name, schema.get("additionalProperties"))
        optional = name in known and name not in schema.get("required", ())
        if item is None and optional and [*_misfits(None, inside, root)]:
            continue
        yield name, _without_fillers(item, inside, root)
