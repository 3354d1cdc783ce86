"""What was sent over HTTP and what came back, detached from the connection."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from ._records import NO_HEADERS, Headers
from ._types import given, is_given

API_PREFIX = "/openai/v1"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
ANY_BYTES = "application/octet-stream"


class HTTPRequest(NamedTuple):
    """What was sent, without its body.

    Attributes:
        method: ``"GET"``, ``"POST"``, ...
        url: The whole address, with the query.
        headers: The headers; the key in them is blotted out.
    """

    method: str
    url: str
    headers: Mapping[str, str] = NO_HEADERS


class HTTPResponse(NamedTuple):
    """What came back, with a status below 300.

    Attributes:
        status_code: The HTTP status.
        headers: The headers; their names' case does not matter.
        data: The parsed JSON body; None if it is not JSON.
        content: The body as it came, decompressed; empty while it is still on its way.
        request: What was sent.
        elapsed_s: Seconds from sending to the end of the answer.
    """

    status_code: int
    headers: Mapping[str, str]
    data: Any = None
    content: bytes = b""
    request: HTTPRequest = HTTPRequest("", "")
    elapsed_s: float = 0.0

    @property
    def request_id(self) -> str | None:
        """The service's name for the request."""
        return self.headers.get("x-request-id")

    @property
    def url(self) -> str:
        """The address that was asked."""
        return self.request.url

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(charset_of(self.headers), errors="replace")

    @property
    def elapsed(self) -> datetime.timedelta:
        """The time from sending to the end of the answer."""
        return datetime.timedelta(seconds=self.elapsed_s)

    def json(self) -> Any:
        """Return the body, parsed anew. Raises ValueError if it is not JSON."""
        return json.loads(self.content)


def charset_of(headers: Mapping[str, str]) -> str:
    """Return the encoding that the headers tell, where Python knows it; else UTF-8."""
    _, _, found = headers.get("content-type", "").lower().partition("charset=")
    name = found.split(";")[0].strip(" \"'")
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that the body is JSON."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.endswith("json")


def is_event_stream(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that the body is a stream of events."""
    return headers.get("content-type", "").lower().startswith("text/event-stream")


def sent_headers(headers: Mapping[str, str], secret: str | None) -> Headers:
    """Return headers as they were sent, with the key blotted out."""
    return Headers(dict(headers)).without_secret(secret)


def layered(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return headers of all layers; the later win, whatever the case of their names."""
    found: dict[str, tuple[str, Any]] = {}
    for layer in layers:
        found |= {name.lower(): (name, value) for name, value in (layer or {}).items()}
    return dict(found.values())


def merged(*layers: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the headers to send of all layers: those whose value is :data:`omit` are left out."""
    return given(layered(*layers))


class Repeated(list[str]):
    """Values of a field of a query that is repeated for each of them."""


def query_string(fields: Mapping[str, object]) -> str:
    """Return a query, encoded; lists are joined with commas, unless they are :class:`Repeated`."""
    pairs = [pair for name, value in fields.items() for pair in _pairs(name, value)]
    return urlencode(pairs, safe=",")


def path_of(*segments: str) -> str:
    """Return a path of which no segment can be taken for two."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def _pairs(name: str, value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, Repeated):
        return [(name, item) for item in value]
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _pairs(f"{name}[{key}]", item)]
    if _is_list(value):
        words = [_word(item) for item in value]  # type: ignore[attr-defined]
        value = ",".join(filter(None, words))
    word = _word(value) if is_given(value) else ""
    return [(name, word)] if word else []  # what is nothing is left out


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
