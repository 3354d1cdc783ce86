"""What a test holds in its hands: the log of requests, and the gate."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from ._sim_multipart import Upload


@dataclass
class RequestRecord:
    """One request as the simulator saw it; it is filled in while the request is served.

    ``time_s`` is the arrival on the simulator's clock. ``status`` is None until the answer goes
    out and 0 where none does. ``charge`` is what admission cost (or would have cost), by dimension
    code; ``refused_by`` is the dimension that said no. ``fault`` is the kind of the fault that it
    met, or ``"fail_next"``. The key is not in the repr. ``payload`` is the JSON object, or the
    fields of a form, whose files are in ``files``; ``query`` has the values of each name.
    """

    time_s: float
    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    request_id: str
    key: str | None = field(default=None, repr=False)
    model: str | None = None
    payload: dict[str, Any] | None = None
    status: int | None = None
    charge: dict[str, int] = field(default_factory=dict)
    refused_by: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fault: str | None = None
    query: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)


class RequestLog:
    """The latest requests, and how many there were of each status since the last clear.

    Its methods may be called from any thread; only :meth:`wait_for` blocks.
    """

    def __init__(self, longest: int) -> None:
        """Remember the ``longest`` latest requests."""
        self._changed = threading.Condition()
        self._records: deque[RequestRecord] = deque(maxlen=longest)
        self._statuses: Counter[int] = Counter()
        self._arrived = 0

    def arrive(self, record: RequestRecord) -> None:
        """Note a request that has just been read."""
        with self._changed:
            self._records.append(record)
            self._arrived += 1
            self._changed.notify_all()

    def answer(self, record: RequestRecord, status: int) -> None:
        """Note the status that is about to be sent."""
        with self._changed:
            record.status = status
            self._statuses[status] += 1

    def records(self) -> list[RequestRecord]:
        """The remembered requests, oldest first."""
        with self._changed:
            return list(self._records)

    def count(self, status: int | None) -> int:
        """Answers with ``status``, or all requests that have arrived."""
        with self._changed:
            return self._arrived if status is None else self._statuses[status]

    def wait_for(self, number: int, timeout_s: float) -> bool:
        """Block until ``number`` requests have arrived; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._arrived >= number, timeout_s)

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._records.clear()
            self._statuses.clear()
            self._arrived = 0


class Gate:
    """Holds admitted requests back before they are answered; a context manager.

    Leaving the ``with`` block lets everything through. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        """Start open."""
        self._changed = threading.Condition()
        self._closed = False
        self._permits = 0
        self._held = 0

    def __enter__(self) -> Gate:
        """Return the gate, closed since :meth:`SimulatedGroq.hold` was called."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Open the gate."""
        self.release()

    @property
    def held(self) -> int:
        """How many requests stand at the gate."""
        with self._changed:
            return self._held

    def close(self) -> None:
        """Hold back every request that comes from now on."""
        with self._changed:
            self._closed = True
            self._permits = 0

    def release(self, number: int | None = None) -> None:
        """Let ``number`` requests through, or open the gate."""
        with self._changed:
            if number is None:
                self._closed = False
            else:
                self._permits += number
            self._changed.notify_all()

    def wait_until_held(self, number: int, timeout_s: float = 5.0) -> bool:
        """Block until ``number`` requests stand at the gate; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held >= number, timeout_s)

    def pass_through(self) -> None:
        """Block while the gate is closed and no permit is left."""
        with self._changed:
            if not self._closed:
                return
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._closed or self._permits > 0)
            self._held -= 1
            if self._closed:
                self._permits -= 1
