"""From requests to the files that a batch is made of: checked, named, split. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ._json import encode
from ._types import given
from ._validation import check_chat_payload, check_json, refuse
from .exceptions import InvalidRequestException

CHAT = "/v1/chat/completions"

# Options of single calls, and what changes more of a request than its body: no line has room
# for them.
_NOT_FIELDS = frozenset({"callback", "deadline", "fallbacks", "max_wait", "priority", "tag"})
_NOT_FIELDS |= {"extra_body", "extra_headers", "extra_query", "timeout"}
_LINE_FIELDS = frozenset({"custom_id", "method", "url", "body"})
_GENERATED = re.compile(r"request-(\d{9,})")
#: How many wrong requests are explained; of others, the positions are told.
_EXPLAINED = 10


class FileLimits(NamedTuple):
    """What one file may hold.

    Attributes:
        lines: How many requests.
        size: How many bytes.
    """

    lines: int
    size: int


#: Of the sizes that the service has published (100 and 200 MB), this is the smaller.
PUBLISHED_LIMITS = FileLimits(50_000, 100_000_000)


class InputFile(NamedTuple):
    """A file of requests.

    Attributes:
        first: The position of its first request.
        custom_ids: The names of its requests, in order.
        content: Its bytes, one line of JSON for each request.
    """

    first: int
    custom_ids: Collection[str]
    content: bytes


class NumberedIds(Collection[str]):
    """The names of requests that have none but their positions; as many as they may be."""

    def __init__(self, positions: range) -> None:
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return map(numbered, self._positions)

    def __contains__(self, name: object) -> bool:
        return any(name == own for own in self)


def numbered(position: int) -> str:
    """Return the name of a request that was given none."""
    return f"request-{position:09d}"


@dataclass(frozen=True)
class LineRules:
    """How lines are made of requests.

    Attributes:
        endpoint: Where the service sends them.
        common: Fields that all bodies have, unless they have them themselves.
        limits: What one file may hold.
    """

    endpoint: str = CHAT
    common: Mapping[str, Any] = field(default_factory=dict)
    limits: FileLimits = PUBLISHED_LIMITS


def input_files(requests: Iterable[Any], rules: LineRules) -> Iterator[InputFile]:
    """Yield the files that hold all requests, in order, each as full as it may be.

    No more than one file's worth is held at a time. Where all requests can be read twice, all of
    them are checked before the first file is yielded, else those of one file.

    Raises:
        InvalidRequestException: requests are wrong; names each of them by its position.
    """
    if isinstance(requests, Mapping | str | bytes) or not isinstance(requests, Iterable):
        refuse("requests", requests, "give a list, or another iterable, of mappings")
    if iter(requests) is not requests:
        _check_all(requests, rules)
    return _split(requests, rules)


def _check_all(requests: Iterable[Any], rules: LineRules) -> None:
    names, problems = _Names(), _Problems()
    for position, request in enumerate(requests):
        with problems.of(position):
            _line(names, position, request, rules)
    problems.raise_any()


def _split(requests: Iterable[Any], rules: LineRules) -> Iterator[InputFile]:
    names, problems, file = _Names(), _Problems(), _OpenFile(0, rules.limits)
    for position, request in enumerate(requests):
        with problems.of(position):
            custom_id, line = _line(names, position, request, rules)
            if not file.has_room_for(line):
                problems.raise_any()
                yield file.closed()
                file = _OpenFile(position, rules.limits)
            file.add(custom_id, line)
    problems.raise_any()
    if file.custom_ids:
        yield file.closed()


class _OpenFile:
    """A file that is being written."""

    def __init__(self, first: int, limits: FileLimits) -> None:
        self.first = first
        self.custom_ids: list[str] = []
        self._limits = limits
        self._content = io.BytesIO()

    def has_room_for(self, line: bytes) -> bool:
        return (
            len(self.custom_ids) < self._limits.lines
            and self._content.tell() + len(line) <= self._limits.size
        )

    def add(self, custom_id: str, line: bytes) -> None:
        self.custom_ids.append(custom_id)
        self._content.write(line)

    def closed(self) -> InputFile:
        positions = range(self.first, self.first + len(self.custom_ids))
        compact = NumberedIds(positions)
        ids = compact if all(map(str.__eq__, self.custom_ids, compact)) else self.custom_ids
        return InputFile(self.first, ids, self._content.getvalue())


# --- one line --------------------------------------------------------------------------------


def _line(names: _Names, position: int, request: Any, rules: LineRules) -> tuple[str, bytes]:
    """Return the name of a request, and its line."""
    wanted, body = _parts(request, rules.endpoint)
    custom_id = names.name(position, wanted)
    body = _body({**given(rules.common), **given(body)}, rules.endpoint)
    line = {"custom_id": custom_id, "method": "POST", "url": rules.endpoint, "body": body}
    encoded = _encoded(line, body) + b"\n"
    if len(encoded) > rules.limits.size:
        refuse(
            "body",
            f"{len(encoded)} bytes",
            f"make it shorter; a whole file has {rules.limits.size} at most",
        )
    return custom_id, encoded


def _parts(request: Any, endpoint: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the wanted name and the body of a request, which may be a line already."""
    if not isinstance(request, Mapping):
        refuse("", request, "give a mapping with model and messages, or a line of a batch file")
    if "body" not in request:
        return request.get("custom_id"), {k: v for k, v in request.items() if k != "custom_id"}
    for name in request.keys() - _LINE_FIELDS:
        refuse(str(name), request[name], "a line has custom_id, method, url and body only")
    if request.get("method", "POST") != "POST":
        refuse("method", request["method"], "give 'POST'")
    if request.get("url", endpoint) != endpoint:
        refuse("url", request["url"], f"the endpoint of this batch is {endpoint}")
    if not isinstance(request["body"], Mapping):
        refuse("body", request["body"], "give a mapping with model and messages")
    return request.get("custom_id"), request["body"]


