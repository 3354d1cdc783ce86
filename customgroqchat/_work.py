"""One request on its way: what is asked of this client, what is sent, and what was taken for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ._options import RequestOptions
from ._types import Timeout
from .api_client import APIRequest, encode
from .congestion import Slot
from .exceptions import APITimeoutError
from .rate_limit_handler import Demand, Reservation, Scope

_ROUNDING_S = 1e-3

Convert = Callable[[Mapping[str, Any]], Any]


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


class Work:
    """One request on its way, from validation to its outcome.

    Attributes:
        request: What is sent.
        scope: What its quota is taken from.
        demand: What it will take.
        convert: Makes the result out of the parsed answer.
        born_s: When it was submitted, by the monotonic clock.
        give_up_s: The instant until which it may wait, or None.
        deadline_s: The instant by which it shall have ended, or None.
        fit: Its cap, if that was left to this client.
        attempts: How often it was sent.
        retries: How often of those because of a fault; a refusal for quota is none.
        sending_s: Seconds spent on sending.
    """

    __slots__ = (
        "attempts",
        "born_s",
        "convert",
        "deadline_s",
        "demand",
        "fit",
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
        self.deadline_s: float | None = None
        self.fit: Fit | None = None
        self.attempts = 0
        self.retries = 0
        self.sending_s = 0.0

    @property
    def service(self) -> tuple[str | None, str]:
        """What is overloaded or down as one: an address and a model."""
        return self.request.base_url, self.scope.model

    def bind(self, options: RequestOptions) -> None:
        """Take over the times that the caller has set."""
        if options.longest_wait_s is not None:
            self.give_up_s = self.born_s + options.longest_wait_s
        if options.deadline is not None:
            self.deadline_s = self.born_s + options.deadline

    def patience_s(self, now: float) -> float:
        """Return how long it may still wait."""
        return math.inf if self.give_up_s is None else self.give_up_s - now

    def is_over(self, now: float) -> bool:
        """Whether its deadline is over."""
        return self.deadline_s is not None and now >= self.deadline_s - _ROUNDING_S

    def was_hasty(self, error: Exception, now: float) -> bool:
        """Whether it was the caller's own bound that did not wait for the answer."""
        return isinstance(error, APITimeoutError) and (
            self.request.timeout is not None or self.is_over(now)
        )

    def refit(self, fit: Fit) -> None:
        """Send another cap from now on."""
        self.fit = fit
        self.demand = self.demand._replace(output_cap=fit.cap, told={})
        self.request = self.request._replace(body=encode(fit.payload))

    def request_at(self, now: float, timeout: Timeout) -> APIRequest:
        """Return what to send, with no longer a timeout than the deadline leaves.

        Args:
            now: Seconds, by the monotonic clock.
            timeout: The configured timeout, for a request without one of its own.
        """
        if self.deadline_s is None:
            return self.request
        left_s = max(0.001, self.deadline_s - now)
        own = timeout if self.request.timeout is None else self.request.timeout
        connect_s, read_s = own if isinstance(own, tuple) else (own, own)
        shorter = (_shorter(connect_s, left_s), _shorter(read_s, left_s))
        return self.request._replace(timeout=shorter)


def _shorter(seconds: float | None, left_s: float) -> float:
    return left_s if seconds is None else min(seconds, left_s)


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
