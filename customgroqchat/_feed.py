"""Feed: the service's end of one open stream, and what was set aside for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ._collector import Collects
from ._faults import cut_off, error_from_frame, invalid_answer
from ._records import AnswerFacts, ResponseInfo
from ._sse import ServerSentEvent
from ._text import shown, without_secret
from .exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    GroqError,
    IncompleteStreamError,
)

if TYPE_CHECKING:
    from ._incoming import Incoming
    from ._work import Ticket, Work
    from .rate_limit_handler import Usage


class Keeper(Protocol):
    """Who settles streams, and opens them anew."""

    def stream_ended(self, feed: Feed, collector: Collects) -> None:
        """Settle a stream that was read to its end, or that its caller has left."""

    def stream_broke(
        self, feed: Feed, error: GroqError, collector: Collects, *, begun: bool
    ) -> Feed:
        """Settle a stream that broke off, and open it anew, or raise."""

    def cancel(self, work: Work) -> None:
        """End the request, wherever it is."""

    def soon(self, function: Callable[[], object]) -> None:
        """Have it called on another thread; may be called by the garbage collector."""


class Feed:
    """What a :class:`Stream` reads from. Of its ends, exactly one is called, once.

    Attributes:
        work: The request.
        ticket: What it was admitted with.
        facts: How the answer came about.
        response: Status and headers.
        max_event_bytes: The largest event that is read.
        max_response_bytes: The largest stream that is read.
        note: What the answer shall say of a cap that was left to this client, or None.
    """

    def __init__(
        self,
        keeper: Keeper,
        work: Work,
        ticket: Ticket,
        incoming: Incoming,
        facts: AnswerFacts,
        bounds: tuple[int, int],
    ) -> None:
        self._keeper = keeper
        self.work = work
        self.ticket = ticket
        self._incoming = incoming
        self.facts = facts
        self.response = ResponseInfo(incoming.status, facts.headers)
        self.max_event_bytes, self.max_response_bytes = bounds
        self.note: Mapping[str, Any] | None = None if work.fit is None else work.fit.note()

    def read(self) -> bytes:
        """Return what has arrived; blocks until there is something. Empty at the end.

        Raises:
            APIConnectionError, ClientClosedException, RequestCancelledException: it broke off.
        """
        return self._incoming.read1()

    def cut(self) -> None:
        """Have :meth:`read` end soon, in whatever thread it is. Does not block."""
        self._keeper.cancel(self.work)

    # --- ends -----------------------------------------------------------------------------

    def end(self, collector: Collects) -> None:
        """Take note that all of it is in."""
        self._incoming.finish()
        self._keeper.stream_ended(self, collector)

    def leave(self, collector: Collects) -> None:
        """Take note that the caller wants no more of it."""
        self._incoming.close()
        self._keeper.stream_ended(self, collector)

    def fail(self, error: GroqError | None, collector: Collects, *, begun: bool) -> Feed:
        """Return another one to go on with, after it broke off, with an error or without one.

        Raises:
            GroqError: something was handed over, or there is no hope.
        """
        self._incoming.close()
        fault = error or cut_off("before its end", self._incoming.info, self.facts.request_id)
        return self._keeper.stream_broke(self, fault, collector, begun=begun)

    def close(self) -> None:
        """Take note that nobody ever read it."""
        self.leave(self.work.endpoint.collector())

    def drop(self, collector: Collects) -> None:
        """Take note that nobody has the stream any more. At any point; does not block."""
        self._keeper.soon(lambda: self.leave(collector))

    # --- errors ---------------------------------------------------------------------------

    def not_an_event(self, event: ServerSentEvent) -> APIError:
        """Return the error for an event that is not of the API."""
        text = without_secret(shown(event.data), self.work.request.api_key)
        return self._invalid(f"an event of the stream is not of the API: {text}")

    def not_a_stream(self) -> APIError:
        """Return the error for an answer without a single event."""
        return self._invalid("the answer is no stream of events.")

    def too_large(self, *, as_a_whole: bool) -> APIError:
        """Return the error for an event, or a stream as a whole, that is larger than may be."""
        what, most, setting = "an event of the stream", self.max_event_bytes, "max_event_bytes"
        if as_a_whole:
            what, most, setting = "the stream", self.max_response_bytes, "max_response_bytes"
        hint = f"Raise {setting} if that is to be expected."
        return self._invalid(f"{what} is larger than {most} bytes.", hint)

    def error_in(self, error: Mapping[str, Any]) -> APIError:
        """Return the error for one that the service sent as an event."""
        # Something that echoes what it was sent must not leak the key into errors.
        text = json.dumps(dict(error), ensure_ascii=False, default=str)
        told = json.loads(without_secret(text, self.work.request.api_key))
        return error_from_frame(told, self.response, self._incoming.info)

    def _invalid(self, what: str, hint: str | None = None) -> APIError:
        return invalid_answer(what, self.response, self._incoming.info, hint)


def incomplete(error: APIError, collector: Collects, usage: Usage) -> APIError:
    """Return the error for a stream that broke off, unless the one that there is says more."""
    if isinstance(error, APITimeoutError | APIStatusError) or not isinstance(
        error, APIConnectionError
    ):
        return error
    broken = IncompleteStreamError(
        f"The stream broke off after {usage.completion} tokens or so: {error.message}",
        request=error.request,
        request_id=error.request_id,
        text=collector.text,
        usage=collector.usage
        or {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
        },
        hint="What was said is in text; to have the rest, ask again.",
    )
    broken.__cause__ = error
    return broken
