"""A limiter against a simulated service in virtual time: nobody waits, and nothing is by chance.

One :class:`World` is one run: jobs in the order of their queues, a way to the service and back that
takes 5 to 30 ms, the service's own ledger, and perhaps others who use the same account.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from helpers_limits import MODEL, load
from helpers_virtual_calls import Bite, Job, Refused, Result, Sent, Service

from customgroqchat._faults import error_from_response
from customgroqchat._headers import HeaderLimit, parse_limit_headers
from customgroqchat._records import Headers, ResponseInfo
from customgroqchat.exceptions import (
    RateLimitError,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from customgroqchat.rate_limit_handler import RateLimitHandler, Reservation, Scope, Usage
from customgroqchat.stores import Decision, MemoryStore
from customgroqchat.testing import FakeClock
from customgroqchat.testing._sim_buckets import DIMENSIONS, Admission, Charging, Ledger, Snapshot
from customgroqchat.testing._sim_wire import rate_limit_headers, refusal_error

KEY = "gsk_test"
_SERVER_EPOCH_S = 1_790_000_000.377  # the service's wall clock is nobody else's
#: How often the same request may ask within one millisecond before it counts as busy waiting.
_ASKS_PER_MS = 50


class SteppedClock(FakeClock):
    """A clock whose wall time is another matter than its monotonic time."""

    wall_offset_s = 1_789_990_000.0

    def wall(self) -> float:
        return self.monotonic() + self.wall_offset_s


class _Lane:
    """The jobs of one model, in order; one that was refused goes back to its place."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.waiting: list[int] = []
        self.in_flight = 0
        self.head: int | None = None
        self.head_since_s = 0.0
        self.wake = 0  # only the wake-up that was ordered last counts
        self.asks: list[tuple[float, int]] = []

    def first(self, now: float) -> int:
        if self.waiting[0] != self.head:
            self.head, self.head_since_s = self.waiting[0], now
        return self.waiting[0]

    def check_patience(self, now: float) -> None:
        """Fail where a wait leads to nothing but the same question."""
        begin, asked = self.asks[-1] if self.asks else (now, 0)
        self.asks = [(begin, asked + 1)] if now - begin < 1e-3 else [(now, 1)]
        assert asked < _ASKS_PER_MS, f"busy waiting at {now}"


