"""Bodies of answers: here already, or still on their way."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._http import is_event_stream
from ._json import NOT_JSON, parsed
from ._sse import EventTooLarge, SSEDecoder
from .exceptions import ClientClosedException, ClientError, GroqError, RequestCancelledException

if TYPE_CHECKING:
    from ._collector import Collects
    from ._incoming import Incoming
    from .streaming import Feed


class Body(Protocol):
    """What the bytes of an answer come from, once.

    Attributes:
        max_bytes: How many of them may be kept at once.
    """

    max_bytes: float

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive. Blocks; raises what breaks off."""

    def close(self) -> None:
        """Let go of the connection. From any thread; may be called again."""

    def shut(self) -> None:
        """Close it because its client was closed: who reads on gets ClientClosedException."""


class WholeBody:
    """A body that is here. Args: its content, and whether it counts as read."""

    max_bytes = math.inf

    def __init__(self, content: bytes, *, is_closed: bool) -> None:
        self._content = content
        self.is_closed = is_closed

    def pieces(self) -> Iterator[bytes]:
        """Yield it."""
        self.close()
        yield self._content

    def close(self) -> None:
        """Count as read."""
        self.is_closed = True

    def shut(self) -> None:
        """Do nothing: it is here."""


class _Source:
    """Where the bytes come from: read by one thread at a time, left by any.

    Attributes:
        has_begun: Whether some of it was asked for.
        has_ended: Whether all of it was read, or it broke off or was left.
    """

    def __init__(self) -> None:
        self.has_begun = self.has_ended = False
        self._left_by: str | None = None
        self._process = os.getpid()
        self._busy = threading.Lock()  # held by the thread that reads

    def read(self) -> bytes:
        """Return the next bytes; nothing at the end."""
        if os.getpid() != self._process:  # where the lock may be held by nobody that exists
            raise ClientClosedException("The answer belongs to the process that asked for it.")
        with self._busy:
            if self._left_by is not None:
                raise self._error_of_leaving()
            if self.has_ended:
                return b""
            self.has_begun = True
            try:
                return self._read()
            except GroqError:
                self.has_ended = True
                if self._left_by is None:
                    raise
            raise self._error_of_leaving()

    def leave(self, why: str) -> bool:
        """Want no more of it; return whether that is done, and not only begun."""
        if self.has_ended or os.getpid() != self._process:
            return True
        self._left_by = self._left_by or why
        if not self._busy.acquire(blocking=False):
            self._cut()  # the thread that reads does the rest
            return False
        try:
            if not self.has_ended:
                self.has_ended = True
                self._let_go()
        finally:
            self._busy.release()
        return True

    def _error_of_leaving(self) -> GroqError:
        if self._left_by == "shut":
            return ClientClosedException("The client was closed before the end of the answer.")
        return RequestCancelledException("The answer was closed before its end.")

    def _read(self) -> bytes:
        raise NotImplementedError

    def _cut(self) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        raise NotImplementedError


class _OpenBody:
    """A body on its way. Args: where it comes from, and how much of it may be kept at once."""

    def __init__(self, source: _Source, max_bytes: float) -> None:
        self._source = source
        self.max_bytes = max_bytes

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read."""
        return self._source.has_ended

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive."""
        try:
            while piece := self._source.read():
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._source.leave("closed")

    def shut(self) -> None:
        """Close it because its client was closed."""
        self._source.leave("shut")


# --- of requests that count for no limit ---------------------------------------------------------


class DirectBody(_OpenBody):
    """A body on its way, of a request that counts for no limit."""

    def __init__(self, incoming: Incoming, max_bytes: float) -> None:
        super().__init__(_Direct(incoming), max_bytes)


class _Direct(_Source):
    def __init__(self, incoming: Incoming) -> None:
        super().__init__()
        self._incoming = incoming

    def _read(self) -> bytes:
        try:
            piece = self._incoming.read1()
        except GroqError:
            self._incoming.close()
            raise
        if not piece:
            self.has_ended = True
            self._incoming.close()
        return piece

    def _cut(self) -> None:
        self._incoming.cut()

    def _let_go(self) -> None:
        self._incoming.close()


