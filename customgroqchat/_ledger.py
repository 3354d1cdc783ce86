"""The ledger of one scope: what is set aside, settled and corrected, and when the next may go.

It is told what happens and tells the store. It has no lock and reads no clock: the rate limit
handler has both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from ._bucket import WINDOWS_S, BucketState, Mark
from ._calls import Call
from ._fitting import check_fits
from ._forecast import wait_for
from ._limit_book import LimitBook, Scope, is_conclusive
from ._lookouts import Lookout, Lookouts
from ._pricing import Demand, Usage
from ._reconciliation import Correction, from_headers, from_refusal, in_use, most_left
from .exceptions import RateLimitError, RequestTooLargeError
from .stores import Decision, Store

# How many times the room that others were seen to need is left to them.
_FOREIGN_SHARE = {"greedy": 0.0, "balanced": 1.5, "polite": 3.0}
_POLITE_SHARE = 0.1
# Gaps that are not put down to others: of a limit, and at least (other units, tokens).
_NOISE = 0.001
_NOISE_AT_LEAST = (1.5, 8.0)
_LONGEST_HOLD_S = 60.0
_SHORTEST_WAIT_S = 0.01
# Where answers follow each other closely, they are compared with the levels no more often.
_MANY = 8
_SELDOM_S = 0.02
_FIRST_ALONE = "the first request goes ahead, to learn what is left of the limits"


class Announced(NamedTuple):
    """A wait that the service has announced, in which nothing is sent.

    Attributes:
        until_s: Its end.
        dimension: The limit that it is for, or None.
    """

    until_s: float
    dimension: str | None


class Ledger:
    """What is known of one account and model, and its part of the store.

    Attributes:
        scope: The account and model.
        book: How its limits are worked out: the one of the client that decides.
        decided_by: The number of that book when it was handed over.
        state: What is known.
        lookouts: Who was told to wait.
    """

    def __init__(
        self, scope: Scope, book: LimitBook, store: Store, remembered: Mapping[str, int]
    ) -> None:
        self.scope = scope
        self.book = book
        self.decided_by = book.number
        self._store = store
        self.state = book.open(scope, remembered)
        self.lookouts = Lookouts()
        self._announced = Announced(-math.inf, None)
        self._reconciled_s = -math.inf
        # Tokens that were not given back, in case the service does not either.
        self._withheld = 0.0
        self._withheld_at_s = 0.0

    def use_book(self, book: LimitBook, remembered: Mapping[str, int]) -> None:
        """Have another book decide, or the same one, changed."""
        self.book = book
        self.decided_by = book.number
        book.take_over(self.scope, self.state, remembered)

    def is_idle(self, now: float) -> bool:
        """Whether nothing is on its way, and nobody waits."""
        return not self.state.calls.open and not self.lookouts.is_awaited(now)

    def surprised(self, besides: Lookout | None, now: float) -> list[Lookout]:
        """Return those whose wait has become shorter than they were told."""
        return self.lookouts.surprised(besides, lambda: self._store.snapshot(self.scope), now)

    # --- before a request is sent -----------------------------------------------------------

    def reserve(
        self, demand: Demand, serial: int, now: float, patience_s: float = math.inf
    ) -> Call | Decision:
        """Set aside what a request costs, in all buckets or in none.

        Who cannot wait so long as it takes to find out what nobody knows yet, need not.

        Raises:
            TokenLimitExceededException: it can never fit.
        """
        state = self.state
        start_wait_s = 0.0 if self._policy == "greedy" else state.start_wait_s(now)
        if 0.0 < start_wait_s <= patience_s:
            return Decision(False, start_wait_s, reason=_FIRST_ALONE)
        costs = state.costs(demand)
        spare = self._spare(costs, demand, now)
        decision = self._store.reserve(self.scope, costs, spare)
        probe = decision.dimension if decision.dimension in state.rungs else None
        if probe is not None:
            has_room = decision.level >= costs[probe]
            must_wait = spare[probe] > 0.0 if has_room else not state.may_probe(probe, now)
            # Until an answer comes; but never so short that asking again would be all that is done.
            wait_s = min(decision.wait_s, max(_SHORTEST_WAIT_S, state.blind_s or 1.0))
            if must_wait and wait_s <= patience_s:
                return Decision(False, wait_s, reason=f"a request tries whether {probe} is larger")
            decision = self._store.reserve(self.scope, costs, {**spare, probe: -math.inf})
        if not decision.admitted:
            check_fits(self.scope.model, state, demand)
            assert decision.wait_s < math.inf, "what cannot fit has just been refused"
            return decision
        call = self._begun(Call(serial, costs, now), demand, decision.marks)
        if probe is not None and is_conclusive(call, probe, state.rungs[probe]):
            call.probe = probe
        return call

    def forecast(
        self, demand: Demand, requests: int, tokens: float, now: float, *, hopeful: bool
    ) -> Decision:
        """Tell when a request would pass behind others that take so much together.

        Probably; or, hopeful, at best: then nothing counts that is only guessed.
        """
        amounts = dict(self.state.costs(demand))
        mean = self.state.pricing.known_mean()
        if mean:  # by now more is known than when the others were queued
            tokens = requests * mean
        elif hopeful:
            tokens = 0.0
        for names, before in ((("RPM", "RPD"), requests), (("TPM", "TPD"), tokens)):
            for name in names:
                if before:
                    amounts[name] = amounts.get(name, 0.0) + before
        buckets = self.buckets()
        # What is on its way will give back what it does not use.
        relief = self.state.relief(mean, hopeful=hopeful)
        relieved = {
            name: bucket._replace(level=bucket.level + relief) if name in ("TPM", "TPD") else bucket
            for name, bucket in buckets.items()
        }
        wait_s, dimension = wait_for(amounts, relieved)
        if self._announced.until_s - now > wait_s:
            wait_s, dimension = self._announced.until_s - now, self._announced.dimension
        start_wait_s = 0.0 if hopeful or self._policy == "greedy" else self.state.start_wait_s(now)
        if start_wait_s > wait_s:
            return Decision(False, start_wait_s, reason=_FIRST_ALONE)
        if not wait_s:
            return Decision(True)
        bucket = buckets.get(dimension or "")
        if bucket is None:
            return Decision(False, wait_s)
        return Decision(False, wait_s, dimension, bucket.limit, bucket.level)

    # --- the ends of a reservation ------------------------------------------------------------

    def settle(
        self, call: Call, demand: Demand, usage: Usage, now: float, *, is_estimate: bool = False
    ) -> None:
        """Replace what was set aside by what was used, and believe what the answer says.

        From an estimate nothing is learnt: neither what requests use nor how levels stand.
        """
        state = self.state
        if not state.end(call, now):
            return
        used = usage.costs()
        call.used = used["TPM"]
        call.miscounted = float(call.prompt - usage.prompt)
        # By the rule that was in force: the answer may be what changes it.
        final = self._final(call, used, now)
        amounts = {
            name: reserved - final[name]
            for name, reserved in call.costs.items()
            if name in final and reserved != final[name]
        }
        state.learner.ended(call, now, released=False)
        after = self._store.settle(self.scope, amounts)
        if not is_estimate:
            state.pricing.learn(demand, usage)
            self._reconcile(call, after, now)
        call.overlaps = None  # or each call would keep all that were before it
        state.passed(call)
        self.book.climb(self.scope, state, call)
        state.calls.tidy()

    def release(self, call: Call, now: float) -> None:
        """Give all of it back: the service charged nothing."""
        if self.state.end(call, now):
            call.released = True
            self.state.learner.ended(call, now, released=True)
            self._store.settle(self.scope, call.costs)
            if self.state.rungs:
                self.state.forget_sent(call)
            self.state.calls.tidy()

    def keep(self, call: Call, now: float) -> None:
        """Leave it charged: the service may have done the work."""
        if self.state.end(call, now):
            self.state.learner.ended(call, now, released=False)
            if call.later:
                self._store.settle(self.scope, dict.fromkeys(("TPM", "TPD"), -call.later))
            self.state.calls.tidy()

    def refused(
        self,
        call: Call,
        demand: Demand,
        error: RateLimitError | RequestTooLargeError,
        now: float,
    ) -> Mapping[str, int]:
        """Give back, and adopt the limit, level and wait of a refusal; return news of limits."""
        self.state.heard = True
        news: Mapping[str, int] = {}
        if error.dimension and error.limit:
            told = {error.dimension: error.limit}
            news = self.book.learn(self.scope, self.state, told, call.serial)
        if error.dimension in ("TPM", "TPD") and error.requested:
            self.state.learner.priced(call, error.requested, self.state.calls)
            self.state.pricing.learn_price(demand, error.requested, self.state.learner.rule)
        self.release(call, now)
        if isinstance(error, RateLimitError) and error.dimension and error.used is not None:
            self._adopt_level(call, error, now)
        if isinstance(error, RateLimitError) and error.retry_after:
            self._hold_back(error, error.retry_after, now)
        call.overlaps = None
        return news

    def after_fork(self) -> None:
        """Forget what is on its way: its answers come to the parent. It stays charged."""
        self.state.after_fork()
        self.lookouts = Lookouts()

    # --- questions ------------------------------------------------------------------------------

    def buckets(self) -> dict[str, BucketState]:
        """Return the bucket of every known limit, as it stands."""
        limits, rungs = self.state.limits, self.state.rungs
        return {
            name: bucket
            for name, bucket in self._store.snapshot(self.scope).items()
            if name in limits and name not in rungs
        }

    def prediction(self, call: Call) -> dict[str, float]:
        """Return the levels that the headers of a request's answer should tell."""
        limits = self.state.limits
        levels = {
            name: limits[name].limit - mark.used
            for name, mark in call.marks.items()
            if name in ("RPD", "TPM", "ASH") and name in limits
        }
        if "TPM" in levels:
            levels["TPM"] += call.held.get(self.state.learner.number, 0.0)
        return levels

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _policy(self) -> str:
        return self.book.config.policy

    def _begun(self, call: Call, demand: Demand, marks: Mapping[str, Mark]) -> Call:
        pricing = self.state.pricing
        call.prompt, call.prompt_at_least = pricing.prompt(demand)
        call.cap, call.expected = demand.output_cap, pricing.longest_output()
        call.marks = marks
        call.later = pricing.charged_later(demand, call.tokens, self.state.limits)
        self.state.begin(call)
        return call

    def _spare(self, costs: Mapping[str, float], demand: Demand, now: float) -> Mapping[str, float]:
        """Return what the buckets must hold beyond the costs: for answers, and for others."""
        state = self.state
        held, unproven = state.held_for_answers(), state.unproven()
        spare = {"TPM": held, "TPD": held, "RPM": unproven}
        if demand.told and not state.learner.prices_rise:
            for name, told in demand.told.items():
                spare[name] = spare.get(name, 0.0) + told - costs[name]
        if state.foreign or self._policy == "polite":
            for name, left in self._left_to_others(now).items():
                spare[name] = spare.get(name, 0.0) + left
        return spare

    def _left_to_others(self, now: float) -> dict[str, float]:
        state, times = self.state, _FOREIGN_SHARE[self._policy]
        share = _POLITE_SHARE if self._policy == "polite" else 0.0
        # Not of a number that is only tried: it would never be in the way, and never left behind.
        told = {name: known for name, known in state.limits.items() if name not in state.rungs}
        left = {name: share * known.limit for name, known in told.items()}
        for name, foreign in state.foreign.items():
            if name in left:
                room = times * foreign.headroom(now, state.blind_s)
                left[name] += min(room, state.limits[name].limit / 2)
        return left

    def _final(self, call: Call, used: Mapping[str, float], now: float) -> Mapping[str, float]:
        """Return what stays charged, by dimension: all of it, unless the service gives back."""
        learner, own = self.state.learner, self.state.limits.get("TPM")
        charge = call.charges.get(learner.number)
        told = self.state.told.get("TPM")
        if told is None or own is None or own.limit != told:  # it is no bucket of the service
            return used
        if learner.rule.refunds or charge is None:
            return used
        kept = learner.rule.final(charge - call.miscounted, used["TPM"])
        self._withhold(kept - used["TPM"], now)
        return {**used, "TPM": kept, "TPD": kept}

    def _reconcile(self, call: Call, after: Mapping[str, Mark], now: float) -> None:
        """Correct the levels by what the headers of an answer said."""
        state = self.state
        if not call.told or not state.calls.is_remembered(call) or self._may_wait(call, now):
            return
        self._reconciled_s = now
        state.answered_after(now - call.sent_s)
        header, known = call.told.get("TPM"), state.limits.get("TPM")
        if header is not None and known is not None and header.limit == known.limit:
            state.learner.told(call, in_use("TPM", header), state.calls, now)
            self._give_back_withheld(now)
        for correction in from_headers(state, call, after, now):
            self._apply(correction, now)
        state.levelled.update(call.told)

    def _give_back_withheld(self, now: float) -> None:
        """Give back what the service has turned out to give back, where no header shows it."""
        if self._withheld and self.state.learner.rule.refunds:
            self._withhold(0.0, now)
            self._store.settle(self.scope, {"TPD": self._withheld})
            self._withheld = 0.0

    def _withhold(self, tokens: float, now: float) -> None:
        """Keep tokens back, of which as many flow back by themselves as of the bucket."""
        day = self.state.limits.get("TPD")
        flowed_back = (now - self._withheld_at_s) * day.limit / WINDOWS_S["TPD"] if day else 0.0
        self._withheld = max(0.0, self._withheld - flowed_back) + tokens
        self._withheld_at_s = now

    def _may_wait(self, call: Call, now: float) -> bool:
        """Whether the next answer will tell as much, soon enough.

        That is so where answers follow each other closely, and nothing is scarce or many are out.
        """
        if now - self._reconciled_s >= _SELDOM_S or self.state.learner.is_new:
            return False
        mark, known = call.marks.get("TPM"), self.state.limits.get("TPM")
        is_plenty = mark is not None and known is not None and mark.used < known.limit / 2
        return is_plenty or len(self.state.calls.open) > _MANY

    def _apply(self, correction: Correction, now: float) -> None:
        dimension, mark, lowest, highest, is_firm = correction
        shift = self._store.observe(self.scope, dimension, mark, lowest, highest)
        limit = self.state.limits[dimension].limit
        noise = max(_NOISE_AT_LEAST[dimension == "TPM"], _NOISE * limit)
        if dimension in self.state.levelled and shift < -noise:
            self.state.saw_others(dimension, -shift, now)
        if is_firm:
            self._store.observe(self.scope, dimension, mark, lowest, lowest)

    def _adopt_level(self, call: Call, error: RateLimitError, now: float) -> None:
        """Believe what a refusal says was in use."""
        dimension, used = error.dimension, error.used
        known = self.state.limits.get(dimension or "")
        if dimension is None or used is None or known is None:
            return
        # What a choice to stay below the service's limit leaves alone is not in use.
        used -= (error.limit or known.limit) - known.limit
        correction = from_refusal(self.state, call, dimension, used, now)
        if correction is not None:
            self._apply(correction, now)
        mark = self._store.settle(self.scope, {}).get(dimension)
        if mark is not None:
            left = self.state.limits[dimension].limit - mark.used
            too_low = most_left(self.state, call, dimension, used, now) - left
            self._store.observe(self.scope, dimension, mark, -math.inf, too_low)
        if dimension == "OTPM" and error.requested:
            self.state.calls.reprice(dimension, error.requested)

    def _hold_back(self, error: RateLimitError, wait_s: float, now: float) -> None:
        """Send nothing within an announced wait.

        A long one binds the refused request only, whose price is known by now, and not a small
        one for which there is room: for that the level has been adopted.
        """
        is_exact = error.dimension in self.state.limits and None not in (
            error.used,
            error.requested,
        )
        if wait_s <= _LONGEST_HOLD_S or not is_exact:
            self._store.block(self.scope, wait_s, error.dimension)
            if now + wait_s > self._announced.until_s:
                self._announced = Announced(now + wait_s, error.dimension)