def _body(fields: dict[str, Any], endpoint: str) -> dict[str, Any]:
    for name in sorted(fields.keys() & _NOT_FIELDS):
        refuse(name, fields[name], "it is for single calls and not for a batch; leave it out")
    if "model_name" in fields:  # as requests of map() may have it
        fields.setdefault("model", fields.pop("model_name"))
    if endpoint == CHAT:
        _check_chat(fields)
    return fields


def _check_chat(body: Mapping[str, Any]) -> None:
    check_chat_payload(body)
    if body.get("stream"):
        refuse("stream", body["stream"], "the answers of a batch are in a file; leave it out")
    if body.get("max_completion_tokens") == "auto":
        refuse("max_completion_tokens", "auto", "a batch needs a number, or nothing")


def _encoded(line: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    try:
        return encode(line)
    except (TypeError, ValueError, RecursionError):
        check_json(body)
        raise


class _Names:
    """Gives each request of a run a name that no other has.

    The generated ones say the position and nothing else, so that a run which is begun again gives
    the same names. Only the names that were given take up memory.
    """

    def __init__(self) -> None:
        self._position_of: dict[str, int] = {}
        self._given_at: set[int] = set()

    def name(self, position: int, wanted: Any) -> str:
        if wanted is None:
            return self._generated(position)
        if not isinstance(wanted, str) or not wanted.strip():
            refuse("custom_id", wanted, "give a string, or leave it out")
        earlier = self._bearer_of(wanted, position)
        if earlier is not None:
            refuse("custom_id", wanted, f"give another one; requests[{earlier}] has it already")
        self._position_of[wanted] = position
        self._given_at.add(position)
        return wanted

    def _generated(self, position: int) -> str:
        name = numbered(position)
        if name in self._position_of:
            other = f"requests[{self._position_of[name]}]"
            refuse("custom_id", name, f"give another one; it is generated here, and {other} has it")
        return name

    def _bearer_of(self, wanted: str, position: int) -> int | None:
        """Return which earlier request has a name, by gift or by its position."""
        if wanted in self._position_of:
            return self._position_of[wanted]
        generated = _GENERATED.fullmatch(wanted)
        number = int(generated[1]) if generated else position
        was_generated = number < position and number not in self._given_at
        return number if was_generated and wanted == numbered(number) else None


# --- what is wrong ---------------------------------------------------------------------------


class _Problems:
    """Collects what is wrong with requests, to tell all of it at once."""

    def __init__(self) -> None:
        self._position = 0
        self._found: list[tuple[int, InvalidRequestException]] = []

    def of(self, position: int) -> _Problems:
        self._position = position
        return self

    def __enter__(self) -> None:
        """Begin with a request."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, InvalidRequestException):
            return False
        self._found.append((self._position, error))
        return True

    def raise_any(self) -> None:
        if not self._found:
            return
        position, first = self._found[0]
        raise InvalidRequestException(
            self._summary(),
            field=f"requests[{position}].{first.field}" if first.field else f"requests[{position}]",
            value=first.value,
            hint=first.hint if len(self._found) == 1 else "Mend these requests.",
        )

    def _summary(self) -> str:
        if len(self._found) == 1:
            position, error = self._found[0]
            return f"requests[{position}]: {error.message}"
        told = [f"requests[{n}]: {error.message} {error.hint}" for n, error in self._found]
        summary = f"{len(self._found)} requests are wrong. {' '.join(told[:_EXPLAINED])}"
        rest = [position for position, _ in self._found[_EXPLAINED:]]
        return f"{summary} So are requests {_ranges(rest)}." if rest else summary


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers as words: ``3, 5-9``."""
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i + 1 == len(numbers) or numbers[i + 1] != n + 1]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{start}-{end}" if end > start else f"{start}" for start, end in pairs)
