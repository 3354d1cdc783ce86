"""Events of requests, as a client tells them."""

from __future__ import annotations

from typing import Any

from customgroqchat.events import Event


def story(request_id: int = 1, context: object = None, **facts: Any) -> list[Event]:
    """A request that waits two seconds, is sent once and answered after half a second."""
    base: dict[str, Any] = {"model": "m", "request_id": request_id, "context": context, **facts}
    sent = {"attempt": 1, "waited_s": 2.0}
    usage = {"prompt_tokens": 70, "completion_tokens": 12, "cached_tokens": 64}
    return [
        Event(kind="queued", at=1000.0, prompt_tokens=68, **base),
        Event(kind="admitted", at=1002.0, waited_s=2.0, reserved_tokens=100, **base),
        Event(kind="sent", at=1002.0, reserved_tokens=100, **sent, **base),
        Event(
            kind="settled",
            at=1002.5,
            took_s=0.5,
            status_code=200,
            service_request_id="req_1",
            finish_reason="stop",
            **sent,
            **usage,
            **base,
        ),
    ]


def troubled(request_id: int = 2, context: object = None, **facts: Any) -> list[Event]:
    """A request that meets a fault, then a 429, and gives up before it is sent again."""
    base: dict[str, Any] = {"model": "m", "request_id": request_id, "context": context, **facts}
    return [
        Event(kind="queued", at=1000.0, prompt_tokens=68, **base),
        Event(kind="sent", at=1000.0, attempt=1, **base),
        Event(
            kind="retried",
            at=1001.0,
            attempt=1,
            took_s=1.0,
            delay_s=0.5,
            status_code=503,
            error="InternalServerError",
            service_request_id="req_2",
            **base,
        ),
        Event(kind="sent", at=1001.5, attempt=2, waited_s=0.5, **base),
        Event(
            kind="limited",
            at=1001.75,
            attempt=2,
            waited_s=0.5,
            took_s=0.25,
            delay_s=60.0,
            dimension="TPM",
            status_code=429,
            error="RateLimitError",
            **base,
        ),
        Event(
            kind="failed",
            at=1003.0,
            attempt=2,
            waited_s=1.75,
            prompt_tokens=68,
            error="RequestCancelledException",
            **base,
        ),
    ]
