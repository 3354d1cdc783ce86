"""Limits that the service told, remembered between runs in a small JSON file.

It saves the next run the first refusals. Nothing depends on it: whatever goes wrong with the file
is logged once, and the run goes on as if there were none.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import _process
from ._clock import Clock
from ._memory_file import MemoryFile, as_date, items, seconds_of

_DAY_S = 86_400.0
_KEPT_S = 30 * _DAY_S
# What is told again and again is written down again once a day, so that it does not grow old.
_FRESH_S = _DAY_S


class _Told(NamedTuple):
    """A limit, and when it was last told, in whole seconds since 1970."""

    limit: int
    at: float

    def is_news_to(self, known: _Told | None) -> bool:
        """Whether it must be written down, though something is."""
        return known is None or known.limit != self.limit or abs(self.at - known.at) >= _FRESH_S

    def is_valid(self, now: float) -> bool:
        """Whether it is neither too old nor from the future, of a clock that was wrong."""
        return -_DAY_S < now - self.at < _KEPT_S


_Key = tuple[str, str, str]  # account, model and dimension
_Table = dict[_Key, _Told]


class LimitMemory:
    """Remembers limits by account, model and dimension for 30 days.

    From any thread. It blocks for the reading and writing of that file and for nothing else, and
    raises nothing. Several processes may share a file: each writes what it learnt into what is
    there, whole or not at all.

    Args:
        path: The file, which only its owner may read; it is made when there is something to
            remember, its directory too. A file of another kind is left alone. With None nothing
            is remembered.
        clock: Where the date comes from.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._file = MemoryFile(path, "limits") if path else None
        self._clock = clock
        self._lock = threading.Lock()
        self._told: _Table = {}  # by this process, guarded by the lock
        _process.on_fork(self)

    def recall(self, account: str, model: str) -> dict[str, int]:
        """Return the remembered limits of a model by dimension; empty if there are none.

        Args:
            account: A name for address and key, from which the key cannot be found out.
            model: The model's name.
        """
        if self._file is None:
            return {}
        with self._lock:
            known = self._known(self._file, self._clock.wall())
        return {
            dimension: told.limit
            for (*scope, dimension), told in known.items()
            if scope == [account, model]
        }

    def remember(self, account: str, model: str, told: Mapping[str, int]) -> None:
        """Take note of limits that the service told; writes only what is news.

        Args:
            account: As for :meth:`recall`.
            model: The model's name.
            told: Limits by dimension.
        """
        if self._file is None:
            return
        at = math.floor(self._clock.wall())
        heard = {(account, model, name): _Told(limit, at) for name, limit in told.items()}
        with self._lock:
            known = self._told
            news = {key: told for key, told in heard.items() if told.is_news_to(known.get(key))}
            if news:
                self._told |= news
                self._write(self._file, at)

    def after_fork(self) -> None:
        """In a forked child: a new lock, for a thread that is not there may hold the old one."""
        self._lock = threading.Lock()

    # --- inside; the lock is held ---------------------------------------------------------

    def _known(self, file: MemoryFile, now: float) -> _Table:
        there = _table(file.read(), now)
        return {**there, **self._later(there, now)}

    def _write(self, file: MemoryFile, now: float) -> None:
        def change(section: Any) -> Any:
            there = _table(section, now)
            later = self._later(there, now)
            return _as_json({**there, **later}) if later else None

        file.write(change)

    def _later(self, there: _Table, now: float) -> _Table:
        """Return what this process knows better than the file."""
        return {
            key: told
            for key, told in self._told.items()
            if told.is_valid(now)
            and told.is_news_to(there.get(key))
            and (key not in there or there[key].at <= told.at)
        }


# --- the section of the file -----------------------------------------------------------------


def _table(section: Any, now: float) -> _Table:
    """Return what the file says and still counts."""
    return {key: told for key, told in _entries(section) if told.is_valid(now)}


def _entries(limits: Any) -> Iterator[tuple[_Key, _Told]]:
    for account, models in items(limits):
        for model, dimensions in items(models):
            for dimension, entry in items(dimensions):
                if told := _told(entry):
                    yield (account, model, dimension), told


def _told(entry: Any) -> _Told | None:
    """Return an entry, or None for one that somebody has broken."""
    limit = entry.get("limit") if isinstance(entry, dict) else None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        return None
    at = seconds_of(entry.get("told_at"))
    return None if at is None else _Told(limit, at)


def _as_json(table: _Table) -> dict[str, Any]:
    limits: dict[str, dict[str, dict[str, Any]]] = {}
    for (account, model, dimension), told in sorted(table.items()):
        entry = {"limit": told.limit, "told_at": as_date(told.at)}
        limits.setdefault(account, {}).setdefault(model, {})[dimension] = entry
    return limits
