"""What is known of one account and model, beside the levels of its buckets. Pure."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Mapping

from ._calls import Call, Calls
from ._foreign import ForeignUsage
from ._limits import KnownLimit
from ._pricing import Demand, Pricing
from ._rule_learner import RuleLearner

_MEMORY = 0.8  # of earlier answers' delay
_UNSEEN_S = 0.25  # from the end of an answer until it is known here
_ROUNDING_S = 1e-3  # who comes back after the wait that was told is not too early
_MOST_DOUBLINGS = 5
_BLIND_REQUESTS = 20
_OF_TOKENS = ("TPM", "TPD", "ITPM", "OTPM")
_SENT = 4_096  # requests whose time is remembered


class ScopeState:
    """The state of one scope. Not thread-safe: the rate limit handler has the lock.

    Attributes:
        pricing: What requests cost.
        learner: How the service charges.
        calls: The requests on their way.
        foreign: What others use, by dimension.
        limits: What applies, by dimension; replaced as a whole.
        told: What the service told, by dimension.
        remembered: What it told an earlier process.
        remembered_s: When what it told was last handed over to be remembered.
        told_by: The number of the request whose answer told it, by dimension.
        rungs: What is tried, of limits that nobody has told.
        proven: The most that was in use, of those, when a request passed.
        heard: Whether the service has said anything yet.
        levelled: The dimensions whose level it has told.
        later: The tokens that the requests on their way will be charged when they end.
        blind_s: How old the news of an answer is, as a rule.
    """

    def __init__(self, first_guess: int) -> None:
        self.pricing = Pricing(first_guess)
        self.learner = RuleLearner()
        self.calls = Calls()
        self.foreign: dict[str, ForeignUsage] = {}
        self.limits: dict[str, KnownLimit] = {}
        self.told: dict[str, int] = {}
        self.remembered: Mapping[str, int] = {}
        self.remembered_s = -math.inf
        self.told_by: dict[str, int] = {}
        self.rungs: dict[str, int] = {}
        self.proven: dict[str, float] = {}
        self.heard = False
        self.levelled: set[str] = set()
        self.blind_s = 0.0
        self.later = 0.0
        self._sent: deque[float] = deque(maxlen=_SENT)
        self._first_sent_s: float | None = None

    def start_wait_s(self, now: float) -> float:
        """Return how long another request has to wait because nothing was heard yet.

        Whose level nobody knows may be empty: one request goes ahead to find out. Should its
        answer take long, another may follow after a second, and twice as many in each second more.
        """
        if self.heard or not self.calls.open or self._first_sent_s is None:
            return 0.0
        since_s = now - self._first_sent_s
        if len(self.calls.open) < _allowed_after(since_s):
            return 0.0
        return math.floor(since_s + _ROUNDING_S) + 1.0 - since_s

    def begin(self, call: Call) -> None:
        """Take note of a call that is sent."""
        if not self.heard and not self.calls.open:
            self._first_sent_s = call.sent_s
        self.learner.sent(call)
        self.calls.begin(call)
        self.later += call.later
        self._sent.append(call.sent_s)

    def end(self, call: Call, now: float) -> bool:
        """Take note of its end; return False if it had ended before."""
        if not self.calls.end(call, now):
            return False
        self.later -= call.later
        if not self.calls.open:  # and no rounding adds up
            self.later = 0.0
        return True

    def forget_sent(self, call: Call) -> None:
        """Take note that a request was not admitted after all."""
        with contextlib.suppress(ValueError):
            self._sent.remove(call.sent_s)

    def after_fork(self) -> None:
        """Forget the requests on their way: their answers come to the parent."""
        self.calls = Calls()
        self.learner.forget_open()
        self.later = 0.0

    def may_probe(self, dimension: str, now: float) -> bool:
        """Whether another request may try the limit of a dimension.

        One at a time; should its answer take long, one more after a second, and twice as many in
        each second more.
        """
        probes = [call for call in self.calls.open.values() if call.probe == dimension]
        return not probes or len(probes) < _allowed_after(now - probes[0].sent_s)

    def passed(self, call: Call) -> None:
        """Take note that a request passed, for limits that are tried."""
        for name in self.rungs:
            if name in call.marks:
                self.proven[name] = max(self.proven.get(name, 0.0), call.marks[name].used)

    def unproven(self) -> float:
        """Return the requests per minute to leave unused because too many would go blindly.

        Of the limit that is tried, only so many more are sent at once than have passed before.
        """
        rung = self.rungs.get("RPM")
        if rung is None:
            return 0.0
        return max(0.0, rung - self.proven.get("RPM", 0.0) - _BLIND_REQUESTS)

    def requests_used(self, limit: int, now: float) -> float:
        """Return what would be in use of a limit of requests per minute, if it were this one."""
        used, at = 0.0, -math.inf
        for sent_s in self._sent:
            used, at = max(0.0, used - (sent_s - at) * limit / 60.0) + 1.0, sent_s
        return max(0.0, used - (now - at) * limit / 60.0)

    @property
    def smallest_of_tokens(self) -> float:
        """The smallest bucket of tokens, of any kind."""
        sizes = [known.limit for name, known in self.limits.items() if name in _OF_TOKENS]
        return min(sizes, default=math.inf)

    def costs(self, demand: Demand) -> dict[str, float]:
        """Return what to set aside for a request in each dimension."""
        return self.pricing.costs(demand, self.learner.possible_rules(), self.limits)

    def held_for_answers(self) -> float:
        """Return the tokens to leave for answers on their way that are charged when they end.

        All of them would be too much where answers take long: the bucket would flow over. It is
        for those that may end before that is known here.
        """
        if not self.later:
            return 0.0
        later = [call.later for call in self.calls.open.values() if call.later]
        ending = len(later) * min(1.0, _UNSEEN_S / max(self.blind_s, _UNSEEN_S))
        return min(self.later, max(later) * (1.0 + 2.0 * ending))

    def relief(self, mean: float, *, hopeful: bool) -> float:
        """Return the tokens that the requests on their way will give back.

        Args:
            mean: What recent requests have taken on average, or 0.
            hopeful: If that is not known, take it that answers take nothing.
        """
        calls = self.calls.open.values()
        if not mean and not hopeful:
            return 0.0
        return sum(max(0.0, call.tokens - (mean or call.prompt)) for call in calls)

    def answered_after(self, delay_s: float) -> None:
        """Take note of how long an answer took."""
        self.blind_s = max(delay_s, self.blind_s * _MEMORY + delay_s * (1.0 - _MEMORY))

    def saw_others(self, dimension: str, amount: float, now: float) -> None:
        """Take note of what others seem to have used in a dimension."""
        self.foreign.setdefault(dimension, ForeignUsage()).saw(amount, now)

    def is_shared(self, dimension: str, now: float) -> bool:
        """Whether others have lately used what a dimension limits."""
        foreign = self.foreign.get(dimension)
        return foreign is not None and foreign.is_active(now)


def _allowed_after(seconds: float) -> int:
    """Return how many requests may be out, this long after the first, to find something out."""
    return 1 << min(int(seconds + _ROUNDING_S), _MOST_DOUBLINGS)
