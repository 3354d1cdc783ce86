"""The prompt of the gpt-oss models, rendered in their own format and counted piece by piece.

These models read "harmony": messages with a header each, tools as TypeScript types. Markers
such as ``<|start|>`` are one token and never merge with text, so the pieces between them can be
counted one at a time, and the fixed ones are numbers. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ._token_request import Call, Measure, Message, Request, compact_json, is_system

__all__ = ["count_harmony", "count_harmony_message"]

_PREAMBLE = 61  # who the model is, today's date, the reasoning effort, the channels
_TOOL_CHANNEL = 14  # the line of the preamble that sends tool calls to their channel
_FRAME = 4  # start, role, message, end
_INSTRUCTIONS = 3  # "# Instructions" and an empty line
_REPLY = 2  # start, assistant
_ANSWER_FRAME = 6  # an earlier answer says its channel as well
_CALL_FRAME = 7
_RESULT_FRAME = 7
_NO_DESCRIPTION = 6
_MAX_DEPTH = 12


def count_harmony(request: Request, measure: Measure) -> float:
    """Return the prompt tokens of a request as gpt-oss reads it: text and tools."""
    tokens = _PREAMBLE + _REPLY + _developer(request, measure)
    for message in request.messages:
        if not is_system(message):
            tokens += count_harmony_message(message, measure)
    return tokens


def count_harmony_message(message: Message, measure: Measure) -> float:
    """Return the tokens of one message within its frame."""
    text = message.content.text
    if message.calls:  # what the assistant says beside its calls is left out
        return sum(_call(call, measure) for call in message.calls)
    if message.role == "assistant":
        return _ANSWER_FRAME + measure(text)
    if message.role in ("tool", "function"):
        return _RESULT_FRAME + measure(f"functions.{message.name}") + measure(text)
    return _FRAME + measure(text) + (_INSTRUCTIONS if is_system(message) else 0)


def _call(call: Call, measure: Measure) -> float:
    return _CALL_FRAME + measure(f"functions.{call.name}") + measure(call.arguments)


def _developer(request: Request, measure: Measure) -> float:
    """The message with instructions and tools, which is there even if it is empty."""
    instructions = "\n\n".join(filter(None, (request.system_text, request.documents)))
    tokens = _FRAME + (_INSTRUCTIONS if instructions else 0)
    if request.functions:
        tokens += _TOOL_CHANNEL
        tokens += _NO_DESCRIPTION * sum(not _description(f) for f in request.functions)
    tools = _namespace(request) if request.functions else ""
    # Measured together, as a full stop and the empty line after it make one token.
    return tokens + measure("\n\n".join(filter(None, (instructions, tools))))


def _namespace(request: Request) -> str:
    types = "".join(map(_function_type, request.functions))
    return f"# Tools\n\n## functions\n\nnamespace functions {{\n\n{types}}} // namespace functions"


def _function_type(function: object) -> str:
    if not isinstance(function, Mapping):
        return compact_json(function)
    parameters = function.get("parameters")
    argument = f"_: {_type(parameters)}" if isinstance(parameters, Mapping) else ""
    comment = "".join(_comment(_description(function)))
    return f"{comment}type {function.get('name')} = ({argument}) => any;\n\n"


def _description(schema: object) -> str:
    description = schema.get("description") if isinstance(schema, Mapping) else None
    return description if isinstance(description, str) else ""


def _comment(text: str) -> Iterator[str]:
    return (f"// {line}\n" for line in text.splitlines())


def _type(schema: object, depth: int = 0) -> str:
    """A JSON schema as a TypeScript type; what it cannot say is ``any``."""
    if not isinstance(schema, Mapping):
        return "any"
    if depth > _MAX_DEPTH:  # perhaps a schema that contains itself
        return compact_json(schema)
    if isinstance(schema.get("enum"), (list, tuple)):
        return " | ".join(map(_literal, schema["enum"]))
    for alternatives in (schema.get("oneOf"), schema.get("anyOf")):
        if isinstance(alternatives, (list, tuple)):
            return " | ".join(_type(one, depth + 1) for one in alternatives)
    return _plain_type(schema, depth)


def _plain_type(schema: Mapping[str, object], depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, (list, tuple)):
        return " | ".join(_type({**schema, "type": one}, depth + 1) for one in kind)
    if kind == "object" or "properties" in schema:
        return _object_type(schema, depth)
    if kind == "array":
        return f"{_type(schema.get('items'), depth + 1)}[]"
    return "number" if kind == "integer" else str(kind or "any")


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else compact_json(value)


def _object_type(schema: Mapping[str, object], depth: int) -> str:
    properties = schema.get("properties")
    required = schema.get("required")
    names = required if isinstance(required, (list, tuple)) else ()
    lines = [
        _property(name, value, name not in names, depth)
        for name, value in (properties.items() if isinstance(properties, Mapping) else ())
    ]
    indent = "    " * depth
    return "{\n" + "".join(indent + line for line in lines) + indent + "}"


def _property(name: str, schema: object, optional: bool, depth: int) -> str:
    comment = "".join(_comment(_description(schema)))
    default = ""
    if isinstance(schema, Mapping) and "default" in schema:
        default = f" // default: {schema['default']}"
    return f"{comment}{name}{'?' * optional}: {_type(schema, depth + 1)},{default}\n"