# --- of requests that count for limits -----------------------------------------------------------


class FedBody(_OpenBody):
    """A body on its way, of a request that counts for limits: its end settles what it took.

    Args:
        feed: Where it comes from.
        collector: What is to be known of it at its end.
    """

    def __init__(self, feed: Feed, collector: Collects) -> None:
        self._fed = _Fed(feed, collector)
        super().__init__(self._fed, feed.max_response_bytes)
        self._reader: Any = None
        self._finalizer = weakref.finalize(self, self._fed.drop)
        self._finalizer.atexit = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read."""
        return super().is_closed if self._reader is None else bool(self._reader.closed)

    def close(self) -> None:
        """Let go of the connection, and settle."""
        self._leave("close")

    def shut(self) -> None:
        """Close it because its client was closed."""
        self._leave("shut")

    def _leave(self, how: str) -> None:
        if self._reader is not None:
            getattr(self._reader, how)()
        elif self._source.leave(how):
            self._finalizer.detach()

    def read_by(self, make: Callable[[Any], Any]) -> Any:
        """Have a stream read it, which is made of the feed, and return that.

        Raises:
            ClientError: some of it was read already.
        """
        if self._source.has_begun or self._source.has_ended:
            raise consumed()
        self._finalizer.detach()
        self._source.has_ended = True
        self._reader = make(self._fed.feed)
        return self._reader


class _Fed(_Source):
    def __init__(self, feed: Feed, collector: Collects) -> None:
        super().__init__()
        self.feed = feed
        self._collector = collector
        has_events = is_event_stream(feed.facts.headers)
        self._decoder = SSEDecoder(feed.max_event_bytes) if has_events else None
        self._has_events = has_events
        self._size = 0

    def drop(self) -> None:
        """Nobody has it any more. May be called by the garbage collector."""
        if not self.has_ended and os.getpid() == self._process:
            self.has_ended = True
            self.feed.drop(self._collector)

    def _read(self) -> bytes:
        try:
            piece = self.feed.read()
        except GroqError as error:
            self._fail(error)
        self._look_into(piece)
        if not piece:
            if self._has_events and not self._collector.finished:
                self._fail(None)
            self.has_ended = True
            self.feed.end(self._collector)
        return piece

    def _look_into(self, piece: bytes) -> None:
        if self._decoder is None:
            return
        self._size += len(piece)
        if self._size > self.feed.max_response_bytes:  # for what it says is collected
            self._fail(self.feed.too_large(as_a_whole=True))
        try:
            events = self._decoder.feed(piece) if piece else self._decoder.end()
        except EventTooLarge:
            self._fail(self.feed.too_large(as_a_whole=False))
        for event in events:
            chunk = parsed(event.data)
            if chunk is not NOT_JSON and isinstance(chunk, dict):
                self._collector.add(chunk)

    def _fail(self, error: GroqError | None) -> NoReturn:
        self.has_ended = True
        self.feed.fail(error, self._collector, begun=True)
        raise AssertionError("who has begun is not begun anew")

    def _cut(self) -> None:
        self.feed.cut()

    def _let_go(self) -> None:
        self.feed.leave(self._collector)


# --- small things --------------------------------------------------------------------------------


def in_chunks(pieces: Iterator[bytes], size: int | None) -> Iterator[bytes]:
    """Yield the same bytes in chunks of a size, of which the last may be shorter."""
    if size is None:
        yield from (piece for piece in pieces if piece)
        return
    left = bytearray()
    for piece in pieces:
        left += piece
        while len(left) >= size:
            yield bytes(left[:size])
            del left[:size]
    if left:
        yield bytes(left)


def consumed() -> ClientError:
    """Return the error for a body that is asked for after it was passed on."""
    return ClientError(
        "The body was read already, piece by piece, and was not kept; or it was closed.",
        hint="Call read() first; what iterates gets its pieces from there.",
    )
