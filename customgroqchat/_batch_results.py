"""From the files that a batch ends with to the answers of its requests. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ._faults import error_from_frame, error_from_response, invalid_answer
from ._json import parsed
from ._objects import APIAnswer
from ._records import NO_HEADERS, AnswerFacts, Headers, RequestInfo, ResponseInfo
from ._text import shown
from .exceptions import APIError, BadRequestError, GroqError, InvalidRequestException
from .types.chat.chat_completion import ChatCompletion

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

_CLASSES: dict[str, type[APIAnswer]] = {"/v1/chat/completions": ChatCompletion}

_WHY = {
    "failed": "was refused, so none of its requests was run",
    "expired": "expired before this request was done",
    "cancelled": "was cancelled before this request was done",
    "completed": "was completed, but its files have no line for this request",
}
_HINTS = {
    "failed": "Mend what the batch's errors name, and run the request again.",
    "expired": "Run the request again, perhaps with a longer completion_window.",
    "cancelled": "Run the request again.",
    "completed": "Run the request again; if that does not help, ask Groq's support.",
}


@dataclass(frozen=True)
class BatchResult:
    """What became of one request of a batch: it has a ``response`` or an ``error``.

    Attributes:
        position: Which of the requests it is, from 0.
        custom_id: The name of the request.
        response: The answer, or None.
        error: What went wrong, or None. It is the error that a single call would have raised;
            for a request that was not run it is an APIError whose ``code`` is ``"batch_failed"``,
            ``"batch_expired"``, ``"batch_cancelled"`` or, if there is no line for it,
            ``"batch_completed"``.
        request_id: The service's name for the request; quote it to support.
        batch_id: The batch that it was part of.
    """

    position: int
    custom_id: str
    response: ChatCompletion | None = None
    error: GroqError | None = None
    request_id: str | None = None
    batch_id: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.error is None

    def unwrap(self) -> ChatCompletion:
        """Return the answer, or raise the error."""
        if self.error is not None or self.response is None:
            raise self.error or APIError("There is no answer.")
        return self.response


class Outcome(NamedTuple):
    """What a line, or the lack of one, says of a request."""

    response: Any = None
    error: GroqError | None = None
    request_id: str | None = None


# --- lines -----------------------------------------------------------------------------------


class Lines:
    """The lines of a batch's files, by the names of the requests; each is parsed when taken.

    Attributes:
        faults: What is wrong with the files, in sentences.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._files: list[bytes] = []
        self._places: dict[str, tuple[int, slice]] = {}

    def add(self, content: bytes) -> None:
        """Add a file. Of two lines for one request the first counts."""
        self._files.append(content)
        unreadable = 0
        for place in line_places(content):
            line = parsed(content[place])
            custom_id = line.get("custom_id") if isinstance(line, dict) else None
            if isinstance(custom_id, str):
                self._places.setdefault(custom_id, (len(self._files) - 1, place))
            else:
                unreadable += 1
        if unreadable:
            self.faults.append(f"Lines of its files that cannot be read: {unreadable}.")

    def take(self, custom_id: str) -> dict[str, Any] | None:
        """Return and forget the line of a request; None if there is none."""
        found = self._places.pop(custom_id, None)
        if found is None:
            return None
        number, place = found
        return dict(parsed(self._files[number][place]))

    def names(self) -> list[str]:
        """Return the names of the requests whose lines were not taken, in alphabetical order."""
        return sorted(self._places)


