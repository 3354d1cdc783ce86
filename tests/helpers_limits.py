"""A limiter in virtual time, with limits as a user would configure them."""

from __future__ import annotations

from typing import Any

from customgroqchat._limit_book import Memory
from customgroqchat.config_loader import Config, ConfigLoader
from customgroqchat.exceptions import RateLimitError
from customgroqchat.rate_limit_handler import (
    Demand,
    LimitStatus,
    RateLimitHandler,
    Reservation,
    Scope,
)
from customgroqchat.stores import Decision, MemoryStore
from customgroqchat.testing import FakeClock

MODEL = "some/model"


def load(config: dict[str, Any] | None = None, **arguments: Any) -> Config:
    """Load a configuration that nothing but the arguments has a say in."""
    arguments.setdefault("api_key", "gsk_test")
    return ConfigLoader(config or {}, environ={"PYTHON_DOTENV_DISABLED": "1"}).load(**arguments)


class Limiter:
    """A handler, its store (without a margin) and its clock.

    Args:
        model: The model that is asked for, unless another is named.
        config: The configuration; by default a block for the model, with the limits given.
        memory: What remembers limits that the service told.
        settings: Limits of the model, and settings of the client. Its policy is "greedy" unless
            another is named: what is said of levels is easier to see without a careful start.
    """

    def __init__(
        self,
        model: str = MODEL,
        config: dict[str, Any] | None = None,
        *,
        memory: Memory | None = None,
        **settings: Any,
    ) -> None:
        limits = {name: settings.pop(name) for name in list(settings) if "_per_" in name}
        self.settings = {"policy": "greedy", **settings}
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock, margin_s=0.0)
        block = {model: limits} if limits or settings.get("strict_models") else {}
        self.handler = RateLimitHandler(
            load(config or block, **self.settings), self.store, clock=self.clock, memory=memory
        )
        self.scope: Scope = self.handler.scope(model)

    def admit(self, demand: Demand) -> Reservation | Decision:
        return self.handler.admit(self.scope, demand)

    def reserve(self, demand: Demand) -> Reservation:
        """Admit what has to be admitted."""
        answer = self.admit(demand)
        assert isinstance(answer, Reservation), answer
        return answer

    def costs(self, demand: Demand) -> dict[str, float]:
        return self.handler.costs(self.scope, demand)

    def status(self) -> dict[str, LimitStatus]:
        return self.handler.status(self.scope)

    def levels(self) -> dict[str, int]:
        """What is left, rounded down."""
        return {name: limit.remaining for name, limit in self.status().items()}

    def sources(self) -> dict[str, tuple[int, str]]:
        """The limits, and who says so."""
        return {name: (limit.limit, limit.source) for name, limit in self.status().items()}

    def use_limits(self, **limits: Any) -> None:
        """Configure the model anew; what is no limit is a setting of the client."""
        settings = {name: limits.pop(name) for name in list(limits) if "_per_" not in name}
        self.handler.use_config(load({self.scope.model: limits}, **{**self.settings, **settings}))

    def tell(self, **limits: int) -> None:
        """Have the service name limits in refusals of nothing in particular."""
        for dimension, limit in limits.items():
            free = self.reserve(Demand(0, 0))
            self.handler.refused(free, RateLimitError("", dimension=dimension, limit=limit))
