"""Puts the parts of a client together. The only place where that is done.

It is loaded with the first client and not with the package, which stays quick to import.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from ._clock import Clock
from ._limit_memory import LimitMemory
from .api_client import APIClient
from .config_loader import Config
from .queue_manager import QueueManager
from .rate_limit_handler import RateLimitHandler
from .request_handler import RequestHandler
from .stores import MemoryStore, Store
from .token_counter import TokenCounter


class Parts(NamedTuple):
    """The parts of one client."""

    clock: Clock
    counter: TokenCounter
    limiter: RateLimitHandler
    api: APIClient
    handler: RequestHandler


def assemble(
    config: Config, counter: TokenCounter | None, store: Store | None, clock: Clock | None
) -> Parts:
    """Make the parts for a configuration; what is None is made as usual. Starts nothing."""
    clock = clock or Clock()
    counter = counter or TokenCounter()
    limiter = RateLimitHandler(
        config,
        store or MemoryStore(clock),
        clock=clock,
        memory=LimitMemory(config.limits_file, clock),
    )
    api = APIClient(
        api_key=config.api_key,
        base_url=config.base_url,
        timeout=config.timeout,
        max_retries=config.max_retries,
        pool_size=config.max_workers,
        verify=config.verify,
        proxies=config.proxies,
        default_headers=config.default_headers,
        clock=clock,
    )
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
    )
    return Parts(clock, counter, limiter, api, handler)
