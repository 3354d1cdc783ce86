"""A chain of models by itself: what becomes of each future."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, TimeoutError
from typing import Any

import pytest
from helpers_surface import (
    CHAT,
)

from customgroqchat import (
    ChatCompletion,
    InternalServerError,
    InvalidRequestException,
    RequestOptions,
)
from customgroqchat._asking import Call
from customgroqchat._chain import Chain, ChainFuture
from customgroqchat.testing import FakeClock

BUSY = InternalServerError("busy", status_code=503)


class Scripted:
    """Queues what a chain asks for: for each model a result, an error, or one that is raised."""

    def __init__(self, **by_model: Any) -> None:
        self.by_model = by_model
        self.asked: list[str] = []
        self.abandoned: list[str] = []

    def __call__(self, payload: Any, options: Any) -> Any:
        model = payload["model"]
        self.asked.append(model)
        planned = self.by_model[model]
        if isinstance(planned, tuple):
            raise planned[0]
        future: Any = Future()
        future.request_id, future.tag = len(self.asked), options.tag
        future.abandon = lambda: self.abandoned.append(model)
        future._after_driving = lambda timeout: 1.0
        if isinstance(planned, BaseException):
            future.set_exception(planned)
        elif planned is not None:
            future.set_result(planned)
        return future


def chain(submit: Scripted) -> Chain:
    call = Call({"model": "a"}, RequestOptions(tag="t"))
    return Chain(submit, call, ("a", "b", "c"), FakeClock())


def test_a_model_that_cannot_even_be_queued_for_is_passed_over() -> None:
    submit = Scripted(a=(BUSY,), b=(BUSY,), c=ChatCompletion.wrap(CHAT))
    answer = ChainFuture(chain(submit)).result(0)
    assert submit.asked == ["a", "b", "c"]
    assert [step.model for step in answer.fallbacks] == ["a", "b"]


def test_the_last_that_cannot_be_queued_for_raises() -> None:
    submit = Scripted(a=(BUSY,), b=(InvalidRequestException("no"),))
    with pytest.raises(InvalidRequestException) as caught:
        ChainFuture(chain(submit))
    assert [step.model for step in caught.value.fallbacks] == ["a"]
    later = ChainFuture(chain(Scripted(a=BUSY, b=(InvalidRequestException("no"),))))
    assert isinstance(later.exception(0), InvalidRequestException)


def test_an_error_that_is_none_of_ours_is_not_looked_into() -> None:
    error = RuntimeError("a bug")
    future = ChainFuture(chain(Scripted(a=error)))
    assert future.exception(0) is error


def test_who_cancels_between_two_models_asks_no_further() -> None:
    submit = Scripted(a=None, b=None, c=None)
    future = ChainFuture(chain(submit))
    first, queue = future._inner, future._chain._submit
    outcomes: list[bool] = []

    def cancelling(payload: Any, options: Any) -> Any:
        outcomes.append(future.cancel())  # the first has ended, the second is not there yet
        return queue(payload, options)

    future._chain._submit = cancelling
    first.set_exception(BUSY)
    assert outcomes == [True]
    assert future.cancelled()
    assert future._inner.cancelled()
    assert submit.asked == ["a", "b"]
    with pytest.raises(CancelledError):
        future.result(0)


def test_it_is_too_late_to_cancel_what_has_ended() -> None:
    future = ChainFuture(chain(Scripted(a="x")))
    assert not future.cancel()
    assert future.result(0) == "x"


def test_what_is_abandoned_is_abandoned_where_it_is() -> None:
    submit = Scripted(a=None, b=None)
    future = ChainFuture(chain(submit))
    future.abandon()
    assert submit.abandoned == ["a"]
    future._inner.set_exception(BUSY)
    assert submit.asked == ["a"]
    assert future.exception(0) is BUSY


def test_what_is_asked_of_the_future_is_asked_of_the_model_under_way() -> None:
    submit = Scripted(a=BUSY, b=None)
    future = ChainFuture(chain(submit))
    assert (future.request_id, future.tag) == (2, "t")
    assert not future.running()
    assert not future.done()
    future._inner.set_running_or_notify_cancel()
    assert future.running()
    with pytest.raises(TimeoutError):
        future.result(0.0)
    future._inner.set_result("x")
    assert future.result(0) == "x"
