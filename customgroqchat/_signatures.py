"""Plain functions as tools: their schema, and calling them with what a model wrote. Pure."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ._annotations import hints_of, shape_of
from ._docstrings import documentation
from ._json import NOT_JSON, parsed
from ._schemas import MisfitError, Problem, misfits, without_fillers
from ._shapes import ANYTHING, NO_DEFAULT, Field, RecordShape, Shape, UnknownTypeError, document
from ._text import shown
from .exceptions import InvalidRequestException

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OF_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    Attributes:
        definition: What the API is told of it.
        function: What is called; None if the service does it itself.
        arguments: The shape of its arguments, one for each parameter.
        is_open: Whether it takes arguments of any name.
        unnamed: Its parameters that cannot be given by name, in their order.
    """

    definition: Mapping[str, Any]
    function: Callable[..., Any] | None = None
    arguments: Shape = ANYTHING
    is_open: bool = True
    unnamed: tuple[str, ...] = ()

    @property
    def name(self) -> str | None:
        """Its name; None if the service does it itself."""
        return self.definition["function"]["name"] if self.function else None

    def load(self, text: str | None) -> dict[str, Any]:
        """Return the arguments that a model wrote, as what they stand for.

        Raises:
            MisfitError: they are no JSON, or not what the function takes.
        """
        value: Any = parsed(text) if text and not text.isspace() else {}
        if value is NOT_JSON:
            raise MisfitError(Problem((), "the arguments are no JSON"))
        schema = self._schema()
        value = without_fillers({} if value is None else value, schema)
        if problems := misfits(value, schema):
            raise MisfitError(*problems)
        known = self.arguments.load(value)
        return {**value, **known} if self.is_open else dict(known)

    def _schema(self) -> dict[str, Any]:
        told = self.definition["function"].get("parameters") or {}
        # The service would refuse a name too many, and the model could not be told.
        return {"type": "object", "additionalProperties": self.is_open, **told}

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function; what it raises is raised."""
        assert self.function is not None
        by_name = dict(arguments)
        by_place = [by_name.pop(name) for name in self.unnamed if name in by_name]
        return self.function(*by_place, **by_name)


def tool_of(function: Callable[..., Any]) -> Tool:
    """Return a typed function as a tool.

    Raises:
        InvalidRequestException: something in its signature cannot be told to a model.
    """
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        _refuse(function, "It is asynchronous: give a plain function.")
    try:
        return _tool_of(function)
    except UnknownTypeError as error:
        _refuse(function, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    except ValueError as error:  # a builtin, whose signature is not known
        _refuse(function, f"{str(error)[:1].upper()}{str(error)[1:]}: give a function around it.")


def _tool_of(function: Callable[..., Any]) -> Tool:
    inside = _inside(function)
    texts = documentation(inspect.getdoc(inside))
    parameters = inspect.signature(function).parameters.values()
    fields = _fields(inside, _told(function, parameters))
    arguments = RecordShape(function, lambda: fields, dict)
    definition = {
        "name": _checked_name(function, inside),
        **({"description": texts.summary} if texts.summary else {}),
        "parameters": document(arguments),
    }
    return Tool(
        {"type": "function", "function": definition},
        function,
        arguments,
        any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters),
        tuple(each.name for each in parameters if each.kind is each.POSITIONAL_ONLY),
    )


def paired(definition: Mapping[str, Any], function: Callable[..., Any]) -> Tool:
    """Return a tool as the API knows it, with the function that does it.

    Its arguments are checked against the definition, and become what the function's annotations
    say, where it has any.
    """
    try:
        known = _tool_of(function)
    except (UnknownTypeError, InvalidRequestException, ValueError, TypeError):
        return Tool(definition, function)
    return Tool(definition, function, known.arguments, True, known.unnamed)


def _told(function: Any, parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Return the parameters that are the model's to give: not those that a partial fixes."""
    fixed: set[str] = set()
    while isinstance(function, functools.partial):
        fixed |= function.keywords.keys()
        function = function.func
    return [each for each in parameters if each.kind not in _OF_MANY and each.name not in fixed]


def _inside(function: Callable[..., Any]) -> Any:
    """Return what has name, docstring and annotations."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def _checked_name(function: Any, inside: Any) -> str:
    name = inside.__name__ if inside.__name__ != "__call__" else type(function).__name__
    if not _NAME.fullmatch(name):
        _refuse(function, f"{name!r} is no name for a tool: give a function made by def.")
    return str(name)


def _fields(inside: Any, parameters: list[inspect.Parameter]) -> dict[str, Field]:
    hints = hints_of(inside.__init__ if inspect.isclass(inside) else inside)
    texts = documentation(inspect.getdoc(inside)).parameters
    return {each.name: _field(each, hints, texts.get(each.name)) for each in parameters}


def _field(parameter: inspect.Parameter, hints: Mapping[str, Any], text: str | None) -> Field:
    hint = hints.get(parameter.name, _type_of(parameter.default))
    try:
        shape = shape_of(hint)
    except UnknownTypeError as error:
        raise UnknownTypeError(f"the parameter {parameter.name!r}: {error}") from error
    is_required = parameter.default is NO_DEFAULT
    return Field(shape, is_required, text, parameter.default)


def _type_of(default: Any) -> Any:
    return type(default) if isinstance(default, bool | int | float | str) else Any


def _refuse(function: Any, hint: str) -> NoReturn:
    text = shown(function)
    raise InvalidRequestException(f"{text} cannot be a tool.", field="tools", value=text, hint=hint)
