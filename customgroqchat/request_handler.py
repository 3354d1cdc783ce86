"""RequestHandler: from a payload to a queued request, and from an answer back to the caller.

It checks the payload, counts what it will cost, refuses what can never pass, queues the rest, and
sees to it that every reservation is settled, exactly once, however the request ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._headers import parse_limit_headers, parse_request_instant
from ._options import RequestOptions
from ._ordering import Priority, priority_level
from ._outcomes import is_answer, usage_of, waits_for_quota, was_not_charged
from ._text import shown, without_secret
from ._types import Timeout
from ._validation import (
    check_chat_payload,
    check_deadline,
    check_json,
    check_max_wait,
    check_tag,
    check_timeout,
)
from ._work import Convert, Fit, Ticket, Work
from .api_client import APIClient, APIRequest, APIResponse, encode, missing_key
from .congestion import CongestionControl, Hold
from .exceptions import (
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    InvalidRequestException,
    RateLimitError,
    RateLimitExceededException,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from .queue_manager import Again, Ahead, QueueManager, RequestFuture, Wait
from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, scope_of
from .stores import Decision
from .token_counter import TokenCounter

if TYPE_CHECKING:
    from .config_loader import Config, ModelConfig

__all__ = ["Convert", "RequestHandler", "RequestOptions", "Work"]

# What one asks about who asks about no request in particular.
_SMALLEST: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "."}],
    "max_completion_tokens": 1,
}


class RequestHandler:
    """Takes chat payloads, returns futures. May be called from any thread.

    Args:
        config: Models, their keys, addresses and limits.
        counter: Counts what a prompt costs.
        limiter: Says when it may be sent.
        api: Sends it.
        make_queue: Makes the queue, given the three callables that decide on the work, do it, and
            foresee its wait.
        max_retries: With 0, the first refusal by the service is raised, whatever its kind.
        clock: Where the time comes from.
        congestion: Says whether the service can take it; its own by default.
    """

    def __init__(
        self,
        config: Config,
        *,
        counter: TokenCounter,
        limiter: RateLimitHandler,
        api: APIClient,
        make_queue: Callable[..., QueueManager],
        max_retries: int = 2,
        clock: Clock | None = None,
        congestion: CongestionControl | None = None,
    ) -> None:
        self._config = config
        self._counter = counter
        self._limiter = limiter
        self._api = api
        self._timeout = config.timeout
        self._max_retries = max_retries
        self._clock = clock or Clock()
        self._congestion = congestion or CongestionControl(self._clock)
        self.queue = make_queue(self.admit, self.run, self.foresee)

    def use_config(self, config: Config) -> None:
        """Use another configuration for what is submitted from now on."""
        self._config = config

    # --- before the queue -----------------------------------------------------------------

    def submit(
        self, payload: Mapping[str, Any], options: RequestOptions, convert: Convert
    ) -> RequestFuture:
        """Check a chat payload and queue it.

        Does not block, unless the queue is full and the options say to wait for room.

        Args:
            payload: What the service shall be sent; entries that are None are left out.
            options: What this client shall do with it.
            convert: Makes the result out of the parsed answer.

        Raises:
            InvalidRequestException: the payload or an option is wrong.
            ModelNotFoundException: the configuration is strict and does not know the model.
            AuthenticationError: there is no API key.
            TokenLimitExceededException: the request can never pass.
            QueueFullException: no room in the queue.
            ClientClosedException: the client is closed.
        """
        level = priority_level(options.priority)
        check_max_wait(options.max_wait)
        check_deadline(options.deadline)
        check_tag(options.tag)
        work = self.prepare(payload, convert, timeout=options.timeout, tag=options.tag)
        work.bind(options)
        return self.queue.submit(
            work,
            work.scope,
            level,
            max_wait_s=options.longest_wait_s,
            wait_for_room=options.wait_for_room,
            bound=options.bound,
            tag=options.tag,
            tokens=self._limiter.expected(work.scope, work.demand)["TPM"],
            weight=self._config.tag_weights.get(options.tag or "", 1.0),
            model=work.scope.model,
        )

    def prepare(
        self,
        payload: Mapping[str, Any],
        convert: Convert,
        *,
        timeout: Timeout = None,
        tag: str | None = None,
    ) -> Work:
        """Check, count and encode a payload; raises what :meth:`submit` raises, sends nothing."""
        payload = {name: value for name, value in payload.items() if value is not None}
        check_chat_payload(payload)
        check_timeout(timeout)
        if payload.get("stream"):
            raise InvalidRequestException(
                "stream=True is not available in this version.",
                field="stream",
                value="True",
                hint="Leave stream out; the whole answer is returned at once.",
            )
        settings = self._config.model(payload["model"])
        if not settings.api_key:
            raise missing_key()
        scope = scope_of(settings)
        is_auto = payload.get("max_completion_tokens") == "auto"
        if is_auto:
            del payload["max_completion_tokens"]
        body = _encoded(payload)  # which finds what is no JSON, before it is counted
        demand = self._demand(payload, tag)
        fit = None
        if is_auto:
            fit = self._fit(payload, scope, demand, _room(settings, demand))
            body, demand = encode(fit.payload), demand._replace(output_cap=fit.cap)
        _check_context_window(settings, demand)
        self._limiter.check_fits(scope, demand)
        request = APIRequest(
            "POST", "/chat/completions", body, settings.base_url, settings.api_key, timeout
        )
        work = Work(request, scope, demand, convert, self._clock.monotonic())
        work.fit = fit
        return work

    def explain(
        self,
        payload: Mapping[str, Any] | None,
        model: str,
        priority: Priority = "normal",
        tag: str | None = None,
    ) -> tuple[Wait, Ahead]:
        """Tell what a request would wait for now, and behind what; sends and reserves nothing.

        Raises what :meth:`submit` raises. Without a payload it is about the smallest request.
        """
        level = priority_level(priority)
        check_tag(tag)
        asked = {"model": model, **_SMALLEST} if payload is None else payload
        work = self.prepare(asked, dict, tag=tag)
        ahead = self.queue.ahead(work.scope, level, tag)
        return self._foreseen(work, ahead, hopeful=False), ahead

    def _demand(self, payload: Mapping[str, Any], tag: str | None) -> Demand:
        count = self._counter.count_request(payload)
        cap = payload.get("max_completion_tokens", payload.get("max_tokens"))
        return Demand(count.upper, cap, math.floor(count * (1.0 - count.margin)), tag)

    def _fit(
        self, payload: Mapping[str, Any], scope: Scope, demand: Demand, at_most: int | None
    ) -> Fit:
        return Fit(payload, at_most, *self._limiter.fitted_cap(scope, demand, at_most))

    # --- what the queue calls ---------------------------------------------------------------

    def admit(self, work: Work) -> Ticket | Wait:
        """Set aside what the work costs, or say what it has to wait for.

        Raises:
            RateLimitExceededException: its deadline is over.
            TokenLimitExceededException: it can never pass.
        """
        now = self._clock.monotonic()
        if work.is_over(now):
            raise _deadline_over(work, now)
        slot = self._congestion.enter(work.service)
        if isinstance(slot, Hold):
            return Wait(slot.wait_s, reason=slot.reason)
        try:
            answer = self._limiter.admit(work.scope, work.demand, work.patience_s(now))
        except BaseException:
            slot.release()
            raise
        if isinstance(answer, Reservation):
            return Ticket(answer, slot)
        slot.release()
        return self._wait(work, answer)

    def foresee(self, work: Work, ahead: Ahead) -> Wait:
        """Say what the work would wait for behind others at best, reserving nothing."""
        return self._foreseen(work, ahead, hopeful=True)

    def _foreseen(self, work: Work, ahead: Ahead, *, hopeful: bool) -> Wait:
        open_s = self._congestion.status(work.service)["opens_again_s"]
        foreseen = self._limiter.forecast(
            work.scope, work.demand, ahead.jobs, ahead.tokens, hopeful=hopeful
        )
        if open_s is not None and open_s > foreseen.wait_s:
            return Wait(open_s, reason="its circuit breaker is open")
        return self._wait(work, foreseen)

    def run(self, work: Work, ticket: Ticket) -> Any:
        """Send the work once; return its result, or :class:`Again` to have it queued once more.

        Blocks for the time of one attempt, on a worker.
        """
        started_s = self._clock.monotonic()
        work.attempts += 1
        try:
            response = self._api.attempt(work.request_at(started_s, self._timeout))
        except APIError as failure:
            if work.was_hasty(failure, self._clock.monotonic()):
                ticket.slot.release()  # the caller's haste tells nothing of the service
            else:
                ticket.slot.done(failure)
            work.sending_s += self._clock.monotonic() - started_s
            return self._after_error(work, ticket.reservation, failure)
        except BaseException:
            ticket.slot.release()
            self._limiter.keep(ticket.reservation)
            raise
        ticket.slot.done(None)
        self._settle(ticket.reservation, response)
        return self._result(work, response)

    # --- after an attempt -------------------------------------------------------------------

    def _settle(self, reservation: Reservation, response: APIResponse) -> None:
        instant_ms = parse_request_instant(response.request_id, self._clock.wall())
        self._limiter.observe(reservation, parse_limit_headers(response.headers), instant_ms)
        usage = usage_of(response.data)
        if usage is None:
            self._limiter.keep(reservation)
        else:
            self._limiter.settle(reservation, usage)

    def _result(self, work: Work, response: APIResponse) -> Any:
        try:
            if not is_answer(response.data):
                raise ValueError("no choices")
            result = work.convert(response.data)
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            error = _not_understood(response, work.request.api_key)
            raise self._with_facts(error, work) from fault
        if work.fit is not None:
            result["x_customgroqchat"] = work.fit.note()
        return result

    def _after_error(self, work: Work, reservation: Reservation, error: APIError) -> Again:
        """Settle, then send it back to the queue or raise the error."""
        self._settle_failed(reservation, error)
        if isinstance(error, RateLimitError | RequestTooLargeError):
            work.demand = self._limiter.repriced(work.demand, error)
            if self._refitted(work, error):
                return Again()
        delay_s = self._delay_s(work, error, self._clock.monotonic())
        if delay_s is None:
            raise self._with_facts(error, work)
        if waits_for_quota(error):
            return Again()  # the limiter knows until when
        work.retries += 1
        return Again(delay_s)

    def _refitted(self, work: Work, error: RateLimitError | RequestTooLargeError) -> bool:
        """Fit the cap to a limit that has just been told, if that was left to this client."""
        if work.fit is None or error.retry_after:
            return False
        fit = self._fit(work.fit.payload, work.scope, work.demand, work.fit.at_most)
        if fit.cap >= work.fit.cap:
            return False
        work.refit(fit)
        return True

    def _with_facts(self, error: APIError, work: Work) -> APIError:
        if isinstance(error, APITimeoutError) and work.is_over(self._clock.monotonic()):
            error.hint = "Allow a longer deadline."
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            error.available_at = self._clock.wall() + error.retry_after
        error.model = work.scope.model
        error.attempts = work.attempts
        error.waited = self._clock.monotonic() - work.born_s - work.sending_s
        return error

    def _delay_s(self, work: Work, error: APIError, now: float) -> float | None:
        """Return the seconds until the next attempt, or None if there is none in time."""
        left_s = work.patience_s(now)
        if not waits_for_quota(error) or self._max_retries == 0:
            return self._api.retry_delay_s(error, work.retries, at_most_s=left_s)
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

    def _wait(self, work: Work, decision: Decision) -> Wait:
        if decision.dimension is None or decision.limit is None:
            return Wait(decision.wait_s, reason=decision.reason)
        used = math.ceil(decision.limit - decision.level)
        cost = self._limiter.costs(work.scope, work.demand).get(decision.dimension, 0)
        return Wait(decision.wait_s, decision.dimension, decision.limit, used, math.ceil(cost))


def _deadline_over(work: Work, now: float) -> RateLimitExceededException:
    return RateLimitExceededException(
        f"The deadline of the request is over: it waited {now - work.born_s:.3f} s for its turn.",
        attempts=work.attempts,
        model=work.scope.model,
        waited=now - work.born_s - work.sending_s,
        hint="Allow a longer deadline.",
    )


def _not_understood(response: APIResponse, api_key: str | None) -> APIResponseValidationError:
    text = without_secret(shown(response.data), api_key)
    return APIResponseValidationError(
        f"HTTP {response.status_code}, but the answer is not of the API's form: {text}",
        status_code=response.status_code,
        request_id=response.request_id,
        hint="Something between here and the service answers in its place; check base_url.",
    )


def _encoded(payload: Mapping[str, Any]) -> bytes:
    try:
        return encode(payload)
    except (TypeError, ValueError, RecursionError) as fault:
        check_json(payload)
        raise InvalidRequestException(f"The request is not JSON: {fault}") from fault


def _check_context_window(settings: ModelConfig, demand: Demand) -> None:
    window = settings.context_window
    needed = demand.prompt_at_least + (demand.output_cap or 0)
    if window is None or needed <= window:
        return
    raise TokenLimitExceededException(
        f"The request needs {needed} tokens ({demand.prompt_at_least} for the prompt and "
        f"{demand.output_cap or 0} for the answer), more than the context window of {window} "
        f"of {settings.name}.",
        dimension="context_window",
        limit=window,
        requested=needed,
        prompt_tokens=demand.prompt_at_least,
        model=settings.name,
        hint=f"Shorten the messages or max_completion_tokens by {needed - window} tokens.",
    )


def _room(settings: ModelConfig, demand: Demand) -> int | None:
    """Return the longest answer that the model can give to a prompt, if that is known."""
    rooms = []
    if settings.context_window is not None:
        rooms.append(settings.context_window - demand.prompt_tokens)
    if settings.max_completion_tokens is not None:
        rooms.append(settings.max_completion_tokens)
    return min(rooms, default=None)
