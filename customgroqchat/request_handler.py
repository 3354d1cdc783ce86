"""RequestHandler: from a payload to a queued request, and from an answer back to the caller.

It checks the payload, counts what it will cost, refuses what can never pass, queues the rest, and
sees to it that every reservation is settled, exactly once, however the request ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._headers import parse_limit_headers
from ._ordering import Priority, priority_level
from ._text import shown, without_secret
from ._validation import check_chat_payload, check_json, check_max_wait, check_tag, check_timeout
from .api_client import APIClient, APIRequest, APIResponse, Timeout, encode, missing_key
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    CapacityExceededError,
    InvalidRequestException,
    RateLimitError,
    RequestTooLargeError,
    TokenLimitExceededException,
)
from .queue_manager import Again, QueueManager, RequestFuture, Wait
from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage, scope_of
from .token_counter import TokenCounter

if TYPE_CHECKING:
    from .config_loader import Config, ModelConfig

Convert = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class RequestOptions:
    """What a caller asks of this client; nothing of it is sent.

    Attributes:
        priority: ``"high"``, ``"normal"``, ``"low"``, or an integer; smaller is sooner.
        max_wait: Seconds that the request may wait before it is sent; None waits without bound.
        timeout: Seconds, one number or (connect, read); None takes the configured one.
        tag: A name for a group of requests, to cancel them together.
        wait_for_room: If the queue is full, wait for room as long as ``max_wait`` allows; else
            raise at once.
    """

    priority: Priority = "normal"
    max_wait: float | None = None
    timeout: Timeout = None
    tag: str | None = None
    wait_for_room: bool = True


class Work:
    """One request on its way, from validation to its outcome."""

    __slots__ = (
        "attempts",
        "born_s",
        "convert",
        "demand",
        "give_up_s",
        "request",
        "retries",
        "scope",
        "sending_s",
    )

    def __init__(
        self, request: APIRequest, scope: Scope, demand: Demand, convert: Convert, born_s: float
    ) -> None:
        self.request = request
        self.scope = scope
        self.demand = demand
        self.convert = convert
        self.born_s = born_s
        self.give_up_s: float | None = None
        self.attempts = 0  # how often it was sent
        self.retries = 0  # how often because of a fault; a refusal for quota is none
        self.sending_s = 0.0


class RequestHandler:
    """Takes chat payloads, returns futures. May be called from any thread.

    Args:
        config: Models, their keys, addresses and limits.
        counter: Counts what a prompt costs.
        limiter: Says when it may be sent.
        api: Sends it.
        make_queue: Makes the queue, given the two callables that decide on and do the work.
        max_retries: With 0, the first refusal by the service is raised, whatever its kind.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        config: Config,
        *,
        counter: TokenCounter,
        limiter: RateLimitHandler,
        api: APIClient,
        make_queue: Callable[[Callable[..., Any], Callable[..., Any]], QueueManager],
        max_retries: int = 2,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._counter = counter
        self._limiter = limiter
        self._api = api
        self._max_retries = max_retries
        self._clock = clock or Clock()
        self.queue = make_queue(self.admit, self.run)

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
        check_tag(options.tag)
        work = self.prepare(payload, convert, timeout=options.timeout)
        if options.max_wait is not None:
            work.give_up_s = work.born_s + options.max_wait
        return self.queue.submit(
            work,
            work.scope,
            level,
            max_wait_s=options.max_wait,
            wait_for_room=options.wait_for_room,
            tag=options.tag,
            model=work.scope.model,
        )

    def prepare(
        self, payload: Mapping[str, Any], convert: Convert, *, timeout: Timeout = None
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
        body = _encoded(payload)
        model = payload["model"]
        settings = self._config.model(model)
        if not settings.api_key:
            raise missing_key()
        scope = scope_of(settings)
        demand = self._demand(payload)
        _check_context_window(settings, demand)
        self._limiter.check_fits(scope, demand)
        request = APIRequest(
            "POST", "/chat/completions", body, settings.base_url, settings.api_key, timeout
        )
        return Work(request, scope, demand, convert, self._clock.monotonic())

    def _demand(self, payload: Mapping[str, Any]) -> Demand:
        count = self._counter.count_request(payload)
        cap = payload.get("max_completion_tokens", payload.get("max_tokens"))
        return Demand(count.upper, cap, math.floor(count * (1.0 - count.margin)))

    # --- what the queue calls ---------------------------------------------------------------

    def admit(self, work: Work) -> Reservation | Wait:
        """Set aside what the work costs, or say what it has to wait for."""
        answer = self._limiter.admit(work.scope, work.demand)
        if isinstance(answer, Reservation):
            return answer
        if answer.dimension is None or answer.limit is None:
            return Wait(answer.wait_s)
        used = math.ceil(answer.limit - answer.level)
        cost = self._limiter.costs(work.scope, work.demand).get(answer.dimension, 0)
        return Wait(answer.wait_s, answer.dimension, answer.limit, used, math.ceil(cost))

    def run(self, work: Work, reservation: Reservation) -> Any:
        """Send the work once; return its result, or :class:`Again` to have it queued once more.

        Blocks for the time of one attempt, on a worker.
        """
        started_s = self._clock.monotonic()
        work.attempts += 1
        try:
            response = self._api.attempt(work.request)
        except APIError as failure:
            work.sending_s += self._clock.monotonic() - started_s
            return self._after_error(work, reservation, failure)
        except BaseException:
            self._limiter.keep(reservation)
            raise
        self._limiter.observe(reservation, parse_limit_headers(response.headers))
        self._settle(reservation, response)
        try:
            if not _is_answer(response.data):
                raise ValueError("no choices")
            return work.convert(response.data)
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            error = _not_understood(response, work.request.api_key)
            raise self._with_facts(error, work) from fault

    # --- after an attempt -------------------------------------------------------------------

    def _settle(self, reservation: Reservation, response: APIResponse) -> None:
        usage = _usage(response.data)
        if usage is None:
            self._limiter.keep(reservation)
        else:
            self._limiter.settle(reservation, usage)

    def _after_error(self, work: Work, reservation: Reservation, error: APIError) -> Again:
        """Settle, then send it back to the queue or raise the error."""
        self._settle_failed(reservation, error)
        now = self._clock.monotonic()
        delay_s = self._delay_s(work, error, now)
        if delay_s is None:
            raise self._with_facts(error, work)
        if _waits_for_quota(error):
            return Again()  # the limiter knows until when
        work.retries += 1
        return Again(delay_s)

    def _with_facts(self, error: APIError, work: Work) -> APIError:
        error.model = work.scope.model
        error.attempts = work.attempts
        error.waited = self._clock.monotonic() - work.born_s - work.sending_s
        return error

    def _delay_s(self, work: Work, error: APIError, now: float) -> float | None:
        """Return the seconds until the next attempt, or None if there is none in time."""
        left_s = math.inf if work.give_up_s is None else work.give_up_s - now
        if not _waits_for_quota(error) or self._max_retries == 0:
            return self._api.retry_delay_s(error, work.retries, at_most_s=left_s)
        assert error.retry_after is not None
        return error.retry_after if error.retry_after <= left_s else None

    def _settle_failed(self, reservation: Reservation, error: APIError) -> None:
        if isinstance(error, RateLimitError | RequestTooLargeError):
            self._limiter.refused(reservation, error)
        elif _was_not_charged(error):
            self._limiter.release(reservation)
        else:
            self._limiter.keep(reservation)


def _waits_for_quota(error: APIError) -> bool:
    # Told to come back in no time, it waits for a backoff like any fault.
    return isinstance(error, RateLimitError) and bool(error.retry_after)


def _was_not_charged(error: APIError) -> bool:
    """Whether the service certainly did no work: it never got the request, or refused it."""
    if isinstance(error, APIConnectionError):
        return not error.may_have_arrived
    if isinstance(error, CapacityExceededError):
        return True
    # Refusals before admission carry no rate-limit headers; those of a failed answer do.
    return (
        isinstance(error, APIStatusError)
        and error.status_code < 500
        and (error.response is None or not parse_limit_headers(error.response.headers))
    )


def _usage(data: Any) -> Usage | None:
    usage = data.get("usage") if isinstance(data, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return Usage(prompt, completion, cached if isinstance(cached, int) else 0)


def _is_answer(data: Any) -> bool:
    """Whether it has the form of a chat answer, as far as everybody relies on it."""
    choices = data.get("choices") if isinstance(data, dict) else None
    return isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices)


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
