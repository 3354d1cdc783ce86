"""Which rule of charging the service follows, found out from its own answers. Pure.

For every rule a bucket is kept that charges by it: a ghost. Each answer says what the real one
stood at; the rule whose ghost is right most often is in force. In doubt that is the most cautious
one, and it is noticed when the service changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ._calls import Call, Calls, Overlap
from ._charging import RULES, Rule

_ALL = tuple(range(len(RULES)))

# A rule's score counts its misses, and forgets them.
_FORGETTING = 0.8  # what is left of old misses after each answer
_TOO_HIGH = 1.0  # the level was higher than the rule allows: nobody can have done that
_TOO_LOW = 0.4  # it was lower: others can have done that
_WRONG_PRICE = 1.5  # a refusal named another price than the rule's
_PRIOR = 1.0  # a handicap, since levels have always been those of admission

# What scores decide.
_LEAD = 0.6  # by which another rule must be better to take over
_CLOSE = 0.5  # so much worse than the best, a rule may still be the true one
_SURE = 1.0  # so much worse than the one in force, a rule is ruled out
_ENOUGH = 5  # answers to rely on scores at all
_CALM_AFTER = 24  # answers without a miss after which the other rules are no longer followed

# What is no miss: of the limit, in tokens at least, and of a prompt that is only estimated.
_TOLERANCE = 0.002
_TOLERANCE_AT_LEAST = 2.0
_UNDERCOUNT = 0.03
_PRICE_TOLERANCE = 0.05


class RuleLearner:
    """Follows all rules for the bucket of tokens per minute of one scope.

    Not thread-safe: its owner has the lock. Levels are told as what is in use.
    """

    def __init__(self) -> None:
        self._number = 0  # of the rule in force
        self._followed: Sequence[int] = _ALL
        self._scores = [_PRIOR if rule.headers_at == "end" else 0.0 for rule in RULES]
        self._used = [0.0] * len(RULES)
        self._corrected = [0.0] * len(RULES)
        self._charged = [0.0] * len(RULES)  # for what is under way
        self._reserved = 0.0  # the same, by this side
        self._at = 0.0
        self._limit = 0.0
        self._rate = 0.0
        self._hits = 0
        self._judged = 0
        self._possible: tuple[Rule, ...] | None = None  # looked up once after each change

    @property
    def rule(self) -> Rule:
        """The rule in force."""
        return RULES[self._number]

    def possible_rules(self) -> Sequence[Rule]:
        """Return the rules to reserve by: one for each way of charging that is not ruled out."""
        if self._possible is None:
            worst = math.inf if self.is_new else self._scores[self._number] + _SURE
            found = {RULES[n].charges: RULES[n] for n in self._followed if self._scores[n] <= worst}
            self._possible = tuple(found.values())
        return self._possible

    @property
    def prices_rise(self) -> bool:
        """Whether the same request may be dearer by now than the service said once."""
        return not self.is_new and self.rule.charges == "expected"

    @property
    def number(self) -> int:
        """Its number in :data:`RULES`."""
        return self._number

    @property
    def is_new(self) -> bool:
        """Whether too few answers were seen to tell the rules apart."""
        return self._judged < _ENOUGH

    def plausible(self) -> list[int]:
        """Return the numbers of the rules that the service may be following."""
        if self.is_new:
            return list(self._followed)
        worst = min(self._scores[number] for number in self._followed) + _CLOSE
        return [number for number in self._followed if self._scores[number] <= worst]

    def held(self, number: int) -> float:
        """Return by how much more is set aside, for what is under way, than a rule charges."""
        return self._reserved - self._charged[number]

    # --- what happens ---------------------------------------------------------------------

    def resize(self, limit: float, window_s: float, now: float) -> None:
        """Adopt the size of the bucket; what is in use stays in use."""
        self._refill(now)
        self._limit, self._rate = float(limit), limit / window_s

    def sent(self, call: Call) -> None:
        """Charge a call by every rule, and note where that leads."""
        self._refill(call.sent_s)
        self._reserved += call.tokens
        for number in self._followed:
            charge = RULES[number].charge(call.prompt, call.cap, call.expected)
            self._used[number] += charge
            self._charged[number] += charge
            call.charges[number] = charge
            call.ghosts[number] = (self._used[number], self._corrected[number])
            call.held[number] = self.held(number)

    def ended(self, call: Call, now: float, *, released: bool) -> None:
        """Replace the charges of a call by what stays charged."""
        self._refill(now)
        self._reserved -= call.tokens
        for number, charge in call.charges.items():
            self._charged[number] -= charge
            if released:
                self._use(number, -charge)
            elif call.used is not None:
                self._use(number, _final(call, number, charge) - charge)

    def forget_open(self) -> None:
        """Forget what is under way; it stays charged."""
        self._charged = [0.0] * len(RULES)
        self._reserved = 0.0

    def told(self, call: Call, used: float, calls: Calls, now: float) -> None:
        """Judge the rules by what an answer said was in use. The call has ended."""
        self._judged += 1
        errors = {
            number: self.error(call, number, used, None, calls, now)
            for number in self._followed
            if number in call.ghosts
        }
        expected = errors.get(self._number, (0.0, 0.0))
        for number, error in errors.items():
            self._judge(number, error, expected)
        self._choose(calls)

    def priced(self, call: Call, charged: float, calls: Calls) -> None:
        """Judge the rules by what the service said it would have charged for a refused call."""
        if not _is_price(call, self._number, charged):
            self._hits = 0
            if len(self._followed) == 1:
                self._follow_all(calls)
        for number in self._followed:
            if _is_price(call, number, charged):
                self._scores[number] *= _FORGETTING
            else:
                self._scores[number] += _WRONG_PRICE
        self._choose(calls)

    def _judge(
        self, number: int, error: tuple[float, float], expected: tuple[float, float]
    ) -> None:
        lowest, highest = error
        tolerance = max(_TOLERANCE_AT_LEAST, _TOLERANCE * self._limit)
        # Nobody can make the level higher than the rule says. Others can make it lower.
        missed = lowest > tolerance or highest < -tolerance
        weight = _TOO_HIGH if lowest > tolerance else _TOO_LOW * missed
        # Where it says the same as the rule in force, it is neither better nor worse for it.
        if number == self._number or error != expected:
            self._scores[number] = self._scores[number] * _FORGETTING + weight
        if number == self._number:
            self._hits = 0 if missed else self._hits + 1
        shift = min(0.0, highest) + max(0.0, lowest)
        self._use(number, -shift)
        self._corrected[number] += shift

    def error(
        self,
        call: Call,
        number: int,
        used: float,
        mirrored: float | None,
        calls: Calls,
        now: float,
    ) -> tuple[float, float]:
        """Return by how much the service's level was higher than a rule explains: from, to.

        Args:
            call: The call whose answer tells.
            number: The rule.
            used: What was in use, as it tells.
            mirrored: What was in use, by another count that the rule shall be applied to; the
                rule's own if None.
            calls: What else was under way.
            now: Seconds.
        """
        # Levels are told in whole tokens, rounded down; while it was under way, some flowed back.
        lowest, highest = -1.0, 0.0
        if RULES[number].headers_at == "end":
            predicted = self._used[number] if mirrored is None else mirrored
            lowest -= self._rate * calls.travel_s(call, now)[1]
            overlaps: Iterable[Overlap] = calls.around_end(call, now)
            effect = _effect_at_end
        else:
            before, corrected = call.ghosts[number]
            before -= self._corrected[number] - corrected
            predicted = (before if mirrored is None else mirrored) - call.miscounted
            soonest_s, latest_s = calls.travel_s(call, now)
            lowest, highest = lowest + self._rate * soonest_s, self._rate * latest_s
            overlaps, effect = calls.around_admission(call, now), _effect_at_admission
        for overlap in overlaps:
            least, most = effect(overlap, number)
            lowest += least
            highest += most
        error = predicted - used
        return error - highest, error - lowest

    # --- inside ---------------------------------------------------------------------------

    def _choose(self, calls: Calls) -> None:
        self._possible = None
        best = min(self._followed, key=lambda number: (self._scores[number], number))
        if self._scores[best] <= self._scores[self._number] - _LEAD:
            self._number, self._hits = best, 0
        if len(self._followed) > 1 and self._hits >= _CALM_AFTER and self._is_settled():
            self._followed = (self._number,)
            self._possible = None
        elif len(self._followed) == 1 and self._hits == 0:
            self._follow_all(calls)

    def _is_settled(self) -> bool:
        """Whether nothing dearer than the rule in force is possible any more."""
        return self.rule.charges == "prompt+cap" or len(self.possible_rules()) == 1

    def _follow_all(self, calls: Calls) -> None:
        """Take up the other rules again, all from where the one in force stands."""
        self._followed = _ALL
        self._possible = None
        self._used = [self._used[self._number]] * len(RULES)
        self._corrected = [0.0] * len(RULES)
        self._charged = [0.0] * len(RULES)
        for call in calls.open.values():
            call.ghosts, call.held = {}, {}  # it tells nothing of the others
            in_force = _charge(call, self._number)
            for number in _ALL:
                call.charges[number] = charge = _charge(call, number)
                self._charged[number] += charge
                self._use(number, charge - in_force)
        missed, headers_at = self._scores[self._number], self.rule.headers_at
        self._scores = [
            missed + (0.0 if rule.headers_at == headers_at else _PRIOR) for rule in RULES
        ]

    def _use(self, number: int, amount: float) -> None:
        self._used[number] = max(0.0, self._used[number] + amount)

    def _refill(self, now: float) -> None:
        if now > self._at:
            refill = (now - self._at) * self._rate
            for number in self._followed:
                used = self._used[number] - refill
                self._used[number] = used if used > 0.0 else 0.0
            self._at = now


def _charge(call: Call, number: int) -> float:
    charge = call.charges.get(number)
    if charge is None:
        charge = RULES[number].charge(call.prompt, call.cap, call.expected)
    return charge


def _is_price(call: Call, number: int, charged: float) -> bool:
    """Whether a rule may charge so much for a call at admission."""
    charge = _charge(call, number)
    lowest, highest = charge - (call.prompt - call.prompt_at_least), charge
    if RULES[number].charges == "expected":  # what it expects is not known exactly
        lowest = float(call.prompt_at_least)
        highest = math.inf if call.cap is None else call.prompt + call.cap
    tolerance = max(_TOLERANCE_AT_LEAST, _PRICE_TOLERANCE * call.prompt)
    return lowest - tolerance <= charged <= highest + tolerance


def _final(call: Call, number: int, charge: float) -> float:
    assert call.used is not None
    return RULES[number].final(charge - call.miscounted, call.used)


def _effect_at_admission(overlap: Overlap, number: int) -> tuple[float, float]:
    """Return what another call may have added to the level at an admission: from, to."""
    other = overlap.other
    charge = _charge(other, number)
    if other.released:
        return (charge, charge) if overlap.was_open else (0.0, 0.0)
    charged = charge - other.miscounted
    least, most = overlap.charge_least * charged, overlap.charge_most * charged
    if overlap.was_open:
        least += other.miscounted
        most += other.miscounted
        if other.ended_s is None:
            too_little, too_much = _miscount(other)
            least -= too_little
            most += too_much
    if overlap.may_be_done and other.used is not None:
        given_back = charged - _final(other, number, charge)
        least += min(0.0, given_back)
        most += max(0.0, given_back)
    return least, most


def _miscount(call: Call) -> tuple[float, float]:
    """Return by how many tokens a prompt may be reckoned too low, and too high."""
    too_much = call.prompt - call.prompt_at_least
    return (_UNDERCOUNT * call.prompt if too_much else 0.0), too_much


def _effect_at_end(overlap: Overlap, number: int) -> tuple[float, float]:
    """Return the same for the level at an end, which is now."""
    other = overlap.other
    charge = _charge(other, number)
    if other.released:
        return 0.0, 0.0
    if other.ended_s is None:
        for_output = charge - other.prompt
        longest = other.expected if other.cap is None else other.cap
        too_little, too_much = _miscount(other)
        most = overlap.charge_most * charge + too_much
        return min(0.0, for_output - longest) - too_little, most + max(0.0, for_output)
    if other.used is None:
        return 0.0, 0.0
    given_back = charge - other.miscounted - _final(other, number, charge)
    return min(0.0, -given_back), max(0.0, -given_back)
