"""A chain of models: if one cannot be had today, the next is asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._fallbacks import FallbackStep, step_of
from ._response import with_fallbacks
from .exceptions import GroqError

if TYPE_CHECKING:
    from ._asking import Call
    from ._clock import Clock
    from ._options import RequestOptions

_log = logging.getLogger(__name__)

Submit = Callable[[Mapping[str, Any], "RequestOptions"], Future[Any]]


class Chain:
    """What to ask of which model next. It belongs to one request.

    Args:
        submit: Queues a payload.
        call: What is asked of the first model.
        models: Their names; the first one's as well.
        clock: Where the time comes from.
    """

    def __init__(self, submit: Submit, call: Call, models: tuple[str, ...], clock: Clock) -> None:
        self._submit = submit
        self._call = call
        self._left = list(models)
        self._clock = clock
        self._born_s = clock.monotonic()
        self._model = models[0]
        self.steps: tuple[FallbackStep, ...] = ()

    def begin(self) -> Future[Any]:
        """Queue the request for the next model that takes it; raises what the last one raises."""
        while True:
            try:
                return self.next()
            except GroqError as error:
                if not self.goes_on(error):
                    raise

    def run(self, future: Future[Any], result_of: Callable[[Future[Any]], Any]) -> Any:
        """Ask one model after the other, and return the result. Blocks.

        Args:
            future: The first one's.
            result_of: Waits for a future, and returns its value or raises its error.
        """
        while True:
            try:
                return self.noted(result_of(future))
            except GroqError as error:
                if not self.goes_on(error):
                    raise
            future = self.begin()

    def next(self) -> Future[Any]:
        """Queue the request for the next model; raises what that raises."""
        self._model = model = self._left.pop(0)
        call, options = self._call, self._call.options
        if self.steps and options.deadline is not None:
            left_s = options.deadline - (self._clock.monotonic() - self._born_s)
            options = replace(options, deadline=max(left_s, 0.001))
        options = replace(options, fallbacks=tuple(self._left))
        return self._submit({**call.payload, "model": model}, options)

    def goes_on(self, error: BaseException) -> bool:
        """Whether another model is to be asked after an error; takes note of it if so."""
        if not isinstance(error, GroqError):
            return False
        step = step_of(self._model, error) if self._left else None
        if step is None:
            error.fallbacks = self.steps
            return False
        self.steps = (*self.steps, step)
        _log.warning("%s; %s is asked instead", step, self._left[0])
        return True

    def noted(self, result: Any) -> Any:
        """Return a result that says which models could not be had."""
        return with_fallbacks(result, self.steps)


class ChainFuture(Future[Any]):
    """The outcome of a request for which several models may be asked, one after the other.

    Attributes:
        request_id: This client's number for the request that is under way.
        tag: Its tag, or None.
        cancelled_by: The error for who waited, if it was cancelled.
    """

    cancelled_by: BaseException | None = None

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self._chain = chain
        self._lock = threading.Lock()  # guards the next three
        self._inner: Any = None
        self._is_cancelled = False
        self._has_outcome = False
        self._follow(chain.begin())

    @property
    def request_id(self) -> int:
        """This client's number for the request that is under way."""
        return int(self._inner.request_id)

    @property
    def tag(self) -> str | None:
        """The tag that the request was given, or None."""
        return self._inner.tag  # type: ignore[no-any-return]

    def cancel(self) -> bool:
        """Cancel the request unless it has ended; return whether it is cancelled now."""
        with self._lock:
            if self._has_outcome:
                return self.cancelled()
            self._is_cancelled = True
            inner = self._inner
        if not inner.cancel():  # it has ended, and the next one is not there yet
            self._end_cancelled(None)
        return True

    def abandon(self) -> None:
        """Cancel it as soon as may be, even from within the garbage collector."""
        self._is_cancelled = True
        self._inner.abandon()

    def running(self) -> bool:
        """Return whether the request is being sent at this moment."""
        return bool(self._inner.running())

    def result(self, timeout: float | None = None) -> Any:
        """Return the value or raise the error, waiting for it at most ``timeout`` seconds."""
        self._drive(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error, or None for a value; waits as :meth:`result` does."""
        self._drive(timeout)
        return super().exception(timeout)

    def _drive(self, timeout: float | None) -> None:
        """Where the process has no threads, do the work of one request after the other."""
        while not self.done() and self._inner._after_driving(timeout) == 0.0:
            pass

    def _follow(self, inner: Future[Any]) -> None:
        with self._lock:
            self._inner = inner
            is_cancelled = self._is_cancelled
        inner.add_done_callback(self._ended)
        if is_cancelled:
            inner.cancel()

    def _ended(self, inner: Future[Any]) -> None:
        if inner.cancelled():
            self._end_cancelled(getattr(inner, "cancelled_by", None))
            return
        error = inner.exception()
        if error is None:
            self._end(lambda: self.set_result(self._chain.noted(inner.result())))
        elif self._is_cancelled or not self._chain.goes_on(error):
            self._end(lambda: self.set_exception(error))
        else:
            self._go_on()

    def _go_on(self) -> None:
        try:
            inner = self._chain.begin()  # which may wait for room in the queue
        except BaseException as error:
            refused = error
            self._end(lambda: self.set_exception(refused))
            return
        self._follow(inner)

    def _end_cancelled(self, told: BaseException | None) -> None:
        def end() -> None:
            self.cancelled_by = told
            super(ChainFuture, self).cancel()
            self.set_running_or_notify_cancel()

        self._end(end)

    def _end(self, tell: Callable[[], object]) -> None:
        """Give it its outcome, unless it has one."""
        with self._lock:
            first, self._has_outcome = not self._has_outcome, True
        if first:
            tell()
