"""An answer as the Responses API shows it: the object, and its events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._sim_answers import Answer, ToolCall, data_frame, error_frame

Event = tuple[int, str, dict[str, Any]]
"""Output tokens that it brings, its name, and its data but for type and number."""

_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1,
    "truncation": "disabled",
    "user": None,
}


@dataclass
class ResponseView:
    """A rendering of ``answer``; ``metrics`` adds times to the metadata."""

    answer: Answer
    payload: Mapping[str, Any]
    identifier: str
    metrics: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def body(self) -> dict[str, Any]:
        """The whole response."""
        cut = self.answer.finish_reason == "length"
        details = {"reason": "max_output_tokens"} if cut else None
        body = self._body("incomplete" if cut else "completed", self._output(), details)
        body["usage"] = self._usage()
        if self.metrics:
            body["metadata"] = {**body["metadata"], **self._times()}
        return body

    def _body(
        self, status: str, output: list[dict[str, Any]], details: dict[str, str] | None = None
    ) -> dict[str, Any]:
        chosen = {k: self.payload[k] for k in _DEFAULTS if self.payload.get(k) is not None}
        effort = (self.payload.get("reasoning") or {}).get("effort")
        return {
            "id": self.identifier,
            "object": "response",
            "status": status,
            "created_at": self.answer.created,
            "background": False,
            "error": None,
            "incomplete_details": details,
            "model": self.answer.model,
            "output": output,
            "previous_response_id": None,
            "reasoning": {"effort": effort, "summary": None},
            "service_tier": "default",
            "store": False,
            "usage": None,
            **_DEFAULTS,
            **chosen,
        }

    def _usage(self) -> dict[str, Any]:
        answer = self.answer
        return {
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens},
            "output_tokens": answer.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }

    def _times(self) -> dict[str, str]:
        names = ("completion_time", "prompt_time", "queue_time", "total_time")
        usage = self.answer.usage()
        return {name: str(usage[name]) for name in names}

    # ---------------------------------------------------------------- the items

    def _output(self) -> list[dict[str, Any]]:
        items = [self._reasoning()] if self.answer.reasoning else []
        if self.answer.content or not self.answer.calls:
            items.append(self._message("completed", [_text_part(self.answer.text)]))
        return items + [self._call(call, call.json()["function"]) for call in self.answer.calls]

    def _reasoning(self, done: bool = True) -> dict[str, Any]:
        text = {"type": "reasoning_text", "text": "".join(self.answer.reasoning)}
        return {
            "type": "reasoning",
            "id": self._item_id("rs"),
            "status": "completed" if done else "in_progress",
            "content": [text] if done else [],
            "summary": [],
        }

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "type": "message",
            "id": self._item_id("msg"),
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _call(self, call: ToolCall, function: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": "function_call",
            "id": call.identifier,
            "call_id": call.identifier,
            "name": call.name,
            "arguments": function["arguments"],
            "status": "completed" if function["arguments"] else "in_progress",
        }

    def _item_id(self, prefix: str) -> str:
        return prefix + self.identifier.removeprefix("resp")

    # ---------------------------------------------------------------- the stream

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The stream: each frame with the number of output tokens that it brings."""
        started = self._body("in_progress", [])
        yield 0, self._frame("response.created", {"response": started})
        yield 0, self._frame("response.in_progress", {"response": started})
        for tokens, name, data in self._item_events():
            yield tokens, self._frame(name, data)
        if self.answer.error is not None:
            yield 0, error_frame({**self.answer.error, "status_code": 400})
            return
        body = self.body()
        yield 0, self._frame(f"response.{body['status']}", {"response": body})

    def _frame(self, name: str, data: Mapping[str, Any]) -> bytes:
        numbered = {"type": name, "sequence_number": next(self._numbers), **data}
        return f"event: {name}\n".encode() + data_frame(numbered)

    def _item_events(self) -> Iterator[Event]:
        index = itertools.count()
        if self.answer.reasoning:
            yield from self._reasoning_events(next(index))
        if self.answer.content or not self.answer.calls:
            yield from self._message_events(next(index))
        for call in self.answer.calls:
            yield from self._call_events(next(index), call)

    def _reasoning_events(self, index: int) -> Iterator[Event]:
        item = self._reasoning()
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield _added(index, self._reasoning(done=False))
        for piece in self.answer.reasoning:
            yield 1, "response.reasoning_text.delta", {**place, "delta": piece}
        text = item["content"][0]["text"]
        yield 0, "response.reasoning_text.done", {**place, "text": text}
        yield _done(index, item)

    def _message_events(self, index: int) -> Iterator[Event]:
        text, part = self.answer.text, _text_part(self.answer.text)
        item = self._message("completed", [part])
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield _added(index, self._message("in_progress", []))
        yield 0, "response.content_part.added", {**place, "part": _text_part("")}
        for piece in self.answer.content:
            yield 1, "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
        yield 0, "response.output_text.done", {**place, "text": text, "logprobs": []}
        yield 0, "response.content_part.done", {**place, "part": part}
        yield _done(index, item)

    def _call_events(self, index: int, call: ToolCall) -> Iterator[Event]:
        item = self._call(call, call.json()["function"])
        place = {"item_id": call.identifier, "output_index": index}
        arguments = item["arguments"]
        yield _added(index, self._call(call, {"arguments": ""}))
        delta = {**place, "delta": arguments}
        yield len(call.arguments), "response.function_call_arguments.delta", delta
        done = {**place, "name": call.name, "arguments": arguments}
        yield 0, "response.function_call_arguments.done", done
        yield _done(index, item)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": None}


def _added(index: int, item: dict[str, Any]) -> Event:
    return 0, "response.output_item.added", {"output_index": index, "item": item}


def _done(index: int, item: dict[str, Any]) -> Event:
    return 0, "response.output_item.done", {"output_index": index, "item": item}
