"""The requests of one model that are on their way, or were a moment ago. Pure.

In every answer the service says how full a bucket was at one instant. What follows from that for
now depends on what else was on its way around that instant, which is remembered here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ._bucket import Mark
from ._headers import HeaderLimit

#: The longest that a request is thought to be under way before the service looks at it. Who was
#: first, of two that were sent within this time, is not known unless the service says so.
LONGEST_DELAY_S = 0.5
_USUAL_DELAY_S = 0.1
_NEWS_S = 0.25  # from the end of an answer until it is known here, on a busy machine
_SHORTEST_DELAY_S = 0.05  # the most that the quickest of many requests is thought to take
_REMEMBERED = 256
_OFFSETS = 64


class Call:
    """One request, from its reservation until it tells nothing any more.

    Attributes:
        serial: Its number; later requests have higher ones.
        costs: What was set aside for it, by dimension.
        prompt: The tokens of its prompt that are reckoned with.
        prompt_at_least: The tokens that it surely has.
        cap: The cap of its answer, or None.
        expected: The length of answer that the service may have reckoned with.
        sent_s: When it was sent.
        ended_s: When it ended, or None.
        miscounted: By how many tokens its prompt was reckoned too high; known when it is answered.
        used: The tokens that it took in all, once they are known.
        instant_ms: When it was admitted, by the service's clock, if the service says so.
        marks: Where the buckets stood when it had been set aside, by dimension.
        charges: What each rule charges for it at admission, by the rule's number.
        ghosts: What each rule's bucket had in use with it, and had been corrected by.
        held: By how much more was set aside, for all that was under way, than each rule charges.
        told: What the headers of its answer said, by dimension.
        probe: The dimension in which it tries a guessed limit, or None.
        released: Whether the service charged nothing for it.
        later: The tokens that it will take beyond those set aside.
        overlaps: What else was on its way around its admission, once that has been looked up.
    """

    __slots__ = (
        "cap",
        "charges",
        "costs",
        "ended_s",
        "expected",
        "ghosts",
        "held",
        "instant_ms",
        "later",
        "marks",
        "miscounted",
        "overlaps",
        "probe",
        "prompt",
        "prompt_at_least",
        "released",
        "sent_s",
        "serial",
        "told",
        "used",
    )

    def __init__(self, serial: int, costs: Mapping[str, float], sent_s: float) -> None:
        self.serial = serial
        self.costs = costs
        self.sent_s = sent_s
        self.prompt = 0
        self.prompt_at_least = 0
        self.cap: int | None = None
        self.expected = 0
        self.ended_s: float | None = None
        self.miscounted = 0.0
        self.used: float | None = None
        self.instant_ms: int | None = None
        self.marks: Mapping[str, Mark] = {}
        self.charges: dict[int, float] = {}
        self.ghosts: dict[int, tuple[float, float]] = {}
        self.held: dict[int, float] = {}
        self.told: Mapping[str, HeaderLimit] = {}
        self.probe: str | None = None
        self.released = False
        self.later = 0.0
        self.overlaps: list[Overlap] | None = None

    @property
    def tokens(self) -> float:
        """The tokens that were set aside for it."""
        return self.costs.get("TPM", 0.0)

    def delay_s(self, now: float) -> float:
        """Return how long it may have been under way before the service looked at it."""
        ended_s = now if self.ended_s is None else self.ended_s
        return min(LONGEST_DELAY_S, max(0.0, ended_s - self.sent_s))


class Overlap(NamedTuple):
    """What another request may have done to the level that an answer tells of.

    Attributes:
        other: That request.
        charge_least: Its charge is missing from the level this many times at least (negative if
            it is in there although it was sent later) ...
        charge_most: ... and at most.
        may_be_done: Whether what its end changes may already be in there.
        was_open: Whether it was under way when the request was sent.
    """

    other: Call
    charge_least: int
    charge_most: int
    may_be_done: bool
    was_open: bool


class Calls:
    """The calls of one scope: the open ones, and ended ones that overlap with an open one.

    Not thread-safe: its owner has the lock.
    """

    __slots__ = ("_ended", "_forgotten", "_offsets", "open")

    def __init__(self) -> None:
        self.open: dict[int, Call] = {}
        self._ended: deque[Call] = deque()
        self._forgotten = 0
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)

    def begin(self, call: Call) -> None:
        """Take note of a call that is sent."""
        self.open[call.serial] = call

    def end(self, call: Call, now: float) -> bool:
        """Take note of its end; return False if it had ended before."""
        if self.open.pop(call.serial, None) is None:
            return False
        call.ended_s = now
        self._ended.append(call)
        if call.instant_ms is not None:
            self._offsets.append(call.instant_ms / 1000.0 - call.sent_s)
        return True

    def is_remembered(self, call: Call) -> bool:
        """Whether nothing that overlaps with this call has been forgotten."""
        return call.serial > self._forgotten

    def travel_s(self, call: Call, now: float) -> tuple[float, float]:
        """Return how long a call was under way before the service looked at it: from, to.

        The service's clock says by how much longer than the quickest of the latest ones.
        """
        if call.instant_ms is None or not self._offsets:
            return 0.0, min(call.delay_s(now), _USUAL_DELAY_S)
        longer_s = call.instant_ms / 1000.0 - call.sent_s - min(self._offsets)
        longer_s = min(max(0.0, longer_s), call.delay_s(now))
        return longer_s, longer_s + _SHORTEST_DELAY_S

    def tidy(self) -> None:
        """Forget ended calls that overlap with none that is open."""
        oldest = next(iter(self.open.values())).sent_s if self.open else float("inf")
        ended = self._ended
        while ended and ((ended[0].ended_s or 0.0) < oldest or len(ended) > _REMEMBERED):
            gone = ended.popleft()
            if (gone.ended_s or 0.0) >= oldest:
                self._forgotten = max(self._forgotten, max(self.open))

    def around_admission(self, call: Call, now: float) -> list[Overlap]:
        """Return what else may show, or not show, in the level at the admission of an ended call.

        It is looked up once.
        """
        if call.overlaps is None:
            found = (_overlap(call, other, now) for other in self._others(call))
            call.overlaps = [overlap for overlap in found if overlap is not None]
        return call.overlaps

    def around_end(self, call: Call, now: float) -> Iterator[Overlap]:
        """Yield the same for the level at the end of a call, which is now."""
        since_s = now - call.delay_s(now)
        for other in self._others(call):
            if other.ended_s is None:
                yield Overlap(other, 0, int(other.sent_s >= since_s), True, True)
            elif other.ended_s >= since_s:
                yield Overlap(other, 0, 0, True, False)

    def reprice(self, dimension: str, charged: float) -> None:
        """Take note that no more is charged for the open calls: no more will be given back."""
        for call in self.open.values():
            if call.costs.get(dimension, 0.0) > charged:
                call.costs = {**call.costs, dimension: charged}

    def ended_since(self, instant_s: float) -> list[Call]:
        """Return the remembered calls that have ended since an instant."""
        return [call for call in self._ended if (call.ended_s or 0.0) >= instant_s]

    def _others(self, call: Call) -> Iterator[Call]:
        for group in (self._ended, self.open.values()):
            for other in group:
                if other is not call:
                    yield other


def _overlap(call: Call, other: Call, now: float) -> Overlap | None:
    ended_s = other.ended_s
    if ended_s is not None and ended_s < call.sent_s:
        return None
    least, most = _order(call, other, now)
    looked_at_s = call.sent_s + call.delay_s(now)
    may_be_done = ended_s is not None and ended_s <= looked_at_s + _NEWS_S
    was_open = other.serial < call.serial
    if least or most or may_be_done or was_open:
        return Overlap(other, least, most, may_be_done, was_open)
    return None


def _order(call: Call, other: Call, now: float) -> tuple[int, int]:
    """Return how often a charge is missing from the level at the admission of ``call``."""
    sent_before = other.serial < call.serial
    if call.instant_ms is not None and other.instant_ms is not None:
        if call.instant_ms == other.instant_ms:
            return (0, 1) if sent_before else (-1, 0)
        came_before = other.instant_ms < call.instant_ms
        return (0, 0) if came_before == sent_before else ((1, 1) if sent_before else (-1, -1))
    if sent_before:
        return 0, int(other.sent_s + other.delay_s(now) >= call.sent_s)
    return -int(other.sent_s <= call.sent_s + call.delay_s(now)), 0
