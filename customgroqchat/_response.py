"""Answers with their HTTP around them: what ``with_raw_response`` and its like return."""

from __future__ import annotations

import codecs
import datetime
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from ._bodies import Body, WholeBody, consumed, in_chunks
from ._came_about import CameAbout
from ._faults import invalid_answer, not_understood
from ._http import HTTPRequest, HTTPResponse, charset_of
from ._objects import APIAnswer
from ._records import NO_FACTS, AnswerFacts, Headers, ResponseInfo

R = TypeVar("R")
A = TypeVar("A", bound="APIResponse[Any]")


class APIResponse(CameAbout, Generic[R]):
    """An answer: its status, headers and body, and what it says.

    One thread reads it. Nothing of it blocks, unless the body is still on its way, as with
    ``with_streaming_response`` and with streams; then reading blocks for the body.

    Args:
        response: Status, headers, and where it came from.
        body: Where its bytes come from.
        parse: Returns what it says.
        facts: How it came about.
    """

    def __init__(
        self,
        response: HTTPResponse,
        body: Body,
        parse: Callable[[APIResponse[Any]], Any],
        facts: AnswerFacts = NO_FACTS,
    ) -> None:
        self._response = response
        self._body = body
        self._parse = parse
        self._facts = facts
        self._content: bytes | None = None
        self._parsed: dict[object, Any] = {}

    @classmethod
    def whole(
        cls: type[A],
        response: HTTPResponse,
        parse: Callable[[], Any],
        facts: AnswerFacts = NO_FACTS,
        *,
        is_closed: bool = True,
    ) -> A:
        """Return one whose body is here; it may still count as unread."""
        body = WholeBody(response.content, is_closed=is_closed)
        made = cls(response, body, lambda read: (read.read(), parse())[1], facts)
        made._content = response.content if is_closed else None
        return made

    # --- what it says ---------------------------------------------------------------------

    def parse(self, *, to: Any = None) -> R:
        """Return what the method without a prefix would have returned.

        Args:
            to: A class to make of it instead: one of this package's, one with ``model_validate``
                (pydantic's), ``dict``, ``list``, ``str`` or ``bytes``.

        Raises:
            APIResponseValidationError: the body is not of the API.
        """
        if to not in self._parsed:
            result = self._parse(self) if to is None else cast_to(self, to)
            self._parsed[to] = with_fallbacks(result, self.fallbacks)
        return cast(R, self._parsed[to])

    def read(self) -> bytes:
        """Return the whole body, decompressed."""
        if self._content is None:
            self._content = self._read_all()
        self._body.close()
        return self._content

    def _read_all(self) -> bytes:
        if self._body.is_closed:
            raise consumed()
        pieces, size, most = [], 0, self._body.max_bytes
        for piece in self._body.pieces():
            pieces.append(piece)
            size += len(piece)
            if size > most:
                self._body.close()
                raise invalid_answer(
                    f"the answer is larger than {most} bytes.",
                    ResponseInfo(self.status_code, Headers(self.headers)),
                    None,
                    "Raise max_response_bytes if that is to be expected, or read it in pieces.",
                )
        return b"".join(pieces)

    def text(self) -> str:
        """Return the whole body as text."""
        return self.read().decode(charset_of(self.headers), errors="replace")

    def json(self) -> Any:
        """Return the whole body, parsed as JSON. Raises ValueError if it is none."""
        return json.loads(self.read())

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the body as it arrives, decompressed; or in chunks of so many bytes."""
        if self._content is not None:
            yield from in_chunks(iter([self._content]), chunk_size)
        elif self._body.is_closed:
            raise consumed()
        else:
            yield from in_chunks(self._body.pieces(), chunk_size)

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """Yield the body as it arrives, as text; or in pieces of about so many bytes."""
        decoder = codecs.getincrementaldecoder(charset_of(self.headers))(errors="replace")
        for piece in self.iter_bytes(chunk_size):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Yield the lines of the body as they arrive, without their ends."""
        left = ""
        for text in self.iter_text():
            *lines, left = (left + text).split("\n")
            yield from (line.removesuffix("\r") for line in lines)
        if left:
            yield left.removesuffix("\r")

    # --- HTTP -----------------------------------------------------------------------------

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self._response.status_code

    @property
    def http_request(self) -> HTTPRequest:
        """What was sent: method, url and headers, the key blotted out."""
        return self._response.request

    @property
    def http_response(self) -> HTTPResponse:
        """Status, headers and, once it was read, the body."""
        return self._response._replace(content=self._content or b"")

    @property
    def url(self) -> str:
        """The address that was asked."""
        return self.http_request.url

    @property
    def method(self) -> str:
        """``"GET"``, ``"POST"``, ..."""
        return self.http_request.method

    @property
    def http_version(self) -> str:
        """The version of HTTP, which is always the same."""
        return "HTTP/1.1"

    @property
    def elapsed(self) -> datetime.timedelta:
        """The time of the last attempt; of a body on its way, until its headers were in."""
        return self._response.elapsed

    # --- life -----------------------------------------------------------------------------

    def fell_back(self, steps: tuple[Any, ...]) -> None:
        """Take note of the models that were asked before."""
        self._facts = self._facts._replace(fallbacks=steps)

    @property
    def is_closed(self) -> bool:
        """Whether the body was read to its end, or closed."""
        return self._body.is_closed

    def close(self) -> None:
        """Let go of the connection, if there still is one. From any thread; may be called again.

        A thread that is reading the body gets RequestCancelledException.
        """
        self._body.close()

    def shut(self) -> None:
        """Close it because its client was closed: who reads on gets ClientClosedException."""
        self._body.shut()

    def __enter__(self: A) -> A:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}] {self.method} {self.url}>"


