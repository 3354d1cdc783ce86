"""Server-sent events from bytes, however the bytes are cut. Pure.

The rules are those of the HTML standard, but for two of them: an event is given at the end of the
stream even if its blank line is missing, and ``id`` and ``retry`` mean nothing here, because
nobody reconnects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\n", b"\r")


class ServerSentEvent(NamedTuple):
    """One event of a stream.

    Attributes:
        name: What an ``event`` line called it, or "".
        data: Its ``data`` lines, joined by line feeds.
    """

    name: str
    data: str


class EventTooLarge(ValueError):
    """An event, or one line of it, has more bytes than allowed.

    Attributes:
        events: The events of the same piece that were complete before it.
    """

    def __init__(self, message: str, events: Sequence[ServerSentEvent] = ()) -> None:
        super().__init__(message)
        self.events = tuple(events)


class SSEDecoder:
    """Turns the pieces of a stream into events, in linear time and bounded memory.

    Lines end with LF, CRLF or CR. What is not UTF-8 becomes U+FFFD. An event without a ``data``
    line is not given.

    Args:
        max_event_bytes: How large an event may be: the lines kept of it and the line that is being
            read, be it a comment, without their line ends.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_bytes = max_event_bytes
        self._opening: bytes | None = b""  # may be of a byte order mark; None: it is decided
        self._ended_with_cr = False
        self._line = bytearray()  # the beginning of a line that has not ended
        self._name = b""
        self._data: list[bytes] = []
        self._kept_bytes = 0

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that end in this piece of the stream, which may be empty.

        Raises:
            EventTooLarge: as soon as an event has too many bytes, and at every call after that.
        """
        lines, rest = self._cut(data if self._opening is None else self._opened(data))
        events: list[ServerSentEvent] = []
        for line in lines:
            if self._kept_bytes + len(line) > self._max_bytes:
                raise self._too_large(events)
            if line:
                self._take(line)
            else:
                self._end_event(events)
        if self._kept_bytes + len(self._line) + len(rest) > self._max_bytes:
            raise self._too_large(events)
        self._line += rest
        return events

    def end(self) -> list[ServerSentEvent]:
        """Return what is left when the stream is over; a line may have been cut short by that.

        Raises:
            EventTooLarge: an event had too many bytes before.
        """
        return self.feed(b"\n\n")

    def _opened(self, data: bytes) -> bytes:
        """Return the first bytes without a byte order mark; none while they may become one."""
        data = (self._opening or b"") + data
        undecided = _BYTE_ORDER_MARK.startswith(data)
        self._opening = data if undecided else None
        return b"" if undecided else data.removeprefix(_BYTE_ORDER_MARK)

    def _cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the lines that end here, the first one with its beginning, and what follows."""
        if self._ended_with_cr and data:
            data = data.removeprefix(b"\n")
            self._ended_with_cr = False
        if not data:
            return [], b""
        self._ended_with_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes: LF, CRLF and CR, and nothing else
        rest = b"" if data.endswith(_LINE_ENDS) else lines.pop()
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        return lines, rest

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ")
        else:  # a comment, or a field that means nothing here
            return
        self._kept_bytes += len(line)

    def _end_event(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data)
            events.append(
                ServerSentEvent(self._name.decode(errors="replace"), data.decode(errors="replace"))
            )
            self._data.clear()
        self._name = b""
        self._kept_bytes = 0

    def _too_large(self, events: list[ServerSentEvent]) -> EventTooLarge:
        self._line.clear()
        self._data.clear()
        self._kept_bytes = self._max_bytes + 1  # whatever follows is too much as well
        return EventTooLarge(
            f"an event of the stream has more than max_event_bytes ({self._max_bytes}) bytes",
            events,
        )
