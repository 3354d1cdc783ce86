"""What the simulated service refuses before it looks at any limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ._sim_model import SimulatedModel
from ._sim_wire import ApiError

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_UNSUPPORTED = ("logprobs", "top_logprobs", "logit_bias")
_DEPRECATIONS = (
    "Please refer to https://console.groq.com/docs/deprecations "
    "for a recommendation on which model to use instead."
)


def unknown_url(method: str, path: str) -> ApiError:
    """404 for a path the service does not have."""
    return ApiError(
        404,
        f"Unknown request URL: {method} {path}. Please check the URL for typos, or see the docs "
        "at https://console.groq.com/docs/",
        code="unknown_url",
    )


def invalid_api_key() -> ApiError:
    """401 for a missing or rejected key."""
    return ApiError(401, "Invalid API Key", code="invalid_api_key")


def invalid(message: str, **fields: Any) -> ApiError:
    """400 for a request that is not acceptable."""
    return ApiError(400, message, **fields)


def find_model(catalogue: Mapping[str, SimulatedModel], model_id: str) -> SimulatedModel:
    """The model called ``model_id``; raises ApiError."""
    model = catalogue.get(model_id)
    if model is None or model.status == "gone":
        raise ApiError(
            404,
            f"The model `{model_id}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    if model.status == "decommissioned":
        text = f"The model `{model_id}` has been decommissioned and is no longer supported. "
        raise invalid(text + _DEPRECATIONS, code="model_decommissioned")
    return model


def parse_payload(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``; raises ApiError."""
    try:
        payload = json.loads(body)
    except ValueError:
        raise invalid("could not parse the request body as JSON") from None
    if not isinstance(payload, dict):
        raise invalid("the request body must be a JSON object")
    return payload


def output_cap(payload: Mapping[str, Any]) -> int | None:
    """The most tokens the answer may have, or None when the request does not say."""
    for name in ("max_completion_tokens", "max_tokens"):
        if payload.get(name) is not None:
            return int(payload[name])
    return None


def check_chat_payload(
    payload: Mapping[str, Any],
    catalogue: Mapping[str, SimulatedModel],
    count_tokens: Callable[[Mapping[str, Any]], int],
) -> int:
    """The request's prompt tokens; raises ApiError when it is not acceptable."""
    model = _chat_model(payload, catalogue)
    _check_messages(payload.get("messages"))
    _check_options(payload)
    _check_cap(payload, model)
    prompt_tokens = count_tokens(payload)
    _check_context(prompt_tokens, output_cap(payload), model)
    return prompt_tokens


def requested_model(
    payload: Mapping[str, Any], catalogue: Mapping[str, SimulatedModel]
) -> SimulatedModel:
    """The model that the request names; raises ApiError."""
    model_id = payload.get("model")
    if not isinstance(model_id, str) or not model_id:
        raise invalid("'model' : property 'model' is missing", param="model")
    return find_model(catalogue, model_id)


def _chat_model(
    payload: Mapping[str, Any], catalogue: Mapping[str, SimulatedModel]
) -> SimulatedModel:
    model = requested_model(payload, catalogue)
    if not model.chat:
        raise unsupported(payload["model"], "chat completions")
    if payload.get("tools") and model.features and "tools" not in model.features:
        raise invalid("`tool calling` is not supported with this model")
    return model


def unsupported(model_id: str, what: str) -> ApiError:
    """400 for a model that serves another endpoint."""
    return invalid(f"The model `{model_id}` does not support {what}")


def _check_messages(messages: Any) -> None:
    if messages is None:
        raise invalid("'messages' : property 'messages' is missing")
    if not isinstance(messages, list):
        raise invalid("'messages' : value must be an array")
    if not messages:
        raise invalid("'messages' : minimum number of items is 1")
    for index, message in enumerate(messages):
        _check_message(f"messages.{index}", message)


def _check_message(place: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise invalid(f"'{place}' : value must be an object")
    role = message.get("role")
    if role not in _ROLES:
        raise invalid(f"'{place}' : discriminator property 'role' has invalid value")
    if not isinstance(message.get("content", ""), str | list | None):
        raise invalid(f"'{place}.content' : value must be a string")
    if message.get("content") is None and role != "assistant":
        raise invalid(f"'{place}' : property 'content' is missing")
    if role == "tool" and not message.get("tool_call_id"):
        raise invalid(f"'{place}' : property 'tool_call_id' is missing")
    if "name" in message and role not in ("tool", "function"):
        raise invalid(f"'{place}' : property 'name' is unsupported")


def _check_options(payload: Mapping[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if payload.get(name):
            raise invalid(f"`{name}` is not supported with this model", param=name)
    if payload.get("n") not in (None, 1):
        raise invalid("'n' : number must be at most 1", param="n")
    check_number(payload, "temperature", 0, 2)
    check_number(payload, "top_p", 0, 1)
    _check_length(payload, "stop", 4)
    _check_length(payload, "tools", 128)
    _check_objects(payload)
    if not isinstance(payload.get("stream"), bool | None):
        raise invalid("'stream' : value must be a boolean", param="stream")
    if payload.get("stream_options") is not None and not payload.get("stream"):
        raise invalid("'stream_options' is only allowed when 'stream' is true")


def check_number(payload: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """Raise ApiError unless a field is absent or a number between the two."""
    value = payload.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"'{name}' : value must be a number", param=name)
    if not low <= value <= high:
        bound = f"at most {high}" if value > high else f"at least {low}"
        raise invalid(f"'{name}' : number must be {bound}", param=name)


def _check_length(payload: Mapping[str, Any], name: str, longest: int) -> None:
    value = payload.get(name)
    if isinstance(value, list) and len(value) > longest:
        raise invalid(f"'{name}' : maximum number of items is {longest}", param=name)


def _check_objects(payload: Mapping[str, Any]) -> None:
    for name in ("response_format", "stream_options"):
        if not isinstance(payload.get(name), dict | None):
            raise invalid(f"'{name}' : value must be an object", param=name)
    schema = (payload.get("response_format") or {}).get("json_schema")
    if not isinstance(schema, dict | None):
        raise invalid("'response_format.json_schema' : value must be an object")
    tools = payload.get("tools") or []
    if not isinstance(tools, list) or not all(map(_is_tool, tools)):
        raise invalid("'tools' : value must be an array of objects", param="tools")


def _is_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("function"), dict | None)


def _check_cap(payload: Mapping[str, Any], model: SimulatedModel) -> None:
    for name in ("max_completion_tokens", "max_tokens"):
        cap = payload.get(name)
        if cap is None:
            continue
        if isinstance(cap, bool) or not isinstance(cap, int):
            raise invalid(f"'{name}' : value must be an integer", param=name)
        if cap < 1:
            raise invalid(f"'{name}' : number must be at least 1", param=name)
        if cap > model.max_completion_tokens:
            raise _cap_too_high(name, model.max_completion_tokens)


def _cap_too_high(name: str, most: int) -> ApiError:
    return invalid(
        f"`{name}` must be less than or equal to `{most}`, the maximum value for `{name}` "
        "is less than the `context_window` for this model",
        param=name,
    )


def _check_context(prompt_tokens: int, cap: int | None, model: SimulatedModel) -> None:
    if prompt_tokens + (cap or 1) > model.context_window:
        raise invalid(
            "Please reduce the length of the messages or completion.",
            param="messages",
            code="context_length_exceeded",
        )
