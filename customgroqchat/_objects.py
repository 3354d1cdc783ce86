"""Answers: dicts whose keys are attributes as well. Their classes stand in ``types``.

The annotations tell editors what the service is known to send; nothing is checked, and fields
that nobody knows yet are kept. Being dicts, answers go through ``json.dumps``, Django's
``JsonResponse``, Flask's ``jsonify``, caches and pickles as they are.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
)

from ._came_about import CameAbout
from ._dumping import Choice, chosen, plain
from ._pretty import pretty
from ._records import NO_FACTS, AnswerFacts
from ._text import shown
from .exceptions import InvalidRequestException

if TYPE_CHECKING:
    pass

T = TypeVar("T", bound="APIObject")
A = TypeVar("A", bound="APIAnswer")

#: The type under a name that the method ``dict`` does not hide.
JSONObject: TypeAlias = dict[str, Any]
_MISSING = object()
_DEFAULTS: dict[type[Any], Mapping[str, Any]] = {}
_Wrap: TypeAlias = Callable[[Mapping[str, Any]], "APIObject"]


class _Noted(JSONObject):
    """A dict with attributes of its own, which :func:`_notes_of` finds."""


_OWN_DICT: Any = vars(_Noted)["__dict__"]


def _notes_of(answer: APIObject) -> dict[str, Any]:
    """Return what was kept on an object that is no field of it."""
    notes: dict[str, Any] = _OWN_DICT.__get__(answer)
    return notes


class APIObject(_Noted):
    """A JSON object of the service: ``answer["usage"]`` and ``answer.usage`` are the same.

    A name that is neither a field nor known to the class raises AttributeError; one that is known
    (annotated) and was not sent is None. Where a field is named like a method, such as ``items``,
    only ``answer["items"]`` reaches it. Attributes whose names begin with an underscore are no
    fields: programs may keep there what they like, and copies and pickles keep it too.

    Plain dicts that it is made from become objects as well, all the way down. It equals every
    dict with the same content. Methods named as in pydantic do as there, with one difference: what
    was not sent is in no dump.

    Reading it is safe from any thread, as with any dict.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep the values of fields that a class of a program's own gives them as defaults.

        As attributes of the class they would hide what was sent.
        """
        super().__init_subclass__(**options)
        own = inspect.get_annotations(cls)
        found = {name: vars(cls)[name] for name in own if _is_default(name, vars(cls))}
        for name in found:
            delattr(cls, name)
        inherited = [_DEFAULTS.get(base, {}) for base in reversed(cls.__mro__)]
        _DEFAULTS[cls] = {**{k: v for each in inherited for k, v in each.items()}, **found}

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        wraps = _wraps(type(self))
        for name, value in self.items():
            if value.__class__ in _CONTAINERS:
                self[name] = _wrapped(value, wraps.get(name, APIObject.wrap))

    @classmethod
    def wrap(cls: type[T], data: Mapping[str, Any]) -> T:
        """Return ``data`` as this class, with everything inside it wrapped as well."""
        wraps = _wraps(cls)
        made = cls.__new__(cls)  # as the constructor does it, at two thirds of the time
        for name, value in data.items():
            kind = value.__class__
            if kind is dict:
                made[name] = wraps.get(name, _wrap_any)(value)
            elif kind is list:
                made[name] = _wrapped(value, wraps.get(name, _wrap_any))
            else:
                made[name] = value
        return made

    # Hidden from type checkers, so that they tell a misspelt name.
    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            # Names such as __html__ and __setstate__ are questions of others to the class.
            if name in self and not name.startswith("__"):
                return self[name]
            if name in _wraps(type(self)):
                return _DEFAULTS.get(type(self), {}).get(name)
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")

        def __setattr__(self, name: str, value: Any) -> None:
            own = getattr(type(self), name, None)
            if name.startswith("_") or hasattr(own, "__set__"):
                object.__setattr__(self, name, value)
            elif own is not None:
                raise AttributeError(f"{name!r} is a method; the field is answer[{name!r}]")
            else:
                self[name] = value

        def __delattr__(self, name: str) -> None:
            if name in _notes_of(self) or name not in self:
                object.__delattr__(self, name)
            else:
                del self[name]

        @property
        def __dict__(self) -> JSONObject:
            """The fields, for who asks with ``vars()`` as of any object: a copy of the dict."""
            return dict(self)

    def __getstate__(self) -> JSONObject | None:
        return {**_notes_of(self)} or None

    def __setstate__(self, notes: JSONObject) -> None:
        _notes_of(self).update(notes)

    def __dir__(self) -> list[str]:
        """Return what can follow the dot: methods, known fields, and others that were sent."""
        return sorted({*super().__dir__(), *_wraps(type(self)), *map(str, self)})

    # --- to be read ---------------------------------------------------------------------------

    def __repr__(self) -> str:
        return pretty(self)

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        """Yield the fields, for the package ``rich``."""
        yield from self.items()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show it in IPython and Jupyter, which indent what is inside of other things."""
        lines = ("..." if cycle else repr(self)).split("\n")
        for number, line in enumerate(lines):
            if number:
                printer.break_()
            printer.text(line)

    # --- to be passed on ----------------------------------------------------------------------

    def model_dump(
        self,
        *,
        include: Choice | None = None,
        exclude: Choice | None = None,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **others: Any,
    ) -> JSONObject:
        """Return plain dicts and lists, with the keys that the service sent and no others.

        Args:
            include: The names of the fields to keep; or a mapping from them to ``True`` or to a
                choice of what is inside. In lists, indices and ``"__all__"`` are the names.
            exclude: What to leave out, in the same form.
            exclude_defaults: As ``exclude_none``, for that is the default.
            exclude_none: Leave out fields that are None, at every depth.
            **others: ``mode``, ``by_alias``, ``exclude_unset`` and the other options of pydantic
                and the official SDK change nothing: all came as JSON, with these names.

        Raises:
            TypeError: nobody has such an option.
        """
        if strange := others.keys() - _WITHOUT_EFFECT:
            raise TypeError(f"there is no option {', '.join(sorted(strange))}")
        without_none = exclude_none or exclude_defaults
        if include is None and exclude is None and not without_none:
            dumped = plain(self)
        else:
            dumped = chosen(self, include, exclude, without_none=without_none)
        return dumped  # type: ignore[no-any-return] # a dict's is a dict

    def model_dump_json(
        self, *, indent: int | None = None, ensure_ascii: bool = False, **options: Any
    ) -> str:
        """Return JSON text, on one line without spaces or indented; options as ``model_dump``."""
        separators = (",", ":") if indent is None else None
        dumped = self.model_dump(**options)
        return json.dumps(dumped, indent=indent, separators=separators, ensure_ascii=ensure_ascii)

    def to_dict(self, **options: Any) -> JSONObject:
        """Return plain dicts and lists: the official SDK's name of ``model_dump``."""
        return self.model_dump(**options)

    def to_json(self, *, indent: int | None = 2, **options: Any) -> str:
        """Return JSON text, indented: the official SDK's name of ``model_dump_json``."""
        return self.model_dump_json(indent=indent, **options)

    def json(self, **options: Any) -> str:
        """Return JSON text: the older name of ``model_dump_json``."""
        return self.model_dump_json(**options)

    def dict(self, **options: Any) -> JSONObject:
        """Return plain dicts and lists: the older name of ``model_dump``."""
        return self.model_dump(**options)

    # --- to be copied and made ----------------------------------------------------------------

    def model_copy(self: T, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> T:
        """Return a copy of the same class: shallow, or deep, and with some fields changed."""
        twin = copy.deepcopy(self) if deep else copy.copy(self)
        twin.update(update or {})
        return twin

    def copy(self: T, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> T:
        """Return a copy of the same class, as ``model_copy`` does."""
        return self.model_copy(update=update, deep=deep)

    @classmethod
    def model_construct(cls: type[T], _fields_set: Any = None, **values: Any) -> T:
        """Return an object of these fields, unchecked, as all are."""
        return cls(values)

    @classmethod
    def construct(cls: type[T], _fields_set: Any = None, **values: Any) -> T:
        """Return an object of these fields: the older name of ``model_construct``."""
        return cls(values)

    @classmethod
    def model_validate(cls: type[T], obj: Any, **_options: Any) -> T:
        """Return a mapping as this class. One that is of it already is returned as it is.

        Raises:
            InvalidRequestException: it is no mapping. Nothing else is checked.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            raise InvalidRequestException(
                f"{cls.__name__} cannot be made of {shown(obj)}: give a mapping.",
                field="obj",
                value=shown(obj),
                hint="What json.loads makes of an answer's text will do.",
            )
        return cls.wrap(plain(obj))

    @classmethod
    def model_validate_json(cls: type[T], json_data: str | bytes | bytearray, **_: Any) -> T:
        """Return JSON text as this class.

        Raises:
            InvalidRequestException: it is no JSON object.
        """
        try:
            data = json.loads(json_data)
        except ValueError:
            data = json_data
        return cls.model_validate(data)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Tell pydantic how to read it and write it, for who has it as a field of a model."""
        # Not a dependency: if this is called, pydantic is there.
        schema = importlib.import_module("pydantic_core.core_schema")
        fields = schema.dict_schema(schema.str_schema())
        made = schema.no_info_after_validator_function(cls.model_validate, fields)
        return schema.json_or_python_schema(
            json_schema=made,
            python_schema=schema.union_schema([schema.is_instance_schema(cls), made]),
            serialization=schema.plain_serializer_function_ser_schema(plain, return_schema=fields),
        )

    # --- what is in it ------------------------------------------------------------------------

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were sent, known or not."""
        return set(self)

    @property
    def model_extra(self) -> JSONObject:
        """The fields that the class does not know."""
        known = _wraps(type(self))
        return {name: value for name, value in self.items() if name not in known}


class APIAnswer(APIObject, CameAbout):
    """An object that is a whole answer, and knows how it came about; that is no field of it."""

    # Kept beside the fields, and handed on by pickle and copy like any attribute of a dict's.
    _facts = NO_FACTS

    def note(self: A, facts: AnswerFacts) -> A:
        """Keep how it came about; returns itself."""
        self._facts = facts
        return self

    @property
    def _request_id(self) -> str | None:
        return self.request_id


_CONTAINERS = frozenset({dict, list})
_WITHOUT_EFFECT = {
    "by_alias",
    "context",
    "exclude_computed_fields",
    "exclude_unset",
    "fallback",
    "mode",
    "round_trip",
    "serialize_as_any",
    "use_api_names",
    "warnings",
}
_wrap_any: _Wrap = APIObject.wrap


def _wrapped(value: Any, wrap: _Wrap) -> Any:
    if value.__class__ is dict:
        return wrap(value)
    return [_wrapped(item, wrap) if item.__class__ in _CONTAINERS else item for item in value]


def _wraps(cls: type[APIObject]) -> dict[str, _Wrap]:
    """Return the annotated fields of a class, each with what makes objects of what is in it."""
    found = _WRAPS.get(cls)
    if found is None:
        found = {name: _wrap_for(hint) for name, hint in get_type_hints(cls).items()}
        _WRAPS[cls] = found  # two threads may find out the same; no harm is done
    return found


_WRAPS: dict[type[APIObject], dict[str, _Wrap]] = {}


def _wrap_for(hint: Any) -> _Wrap:
    """Return what makes the objects of an annotation such as ``list[Choice] | None``."""
    classes = list(_classes_in(hint))
    if len(classes) > 1:
        return _by_type(classes)
    return classes[0].wrap if classes else _wrap_any


def _classes_in(hint: Any) -> Iterator[type[APIObject]]:
    if isinstance(hint, type) and issubclass(hint, APIObject):
        yield hint
    for part in get_args(hint):
        yield from _classes_in(part)


def _is_default(name: str, members: Mapping[str, Any]) -> bool:
    value = members.get(name, _MISSING)
    return not (name.startswith("_") or value is _MISSING or hasattr(value, "__get__"))


def _by_type(classes: list[type[APIObject]]) -> _Wrap:
    """Return what takes the class whose ``type`` is annotated as what the object has there."""
    kinds = {cls: get_args(get_type_hints(cls).get("type")) for cls in classes}
    wraps = {kind: cls.wrap for cls in classes for kind in kinds[cls]}

    def wrap(data: Mapping[str, Any]) -> APIObject:
        kind = data.get("type")
        return wraps.get(kind if isinstance(kind, str) else "", _wrap_any)(data)

    return wrap
