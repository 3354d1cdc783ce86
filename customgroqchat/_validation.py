"""What is certainly wrong with a chat request, said before it is sent. Pure.

Only what is known to be wrong is refused. Fields, part types and values that nobody here has
heard of pass, so that what the service adds tomorrow works today.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ._json import encode
from ._text import shown
from .exceptions import InvalidRequestException

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_LONGEST_S = 366 * 86_400.0
_DEEPEST = 200

#: Raises for a value of a field, of which the name comes first.
Check = Callable[[str, Any], None]


def check_chat_payload(payload: Mapping[str, Any]) -> None:
    """Check a chat-completions payload.

    Raises:
        InvalidRequestException: names the field, the value and what to do.
    """
    require_model(payload.get("model"))
    _check_messages(payload.get("messages"))
    check_fields(payload, _CHECKS)
    _check_caps(payload)


def check_fields(payload: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Check each field that is given."""
    for field, check in checks.items():
        value = payload.get(field)
        if value is not None:
            check(field, value)


def chat_payload(model: Any, messages: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload for a model, a conversation and further fields.

    Raises:
        InvalidRequestException: something is given twice, or is no field of the API.
    """
    for name in ("model", "messages"):
        if name in parameters:
            refuse(name, parameters[name], "it is given already; leave it out")
    return {"model": model, "messages": messages, **parameters}


def check_callback(callback: Any) -> None:
    """Check a callback: something to call, or None.

    Raises:
        InvalidRequestException: it is not.
    """
    if callback is not None and not callable(callback):
        refuse("callback", callback, "give a function of one argument")


def check_tag(tag: Any) -> None:
    """Check a tag: a string, or None.

    Raises:
        InvalidRequestException: it is not.
    """
    if tag is not None and not isinstance(tag, str):
        refuse("tag", tag, "give a string")


def check_json(payload: Mapping[str, Any]) -> None:
    """Find the value that JSON cannot carry, after encoding has failed.

    Raises:
        InvalidRequestException: names the field and the value.
    """
    _check_json_value("", payload, ())


def encoded(payload: Any) -> bytes:
    """Return a payload as JSON.

    Raises:
        InvalidRequestException: JSON cannot carry it; it names the field and the value.
    """
    try:
        return encode(payload)
    except (TypeError, ValueError, RecursionError) as fault:
        check_json(payload)
        raise InvalidRequestException(f"The request is not JSON: {fault}") from fault


def check_timeout(value: Any) -> None:
    """Check a timeout in seconds: a number, or a pair (connect, read).

    Raises:
        InvalidRequestException: it is neither, or not positive.
    """
    if value is None:
        return
    parts = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    if not all(part is None or (_is_number(part) and 0 < part <= _LONGEST_S) for part in parts):
        refuse("timeout", value, "give seconds, up to a year, or a pair (connect, read) of them")


def check_max_wait(value: Any) -> None:
    """Check a longest wait in seconds, 0 or more.

    Raises:
        InvalidRequestException: it is not.
    """
    if value is not None and not (_is_number(value) and 0 <= value <= _LONGEST_S):
        refuse("max_wait", value, "give seconds, from 0 to a year, or None for no bound")


def check_deadline(value: Any) -> None:
    """Check a time in which a request shall have ended: seconds, more than 0.

    Raises:
        InvalidRequestException: it is not.
    """
    if value is not None and not (_is_number(value) and 0 < value <= _LONGEST_S):
        refuse("deadline", value, "give seconds, more than 0 and up to a year, or None for none")


def refuse(field: str, value: object, remedy: str) -> NoReturn:
    """Raise the error for a value that a field cannot have; without a field, for all of it."""
    text = shown(value)
    raise InvalidRequestException(
        f"{field or 'It'} cannot be {text}.",
        field=field or None,
        value=text,
        hint=f"{remedy[0].upper()}{remedy[1:].removesuffix('.')}.",
    )


# --- single fields ---------------------------------------------------------------------------


def require_model(model: Any) -> None:
    """Check the name of a model."""
    if not isinstance(model, str) or not model.strip():
        refuse("model", model, "give the model's name, such as 'openai/gpt-oss-20b'")


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def number_between(low: float, high: float) -> Check:
    """Return a check for numbers of a range."""

    def check(field: str, value: Any) -> None:
        if not _is_number(value) or not low <= value <= high:
            refuse(field, value, f"give a number from {low:g} to {high:g}")

    return check


def integer_between(low: int, high: float = math.inf, other: str = "") -> Check:
    """Return a check for integers of a range."""
    allowed = f"of at least {low}" if math.isinf(high) else f"from {low} to {high}"
    allowed = f"{allowed} {other}".rstrip()

    def check(field: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            refuse(field, value, f"give an integer {allowed}")

    return check


def of_type(kind: type | tuple[type, ...], what: str) -> Check:
    """Return a check for values of a type."""

    def check(field: str, value: Any) -> None:
        if not isinstance(value, kind):
            refuse(field, value, f"give {what}")

    return check


def _check_one(field: str, value: Any) -> None:
    if value != 1 or isinstance(value, bool):
        refuse(field, value, "the service gives one answer; send the request several times")


def _check_stop(field: str, value: Any) -> None:
    texts = [value] if isinstance(value, str) else value
    if not is_list(texts) or not all(isinstance(text, str) for text in texts):
        refuse(field, value, "give a string or a list of at most 4 strings")
    if len(texts) > 4:
        refuse(field, value, f"there are {len(texts)} stop sequences; give at most 4")


def _check_tools(field: str, value: Any) -> None:
    if not is_list(value):
        refuse(field, value, "give a list of tools")
    if len(value) > 128:
        refuse(field, f"{len(value)} tools", "give at most 128")
    for index, tool in enumerate(value):
        _check_tool(f"{field}[{index}]", tool)


def _check_tool(where: str, tool: Any) -> None:
    if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
        refuse(where, tool, "give a mapping with a 'type', such as 'function'")
    if tool["type"] != "function":
        return
    function = tool.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        refuse(f"{where}.function", function, "give a mapping with a 'name'")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        refuse(f"{where}.function.parameters", parameters, "give a JSON schema as a mapping")


def _check_response_format(field: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        refuse(field, value, "give a mapping with a 'type', such as {'type': 'json_object'}")
    schema = value.get("json_schema")
    if value["type"] == "json_schema" and not (
        isinstance(schema, Mapping) and isinstance(schema.get("name"), str)
    ):
        refuse(f"{field}.json_schema", schema, "give a mapping with a 'name' and a 'schema'")


def _check_cap(field: str, value: Any) -> None:
    if value != "auto":
        integer_between(0, other='or "auto"')(field, value)


def _check_caps(payload: Mapping[str, Any]) -> None:
    new, old = payload.get("max_completion_tokens"), payload.get("max_tokens")
    if None not in (new, old) and new != old:
        refuse("max_tokens", old, f"it is the old name of max_completion_tokens, which is {new}")


_CHECKS: dict[str, Check] = {
    "temperature": number_between(0, 2),
    "top_p": number_between(0, 1),
    "frequency_penalty": number_between(-2, 2),
    "presence_penalty": number_between(-2, 2),
    "max_completion_tokens": _check_cap,
    "max_tokens": integer_between(0),
    "top_logprobs": integer_between(0, 20),
    "n": _check_one,
    "seed": integer_between(-(2**63), 2**63 - 1),
    "stop": _check_stop,
    "stream": of_type(bool, "True or False"),
    "tools": _check_tools,
    "tool_choice": of_type((str, Mapping), "'none', 'auto', 'required' or a named function"),
    "parallel_tool_calls": of_type(bool, "True or False"),
    "response_format": _check_response_format,
    "reasoning_effort": of_type(str, "a word such as 'low', 'medium' or 'high'"),
    "reasoning_format": of_type(str, "'hidden', 'raw' or 'parsed'"),
    "service_tier": of_type(str, "a word such as 'auto', 'on_demand' or 'flex'"),
    "user": of_type(str, "a string"),
}


# --- messages --------------------------------------------------------------------------------


def is_list(value: Any) -> bool:
    """Whether it is a list of any kind, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _check_messages(messages: Any) -> None:
    if not is_list(messages):
        refuse("messages", messages, "give a list of {'role': ..., 'content': ...}")
    if not messages:
        refuse("messages", messages, "give at least one message")
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message)


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, Mapping):
        refuse(where, message, "give a mapping with 'role' and 'content'")
    role = message.get("role")
    if role not in ROLES:
        refuse(f"{where}.role", role, f"give one of {', '.join(ROLES)}")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        refuse(
            f"{where}.tool_call_id",
            message.get("tool_call_id"),
            "give the id of the tool call that this answers",
        )
    if message.get("tool_calls") is not None:
        _check_tool_calls(f"{where}.tool_calls", message["tool_calls"])
    _check_content(f"{where}.content", message)


