"""What ``response_format`` may be given as: what is sent for it, and how the answer is read. Pure.

The service wants an object at the top of a schema; what is none is wrapped in one, and unwrapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._annotations import shape_of
from ._foreign_models import foreign_model
from ._json import NOT_JSON, parsed
from ._schemas import (
    DEFINITIONS,
    JSONSchema,
    MisfitError,
    Problem,
    misfits,
    target_of,
    without_fillers,
)
from ._shapes import UnknownTypeError, document
from ._strictness import NotStrictError, strict_form
from ._validation import refuse

#: The models of which the service promises that their answers fit a strict schema.
STRICT_MODELS = frozenset({"openai/gpt-oss-20b", "openai/gpt-oss-120b"})

_WRAPPER = "value"
_LONGEST_NAME = 64


@dataclass(frozen=True)
class ResponseFormat:
    """A form that answers shall have.

    Attributes:
        name: Its name, as the service takes names.
        schema: What answers have to fit; None if any JSON will do.
        load: Makes of a value, and of its text if that says the same, what is wanted; raises
            MisfitError.
        sent: What to send, where that was given.
    """

    name: str
    schema: JSONSchema | None
    load: Callable[[Any, str | None], Any]
    sent: Mapping[str, Any] | None = None

    def request(self, model: Any, strict: bool | None) -> Mapping[str, Any]:
        """Return the field ``response_format`` of a request.

        Args:
            model: The model that is asked.
            strict: Whether in strict mode; None for where model and schema are fit for it.

        Raises:
            InvalidRequestException: it cannot be strict, and shall be.
        """
        if self.sent is not None:
            if strict is not None:
                refuse("strict", strict, "It has its place in response_format, which is sent so.")
            return self.sent
        schema = self._schema_with_object()
        strictly = self._strict_schema(schema, model, strict)
        whole = {"name": self.name, "schema": strictly or schema, "strict": strictly is not None}
        return {"type": "json_schema", "json_schema": whole}

    def _strict_schema(
        self, schema: dict[str, Any], model: Any, strict: bool | None
    ) -> dict[str, Any] | None:
        if strict is False or (strict is None and model not in STRICT_MODELS):
            return None
        try:
            return strict_form(schema)
        except NotStrictError as error:
            if strict is None:
                return None
            why = f"It cannot be strict: {error}. Leave strict out, or name all fields."
            refuse("response_format", self.name, why)

    def _is_wrapped(self) -> bool:
        return self.sent is None and self.schema is not None and self.schema.get("type") != "object"

    def _schema_with_object(self) -> dict[str, Any]:
        schema = dict(self.schema or {})
        if not self._is_wrapped():
            return schema
        definitions = {name: schema.pop(name) for name in DEFINITIONS if name in schema}
        return {
            "type": "object",
            "properties": {_WRAPPER: schema},
            "required": [_WRAPPER],
            "additionalProperties": False,
            **definitions,
        }

    def read(self, text: str) -> Any:
        """Return what an answer stands for.

        Raises:
            MisfitError: it is no JSON, or does not fit.
        """
        value: Any = parsed(text)
        if value is NOT_JSON:
            raise MisfitError(Problem((), "it is no JSON"))
        if self.schema is None:
            return value
        if self._is_wrapped():
            if not isinstance(value, dict) or _WRAPPER not in value:
                raise MisfitError(Problem((_WRAPPER,), "it is required, and missing"))
            value = value[_WRAPPER]
        cleaned = without_fillers(value, self.schema)
        is_same = cleaned == value and not self._is_wrapped()
        return self.load(cleaned, text if is_same else None)


def response_format_of(given: Any) -> ResponseFormat:
    """Return the form that is meant by a type, a JSON schema or the API's own mapping.

    Raises:
        InvalidRequestException: it is none of them, or a type that JSON has no shape for.
    """
    if isinstance(given, Mapping):
        return _of_api(given) if given.get("type") in _API_TYPES else _of_schema(given)
    if given is None or isinstance(given, str):
        refuse("response_format", given, "Give a class, a JSON schema or the API's mapping.")
    try:
        return _of_type(given)
    except UnknownTypeError as error:
        refuse("response_format", given, f"{_sentence(str(error))} {_TYPES}")


_API_TYPES = ("json_schema", "json_object", "text")
_TYPES = (
    "Give a dataclass, TypedDict or pydantic model, or a type made of such, of lists, dicts, "
    "strings, numbers, Literals and Enums."
)


def _of_type(kind: Any) -> ResponseFormat:
    name = _name(getattr(kind, "__name__", ""))
    if model := foreign_model(kind):
        return ResponseFormat(
            name,
            _with_top(model.schema()),
            lambda value, text: model.load(value) if text is None else model.load_text(text),
        )
    shape = shape_of(kind)
    schema = document(shape)
    return ResponseFormat(name, schema, lambda value, _: shape.load(_fitting(value, schema)))


def _of_schema(given: JSONSchema) -> ResponseFormat:
    schema = _with_top(given)
    return ResponseFormat(
        _name(str(given.get("title", ""))), schema, lambda value, _: _fitting(value, schema)
    )


def _of_api(given: Mapping[str, Any]) -> ResponseFormat:
    if given["type"] == "text":
        refuse("response_format", dict(given), "Texts have no form; use create().")
    inside = given.get("json_schema")
    schema = inside.get("schema") if isinstance(inside, Mapping) else None
    if given["type"] == "json_object" or schema is None:
        return ResponseFormat("response", None, lambda value, _: value, given)
    whole = _with_top(schema)
    return ResponseFormat("response", whole, lambda value, _: _fitting(value, whole), given)


def _fitting(value: Any, schema: JSONSchema) -> Any:
    if problems := misfits(value, schema):
        raise MisfitError(*problems)
    return value


def _with_top(schema: JSONSchema) -> dict[str, Any]:
    """Return a schema that says at its top what it is."""
    top = target_of(schema, schema)
    if isinstance(top, Mapping):
        definitions = {name: schema[name] for name in DEFINITIONS if name in schema}
        return _with_top({**top, **definitions})
    return {"type": "object", **schema} if "properties" in schema else dict(schema)


def _name(name: str) -> str:
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:_LONGEST_NAME] or "response"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
