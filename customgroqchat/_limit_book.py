"""Which limits apply to each scope, kept in step with the buckets of the store."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ._bucket import WINDOWS_S
from ._calls import Call
from ._clock import Clock
from ._limits import known_limits
from ._rungs import FIRST_RUNGS, next_rung
from ._scope_state import ScopeState
from .exceptions import ModelNotFoundException
from .stores import Store

if TYPE_CHECKING:
    from .config_loader import Config

# What may flow back while a request is under way, so that it passes under the limit it tries.
_TRAVEL_S = 0.05
_MOST_FLOWED_BACK = 0.25
_AGAIN_S = 3_600.0  # after which what is told again is handed over to be remembered again

_numbers = itertools.count(1)


class Scope(NamedTuple):
    """What the service limits separately: an account and a model.

    Attributes:
        account: A name for address and key; the key cannot be found out from it.
        model: The model's name.
    """

    account: str
    model: str


class Memory(Protocol):
    """Where limits are remembered that the service told."""

    def recall(self, account: str, model: str) -> dict[str, int]:
        """Return the limits of a model by dimension."""

    def remember(self, account: str, model: str, told: Mapping[str, int]) -> None:
        """Keep them."""


class LimitBook:
    """Works out limits from configuration, memory and what the service tells.

    Not thread-safe, except for :meth:`recall` and :meth:`remember`: the ledgers' owner has the
    lock.

    Attributes:
        config: The configuration.
        number: The higher, the newer the configuration: of several clients', the newest counts.
    """

    def __init__(self, config: Config, store: Store, clock: Clock, memory: Memory | None) -> None:
        self.use_config(config)
        self._store = store
        self._clock = clock
        self._memory = memory

    def use_config(self, config: Config) -> None:
        """Work limits out by another configuration from now on."""
        self.config = config
        self.number = next(_numbers)

    def open(self, scope: Scope, remembered: Mapping[str, int]) -> ScopeState:
        """Return a new state for a scope, with the limits that are known without asking."""
        state = ScopeState(self.config.expected_completion_tokens)
        state.remembered = remembered
        self.configure(scope, state)
        return state

    def take_over(self, scope: Scope, state: ScopeState, remembered: Mapping[str, int]) -> None:
        """Bring a state into line with this book; levels and what the service told are kept."""
        state.remembered = remembered
        state.remembered_s = -math.inf  # this memory may not have been told
        state.pricing.set_first_guess(self.config.expected_completion_tokens)
        self.configure(scope, state)

    def recall(self, scope: Scope) -> Mapping[str, int]:
        """Return what is remembered. May block for a file: not to be called under a lock."""
        return {} if self._memory is None else self._memory.recall(scope.account, scope.model)

    def configure(self, scope: Scope, state: ScopeState) -> None:
        """Work out the limits of a scope anew."""
        configured, guessed = _configured_limits(self.config, scope.model)
        limits = known_limits(
            configured,
            guessed,
            state.told,
            state.remembered,
            rungs=state.rungs,
            adopt=self.config.server_limits == "adopt",
        )
        new = limits.keys() - state.limits.keys()
        gone = dict.fromkeys(state.limits.keys() - limits.keys())
        state.limits = limits
        sizes = {name: known.limit for name, known in limits.items()}
        self._store.set_limits(scope, {**gone, **sizes})
        if "TPM" in sizes:
            state.learner.resize(sizes["TPM"], WINDOWS_S["TPM"], self._clock.monotonic())
        if new:
            self._charge_open(scope, state, new)

    def learn(
        self, scope: Scope, state: ScopeState, told: Mapping[str, int], serial: int
    ) -> Mapping[str, int]:
        """Adopt limits that the service told; return all that it ever told, if that is news.

        Answers overtake each other: what was told to a later request is not taken back.
        """
        now = self._clock.monotonic()
        told = {name: n for name, n in told.items() if state.told_by.get(name, 0) <= serial}
        state.told_by.update(dict.fromkeys(told, serial))
        if all(state.told.get(name) == limit for name, limit in told.items()):
            if now - state.remembered_s < _AGAIN_S:
                return {}
            state.remembered_s = now  # lest it is taken for old
            return state.told
        state.remembered_s = now
        state.told = {**state.told, **told}
        state.rungs = {name: rung for name, rung in state.rungs.items() if name not in state.told}
        self.configure(scope, state)
        untold = {name: rung for name, rung in FIRST_RUNGS.items() if name not in state.limits}
        untold |= self._doubtful(scope, state)
        if untold:
            state.rungs = {**state.rungs, **untold}
            self.configure(scope, state)
        return state.told

    def _doubtful(self, scope: Scope, state: ScopeState) -> dict[str, int]:
        """Return configured limits to try beyond: the service allows more than others of them."""
        configured, guessed = _configured_limits(self.config, scope.model)
        too_low = any(limit > (configured.get(name) or limit) for name, limit in state.told.items())
        if guessed or not too_low or self.config.server_limits != "adopt":
            return {}
        return {
            name: limit
            for name, limit in configured.items()
            if limit is not None
            and name in FIRST_RUNGS
            and name not in {**state.told, **state.rungs}
        }

    def climb(self, scope: Scope, state: ScopeState, call: Call) -> None:
        """Try the next number, if this request has found a limit to be higher."""
        dimension = call.probe
        if dimension is None or dimension not in state.rungs:
            return
        if not is_conclusive(call, dimension, state.rungs[dimension]):
            return  # another one has found out as much
        rung = next_rung(dimension, state.rungs[dimension])
        state.rungs = {**state.rungs, dimension: rung}
        self.configure(scope, state)
        if dimension == "RPM":  # it would have flowed back faster all the time
            bucket = self._store.snapshot(scope)[dimension]
            used = state.requests_used(rung, self._clock.monotonic())
            self._store.settle(scope, {dimension: bucket.limit - bucket.level - used})

    def remember(self, scope: Scope, told: Mapping[str, int]) -> None:
        """Keep news for the next run. May block for a file: not to be called under a lock."""
        if told and self._memory is not None:
            self._memory.remember(scope.account, scope.model, told)

    def _charge_open(self, scope: Scope, state: ScopeState, dimensions: Set[str]) -> None:
        """Charge new buckets for what is on its way already, and will be settled to them."""
        for call in state.calls.open.values():
            amounts = {name: -call.costs.get(name, 0.0) for name in dimensions}
            marks = self._store.settle(scope, amounts)
            call.marks = {**call.marks, **{name: marks[name] for name in dimensions}}


def is_conclusive(call: Call, dimension: str, limit: int) -> bool:
    """Whether a request, if it passes, cannot have passed under a limit."""
    flowed_back = min(_MOST_FLOWED_BACK, _TRAVEL_S * limit / WINDOWS_S[dimension])
    mark = call.marks.get(dimension)
    return mark is not None and mark.used - flowed_back > limit


def _configured_limits(config: Config, model: str) -> tuple[dict[str, int | None], bool]:
    """Return the limits of a model by dimension, and whether they are guesses."""
    try:
        settings = config.model(model)
    except ModelNotFoundException:  # in use since before a configuration that does not know it
        return {}, False
    limits = {
        "RPM": settings.req_per_minute,
        "RPD": settings.req_per_day,
        "TPM": settings.token_per_minute,
        "TPD": settings.token_per_day,
        "ITPM": settings.input_token_per_minute,
        "OTPM": settings.output_token_per_minute,
        "ASH": settings.audio_seconds_per_hour,
        "ASD": settings.audio_seconds_per_day,
    }
    return limits, settings.guessed
