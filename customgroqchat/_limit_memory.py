"""Limits that the service told, remembered between runs in a small JSON file.

It saves the next run the first refusals. Nothing depends on it: whatever goes wrong with the file
is logged once, and the run goes on as if there were none.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from . import _process
from ._clock import Clock

_log = logging.getLogger(__name__)

_VERSION = 1
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
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()  # guards all below, and the file against our own threads
        self._told: _Table = {}  # by this process
        self._warned = False
        _process.on_fork(self)

    def recall(self, account: str, model: str) -> dict[str, int]:
        """Return the remembered limits of a model by dimension; empty if there are none.

        Args:
            account: A name for address and key, from which the key cannot be found out.
            model: The model's name.
        """
        if self._path is None:
            return {}
        with self._lock:
            known = self._known(self._path, self._clock.wall())
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
        if self._path is None:
            return
        at = math.floor(self._clock.wall())
        heard = {(account, model, name): _Told(limit, at) for name, limit in told.items()}
        with self._lock:
            known = self._told
            news = {key: told for key, told in heard.items() if told.is_news_to(known.get(key))}
            if news:
                self._told |= news
                self._write(self._path, at)

    def after_fork(self) -> None:
        """In a forked child: a new lock, for a thread that is not there may hold the old one."""
        self._lock = threading.Lock()

    # --- inside; the lock is held ---------------------------------------------------------

    def _known(self, path: Path, now: float) -> _Table:
        try:
            there = _read(path, now)
        except _FAULTS as fault:
            self._warn("read", path, fault)
            there = {}
        return {**there, **self._later(there, now)}

    def _write(self, path: Path, now: float) -> None:
        try:
            there = _read(path, now)
            if later := self._later(there, now):
                _replace(path, _as_text({**there, **later}))
        except _FAULTS as fault:
            self._warn("written", path, fault)

    def _later(self, there: _Table, now: float) -> _Table:
        """Return what this process knows better than the file."""
        return {
            key: told
            for key, told in self._told.items()
            if told.is_valid(now)
            and told.is_news_to(there.get(key))
            and (key not in there or there[key].at <= told.at)
        }

    def _warn(self, done: str, path: Path, fault: Exception) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("limits are not remembered: %s cannot be %s: %s", path, done, fault)


# --- the file --------------------------------------------------------------------------------

# RuntimeError: JSON nested too deeply, and links that lead in a circle.
_FAULTS = (OSError, ValueError, RuntimeError)


def _read(path: Path, now: float) -> _Table:
    """Return what a file says and still counts.

    Raises one of ``_FAULTS`` if it cannot be read or is not ours.
    """
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
    return {key: told for key, told in _entries(document.get("limits")) if told.is_valid(now)}


def _entries(limits: Any) -> Iterator[tuple[_Key, _Told]]:
    for account, models in _items(limits):
        for model, dimensions in _items(models):
            for dimension, entry in _items(dimensions):
                if told := _told(entry):
                    yield (account, model, dimension), told


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else ()


def _told(entry: Any) -> _Told | None:
    """Return an entry, or None for one that somebody has broken."""
    limit = entry.get("limit") if isinstance(entry, dict) else None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        return None
    with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError, OSError):
        return _Told(limit, datetime.fromisoformat(entry["told_at"]).timestamp())
    return None


def _as_text(table: _Table) -> str:
    limits: dict[str, dict[str, dict[str, Any]]] = {}
    for (account, model, dimension), told in sorted(table.items()):
        at = datetime.fromtimestamp(told.at, timezone.utc).isoformat(timespec="seconds")
        entry = {"limit": told.limit, "told_at": at}
        limits.setdefault(account, {}).setdefault(model, {})[dimension] = entry
    return json.dumps({"version": _VERSION, "limits": limits}, indent=2) + "\n"


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file: whoever reads it finds the old or the new one, whole."""
    import tempfile

    target = path.resolve()  # a link stays one
    if target.is_symlink():  # it leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
