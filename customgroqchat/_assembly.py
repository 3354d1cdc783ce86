"""Puts the parts of a client together. The only place where that is done.

It is loaded with the first client and not with the package, which stays quick to import.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._calibration_memory import CalibrationMemory
from ._caller import Caller
from ._clock import Clock
from ._limit_memory import LimitMemory
from ._model_catalog import ModelCatalog
from ._observer import Observer
from ._shared_ledgers import Ledgers, shared_ledgers
from .api_client import APIClient
from .config_loader import Config
from .queue_manager import QueueManager
from .rate_limit_handler import RateLimitHandler
from .request_handler import RequestHandler
from .stores import Store
from .token_counter import TokenCounter

if TYPE_CHECKING:
    from ._asking import Defaults
    from .events import Event

_MOMENT_S = 0.1


@dataclass
class Parts:
    """The parts of one client, and of all its copies.

    Attributes:
        config: The configuration in use.
        is_closed: Whether they were closed.
    """

    config: Config
    clock: Clock
    counter: TokenCounter
    limiter: RateLimitHandler
    api: APIClient
    handler: RequestHandler
    observer: Observer
    catalog: ModelCatalog
    is_closed: bool = False

    @property
    def main(self) -> tuple[Clock, TokenCounter, RateLimitHandler, APIClient, RequestHandler]:
        """Those that a client asks things of."""
        return self.clock, self.counter, self.limiter, self.api, self.handler

    def caller(self, defaults: Defaults) -> Caller:
        """Return what makes calls with them."""
        return Caller(self.handler, self.api, self.clock, lambda: self.config, defaults)

    def close(self, timeout_s: float) -> None:
        """Close them; see :meth:`GroqClient.close`."""
        self.is_closed = True
        until_s = self.clock.monotonic() + timeout_s
        try:
            self.handler.queue.close(timeout_s)
        finally:
            self.api.close()
            self.handler.queue.close(_MOMENT_S)  # for those that it has just cut
            self.handler.sender.close()
            if isinstance(self.counter, TokenCounter):  # and not one of the caller's own
                self.counter.save_calibration()
            self.observer.close(min(1.0, max(0.0, until_s - self.clock.monotonic())))


def assemble(
    config: Config,
    counter: TokenCounter | None,
    store: Store | None,
    clock: Clock | None,
    on_event: Callable[[Event], object] | None = None,
) -> Parts:
    """Make the parts for a configuration; what is None is made as usual. Starts nothing."""
    ledgers = _ledgers(config, store, clock)
    clock = ledgers.clock
    counter = counter or TokenCounter(memory=CalibrationMemory(config.limits_file, clock))
    observer = Observer(on_event, clock)
    catalog = ModelCatalog(clock, config.sizes)
    memory = LimitMemory(config.limits_file, clock)
    limiter = RateLimitHandler(config, memory=memory, ledgers=ledgers)
    api = APIClient(
        api_key=config.api_key,
        base_url=config.base_url,
        timeout=config.timeout,
        max_retries=config.max_retries,
        pool_size=config.max_workers,
        verify=config.verify,
        proxies=config.proxies,
        default_headers=config.default_headers,
        max_response_bytes=config.max_response_bytes,
        clock=clock,
    )
    api.load()
    make_queue = functools.partial(
        QueueManager,
        max_workers=config.max_workers,
        max_queue=config.max_queue,
        ageing_s=config.ageing_s,
        clock=clock,
    )
    handler = RequestHandler(
        config,
        counter=counter,
        limiter=limiter,
        api=api,
        make_queue=make_queue,
        max_retries=config.max_retries,
        clock=clock,
        observer=observer,
        catalog=catalog,
    )
    limiter.on_relief(handler.queue.look_again)
    return Parts(config, clock, counter, limiter, api, handler, observer, catalog)


def _ledgers(config: Config, store: Store | None, clock: Clock | None) -> Ledgers:
    """Return the ledgers of the process, unless the client is to have its own."""
    if config.share_limits and store is None and clock is None:
        return shared_ledgers()
    return Ledgers(store, clock)
