"""Serving batches: they are validated, run and finished while somebody asks after them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ._sim_backend import Backend
from ._sim_batch_lines import AUDIO_URLS, CHAT_URL, Line, LineRunner, Outcome, parse_lines
from ._sim_files import FileStore
from ._sim_http import Reply
from ._sim_routes import Call, Handler
from ._sim_validation import invalid
from ._sim_wire import ApiError, to_json

BatchEnd = Literal["completed", "failed", "expired"]

_ENDED = ("completed", "failed", "expired", "cancelled")
_MOMENTS = (
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "cancelling_at",
    "cancelled_at",
    "expired_at",
)
_HOUR_S = 3_600
_MOST_IDS = 200
_PAGE = 20


@dataclass
class Batch:
    """One batch, and how far it is."""

    identifier: str
    owner: str
    input_file_id: str
    endpoint: str
    window: str
    metadata: dict[str, Any] | None
    created_at: int
    expires_at: int
    status: str = "validating"
    moments: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None

    def json(self) -> dict[str, Any]:
        """The object that describes it."""
        good = sum(outcome.is_good for outcome in self.outcomes)
        counts = {"completed": good, "failed": len(self.outcomes) - good, "total": len(self.lines)}
        return {
            "id": self.identifier,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": self.window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            **{name: self.moments.get(name) for name in _MOMENTS},
            "request_counts": counts,
            "metadata": self.metadata,
            "project_id": "project_sim",
        }


@dataclass
class BatchesService:
    """What answers requests under ``/batches``.

    Each retrieval moves a batch on by ``steps`` of validating, in progress, finalizing and its
    ``end``. Half of the lines are run as it comes into progress, the others when it leaves that.
    """

    backend: Backend
    files: FileStore
    runner: LineRunner
    steps: int = 1
    end: BatchEnd = "completed"
    _batches: dict[str, Batch] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {
            "POST /batches": self.create,
            "GET /batches": self.list,
            "GET /batches/{id}": self.retrieve,
            "POST /batches/{id}/cancel": self.cancel,
        }

    def set(self, steps: int | None = None, end: BatchEnd | None = None) -> None:
        """Change the pace and the end, of those under way as well; raises ValueError."""
        if (steps is not None and steps < 0) or end not in (None, *get_args(BatchEnd)):
            raise ValueError(f"no steps or end of a batch: {steps!r}, {end!r}")
        with self._lock:
            self.steps = self.steps if steps is None else steps
            self.end = end or self.end

    def clear(self) -> None:
        """Forget all batches."""
        with self._lock:
            self._batches.clear()

    # ---------------------------------------------------------------- requests

    def create(self, call: Call) -> Reply:
        """Take a batch in; raises ApiError."""
        payload, now = call.payload(), int(self.backend.wall_clock())
        if payload.get("endpoint") not in (CHAT_URL, *AUDIO_URLS):
            raise invalid(f"endpoint must be one of [{CHAT_URL}]", param="endpoint")
        window = str(payload.get("completion_window"))
        expires_at = now + _window_s(window)
        if not isinstance(payload.get("metadata"), dict | None):
            raise invalid("'metadata' : value must be an object", param="metadata")
        file = self.files.find(call.key, str(payload.get("input_file_id")))
        batch = Batch(
            self.backend.new_id("batch"),
            call.key,
            file.identifier,
            payload["endpoint"],
            window,
            payload.get("metadata"),
            now,
            expires_at,
        )
        with self._lock:
            self._batches[batch.identifier] = batch
        return _shown(batch)

    def list(self, call: Call) -> Reply:
        """A page of the account's batches, newest first, or those that are named."""
        with self._lock:
            own = [batch for batch in self._batches.values() if batch.owner == call.key]
        own.reverse()
        names = call.query.get("id", [])
        if len(names) > _MOST_IDS:
            raise invalid(f"at most {_MOST_IDS} ids", param="id")
        if names:
            return _page([batch for batch in own if batch.identifier in names], None)
        start, limit = _start(call, own), _limit(call)
        page = own[start : start + limit]
        more = start + limit < len(own)
        return _page(page, page[-1].identifier if more else None)

    def retrieve(self, call: Call) -> Reply:
        """One batch, which moves on before it is shown; raises ApiError."""
        with self._lock:
            batch = self._find(call)
            for _ in range(self.steps):
                self._step(batch)
            return _shown(batch)

    def cancel(self, call: Call) -> Reply:
        """Begin to stop a batch; what is done is kept. Raises ApiError."""
        with self._lock:
            batch = self._find(call)
            if batch.status in ("completed", "failed", "expired"):
                raise invalid(f"Cannot cancel a batch with status '{batch.status}'.")
            if batch.status not in ("cancelling", "cancelled"):
                self._move(batch, "cancelling")
            return _shown(batch)

    def _find(self, call: Call) -> Batch:
        batch = self._batches.get(call.identifier)
        if batch is None or batch.owner != call.key:
            text = f"No batch found with id '{call.identifier}'."
            raise ApiError(404, text, code="not_found", param="id")
        return batch

    # ------------------------------------------------------------ how it goes on

    def _step(self, batch: Batch) -> None:
        steps: dict[str, Callable[[Batch], None]] = {
            "validating": self._begin,
            "in_progress": self._run_rest,
            "finalizing": lambda batch: self._finish(batch, "completed"),
            "cancelling": lambda batch: self._finish(batch, "cancelled"),
        }
        if batch.status in _ENDED:
            return
        if self.backend.wall_clock() >= batch.expires_at:
            self._expire(batch)
        else:
            steps[batch.status](batch)

    def _begin(self, batch: Batch) -> None:
        try:
            content = self.files.find(batch.owner, batch.input_file_id).content
        except ApiError as error:
            batch.errors = [
                {"code": "file_not_found", "line": None, "message": str(error), "param": None}
            ]
        else:
            batch.lines, batch.errors = parse_lines(content)
        if batch.errors or self.end == "failed":
            batch.lines = []
            self._move(batch, "failed")
            return
        self._move(batch, "in_progress")
        self._run(batch, batch.lines[: len(batch.lines) // 2])

    def _run_rest(self, batch: Batch) -> None:
        if self.end == "expired":
            self._expire(batch)
            return
        self._run(batch, batch.lines[len(batch.outcomes) :])
        self._move(batch, "finalizing")

    def _run(self, batch: Batch, lines: Iterable[Line]) -> None:
        batch.outcomes += [self.runner.run(line, batch.owner) for line in lines]

    def _expire(self, batch: Batch) -> None:
        late = batch.lines[len(batch.outcomes) :]
        batch.outcomes += [self.runner.expired(line) for line in late]
        self._finish(batch, "expired")

    def _finish(self, batch: Batch, status: str) -> None:
        # The service promises no order, and nobody is to get used to that of the input.
        outcomes = batch.outcomes[::-1]
        batch.output_file_id = self._write(batch, "output", [o for o in outcomes if o.is_good])
        batch.error_file_id = self._write(batch, "error", [o for o in outcomes if not o.is_good])
        self._move(batch, status)

    def _write(self, batch: Batch, kind: str, outcomes: Iterable[Outcome]) -> str | None:
        content = b"".join(outcome.text() for outcome in outcomes)
        if not content:
            return None
        name = f"{batch.identifier}_{kind}.jsonl"
        return self.files.add(batch.owner, name, "batch_output", content).identifier

    def _move(self, batch: Batch, status: str) -> None:
        batch.status = status
        batch.moments[f"{status}_at"] = int(self.backend.wall_clock())


def _shown(batch: Batch) -> Reply:
    return Reply(200, body=to_json(batch.json()))


def _page(batches: list[Batch], cursor: str | None) -> Reply:
    data = [batch.json() for batch in batches]
    return Reply(
        200, body=to_json({"object": "list", "data": data, "paging": {"next_cursor": cursor}})
    )


def _start(call: Call, batches: list[Batch]) -> int:
    """Where the page begins; a cursor is the id of the last batch of the page before."""
    cursor = call.query.get("cursor", [""])[0]
    if not cursor:
        return 0
    names = [batch.identifier for batch in batches]
    if cursor not in names:
        raise invalid("invalid cursor", param="cursor")
    return names.index(cursor) + 1


def _limit(call: Call) -> int:
    text = call.query.get("limit", [str(_PAGE)])[0]
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise invalid("limit must be between 1 and 100", param="limit")
    return int(text)


def _window_s(text: str) -> int:
    found = re.fullmatch(r"(\d+)(h|d)", text)
    hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
    if not 24 <= hours <= 7 * 24:
        raise invalid("completion_window must be between 24h and 7d", param="completion_window")
    return hours * _HOUR_S
