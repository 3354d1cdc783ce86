"""What is done with ended futures: their outcome, and telling it to callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .exceptions import RequestCancelledException

_log = logging.getLogger(__name__)

Callback = Callable[[Any], object]


def outcome_of(future: Future[Any]) -> Any:
    """Return the value or the error of an ended future; an error is returned, not raised."""
    if future.cancelled():
        return RequestCancelledException("The request was cancelled before it was sent.")
    return future.exception() or future.result()


def tell(callback: Callback, future: Future[Any]) -> None:
    """Call back with the outcome of an ended future; what the callback raises is logged."""
    try:
        callback(outcome_of(future))
    except Exception:
        _log.exception("a callback failed")


def failed(error: BaseException) -> Future[Any]:
    """Return a future that has ended with an error."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
