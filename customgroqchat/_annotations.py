"""From the annotations of Python to shapes of JSON. Pure."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from typing import Any

from ._docstrings import documentation
from ._foreign_models import foreign_model
from ._plain_types import PLAIN_TYPES
from ._shapes import (
    NO_DEFAULT,
    ArrayShape,
    DescribedShape,
    Field,
    ForeignShape,
    OptionsShape,
    PlainShape,
    RecordShape,
    RowShape,
    Shape,
    TableShape,
    UnionShape,
    UnknownTypeError,
)
from ._text import shown


def shape_of(hint: Any) -> Shape:
    """Return the shape of a type, as an annotation names it.

    Raises:
        UnknownTypeError: it has none.
    """
    if hint in (Any, object, NO_DEFAULT):
        return Shape()
    if typing.get_origin(hint) is not None:
        return _of_generic(hint, typing.get_origin(hint), typing.get_args(hint))
    if isinstance(hint, type):
        return _of_class(hint)
    for name in ("__supertype__", "__value__", "__bound__"):  # NewType, ``type X = ...``, TypeVar
        if hasattr(hint, name):
            return shape_of(getattr(hint, name) or Any)
    if model := foreign_model(hint):
        return ForeignShape(model)
    if hint is None:
        return PlainShape(PLAIN_TYPES[type(None)])
    raise UnknownTypeError(f"{shown(hint)} has no shape in JSON")


def _of_class(kind: type) -> Shape:
    if kind in PLAIN_TYPES:
        return PlainShape(PLAIN_TYPES[kind])
    if model := foreign_model(kind):
        return ForeignShape(model)
    if issubclass(kind, enum.Enum):
        return OptionsShape.of((member.value, member) for member in kind)
    if kind in _ARRAYS:
        return ArrayShape(Shape(), _ARRAYS[kind])
    if kind in _TABLES:
        return TableShape(Shape())
    if find := _finder(kind):
        make = dict if issubclass(kind, dict) else kind
        return RecordShape(kind, lambda: find(kind), make)
    raise UnknownTypeError(f"{kind.__qualname__} has no shape in JSON")


_ARRAYS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    **dict.fromkeys((list, Sequence, MutableSequence, Collection, Iterable), list),
    **dict.fromkeys((set, Set, MutableSet), set),
    frozenset: frozenset,
    tuple: tuple,
}
_TABLES = {dict, Mapping, MutableMapping}


def _of_generic(hint: Any, origin: Any, args: tuple[Any, ...]) -> Shape:
    if origin is typing.Annotated:
        return _of_annotated(args[0], hint.__metadata__)
    if origin is typing.Literal:
        return OptionsShape.of((option, option) for option in args)
    if origin in (typing.Union, types.UnionType):
        return UnionShape(tuple(map(shape_of, args)))
    if origin is tuple and args[1:] != (...,):
        return RowShape(tuple(map(shape_of, args)))
    if origin in _ARRAYS:
        return ArrayShape(shape_of(args[0]), _ARRAYS[origin])
    if origin in _TABLES:
        if args[0] not in (str, Any):
            raise UnknownTypeError(f"{hint}: the keys of JSON are strings")
        return TableShape(shape_of(args[1]))
    if _qualifier(hint):
        return shape_of(args[0])
    if isinstance(hint, types.GenericAlias) or not isinstance(origin, type):
        raise UnknownTypeError(f"{hint} has no shape in JSON")
    return _of_class(origin)


def _of_annotated(hint: Any, remarks: Iterable[Any]) -> Shape:
    for remark in remarks:
        text = remark if isinstance(remark, str) else getattr(remark, "description", None)
        text = text or getattr(remark, "documentation", None)
        if isinstance(text, str):
            return DescribedShape(shape_of(hint), text)
    return shape_of(hint)


def _qualifier(hint: Any) -> str | None:
    """Return what is said of a field beside its type, such as ``NotRequired``."""
    name = getattr(typing.get_origin(hint), "_name", None)
    return name if name in ("Required", "NotRequired", "ReadOnly") else None


# --- classes with fields ----------------------------------------------------------------------


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the annotations of a class or function, with the names in them looked up.

    Raises:
        UnknownTypeError: a name is not known where it is defined.
    """
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except (NameError, TypeError) as error:
        name = getattr(thing, "__qualname__", shown(thing))
        raise UnknownTypeError(f"an annotation of {name} cannot be read: {error}") from error


def _finder(kind: type) -> Callable[[Any], dict[str, Field]] | None:
    if issubclass(kind, dict) and hasattr(kind, "__total__"):
        return _of_typed_dict
    if dataclasses.is_dataclass(kind):
        return _of_dataclass
    return _of_named_tuple if issubclass(kind, tuple) and hasattr(kind, "_fields") else None


def _texts(kind: Any) -> dict[str, str]:
    return documentation(inspect.cleandoc(kind.__doc__ or "")).parameters  # and not its base's


def _of_typed_dict(kind: Any) -> dict[str, Field]:
    texts = _texts(kind)
    return {
        name: Field(shape_of(hint), _is_required(kind, name, hint), texts.get(name))
        for name, hint in hints_of(kind).items()
    }


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # What the class itself says is wrong where annotations are strings.
    while _qualifier(hint) == "ReadOnly":
        hint = typing.get_args(hint)[0]
    said = {"Required": True, "NotRequired": False}.get(_qualifier(hint) or "")
    return name in kind.__required_keys__ if said is None else said


def _of_dataclass(kind: Any) -> dict[str, Field]:
    texts, hints = _texts(kind), hints_of(kind)
    fields = {}
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        text = field.metadata.get("description") or texts.get(field.name)
        is_required = field.default is field.default_factory is dataclasses.MISSING
        default = NO_DEFAULT if field.default is dataclasses.MISSING else field.default
        fields[field.name] = Field(shape_of(hints[field.name]), is_required, text, default)
    return fields


def _of_named_tuple(kind: Any) -> dict[str, Field]:
    texts, hints = _texts(kind), hints_of(kind)
    defaults = kind._field_defaults
    return {
        name: Field(
            shape_of(hints.get(name, Any)),
            name not in defaults,
            texts.get(name),
            defaults.get(name, NO_DEFAULT),
        )
        for name in kind._fields
    }
