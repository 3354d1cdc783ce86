"""What a caller may ask of this client, beside what the service is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._ordering import Priority
from ._types import Timeout


@dataclass(frozen=True)
class RequestOptions:
    """What a caller asks of this client; nothing of it is sent.

    Attributes:
        priority: ``"high"``, ``"normal"``, ``"low"``, or an integer; smaller is sooner.
        max_wait: Seconds that the request may wait before it is sent; None waits without bound.
        timeout: Seconds, one number or (connect, read); None takes the configured one.
        tag: A name for a group of requests: they share a turn, and can be cancelled together.
        wait_for_room: If the queue is full, wait for room as long as ``max_wait`` allows; else
            raise at once.
        deadline: Seconds in which the request shall have ended, with waiting and sending; None
            leaves it to the other two.
        max_retries: How often it is sent again after a fault; None takes the configured one.
        fallbacks: Models to ask instead, one after the other, if this one cannot be had today.
        headers: Headers of this request alone.
        query: What stands behind the ``?`` of its address, encoded.
        api_key: The key to send it with; None takes the configured one.
        base_url: The host to send it to; None takes the configured one.
    """

    priority: Priority = "normal"
    max_wait: float | None = None
    timeout: Timeout = None
    tag: str | None = None
    wait_for_room: bool = True
    deadline: float | None = None
    max_retries: int | None = None
    fallbacks: tuple[str, ...] = ()
    headers: Mapping[str, object] | None = field(default=None, repr=False)
    query: str = ""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None

    @property
    def bound(self) -> str:
        """The name of the shorter bound of its waiting."""
        if self.deadline is None or (self.max_wait is not None and self.max_wait <= self.deadline):
            return "max_wait"
        return "deadline"

    @property
    def longest_wait_s(self) -> float | None:
        """Seconds that it may wait before it is sent."""
        return self.deadline if self.bound == "deadline" else self.max_wait
