"""Serving a chat request: admission, the answer or its stream, settlement."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._sim_answers import DONE_FRAME, Answer
from ._sim_buckets import Admission, Ledger, Snapshot
from ._sim_controls import Gate, RequestRecord
from ._sim_faults import FaultQueue, Interruption
from ._sim_http import Reply
from ._sim_models import SimulatedModel
from ._sim_validation import check_chat_payload, output_cap
from ._sim_wire import rate_limit_headers, refusal_error, to_json

Payload = Mapping[str, Any]
Latency = float | tuple[float, float] | Callable[[Payload], float]

# Speed for the times in ``usage`` when no speed was asked for.
_NOMINAL_TOKENS_PER_SECOND = 500.0
# Frames of an unpaced stream travel together, as they do when the network is slower than Groq.
_FRAMES_PER_CHUNK = 16
_LARGEST_SEED = 2**31 - 1


@dataclass
class ChatService:
    """What answers chat requests; the settings are those of ``SimulatedGroq``."""

    models: Mapping[str, SimulatedModel]
    ledger: Ledger
    gate: Gate
    faults: FaultQueue
    stopping: threading.Event
    rng: random.Random
    wall_clock: Callable[[], float]
    count_tokens: Callable[[Payload], int]
    completion_tokens: int | Callable[[Payload], int]
    reasoning_tokens: int
    cached_tokens: int | Callable[[Payload], int]
    latency_s: Latency
    tokens_per_second: float | None
    headers_at: Literal["admission", "end"]

    def serve(self, payload: dict[str, Any], record: RequestRecord) -> Reply:
        """Answer ``payload``; blocks for the latency and the gate, raises ApiError."""
        model, record.prompt_tokens = check_chat_payload(payload, self.models, self.count_tokens)
        admission = self._admit(payload, model, record)
        answer = self._answer(payload, model, record)
        self.gate.pass_through()
        self.pause(answer.queue_s)
        if payload.get("stream"):
            return self._stream_reply(payload, answer, admission, record)
        return self._whole_reply(answer, admission, record)

    def pause(self, seconds: float) -> None:
        """Block for real time; raises ConnectionAbortedError when the server stops."""
        if self.stopping.wait(seconds) if seconds > 0 else self.stopping.is_set():
            raise ConnectionAbortedError("the simulator is stopping")

    def _admit(self, payload: Payload, model: SimulatedModel, record: RequestRecord) -> Admission:
        name, key = str(payload["model"]), record.key or ""
        cap = output_cap(payload)
        admission = self.ledger.admit(key, name, model.limits, record.prompt_tokens, cap)
        record.charge = admission.charge
        if admission.refusal is not None:
            record.refused_by = admission.refusal.dimension.code
            raise refusal_error(name, admission.refusal, admission.snapshot)
        return admission

    def _answer(self, payload: Payload, model: SimulatedModel, record: RequestRecord) -> Answer:
        answer = Answer(
            request_id=record.request_id,
            completion_id=f"chatcmpl-{uuid.UUID(int=self.rng.getrandbits(128), version=4)}",
            created=int(self.wall_clock()),
            model=str(payload["model"]),
            prompt_tokens=record.prompt_tokens,
            cached_tokens=min(_for(payload, self.cached_tokens), record.prompt_tokens),
            seed=payload.get("seed") or self.rng.randint(1, _LARGEST_SEED),
            queue_s=self._draw_latency(payload),
        )
        room = model.context_window - record.prompt_tokens
        cap = min(output_cap(payload) or room, model.max_completion_tokens, room)
        reasoning = self.reasoning_tokens if model.reasoning else 0
        answer.fill(payload, _for(payload, self.completion_tokens), reasoning, cap)
        speed = self.tokens_per_second or _NOMINAL_TOKENS_PER_SECOND
        answer.completion_s = answer.completion_tokens / speed
        return answer

    def _draw_latency(self, payload: Payload) -> float:
        if callable(self.latency_s):
            return self.latency_s(payload)
        if isinstance(self.latency_s, tuple):
            return self.rng.uniform(*self.latency_s)
        return self.latency_s

    def _whole_reply(self, answer: Answer, admission: Admission, record: RequestRecord) -> Reply:
        if self.tokens_per_second:
            self.pause(answer.completion_s)
        final = self.settle(answer, admission, record, answer.completion_tokens)
        shown = admission.snapshot if self.headers_at == "admission" else final
        return Reply(200, rate_limit_headers(shown), to_json(answer.body()))

    def _stream_reply(
        self, payload: Payload, answer: Answer, admission: Admission, record: RequestRecord
    ) -> Reply:
        at_admission = self.headers_at == "admission"
        shown = admission.snapshot if at_admission else self.ledger.snapshot(admission)
        wants_usage = bool((payload.get("stream_options") or {}).get("include_usage"))
        headers = {
            **rate_limit_headers(shown),
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
        }
        stream = _Stream(self, answer, admission, record, wants_usage)
        return Reply(200, headers, chunks=stream)

    def settle(
        self, answer: Answer, admission: Admission, record: RequestRecord, spoken: int
    ) -> Snapshot:
        """Charge what was really used; ``spoken`` output tokens were produced."""
        record.completion_tokens = spoken
        return self.ledger.settle(admission, spoken, answer.cached_tokens)


class _Stream:
    """The chunks of one stream; settles once: before the last frame, or on being closed early."""

    def __init__(
        self,
        service: ChatService,
        answer: Answer,
        admission: Admission,
        record: RequestRecord,
        include_usage: bool,
    ) -> None:
        self._service, self._answer = service, answer
        self._admission, self._record = admission, record
        self._include_usage = include_usage
        # One fault is enough for a request.
        pieces = answer.completion_tokens
        self._fault = None if record.fault else service.faults.next_interruption(pieces)
        self._spoken = 0
        self._settled = False

    def __iter__(self) -> Iterator[bytes]:
        speed = self._service.tokens_per_second
        return self._paced(speed) if speed else self._bundled()

    def close(self) -> None:
        """Charge what has been spoken, unless that was done."""
        if not self._settled:
            self._settled = True
            self._service.settle(self._answer, self._admission, self._record, self._spoken)

    def _paced(self, speed: float) -> Iterator[bytes]:
        for tokens, frame in self._frames():
            self._service.pause(tokens / speed)
            yield frame

    def _bundled(self) -> Iterator[bytes]:
        bundle: list[bytes] = []
        try:
            for _, frame in self._frames():
                bundle.append(frame)
                if len(bundle) == _FRAMES_PER_CHUNK:
                    yield b"".join(bundle)
                    bundle.clear()
        except ConnectionError:
            yield b"".join(bundle)
            raise
        yield b"".join(bundle)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        for tokens, frame in self._answer.frames(self._include_usage):
            fault = self._due_fault(frame)
            if fault is not None:
                yield 0, fault.words()
                if fault.is_last:
                    return
            self._spoken += tokens
            if frame is DONE_FRAME:
                self.close()
            yield tokens, frame

    def _due_fault(self, frame: bytes) -> Interruption | None:
        fault = self._fault
        if fault is None or not fault.is_due(self._spoken, frame is DONE_FRAME):
            return None
        self._fault, self._record.fault = None, fault.kind
        if fault.is_last:
            self.close()
        return fault


def _for(payload: Payload, setting: int | Callable[[Payload], int]) -> int:
    return setting(payload) if callable(setting) else setting
