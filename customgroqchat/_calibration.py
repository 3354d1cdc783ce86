"""What the service's own numbers say of a count: a line through the errors that it made.

The service tells what each prompt cost. From that, for each model, with tools and without, for
each response format and each way of counting, two numbers are learnt: by how many tokens a count
is off always, and by which fraction of itself. Recursive least squares estimates them: it needs no
history, adapts when a template changes, and starts from how well the model is known.

A number far from what was expected is not believed until the next one is off in the same
direction: one odd answer spoils nothing, and a new template is learnt from two. Pure: a ``Line``
is replaced, never changed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Key", "Line", "Origin", "Verdict", "is_plausible"]


class Key(NamedTuple):
    """What counts must have in common to be wrong in the same way.

    ``tools`` is whether tools or calls of them are in the prompt, ``format`` the kind of response
    format or "", ``source`` the vocabulary's name or "estimate".
    """

    model: str
    tools: bool
    format: str
    source: str


class Origin(NamedTuple):
    """Where a count came from: what is needed to learn from its true value.

    ``estimate`` is in tokens, before any correction, with its ``margin`` and whether it should be
    ``exact``. A model is ``known`` if its template is.
    """

    key: Key
    estimate: float
    margin: float
    exact: bool
    known: bool


class Verdict(NamedTuple):
    """A number of tokens, the fraction by which it may be too low, and whether it is exact."""

    tokens: float
    margin: float
    exact: bool


_Variances = tuple[float, float, float]

# How far off a count may be always, in tokens: by a template that is known, and by another.
_OFFSET_KNOWN = 5.0
_OFFSET_UNKNOWN = 50.0
# From the margin, which hardly any count exceeds, to the standard deviation of the slope.
_SLOPE_OF_MARGIN = 0.3
# What a new template brings is an offset rather than a slope: what is learnt from short prompts
# must not spoil the long ones.
_CHANGED: _Variances = (_OFFSET_UNKNOWN**2, 0.0, 0.0025)
# What the two may change by from one request to the next, as variances. They grow no further
# than this by it, or a thousand equal prompts would leave no trust in a longer one.
_DRIFT_OFFSET, _DRIFT_SLOPE = 0.2, 4e-6
_DRIFTED_OFFSET, _DRIFTED_SLOPE = 25.0, 9e-4
# What single counts are off by around the line: tokens, and a fraction.
_NOISE_TOKENS = 2.0
_NOISE = 0.03
# Beyond so many standard deviations a number is not believed at first.
_UNBELIEVABLE = 4.0
# Up to here, in tokens, a prompt is mostly template.
_SHORT_PROMPT = 64.0

# The margin holds the greatest shortfall seen, and forgets it slowly.
_MARGIN_KEPT = 1 - 1 / 32
_MARGIN_LEAST = 0.02
_MARGIN_MOST = 0.5
_DOUBT_MOST = 1.0

# A contradiction weighs more than a confirmation: where every third count is wrong, none is exact.
_CONTRADICTED = 2
_DOUBTFUL = 3
_MOST_DOUBTS = 8


class Line(NamedTuple):
    """An error of ``offset + slope * estimate`` tokens, and how sure that is.

    ``variances`` are those of the offset, of both together, and of the slope. ``seen`` is the
    number of answers it was learnt from; ``suspect`` the last error in tokens, if it was not
    believed.
    """

    offset: float
    slope: float
    variances: _Variances
    margin: float
    seen: int = 0
    doubts: int = 0
    suspect: float = 0.0

    @classmethod
    def start(cls, origin: Origin) -> Line:
        """Return the line of counts that nothing has been learnt about."""
        offset = _OFFSET_KNOWN if origin.known else _OFFSET_UNKNOWN
        margin = max(origin.margin, _MARGIN_LEAST)
        return cls(0.0, 0.0, (offset**2, 0.0, (_SLOPE_OF_MARGIN * margin) ** 2), margin)

    @property
    def is_doubtful(self) -> bool:
        """Whether counts that should be exact were contradicted too often to be called so."""
        return self.doubts >= _DOUBTFUL

    @property
    def is_sound(self) -> bool:
        """Whether its numbers can be what was learnt, and not what somebody put into a file."""
        offset, both, slope = self.variances
        return (
            all(map(math.isfinite, (self.offset, self.margin, self.suspect, *self.variances)))
            and -0.9 < self.slope < 8
            and _MARGIN_LEAST <= self.margin <= _MARGIN_MOST
            and offset >= 0 <= slope
            and both**2 <= offset * slope * 1.001
            and min(self.seen, self.doubts) >= 0
        )

    def judge(self, origin: Origin) -> Verdict:
        """Return what a count of this kind is worth."""
        if origin.exact and not self.is_doubtful:
            return Verdict(origin.estimate, 0.0, exact=True)
        tokens = self._believed(origin)
        # Far from the prompts that were seen, the line itself may be wrong.
        doubt = math.sqrt(_variance(self.variances, origin.estimate)) / tokens
        return Verdict(tokens, max(self.margin, min(doubt, _DOUBT_MOST)), exact=False)

    def correct(self, estimate: float) -> float:
        """Return an estimate without its usual error, in tokens."""
        return max(1.0, estimate + self.offset + self.slope * estimate)

    def _believed(self, origin: Origin) -> float:
        """Return a corrected estimate, but never less than what would be believed.

        From long prompts with too long a template follows a line on which short ones cost nothing.
        """
        return max(_least(origin) * origin.estimate, self.correct(origin.estimate))

    def learn(self, origin: Origin, truth: int) -> Line:
        """Return the line that has seen what a prompt really cost, in tokens."""
        told = self._believed(origin)
        error = truth - told
        variance = _variance(self.variances, origin.estimate) + _noise(origin.estimate)
        believed = error**2 <= _UNBELIEVABLE**2 * variance
        repeated = error * self.suspect > 0
        line = self._replace(
            margin=self._margin(error / told, believed),
            seen=self.seen + 1,
            doubts=self._doubts(origin, truth),
            suspect=0.0 if believed or repeated else error,
        )
        if believed:
            return line._moved(origin.estimate, error)
        # Twice the same surprise is a new template: what was known of the old one is forgotten.
        return (
            line._replace(variances=_CHANGED)._moved(origin.estimate, error) if repeated else line
        )

    def _margin(self, shortfall: float, believed: bool) -> float:
        most = _MARGIN_MOST if believed else min(2 * self.margin, _MARGIN_MOST)
        return max(self.margin * _MARGIN_KEPT, min(shortfall, most), _MARGIN_LEAST)

    def _doubts(self, origin: Origin, truth: int) -> int:
        if not origin.exact:
            return self.doubts
        change = -1 if truth == round(origin.estimate) else _CONTRADICTED
        return min(max(self.doubts + change, 0), _MOST_DOUBTS)

    def _moved(self, estimate: float, error: float) -> Line:
        """Take the step of recursive least squares."""
        offset, both, slope = _drifted(self.variances)
        with_offset, with_slope = offset + both * estimate, both + slope * estimate
        total = with_offset + with_slope * estimate + _noise(estimate)
        to_offset, to_slope = with_offset / total, with_slope / total
        return self._replace(
            offset=self.offset + to_offset * error,
            slope=self.slope + to_slope * error,
            variances=(
                offset - to_offset * with_offset,
                both - to_offset * with_slope,
                slope - to_slope * with_slope,
            ),
        )


def is_plausible(origin: Origin, truth: object) -> bool:
    """Whether a number can be what a prompt cost; if not, it is of another prompt, or of none."""
    if isinstance(truth, bool) or not isinstance(truth, int):
        return False
    least, most = _least(origin), 4.0 if origin.known else 8.0
    # A new template may well be many times as long as the shortest prompts.
    most *= max(origin.estimate, _SHORT_PROMPT)
    return max(1.0, least * origin.estimate) <= truth <= most


def _least(origin: Origin) -> float:
    """Return the fraction of an estimate below which nothing is believed."""
    return 0.5 if origin.known else 0.125


def _noise(estimate: float) -> float:
    return _NOISE_TOKENS**2 + (_NOISE * estimate) ** 2


def _variance(variances: _Variances, estimate: float) -> float:
    """How far the line may be off at an estimate, in tokens²."""
    offset, both, slope = variances
    return max(0.0, offset + 2 * both * estimate + slope * estimate**2)


def _drifted(variances: _Variances) -> _Variances:
    offset, both, slope = variances
    return (
        max(offset, min(offset + _DRIFT_OFFSET, _DRIFTED_OFFSET)),
        both,
        max(slope, min(slope + _DRIFT_SLOPE, _DRIFTED_SLOPE)),
    )
