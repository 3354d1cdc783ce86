"""The chunks of a chat stream, put together to one answer. Pure.

Nothing here raises on strange input: what has another shape than it should have is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from ._sse import ServerSentEvent
from ._text import shown

# Where a piece of text belongs, which the names of the fields say as well. An answer has no such
# field, and the service refuses messages that have fields which it does not know.
_OF_PIECES_ONLY = "channel"

# What the first chunk says for all of them, even if others differ.
_IDENTITY = ("id", "object", "created", "model")


class Collects(Protocol):
    """What puts the events of a stream together, of whatever kind of stream."""

    usage: dict[str, Any] | None
    finished: bool

    @property
    def text(self) -> str:
        """What was said so far."""

    @property
    def spoken(self) -> str:
        """All that costs output tokens so far."""

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Add the next event: parsed JSON of any shape."""

    def completion(self) -> dict[str, Any]:
        """Return what was added so far, in the shape of an answer that was not streamed."""


class Collector:
    """Collects a stream's chunks, which must not be changed after they were added.

    One thread may add while others read. Adding takes time in proportion to what is added, and
    reading to what is read.

    Attributes:
        usage: What the stream said of its usage the last time, or None. It says it up to three
            times, each time of the whole request.
        finished: Whether a finish reason was seen.
    """

    def __init__(self) -> None:
        self.usage: dict[str, Any] | None = None
        self.finished = False
        self._fields = _Fields(first=_IDENTITY)
        self._x_groq = _Fields(first=("id",))
        self._choices: defaultdict[int, _Choice] = defaultdict(_Choice)

    @property
    def text(self) -> str:
        """The content so far, of the choice with index 0."""
        return self._choices[0].message.text("content") if 0 in self._choices else ""

    @property
    def spoken(self) -> str:
        """All that costs output tokens so far: reasoning, content, names and arguments of calls."""
        return "".join(part for choice in [*self._choices.values()] for part in choice.message)

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Add the next chunk: parsed JSON of any shape."""
        for name, value in _items(chunk):
            if name == "choices":
                self._add_choices(value)
            elif name == "x_groq":
                self._x_groq.add_all(value)
            elif name != "usage":
                self._fields.add(name, value)
        self.usage = _usage_in(chunk) or self.usage

    def _add_choices(self, pieces: Any) -> None:
        for piece in _mappings(pieces):
            choice = self._choices[_index(piece, 0)]
            choice.add(piece)
            self.finished = self.finished or choice.finished

    def completion(self) -> dict[str, Any]:
        """Return what was added so far, in the shape of an answer that was not streamed."""
        choices = [choice.whole(index) for index, choice in sorted(self._choices.items())]
        answer = self._fields.whole(**dict.fromkeys(_IDENTITY))
        answer |= {"object": "chat.completion", "choices": choices}
        if self.usage is not None:
            answer["usage"] = dict(self.usage)
        if x_groq := self._x_groq.whole():
            answer["x_groq"] = x_groq
        return answer


class _Choice:
    """One choice of the answer."""

    def __init__(self) -> None:
        self.message = _Message()
        self._fields = _Fields(first=("finish_reason",))
        self._logprobs = _Fields(joined=True)

    @property
    def finished(self) -> bool:
        return bool(self._fields.text("finish_reason"))

    def add(self, piece: Mapping[str, Any]) -> None:
        for name, value in piece.items():
            if name == "delta":
                self.message.add(value)
            elif name == "logprobs":
                self._fields.add(name, None)
                self._logprobs.add_all(value)
            elif name != "index":
                self._fields.add(name, value)

    def whole(self, index: int) -> dict[str, Any]:
        choice = {"index": index, "message": self.message.whole()}
        choice |= self._fields.whole(finish_reason=None)
        if logprobs := self._logprobs.whole():
            choice["logprobs"] = logprobs
        return choice


class _Message:
    """The message of a choice. Iterating gives the texts that the model had to generate."""

    def __init__(self) -> None:
        self._fields = _Fields(first=("role",), joined=True)
        self._calls = _ToolCalls()

    def __iter__(self) -> Iterator[str]:
        yield self.text("reasoning")
        yield self.text("content")
        yield from self._calls

    def text(self, name: str) -> str:
        return self._fields.text(name)

    def add(self, delta: Any) -> None:
        for name, value in _items(delta):
            if name == "tool_calls":
                self._calls.add(value)
            elif name != _OF_PIECES_ONLY:
                self._fields.add(name, value)

    def whole(self) -> dict[str, Any]:
        calls = self._calls.whole()
        message = self._fields.whole(role="assistant", content=None)
        message["content"] = message["content"] or (None if calls else "")
        return message | ({"tool_calls": calls} if calls else {})


class _ToolCalls:
    """The tool calls of a message. Iterating gives their names and arguments."""

    def __init__(self) -> None:
        self._calls: defaultdict[int, _ToolCall] = defaultdict(_ToolCall)
        self._index_by_id: dict[str, int] = {}
        self._last = 0
        self._next = 0

    def __iter__(self) -> Iterator[str]:
        for call in [*self._calls.values()]:
            yield from call

    def add(self, pieces: Any) -> None:
        for piece in _mappings(pieces):
            call_id = piece.get("id")
            call_id = call_id if isinstance(call_id, str) else ""
            index = _index(piece, self._place(call_id))
            self._calls[index].add(piece)
            self._index_by_id[call_id] = index
            self._last, self._next = index, max(self._next, index + 1)

    def _place(self, call_id: str) -> int:
        """Return the index of a piece that has none: of its call, a new one or the last."""
        return self._index_by_id.get(call_id, self._next) if call_id else self._last

    def whole(self) -> list[dict[str, Any]]:
        return [call.whole() for _, call in sorted(self._calls.items())]


class _ToolCall:
    """One tool call. Iterating gives its function's name and arguments."""

    def __init__(self) -> None:
        self._fields = _Fields(first=("id", "type"))
        self._function = _Fields(first=("name",), joined=True)

    def __iter__(self) -> Iterator[str]:
        yield self._function.text("name")
        yield self._function.text("arguments")

    def add(self, piece: Mapping[str, Any]) -> None:
        for name, value in piece.items():
            if name == "function":
                self._function.add_all(value)
            elif name != "index":
                self._fields.add(name, value)

    def whole(self) -> dict[str, Any]:
        function = self._function.whole(name=None, arguments="")
        return {**self._fields.whole(id=None, type="function"), "function": function}


