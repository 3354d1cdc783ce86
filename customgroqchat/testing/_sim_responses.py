"""Serving the Responses API: a chat in other words, and a stream of named events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._sim_answers import Answer
from ._sim_chat import ChatService
from ._sim_http import Reply
from ._sim_response_view import ResponseView
from ._sim_routes import Call, Handler
from ._sim_validation import invalid

_UNSUPPORTED = (
    "previous_response_id",
    "include",
    "safety_identifier",
    "prompt_cache_key",
    "prompt",
    "store",
)
_TIERS = (None, "auto", "default", "flex")
_ALIKE = ("temperature", "top_p", "user", "stream", "parallel_tool_calls")
_MOST_METADATA = 16


@dataclass
class ResponsesService:
    """What answers requests to ``/responses``; it remembers none of them."""

    chat: ChatService

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {"POST /responses": self.serve}

    def serve(self, call: Call) -> Reply:
        """Answer a request; blocks as a chat does, raises ApiError."""
        payload = call.payload()
        _check(payload)
        backend = self.chat.backend
        metrics = "inference-metrics" in call.request.headers.get("groq-beta", "")

        def show(answer: Answer) -> ResponseView:
            return ResponseView(answer, payload, backend.new_id("resp"), metrics)

        return self.chat.converse(as_chat(payload), call.record, show)


def _check(payload: Mapping[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if payload.get(name):
            raise invalid(f"`{name}` is not supported", param=name)
    if payload.get("truncation") not in (None, "disabled"):
        raise invalid("`truncation` only supports `disabled`", param="truncation")
    if payload.get("service_tier") not in _TIERS:
        raise invalid("`service_tier` must be one of [auto, default, flex]", param="service_tier")
    if not isinstance(payload.get("input"), str | list) or not payload["input"]:
        raise invalid("'input' : property 'input' is missing", param="input")
    for name in ("metadata", "text", "reasoning"):
        if not isinstance(payload.get(name), dict | None):
            raise invalid(f"'{name}' : value must be an object", param=name)
    if len(payload.get("metadata") or {}) > _MOST_METADATA:
        raise invalid(f"'metadata' : maximum number of properties is {_MOST_METADATA}")
    if not isinstance(payload.get("tools"), list | None):
        raise invalid("'tools' : value must be an array of objects", param="tools")


def as_chat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The same request in the words of ``/chat/completions``; raises ApiError."""
    chat = {name: payload[name] for name in _ALIKE if payload.get(name) is not None}
    chat["model"] = payload.get("model")
    chat["messages"] = list(_messages(payload))
    if payload.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = payload["max_output_tokens"]
    if payload.get("tools"):
        chat["tools"] = [_tool(tool) for tool in payload["tools"]]
        chat["tool_choice"] = _tool_choice(payload.get("tool_choice"))
    format_ = (payload.get("text") or {}).get("format")
    if format_:
        chat["response_format"] = _response_format(format_)
    return chat


def _messages(payload: Mapping[str, Any]) -> Iterator[Any]:
    if payload.get("instructions"):
        yield {"role": "system", "content": payload["instructions"]}
    if isinstance(payload["input"], str):
        yield {"role": "user", "content": payload["input"]}
        return
    for index, item in enumerate(payload["input"]):
        if not isinstance(item, dict):
            raise invalid(f"'input.{index}' : value must be an object", param="input")
        if item.get("type") != "reasoning":
            yield _message(item)


def _message(item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("type") == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if item.get("type") == "function_call_output":
        output = item.get("output")
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": output}
    return {"role": item.get("role"), "content": _content(item.get("content"))}


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(part) for part in content if isinstance(part, dict)]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    return {"type": "text", "text": part.get("text") or ""}


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("name"):
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _response_format(format_: Any) -> Any:
    if not isinstance(format_, dict) or format_.get("type") != "json_schema":
        return format_
    return {"type": "json_schema", "json_schema": {k: v for k, v in format_.items() if k != "type"}}
