"""A payload of the Responses API, read as the conversation that it becomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ._token_request import (
    Content,
    Message,
    Request,
    compact_json,
    named,
    read_content,
    read_message,
    read_tools,
)

__all__ = ["read_responses_request"]


def read_responses_request(payload: Mapping[str, object]) -> Request:
    """Read ``input``, ``instructions``, ``tools``, ``text.format`` and ``reasoning``.

    Never raises: what is no item counts as it stands.
    """
    reasoning = payload.get("reasoning")
    return Request(
        named((*_instructions(payload), *_messages(payload.get("input")))),
        read_tools(payload),
        payload.get("tool_choice"),
        _format(payload.get("text")),
        reasoning.get("effort") if isinstance(reasoning, Mapping) else None,
    )


def _instructions(payload: Mapping[str, object]) -> Iterator[Message]:
    if payload.get("instructions"):
        yield Message("system", read_content(payload["instructions"]))


def _messages(given: object) -> Iterator[Message]:
    if given is None:
        return
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        yield Message("user", read_content(given))
        return
    for item in given:
        yield _message(item)


def _message(item: object) -> Message:
    if not isinstance(item, Mapping):
        return Message("user", read_content(item))
    kind = item.get("type")
    if kind == "function_call":
        call = {"id": item.get("call_id"), "function": item}
        return read_message({"role": "assistant", "tool_calls": [call]})
    if kind == "function_call_output":
        return read_message(
            {
                "role": "tool",
                "content": item.get("output"),
                "tool_call_id": item.get("call_id"),
            }
        )
    if "role" in item:
        return read_message(item)
    return Message("assistant", _other(item))


def _other(item: Mapping[str, object]) -> Content:
    """The content of a thought, or of an item of a kind that is not known."""
    if item.get("type") != "reasoning":
        return Content(compact_json(item), plain=False)
    parts = [item.get("summary"), item.get("content")]
    return Content("".join(read_content(part).text for part in parts), plain=False)


def _format(text: object) -> Mapping[str, object]:
    """The response format, in the form that it has in a chat completion."""
    wanted = text.get("format") if isinstance(text, Mapping) else None
    if not isinstance(wanted, Mapping):
        return {}
    return {"type": wanted.get("type"), "json_schema": wanted}
