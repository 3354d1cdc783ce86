"""RateLimitHandler: may this request be sent now, and if not, when exactly.

It knows what each request costs, which limits apply to which model and where they are known from,
and learns from every answer; the levels of the buckets live in a
:class:`~customgroqchat.stores.Store`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from ._bucket import BucketState
from ._calls import Call
from ._clock import Clock
from ._fitting import check_fits, fitted_cap
from ._ledger import Ledger
from ._limit_book import LimitBook, Memory, Scope
from ._lookouts import Lookout
from ._pricing import Demand, Usage
from ._shared_ledgers import Ledgers
from .exceptions import RateLimitError, RequestTooLargeError
from .stores import Decision, Store

if TYPE_CHECKING:
    from ._headers import HeaderLimit
    from .config_loader import Config, ModelConfig

__all__ = ["Demand", "LimitStatus", "RateLimitHandler", "Reservation", "Scope", "Usage"]


class Reservation:
    """Quota set aside for one request: to be settled, released or kept, exactly once.

    Attributes:
        scope: What it was taken from.
        demand: What the request was said to take.
        costs: What was set aside, by dimension.
    """

    __slots__ = ("_call", "_handler", "costs", "demand", "scope")

    def __init__(self, handler: RateLimitHandler, scope: Scope, demand: Demand, call: Call) -> None:
        self._handler = handler
        self._call = call
        self.scope = scope
        self.demand = demand
        self.costs = call.costs

    def release(self) -> None:
        """Give all of it back: nothing was sent, or the service charged nothing."""
        self._handler.release(self)


class LimitStatus(NamedTuple):
    """One limit of a model, as it stands.

    Attributes:
        limit: Its capacity: requests, tokens or seconds of audio.
        remaining: What is free now, by this client's count.
        window_s: Seconds in which an empty bucket becomes full.
        source: ``"configured"``, ``"server"``, or for guesses ``"remembered"`` or ``"preset"``.
    """

    limit: int
    remaining: int
    window_s: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return self._asdict()


class RateLimitHandler:
    """Admission to the service's token buckets, per account and model.

    All methods may be called from any thread; none of them waits for quota.

    Args:
        config: Where limits come from; see :meth:`use_config`.
        store: Where bucket levels live; in this process's memory by default.
        clock: Where the time comes from: the same as the store's, if that has a special one.
        memory: Where limits are remembered that the service told; nowhere by default.
        ledgers: What is shared with other handlers, which comes with a store and a clock of its
            own; by default nothing is.
    """

    def __init__(
        self,
        config: Config,
        store: Store | None = None,
        *,
        clock: Clock | None = None,
        memory: Memory | None = None,
        ledgers: Ledgers | None = None,
    ) -> None:
        self._ledgers = Ledgers(store, clock) if ledgers is None else ledgers
        self._clock = self._ledgers.clock
        self._book = LimitBook(config, self._ledgers.store, self._clock, memory)
        self._lookout: Lookout | None = None

    def on_relief(self, look_again: Callable[[], None]) -> None:
        """Have a method called when waiting has become shorter than :meth:`admit` said.

        Only for what others bring about with whom ledgers are shared: they give quota back, or
        learn of a higher limit. The object of the method is not kept alive by that. It is called
        on the threads of the others, and must not block.
        """
        self._lookout = Lookout(look_again)

    # --- what a request belongs to, and costs --------------------------------------------

    def scope(self, model: str) -> Scope:
        """Return the scope of a model under the current configuration.

        Raises:
            ModelNotFoundException: the configuration is strict and does not know the model.
        """
        return scope_of(self._book.config.model(model))

    def costs(self, scope: Scope, demand: Demand) -> dict[str, float]:
        """Return what is set aside for the request in each dimension.

        That is its prompt and, for the answer, its cap for as long as the service is thought to
        charge it, else what recent answers of the model (and tag) lead to expect, but never more
        than the smallest bucket can hold beside the prompt.
        """
        with self._opened(scope) as ledger:
            return ledger.state.costs(demand)

    def expected(self, scope: Scope, demand: Demand) -> dict[str, float]:
        """Return what the request will probably have taken in the end, in each dimension."""
        with self._opened(scope) as ledger:
            return ledger.state.pricing.typical(demand)

    def check_fits(self, scope: Scope, demand: Demand) -> None:
        """Refuse what no wait can help: a request larger than a whole bucket.

        Raises:
            TokenLimitExceededException: with the arithmetic in its message and attributes.
        """
        with self._opened(scope) as ledger:
            check_fits(scope.model, ledger.state, demand)

    def fitted_cap(self, scope: Scope, demand: Demand, at_most: int | None) -> tuple[int, str]:
        """Return a cap for the answer with which the request passes, and a word on why so much.

        It is four times what the answers of this model (and tag) are expected to take, if that
        fits into every bucket beside the prompt.

        Args:
            scope: The account and model.
            demand: The request; its cap is not looked at.
            at_most: What the model can do at most, or None.

        Raises:
            TokenLimitExceededException: there is no room for any answer.
        """
        with self._opened(scope) as ledger:
            return fitted_cap(scope.model, ledger.state, demand, at_most)

    # --- the life of a reservation --------------------------------------------------------

    def admit(
        self, scope: Scope, demand: Demand, patience_s: float = math.inf
    ) -> Reservation | Decision:
        """Set aside what the request costs, in all buckets or in none.

        Args:
            scope: The account and model.
            demand: The request.
            patience_s: How long it can wait. It is not made to wait for longer than that just so
                that others may find out first what is not known yet.

        Returns:
            A reservation, or the decision that says what to wait for and how many seconds.

        Raises:
            TokenLimitExceededException: it can never fit, since a limit was lowered.
        """
        with self._opened(scope) as ledger:
            serial, now = self._ledgers.serial(), self._clock.monotonic()
            answer = ledger.reserve(demand, serial, now, patience_s)
            if self._lookout is not None:
                ledger.lookouts.note(self._lookout, answer, now)
        return Reservation(self, scope, demand, answer) if isinstance(answer, Call) else answer

    def forecast(
        self,
        scope: Scope,
        demand: Demand,
        requests: int = 0,
        tokens: float = 0.0,
        *,
        hopeful: bool = False,
    ) -> Decision:
        """Tell when the request would probably pass behind others, reserving nothing.

        Args:
            scope: The account and model.
            demand: The request.
            requests: How many go before it.
            tokens: What those will probably take, together.
            hopeful: Tell the earliest time instead: what is only guessed does not count.
        """
        with self._opened(scope) as ledger:
            now = self._clock.monotonic()
            return ledger.forecast(demand, requests, tokens, now, hopeful=hopeful)

    def settle(self, reservation: Reservation, usage: Usage, *, is_estimate: bool = False) -> None:
        """Replace what was set aside by what was really used. Later calls do nothing.

        Args:
            reservation: The request's.
            usage: What it used.
            is_estimate: Whether that is only what was seen of it, from which nothing is learnt.
        """
        with self._opened(reservation.scope, news=True) as ledger:
            now = self._clock.monotonic()
            ledger.settle(
                reservation._call, reservation.demand, usage, now, is_estimate=is_estimate
            )

    def release(self, reservation: Reservation) -> None:
        """Give back all that was set aside. Later calls do nothing."""
        with self._opened(reservation.scope, news=True) as ledger:
            ledger.release(reservation._call, self._clock.monotonic())

    def keep(self, reservation: Reservation) -> None:
        """Leave it charged, to flow back with time: the service may have done the work."""
        with self._opened(reservation.scope, news=True) as ledger:
            ledger.keep(reservation._call, self._clock.monotonic())

    # --- what the service says ------------------------------------------------------------

    def observe(
        self,
        reservation: Reservation,
        told: Mapping[str, HeaderLimit],
        instant_ms: int | None = None,
    ) -> None:
        """Learn limits from the headers of an answer, and, on settlement, levels.

        Call it before the reservation is settled.

        Args:
            reservation: The request's.
            told: What the headers say, by dimension.
            instant_ms: When the service admitted it, in milliseconds of its own clock, if known.
        """
        limits = {name: header.limit for name, header in told.items()}
        scope, call = reservation.scope, reservation._call
        with self._opened(scope) as ledger:
            ledger.state.heard = True
            call.told, call.instant_ms = told, instant_ms
            book = ledger.book
            news = book.learn(scope, ledger.state, limits, call.serial)
        book.remember(scope, news)

    def refused(
        self, reservation: Reservation, error: RateLimitError | RequestTooLargeError
    ) -> None:
        """Take note of a refusal: give the reservation back, adopt the limit, level and wait."""
        scope = reservation.scope
        with self._opened(scope, news=True) as ledger:
            now = self._clock.monotonic()
            book = ledger.book
            news = ledger.refused(reservation._call, reservation.demand, error, now)
        book.remember(scope, news)

    def repriced(self, demand: Demand, error: RateLimitError | RequestTooLargeError) -> Demand:
        """Return the demand of a refused request with the price that the service named."""
        if not error.dimension or not error.requested:
            return demand
        return demand._replace(told={**demand.told, error.dimension: error.requested})

    def prediction(self, reservation: Reservation) -> dict[str, float]:
        """Return the levels that the headers of this request's answer should tell."""
        with self._opened(reservation.scope) as ledger:
            return ledger.prediction(reservation._call)

    # --- configuration and status ---------------------------------------------------------

    def use_config(self, config: Config) -> None:
        """Adopt another configuration; levels and what the server told are kept."""
        self._ledgers.reconfigure(self._book, config, self._lookout)

    def status(self, scope: Scope) -> dict[str, LimitStatus]:
        """Return every known limit of a scope, by dimension (``"RPM"``, ``"TPD"``, ...)."""
        with self._opened(scope) as ledger:
            buckets, limits = ledger.buckets(), ledger.state.limits
        return {
            name: LimitStatus(
                bucket.limit, math.floor(bucket.level), bucket.window_s, limits[name].source
            )
            for name, bucket in buckets.items()
        }

    def buckets(self, scope: Scope) -> dict[str, BucketState]:
        """Return the bucket of every known limit, as it stands."""
        with self._opened(scope) as ledger:
            return ledger.buckets()

    def _opened(self, scope: Scope, *, news: bool = False) -> AbstractContextManager[Ledger]:
        """Lend the ledger of a scope under its lock, and tell others if there is news."""
        return self._ledgers.opened(scope, self._book, self._lookout, news=news)


def scope_of(settings: ModelConfig) -> Scope:
    """Return the scope of a model with these settings."""
    # One way only: with it in a file or a status page, nobody learns the key.
    account = f"{settings.base_url}\n{settings.api_key or ''}"
    return Scope(hashlib.sha256(account.encode()).hexdigest()[:16], settings.name)
