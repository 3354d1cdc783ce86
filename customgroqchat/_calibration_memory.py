"""What was learnt about counts, remembered between runs beside the limits that the service told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ._calibration import Key, Line
from ._clock import Clock
from ._memory_file import MemoryFile, as_date, items, seconds_of

__all__ = ["MOST_KEYS", "CalibrationMemory"]

#: How many kinds of counts are known at most: those seen last.
MOST_KEYS = 512

_KEPT_S = 30 * 86_400.0
# What is learnt changes with every answer: after the first few it is written once a minute.
_PAUSE_S = 60.0

_Table = dict[Key, tuple[Line, float]]  # with the instant at which it was learnt


class CalibrationMemory:
    """Remembers lines by what they are about, for 30 days, in a section of the limits file.

    From any thread, if one at a time calls :meth:`remember`. It blocks for the reading and writing
    of that file and for nothing else, and raises nothing.

    Args:
        path: The file, the same as for the limits. With None nothing is remembered.
        clock: Where the date comes from.
    """

    def __init__(self, path: Path | None, clock: Clock | None = None) -> None:
        self._file = MemoryFile(path, "calibrations") if path else None
        self._clock = clock or Clock()
        self._unwritten: _Table = {}
        self._written_s = -math.inf  # on the monotonic clock

    def recall(self) -> dict[Key, Line]:
        """Return what earlier runs and other processes learnt."""
        if self._file is None:
            return {}
        table = _newest(_table(self._file.read(), self._clock.wall()))
        return {key: line for key, (line, _) in table.items()}

    def remember(self, key: Key, line: Line) -> None:
        """Take note of a line; writes its first, second, fourth, ... state, or once a minute."""
        if self._file is None:
            return
        self._unwritten[key] = (line, math.floor(self._clock.wall()))
        is_young = line.seen & (line.seen - 1) == 0
        if is_young or self._clock.monotonic() - self._written_s >= _PAUSE_S:
            self.save()

    def save(self) -> None:
        """Write what is not written yet."""
        if self._file is None or not self._unwritten:
            return
        news, self._unwritten = self._unwritten, {}
        self._written_s = self._clock.monotonic()
        now = self._clock.wall()
        self._file.write(lambda section: _as_json(_newest({**_table(section, now), **news})))

    def forget(self, model: str | None) -> None:
        """Strike a model out of the file, or all of them with None."""

        def change(section: Any) -> Any:
            return {name: lines for name, lines in items(section) if model not in (None, name)}

        self._unwritten = {k: v for k, v in self._unwritten.items() if model not in (None, k.model)}
        if self._file is not None:
            self._file.write(change)


def _newest(table: _Table) -> _Table:
    by_age = sorted(table.items(), key=lambda item: item[1][1])
    return dict(by_age[-MOST_KEYS:])


def _table(section: Any, now: float) -> _Table:
    return {
        key: (line, at)
        for key, line, at in _entries(section)
        if -86_400 < now - at < _KEPT_S and line.is_sound
    }


def _entries(section: Any) -> Iterator[tuple[Key, Line, float]]:
    for model, entries in items(section):
        for entry in entries if isinstance(entries, list) else ():
            at = seconds_of(entry.get("learnt_at")) if isinstance(entry, dict) else None
            key, line = (None, None) if at is None else (_key(model, entry), _line(entry))
            if at is not None and key is not None and line is not None:
                yield key, line, at


def _key(model: str, entry: Mapping[str, Any]) -> Key | None:
    tools, kind, source = map(entry.get, ("tools", "format", "source"))
    is_right = isinstance(tools, bool) and isinstance(kind, str) and isinstance(source, str)
    return Key(model, bool(tools), str(kind), str(source)) if is_right else None


def _line(entry: Mapping[str, Any]) -> Line | None:
    """Return a line, or None for one that somebody has broken."""
    try:
        offset, both, slope = map(float, entry["variances"])
        return Line(
            float(entry["offset"]),
            float(entry["slope"]),
            (offset, both, slope),
            float(entry["margin"]),
            int(entry["seen"]),
            int(entry["doubts"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _as_json(table: _Table) -> dict[str, Any]:
    section: dict[str, list[dict[str, Any]]] = {}
    for key, (line, at) in sorted(table.items(), key=lambda item: item[0]):
        about = {name: value for name, value in key._asdict().items() if name != "model"}
        learnt = {name: value for name, value in line._asdict().items() if name != "suspect"}
        entry = {**about, **learnt, "learnt_at": as_date(at)}
        section.setdefault(key.model, []).append(entry)
    return section
