"""The lines of a batch: what is wrong with them, and what is answered to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._sim_audio import AudioService
from ._sim_chat import ChatService
from ._sim_controls import RequestRecord
from ._sim_wire import ApiError, to_json

CHAT_URL = "/v1/chat/completions"
AUDIO_URLS = ("/v1/audio/transcriptions", "/v1/audio/translations")
MOST_LINES = 50_000
_MOST_ERRORS = 100

Line = Mapping[str, Any]


def parse_lines(content: bytes) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests in an input file, and what is wrong with it: nothing if all is well."""
    texts = [text for text in content.splitlines() if text.strip()]
    if not texts:
        return [], [_error("empty_file", "The input file is empty.")]
    if len(texts) > MOST_LINES:
        text = f"The input file has {len(texts)} lines. The most are {MOST_LINES}."
        return [], [_error("too_many_lines", text)]
    lines = [_parsed(text) for text in texts]
    errors = list(_errors(lines))[:_MOST_ERRORS]
    return [line for line in lines if isinstance(line, dict)], errors


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _errors(lines: list[Any]) -> Iterator[dict[str, Any]]:
    seen: set[Any] = set()
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict):
            yield _error("invalid_json_line", "This line is no JSON object.", number)
            continue
        yield from _errors_of_line(line, number)
        name = line.get("custom_id")
        if isinstance(name, str) and name in seen:
            text = f"The custom_id `{name}` is used by another line."
            yield _error("duplicate_custom_id", text, number, "custom_id")
        seen.add(name if isinstance(name, str) else None)


def _errors_of_line(line: Line, number: int) -> Iterator[dict[str, Any]]:
    if not isinstance(line.get("custom_id"), str) or not line["custom_id"]:
        yield _error("missing_required_parameter", "custom_id is missing.", number, "custom_id")
    if line.get("method") != "POST":
        yield _error("invalid_method", "The method has to be POST.", number, "method")
    if line.get("url") not in (CHAT_URL, *AUDIO_URLS):
        text = f"The URL `{line.get('url')}` is not supported in batches."
        yield _error("invalid_url", text, number, "url")
    if not isinstance(line.get("body"), dict):
        yield _error("missing_required_parameter", "body is missing.", number, "body")


def _error(
    code: str, message: str, line: int | None = None, param: str | None = None
) -> dict[str, Any]:
    return {"code": code, "line": line, "message": message, "param": param}


@dataclass(frozen=True)
class Outcome:
    """What became of a line: its record in the output file or in that of errors."""

    is_good: bool
    record: dict[str, Any]

    def text(self) -> bytes:
        """The record as a line."""
        return to_json(self.record) + b"\n"


@dataclass
class LineRunner:
    """Answers lines with the services' own answers; nothing is charged, nothing waits."""

    chat: ChatService
    audio: AudioService

    def run(self, line: Line, owner: str) -> Outcome:
        """Answer one line."""
        backend = self.chat.backend
        identifier = backend.new_id("req")
        record = RequestRecord(
            backend.wall_clock(),
            "POST",
            line["url"],
            {},
            identifier,
            owner,
            line["body"].get("model"),
        )
        status, body = self._answered(line, record)
        response = {"status_code": status, "request_id": identifier, "body": body}
        return Outcome(status == 200, _record(backend.new_id("batch_req"), line, response, None))

    def _answered(self, line: Line, record: RequestRecord) -> tuple[int, dict[str, Any]]:
        body = {**line["body"], "stream": False}
        try:
            if line["url"] == CHAT_URL:
                return 200, self.chat.in_batch(body, record)
            return 200, self.audio.in_batch(line["url"], line["body"], record)
        except ApiError as error:
            return error.status, {"error": error.error}

    def expired(self, line: Line) -> Outcome:
        """What is said of a line for which there was no time."""
        error = {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }
        identifier = self.chat.backend.new_id("batch_req")
        return Outcome(False, _record(identifier, line, None, error))


def _record(
    identifier: str, line: Line, response: dict[str, Any] | None, error: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "id": identifier,
        "custom_id": line["custom_id"],
        "response": response,
        "error": error,
    }
