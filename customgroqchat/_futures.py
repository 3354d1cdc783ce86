"""What is done with ended futures: their outcome, and telling it to callbacks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, TimeoutError
from typing import Any

from .exceptions import RequestCancelledException

_log = logging.getLogger(__name__)

Callback = Callable[[Any], object]


def longest_sleep_s() -> float | None:
    """Return the seconds that the calling thread may sleep at a stretch, or None for any.

    A signal that comes in the instant in which the main thread falls asleep is noticed when it
    wakes, and on some systems every signal is.
    """
    return 0.2 if threading.current_thread() is threading.main_thread() else None


def wait_until_ended(future: Future[Any]) -> None:
    """Block until a future has ended, whatever its outcome.

    Raises:
        KeyboardInterrupt: by Ctrl-C, within a fifth of a second.
    """
    while True:
        try:
            future.exception(longest_sleep_s())
        except CancelledError:
            return
        except TimeoutError:
            continue
        return


def result_of(future: Future[Any], callback: Callback | None = None) -> Any:
    """Block until a future has ended, call back, and return its value or raise its error.

    Who is interrupted, by Ctrl-C for instance, waits for the answer no more: it is cancelled.
    """
    try:
        wait_until_ended(future)
    except BaseException:
        future.cancel()
        raise
    if callback is not None:
        tell(callback, future)
    outcome = outcome_of(future)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def outcome_of(future: Future[Any]) -> Any:
    """Return the value or the error of an ended future; an error is returned, not raised."""
    if future.cancelled():
        told = getattr(future, "cancelled_by", None)
        return told or RequestCancelledException("The request was cancelled.")
    return future.exception() or future.result()


def tell(callback: Callback, future: Future[Any]) -> None:
    """Call back with the outcome of an ended future; what the callback raises is logged."""
    try:
        callback(outcome_of(future))
    except Exception:
        _log.exception("a callback failed")


def succeeded(value: Any) -> Future[Any]:
    """Return a future that has ended with a value."""
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(error: BaseException) -> Future[Any]:
    """Return a future that has ended with an error."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
