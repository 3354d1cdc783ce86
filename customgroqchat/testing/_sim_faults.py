"""The faults that requests meet: their kinds, those that wait, and those that chance brings."""

from __future__ import annotations

import bisect
import itertools
import random
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ._sim_answers import error_frame
from ._sim_damage import DAMAGES, INSTEAD, Damage, Instead
from ._sim_http import Hang, Reset

_STREAM_KINDS = (
    "stream_cut",
    "stream_error",
    "stream_garbage",
    "stream_hang",
    "stream_no_done",
    "stream_reset",
    "stream_short",
)
T = TypeVar("T")

FAULT_KINDS: tuple[str, ...] = (*sorted([*INSTEAD, *DAMAGES]), *_STREAM_KINDS)
"""All kinds of faults that the simulator knows; those of streams begin with ``stream_``."""

_GARBAGE = b': a comment\nretry: soon\ndata: {"id":"chatcmpl-0","choices":[{"delta"\n\n'
_WRONG_CALL = {
    "message": "Failed to call a function. Please adjust your prompt. "
    "See 'failed_generation' for more details.",
    "type": "invalid_request_error",
    "code": "tool_use_failed",
    "failed_generation": "",
}
_ENDS = {"stream_cut": ConnectionAbortedError, "stream_reset": Reset, "stream_hang": Hang}


@dataclass(frozen=True)
class RequestFault:
    """What happens to one request: another reply, a damage to the service's own, or nothing."""

    kind: str | None = None
    instead: Instead | None = None
    damage: Damage | None = None


@dataclass(frozen=True)
class Interruption:
    """What happens to one stream, after so many pieces of text."""

    kind: str
    after_pieces: int
    error: Mapping[str, Any] | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing of the stream follows."""
        return self.kind != "stream_garbage"

    def is_due(self, spoken: int, at_the_end: bool) -> bool:
        """Whether it happens now, after ``spoken`` pieces or before the final ``[DONE]``."""
        return at_the_end if self.kind == "stream_no_done" else spoken >= self.after_pieces

    def words(self) -> bytes:
        """The bytes to send when it is due; raises what the connection ends with, if it does."""
        if self.kind in _ENDS:
            raise _ENDS[self.kind]("a fault that was asked for")
        if self.kind == "stream_error":
            return error_frame({"status_code": 400, **(self.error or _WRONG_CALL)})
        return b"" if self.is_last else _GARBAGE


class FaultQueue:
    """The faults that the next requests and the next streams will meet, in order.

    A request for which none waits may draw one by chance. From any thread.
    """

    def __init__(self, probabilities: Mapping[str, float], rng: random.Random) -> None:
        """Start without any that waits; raises ValueError as :meth:`set_odds` does."""
        self._rng = rng
        self._lock = threading.Lock()
        self._waiting: _Waiting[RequestFault] = _Waiting()
        self._interruptions: _Waiting[Interruption] = _Waiting()
        self.set_odds(probabilities)

    def set_odds(self, probabilities: Mapping[str, float]) -> None:
        """Draw with these; raises ValueError for an unknown kind or what is no probability."""
        check_kinds(probabilities)
        streams = {kind: share for kind, share in probabilities.items() if kind in _STREAM_KINDS}
        others = {kind: share for kind, share in probabilities.items() if kind not in streams}
        self._of_requests, self._of_streams = _Lots(others, self._rng), _Lots(streams, self._rng)

    def add(self, kind: str, times: float, after_pieces: int, model: str | None = None) -> None:
        """Let the next ``times`` requests (or streams, if it is their kind) meet this fault."""
        check_kinds([kind])
        if kind in _STREAM_KINDS:
            self.add_interruption(Interruption(kind, after_pieces), times, model)
        else:
            self.add_fault(_request_fault(kind), times, model)

    def add_fault(self, fault: RequestFault, times: float, model: str | None = None) -> None:
        """Let the next ``times`` requests, of ``model`` if one is named, meet this fault."""
        with self._lock:
            self._waiting.add(fault, times, model)

    def add_interruption(
        self, interruption: Interruption, times: float, model: str | None = None
    ) -> None:
        """Break the next ``times`` streams, of ``model`` if one is named."""
        with self._lock:
            self._interruptions.add(interruption, times, model)

    def next_fault(self, model: str | None) -> RequestFault:
        """Take the fault of the present request."""
        with self._lock:
            waiting = self._waiting.take(model)
        if waiting is not None:
            return waiting
        kind = self._of_requests.draw()
        return RequestFault() if kind is None else _request_fault(kind)

    def next_interruption(self, pieces: int, model: str | None) -> Interruption | None:
        """Take the fault of the present stream of ``pieces`` pieces, if any."""
        with self._lock:
            waiting = self._interruptions.take(model)
        if waiting is not None:
            return waiting
        kind = self._of_streams.draw()
        return None if kind is None else Interruption(kind, self._rng.randint(0, pieces))

    def clear(self) -> None:
        """Drop all faults that have not been met; chance stays as it is."""
        with self._lock:
            self._waiting.clear()
            self._interruptions.clear()


class _Waiting(Generic[T]):
    """What was asked for, in order: how many times, and of which model."""

    def __init__(self) -> None:
        self._entries: list[tuple[T, float, str | None]] = []

    def add(self, item: T, times: float, model: str | None) -> None:
        if times > 0:
            self._entries.append((item, times, model))

    def take(self, model: str | None) -> T | None:
        for index, (item, times, wanted) in enumerate(self._entries):
            if wanted in (None, model):
                self._entries[index : index + 1] = [(item, times - 1, wanted)] * (times > 1)
                return item
        return None

    def clear(self) -> None:
        self._entries.clear()


class _Lots:
    """Kinds of which at most one is drawn, each with its probability."""

    def __init__(self, probabilities: Mapping[str, float], rng: random.Random) -> None:
        self._bounds = list(itertools.accumulate(probabilities.values()))
        # A rounding error above 1 is no mistake of the caller's.
        total = self._bounds[-1] if self._bounds else 0.0
        if min(probabilities.values(), default=0.0) < 0 or not total <= 1 + 1e-9:
            raise ValueError(f"probabilities below 0, or above 1 in all: {dict(probabilities)}")
        self._kinds = list(probabilities)
        self._rng = rng

    def draw(self) -> str | None:
        if not self._kinds:  # nobody's chance is used up in vain
            return None
        drawn = bisect.bisect_right(self._bounds, self._rng.random())
        return self._kinds[drawn] if drawn < len(self._kinds) else None


def check_kinds(kinds: Collection[str]) -> None:
    """Raise ValueError, with a list of all kinds, if one is unknown."""
    unknown = [kind for kind in kinds if kind not in FAULT_KINDS]
    if unknown:
        raise ValueError(f"unknown faults {unknown}: use {', '.join(FAULT_KINDS)}")


def _request_fault(kind: str) -> RequestFault:
    return RequestFault(kind, INSTEAD.get(kind), DAMAGES.get(kind))
