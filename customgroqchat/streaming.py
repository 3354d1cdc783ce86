"""Stream: an answer that is read while it is written."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from ._came_about import CameAbout
from ._collector import Collector, Collects, error_of
from ._json import NOT_JSON, parsed
from ._objects import APIAnswer, APIObject
from ._records import AnswerFacts, ResponseInfo
from ._sse import EventTooLarge, ServerSentEvent, SSEDecoder
from ._text_completion import to_text_chunk, to_text_completion
from .exceptions import ClientClosedException, GroqError, RequestCancelledException
from .types import CompletionUsage
from .types.chat import ChatCompletion, ChatCompletionChunk

T = TypeVar("T")
R = TypeVar("R", bound=APIAnswer)

_DONE = "[DONE]"


class Feed(Protocol):
    """The other end of a stream: where its bytes come from, and who is told how it ends.

    Of the last four, exactly one is called, once; none but the last is called by the garbage
    collector.
    """

    facts: AnswerFacts
    response: ResponseInfo
    max_event_bytes: int
    max_response_bytes: int
    note: Mapping[str, Any] | None

    def read(self) -> bytes:
        """Return what has arrived; blocks until there is something. Empty at the end."""

    def cut(self) -> None:
        """Have :meth:`read` end soon, in whatever thread it is. Does not block."""

    def end(self, collector: Collects) -> None:
        """All of it is in."""

    def leave(self, collector: Collects) -> None:
        """The caller wants no more of it."""

    def fail(self, error: GroqError | None, collector: Collects, *, begun: bool) -> Feed:
        """It broke off, with an error or without one; return another one to go on with.

        If something was handed over (``begun``), or there is no hope, it raises.
        """

    def drop(self, collector: Collects) -> None:
        """Nobody has the stream any more. May be called at any point, and does not block."""

    def not_an_event(self, event: ServerSentEvent) -> GroqError:
        """Return the error for an event that is not of the API."""

    def not_a_stream(self) -> GroqError:
        """Return the error for an answer without a single event."""

    def error_in(self, error: Mapping[str, Any]) -> GroqError:
        """Return the error for one that the service sent as an event."""

    def too_large(self, *, as_a_whole: bool) -> GroqError:
        """Return the error for an event, or a stream as a whole, that is larger than may be."""


class StreamResponse:
    """Status and headers of an open stream.

    Attributes:
        status_code: The HTTP status.
        headers: The headers; their names' case does not matter.
        text: Empty: what comes is read from the stream.
        close: Closes the stream.
    """

    text = ""

    def __init__(self, info: ResponseInfo, close: Callable[[], None]) -> None:
        self.status_code = info.status_code
        self.headers = info.headers
        self.close = close


class _Reading:
    """All of a stream but the object that the caller holds, whose end is what frees the rest."""

    def __init__(self, feed: Feed, new_collector: Callable[[], Collects]) -> None:
        self._new_collector = new_collector
        self.process = os.getpid()
        self.busy = threading.Lock()  # held by the thread that reads
        self.is_closing = False
        self.has_ended = False
        self.was_shut = False
        self.begun = False
        self.fallbacks: tuple[Any, ...] = ()
        self.start(feed)

    def start(self, feed: Feed) -> None:
        """Read from this end, from the beginning."""
        self.feed = feed
        self.decoder = SSEDecoder(feed.max_event_bytes)
        self.collector = self._new_collector()
        self.events: deque[ServerSentEvent] = deque()
        self.fault: GroqError | None = None  # behind the events
        self.at_end = self.got_events = self.is_whole = False
        self.size = 0


class Stream(CameAbout, Generic[T]):
    """The events of an answer, as they arrive: an iterator, and a context manager.

    ::

        with client.chat_completion(model, messages, stream=True) as stream:
            for chunk in stream:
                print(chunk.choices[0].delta.content or "", end="")

    One thread reads; :meth:`close` may be called from any. ``next()`` blocks until the next event
    is there: for silence up to the read timeout, and never beyond the deadline. A stream that is
    read to its end, closed or dropped gives back its connection and settles what it took; leaving
    the ``with`` block closes it.

    Raises (while it is read):
        APIStatusError: the service sent an error in place of the rest; its subclass tells the kind.
        IncompleteStreamError: the connection broke.
        APITimeoutError: the next event did not come in time, or the deadline is over.
        APIResponseValidationError: what came is no stream of the API.

    If nothing was handed over until then, and the fault is one that is retried, the request is
    sent again, and nobody notices.
    """

    def __init__(
        self,
        feed: Feed,
        wrap: Callable[[Mapping[str, Any]], T],
        whole: Callable[[Mapping[str, Any]], APIAnswer],
        new_collector: Callable[[], Collects] = Collector,
        usage: type[APIObject] = CompletionUsage,
    ) -> None:
        self._usage = usage
        self._wrap = wrap
        self._whole = whole
        self._reading = _Reading(feed, new_collector)
        self._finalizer = weakref.finalize(self, _drop, self._reading)
        self._finalizer.atexit = False

    @classmethod
    def of_chat(cls, feed: Feed) -> Stream[ChatCompletionChunk]:
        """Return the stream of a chat answer."""
        return Stream(feed, ChatCompletionChunk.wrap, ChatCompletion.wrap)

    @classmethod
    def of_text(cls, feed: Feed) -> Stream[Any]:
        """Return the stream of a text completion."""
        return Stream(feed, to_text_chunk, to_text_completion)

    # --- reading --------------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        reading = self._reading
        if os.getpid() != reading.process:  # where the lock may be held by nobody that exists
            raise ClientClosedException("The stream belongs to the process that opened it.")
        with reading.busy:
            try:
                chunk = self._next_chunk()
            except BaseException as error:
                self._leave()
                if not (reading.is_closing and isinstance(error, GroqError)):
                    raise
                chunk = None  # another thread has closed it: that is the end, and no fault
        if reading.is_closing:
            self._close_if_free()
        if chunk is None:
            if reading.was_shut:
                raise ClientClosedException("The client was closed before the end of the stream.")
            raise StopIteration
        reading.begun = True
        return chunk

    @overload
    def get_final_completion(self: Stream[ChatCompletionChunk]) -> ChatCompletion: ...

    @overload
    def get_final_completion(self: Stream[R]) -> R: ...

    @overload
    def get_final_completion(self) -> APIAnswer: ...

    def get_final_completion(self) -> Any:
        """Read the rest, and return the whole answer, as if it had not been streamed.

        Blocks to the end of the stream; raises what reading it raises. What was read before is in
        it as well.

        Raises:
            RequestCancelledException: the stream was closed before its end.
        """
        for _ in self:
            pass
        if not self._reading.is_whole:
            raise RequestCancelledException(
                "The stream was closed before its end.", hint="What was read of it is in text."
            )
        feed = self._reading.feed
        answer = self._whole(self._reading.collector.completion()).note(self._facts)
        if feed.note is not None:
            answer["x_customgroqchat"] = feed.note
        return answer

    def close(self) -> None:
        """Read no more of it; a thread that does gets one event more at most.

        May be called again.
        """
        reading = self._reading
        reading.is_closing = True
        if reading.busy.locked():
            reading.feed.cut()
        self._close_if_free()

    def shut(self) -> None:
        """Close it because its client was closed: who reads on gets ClientClosedException."""
        self._reading.was_shut = not self.closed
        self.close()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- what is known of it --------------------------------------------------------------

    @property
    def text(self) -> str:
        """What was said so far, in the events that were read."""
        return self._reading.collector.text

    @property
    def usage(self) -> CompletionUsage | None:
        """What the request used: the last that was told of it, which is None until shortly
        before the end."""
        usage = self._reading.collector.usage
        # Of a stream of the Responses API it is of another class, with names of its own.
        return None if usage is None else cast(CompletionUsage, self._usage.wrap(usage))

    @property
    def closed(self) -> bool:
        """Whether nothing more comes: it was read to its end, failed, or was closed."""
        return self._reading.has_ended or self._reading.is_closing

    @property
    def response(self) -> StreamResponse:
        """Status and headers, and another way to close it."""
        return StreamResponse(self._reading.feed.response, self.close)

    @property
    def _facts(self) -> AnswerFacts:  # type: ignore[override]
        reading = self._reading
        return reading.feed.facts._replace(fallbacks=reading.fallbacks)

    def fell_back(self, steps: tuple[Any, ...]) -> None:
        """Take note of the models that were asked before."""
        self._reading.fallbacks = steps

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"Stream({state}, request_id={self.request_id!r})"

    # --- inside, by the thread that reads --------------------------------------------------

    def _next_chunk(self) -> T | None:
        """Return the next chunk, or None at the end."""
        reading = self._reading
        while not (reading.has_ended or reading.is_closing):
            try:
                found = self._found()
                if isinstance(found, GroqError):
                    raise found
                if found is not None:
                    return found
            except GroqError as error:
                if reading.is_closing:
                    return None
                if reading.has_ended:  # and this is how: there was no other try
                    raise
                self._begin_anew(error)
        return None

    def _found(self) -> T | GroqError | None:
        """Return the next chunk; or an error that is told in its place; None if there is none yet.

        An error is returned, so that no frame is left that holds what came: it may echo the key.
        """
        event = self._next_event()
        return None if event is None else self._understood(event)

    def _next_event(self) -> ServerSentEvent | None:
        """Return the next event; None if there is none yet, or never will be."""
        reading = self._reading
        if reading.events:
            return reading.events.popleft()
        if reading.fault is not None:
            raise reading.fault
        if not reading.at_end:
            self._read_more()
        elif reading.collector.finished:
            self._end()  # the last word was said, if not the very last
        elif reading.size and not reading.got_events:
            raise reading.feed.not_a_stream()  # but a page of some proxy's, say
        else:
            self._begin_anew(None)
        return None

    def _read_more(self) -> None:
        reading = self._reading
        piece = reading.feed.read()
        reading.at_end = not piece
        reading.size += len(piece)
        try:
            reading.events.extend(reading.decoder.feed(piece) if piece else reading.decoder.end())
        except EventTooLarge as fault:
            reading.events.extend(fault.events)
            reading.fault = reading.feed.too_large(as_a_whole=False)
        if reading.size > reading.feed.max_response_bytes:
            reading.fault = reading.feed.too_large(as_a_whole=True)
        reading.got_events |= bool(reading.events)

    def _understood(self, event: ServerSentEvent) -> T | GroqError | None:
        """Return the chunk in an event; None if there is none; or the error that it tells."""
        reading = self._reading
        if event.data.startswith(_DONE):
            self._end()
            return None
        if not event.data.strip():  # something on the way keeps the connection alive
            return None
        chunk = parsed(event.data)
        error = error_of(event, None if chunk is NOT_JSON else chunk)
        if error is not None:
            return reading.feed.error_in(error)
        if not isinstance(chunk, dict):
            # Cut off in the middle; or an event of a kind that nobody here has heard of.
            if chunk is NOT_JSON and (reading.at_end or event.name):
                return None
            return reading.feed.not_an_event(event)
        reading.collector.add(chunk)
        try:
            return self._wrap(chunk)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return reading.feed.not_an_event(event)

    def _begin_anew(self, error: GroqError | None) -> None:
        """Go on with another try; raises if there is none."""
        reading = self._reading
        self._finalizer.detach()  # what happens to it from here on is in good hands
        reading.has_ended = True
        feed = reading.feed.fail(error, reading.collector, begun=reading.begun)
        reading.start(feed)
        reading.has_ended = False
        self._finalizer = weakref.finalize(self, _drop, reading)
        self._finalizer.atexit = False

    # --- the end, once ------------------------------------------------------------------------

    def _end(self) -> None:
        self._over()
        self._reading.is_whole = True
        self._reading.feed.end(self._reading.collector)

    def _over(self) -> None:
        self._finalizer.detach()
        self._reading.has_ended = True

    def _leave(self) -> None:
        if not self._reading.has_ended:
            self._over()
            self._reading.feed.leave(self._reading.collector)

    def _close_if_free(self) -> None:
        """Let go of everything, or leave that to the thread that reads and will look."""
        reading = self._reading
        if not reading.busy.acquire(blocking=False):
            return
        try:
            if not reading.has_ended:
                self._take_in_what_is_there()
            self._leave()
        finally:
            reading.busy.release()

    def _take_in_what_is_there(self) -> None:
        """Look through events that have arrived: the usage may be among them, or the end."""
        reading = self._reading
        while reading.events and not reading.has_ended:
            if isinstance(self._understood(reading.events.popleft()), GroqError):
                return  # nobody wants to know any more


def _drop(reading: _Reading) -> None:
    reading.feed.drop(reading.collector)