class StreamedAPIResponse(APIResponse[R]):
    """An answer whose body is read when it is asked for; leaving the ``with`` block closes it."""


class BinaryAPIResponse(APIResponse[bytes]):
    """An answer that is no JSON but sound, say, or a file; all of it is here.

    ``parse()`` returns the bytes.
    """

    @property
    def content(self) -> bytes:
        """The bytes."""
        return self.read()

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Write the bytes into a file, in place of what there may be. Blocks; raises OSError."""
        Path(file).write_bytes(self.read())

    def stream_to_file(
        self, file: str | os.PathLike[str], *, chunk_size: int | None = None
    ) -> None:
        """Write the bytes into a file as they arrive, in place of what there may be.

        Blocks for the body. Raises OSError, and what reading raises.
        """
        with Path(file).open("wb") as target:
            for piece in self.iter_bytes(chunk_size):
                target.write(piece)


class StreamedBinaryAPIResponse(BinaryAPIResponse):
    """The same, read when it is asked for; leaving the ``with`` block closes it."""


class ResponseContext(Generic[R]):
    """Sends the request when its ``with`` block is entered, and closes the answer behind it."""

    def __init__(self, send: Callable[[], R]) -> None:
        self._send = send
        self._response: Any = None

    def __enter__(self) -> R:
        self._response = self._send()
        return cast(R, self._response)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._response is not None:
            self._response.close()


def cast_to(response: APIResponse[Any], to: Any) -> Any:
    """Return a body as an object of a class.

    Raises:
        TypeError: nobody knows how to make one.
        APIResponseValidationError: the body is not JSON.
        ValueError: it is not what the class wants.
    """
    if to is str:
        return response.text()
    if to is bytes:
        return response.read()
    if to in (int, float):
        return to(response.text())
    if to is type(None):
        return None
    if to is bool:
        return response.text().strip().lower() == "true"
    make = getattr(to, "wrap", None) or getattr(to, "model_validate", None)
    if make is None and getattr(to, "__name__", "") == "Response":  # of httpx, say
        headers = {k: v for k, v in response.headers.items() if k not in _OF_THE_WIRE}
        request = sys.modules[to.__module__.partition(".")[0]].Request(
            response.method, response.url, headers=dict(response.http_request.headers)
        )
        content = response.read()
        return to(response.status_code, headers=headers, content=content, request=request)
    try:
        data = response.json()
    except ValueError as fault:
        raise not_understood(response.http_response, None) from fault
    if make is not None:
        return make(data)
    if to in (object, Any) or getattr(to, "__origin__", to) in (dict, list):
        return data
    raise TypeError(f"cannot make a {to!r} of an answer; give a class with model_validate, or dict")


def with_fallbacks(result: Any, steps: tuple[Any, ...]) -> Any:
    """Return a result that says which models could not be had before."""
    if isinstance(result, APIAnswer):
        return result.note(result._facts._replace(fallbacks=steps)) if steps else result
    fell_back = getattr(result, "fell_back", None)
    if steps and fell_back is not None:
        fell_back(steps)
    return result


# What they say of the body was true of the bytes that came over the wire.
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")