class World:
    """One run of jobs through one limiter against one service.

    Args:
        jobs: The calls, in the order of submission; all are there from the beginning.
        service: The rules of the service.
        config: The client's configuration: blocks of models, and of the client.
        settings: Arguments of the configuration, such as ``policy``.
        workers: How many calls of a model may be on their way.
        seed: Of the time on the way.
        way_s: How long the way to the service, or back, may take: seconds from, to.
        foreign: What others take.
        events: What else happens: instants (seconds since the beginning) and callables.
        tells_instant: Whether answers name the service's instant of admission.
        models: Limits of models that have others than ``service`` says.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        service: Service,
        *,
        config: dict[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        workers: int = 64,
        seed: int = 0,
        way_s: tuple[float, float] = (0.005, 0.030),
        foreign: Iterable[Bite] = (),
        events: Iterable[tuple[float, Callable[[World], None]]] = (),
        tells_instant: bool = True,
        models: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        self.jobs = list(jobs)
        self.service = service
        self.workers = workers
        self.tells_instant = tells_instant
        self.clock = SteppedClock()
        self.limiter = RateLimitHandler(
            load(config, **(settings or {})), MemoryStore(self.clock), clock=self.clock
        )
        self.ledger = Ledger(
            self.clock.monotonic, service.charging, service.refund, service.start_level
        )
        self.result = Result()
        self.demands = [job.demand for job in self.jobs]
        self.lanes: dict[str, _Lane] = {}
        self._ways: dict[str, random.Random] = {}
        self._seed, self._between_s = seed, way_s
        self._models = models or {}
        self._began_s = self.clock.monotonic()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = itertools.count()
        self._charged: Counter[str] = Counter()
        self._foreign: Counter[str] = Counter()
        self._open_accounts()
        self._fill_lanes()
        for bite in foreign:
            self._after(bite.at_s, self._bite, bite)
        for at_s, event in events:
            self._after(at_s, event, self)

    def __repr__(self) -> str:
        return f"World({len(self.jobs)} jobs, {self.service}, seed {self._seed})"

    def replace_job(self, index: int, job: Job) -> None:
        """Put another job in the place of one that has not been sent."""
        self.jobs[index], self.demands[index] = job, job.demand

    # --- running ----------------------------------------------------------------------------

    def run(self, until_s: float = 1e9) -> Result:
        """Run until every job has ended, or until ``until_s`` seconds after the beginning."""
        for lane in self.lanes.values():
            self._pump(lane)
        while self._events and (self.busy or until_s < 1e9):
            if self._events[0][0] > self._began_s + until_s:
                break
            at_s, _, event, arguments = heapq.heappop(self._events)
            self.clock.advance(max(0.0, at_s - self.clock.monotonic()))
            event(*arguments)
        self.result.delivered.sort()
        return self.result

    def rest(self, seconds: float) -> None:
        """Let time pass in which nothing is sent."""
        self.clock.advance(seconds)

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.clock.monotonic() - self._began_s

    @property
    def busy(self) -> bool:
        return any(lane.waiting or lane.in_flight for lane in self.lanes.values())

    def levels(self, model: str = MODEL) -> dict[str, float]:
        """What is free by the service's own books."""
        return self.ledger.levels(KEY, model, self.limits(model))

    def mirror(self, model: str = MODEL) -> dict[str, int]:
        """What is free by the limiter's."""
        status = self.limiter.status(self.limiter.scope(model))
        return {name: limit.remaining for name, limit in status.items()}

    def limits(self, model: str) -> Mapping[str, int]:
        return self._models.get(model, self.service.limits)

    def change_rule(self, charging: Charging, refund: bool) -> None:
        """Change the service's rules without notice, as it did more than once."""
        self.service = replace(self.service, charging=charging, refund=refund)
        self.ledger._charging, self.ledger._refund = charging, refund

    def change_limit(self, name: str, limit: int) -> None:
        """Put the account on another plan: what is in use stays in use."""
        bucket = self.ledger._accounts[KEY, MODEL].buckets[name]
        used = bucket.limit - bucket.level(self.clock.monotonic())
        bucket.limit, bucket._level = limit, limit - used

    # --- the client's side --------------------------------------------------------------------

    def _pump(self, lane: _Lane) -> None:
        """Send what may be sent; for the rest come back when the limiter says."""
        while lane.waiting and lane.in_flight < self.workers:
            index = lane.first(self.clock.monotonic())
            answer = self._admit(lane, index)
            if isinstance(answer, Decision):
                self._come_back(lane, answer)
                return
            heapq.heappop(lane.waiting)
            if answer is not None:
                self._dispatch(lane, index, answer)

    def _admit(self, lane: _Lane, index: int) -> Reservation | Decision | None:
        try:
            return self.limiter.admit(lane.scope, self.demands[index])
        except TokenLimitExceededException:
            self.result.too_large.append(index)
            return None

    def _come_back(self, lane: _Lane, decision: Decision) -> None:
        assert not decision.admitted
        assert 0.0 < decision.wait_s < float("inf"), decision
        lane.wake += 1
        self._after(decision.wait_s, self._wake, lane, lane.wake)

    def _wake(self, lane: _Lane, ordered: int) -> None:
        if lane.wake == ordered:
            lane.check_patience(self.clock.monotonic())
            self._pump(lane)

    def _dispatch(self, lane: _Lane, index: int, reservation: Reservation) -> None:
        job, lane.in_flight = self.jobs[index], lane.in_flight + 1
        way_s = self._way_s(job)
        if job.fate == "cancelled":
            self._after(way_s, self._cancel, lane, index, reservation)
            return
        waited_s = self.clock.monotonic() - lane.head_since_s
        self.result.sent.append(Sent(index, job.model, self.now_s, waited_s))
        if job.fate == "request lost":
            self._after(job.latency_s, self._give_up, lane, index, reservation)
        else:
            self._after(way_s, self._arrive, lane, index, reservation)

    def _cancel(self, lane: _Lane, index: int, reservation: Reservation) -> None:
        reservation.release()
        self.result.cancelled.append(index)
        self._ended(lane)

    def _give_up(self, lane: _Lane, index: int, reservation: Reservation) -> None:
        self.limiter.keep(reservation)
        self.result.kept.append(index)
        self._ended(lane)

    def _answered(
        self, lane: _Lane, index: int, reservation: Reservation, shown: Snapshot, instant_ms: int
    ) -> None:
        job, told = self.jobs[index], _told(shown)
        self._hear()
        if self.tells_instant:
            self.limiter.observe(reservation, told, instant_ms=instant_ms)
        else:
            self.limiter.observe(reservation, told)
        self.limiter.settle(reservation, Usage(job.prompt, job.output))
        self.result.delivered.append(index)
        self.result.tokens += job.prompt + job.output
        self._ended(lane)

    def _turned_away(
        self, lane: _Lane, index: int, reservation: Reservation, made_s: float, answer: ResponseInfo
    ) -> None:
        error = error_from_response(answer, None, self.clock.wall())
        assert isinstance(error, RateLimitError | RequestTooLargeError)
        self._hear()
        self.result.refused.append(
            Refused(index, lane.scope.model, made_s - self._began_s, self.now_s, error)
        )
        self.limiter.refused(reservation, error)
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            self.demands[index] = self.limiter.repriced(self.demands[index], error)
            heapq.heappush(lane.waiting, index)
        else:
            self.result.too_large.append(index)
        self._ended(lane)

    def _hear(self) -> None:
        self.result.heard_s = min(self.result.heard_s, self.now_s)

    def _ended(self, lane: _Lane) -> None:
        lane.in_flight -= 1
        self.result.seconds = self.now_s
        self._pump(lane)

    # --- the service's side -------------------------------------------------------------------

    def _arrive(self, lane: _Lane, index: int, reservation: Reservation) -> None:
        job, made_s = self.jobs[index], self.clock.monotonic()
        instant_ms = int((_SERVER_EPOCH_S + made_s) * 1000)
        admission = self.ledger.admit(KEY, job.model, self.limits(job.model), job.prompt, job.cap)
        if admission.refusal is not None:
            answer = _refusal(job.model, admission)
            way_s = self._way_s(job)
            self._after(way_s, self._turned_away, lane, index, reservation, made_s, answer)
            return
        self._charged.update(admission.charge)
        self._note_admission()
        self._after(job.latency_s, self._finish, lane, index, reservation, admission, instant_ms)

    def _finish(
        self,
        lane: _Lane,
        index: int,
        reservation: Reservation,
        admission: Admission,
        instant_ms: int,
    ) -> None:
        job = self.jobs[index]
        final = self.ledger.settle(admission, job.output)
        self._charged.update(self._difference(job, admission))
        way_s = self._way_s(job)
        if job.fate == "answer lost":
            self._after(way_s, self._give_up, lane, index, reservation)
            return
        shown = admission.snapshot if self.service.headers_at == "admission" else final
        self._after(way_s, self._answered, lane, index, reservation, shown, instant_ms)

    def _bite(self, bite: Bite) -> None:
        admission = self.ledger.admit(
            KEY, bite.model, self.limits(bite.model), bite.prompt, bite.output
        )
        if admission.refusal is not None:
            self.result.foreign_refused += 1
            return
        self.ledger.settle(admission, bite.output)
        self._foreign.update(admission.charge)
        self._foreign.update(self._difference(bite, admission))

    def _difference(self, used: Job | Bite, admission: Admission) -> dict[str, int]:
        """Return what the charge at admission changes by when the answer is there."""
        tokens = used.prompt + used.output
        final = {"RPM": 1, "RPD": 1, "TPM": tokens, "TPD": tokens}
        final |= {"ITPM": used.prompt, "OTPM": used.output}
        charged = admission.charge
        if not self.service.refund:
            final = {name: max(amount, charged[name]) for name, amount in final.items()}
        return {name: final[name] - charged[name] for name in charged}

    def _note_admission(self) -> None:
        self.result.last_admission_s = self.now_s
        self.result.charged, self.result.foreign = dict(self._charged), dict(self._foreign)

    # --- inside ---------------------------------------------------------------------------------

    def _after(self, seconds: float, event: Callable[..., None], *arguments: Any) -> None:
        at_s = self.clock.monotonic() + seconds
        heapq.heappush(self._events, (at_s, next(self._serial), event, arguments))

    def _way_s(self, job: Job) -> float:
        """One way to the service or back; models do not share their chance."""
        way = self._ways.setdefault(job.model, random.Random(f"{self._seed} {job.model}"))
        return way.uniform(*self._between_s)

    def _fill_lanes(self) -> None:
        for index, job in enumerate(self.jobs):
            if job.model not in self.lanes:
                self.lanes[job.model] = _Lane(self.limiter.scope(job.model))
            self.lanes[job.model].waiting.append(index)

    def _open_accounts(self) -> None:
        """Open them at the beginning, at their level then; the first model is the one measured."""
        self.result.start = self.levels()
        self.result.rates = {
            name: limit / DIMENSIONS[name].window_s for name, limit in self.limits(MODEL).items()
        }


def _told(shown: Snapshot) -> dict[str, HeaderLimit]:
    return parse_limit_headers(rate_limit_headers(shown))


def _refusal(model: str, admission: Admission) -> ResponseInfo:
    assert admission.refusal is not None
    answer = refusal_error(model, admission.refusal, admission.snapshot)
    return ResponseInfo(answer.status, Headers(answer.headers), answer.body().decode())
