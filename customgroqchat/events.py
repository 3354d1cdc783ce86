"""What happens to requests, told while it happens. Pure: a record, made by whoever knows."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

__all__ = ["ENDS", "Event", "Kind"]

Kind = Literal["queued", "admitted", "sent", "retried", "limited", "settled", "failed"]

#: The kinds that end a request; exactly one of them is its last event.
ENDS = frozenset({"settled", "failed"})


class Event(NamedTuple):
    """One thing that happened to one request. Immutable; never holds a prompt, answer or key.

    Each request has one ``"queued"``, any number of others, and one ``"settled"`` or ``"failed"``
    at its end. Each attempt is ended by one event, and that alone has ``took_s``, ``status_code``
    and ``service_request_id``.

    Attributes:
        kind: ``"queued"``, by its caller; ``"admitted"``: quota and a place are set aside for it;
            ``"sent"``: an attempt begins; ``"retried"``: an attempt failed, and is repeated after
            ``delay_s``; ``"limited"``: it is to wait for quota, said by the service (429, which
            is told by this event and not by ``"retried"``) or by this client, which refuses what
            cannot be sent in time; ``"settled"``: it has its answer; ``"failed"``: it ended with
            an error, or was cancelled.
        request_id: The number of the request; each client counts its own.
        at: When it happened, in seconds since 1970.
        model: The model of the request.
        tag: The tag that the caller gave, or None.
        priority: The priority that the caller gave.
        attempt: How often the request had been sent, with the attempt that this is about; 0
            before the first.
        waited_s: Seconds that the request had waited until then, all its waits together.
        took_s: Seconds that the attempt took which ended here, or None if none did.
        delay_s: Seconds until the next attempt, or until there is quota, if that is known.
        prompt_tokens: Tokens of the prompt: counted by this client, and as the service says in
            an event that has ``completion_tokens``.
        completion_tokens: Tokens of the answer, once the service has said so.
        cached_tokens: Those of the prompt that the service had in its cache, if it said so.
        reserved_tokens: Tokens set aside for the request, from ``"admitted"`` on.
        dimension: The limit that binds, such as ``"TPM"``, if it is known.
        status_code: The HTTP status of an attempt that ended, if it had an answer.
        error: The class name of the error that the attempt, or the request, ended with.
        service_request_id: The service's name for an attempt that ended; quote it to support.
        finish_reason: Why the answer ended, such as ``"stop"`` or ``"length"``.
        is_stream: Whether the answer is streamed.
        context: What ``capture()`` of the hook returned in the thread that queued the request:
            the same object in all its events, or None.
    """

    kind: Kind
    request_id: int
    at: float
    model: str
    tag: str | None = None
    priority: str | int = "normal"
    attempt: int = 0
    waited_s: float = 0.0
    took_s: float | None = None
    delay_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reserved_tokens: int | None = None
    dimension: str | None = None
    status_code: int | None = None
    error: str | None = None
    service_request_id: str | None = None
    finish_reason: str | None = None
    is_stream: bool = False
    context: object = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the context, as plain JSON values."""
        values = self._asdict()
        del values["context"]
        return values

    def __repr__(self) -> str:
        """Show what is known, without the context."""
        shown = (f"{name}={value!r}" for name, value in self.to_dict().items() if value is not None)
        return f"Event({', '.join(shown)})"
