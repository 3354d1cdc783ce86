"""Sender: from a queued request to its answer.

It is what the queue calls: it says whether a request may be sent, sends it, and sees to it that
every reservation is settled, exactly once, however the request ends.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from ._clock import Clock
from ._collector import Collects
from ._fallbacks import DAILY, moves_on
from ._faults import not_understood
from ._feed import Feed, incomplete
from ._futures import result_of
from ._headers import parse_limit_headers, parse_request_instant
from ._http import JSON, HTTPResponse
from ._model_advice import enriched
from ._model_catalog import ModelCatalog
from ._objects import APIAnswer
from ._outcomes import waits_for_quota, was_not_charged
from ._records import Attempt
from ._reports import Reporter
from ._work import Ticket, Work, fitted
from .api_client import APIClient, report_of
from .congestion import CongestionControl, Hold
from .exceptions import (
    APIError,
    APIStatusError,
    APITimeoutError,
    GroqError,
    InternalServerError,
    RateLimitError,
    RateLimitExceededException,
    RequestTooLargeError,
)
from .queue_manager import Again, Ahead, QueueManager, RequestFuture, Wait
from .rate_limit_handler import RateLimitHandler, Reservation, Usage
from .stores import Decision
from .token_counter import TokenCounter

_DOING = {
    "preparing": "counting and encoding it",
    "queue": "waiting for its turn",
    "connecting": "connecting",
    "sending": "sending",
    "waiting": "waiting for the answer",
    "reading": "reading the answer",
    "paused": "until the caller read on",
}


class Sender:
    """Admits and sends queued requests. May be called from any thread.

    Attributes:
        queue: Who calls it; to be set before the first call.

    Args:
        limiter: Says when a request may be sent.
        api: Sends it.
        congestion: Says whether the service can take it.
        counter: Counts what was said in a stream that nobody reads to its end.
        reporter: Is told what happens.
        catalog: Knows the models.
        clock: Where the time comes from.
        max_retries: With 0, the first refusal by the service is raised, whatever its kind.
        bounds: The largest event of a stream that is read, and the largest stream, in bytes.
    """

    queue: QueueManager

    def __init__(
        self,
        limiter: RateLimitHandler,
        api: APIClient,
        congestion: CongestionControl,
        counter: TokenCounter,
        reporter: Reporter,
        catalog: ModelCatalog,
        clock: Clock,
        *,
        max_retries: int,
        bounds: tuple[int, int],
    ) -> None:
        self._limiter = limiter
        self._api = api
        self._congestion = congestion
        self._counter = counter
        self._reporter = reporter
        self._catalog = catalog
        self._clock = clock
        self._max_retries = max_retries
        self._bounds = bounds
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()

    # --- what the queue calls ---------------------------------------------------------------

    def admit(self, work: Work) -> Ticket | Wait:
        """Set aside what the work costs, or say what it has to wait for.

        Raises:
            RateLimitExceededException: its deadline is over.
            TokenLimitExceededException: it can never pass.
        """
        now = self._clock.monotonic()
        if work.is_over(now):
            error = _deadline_over(work, now)
            self._add_way(error, work)
            raise error
        slot = self._congestion.enter(work.service)
        if isinstance(slot, Hold):
            if work.options.fallbacks and not slot.is_guess:
                raise self._out_of_service(work, slot)
            return Wait(slot.wait_s, reason=slot.reason, is_guess=slot.is_guess)
        try:
            answer = self._limiter.admit(work.scope, work.demand, work.patience_s(now))
        except BaseException:
            slot.release()
            raise
        if isinstance(answer, Reservation):
            work.reserved_tokens = math.ceil(answer.costs.get("TPM", 0))
            self._reporter.admitted(work)
            return Ticket(answer, slot)
        slot.release()
        wait = self._wait(work, answer)
        if work.options.fallbacks and wait.dimension in DAILY:
            raise self._used_up(work, wait)
        return wait

    def _used_up(self, work: Work, wait: Wait) -> RateLimitExceededException:
        """Return the error for a limit of the day that nobody waits for who may ask another."""
        return RateLimitExceededException(
            f"The {wait.dimension} limit of {wait.limit} of {work.scope.model} is used up "
            f"for {wait.wait_s:.0f} s.",
            model=work.scope.model,
            dimension=wait.dimension,
            limit=wait.limit,
            used=wait.used,
            requested=wait.requested,
            retry_after=wait.wait_s,
            available_at=self._clock.wall() + wait.wait_s,
        )

    def _out_of_service(self, work: Work, hold: Hold) -> InternalServerError:
        """Return the error for a model that is not asked because others could not reach it."""
        return InternalServerError(
            f"{work.scope.model} is not asked, for {hold.reason}.",
            model=work.scope.model,
            status_code=503,
            retry_after=hold.wait_s,
        )

    def foresee(self, work: Work, ahead: Ahead, *, hopeful: bool = True) -> Wait:
        """Say what the work would wait for behind others, reserving nothing.

        At best; or probably, if not hopeful.
        """
        open_s = self._congestion.status(work.service)["opens_again_s"]
        foreseen = self._limiter.forecast(
            work.scope, work.demand, ahead.jobs, ahead.tokens, hopeful=hopeful
        )
        if open_s is not None and open_s > foreseen.wait_s:
            return Wait(open_s, reason="its circuit breaker is open")
        return self._wait(work, foreseen)

    def run(self, work: Work, ticket: Ticket) -> Any:
        """Send the work once; return its result, or :class:`Again` to have it queued once more.

        Blocks for the time of one attempt, on a worker; of a stream, until its headers are in.
        """
        work.attempts += 1
        work.line.start()
        self._reporter.sent(work)
        try:
            if work.request.is_stream:
                return self._open(work, ticket)
            response = self._api.attempt(work.request, work.line)
        except APIError as failure:
            work.tried(report_of(work.line, failure))
            return self._after_failure(work, ticket, failure)
        except BaseException as failure:  # it was cancelled, or the client was closed
            work.tried(report_of(work.line, failure))
            self._give_up(work, ticket)
            raise
        ticket.slot.done(None)
        work.tried(work.line.report("ok", response.status_code, response.request_id))
        self._observe(ticket.reservation, response.headers, response.request_id)
        self._settle(work, ticket.reservation, _usage(work, response.data))
        if work.present is not None:
            facts = work.facts(response.request_id, response.headers, self._clock.monotonic())
            sent = self._api.described(work.request)
            told = response._replace(headers=facts.headers, request=sent)
            return work.present(told, functools.partial(self._result, work, response), facts)
        return self._result(work, response)

    def _open(self, work: Work, ticket: Ticket) -> Any:
        incoming = self._api.open(work.request, work.line)
        work.line.done()
        request_id = incoming.headers.get("x-request-id")
        work.tried(work.line.report("ok", incoming.status, request_id))
        self._observe(ticket.reservation, incoming.headers, request_id)
        facts = work.facts(request_id, incoming.headers, self._clock.monotonic())
        feed = Feed(self, work, ticket, incoming, facts, self._bounds)
        stream = work.convert(feed)
        if stream is not feed:  # or it is for a stream that is here already
            self._streams.add(stream)
        return stream

    def interrupt(self, work: Work) -> None:
        """Have the attempt that is under way end at once. Does not block."""
        work.line.cut("cancelled")

    def cancel(self, work: Work) -> None:
        """End a request wherever it is: on its way, or waiting to be sent once more."""
        self.interrupt(work)
        self.queue.cancel(request_id=work.request_id)

    def soon(self, function: Callable[[], object]) -> None:
        """Have the dispatcher call it. At any point, even within the garbage collector."""
        self.queue.soon(function)

    def close(self) -> None:
        """Shut the streams that are open, when the client is closed."""
        for stream in list(self._streams):
            stream.shut()

    def ended(self, work: Work, value: Any, error: BaseException | None) -> None:
        """Report the end of a request; that of a stream which was opened comes later."""
        if error is not None:
            self._complete(error, work)
            self.report_failure(work, error)
        elif not work.request.is_stream and work.ends():
            self._reporter.settled(work, work.usage, value)

    def _complete(self, error: BaseException, work: Work) -> None:
        """Add to the word of the queue, or of a canceller, how far the request had come."""
        if isinstance(error, GroqError) and work.attempts and not error.attempts:
            self._add_way(error, work)

    def _add_way(self, error: GroqError, work: Work) -> None:
        error.model = work.scope.model
        error.attempts, error.history = work.attempts, self._history(error, work)
        error.waited = work.waited_s(self._clock.monotonic())

    def _history(self, error: GroqError, work: Work) -> tuple[Attempt, ...]:
        """Return how the attempts went, with the one that has just been cut."""
        if len(work.history) == work.attempts:
            return tuple(work.history)
        return (*work.history, work.line.report(type(error).__name__, None, None))

    def report_failure(self, work: Work, error: BaseException) -> None:
        """Report that a request ended with an error, unless its end was reported before."""
        if isinstance(error, RateLimitExceededException):
            self._reporter.limited(work, error)
        if work.ends():
            self._reporter.failed(work, error)

    # --- after an attempt -------------------------------------------------------------------

    def _observe(
        self, reservation: Reservation, headers: Mapping[str, str], request_id: str | None
    ) -> None:
        instant_ms = parse_request_instant(request_id, self._clock.wall())
        self._limiter.observe(reservation, parse_limit_headers(headers), instant_ms)

    def _settle(self, work: Work, reservation: Reservation, usage: Usage | None) -> None:
        work.usage = usage
        if usage is None:
            self._limiter.keep(reservation)
        else:
            self._limiter.settle(reservation, usage)
            self._learn_count(work, usage)

    def _learn_count(self, work: Work, usage: Usage) -> None:
        """Tell the counter what the service has counted, if it is one that learns."""
        observe = getattr(self._counter, "observe", None)
        if observe is not None and work.count is not None:
            observe(work.count, usage.prompt)

    def _result(self, work: Work, response: HTTPResponse) -> Any:
        try:
            if work.request.accept != JSON:
                return work.convert(response)
            if not work.endpoint.is_answer(response.data):
                raise ValueError("it is no answer of this endpoint")
            result = work.convert(response.data)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as fault:
            error = not_understood(response, work.request.api_key)
            raise self._with_facts(error, work) from fault
        if isinstance(result, APIAnswer):
            now = self._clock.monotonic()
            result.note(work.facts(response.request_id, response.headers, now))
        if work.fit is not None:
            result["x_customgroqchat"] = work.fit.note()
        return result

    def _give_up(self, work: Work, ticket: Ticket) -> None:
        """Settle what was cut: the service charges for what has reached it."""
        ticket.slot.release()
        if work.line.may_have_arrived:
            self._limiter.keep(ticket.reservation)
        else:
            self._limiter.release(ticket.reservation)

    def _after_failure(self, work: Work, ticket: Ticket, error: APIError) -> Again:
        """Settle, then send it back to the queue or raise the error."""
        self._give_slot_back(work, ticket, error)
        self._settle_failed(ticket.reservation, error)
        if isinstance(error, RateLimitError | RequestTooLargeError):
            work.demand = self._limiter.repriced(work.demand, error)
            if self._refitted(work, error):
                return self._again(work, error, 0.0)
        delay_s = self._delay_s(work, error, self._clock.monotonic())
        if delay_s is None:
            raise self._with_facts(error, work)
        if waits_for_quota(error):
            return self._again(work, error, 0.0)  # the limiter knows until when
        work.retries += 1
        return self._again(work, error, delay_s)

    def _give_slot_back(self, work: Work, ticket: Ticket, error: APIError) -> None:
        if work.was_hasty(error, self._clock.monotonic()):
            ticket.slot.release()  # the caller's haste tells nothing of the service
        else:
            ticket.slot.done(error)

    def _again(self, work: Work, error: APIError, delay_s: float) -> Again:
        if isinstance(error, RateLimitError):
            self._reporter.limited(work, error)
        else:
            self._reporter.retried(work, error, delay_s)
        return Again(delay_s)

    def _refitted(self, work: Work, error: RateLimitError | RequestTooLargeError) -> bool:
        """Fit the cap to a limit that has just been told, if that was left to this client."""
        if work.fit is None or error.retry_after:
            return False
        fit = fitted(self._limiter, work.fit.payload, work.scope, work.demand, work.fit.at_most)
        if fit.cap >= work.fit.cap:
            return False
        work.refit(fit)
        return True

    def _with_facts(self, error: APIError, work: Work) -> APIError:
        now = self._clock.monotonic()
        if isinstance(error, APITimeoutError) and work.is_over(now):
            error = _deadline_missed(error, work, now)
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            error.available_at = self._clock.wall() + error.retry_after
        self._add_way(error, work)
        return enriched(error, work.scope.model, self._catalog.names)

    def _delay_s(self, work: Work, error: APIError, now: float) -> float | None:
        """Return the seconds until the next attempt, or None if there is none in time."""
        left_s = work.patience_s(now)
        if work.is_over(now):
            return None
        if work.options.fallbacks and moves_on(error, work.scope.model):
            return None  # another model is there at once
        told = work.options.max_retries
        at_most = self._max_retries if told is None else told
        if not waits_for_quota(error) or at_most == 0:
            return self._api.retry_delay_s(error, work.retries, at_most_s=left_s, max_retries=told)
        assert error.retry_after is not None
        return error.retry_after if error.retry_after <= left_s else None

    def _settle_failed(self, reservation: Reservation, error: APIError) -> None:
        if isinstance(error, RateLimitError | RequestTooLargeError):
            self._limiter.refused(reservation, error)
            return
        if was_not_charged(error):
            self._limiter.release(reservation)
            return
        if isinstance(error, APIStatusError) and error.response is not None:
            self._limiter.observe(reservation, parse_limit_headers(error.response.headers))
        self._limiter.keep(reservation)

    # --- the ends of streams ------------------------------------------------------------------

    def stream_ended(self, feed: Feed, collector: Collects) -> None:
        """Settle a stream that was read to its end, or that its caller has left."""
        work, reservation = feed.work, feed.ticket.reservation
        feed.ticket.slot.done(None)
        work.tried(work.line.report("ok", feed.response.status_code, feed.facts.request_id))
        work.usage = work.endpoint.usage_of({"usage": collector.usage})
        if work.usage is not None:
            self._settle(work, reservation, work.usage)
        else:
            work.usage = self._estimate(work, collector)
            self._limiter.settle(reservation, work.usage, is_estimate=True)
        self.queue.look_again()  # others may pass now
        if work.ends():
            self._reporter.settled(work, work.usage, collector.completion())

    def stream_broke(
        self, feed: Feed, error: GroqError, collector: Collects, *, begun: bool
    ) -> Feed:
        """Settle a stream that broke off, and open it anew if nothing of it was handed over.

        Blocks as any call does. Raises the error if that cannot be.
        """
        work, ticket = feed.work, feed.ticket
        try:
            if not isinstance(error, APIError):
                work.tried(report_of(work.line, error))
                self._give_up(work, ticket)
                raise error
            if work.endpoint.unit == "tokens":
                error = incomplete(error, collector, self._estimate(work, collector))
            error.request_id = error.request_id or feed.facts.request_id
            status = getattr(error, "status_code", None) or feed.response.status_code
            work.tried(work.line.report(type(error).__name__, status, error.request_id))
            if begun:
                self._give_slot_back(work, ticket, error)
                usage = work.endpoint.usage_of({"usage": collector.usage})
                self._settle(work, ticket.reservation, usage)
                raise self._with_facts(error, work)
            again = self._after_failure(work, ticket, error)
        except GroqError as final:
            self.report_failure(work, final)
            raise
        return self._opened_anew(work, again.delay_s)

    def _opened_anew(self, work: Work, delay_s: float) -> Feed:
        work.convert = _as_it_is
        future: RequestFuture | None = None
        try:
            future = self.enqueue(work, delay_s)
            feed: Feed = result_of(future)
        except BaseException as error:
            if future is not None and future.done() and not future.cancelled():
                future.add_done_callback(_close_result)  # it came in the same instant
            self._complete(error, work)
            self.report_failure(work, error)
            raise
        return feed

    def _estimate(self, work: Work, collector: Collects) -> Usage:
        spoken = self._counter.count_text(collector.spoken, work.scope.model)
        return Usage(work.demand.prompt_tokens, int(spoken))

    # --- small things ---------------------------------------------------------------------------

    def enqueue(self, work: Work, delay_s: float = 0.0) -> RequestFuture:
        """Queue a request, or queue it again; see :meth:`QueueManager.submit`."""
        options, now = work.options, self._clock.monotonic()
        longest_s = work.patience_s(now)
        return self.queue.submit(
            work,
            work.scope,
            work.level,
            max_wait_s=None if longest_s == math.inf else max(0.0, longest_s),
            wait_for_room=options.wait_for_room,
            bound=options.bound,
            tag=options.tag,
            tokens=self._size(work),
            weight=work.weight,
            model=work.scope.model,
            number=work.request_id,
            born_s=work.born_s,
            delay_s=delay_s,
        )

    def _size(self, work: Work) -> float:
        """Return what the request will probably take: tokens, or seconds of audio."""
        expected = self._limiter.expected(work.scope, work.demand)
        return expected.get("TPM", work.demand.audio_s)

    def _wait(self, work: Work, decision: Decision) -> Wait:
        if decision.dimension is None or decision.limit is None:
            return Wait(decision.wait_s, reason=decision.reason)
        used = math.ceil(decision.limit - decision.level)
        cost = self._limiter.costs(work.scope, work.demand).get(decision.dimension, 0)
        return Wait(decision.wait_s, decision.dimension, decision.limit, used, math.ceil(cost))


def _usage(work: Work, data: Any) -> Usage | None:
    """Return what an answer took; where it is no tokens, what was set aside."""
    if work.endpoint.unit == "tokens":
        return work.endpoint.usage_of(data)
    return Usage(work.demand.prompt_tokens, 0)


def _as_it_is(feed: Feed) -> Feed:
    return feed


def _close_result(future: Future[Any]) -> None:
    if future.exception() is None:
        future.result().close()


def _deadline_over(work: Work, now: float) -> RateLimitExceededException:
    return RateLimitExceededException(
        f"The deadline of the request is over: it waited {now - work.born_s:.3f} s for its turn.",
        hint="Allow a longer deadline.",
    )


def _deadline_missed(error: APITimeoutError, work: Work, now: float) -> APITimeoutError:
    """Return the error for a request that did not end in time, which says where the time went."""
    waited_s = work.waited_s(now) - work.prepared_s
    spent = {"preparing": work.prepared_s, "queue": waited_s, **work.line.spent}
    shares = ", ".join(
        f"{spent[phase]:.3f} s {doing}" for phase, doing in _DOING.items() if spent.get(phase)
    )
    deadline_s = work.options.deadline or now - work.born_s
    missed = APITimeoutError(
        f"No whole answer within the deadline of {deadline_s:g} s: {shares}.",
        request=error.request,
        may_have_arrived=error.may_have_arrived,
        spent={phase: seconds for phase, seconds in spent.items() if phase in _DOING},
        hint="Allow a longer deadline.",
    )
    missed.__cause__ = error.__cause__
    return missed
