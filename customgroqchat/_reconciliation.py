"""What an answer or a refusal says about the levels of buckets, as corrections to them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ._bucket import WINDOWS_S, Mark
from ._calls import Call, Overlap
from ._charging import RULES
from ._headers import HeaderLimit
from ._scope_state import ScopeState

Marks = Mapping[str, Mark]

_NARROW = 0.05  # of a limit


class Correction(NamedTuple):
    """By how much the service's level was above this side's at an instant.

    Attributes:
        dimension: The bucket.
        mark: The instant.
        lowest: At least so much; negative if it may have been below.
        highest: At most.
        is_firm: Whether the lowest is to be believed, whatever this side thinks.
    """

    dimension: str
    mark: Mark
    lowest: float
    highest: float
    is_firm: bool = False


def in_use(dimension: str, header: HeaderLimit) -> float:
    """Return what was in use. Where nothing remains, the time until it is full tells the debt."""
    if header.remaining <= 0 and header.full_in_s is not None:
        return max(float(header.limit), header.full_in_s * header.limit / WINDOWS_S[dimension])
    return float(header.limit - header.remaining)


def from_headers(state: ScopeState, call: Call, after: Marks, now: float) -> Iterator[Correction]:
    """Yield what the headers of a settled call's answer say of each bucket.

    Args:
        state: What is known of the scope.
        call: The call, which has ended.
        after: Where the buckets stand now, with the call settled.
        now: Seconds.
    """
    for dimension, header in call.told.items():
        limit, mark = state.limits.get(dimension), call.marks.get(dimension)
        if limit is None or mark is None:
            continue
        used = in_use(dimension, header)
        if limit.limit != header.limit:  # a choice to stay below the service's limit
            highest = header.remaining - (limit.limit - mark.used)
            yield Correction(dimension, mark, -math.inf, float(highest))
        elif dimension == "TPM":
            yield from _of_tokens(state, call, used, after, now)
        else:
            lowest, highest = _counted(state, call, dimension, mark.used - used, now)
            yield Correction(dimension, mark, lowest, highest)


def from_refusal(
    state: ScopeState, call: Call, dimension: str, used: int, now: float
) -> Correction | None:
    """Return what the text of a refusal says of the bucket that it names."""
    mark = call.marks.get(dimension)
    if mark is None:
        return None
    own = call.costs.get(dimension, 0.0)
    error = mark.used - own - used
    is_sure = len(state.learner.possible_rules()) == 1
    if is_sure and dimension in ("TPM", "TPD") and state.learner.number in call.held:
        error -= call.held[state.learner.number] - (own - call.charges[state.learner.number])
    lowest, highest = _counted(state, call, dimension, error, now)
    return Correction(dimension, mark, lowest, highest)


def most_left(state: ScopeState, call: Call, dimension: str, used: int, now: float) -> float:
    """Return what can be left by now of a bucket that has just refused a call, at most."""
    limit = state.limits[dimension].limit
    left = limit - used + limit / WINDOWS_S[dimension] * (now - call.sent_s)
    for other in state.calls.ended_since(call.sent_s):
        if other.used is not None and dimension in ("TPM", "TPD"):
            left += max(0.0, other.costs.get(dimension, 0.0) - other.used)
    return left


def _of_tokens(
    state: ScopeState, call: Call, used: float, after: Marks, now: float
) -> Iterator[Correction]:
    """Yield what the rule in force makes of it and, in doubt, the worst that any rule does."""
    learner = state.learner
    numbers = dict.fromkeys((learner.number, *learner.plausible()))
    found = {
        number: _by_rule(state, call, number, used, after, now)
        for number in numbers
        if number in call.held
    }
    if learner.number not in found:
        return
    lowest = min(correction.lowest for correction in found.values())
    # Down by the rule in force; up only as far as all agree that may be true.
    yield found[learner.number]._replace(lowest=lowest)
    if learner.is_new or state.is_shared("TPM", now):
        worst = min(found.values(), key=lambda correction: correction.lowest)
        highest = max(correction.highest for correction in found.values())
        # With much on its way, the worst of all orders would leave the bucket idle.
        is_firm = highest - lowest <= _NARROW * state.limits["TPM"].limit
        yield worst._replace(highest=highest, is_firm=is_firm)


def _by_rule(
    state: ScopeState, call: Call, number: int, used: float, after: Marks, now: float
) -> Correction:
    learner = state.learner
    at_end = RULES[number].headers_at == "end"
    mark = (after if at_end else call.marks)["TPM"]
    held = learner.held(number) if at_end else call.held[number]
    # What is set aside beyond the charge flows back as well; it is not more than there is.
    mirrored = max(min(0.0, mark.used), mark.used - held)
    lowest, highest = learner.error(call, number, used, mirrored, state.calls, now)
    return Correction("TPM", mark, lowest, highest)


def _counted(
    state: ScopeState, call: Call, dimension: str, error: float, now: float
) -> tuple[float, float]:
    """Return an error with what others' order leaves open, where a charge is never changed."""
    limit = state.limits[dimension].limit if dimension in state.limits else 0
    rate = limit / WINDOWS_S[dimension]
    soonest_s, latest_s = state.calls.travel_s(call, now)
    lowest, highest = error - rate * latest_s, error + 1.0 - rate * soonest_s
    for overlap in state.calls.around_admission(call, now):
        least, most = _effect(overlap, dimension)
        lowest, highest = lowest - most, highest - least
    return lowest, highest


def _effect(overlap: Overlap, dimension: str) -> tuple[float, float]:
    cost = overlap.other.costs.get(dimension, 0.0)
    if overlap.other.released:
        return (cost, cost) if overlap.was_open else (0.0, 0.0)
    return overlap.charge_least * cost, overlap.charge_most * cost
