"""A request handler on a bench: its clock stands still, and its service is a script."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from helpers_servers import KEY

from customgroqchat import (
    APIClient,
    APIRequest,
    ChatCompletion,
    ConfigLoader,
    HTTPResponse,
    QueueManager,
    RateLimitHandler,
    RequestHandler,
    TokenCounter,
)
from customgroqchat._line import Line
from customgroqchat._work import Ticket, Work
from customgroqchat.stores import MemoryStore
from customgroqchat.stores.base import Marks
from customgroqchat.testing import FakeClock

MODEL = "some/model"
LIMITS = {
    "req_per_minute": 10,
    "req_per_day": 100,
    "token_per_minute": 10_000,
    "token_per_day": 100_000,
}
PAYLOAD = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Hello"}],
    "max_completion_tokens": 100,
}
TOLD = {
    "x-ratelimit-limit-tokens": "10000",
    "x-ratelimit-remaining-tokens": "9999",
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "99",
}


class ScriptedAPI(APIClient):
    """Ends each attempt with the next of its outcomes, after ``takes_s`` virtual seconds."""

    def __init__(self, clock: FakeClock, max_retries: int) -> None:
        super().__init__(api_key=KEY, clock=clock, max_retries=max_retries)
        self.outcomes: list[HTTPResponse | BaseException] = []
        self.sent: list[APIRequest] = []
        self.takes_s = 0.0
        self._time = clock

    def attempt(self, request: APIRequest, line: Line | None = None) -> HTTPResponse:
        self.sent.append(request)
        self._time.advance(self.takes_s)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class NotingStore(MemoryStore):
    """Notes what is given back."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, margin_s=0.0)
        self.given_back: list[Mapping[str, float]] = []

    def settle(self, scope: Any, amounts: Mapping[str, float]) -> Marks:
        self.given_back.append(dict(amounts))
        return super().settle(scope, amounts)


class Bench:
    """A request handler whose clock stands still and whose service is a script."""

    def __init__(self, *, max_retries: int = 2, limits: Any = None, **settings: Any) -> None:
        self.clock = FakeClock(chance=0.5)
        blocks = {MODEL: LIMITS if limits is None else limits}
        arguments = {"api_key": KEY, "policy": "greedy", **settings}
        self.config = ConfigLoader(blocks, environ={}).load(**arguments)
        self.store = NotingStore(self.clock)
        self.limiter = RateLimitHandler(self.config, self.store, clock=self.clock)
        self.api = ScriptedAPI(self.clock, max_retries)
        self.handler = RequestHandler(
            self.config,
            counter=TokenCounter(use_vocabulary=False),
            limiter=self.limiter,
            api=self.api,
            make_queue=functools.partial(QueueManager, clock=self.clock),
            max_retries=max_retries,
            clock=self.clock,
        )

    def prepare(self, **changes: Any) -> Work:
        return self.handler.prepare({**PAYLOAD, **changes}, ChatCompletion.wrap)

    def admit(self, work: Work) -> Ticket:
        """Admit what has to be admitted."""
        ticket = self.handler.sender.admit(work)
        assert isinstance(ticket, Ticket), ticket
        return ticket

    def run(self, work: Work, outcome: HTTPResponse | BaseException) -> tuple[Ticket, Any]:
        """Admit, send, and return the ticket and the result or the error."""
        self.api.outcomes.append(outcome)
        ticket = self.admit(work)
        try:
            return ticket, self.handler.sender.run(work, ticket)
        except Exception as error:
            return ticket, error

    def used(self) -> dict[str, int]:
        status = self.limiter.status(self.limiter.scope(MODEL))
        return {name: limit.limit - limit.remaining for name, limit in status.items()}
