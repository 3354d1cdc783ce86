"""Handlers of several clients of one process, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers_limits import MODEL, load

from customgroqchat._shared_ledgers import Ledgers
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation
from customgroqchat.stores import Decision, MemoryStore
from customgroqchat.testing import FakeClock

TOKENS = {"token_per_minute": 6_000}
SMALL = Demand(prompt_tokens=100, output_cap=900)
LARGE = Demand(prompt_tokens=1_000, output_cap=4_000)


class Queue:
    """Counts how often it was asked to look again."""

    def __init__(self) -> None:
        self.looks = 0

    def look_again(self) -> None:
        self.looks += 1


class Process:
    """What the clients of a process share, in virtual time, and handlers that share it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock, margin_s=0.0)
        self.ledgers = Ledgers(self.store, self.clock)

    def handler(self, limits: Mapping[str, Any] = TOKENS, **settings: Any) -> RateLimitHandler:
        memory = settings.pop("memory", None)
        config = load({MODEL: dict(limits)}, **{"policy": "greedy", **settings})
        return RateLimitHandler(config, memory=memory, ledgers=self.ledgers)

    def waiting(self, demand: Demand = LARGE, **settings: Any) -> tuple[RateLimitHandler, Queue]:
        """Make a handler that is told to wait, and its queue."""
        handler, queue = self.handler(**settings), Queue()
        handler.on_relief(queue.look_again)
        assert isinstance(admit(handler, demand), Decision)
        return handler, queue


def admit(handler: RateLimitHandler, demand: Demand) -> Reservation | Decision:
    return handler.admit(handler.scope(MODEL), demand)


def reserve(handler: RateLimitHandler, demand: Demand) -> Reservation:
    answer = admit(handler, demand)
    assert isinstance(answer, Reservation), answer
    return answer


def left(handler: RateLimitHandler, dimension: str = "TPM") -> int:
    return handler.status(handler.scope(MODEL))[dimension].remaining


def limit(handler: RateLimitHandler, dimension: str = "TPM") -> int:
    return handler.status(handler.scope(MODEL))[dimension].limit
