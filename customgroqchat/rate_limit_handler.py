"""RateLimitHandler: may this request be sent now, and if not, when exactly.

It knows what each request costs, which limits apply to which model and where they are known from;
the levels of the buckets live in a :class:`~customgroqchat.stores.Store`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _process
from ._expectation import OutputExpectation
from ._limits import KnownLimit, known_limits
from .exceptions import (
    ModelNotFoundException,
    RateLimitError,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from .stores import Decision, MemoryStore, Store

if TYPE_CHECKING:
    from ._headers import HeaderLimit
    from .config_loader import Config, ModelConfig


class Scope(NamedTuple):
    """What the service limits separately: an account and a model.

    Attributes:
        account: A name for address and key; the key cannot be found out from it.
        model: The model's name.
    """

    account: str
    model: str


class Demand(NamedTuple):
    """What a request will take.

    Attributes:
        prompt_tokens: Its input, counted, with the margin of the count on top.
        output_cap: The ``max_completion_tokens`` it is sent with, or None.
        prompt_at_least: Its input with the margin of the count taken off: refusing for good is
            justified by this alone.
    """

    prompt_tokens: int
    output_cap: int | None = None
    prompt_at_least: int = 0


class Usage(NamedTuple):
    """What a request took, in tokens, as the service tells.

    ``cached`` of the ``prompt`` tokens were found in the service's cache and count for no limit.
    """

    prompt: int
    completion: int
    cached: int = 0


class Reservation:
    """Quota set aside for one request: to be settled, released or kept, exactly once."""

    __slots__ = ("_handler", "_open", "costs", "scope", "serial")

    def __init__(
        self, handler: RateLimitHandler, scope: Scope, costs: dict[str, float], serial: int
    ) -> None:
        self._handler = handler
        self._open = True
        self.scope = scope
        self.costs = costs
        self.serial = serial

    def release(self) -> None:
        """Give all of it back: nothing was sent, or the service charged nothing."""
        self._handler.release(self)


class LimitStatus(NamedTuple):
    """One limit of a model, as it stands.

    Attributes:
        limit: Its capacity: requests or tokens.
        remaining: What is free now, by this client's count.
        window_s: Seconds in which an empty bucket becomes full.
        source: ``"configured"``, ``"server"`` or ``"preset"`` (a guess).
    """

    limit: int
    remaining: int
    window_s: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return self._asdict()


class _ScopeState:
    """What is known of one scope beside the levels of its buckets."""

    __slots__ = ("expectation", "limits", "open", "told")

    def __init__(self, expectation: OutputExpectation) -> None:
        self.expectation = expectation
        self.limits: dict[str, KnownLimit] = {}
        self.told: dict[str, int] = {}
        self.open: dict[int, Reservation] = {}


class RateLimitHandler:
    """Admission to the service's token buckets, per account and model.

    All methods may be called from any thread; none of them waits for quota.

    Args:
        config: Where limits come from; see :meth:`use_config`.
        store: Where bucket levels live; in this process's memory by default.
    """

    def __init__(self, config: Config, store: Store | None = None) -> None:
        self._config = config
        self._store: Store = store or MemoryStore()
        self._lock = threading.Lock()
        # Held while limits are worked out and handed to the store, so that of two threads which
        # learn something the later one has the last word. The store's lock is the only one that
        # is taken under it.
        self._limits_lock = threading.Lock()
        self._scopes: dict[Scope, _ScopeState] = {}
        self._serial = itertools.count(1)
        _process.on_fork(self)

    # --- what a request belongs to, and costs --------------------------------------------

    def scope(self, model: str) -> Scope:
        """Return the scope of a model under the current configuration.

        Raises:
            ModelNotFoundException: the configuration is strict and does not know the model.
        """
        return scope_of(self._config.model(model))

    def costs(self, scope: Scope, demand: Demand) -> dict[str, float]:
        """Return what the request costs in each dimension.

        Where no cap is sent, the output is what recent answers of the model lead to expect, but
        never more than the smallest bucket can hold beside the prompt.
        """
        state = self._state(scope)
        expected = self._expected_output(state, demand.prompt_tokens)
        output = expected if demand.output_cap is None else demand.output_cap
        total = demand.prompt_tokens + output
        costs: dict[str, float] = {
            "RPM": 1,
            "RPD": 1,
            "TPM": total,
            "TPD": total,
            "ITPM": demand.prompt_tokens,
            "OTPM": min(output, expected),  # the one limit that looks at the answer, not the cap
        }
        uncertain = demand.prompt_tokens - (demand.prompt_at_least or demand.prompt_tokens)
        for name, known in state.limits.items():
            cost = costs.get(name, 0)
            if known.limit < cost and (known.is_guess or cost - uncertain <= known.limit):
                costs[name] = known.limit
        return costs

    def check_fits(self, scope: Scope, demand: Demand) -> None:
        """Refuse what no wait can help: a request larger than a whole bucket.

        Raises:
            TokenLimitExceededException: with the arithmetic in its message and attributes.
        """
        limits = self._state(scope).limits
        for dimension, cost in self.costs(scope, demand).items():
            if dimension in limits and cost > limits[dimension].limit:
                raise _too_large(scope, demand, dimension, limits[dimension].limit, cost)

    # --- the life of a reservation --------------------------------------------------------

    def admit(self, scope: Scope, demand: Demand) -> Reservation | Decision:
        """Set aside what the request costs, in all buckets or in none.

        Returns:
            A reservation, or the decision that says what to wait for and how many seconds.

        Raises:
            TokenLimitExceededException: it can never fit, since a limit was lowered.
        """
        state = self._state(scope)
        costs = self.costs(scope, demand)
        decision = self._store.reserve(scope, costs)
        if not decision.admitted:
            self.check_fits(scope, demand)
            return decision
        with self._lock:
            reservation = Reservation(self, scope, costs, next(self._serial))
            state.open[reservation.serial] = reservation
        return reservation

    def foresee(self, scope: Scope, demand: Demand) -> Decision:
        """Tell how :meth:`admit` would decide, reserving nothing. Its wait may be infinite."""
        self._state(scope)
        return self._store.foresee(scope, self.costs(scope, demand))

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace what was set aside by what was really used. Later calls do nothing."""
        if not self._close(reservation):
            return
        with self._lock:
            self._scopes[reservation.scope].expectation.learn(usage.completion)
        used = _usage_costs(usage)
        difference = {
            name: reserved - used[name]
            for name, reserved in reservation.costs.items()
            if name in used and reserved != used[name]
        }
        self._store.give_back(reservation.scope, difference)

    def release(self, reservation: Reservation) -> None:
        """Give back all that was set aside. Later calls do nothing."""
        if self._close(reservation):
            self._store.give_back(reservation.scope, reservation.costs)

    def keep(self, reservation: Reservation) -> None:
        """Leave it charged, to flow back with time: the service may have done the work."""
        self._close(reservation)

    # --- what the service says ------------------------------------------------------------

    def observe(self, reservation: Reservation, told: Mapping[str, HeaderLimit]) -> None:
        """Learn limits from the headers of an answer, and, the first time, the levels.

        Call it before the reservation is settled.
        """
        scope = reservation.scope
        state = self._state(scope)
        first = [name for name in told if name not in state.told]
        self._learn(scope, {name: header.limit for name, header in told.items()})
        for name in first:
            with self._lock:
                sent_since = sum(
                    other.costs.get(name, 0.0)
                    for other in state.open.values()
                    if other.serial > reservation.serial
                )
            self._store.lower(scope, name, told[name].remaining - sent_since)

    def refused(
        self, reservation: Reservation, error: RateLimitError | RequestTooLargeError
    ) -> None:
        """Take note of a refusal: give the reservation back, adopt the limit, level and wait."""
        self.release(reservation)
        scope = reservation.scope
        if error.dimension and error.limit:
            self._learn(scope, {error.dimension: error.limit})
            used = error.used if isinstance(error, RateLimitError) else None
            if used is not None:
                self._store.lower(scope, error.dimension, error.limit - used)
        if isinstance(error, RateLimitError) and error.retry_after:
            self._store.block(scope, error.retry_after, error.dimension)

    # --- configuration and status ---------------------------------------------------------

    def use_config(self, config: Config) -> None:
        """Adopt another configuration; levels and what the server told are kept."""
        with self._limits_lock:
            self._config = config
            for scope, state in self._scopes.items():
                self._configure(scope, state, state.told)

    def status(self, scope: Scope) -> dict[str, LimitStatus]:
        """Return every known limit of a scope, by dimension (``"RPM"``, ``"TPD"``, ...)."""
        limits = self._state(scope).limits
        return {
            name: LimitStatus(
                bucket.limit, math.floor(bucket.level), bucket.window_s, limits[name].source
            )
            for name, bucket in self._store.snapshot(scope).items()
            if name in limits
        }

    def after_fork(self) -> None:
        """In a forked child: new locks, for a thread that is not there may hold the old ones."""
        self._lock = threading.Lock()
        self._limits_lock = threading.Lock()

    # --- inside ---------------------------------------------------------------------------

    def _state(self, scope: Scope) -> _ScopeState:
        state = self._scopes.get(scope)
        if state is not None:
            return state
        with self._limits_lock:
            if scope not in self._scopes:
                expected = self._config.expected_completion_tokens
                state = _ScopeState(OutputExpectation(expected))
                self._configure(scope, state, state.told)
                self._scopes[scope] = state
            return self._scopes[scope]

    def _configure(self, scope: Scope, state: _ScopeState, told: Mapping[str, int]) -> None:
        """Work out the limits of a scope anew. Called with the limits lock held."""
        configured, guessed = _configured_limits(self._config, scope.model)
        before = state.limits
        state.limits = known_limits(configured, guessed, told)
        gone = dict.fromkeys(before.keys() - state.limits.keys())
        now = {name: known.limit for name, known in state.limits.items()}
        self._store.set_limits(scope, {**gone, **now})

    def _learn(self, scope: Scope, told: Mapping[str, int]) -> None:
        state = self._state(scope)
        if all(state.told.get(name) == limit for name, limit in told.items()):
            return
        with self._limits_lock:
            all_told = {**state.told, **told}
            self._configure(scope, state, all_told)
            state.told = all_told  # last: who sees it may rely on the store's having the limits

    def _expected_output(self, state: _ScopeState, prompt_tokens: int) -> int:
        with self._lock:
            expected = state.expectation.tokens()
        limits = state.limits  # replaced as a whole when they change
        room = [limits[name].limit for name in ("TPM", "TPD") if name in limits]
        return max(0, min([expected, *(size - prompt_tokens for size in room)]))

    def _close(self, reservation: Reservation) -> bool:
        with self._lock:
            was_open = reservation._open
            reservation._open = False
            self._scopes[reservation.scope].open.pop(reservation.serial, None)
            return was_open


