"""Many requests at once, with a bounded number of them begun and not yet handed over."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from ._futures import longest_sleep_s, wait_until_ended
from ._lanes import RequestFuture

T = TypeVar("T")


def map_ordered(
    start: Callable[[T], Future[Any]], items: Iterable[T], look_ahead: int
) -> Generator[Future[Any], None, None]:
    """Start each item, and yield the ended futures in the order of the items.

    Blocks in ``next()`` until the next one has ended. No more than ``look_ahead`` are begun and
    not yet yielded. When the iterator is closed, those that can be cancelled are.
    """
    begun: deque[Future[Any]] = deque()
    try:
        for item in items:
            begun.append(start(item))
            if len(begun) >= look_ahead:
                yield _ended(begun.popleft())
        while begun:
            yield _ended(begun.popleft())
    finally:
        _abandon(begun)


def map_unordered(
    start: Callable[[T], Future[Any]], items: Iterable[T], look_ahead: int
) -> Generator[Future[Any], None, None]:
    """Like :func:`map_ordered`, but whichever ends first is yielded first."""
    begun: set[Future[Any]] = set()
    ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

    def next_ended() -> Future[Any]:
        while True:
            with contextlib.suppress(queue.Empty):
                future = ended.get(timeout=longest_sleep_s())
                begun.discard(future)
                return future

    try:
        for item in items:
            future = start(item)
            begun.add(future)
            future.add_done_callback(ended.put)
            if len(begun) >= look_ahead:
                yield next_ended()
        while begun:
            yield next_ended()
    finally:
        _abandon(begun)


def _abandon(futures: Iterable[Future[Any]]) -> None:
    # An iterator that nobody finishes is closed by the garbage collector, at any point.
    for future in futures:
        if isinstance(future, RequestFuture):
            future.abandon()
        else:
            future.cancel()


def _ended(future: Future[Any]) -> Future[Any]:
    try:
        wait_until_ended(future)
    except BaseException:
        future.cancel()
        raise
    return future
