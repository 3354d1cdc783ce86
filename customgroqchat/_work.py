"""One request on its way: what is asked of this client, what is sent, and what was taken for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ._clock import Clock
from ._endpoints import CHAT, Endpoint
from ._http import HTTPResponse
from ._json import encode
from ._line import Line
from ._options import RequestOptions
from ._records import AnswerFacts, Attempt, Headers
from ._token_count import TokenCount
from .api_client import APIRequest
from .congestion import Slot
from .exceptions import APITimeoutError
from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage

_ROUNDING_S = 1e-3

#: Makes the result out of the parsed answer; of a stream, out of its :class:`Feed`; of what is not
#: JSON, out of the :class:`HTTPResponse`.
Convert = Callable[[Any], Any]

#: Makes another result, for who wants more than the parsed answer: out of the response, of a
#: function that parses it, and of how it came about.
Present = Callable[[HTTPResponse, Callable[[], Any], AnswerFacts], Any]


class Fit:
    """A cap that was chosen for the caller, and the payload to put another one into.

    Attributes:
        payload: What is to be sent, with the cap.
        at_most: The longest answer that the model can give, if that is known.
        cap: The cap, in tokens.
        why: What it was fitted to.
    """

    __slots__ = ("at_most", "cap", "payload", "why")

    def __init__(self, payload: Mapping[str, Any], at_most: int | None, cap: int, why: str) -> None:
        self.payload = {**payload, "max_completion_tokens": cap}
        self.at_most = at_most
        self.cap = cap
        self.why = why

    def note(self) -> dict[str, Any]:
        """Return what the answer shall say of it."""
        return {"max_completion_tokens": self.cap, "reason": f"fitted to {self.why}"}


def fitted(
    limiter: RateLimitHandler,
    payload: Mapping[str, Any],
    scope: Scope,
    demand: Demand,
    at_most: int | None,
) -> Fit:
    """Return a payload with the largest cap that can pass; see :meth:`fitted_cap`."""
    return Fit(payload, at_most, *limiter.fitted_cap(scope, demand, at_most))


class Work:
    """One request on its way, from validation to its outcome.

    Attributes:
        request: What is sent.
        scope: What its quota is taken from.
        demand: What it will take.
        convert: Makes the result.
        endpoint: The path of the API that it is for.
        present: Makes another result, or None.
        count: How its tokens were counted, or None if they were not.
        options: What the caller asked of this client.
        request_id: This client's number for it.
        born_s: When it was submitted, by the monotonic clock.
        line: The way to the service, for whoever wants to cut it.
        give_up_s: The instant until which it may wait, or None.
        fit: Its cap, if that was left to this client.
        attempts: How often it was sent, with the attempt that is under way.
        retries: How often it was sent again because of a fault; a refusal for quota is none.
        history: How each attempt went.
        sending_s: Seconds that they took.
        prepared_s: Seconds that it took to check, count and encode it.
        has_ended: Whether its end was reported.
        is_under_way: Whether an attempt has begun whose end was not reported.
        level: Its priority as a number.
        weight: The share of its tag.
        reserved_tokens: What was set aside for it.
        usage: What it used, once that is known.
        context: What the event hook captured when it was queued.
    """

    __slots__ = (
        "attempts",
        "born_s",
        "context",
        "convert",
        "count",
        "demand",
        "endpoint",
        "fit",
        "give_up_s",
        "has_ended",
        "history",
        "is_under_way",
        "level",
        "line",
        "options",
        "prepared_s",
        "present",
        "request",
        "request_id",
        "reserved_tokens",
        "retries",
        "scope",
        "sending_s",
        "usage",
        "weight",
    )

    def __init__(
        self, request: APIRequest, scope: Scope, demand: Demand, convert: Convert, clock: Clock
    ) -> None:
        self.request = request
        self.scope = scope
        self.demand = demand
        self.convert = convert
        self.endpoint: Endpoint = CHAT
        self.present: Present | None = None
        self.count: TokenCount | None = None
        self.options = RequestOptions()
        self.request_id = 0
        self.born_s = clock.monotonic()
        self.line = Line(clock)
        self.give_up_s: float | None = None
        self.fit: Fit | None = None
        self.retries = 0
        self.attempts = 0
        self.history: list[Attempt] = []
        self.prepared_s = self.sending_s = 0.0
        self.level = 0
        self.weight = 1.0
        self.has_ended = False
        self.is_under_way = False
        self.reserved_tokens: int | None = None
        self.usage: Usage | None = None
        self.context: object = None

    @property
    def service(self) -> tuple[str | None, str]:
        """What is overloaded or down as one: an address and a model."""
        return self.request.base_url, self.scope.model

    def bind(self, options: RequestOptions, born_s: float | None = None) -> None:
        """Take over what the caller asks of this client, and when it asked, if that was before."""
        self.options = options
        if born_s is not None:
            self.prepared_s = self.born_s - born_s
            self.born_s = self.line.born_s = born_s
        if options.longest_wait_s is not None:
            self.give_up_s = self.born_s + options.longest_wait_s
        if options.deadline is not None:
            self.request = self.request._replace(deadline_s=self.born_s + options.deadline)

    def patience_s(self, now: float) -> float:
        """Return how long it may still wait."""
        return math.inf if self.give_up_s is None else self.give_up_s - now

    def waited_s(self, now: float) -> float:
        """Return how long it was not being sent."""
        return max(0.0, now - self.born_s - self.sending_s)

    def tried(self, attempt: Attempt) -> None:
        """Take note of how an attempt went, in place of what was noted of it before."""
        if len(self.history) == self.attempts:
            self.sending_s -= self.history.pop().took_s
        self.history.append(attempt)
        self.sending_s += attempt.took_s

    def is_over(self, now: float) -> bool:
        """Whether its deadline is over."""
        deadline_s = self.request.deadline_s
        return deadline_s is not None and now >= deadline_s - _ROUNDING_S

    def was_hasty(self, error: Exception, now: float) -> bool:
        """Whether it was the caller's own bound that did not wait for the answer."""
        return isinstance(error, APITimeoutError) and (
            self.request.timeout is not None or self.is_over(now)
        )

    def ends(self) -> bool:
        """Take note of its end; return whether it is the first time."""
        first, self.has_ended = not self.has_ended, True
        return first

    def facts(self, request_id: str | None, headers: Mapping[str, str], now: float) -> AnswerFacts:
        """Return how its answer came about."""
        told = headers if isinstance(headers, Headers) else Headers(headers)
        clean = told.without_secret(self.request.api_key)
        return AnswerFacts(request_id, clean, self.waited_s(now), tuple(self.history))

    def refit(self, fit: Fit) -> None:
        """Send another cap from now on."""
        self.fit = fit
        self.demand = self.demand._replace(output_cap=fit.cap, told={})
        self.request = self.request._replace(body=encode(fit.payload))


class Ticket:
    """What a request has been admitted with: quota, and a place among those in flight."""

    __slots__ = ("reservation", "slot")

    def __init__(self, reservation: Reservation, slot: Slot) -> None:
        self.reservation = reservation
        self.slot = slot

    def release(self) -> None:
        """Give both back: nothing was sent."""
        self.slot.release()
        self.reservation.release()
