"""RequestHandler: from a payload to a queued request.

It checks the payload, counts what it will cost, refuses what can never pass, and queues the rest.
What happens from there on is the :mod:`sender`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._json import encode
from ._observer import Observer
from ._options import RequestOptions
from ._ordering import Priority, priority_level
from ._reports import Reporter
from ._types import Timeout
from ._validation import (
    check_chat_payload,
    check_deadline,
    check_json,
    check_max_wait,
    check_tag,
    check_timeout,
)
from ._work import Convert, Work, fitted
from .api_client import APIClient, APIRequest, missing_key
from .congestion import CongestionControl
from .exceptions import (
    InvalidRequestException,
    TokenLimitExceededException,
)
from .queue_manager import Ahead, QueueManager, RequestFuture, Wait
from .rate_limit_handler import Demand, RateLimitHandler, scope_of
from .sender import Sender
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
        make_queue: Makes the queue, given what it calls: see :class:`QueueManager`.
        max_retries: With 0, the first refusal by the service is raised, whatever its kind.
        clock: Where the time comes from.
        congestion: Says whether the service can take it; its own by default.
        observer: Is told what happens; nobody by default.
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
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._counter = counter
        self._limiter = limiter
        self._clock = clock or Clock()
        self._reporter = Reporter(
            observer or Observer(None, self._clock), self._clock, log_prompts=config.log_prompts
        )
        self.sender = sender = Sender(
            limiter,
            api,
            congestion or CongestionControl(self._clock),
            counter,
            self._reporter,
            self._clock,
            max_retries=max_retries,
            bounds=(config.max_event_bytes, config.max_response_bytes),
        )
        self.queue = sender.queue = make_queue(
            sender.admit, sender.run, sender.foresee, sender.interrupt, sender.ended
        )

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
        began_s = self._clock.monotonic()  # counting takes time as well
        level = priority_level(options.priority)
        check_max_wait(options.max_wait)
        check_deadline(options.deadline)
        check_tag(options.tag)
        work = self.prepare(payload, convert, timeout=options.timeout, tag=options.tag)
        work.bind(options, began_s)
        work.level = level
        work.weight = self._config.tag_weights.get(options.tag or "", 1.0)
        work.request_id = self.queue.next_number()
        self._reporter.queued(work, payload)
        try:
            return self.sender.enqueue(work)
        except BaseException as error:
            self.sender.report_failure(work, error)
            raise

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
            fit = fitted(self._limiter, payload, scope, demand, _room(settings, demand))
            body, demand = encode(fit.payload), demand._replace(output_cap=fit.cap)
        _check_context_window(settings, demand)
        self._limiter.check_fits(scope, demand)
        request = APIRequest(
            "POST",
            "/chat/completions",
            body,
            settings.base_url,
            settings.api_key,
            timeout,
            is_stream=bool(payload.get("stream")),
        )
        work = Work(request, scope, demand, convert, self._clock)
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
        return self.sender.foresee(work, ahead, hopeful=False), ahead

    def _demand(self, payload: Mapping[str, Any], tag: str | None) -> Demand:
        count = self._counter.count_request(payload)
        cap = payload.get("max_completion_tokens", payload.get("max_tokens"))
        return Demand(count.upper, cap, math.floor(count * (1.0 - count.margin)), tag)


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