class _Fields:
    """Fields that are told again and again, or in pieces. A null tells nothing.

    Args:
        first: The fields of which the first telling holds; of others it is the last.
        joined: Whether strings and lists of other fields are pieces, to be put together.
    """

    def __init__(self, first: Collection[str] = (), *, joined: bool = False) -> None:
        self._first = first
        self._joined = joined
        self._values: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        if value is None:
            self._values.setdefault(name, None)
        elif name in self._first:
            self._values[name] = self._values.get(name) or value
        elif self._joined and isinstance(value, str | list):
            self._grow(name, value)
        else:
            self._values[name] = value

    def _grow(self, name: str, piece: str | list[Any]) -> None:
        kind = _Text if isinstance(piece, str) else list
        whole: Any = self._values.get(name)
        if not isinstance(whole, kind):
            whole = self._values[name] = kind()
        whole += piece

    def add_all(self, fields: Any) -> None:
        for name, value in _items(fields):
            self.add(name, value)

    def text(self, name: str) -> str:
        value = self._values.get(name)
        return str(value) if isinstance(value, str | _Text) else ""

    def whole(self, **untold: Any) -> dict[str, Any]:
        """Return all fields; those given here have the given value unless they were told."""
        return untold | {
            name: _whole(value)
            for name, value in [*self._values.items()]
            if value is not None or name not in untold
        }


class _Text:
    """A string that grows, in time that does not grow with it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joined = (0, "")  # so many of the pieces, and the text that they are

    def __iadd__(self, piece: str) -> _Text:
        self._pieces.append(piece)
        return self

    def __str__(self) -> str:
        count, text = self._joined
        if pieces := self._pieces[count:]:
            text += "".join(pieces)
            self._joined = (count + len(pieces), text)
        return text


def error_of(event: ServerSentEvent, chunk: Any) -> Mapping[str, Any] | None:
    """Return the error that an event of a stream tells, or None.

    Args:
        event: The event.
        chunk: Its data, parsed; None if it is not JSON.

    Returns:
        The error as the service words it; it has a ``message`` if it is in a shape known here.
    """
    error = (
        _field(chunk, "error")
        or _field(_field(chunk, "x_groq"), "error")
        or _field(_field(chunk, "response"), "error")  # of the Responses API
    )
    if not error:
        if event.name != "error":
            return None
        error = chunk or event.data
    if isinstance(error, Mapping):
        return error
    return {"message": error if isinstance(error, str) else shown(error)}


def _usage_in(chunk: Any) -> dict[str, Any] | None:
    """Return the usage of the whole request as a chunk shows it, in one of two places."""
    usage = _field(chunk, "usage")
    if not isinstance(usage, Mapping):
        usage = _field(_field(chunk, "x_groq"), "usage")
        # Of answers that are not streamed it is known to count cached tokens and nothing else.
        if _field(usage, "completion_tokens") is None:
            return None
    return dict(usage)


def _index(piece: Mapping[str, Any], default: int) -> int:
    index = piece.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) else default


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else ()
    return [item for item in found if isinstance(item, Mapping)]


def _whole(value: Any) -> Any:
    if isinstance(value, _Text):
        return str(value)
    return list(value) if isinstance(value, list) else value
