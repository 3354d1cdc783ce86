"""Many requests: what one of them asks for, and a bounded number of them on their way."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from ._asking import NO_DEFAULTS, Call, Defaults, chat_call
from ._futures import failed, longest_sleep_s, outcome_of, wait_until_ended
from ._surroundings import threads_run
from ._text import shown
from .exceptions import GroqError, InvalidRequestException

T = TypeVar("T")

#: Every wait is bounded: in a day, every limit of a day has flowed back.
LONGEST_WAIT_S = 86_400.0


# --- one of them -----------------------------------------------------------------------------


def call_of(
    common: Mapping[str, Any], request: Mapping[str, Any], defaults: Defaults = NO_DEFAULTS
) -> Call:
    """Return the call that a request of a map asks for; its own arguments win over common ones.

    Raises:
        InvalidRequestException: it is no mapping, or something is given twice or is no field.
    """
    arguments = {**common, **named_as_in_submit(request)}
    model, messages = arguments.pop("model_name", None), arguments.pop("messages", None)
    return chat_call(model, messages, arguments, defaults, LONGEST_WAIT_S)


def named_as_in_submit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request of a map under the names of ``submit``: ``model`` is ``model_name``.

    Raises:
        InvalidRequestException: it is no mapping, or has both names.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestException(
            f"A request cannot be {shown(request)}.",
            field="requests",
            value=shown(request),
            hint="Give a mapping with model and messages.",
        )
    if "model" in request and "model_name" in request:
        raise InvalidRequestException(
            "A request has both model and model_name.",
            field="model",
            value=shown(request["model"]),
            hint="Leave one of them out.",
        )
    return {("model_name" if name == "model" else name): value for name, value in request.items()}


# --- all of them -----------------------------------------------------------------------------


def outcomes(
    queue_call: Callable[[Call], Future[Any]],
    requests: Iterable[Mapping[str, Any]],
    common: Mapping[str, Any],
    *,
    ordered: bool,
    look_ahead: int,
    return_exceptions: bool,
    defaults: Defaults = NO_DEFAULTS,
) -> Iterator[Any]:
    """Queue requests, a bounded number at a time, and yield their outcomes."""
    shared = named_as_in_submit(common)

    def start(request: Mapping[str, Any]) -> Future[Any]:
        try:
            return queue_call(call_of(shared, request, defaults))
        except GroqError as error:  # is the outcome of this one, when its turn comes
            return failed(error)

    # Which of several is ready first only threads can tell.
    run = map_ordered if ordered or not threads_run() else map_unordered
    with contextlib.closing(run(start, requests, look_ahead)) as futures:
        for future in futures:
            outcome = outcome_of(future)
            if isinstance(outcome, BaseException) and not return_exceptions:
                raise outcome
            yield outcome


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
        # A request's own future has a way for that; one that has failed already does not need it.
        getattr(future, "abandon", future.cancel)()


def _ended(future: Future[Any]) -> Future[Any]:
    try:
        wait_until_ended(future)
    except BaseException:
        future.cancel()
        raise
    return future
