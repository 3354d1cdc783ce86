"""Small frozen records that errors and answers carry. They hold facts and no behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


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

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return {
            "status_code": self.status_code,
            "headers": dict(self.headers),
            "text": self.text,
        }


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
