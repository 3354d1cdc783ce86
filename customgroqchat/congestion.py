"""CongestionControl: may a request be sent to a service that is overloaded, or down.

For faults that are no matter of quota: no capacity (498, 503), no answer in time, other server
errors, broken connections. A ceiling on what is in flight answers overload, a circuit breaker an
outage. The buckets of the rate limits are elsewhere and know nothing of it.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Hashable
from typing import Any, NamedTuple

from . import _process
from ._breaker import Breaker
from ._clock import Clock
from ._concurrency import Concurrency
from .exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
)

_OVERLOAD_STATUS = frozenset({498, 503, 529})
_PROBE_WAIT_S = 1.0
_KEPT_KEYS = 16


class Outcome(enum.Enum):
    """What the end of a request tells about the service."""

    OK = "ok"  #: It answered, be it with a refusal of this very request.
    OVERLOADED = "overloaded"  #: It has more to do than it can: fewer requests at a time.
    FAILED = "failed"  #: It is broken or out of reach, however few requests there are.
    NEUTRAL = "neutral"  #: Nothing: it was not asked, or not until the end.


class Verdict(NamedTuple):
    """What the end of a request means here.

    Attributes:
        outcome: What it tells about the service.
        counts_for_breaker: Whether it is a failure in the eyes of the circuit breaker. What is not,
            and is not neutral, is an answer, and closes the breaker.
    """

    outcome: Outcome
    counts_for_breaker: bool = False


_NEUTRAL = Verdict(Outcome.NEUTRAL)


def verdict_on(error: BaseException | None) -> Verdict:
    """Return what the end of a request means: None for an answer, or the error.

    =====================================  ================  ================
    error                                  outcome           to the breaker
    =====================================  ================  ================
    none                                   OK                an answer
    3xx, 4xx but 498; not of the API       OK                an answer
    498                                    OVERLOADED        an answer
    503, 529; no answer in time            OVERLOADED        a failure
    other 5xx                              FAILED            a failure
    not connected, connection broken       FAILED            a failure
    anything else (cancelled, closed, …)   NEUTRAL           nothing
    =====================================  ================  ================
    """
    if isinstance(error, APIStatusError):
        return _verdict_on_status(error.status_code)
    if isinstance(error, APIConnectionError):
        # What never got a connection tells nothing about how much the service has to do.
        is_slow = isinstance(error, APITimeoutError) and error.may_have_arrived
        return Verdict(Outcome.OVERLOADED if is_slow else Outcome.FAILED, True)
    answered = error is None or isinstance(error, APIResponseValidationError)
    return Verdict(Outcome.OK) if answered else _NEUTRAL


def _verdict_on_status(status: int) -> Verdict:
    if status in _OVERLOAD_STATUS:
        return Verdict(Outcome.OVERLOADED, counts_for_breaker=status >= 500)
    return Verdict(Outcome.FAILED, True) if status >= 500 else Verdict(Outcome.OK)


class Hold(NamedTuple):
    """Not now.

    Attributes:
        wait_s: Seconds after which to ask again, never 0.
        reason: Why, as a clause about the key: ``"its circuit breaker is open after ..."``.
        is_guess: Whether the wait is an estimate of at most 1, for the end of any request of the
            key may make room sooner; that of an open breaker is exact.
    """

    wait_s: float
    reason: str
    is_guess: bool = False


class Slot:
    """A request's place among those in flight: to be given back exactly once.

    Both methods may be called at any time and from any thread, also by a finaliser; neither ever
    blocks. The first call counts, later ones do nothing.
    """

    __slots__ = ("_control", "begun_s", "flight", "is_probe", "key", "ticket")

    def __init__(
        self, control: CongestionControl, key: Hashable, state: _KeyState, begun_s: float
    ) -> None:
        self._control = control
        self.key = key
        self.begun_s = begun_s
        self.flight = state.concurrency.begin()
        self.ticket = state.breaker.begin()
        self.is_probe = state.breaker.probing

    def done(self, error: BaseException | None) -> None:
        """Give it back, with the error that the request ended with, or None for an answer."""
        self._control._end(self, verdict_on(error))

    def release(self) -> None:
        """Give it back because nothing was sent: it tells nothing about the service."""
        self._control._end(self, _NEUTRAL)


class _End(NamedTuple):
    """A slot that was given back, and what is to be known of it."""

    slot: Slot
    verdict: Verdict
    now: float
    chance: float


class _KeyState:
    """What is known of one key."""

    __slots__ = ("breaker", "concurrency", "slots")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.concurrency = Concurrency()
        self.slots: set[Slot] = set()

    @property
    def is_at_rest(self) -> bool:
        """Whether it is idle and healthy, no different from that of an unknown key."""
        return not (self.slots or self.breaker.failures or self.concurrency.limit)

    def hold(self, now: float) -> Hold | None:
        """Return what a request has to wait for, or None if it may go."""
        if self.breaker.is_closed:
            return self._full_house() if self.concurrency.is_full else None
        open_s = self.breaker.open_s(now)
        if open_s:
            failures = self.breaker.failures
            return Hold(open_s, f"its circuit breaker is open after {failures} failures in a row")
        # The probe passes a full house: it may be full of requests that nobody will ever answer.
        if self.breaker.probing:
            why = "its circuit breaker is half-open, and a probe is under way"
            return Hold(_PROBE_WAIT_S, why, is_guess=True)
        return None

    def _full_house(self) -> Hold:
        in_flight = self.concurrency.in_flight
        reason = f"as many of its requests are in flight as it takes at present ({in_flight})"
        return Hold(self.concurrency.wait_s(), reason, is_guess=True)

    def end(self, end: _End) -> None:
        """Learn from the end of a request; do nothing if it ended before."""
        if end.slot not in self.slots:
            return
        self.slots.remove(end.slot)
        self._tell_concurrency(end)
        self._tell_breaker(end)

    def _tell_concurrency(self, end: _End) -> None:
        outcome, slot = end.verdict.outcome, end.slot
        if outcome is Outcome.OK:
            self.concurrency.succeeded()
        # A probe tells whether the service is back, and nothing about how much it can take.
        elif outcome is Outcome.OVERLOADED and not slot.is_probe:
            self.concurrency.overloaded(slot.flight)
        self.concurrency.end(None if outcome is Outcome.NEUTRAL else end.now - slot.begun_s)

    def _tell_breaker(self, end: _End) -> None:
        if end.verdict.outcome is Outcome.NEUTRAL:
            self.breaker.abandoned(end.slot.ticket)
        elif end.verdict.counts_for_breaker:
            self.breaker.failed(end.slot.ticket, end.now, end.chance)
        else:
            self.breaker.answered()

    def abandon(self) -> None:
        """Keep what was learnt, and nothing in flight."""
        self.slots.clear()
        self.concurrency.abandon()
        self.breaker.abandon()

    def status(self, now: float) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "limit": self.concurrency.limit,
            "in_flight": self.concurrency.in_flight,
            "breaker": self.breaker.state(now),
            "failures": self.breaker.failures,
            "opens_again_s": self.breaker.open_s(now) or None,
        }


class CongestionControl:
    """Admission to what is overloaded or down, by keys that have nothing to do with each other.

    A key is anything hashable that fails as one, such as an address and a model. Of what is idle
    and healthy, only a few are remembered. All methods may be called from any thread, and none
    blocks.

    Args:
        clock: Where time and chance come from.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._states: dict[Hashable, _KeyState] = {}
        # A slot can be given back by the garbage collector, in the middle of anything that is done
        # under the lock. So it is only noted, and taken into account by whoever has the lock.
        self._ended: deque[_End] = deque()
        _process.on_fork(self)

    def enter(self, key: Hashable) -> Slot | Hold:
        """Take a place for a request that is to be sent now, or tell what to wait for.

        Returns:
            A slot, to be given back when the request ended; or a hold: ask again later.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._learn()
            answer = self._decide(key, now)
        self._learn_if_free()
        return answer

    def status(self, key: Hashable) -> dict[str, Any]:
        """Return how a key stands.

        Returns:
            ``limit`` (requests at a time; None for no ceiling), ``in_flight``, ``breaker``
            (``"closed"``, ``"open"`` or ``"half-open"``), ``failures`` (in a row) and
            ``opens_again_s`` (seconds until a probe may pass; None unless it is open).
        """
        now = self._clock.monotonic()
        with self._lock:
            self._learn()
            found = (self._states.get(key) or _KeyState()).status(now)
        self._learn_if_free()
        return found

    def after_fork(self) -> None:
        """In a forked child: a new lock, and nothing in flight; what was learnt is kept."""
        self._lock = threading.Lock()
        for key, state in list(self._states.items()):
            state.abandon()
            self._forget_if_at_rest(key, state)

    # --- inside ---------------------------------------------------------------------------

    def _decide(self, key: Hashable, now: float) -> Slot | Hold:
        state = self._states.get(key) or _KeyState()
        hold = state.hold(now)
        if hold is not None:
            return hold
        slot = Slot(self, key, state, now)
        state.slots.add(slot)
        self._states[key] = state
        return slot

    def _end(self, slot: Slot, verdict: Verdict) -> None:
        self._ended.append(_End(slot, verdict, self._clock.monotonic(), self._clock.random()))
        self._learn_if_free()

    def _learn_if_free(self) -> None:
        """Take the ends into account, or leave it to whoever has the lock.

        That one comes here after it let go of the lock, so that nothing is left behind.
        """
        while self._ended and self._lock.acquire(blocking=False):
            try:
                self._learn()
            finally:
                self._lock.release()

    def _learn(self) -> None:
        """Take the ends into account. Called with the lock held."""
        while self._ended:
            end = self._ended.popleft()
            state = self._states.get(end.slot.key)
            if state is not None:
                state.end(end)
                self._forget_if_at_rest(end.slot.key, state)

    def _forget_if_at_rest(self, key: Hashable, state: _KeyState) -> None:
        # The next request of a few keys is not far; of many, most are not seen again.
        if state.is_at_rest and len(self._states) > _KEPT_KEYS:
            del self._states[key]
