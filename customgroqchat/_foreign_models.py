"""Models of pydantic, 1 or 2, known by their methods: the library itself is not needed. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from ._schemas import MisfitError, Problem

# How to ask for the schema, and how to load a text: version 2, its TypeAdapter, and version 1.
_METHODS = (
    ("model_json_schema", "model_validate_json"),
    ("json_schema", "validate_json"),
    ("schema", "parse_raw"),
)


class ForeignModel(NamedTuple):
    """A model, and the two of its methods that are needed."""

    kind: Any
    schema: Callable[[], dict[str, Any]]
    parse: Callable[[str], Any]

    def load(self, value: Any) -> Any:
        """Return the model that a value, parsed from JSON, stands for; raises MisfitError."""
        return self.load_text(json.dumps(value, ensure_ascii=False))

    def load_text(self, text: str) -> Any:
        """Return the model that a JSON text stands for; raises MisfitError."""
        try:
            return self.parse(text)
        except ValueError as error:
            raise MisfitError(*_problems(error)) from error


def foreign_model(kind: Any) -> ForeignModel | None:
    """Return a thing as a model, or None if it is none."""
    for schema, parse in _METHODS:
        if callable(getattr(kind, schema, None)) and callable(getattr(kind, parse, None)):
            return ForeignModel(kind, getattr(kind, schema), getattr(kind, parse))
    return None


def _problems(error: ValueError) -> list[Problem]:
    found = getattr(error, "errors", None)
    details = found() if callable(found) else []
    return [Problem(_path(detail), str(detail.get("msg"))) for detail in details] or [
        Problem((), str(error))
    ]


def _path(detail: dict[str, Any]) -> tuple[str | int, ...]:
    path = (step if isinstance(step, int) else str(step) for step in detail.get("loc", ()))
    return tuple(step for step in path if step != "__root__")
