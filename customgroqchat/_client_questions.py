"""What can be asked of a client without sending a completion: plans, waits, counts, numbers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._client_resources import ClientResources
from ._map import call_of, named_as_in_submit
from ._ordering import Priority
from ._types import Cap, Messages
from ._validation import chat_payload
from ._waiting import WaitExplanation, explained, named_lanes

if TYPE_CHECKING:
    from ._assembly import Parts
    from ._clock import Clock
    from ._observer import Observer
    from .plan import Plan
    from .rate_limit_handler import RateLimitHandler
    from .request_handler import RequestHandler
    from .token_counter import TokenCount, TokenCounter


class ClientQuestions(ClientResources):
    """The part of :class:`GroqClient` that answers questions. All of it from any thread."""

    _parts: Parts
    _clock: Clock
    _counter: TokenCounter
    _handler: RequestHandler
    _limiter: RateLimitHandler
    _observer: Observer

    def plan(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        prices: bool | Mapping[str, Mapping[str, float]] = True,
        **common: Any,
    ) -> Plan:
        """Work out what :meth:`map` would take and cost, and how long; spends nothing.

        Goes through ``requests`` once and keeps none of them. Blocks for counting, and for asking
        for prices.

        Args:
            requests: What :meth:`map` would be given.
            prices: True to ask the service, as :meth:`Models.list` does; False not to; or prices
                by model, in US dollars: ``"prompt"`` and ``"completion"`` per token, ``"request"``.
            **common: Arguments for all requests; their own win.

        Raises:
            AuthenticationError: there is no API key.
            InvalidRequestException: ``prices`` or the common arguments are wrong. What is wrong
                with a single request is found in ``plan.refused``.
        """
        from .plan import Tally, given_prices, prices_of  # hardly ever needed

        known = {} if isinstance(prices, bool) else given_prices(prices)
        tally = Tally()
        tally.count(requests, functools.partial(self._expected, named_as_in_submit(common)))
        if prices is True and tally.models:
            self.models.prices()  # which the catalogue learns
            known = prices_of(map(self._handler.catalog.facts, tally.models))
        limiter = self._limiter
        buckets = {name: limiter.buckets(limiter.scope(name)) for name in tally.models}
        return tally.plan(buckets, known)

    def explain_wait(
        self,
        model_name: str,
        messages: Messages | None = None,
        *,
        priority: Priority = "normal",
        tag: str | None = None,
        max_completion_tokens: Cap = None,
    ) -> WaitExplanation:
        """Tell which limit a request would wait for now, and until when. Sends nothing.

        Does not block, and sets nothing aside: what others do next may change the answer. From
        any thread. The keywords are those of :meth:`chat_completion`; without ``messages`` it is
        about the smallest request there can be.

        Raises:
            InvalidRequestException: something in the request is wrong.
            TokenLimitExceededException: it can never pass.
            ModelNotFoundException: the configuration is strict and does not know the model.
            AuthenticationError: there is no API key.
        """
        cap = {"max_completion_tokens": max_completion_tokens}
        payload = None if messages is None else chat_payload(model_name, messages, cap)
        wait, ahead = self._handler.explain(payload, model_name, priority, tag)
        return explained(model_name, wait, ahead.jobs, self._clock.wall())

    def count_tokens(self, messages_or_text: Messages | str, model_name: str = "") -> TokenCount:
        """Return the tokens that a conversation, or a text sent as one message, will cost.

        Does not block on anything but a file read the first time. The result is an int that also
        says whether it is exact, and its margin. From any thread.

        Raises:
            TypeError: it is neither a string nor a list of messages.
        """
        if isinstance(messages_or_text, str):
            return self._counter.count_prompt(messages_or_text, model_name or None)
        return self._counter.count_messages(messages_or_text, model_name or None)

    def stats(self) -> dict[str, Any]:
        """Return what this client has done since it was made, in numbers.

        Events by kind and by model, errors by class, refusals by limit, tokens, and seconds waited
        and taken; see docs/observability.rst. With them ``queued`` and ``in_flight``, as they are
        now. Does not block; from any thread.
        """
        status = self._handler.queue.status()
        now = {"queued": status["queued"], "in_flight": status["in_flight"]}
        return {**self._observer.stats(), **now}

    def get_queue_status(self) -> dict[str, Any]:
        """Return what is queued and in flight, by model; see :meth:`QueueManager.status`.

        Does not block; from any thread. Of the lanes, each is named by its model (and account,
        if several accounts use the model).
        """
        status = self._handler.queue.status()
        return {**status, "lanes": named_lanes(status["lanes"])}

    def get_available_models(self) -> list[str]:
        """Return the names of the models that can be used: configured ones first.

        Unless the configuration is strict, it asks the service, which blocks for one request. If
        it cannot be reached, and models are configured, those are returned, with a warning in
        the log.

        Raises:
            APIError: the service refused, or could not be reached and no model is configured.
        """
        configured = list(self._parts.config.models)
        if self._parts.config.strict_models:
            return configured
        return configured + sorted(set(self.models.available(configured)) - set(configured))

    def check_model_limits(self, model_name: str) -> dict[str, Any]:
        """Return the limits of a model as known now. Sends nothing; from any thread.

        Returns:
            ``model``, ``context_window`` (tokens or None), ``max_completion_tokens`` (or None),
            and ``limits``: by dimension (``"RPM"``, ``"RPD"``, ``"TPM"``, ``"TPD"``, ...) a dict
            of ``limit``, ``remaining``, ``window_s`` and ``source``, which is ``"configured"``,
            ``"server"``, or for a guess ``"remembered"`` or ``"preset"``. A dimension that is not
            there is unlimited or not known.

        Raises:
            ModelNotFoundException: the configuration is strict and does not know the model.
        """
        self._parts.config.model(model_name)
        facts = self._handler.catalog.facts(model_name)
        status = self._limiter.status(self._limiter.scope(model_name))
        return {
            "model": model_name,
            "context_window": facts.context_window,
            "max_completion_tokens": facts.max_completion_tokens,
            "limits": {name: limit.to_dict() for name, limit in status.items()},
        }

    def _expected(
        self, common: Mapping[str, Any], request: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, float]]:
        """Return the model and the probable costs of a request of a plan, checked as if queued."""
        call = call_of(common, request)
        call.check()
        work = self._handler.prepare(call.payload, dict, call.options)
        return work.scope.model, self._limiter.expected(work.scope, work.demand)
