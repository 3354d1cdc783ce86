"""The file in which one run leaves word for the next: a small JSON document with sections.

Several processes may share it: each writes its section into what is there, whole or not at all,
and leaves the other sections as they are.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import _process
from ._files import replace_file

__all__ = ["MemoryFile", "as_date", "items", "seconds_of"]

_log = logging.getLogger(__name__)

_VERSION = 1

# RuntimeError: JSON nested too deeply, and links that lead in a circle.
_FAULTS = (OSError, ValueError, RuntimeError)

# One for all files: the clients of a process write to the same one, and write seldom.
_writing = _process.ForkLock()


class MemoryFile:
    """One section of such a file. From any thread.

    It blocks for the reading and writing of that file and for nothing else, and raises nothing:
    what goes wrong is logged once, and the run goes on as if there were no file.

    Args:
        path: The file, which only its owner may read; it is made when there is something to
            write, its directory too. A file of another kind is left alone.
        section: The name of the section, and of its content in the log.
    """

    def __init__(self, path: Path, section: str) -> None:
        self._path = path
        self._section = section
        self._warned = False

    def read(self) -> Any:
        """Return the section, whatever JSON it is, or None."""
        with _writing:
            try:
                return _read(self._path).get(self._section)
            except _FAULTS as fault:
                self._warn("read", fault)
                return None

    def write(self, change: Callable[[Any], Any]) -> None:
        """Replace the section by what ``change`` makes of it; None leaves the file untouched."""
        with _writing:
            try:
                document = _read(self._path)
                changed = change(document.get(self._section))
                if changed is not None:
                    content = {"version": _VERSION, **document, self._section: changed}
                    replace_file(self._path, f"{json.dumps(content, indent=2)}\n".encode())
            except _FAULTS as fault:
                self._warn("written", fault)

    def _warn(self, done: str, fault: Exception) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "%s are not remembered: %s cannot be %s: %s", self._section, self._path, done, fault
            )


def items(value: Any) -> Any:
    """Return the items of what should be a JSON object; none if somebody has broken it."""
    return value.items() if isinstance(value, dict) else ()


def as_date(at: float) -> str:
    """Return an instant, in seconds since 1970, as it is written into the file."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


def seconds_of(date: Any) -> float | None:
    """Return the instant of a date in the file, or None if it is none."""
    with contextlib.suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromisoformat(date).timestamp()
    return None


def _read(path: Path) -> dict[str, Any]:
    """Return the document. Raises one of ``_FAULTS`` if it cannot be read or is not ours."""
    if not path.exists():
        return {}
    if not path.is_file():
        raise ValueError("it is no file")
    text = path.read_text(encoding="utf-8")
    if not text:
        return {}
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"it is no file of remembered limits, version {_VERSION}")
    return document