def _usage_costs(usage: Usage) -> dict[str, float]:
    charged_prompt = max(0, usage.prompt - usage.cached)
    total = charged_prompt + usage.completion
    return {"TPM": total, "TPD": total, "ITPM": charged_prompt, "OTPM": usage.completion}


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
    }
    return limits, settings.guessed


def scope_of(settings: ModelConfig) -> Scope:
    """Return the scope of a model with these settings."""
    # One way only: with it in a file or a status page, nobody learns the key.
    account = f"{settings.base_url}\n{settings.api_key or ''}"
    return Scope(hashlib.sha256(account.encode()).hexdigest()[:16], settings.name)


def _too_large(
    scope: Scope, demand: Demand, dimension: str, limit: int, amount: float
) -> TokenLimitExceededException:
    cost = math.ceil(amount)
    output = cost - demand.prompt_tokens
    return TokenLimitExceededException(
        f"The request needs {cost} tokens ({demand.prompt_tokens} for the prompt and "
        f"{max(0, output)} for the answer), more than the whole {dimension} limit of {limit} "
        f"of {scope.model}: no wait can help.",
        dimension=dimension,
        limit=limit,
        requested=cost,
        prompt_tokens=demand.prompt_tokens,
        model=scope.model,
        hint=f"Lower max_completion_tokens by {cost - limit} or shorten the messages."
        if output >= cost - limit
        else f"Shorten the messages by {cost - limit} tokens.",
    )
