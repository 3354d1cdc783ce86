"""Bodies of answers: here already, or still on their way."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._http import is_event_stream
from ._json import NOT_JSON, parsed
from ._sse import EventTooLarge, SSEDecoder
from .exceptions import ClientError, GroqError

if TYPE_CHECKING:
    from ._collector import Collects
    from ._incoming import Incoming
    from .streaming import Feed


class Body(Protocol):
    """What the bytes of an answer come from, once."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive. Blocks; raises what breaks off."""

    def close(self) -> None:
        """Let go of the connection. May be called again."""


class WholeBody:
    """A body that is here. Args: its content, and whether it counts as read."""

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


class DirectBody:
    """A body on its way, of a request that counts for no limit."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self.is_closed = False

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive."""
        try:
            while piece := self._incoming.read1():
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self.is_closed = True
        self._incoming.close()


class FedBody:
    """A body on its way, of a request that counts for limits: its end settles what it took.

    Args:
        feed: Where it comes from.
        collector: What is to be known of it at its end.
    """

    def __init__(self, feed: Feed, collector: Collects) -> None:
        self._state = _Fed(feed, collector)
        self._reader: Any = None
        self._finalizer = weakref.finalize(self, self._state.drop)
        self._finalizer.atexit = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read."""
        return self._state.has_ended if self._reader is None else bool(self._reader.closed)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive."""
        try:
            while piece := self._state.read():
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection, and settle. From any thread."""
        if self._reader is not None:
            self._reader.close()
        elif self._state.leave():
            self._finalizer.detach()

    def read_by(self, make: Callable[[Any], Any]) -> Any:
        """Have a stream read it, which is made of the feed, and return that.

        Raises:
            ClientError: some of it was read already.
        """
        if self._state.has_begun or self._state.has_ended:
            raise consumed()
        self._finalizer.detach()
        self._state.has_ended = True
        self._reader = make(self._state.feed)
        return self._reader


class _Fed:
    """All of it but the object that the caller holds."""

    def __init__(self, feed: Feed, collector: Collects) -> None:
        self.feed = feed
        self._collector = collector
        has_events = is_event_stream(feed.facts.headers)
        self._decoder = SSEDecoder(feed.max_event_bytes) if has_events else None
        self.has_begun = self.has_ended = False
        self._busy = threading.Lock()  # held by the thread that reads

    def read(self) -> bytes:
        """Return the next bytes; nothing at the end, which is settled."""
        with self._busy:
            return b"" if self.has_ended else self._read()

    def _read(self) -> bytes:
        self.has_begun = True
        try:
            piece = self.feed.read()
        except GroqError as error:
            self._fail(error)
        self._look_into(piece)
        if not piece:
            if self._decoder is not None and not self._collector.finished:
                self._fail(None)
            self.has_ended = True
            self.feed.end(self._collector)
        return piece

    def leave(self) -> bool:
        """The caller wants no more of it; return whether that is done, and not only begun."""
        if not self._busy.acquire(blocking=False):
            self.feed.cut()  # the thread that reads does the rest
            return False
        try:
            if not self.has_ended:
                self.has_ended = True
                self.feed.leave(self._collector)
        finally:
            self._busy.release()
        return True

    def drop(self) -> None:
        """Nobody has it any more."""
        if not self.has_ended:
            self.has_ended = True
            self.feed.drop(self._collector)

    def _look_into(self, piece: bytes) -> None:
        if self._decoder is None:
            return
        try:
            events = self._decoder.feed(piece) if piece else self._decoder.end()
        except EventTooLarge:
            self._decoder = None  # the caller may have use for it
            return
        for event in events:
            chunk = parsed(event.data)
            if chunk is not NOT_JSON and isinstance(chunk, dict):
                self._collector.add(chunk)

    def _fail(self, error: GroqError | None) -> NoReturn:
        self.has_ended = True
        self.feed.fail(error, self._collector, begun=True)
        raise AssertionError("who has begun is not begun anew")


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
        "The body was read already, piece by piece, and was not kept.",
        hint="Call read() first; what iterates gets its pieces from there.",
    )
