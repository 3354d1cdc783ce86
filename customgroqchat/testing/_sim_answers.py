"""Chat answers: the whole body, and the same as frames of server-sent events."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._sim_script import Utterance
from ._sim_wire import to_json

DONE_FRAME = b"data: [DONE]\n\n"


@dataclass
class ToolCall:
    """One call of a function, with its arguments in pieces of one token each."""

    identifier: str
    name: str
    arguments: list[str]

    def json(self) -> dict[str, Any]:
        """The call as a message holds it."""
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.identifier, "type": "function", "function": function}


@dataclass
class Answer:
    """One answer of the model, in pieces of one token each."""

    request_id: str
    completion_id: str
    created: int
    model: str
    prompt_tokens: int
    cached_tokens: int
    seed: int
    queue_s: float
    completion_s: float = 0.0
    finish_reason: str = "stop"
    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    error: dict[str, Any] | None = None

    @property
    def completion_tokens(self) -> int:
        """All output tokens: reasoning, text and the arguments of tool calls."""
        spoken = sum(len(call.arguments) for call in self.calls)
        return len(self.reasoning) + len(self.content) + spoken

    @property
    def text(self) -> str:
        """The content."""
        return "".join(self.content)

    def say(self, words: Utterance, cap: int) -> None:
        """Take ``words``, at most ``cap`` of them."""
        self.reasoning, left = words.reasoning[:cap], cap - len(words.reasoning)
        self.content, left = words.content[: max(0, left)], left - len(words.content)
        for name, arguments in words.calls:
            self._call(name, arguments[: max(0, left)])
            left -= len(arguments)
        self.finish_reason = "length" if left < 0 else "tool_calls" if words.calls else "stop"

    def _call(self, name: str, arguments: list[str]) -> None:
        identifier = uuid.UUID(self.completion_id.removeprefix("chatcmpl-"))
        if self.calls:
            identifier = uuid.uuid5(identifier, str(len(self.calls)))
        self.calls.append(ToolCall(f"fc_{identifier}", name, arguments))

    def usage(self) -> dict[str, Any]:
        """The usage object: tokens, and times in seconds."""
        prompt_s = self.prompt_tokens * 1e-5
        usage: dict[str, Any] = {
            "queue_time": round(self.queue_s, 9),
            "prompt_tokens": self.prompt_tokens,
            "prompt_time": round(prompt_s, 9),
            "completion_tokens": self.completion_tokens,
            "completion_time": round(self.completion_s, 9),
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "total_time": round(prompt_s + self.completion_s, 9),
        }
        if self.cached_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached_tokens}
        if self.reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": len(self.reasoning)}
        return usage


class Rendering(Protocol):
    """An answer as an endpoint shows it."""

    def body(self) -> dict[str, Any]:
        """The whole of it."""

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The stream: each frame with the number of output tokens that it brings."""


@dataclass
class Completion:
    """An answer as ``/chat/completions`` shows it."""

    answer: Answer
    include_usage: bool = False

    def body(self) -> dict[str, Any]:
        """The answer to a request that did not ask for a stream."""
        answer = self.answer
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": answer.finish_reason,
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": answer.usage(),
            "usage_breakdown": None,
            "system_fingerprint": fingerprint(answer.model),
            "x_groq": {"id": answer.request_id, "seed": answer.seed},
            "service_tier": "on_demand",
        }

    def _message(self) -> dict[str, Any]:
        answer = self.answer
        message: dict[str, Any] = {"role": "assistant"}
        if answer.content or not answer.calls:
            message["content"] = answer.text
        if answer.reasoning:
            message["reasoning"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = [call.json() for call in answer.calls]
        return message

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The stream: each frame with the number of output tokens that it brings."""
        answer = self.answer
        role = {"role": "assistant", "content": None if answer.calls else ""}
        yield 0, self._chunk(role, x_groq={"id": answer.request_id, "seed": answer.seed})
        for piece in answer.reasoning:
            yield 1, self._chunk({"reasoning": piece, "channel": "analysis"})
        yield from self._content_frames()
        yield from self._last_frames() if answer.error is None else [(0, _failure(answer.error))]

    def _content_frames(self) -> Iterator[tuple[int, bytes]]:
        for piece in self.answer.content:
            yield 1, self._chunk({"content": piece})
        for index, call in enumerate(self.answer.calls):
            yield (
                len(call.arguments),
                self._chunk({"tool_calls": [{**call.json(), "index": index}]}),
            )

    def _last_frames(self) -> Iterator[tuple[int, bytes]]:
        usage = self.answer.usage()
        x_groq = {"id": self.answer.request_id, "usage": usage}
        yield 0, self._chunk({}, self.answer.finish_reason, x_groq=x_groq, usage=usage)
        if self.include_usage:
            last = {"choices": [], "usage": usage, "service_tier": "on_demand"}
            yield 0, data_frame({**self._chunk_head(), **last})
        yield 0, DONE_FRAME

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_frame({**self._chunk_head(), "choices": [choice], **more})

    def _chunk_head(self) -> dict[str, Any]:
        head = self._head("chat.completion.chunk")
        return {**head, "system_fingerprint": fingerprint(self.answer.model)}

    def _head(self, kind: str) -> dict[str, Any]:
        answer = self.answer
        return {
            "id": answer.completion_id,
            "object": kind,
            "created": answer.created,
            "model": answer.model,
        }


def error_frame(error: Mapping[str, Any]) -> bytes:
    """The frame by which a stream fails after its 200; nothing follows it."""
    return b"event: error\n" + data_frame({"error": dict(error)})


def data_frame(data: Mapping[str, Any]) -> bytes:
    """One server-sent event without a name."""
    return b"data: " + to_json(data) + b"\n\n"


@functools.lru_cache(maxsize=256)
def fingerprint(model: str) -> str:
    """A ``system_fingerprint`` that depends on the model only."""
    return "fp_" + hashlib.sha256(model.encode("utf-8", "replace")).hexdigest()[:10]


def _failure(error: Mapping[str, Any]) -> bytes:
    return error_frame({**error, "status_code": 400})
