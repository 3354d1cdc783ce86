"""Shapes: what Python's types look like in JSON, both ways. Pure.

A shape writes the JSON schema of a type, and loads a value that fits it: a dict becomes the
dataclass, a string the date. Types are those of annotations; models of pydantic, 1 or 2, are
known by their methods, and the library is not needed.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ._foreign_models import ForeignModel
from ._plain_types import PlainType
from ._schemas import MisfitError, Problem, inlined, misfits, rebuilt, same
from ._text import shown

JSONObject = dict[str, Any]
NO_DEFAULT: Any = inspect.Parameter.empty


class UnknownTypeError(TypeError):
    """A type that has no shape in JSON; the message says which, and where."""


class Shape:
    """Any value at all; its subclasses are more particular."""

    def schema(self, _writer: Writer, /) -> JSONObject:
        """Return the JSON schema."""
        return {}

    def load(self, value: Any) -> Any:
        """Return what a value stands for that fits the schema; raises MisfitError."""
        return value


ANYTHING = Shape()


class Writer:
    """Writes schemas, in place where that ends, and otherwise as definitions in ``$defs``."""

    def __init__(self) -> None:
        self.definitions: JSONObject = {}
        self._open: list[Any] = []
        self._names: dict[str, Any] = {}

    def named(self, kind: Any, write: Callable[[], JSONObject]) -> JSONObject:
        """Return the schema of something that may contain itself."""
        name = getattr(kind, "__name__", "root")
        reference = {"$ref": f"#/$defs/{name}"}
        if self._names.get(name) is kind or kind in self._open:
            self._claim(name, kind)
            return reference
        self._open.append(kind)
        body = write()
        self._open.remove(kind)
        if self._names.get(name) is not kind:
            return body
        self.definitions[name] = body
        return reference

    def hoisted(self, schema: JSONObject, kind: Any) -> JSONObject:
        """Return a schema without its definitions, which become definitions of the whole."""
        for name, body in schema.pop("$defs", {}).items():
            self._claim(name, kind)
            self.definitions[name] = body
        return schema

    def _claim(self, name: str, kind: Any) -> None:
        if self._names.setdefault(name, kind) is not kind:
            raise UnknownTypeError(f"two types that contain themselves are named {name!r}")


def document(shape: Shape) -> JSONObject:
    """Return the whole schema of a shape, with its definitions."""
    writer = Writer()
    schema = shape.schema(writer)
    if not writer.definitions:
        return schema
    if schema.keys() == {"$ref"}:
        schema = dict(writer.definitions[schema["$ref"].rpartition("/")[2]])
    return {**schema, "$defs": writer.definitions}


def loaded(shape: Shape, value: Any) -> Any:
    """Return what a value, parsed from JSON, stands for.

    Raises:
        MisfitError: it does not fit.
    """
    if problems := misfits(value, document(shape)):
        raise MisfitError(*problems)
    return shape.load(value)


def _load_at(step: str | int, shape: Shape, value: Any) -> Any:
    try:
        return shape.load(value)
    except MisfitError as error:
        raise MisfitError(*(problem.below(step) for problem in error.problems)) from error


# --- the shapes -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class PlainShape(Shape):
    """A value that JSON has, or a text for one that it has not."""

    kind: PlainType

    def schema(self, _writer: Writer, /) -> JSONObject:
        return dict(self.kind.schema)

    def load(self, value: Any) -> Any:
        try:
            return self.kind.load(value)
        except ValueError:
            raise MisfitError(
                Problem((), f"expected {self.kind.words}, got {shown(value)}")
            ) from None


@dataclasses.dataclass(frozen=True)
class OptionsShape(Shape):
    """One of some values: a Literal, or an Enum."""

    members: tuple[tuple[Any, Any], ...]

    @classmethod
    def of(cls, members: Iterable[tuple[Any, Any]]) -> OptionsShape:
        """Return the shape of pairs of what stands in JSON, and what that stands for."""
        found = tuple(members)
        for option, _ in found:
            if type(option) not in _JSON_NAMES:
                raise UnknownTypeError(f"{shown(option)} is no value of JSON")
        return cls(found)

    def schema(self, _writer: Writer, /) -> JSONObject:
        options = [option for option, _ in self.members]
        names = {_JSON_NAMES[type(option)] for option in options}
        return ({"type": names.pop()} if len(names) == 1 else {}) | {"enum": options}

    def load(self, value: Any) -> Any:
        return next(member for option, member in self.members if same(option, value))


_JSON_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclasses.dataclass(frozen=True)
class ArrayShape(Shape):
    item: Shape
    make: Callable[[Iterable[Any]], Any]

    def schema(self, writer: Writer, /) -> JSONObject:
        return {"type": "array", "items": self.item.schema(writer)}

    def load(self, value: Any) -> Any:
        return self.make(_load_at(index, self.item, item) for index, item in enumerate(value))


@dataclasses.dataclass(frozen=True)
class RowShape(Shape):
    """A tuple of so many values."""

    items: tuple[Shape, ...]

    def schema(self, writer: Writer, /) -> JSONObject:
        items = [item.schema(writer) for item in self.items]
        size = len(items)
        return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}

    def load(self, value: Any) -> Any:
        pairs = zip(self.items, value, strict=True)
        return tuple(_load_at(index, *pair) for index, pair in enumerate(pairs))


@dataclasses.dataclass(frozen=True)
class TableShape(Shape):
    """A dict with any keys."""

    item: Shape

    def schema(self, writer: Writer, /) -> JSONObject:
        inside = self.item.schema(writer)
        return {"type": "object"} | ({"additionalProperties": inside} if inside else {})

    def load(self, value: Any) -> Any:
        return {name: _load_at(name, self.item, item) for name, item in value.items()}


class Field(NamedTuple):
    """A named part of a record, or a parameter of a function."""

    shape: Shape
    required: bool
    description: str | None = None
    default: Any = NO_DEFAULT

    def schema(self, writer: Writer, /) -> JSONObject:
        """Return the schema, with what is known beside the type."""
        schema = self.shape.schema(writer)
        if self.description and "description" not in schema:
            schema = {**schema, "description": self.description}
        if isinstance(self.default, str | bool | int | float | None):
            schema = {**schema, "default": self.default}
        return schema


@dataclasses.dataclass(frozen=True)
class RecordShape(Shape):
    """A dict with certain keys: a TypedDict, dataclass or NamedTuple, or arguments."""

    kind: Any
    find: Callable[[], Mapping[str, Field]]  # later, since it may contain itself
    make: Callable[..., Any]

    def schema(self, writer: Writer, /) -> JSONObject:
        return writer.named(self.kind, lambda: self._schema(writer))

    def _schema(self, writer: Writer) -> JSONObject:
        fields = self.find()
        schema: JSONObject = {
            "type": "object",
            "properties": {name: field.schema(writer) for name, field in fields.items()},
        }
        required = [name for name, field in fields.items() if field.required]
        return schema | ({"required": required} if required else {})

    def load(self, value: Any) -> Any:
        found = {
            name: _load_at(name, field.shape, value[name])
            for name, field in self.find().items()
            if name in value
        }
        try:
            return self.make(**found)
        except (TypeError, ValueError) as error:  # __post_init__ may be particular
            raise MisfitError(Problem((), str(error))) from error


@dataclasses.dataclass(frozen=True)
class UnionShape(Shape):
    """One of some shapes: the first that fits."""

    branches: tuple[Shape, ...]

    def schema(self, writer: Writer, /) -> JSONObject:
        schemas = [branch.schema(writer) for branch in self.branches]
        if {} in schemas:
            return {}
        if all(schema.keys() == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}

    def load(self, value: Any) -> Any:
        problems: list[Problem] = []
        for branch in self.branches:
            if misfits(value, document(branch)):
                continue
            try:
                return branch.load(value)
            except MisfitError as error:
                problems.extend(error.problems)
        raise MisfitError(*problems)


@dataclasses.dataclass(frozen=True)
class DescribedShape(Shape):
    inside: Shape
    description: str

    def schema(self, writer: Writer, /) -> JSONObject:
        return {**self.inside.schema(writer), "description": self.description}

    def load(self, value: Any) -> Any:
        return self.inside.load(value)


@dataclasses.dataclass(frozen=True)
class ForeignShape(Shape):
    model: ForeignModel

    def schema(self, writer: Writer, /) -> JSONObject:
        schema = _untitled(inlined(self.model.schema()))
        return writer.hoisted(schema, self.model.kind)

    def load(self, value: Any) -> Any:
        return self.model.load(value)


def _untitled(schema: Any) -> Any:
    """Return a schema without titles, which repeat the names, and cost tokens."""
    if not isinstance(schema, Mapping):
        return schema
    plain = {name: value for name, value in schema.items() if name != "title"}
    if "$defs" in plain:
        plain["$defs"] = {name: _untitled(body) for name, body in plain["$defs"].items()}
    return rebuilt(plain, _untitled)
