"""The other end of a stream as a script, streams on it, and what streams leave in the books."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from helpers_stories import chunk, frame, usage

from customgroqchat import GroqClient, Stream
from customgroqchat._collector import Collector
from customgroqchat._records import AnswerFacts, Attempt, Headers, ResponseInfo
from customgroqchat._sse import ServerSentEvent
from customgroqchat.exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    BadRequestError,
    GroqError,
)
from customgroqchat.rate_limit_handler import Reservation

#: What a read does: gives bytes, raises, or is called and gives bytes.
Piece = bytes | BaseException | Callable[[], bytes]


class End(NamedTuple):
    """How the other end was told of the end of a stream, and what had been collected then."""

    way: str
    text: str


class ScriptedFeed:
    """Gives its pieces one after the other, and notes which of its ends are called.

    Args:
        *pieces: What each read does; after the last one the stream is over.
        then: What to go on with when it breaks off; without it there is no hope.
        request_id: The service's name for it.
    """

    max_event_bytes = 1_000
    max_response_bytes = 100_000
    note: Mapping[str, Any] | None = None

    def __init__(
        self, *pieces: Piece, then: ScriptedFeed | None = None, request_id: str = "req_1"
    ) -> None:
        history = (Attempt(0.5, 1.0, "ok", 200, request_id),)
        headers = Headers({"x-request-id": request_id})
        self.facts = AnswerFacts(request_id, headers, 0.5, history)
        self.response = ResponseInfo(200, headers)
        self.ends: list[End] = []
        self.reads = 0
        self.was_cut = threading.Event()
        self.was_begun: bool | None = None
        self.fault: GroqError | None = None
        self._pieces = list(pieces)
        self._then = then

    def read(self) -> bytes:
        self.reads += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, BaseException):
            raise piece
        return piece() if callable(piece) else piece

    def cut(self) -> None:
        self.was_cut.set()

    def end(self, collector: Collector) -> None:
        self._note("end", collector)

    def leave(self, collector: Collector) -> None:
        self._note("leave", collector)

    def drop(self, collector: Collector) -> None:
        self._note("drop", collector)

    def fail(self, error: GroqError | None, collector: Collector, *, begun: bool) -> ScriptedFeed:
        self._note("fail", collector)
        self.was_begun, self.fault = begun, error
        if self._then is None or begun:
            raise error or APIConnectionError("cut off")
        return self._then

    def not_an_event(self, event: ServerSentEvent) -> GroqError:
        return APIResponseValidationError(f"no event: {event.data}")

    def not_a_stream(self) -> GroqError:
        return APIResponseValidationError("no stream")

    def error_in(self, error: Mapping[str, Any]) -> GroqError:
        return BadRequestError(str(error["message"]))

    def too_large(self, *, as_a_whole: bool) -> GroqError:
        return APIResponseValidationError("too large" + " as a whole" * as_a_whole)

    def _note(self, way: str, collector: Collector) -> None:
        self.ends.append(End(way, collector.text))


def scripted(*pieces: Piece, **options: Any) -> tuple[ScriptedFeed, Stream[Any]]:
    """A chat stream, and the other end of it."""
    feed = ScriptedFeed(*pieces, **options)
    return feed, Stream.of_chat(feed)


def call_frames(arguments: str = '{"city": "Rome"}') -> list[bytes]:
    """A reasoning and two tool calls, whose pieces are mixed, without the end."""

    def piece(index: int, **fields: Any) -> bytes:
        return delta(tool_calls=[{"index": index, **fields}])

    half = len(arguments) // 2
    return [
        delta(role="assistant", reasoning="They want "),
        delta(reasoning="the weather."),
        piece(0, id="call_a", type="function", function={"name": "weather", "arguments": ""}),
        piece(1, id="call_b", type="function", function={"name": "time", "arguments": "{"}),
        piece(0, function={"arguments": arguments[:half]}),
        piece(1, function={"arguments": "}"}),
        piece(0, function={"arguments": arguments[half:]}),
    ]


def delta(**fields: Any) -> bytes:
    """A frame that adds these fields to the message."""
    whole = chunk()
    whole["choices"][0]["delta"] = fields
    return frame(whole)


def shown_usage(spoken: int, **extra: Any) -> bytes:
    """A frame without a choice that shows the usage."""
    return frame({**chunk(), "choices": [], "usage": usage(70, spoken), **extra})


class Books:
    """Notes what becomes of every reservation of a client, and what is under way.

    Attributes:
        ends: For each reservation, how it was ended: ``"settle"``, ``"release"``, ``"keep"`` or
            ``"refused"``; as often as it was.
    """

    def __init__(self, client: GroqClient, model: str = "m") -> None:
        self._limiter = client._limiter
        self._congestion = client._handler.sender._congestion
        self._service = client.config.model(model).base_url, model
        self._scope = self._limiter.scope(model)
        self.ends: dict[Reservation, list[str]] = {}
        self._listen()

    def _listen(self) -> None:
        admit = self._limiter.admit

        def noted_admit(*arguments: Any) -> Any:
            answer = admit(*arguments)
            if isinstance(answer, Reservation):
                self.ends[answer] = []
            return answer

        self._limiter.admit = noted_admit  # type: ignore[method-assign]
        for way in ("settle", "release", "keep", "refused"):
            setattr(self._limiter, way, self._noting(way, getattr(self._limiter, way)))

    def _noting(self, way: str, end: Callable[..., None]) -> Callable[..., None]:
        def noted(reservation: Reservation, *arguments: Any, **options: Any) -> None:
            self.ends[reservation].append(way)
            end(reservation, *arguments, **options)

        return noted

    @property
    def ways(self) -> list[str]:
        """How the reservations were ended, in the order in which they were made."""
        return ["+".join(ways) for ways in self.ends.values()]

    @property
    def open(self) -> int:
        """How many requests are under way: by the ledger, or by the control of congestion."""
        with self._limiter._opened(self._scope) as ledger:
            calls = len(ledger.state.calls.open)
        in_flight = int(self._congestion.status(self._service)["in_flight"])
        assert calls == in_flight, (calls, in_flight)
        return calls
