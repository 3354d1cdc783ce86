"""RequestHandler: from a payload to a queued request.

It checks the payload, counts what it will cost, refuses what can never pass, and queues the rest.
What happens from there on is the :mod:`sender`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._endpoints import CHAT, Endpoint
from ._http import EVENT_STREAM
from ._json import encode
from ._model_advice import room_for
from ._model_catalog import ModelCatalog
from ._multipart import Upload
from ._observer import Observer
from ._options import RequestOptions
from ._ordering import Priority, priority_level
from ._reports import Reporter
from ._validation import (
    check_deadline,
    check_max_wait,
    check_tag,
    check_timeout,
    encoded,
)
from ._work import Convert, Present, Work, fitted
from .api_client import APIClient, APIRequest, missing_key
from .congestion import CongestionControl
from .queue_manager import Ahead, QueueManager, RequestFuture, Wait
from .rate_limit_handler import Demand, RateLimitHandler, Scope, scope_of
from .sender import Sender
from .token_counter import TokenCount, TokenCounter

if TYPE_CHECKING:
    from .config_loader import Config, ModelConfig

__all__ = ["Convert", "RequestHandler", "RequestOptions", "Work"]

# What is reckoned with for audio that the service fetches itself. Its headers tell better.
_UNKNOWN_AUDIO_S = 60.0
_NO_WISHES = RequestOptions()

# What one asks about who asks about no request in particular.
_SMALLEST: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "."}],
    "max_completion_tokens": 1,
}


class RequestHandler:
    """Takes payloads, returns futures. May be called from any thread.

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
        catalog: Knows the models; its own by default.

    Attributes:
        queue: Where requests wait.
        sender: What sends them.
        catalog: What knows the models.
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
        catalog: ModelCatalog | None = None,
    ) -> None:
        self._config = config
        self._counter = counter
        self._limiter = limiter
        self._clock = clock or Clock()
        self.catalog = catalog or ModelCatalog(self._clock, config.sizes)
        self._reporter = Reporter(
            observer or Observer(None, self._clock), self._clock, log_prompts=config.log_prompts
        )
        self.sender = sender = Sender(
            limiter,
            api,
            congestion or CongestionControl(self._clock),
            counter,
            self._reporter,
            self.catalog,
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
        self.catalog.configure(config.sizes)

    # --- before the queue -----------------------------------------------------------------

    def submit(
        self,
        payload: Mapping[str, Any],
        options: RequestOptions,
        convert: Convert,
        endpoint: Endpoint = CHAT,
        *,
        present: Present | None = None,
        upload: Upload | None = None,
        is_stream: bool | None = None,
        sends_null: bool = False,
    ) -> RequestFuture:
        """Check a payload and queue it.

        Does not block, unless the queue is full and the options say to wait for room.

        Args:
            payload: What the service shall be sent.
            options: What this client shall do with it.
            convert: Makes the result out of the parsed answer.
            endpoint: The path of the API that it is for.
            present: Makes another result; see :data:`Present`.
            upload: The body, if it is to be a form with a file in it.
            is_stream: Whether the answer is handed over while it is on its way, as a feed; by
                default, if the payload says ``stream``.
            sends_null: Whether entries that are None are sent, as null, or left out.

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
        work = self.prepare(
            payload,
            convert,
            options,
            endpoint,
            upload=upload,
            is_stream=is_stream,
            sends_null=sends_null,
        )
        work.present = present
        if present is not None:
            work.request = work.request._replace(is_raw=True)
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
        options: RequestOptions = _NO_WISHES,
        endpoint: Endpoint = CHAT,
        *,
        upload: Upload | None = None,
        is_stream: bool | None = None,
        sends_null: bool = False,
    ) -> Work:
        """Check, count and encode a payload; raises what :meth:`submit` raises, sends nothing."""
        if not sends_null:
            payload = {name: value for name, value in payload.items() if value is not None}
        endpoint.check(payload)
        check_timeout(options.timeout)
        settings = self._account(payload["model"], options)
        scope = scope_of(settings)
        is_auto = payload.get("max_completion_tokens") == "auto"
        if is_auto:
            payload = {key: payload[key] for key in payload if key != "max_completion_tokens"}
        # Encoding finds what is no JSON, before it is counted.
        body = encoded(payload) if upload is None else upload.body
        count, demand = self._demand(payload, endpoint, options.tag, upload, scope)
        facts = self.catalog.using(settings.name)
        fit = None
        if is_auto:
            room = room_for(facts, demand.prompt_tokens)
            fit = fitted(self._limiter, payload, scope, demand, room)
            body, demand = encode(fit.payload), demand._replace(output_cap=fit.cap)
        self.catalog.check(facts, demand.prompt_at_least, demand.output_cap)
        self._limiter.check_fits(scope, demand)
        request = _request(endpoint, body, settings, options, upload)
        if payload.get("stream"):
            request = request._replace(is_stream=True, accept=EVENT_STREAM)
        if is_stream is not None:
            request = request._replace(is_stream=is_stream)
        work = Work(request, scope, demand, convert, self._clock)
        work.endpoint, work.count, work.fit = endpoint, count, fit
        return work

    def _account(self, model: str, options: RequestOptions) -> ModelConfig:
        """Return the settings of a model, with the key and the address that are wanted."""
        settings = self._config.model(model)
        if options.api_key or options.base_url:
            settings = replace(
                settings,
                api_key=options.api_key or settings.api_key,
                base_url=options.base_url or settings.base_url,
            )
        if not settings.api_key:
            raise missing_key()
        return settings

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
        work = self.prepare(asked, dict, RequestOptions(tag=tag))
        ahead = self.queue.ahead(work.scope, level, tag)
        return self.sender.foresee(work, ahead, hopeful=False), ahead

    def _demand(
        self,
        payload: Mapping[str, Any],
        endpoint: Endpoint,
        tag: str | None,
        upload: Upload | None,
        scope: Scope,
    ) -> tuple[TokenCount | None, Demand]:
        """Return how the tokens were counted, if they were, and what the request will take."""
        if endpoint.unit == "audio":
            return None, Demand(0, 0, tag=tag, audio_s=self._audio_s(upload, scope))
        if endpoint.unit == "characters":
            return None, Demand(len(payload["input"]), 0, tag=tag)
        count = self._counter.count_request(endpoint.counted(payload))
        at_least = math.floor(count * (1.0 - count.margin))
        return count, Demand(count.upper, endpoint.cap(payload), at_least, tag)

    def _audio_s(self, upload: Upload | None, scope: Scope) -> float:
        """Return the seconds of audio to set aside; an estimate refuses nothing for good."""
        told_s = None if upload is None else upload.audio_s
        seconds = max(1, math.ceil(_UNKNOWN_AUDIO_S if told_s is None else told_s))
        if upload is not None and upload.is_exact:
            return seconds
        buckets = self._limiter.buckets(scope)
        return min([seconds, *(buckets[name].limit for name in ("ASH", "ASD") if name in buckets)])


def _request(
    endpoint: Endpoint,
    body: bytes,
    settings: ModelConfig,
    options: RequestOptions,
    upload: Upload | None,
) -> APIRequest:
    request = APIRequest(
        "POST",
        endpoint.path,
        body,
        settings.base_url,
        settings.api_key,
        options.timeout,
        query=options.query,
        headers=options.headers,
        accept=endpoint.accept,
        max_retries=options.max_retries,
    )
    return request if upload is None else request._replace(content_type=upload.content_type)