def _check_content(where: str, message: Mapping[str, Any]) -> None:
    content = message.get("content")
    if isinstance(content, str) or (not content and _says_otherwise(message)):
        return
    if not is_list(content):
        refuse(where, content, "give a string or a list of parts")
    if not content:
        refuse(where, content, "give at least one part")
    for index, part in enumerate(content):
        _check_part(f"{where}[{index}]", part)


def _says_otherwise(message: Mapping[str, Any]) -> bool:
    """Whether the content may be missing, because an assistant did something else than talk."""
    return message["role"] == "assistant" and any(
        message.get(key) for key in ("tool_calls", "function_call", "reasoning")
    )


def _check_part(where: str, part: Any) -> None:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        refuse(where, part, "give a mapping with a 'type', such as {'type': 'text', 'text': ...}")
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        refuse(f"{where}.text", part.get("text"), "give a string")
    if part["type"] == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else None
        if not isinstance(url, str) or not url:
            refuse(f"{where}.image_url.url", url, "give an https: or data: address")


def _check_tool_calls(where: str, calls: Any) -> None:
    if not is_list(calls):
        refuse(where, calls, "give a list of tool calls")
    for index, call in enumerate(calls):
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            refuse(f"{where}[{index}].function", function, "give a mapping with a 'name'")


# --- values that JSON cannot carry -----------------------------------------------------------


def _check_json_value(where: str, value: Any, outside: tuple[int, ...]) -> None:
    if id(value) in outside:
        refuse(where, "...", "it contains itself")
    if len(outside) > _DEEPEST:
        refuse(where, "...", "it is nested too deeply")
    inside = (*outside, id(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            name = f"{where}.{key}" if where else str(key)
            if not isinstance(key, str):
                refuse(name, key, "give strings as keys")
            _check_json_value(name, item, inside)
    elif is_list(value):
        for index, item in enumerate(value):
            _check_json_value(f"{where}[{index}]", item, inside)
    elif isinstance(value, float) and not math.isfinite(value):
        refuse(where, value, "JSON has no such number; give a finite one")
    else:
        _check_json_leaf(where, value)


def _check_json_leaf(where: str, value: Any) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        refuse(where, value, f"a {type(value).__name__} is not JSON; give strings, numbers, lists")
