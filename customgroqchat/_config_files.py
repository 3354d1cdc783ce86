"""The files that a configuration may be read from: JSON and ``.env``. It judges no setting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Unreadable(Exception):
    """A file that cannot be taken in: where in the file, what was found, what is allowed.

    It is made outside of ``except`` blocks: a decoding error keeps the text it failed on, and that
    text may hold a key.
    """

    def __init__(self, where: str, found: str, allowed: str) -> None:
        super().__init__(where, found, allowed)
        self.where, self.found, self.allowed = where, found, allowed


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys were written more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.repeated = [name for name in self if names.count(name) > 1]


def read_json(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: There is no such file, it cannot be read, or it is not JSON.
    """
    document, fault = _parse(_text(path, "a readable JSON file in UTF-8"))
    if fault:
        raise Unreadable(*fault, "JSON")
    return document


def _text(path: Path, allowed: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        found = _reason(error)
    raise Unreadable("(whole file)", found, allowed)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"text that is not UTF-8, at byte {error.start + 1}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "no possible path"


def _parse(text: str) -> tuple[Any, tuple[str, str] | None]:
    try:
        return json.loads(text, object_pairs_hook=_Object), None
    except json.JSONDecodeError as error:
        return None, (f"line {error.lineno}, column {error.colno}", f"no JSON ({error.msg})")
    except (ValueError, RecursionError) as error:
        return None, ("(whole file)", f"JSON beyond what can be read ({type(error).__name__})")


def repeated_keys(document: Any, prefix: str = "", depth: int = 3) -> Iterator[str]:
    """Yield the paths of keys written more than once; settings are never nested deeper."""
    if not isinstance(document, _Object) or depth < 1:
        return
    for name in document.repeated:
        yield prefix + name
    for name, content in document.items():
        yield from repeated_keys(content, f"{prefix}{name}.", depth - 1)


def find_dotenv(directory: Path) -> Path | None:
    """Return the ``.env`` of a directory or of the nearest one above it, or None."""
    candidates = (place / ".env" for place in (directory, *directory.parents))
    return next((path for path in candidates if path.is_file()), None)


def read_dotenv(path: Path) -> Mapping[str, str | None]:
    """Return the variables of a ``.env`` file, which stay out of the environment.

    Raises:
        Unreadable: It cannot be read, or is not UTF-8.
    """
    from io import StringIO

    from dotenv import dotenv_values

    text = _text(path, "a readable .env file in UTF-8")
    return dotenv_values(stream=StringIO(text))
