"""``accumulate``: the whole answer of a stream, whoever's stream it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._collector import Collector, error_of
from ._sse import ServerSentEvent
from ._text import shown
from .exceptions import APIError
from .streaming import Stream
from .types.chat.chat_completion import ChatCompletion


def accumulate(chunks: Iterable[Any]) -> ChatCompletion:
    """Return the whole answer of a chat stream, as if it had not been streamed.

    Blocks until the last chunk is there.

    Args:
        chunks: A :class:`Stream`, of which what was read before is in the answer as well, and so
            is how it came about; or chunks, as dicts or as objects with ``model_dump``, such as
            those of the official SDK.

    Raises:
        APIError: a chunk is an error of the service.
        TypeError: something among the chunks is none.
        GroqError: whatever reading a :class:`Stream` raises.
    """
    if isinstance(chunks, Stream):
        whole: ChatCompletion = chunks.get_final_completion()
        return whole
    collector = Collector()
    for chunk in chunks:
        fields = _fields(chunk)
        _raise_if_error(fields)
        collector.add(fields)
    return ChatCompletion.wrap(collector.completion())


def _fields(chunk: Any) -> Mapping[str, Any]:
    if isinstance(chunk, Mapping):
        return chunk
    dump = getattr(chunk, "model_dump", None)
    fields = dump(exclude_unset=True) if callable(dump) else None  # unset ones would become nulls
    if not isinstance(fields, Mapping):
        raise TypeError(f"{shown(chunk)} is no chunk of a stream")
    return fields


def _raise_if_error(chunk: Mapping[str, Any]) -> None:
    error = error_of(ServerSentEvent("", ""), chunk)
    if error is not None:
        facts = {name: error.get(name) for name in ("code", "type", "param")}
        raise APIError(str(error.get("message") or "The stream failed."), body=error, **facts)
