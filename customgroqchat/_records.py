"""Small frozen records that errors and answers carry. They hold facts and no behaviour."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ._text import without_secret


class Headers(Mapping[str, str]):
    """Response headers: a read-only mapping that ignores the case of names."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = {name.lower(): value for name, value in (items or {}).items()}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"

    def get_list(self, name: str) -> list[str]:
        """Return the values of a header, of which there is one or none."""
        return [self[name]] if name in self else []

    def multi_items(self) -> list[tuple[str, str]]:
        """Return names and values."""
        return list(self.items())

    def without_secret(self, secret: str | None) -> Headers:
        """Return them with a secret blotted out that something may have echoed."""
        if not any(secret in value for value in self._items.values() if secret):
            return self
        return Headers({name: without_secret(self[name], secret) for name in self})

    def __reduce__(self) -> tuple[type[Headers], tuple[dict[str, str]]]:
        return Headers, (self._items,)


NO_HEADERS = Headers()


class Undisclosed(dict[str, Any]):
    """A dict with a key among its values: not to be seen by who prints variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} values>"


@dataclass(frozen=True)
class RequestInfo:
    """Where a request went: never its headers, for they hold the key."""

    method: str
    url: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)


@dataclass(frozen=True)
class ResponseInfo:
    """Status, headers and text of an answer, detached from its connection."""

    status_code: int
    headers: Headers = field(default_factory=Headers)
    text: str = ""
    request: RequestInfo | None = field(default=None, compare=False, repr=False)

    @property
    def content(self) -> bytes:
        """The text as bytes, in UTF-8."""
        return self.text.encode(errors="replace")

    @property
    def reason_phrase(self) -> str:
        """What the status is called."""
        from http import HTTPStatus  # hardly ever needed

        known = {status.value: status.phrase for status in HTTPStatus}
        return known.get(self.status_code, "")

    @property
    def is_error(self) -> bool:
        """Whether the status is 400 or more."""
        return self.status_code >= 400

    def json(self) -> Any:
        """Return the text, parsed. Raises ValueError if it is not JSON."""
        return json.loads(self.text)

    def read(self) -> bytes:
        """Return the text as bytes."""
        return self.content

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return {
            "status_code": self.status_code,
            "headers": dict(self.headers),
            "text": self.text,
        }


class Attempt(NamedTuple):
    """How one sending of a request went.

    Attributes:
        began_s: Seconds after the request was submitted.
        took_s: Seconds it took; of a stream, until its headers were in.
        outcome: ``"ok"``, or the name of the error's class.
        status_code: The HTTP status, or None if there was no answer.
        request_id: The service's name for it, if it gave one.
        phase: How far it came: ``"connecting"``, ``"sending"``, ``"waiting"`` for the answer,
            ``"reading"`` it, or ``"done"``.
    """

    began_s: float
    took_s: float
    outcome: str
    status_code: int | None = None
    request_id: str | None = None
    phase: str = "done"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return self._asdict()


class AnswerFacts(NamedTuple):
    """How an answer came about: what is known of it beside what it says.

    Attributes:
        request_id: The service's name for the request, or None.
        headers: Those of the answer.
        waited_s: Seconds that the request waited before it was sent, all its waits together.
        history: How each attempt went, oldest first.
        fallbacks: The models that were asked before, and could not; see
            :class:`~customgroqchat.FallbackStep`.
    """

    request_id: str | None = None
    headers: Headers = NO_HEADERS
    waited_s: float = 0.0
    history: tuple[Attempt, ...] = ()
    fallbacks: tuple[Any, ...] = ()


NO_FACTS = AnswerFacts()


@dataclass(frozen=True)
class ConfigProblem:
    """One wrong value: where it stands, what was found, what is allowed."""

    source: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.source}: {self.key}: found {self.found}; allowed: {self.allowed}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)
