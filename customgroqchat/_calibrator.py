"""Calibrator: corrects counts by what the service said of earlier ones. From any thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from . import _process
from ._calibration import Key, Line, Origin, Verdict, is_plausible
from ._calibration_memory import MOST_KEYS, CalibrationMemory

__all__ = ["CalibrationStatus", "Calibrator"]


class CalibrationStatus(NamedTuple):
    """What was learnt about one kind of counts.

    Attributes:
        model: The model's name.
        tools: Whether these prompts have tools, or calls of tools.
        format: Their kind of response format, or "".
        source: By what they are counted: the vocabulary's name, or "estimate".
        observations: The number of answers that it was learnt from.
        offset: By how many tokens a count was too low, beside the slope.
        slope: By which fraction of itself a count was too low.
        margin: The fraction by which a corrected count may still be too low.
        is_contradicted: Whether counts that should be exact were wrong, so that none is called
            exact any more.
    """

    model: str
    tools: bool
    format: str
    source: str
    observations: int
    offset: float
    slope: float
    margin: float
    is_contradicted: bool


class Calibrator:
    """Knows a line for each of the kinds of counts seen last, 512 at most.

    Every method may be called from any thread. Only the first use of a memory, and what it writes
    now and then, block. It pickles with what it has learnt, and without its memory.
    """

    def __init__(self, memory: CalibrationMemory | None = None) -> None:
        self._lock = _process.ForkLock()
        self._memory = memory
        self._is_new = memory is not None
        # Read without the lock: a line is replaced as a whole.
        self._lines: OrderedDict[Key, Line] = OrderedDict()

    def __reduce__(self) -> tuple[Callable[[dict[Key, Line]], Calibrator], tuple[dict[Key, Line]]]:
        with self._lock:
            return _with_lines, (dict(self._lines),)

    def judge(self, origin: Origin) -> Verdict | None:
        """Return what a count is worth by what was learnt; None if that is nothing."""
        line = self._known().get(origin.key)
        return line and line.judge(origin)

    def observe(self, origin: Origin, truth: object) -> None:
        """Learn from what a prompt cost, unless that is no number of tokens that it can have."""
        if not isinstance(truth, int) or not is_plausible(origin, truth):
            return
        known = self._known()
        with self._lock:
            line = known.get(origin.key) or Line.start(origin)
            self._keep(origin.key, line.learn(origin, truth))

    def status(self) -> list[CalibrationStatus]:
        """Return what was learnt, by model."""
        known = self._known()
        with self._lock:
            lines = sorted(known.items())
        return [
            CalibrationStatus(
                *key, line.seen, line.offset, line.slope, line.margin, line.is_doubtful
            )
            for key, line in lines
        ]

    def reset(self, model: str | None) -> None:
        """Forget what was learnt about a model, or about all of them; in the memory as well."""
        known = self._known()
        with self._lock:
            for key in [key for key in known if model in (None, key.model)]:
                del known[key]
            if self._memory is not None:
                self._memory.forget(model)

    def save(self) -> None:
        """Write what the memory has not written yet."""
        with self._lock:
            if self._memory is not None:
                self._memory.save()

    def _known(self) -> OrderedDict[Key, Line]:
        if self._is_new:
            self._recall()
        return self._lines

    def _recall(self) -> None:
        with self._lock:
            if self._is_new and self._memory is not None:
                self._lines.update(self._memory.recall())
            self._is_new = False

    def _keep(self, key: Key, line: Line) -> None:
        self._lines[key] = line
        self._lines.move_to_end(key)
        if len(self._lines) > MOST_KEYS:
            self._lines.popitem(last=False)
        if self._memory is not None:
            self._memory.remember(key, line)


def _with_lines(lines: dict[Key, Line]) -> Calibrator:
    calibrator = Calibrator()
    calibrator._lines.update(lines)
    return calibrator