def line_places(content: bytes) -> Iterator[slice]:
    """Yield where the lines of a file are, but for empty ones."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin)
        end = len(content) if end < 0 else end
        if content[begin:end].strip():
            yield slice(begin, end)
        begin = end + 1


def names_in(content: bytes) -> list[str]:
    """Return the names of the requests in an input file, in order; "" for one without."""
    lines = (parsed(content[place]) for place in line_places(content))
    names = (line.get("custom_id") if isinstance(line, dict) else None for line in lines)
    return [name if isinstance(name, str) else "" for name in names]


# --- outcomes --------------------------------------------------------------------------------


def joined(
    custom_ids: Collection[str], first: int, lines: Lines, batch: Mapping[str, Any]
) -> Iterator[BatchResult]:
    """Yield what became of each request of a batch, in order. The lines are used up.

    Args:
        custom_ids: The names of the requests.
        first: The position of the first one.
        lines: The lines of the batch's files.
        batch: The batch, which has ended.
    """
    batch_id = batch.get("id")
    for number, custom_id in enumerate(custom_ids):
        line = lines.take(custom_id)
        outcome = unanswered(batch, number, lines.faults) if line is None else told(line, batch)
        yield BatchResult(first + number, custom_id, *outcome, batch_id=batch_id)


def check_all_known(custom_ids: Collection[str], lines: Lines, batch_id: str) -> None:
    """Check that a batch answers no other requests than these.

    Raises:
        InvalidRequestException: it does, so it was not made of these requests.
    """
    known = set(custom_ids)
    stranger = next((name for name in lines.names() if name not in known), None)
    if stranger is not None:
        raise InvalidRequestException(
            f"The batch {batch_id} was made of other requests: {shown(stranger)} is none of these.",
            field="requests",
            value=shown(stranger),
            hint="Give the same requests, and the ids in the order in which they were told; or "
            "the ids alone, to batches.resume().",
        )


def told(line: Mapping[str, Any], batch: Mapping[str, Any]) -> Outcome:
    """Return what a line of an output or error file says of its request."""
    response, request = _mapping(line.get("response")), _request(batch)
    request_id, body = response.get("request_id") or None, response.get("body")
    status = response.get("status_code")
    if not isinstance(status, int) or not body:
        return Outcome(None, _told_error(line, response, batch), request_id)
    if status >= 300:
        error = error_from_response(_info(status, request_id, body), request, 0.0)
        return Outcome(None, error, request_id)
    if not isinstance(body, Mapping):
        answer = _info(status, request_id, body)
        fault = invalid_answer("the answer is no object", answer, request, _HINTS["completed"])
        return Outcome(None, fault, request_id)
    wrapped = _CLASSES.get(request.url, APIAnswer).wrap(body)
    return Outcome(wrapped.note(AnswerFacts(request_id=request_id)), None, request_id)


def _told_error(
    line: Mapping[str, Any], response: Mapping[str, Any], batch: Mapping[str, Any]
) -> GroqError:
    """Return the error of a line without an answer."""
    error = line.get("error") or {"message": "The line has neither an answer nor an error."}
    error = dict(error) if isinstance(error, Mapping) else {"message": str(error)}
    error.setdefault("status_code", response.get("status_code"))
    answer = _info(200, response.get("request_id"), "")
    framed = error_from_frame(error, answer, _request(batch))
    if framed.status_code == 500 != error["status_code"]:  # nobody said so: it is the default
        return _unanswered(
            batch, str(error.get("message") or "nothing is said of why"), error.get("code")
        )
    return framed


def unanswered(batch: Mapping[str, Any], number: int, faults: Iterable[str] = ()) -> Outcome:
    """Return what became of a request that no line tells of.

    Args:
        batch: The batch, which has ended.
        number: Which of the batch's requests it is, from 0.
        faults: What is wrong with its files, in sentences.
    """
    refusals = _refusals(batch)
    for refusal in refusals:
        if refusal.get("line") == number + 1:
            return Outcome(None, _refused(batch, refusal))
    status = str(batch.get("status"))
    why = f"The batch {batch.get('id')} {_WHY.get(status, f'is {status}')}."
    words = [why, *faults, *map(_words, refusals[:1])]
    return Outcome(None, _unanswered(batch, " ".join(words)))


def _unanswered(batch: Mapping[str, Any], message: str, code: Any = None) -> APIError:
    status = str(batch.get("status"))
    return APIError(
        message,
        code=str(code or f"batch_{status}"),
        request=_request(batch),
        hint=_HINTS.get(status),
    )


def _refused(batch: Mapping[str, Any], refusal: Mapping[str, Any]) -> BadRequestError:
    return BadRequestError(
        f"The batch {batch.get('id')} was refused for this request. {_words(refusal)}",
        status_code=400,
        body={"error": dict(refusal)},
        code=refusal.get("code") or "batch_failed",
        param=refusal.get("param") or None,
        request=_request(batch),
        hint="Mend the request.",
    )


def _refusals(batch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what the service says is wrong with the input file."""
    found = _mapping(batch.get("errors")).get("data")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _words(refusal: Mapping[str, Any]) -> str:
    line = f"Line {refusal['line']}: " if refusal.get("line") else ""
    return f"{line}{refusal.get('message') or refusal.get('code') or 'no reason is given.'}"


def _request(batch: Mapping[str, Any]) -> RequestInfo:
    return RequestInfo("POST", str(batch.get("endpoint")))


def _info(status: int, request_id: Any, body: Any) -> ResponseInfo:
    headers = Headers({"x-request-id": str(request_id)}) if request_id else NO_HEADERS
    return ResponseInfo(status, headers, json.dumps(body, ensure_ascii=False) if body else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    # What is not set is null, or an empty object.
    return value if isinstance(value, Mapping) else {}
