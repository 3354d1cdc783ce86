"""What of a chat request becomes part of the prompt, read without trusting its shape.

A payload may hold anything: content that is missing, null, a number, a list of parts of
unknown kinds. What can be sent must be countable, so nothing here raises for the inside
of a payload; only what is no payload at all is refused. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

__all__ = [
    "Call",
    "Content",
    "Measure",
    "Message",
    "Request",
    "compact_json",
    "is_system",
    "named",
    "read_content",
    "read_message",
    "read_messages",
    "read_request",
    "read_tools",
]

#: Counts the tokens of a text, exactly or approximately.
Measure = Callable[[str], float]


class Content(NamedTuple):
    """The text of a message, its number of images, and whether that is all it holds."""

    text: str
    images: int = 0
    plain: bool = True


class Call(NamedTuple):
    """A tool call that the assistant has made: the function, and its arguments as JSON."""

    name: str
    arguments: str
    id: str = ""


class Message(NamedTuple):
    """One message of a conversation. A tool's result has the id of the call that it ``answers``."""

    role: str
    content: Content
    calls: tuple[Call, ...] = ()
    name: str = ""
    answers: str = ""


class Request(NamedTuple):
    """Everything in a request that costs prompt tokens."""

    messages: tuple[Message, ...]
    functions: tuple[object, ...] = ()
    tool_choice: object = None
    response_format: Mapping[str, object] = {}
    reasoning_effort: object = None
    documents: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is nothing but text, so that no rule of thumb is needed."""
        if self.functions or (self.response_format and self.schema_type) or self.documents:
            return False
        # Asked twice of every request: a generator would take three times as long.
        for message in self.messages:  # noqa: SIM110
            if message.calls or not message.content.plain:
                return False
        return True

    @property
    def calls_tools(self) -> bool:
        """Whether tools are offered, or were called."""
        return bool(self.functions) or any(message.calls for message in self.messages)

    @property
    def is_typical(self) -> bool:
        """Whether its cost tells something about others: all of it is text that is in it.

        The size of an image is not, nor what a tool of the service finds.
        """
        return self.plain or (
            all(message.content.plain for message in self.messages)
            and not self.documents
            and not self.hosts_tools
        )

    @property
    def hosts_tools(self) -> bool:
        """Whether the service itself runs some of the tools."""
        return any(map(_is_hosted, self.functions))

    @property
    def images(self) -> int:
        """The number of images in all messages."""
        return sum(message.content.images for message in self.messages)

    @property
    def system_text(self) -> str:
        """All instructions together."""
        return "\n\n".join(m.content.text for m in self.messages if is_system(m))

    @property
    def schema_type(self) -> str:
        """``json_object``, ``json_schema``, or "" where the answer is free text."""
        kind = self.response_format.get("type")
        return kind if isinstance(kind, str) and kind != "text" else ""

    @property
    def schema(self) -> object:
        """The JSON schema that the answer must follow."""
        described = self.response_format.get("json_schema")
        return described.get("schema", described) if isinstance(described, Mapping) else described


def is_system(message: Message) -> bool:
    """Whether the message instructs the model, whichever of the two names its role has."""
    return message.role in ("system", "developer")


def compact_json(value: object) -> str:
    """Render a value as JSON without spaces, as it goes over the wire; never raises."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=True
        )
    except (ValueError, RecursionError):  # circular or endless: it can be counted, never sent
        return f"<{type(value).__name__}>"


def read_request(payload: Mapping[str, object]) -> Request:
    """Read a chat-completions payload. Raises TypeError if its messages are no messages."""
    schema = payload.get("response_format")
    return Request(
        read_messages(payload.get("messages") or ()),
        read_tools(payload),
        payload.get("tool_choice"),
        schema if isinstance(schema, Mapping) else {},
        payload.get("reasoning_effort"),
        compact_json(payload["documents"]) if payload.get("documents") else "",
    )


def read_messages(messages: object) -> tuple[Message, ...]:
    """Read a conversation. Raises TypeError unless it is a list of mappings."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise TypeError(f"messages must be a list of messages, not {type(messages).__name__}")
    return named(tuple(map(read_message, messages)))


def named(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Tell each result whose it is, as the model is told, where only the call's id says so."""
    names = {call.id: call.name for message in messages for call in message.calls}
    if not names:
        return messages
    return tuple(m._replace(name=m.name or names.get(m.answers, "")) for m in messages)


def read_message(message: object) -> Message:
    """Read one message. Raises TypeError unless it is a mapping."""
    if not isinstance(message, Mapping):
        raise TypeError(
            "a message must be a mapping such as {'role': 'user', 'content': 'Hi'}, "
            f"not {type(message).__name__}"
        )
    content = message.get("content")
    return Message(
        str(message.get("role") or "user"),
        Content(content) if isinstance(content, str) else read_content(content),
        _calls(message),
        str(message.get("name") or ""),
        str(message.get("tool_call_id") or ""),
    )


def read_content(content: object) -> Content:
    """Read the content of a message, of whatever type it is."""
    if content is None:
        return Content("")
    if isinstance(content, str):
        return Content(content)
    if isinstance(content, (bytes, bytearray)):
        return Content(content.decode("utf-8", "replace"))
    if isinstance(content, (list, tuple)):
        return _joined([_read_part(part) for part in content])
    return Content(compact_json(content), plain=False)


def _joined(parts: list[Content]) -> Content:
    return Content(
        "".join(part.text for part in parts),
        sum(part.images for part in parts),
        all(part.plain for part in parts),
    )


def _read_part(part: object) -> Content:
    if isinstance(part, str):
        return Content(part)
    if not isinstance(part, Mapping):
        return Content(compact_json(part), plain=False)
    if isinstance(part.get("text"), str):
        return Content(part["text"])
    if "image" in str(part.get("type")):
        # An image costs by its size, which its address does not tell.
        return Content("", images=1, plain=False)
    return Content(compact_json(part.get("document", part)), plain=False)


def _calls(message: Mapping[str, object]) -> tuple[Call, ...]:
    calls = message.get("tool_calls")
    read = [_read_call(call) for call in calls] if isinstance(calls, (list, tuple)) else []
    if message.get("function_call"):  # the older way of calling
        read.append(_read_call({"function": message["function_call"]}))
    return tuple(read)


def _read_call(call: object) -> Call:
    function = _function_of(call)
    if not isinstance(function, Mapping):
        return Call("", compact_json(function))
    return Call(
        str(function.get("name") or ""),
        compact_json(function.get("arguments") or ""),
        str(call.get("id") or "") if isinstance(call, Mapping) else "",
    )


def read_tools(payload: Mapping[str, object]) -> tuple[object, ...]:
    """Read the functions that are offered to the model, and its hosted tools as they stand."""
    functions: list[object] = []
    for key in ("tools", "functions"):
        offered = payload.get(key)
        if isinstance(offered, (list, tuple)):
            functions += map(_function_of, offered)
    return tuple(functions)


def _function_of(tool: object) -> object:
    """The function inside a tool or tool call; a tool without one counts as it stands."""
    if not isinstance(tool, Mapping):
        return tool
    if "function" in tool:
        return tool["function"]
    if tool.get("type") == "function":  # as the Responses API writes them
        return {key: value for key, value in tool.items() if key != "type"}
    return tool


def _is_hosted(function: object) -> bool:
    """Whether it is a tool that the service runs, such as ``{"type": "browser_search"}``."""
    return isinstance(function, Mapping) and "name" not in function and "type" in function
