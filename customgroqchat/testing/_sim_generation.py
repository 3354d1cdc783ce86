"""What the service refuses only once the model has spoken: no JSON, or a wrong call of a tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._sim_answers import Answer, ToolCall
from ._sim_schema_check import mismatches
from ._sim_script import offered_functions, wants_json

_SEE = "Please adjust your prompt. See 'failed_generation' for more details."
_CUT = "max completion tokens reached before generating a valid document. "
_NOTHING = object()


def generation_error(payload: Mapping[str, Any], answer: Answer, spoilt: bool) -> Any:
    """The error that stands in the answer's place, or None. ``spoilt`` is no JSON in any case."""
    if payload.get("tools") and not spoilt:
        text = _tool_error(payload, answer)
        if text is not None:
            return _error("tool_use_failed", text, _calls(answer) or answer.text)
    if wants_json(payload) and not answer.calls:
        text = _json_error(payload, answer, spoilt)
        if text is not None:
            return _error("json_validate_failed", text, answer.text)
    return None


def _tool_error(payload: Mapping[str, Any], answer: Answer) -> str | None:
    choice = payload.get("tool_choice")
    if not answer.calls and (choice == "required" or isinstance(choice, dict)):
        return "Tool choice is required, but model did not call a tool"
    if payload.get("disable_tool_validation"):
        return None
    functions = {function["name"]: function for function in offered_functions(payload)}
    wrong = (_call_error(call, functions) for call in answer.calls)
    return next((text for text in wrong if text is not None), None)


def _call_error(call: ToolCall, functions: Mapping[str, Mapping[str, Any]]) -> str | None:
    failed = "tool call validation failed:"
    if call.name not in functions:
        return f"{failed} attempted to call tool '{call.name}' which was not in request.tools"
    arguments = _parsed("".join(call.arguments))
    if arguments is _NOTHING:
        return f"Failed to call a function. {_SEE}"
    wrong = mismatches(arguments, functions[call.name].get("parameters"))
    if wrong:
        text = f"parameters for tool {call.name} did not match schema"
        return f"{failed} {text}: errors: [{', '.join(wrong)}]"
    return None


def _json_error(payload: Mapping[str, Any], answer: Answer, spoilt: bool) -> str | None:
    value = _NOTHING if spoilt else _parsed(answer.text)
    if value is _NOTHING:
        cut = answer.finish_reason == "length"
        return f"Failed to validate JSON. {_CUT if cut else ''}{_SEE}"
    schema = (payload["response_format"].get("json_schema") or {}).get("schema")
    wrong = mismatches(value, schema)
    if wrong:
        return f"Generated JSON does not match the expected schema. {_SEE} Error: {wrong[0]}"
    return None


def _calls(answer: Answer) -> str:
    calls = [{"name": call.name, "parameters": _written(call)} for call in answer.calls]
    return json.dumps(calls, ensure_ascii=False) if calls else ""


def _written(call: ToolCall) -> Any:
    text = "".join(call.arguments)
    parsed = _parsed(text)
    return text if parsed is _NOTHING else parsed


def _error(code: str, message: str, failed_generation: str) -> dict[str, Any]:
    return {
        "message": message,
        "type": "invalid_request_error",
        "code": code,
        "failed_generation": failed_generation,
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _NOTHING
