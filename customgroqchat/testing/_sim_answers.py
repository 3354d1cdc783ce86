"""Chat answers: the whole body, and the same as frames of server-sent events."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._sim_tokens import answer_pieces, text_pieces
from ._sim_wire import to_json

DONE_FRAME = b"data: [DONE]\n\n"


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
    tool_call: dict[str, Any] | None = None

    @property
    def completion_tokens(self) -> int:
        """All output tokens: reasoning, text and the arguments of a tool call."""
        return len(self.reasoning) + len(self.content)

    def fill(self, payload: Mapping[str, Any], wanted: int, reasoning: int, cap: int) -> None:
        """Write ``wanted`` tokens, ``reasoning`` of them thoughts, and no more than ``cap``."""
        thoughts = min(reasoning, wanted, cap)
        self.reasoning = answer_pieces(payload, thoughts)
        tool = forced_tool(payload)
        text = _content(payload, wanted - thoughts, tool)
        self.content = text[: cap - thoughts]
        if thoughts + len(text) > cap or wanted > cap:
            self.finish_reason = "length"
        elif tool is not None:
            self.finish_reason = "tool_calls"
        if tool is not None:
            self.tool_call = self._call(tool)

    def _call(self, name: str) -> dict[str, Any]:
        return {
            "id": "fc_" + self.completion_id.removeprefix("chatcmpl-"),
            "type": "function",
            "function": {"name": name, "arguments": "".join(self.content)},
        }

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

    def body(self) -> dict[str, Any]:
        """The answer to a request that did not ask for a stream."""
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": self.finish_reason,
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": self.usage(),
            "usage_breakdown": None,
            "system_fingerprint": fingerprint(self.model),
            "x_groq": {"id": self.request_id, "seed": self.seed},
            "service_tier": "on_demand",
        }

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        if self.tool_call is None:
            message["content"] = "".join(self.content)
        if self.reasoning:
            message["reasoning"] = "".join(self.reasoning)
        if self.tool_call is not None:
            message["tool_calls"] = [self.tool_call]
        return message

    def frames(self, include_usage: bool) -> Iterator[tuple[int, bytes]]:
        """The stream: each frame with the number of output tokens that it brings."""
        role = {"role": "assistant", "content": None if self.tool_call else ""}
        yield 0, self._chunk(role, x_groq={"id": self.request_id, "seed": self.seed})
        for piece in self.reasoning:
            yield 1, self._chunk({"reasoning": piece, "channel": "analysis"})
        yield from self._content_frames()
        yield 0, self._final_chunk()
        if include_usage:
            yield 0, self._usage_chunk()
        yield 0, DONE_FRAME

    def _content_frames(self) -> Iterator[tuple[int, bytes]]:
        if self.tool_call is None:
            for piece in self.content:
                yield 1, self._chunk({"content": piece})
        else:
            call = {**self.tool_call, "index": 0}
            yield len(self.content), self._chunk({"tool_calls": [call]})

    def _final_chunk(self) -> bytes:
        usage = self.usage()
        x_groq = {"id": self.request_id, "usage": usage}
        return self._chunk({}, self.finish_reason, x_groq=x_groq, usage=usage)

    def _usage_chunk(self) -> bytes:
        head = self._chunk_head()
        return _frame({**head, "choices": [], "usage": self.usage(), "service_tier": "on_demand"})

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _frame({**self._chunk_head(), "choices": [choice], **more})

    def _chunk_head(self) -> dict[str, Any]:
        head = self._head("chat.completion.chunk")
        return {**head, "system_fingerprint": fingerprint(self.model)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.completion_id,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def forced_tool(payload: Mapping[str, Any]) -> str | None:
    """The function that ``tool_choice`` obliges the model to call, if it does."""
    choice = payload.get("tool_choice")
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name")
        return str(name) if name else None
    tools = payload.get("tools") or []
    if choice == "required" and tools:
        return str(tools[0].get("function", {}).get("name"))
    return None


def error_frame(error: Mapping[str, Any]) -> bytes:
    """The frame by which a stream fails after its 200; nothing follows it."""
    return b"event: error\n" + _frame({"error": dict(error)})


@functools.lru_cache(maxsize=256)
def fingerprint(model: str) -> str:
    """A ``system_fingerprint`` that depends on the model only."""
    return "fp_" + hashlib.sha256(model.encode("utf-8", "replace")).hexdigest()[:10]


def _frame(data: Mapping[str, Any]) -> bytes:
    return b"data: " + to_json(data) + b"\n\n"


def _content(payload: Mapping[str, Any], number: int, tool: str | None) -> list[str]:
    if tool is not None:
        return text_pieces("{}")
    kind = (payload.get("response_format") or {}).get("type")
    if kind in ("json_object", "json_schema"):
        # Eight pieces are the object around the text: {"answer": "…"}.
        text = "".join(answer_pieces(payload, max(0, number - 8))).replace('"', "'")
        return text_pieces(json.dumps({"answer": text.replace("\\", "/")}, ensure_ascii=False))
    return answer_pieces(payload, number)
