"""Serving a chat request: admission, the answer or its stream, settlement."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from ._sim_answers import Answer, Completion, Rendering
from ._sim_backend import Backend, Payload
from ._sim_buckets import Admission, Snapshot
from ._sim_controls import RequestRecord
from ._sim_faults import Interruption
from ._sim_generation import generation_error
from ._sim_http import Reply
from ._sim_routes import Call
from ._sim_validation import check_chat_payload, output_cap
from ._sim_wire import ApiError, to_json

# Speed for the times in ``usage`` when no speed was asked for.
_NOMINAL_TOKENS_PER_SECOND = 500.0
# Frames of an unpaced stream travel together, as they do when the network is slower than Groq.
_FRAMES_PER_CHUNK = 16
_LARGEST_SEED = 2**31 - 1

T = TypeVar("T")


@dataclass
class ChatService:
    """What answers chat requests; the settings are those of ``SimulatedGroq``."""

    backend: Backend
    count_tokens: Callable[[Payload], int]
    completion_tokens: int | Callable[[Payload], int]
    reasoning_tokens: int
    cached_tokens: int | Callable[[Payload], int]
    tokens_per_second: float | None

    def serve(self, call: Call) -> Reply:
        """Answer a request; blocks for the latency and the gate, raises ApiError."""
        payload = call.payload()
        wants_usage = bool((payload.get("stream_options") or {}).get("include_usage"))
        return self.converse(payload, call.record, lambda answer: Completion(answer, wants_usage))

    def converse(
        self, payload: Payload, record: RequestRecord, show: Callable[[Answer], Rendering]
    ) -> Reply:
        """Answer the chat ``payload`` in the form of another endpoint; blocks, raises ApiError."""
        self.check(payload, record)
        admission = self.backend.admit(record, payload["model"], output_cap(payload))
        answer = self._answer(payload, record)
        self.backend.wait(answer.queue_s)
        if payload.get("stream"):
            return self._stream_reply(answer, show(answer), admission, record)
        return self._whole_reply(answer, show(answer), admission, record)

    def check(self, payload: Payload, record: RequestRecord) -> None:
        """Count the prompt; raises ApiError when the request is not acceptable."""
        models = self.backend.models
        record.prompt_tokens = check_chat_payload(payload, models, self.count_tokens)

    def in_batch(self, payload: Payload, record: RequestRecord) -> dict[str, Any]:
        """The answer to a line of a batch: at once, and without limits; raises ApiError."""
        self.check(payload, record)
        answer = self._answer(payload, record)
        if answer.error is not None:
            raise _as_api_error(answer.error)
        return Completion(answer).body()

    def _answer(self, payload: Payload, record: RequestRecord) -> Answer:
        backend, model = self.backend, self.backend.models[payload["model"]]
        answer = Answer(
            request_id=record.request_id,
            completion_id=f"chatcmpl-{uuid.UUID(int=backend.rng.getrandbits(128), version=4)}",
            created=int(backend.wall_clock()),
            model=str(payload["model"]),
            prompt_tokens=record.prompt_tokens,
            cached_tokens=min(_for(payload, self.cached_tokens), record.prompt_tokens),
            seed=payload.get("seed") or backend.rng.randint(1, _LARGEST_SEED),
            queue_s=backend.draw_latency(payload),
        )
        room = model.context_window - record.prompt_tokens
        cap = min(output_cap(payload) or room, model.max_completion_tokens, room)
        reasoning = self.reasoning_tokens if model.reasoning else 0
        wanted = _for(payload, self.completion_tokens)
        words = backend.script.utterance(payload, wanted, reasoning)
        answer.say(words, cap)
        answer.error = generation_error(payload, answer, words.spoilt)
        speed = self.tokens_per_second or _NOMINAL_TOKENS_PER_SECOND
        answer.completion_s = answer.completion_tokens / speed
        return answer

    def _whole_reply(
        self, answer: Answer, shown: Rendering, admission: Admission, record: RequestRecord
    ) -> Reply:
        if self.tokens_per_second:
            self.backend.pause(answer.completion_s)
        final = self.settle(answer, admission, record, answer.completion_tokens)
        headers = self.backend.limit_headers(admission, final)
        if answer.error is not None:
            raise _as_api_error(answer.error, headers)
        return Reply(200, headers, to_json(shown.body()))

    def _stream_reply(
        self, answer: Answer, shown: Rendering, admission: Admission, record: RequestRecord
    ) -> Reply:
        now = self.backend.ledger.snapshot(admission)
        headers = {
            **self.backend.limit_headers(admission, now),
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
        }
        return Reply(200, headers, chunks=_Stream(self, answer, shown, admission, record))

    def settle(
        self, answer: Answer, admission: Admission, record: RequestRecord, spoken: int
    ) -> Snapshot:
        """Charge what was really used; ``spoken`` output tokens were produced."""
        record.completion_tokens = spoken
        return self.backend.ledger.settle(admission, spoken, answer.cached_tokens)


class _Stream:
    """The chunks of one stream; settles once: before the last frame, or on being closed early."""

    def __init__(
        self,
        service: ChatService,
        answer: Answer,
        shown: Rendering,
        admission: Admission,
        record: RequestRecord,
    ) -> None:
        self._service, self._answer, self._shown = service, answer, shown
        self._admission, self._record = admission, record
        # One fault is enough for a request.
        pieces = answer.completion_tokens
        faults = service.backend.faults
        self._fault = None if record.fault else faults.next_interruption(pieces, record.model)
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
            self._service.backend.pause(tokens / speed)
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
        for (tokens, frame), is_last in _with_last(self._shown.frames()):
            fault = self._due_fault(is_last)
            if fault is not None:
                yield 0, fault.words()
                if fault.is_last:
                    return
            self._spoken += tokens
            if is_last:
                self.close()
            yield tokens, frame

    def _due_fault(self, at_the_end: bool) -> Interruption | None:
        fault = self._fault
        if fault is None or not fault.is_due(self._spoken, at_the_end):
            return None
        self._fault, self._record.fault = None, fault.kind
        if fault.is_last:
            self.close()
        return fault


def _with_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each item, and whether it is the last."""
    rest = iter(items)
    for item in rest:
        for following in rest:
            yield item, False
            item = following
        yield item, True


def _as_api_error(error: dict[str, Any], headers: dict[str, str] | None = None) -> ApiError:
    fields = {name: value for name, value in error.items() if name not in ("message", "type")}
    return ApiError(400, error["message"], error["type"], headers, **fields)


def _for(payload: Payload, setting: int | Callable[[Payload], int]) -> int:
    return setting(payload) if callable(setting) else setting
