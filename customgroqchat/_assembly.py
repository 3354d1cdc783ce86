"""Puts the parts of a client together. The only place where that is done.

It is loaded with the first client and not with the package, which stays quick to import.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ._clock import Clock
from ._limit_memory import LimitMemory
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
    from .events import Event


class Parts(NamedTuple):
    """The parts of one client."""

    clock: Clock
    counter: TokenCounter
    limiter: RateLimitHandler
    api: APIClient
    handler: RequestHandler
    observer: Observer


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
    counter = counter or TokenCounter()
    observer = Observer(on_event, clock)
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
    )
    limiter.on_relief(handler.queue.look_again)
    return Parts(clock, counter, limiter, api, handler, observer)


def _ledgers(config: Config, store: Store | None, clock: Clock | None) -> Ledgers:
    """Return the ledgers of the process, unless the client is to have its own."""
    if config.share_limits and store is None and clock is None:
        return shared_ledgers()
    return Ledgers(store, clock)
