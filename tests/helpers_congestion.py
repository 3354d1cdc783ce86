"""A congestion control with a clock of its own, and errors that requests end with."""

from __future__ import annotations

from typing import Any

from customgroqchat.congestion import CongestionControl, Hold, Slot
from customgroqchat.exceptions import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    CapacityExceededError,
    GroqError,
    InternalServerError,
    RequestCancelledException,
)
from customgroqchat.testing import FakeClock

KEY = ("https://api.groq.com/openai/v1", "m")

BUSY = InternalServerError("over capacity", status_code=503)
BROKEN = InternalServerError("oh no", status_code=500)
FLEX_FULL = CapacityExceededError("flex tier full", status_code=498)
SLOW = APITimeoutError("no answer in time")
UNREACHABLE = APITimeoutError("no connection in time", may_have_arrived=False)
CUT_OFF = APIConnectionError("reset by peer")
REFUSED = AuthenticationError("wrong key", status_code=401)
CANCELLED = RequestCancelledException("cancelled")


class Control(CongestionControl):
    """One with a clock that stands still, and no chance unless a test wants some."""

    def __init__(self) -> None:
        self.clock = FakeClock(chance=0.0)
        super().__init__(self.clock)

    def slot(self, key: Any = KEY) -> Slot:
        answer = self.enter(key)
        assert isinstance(answer, Slot), answer
        return answer

    def hold(self, key: Any = KEY) -> Hold:
        answer = self.enter(key)
        assert isinstance(answer, Hold)
        return answer

    def fail(self, times: int = 5, error: GroqError = BROKEN) -> None:
        """So many requests, one after the other."""
        for _ in range(times):
            self.slot().done(error)
