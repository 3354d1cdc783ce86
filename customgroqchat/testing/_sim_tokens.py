"""A naive rule for counting tokens, and text with a given number of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Words up to eleven Latin letters, three digits, two letters of another script, one sign.
_PIECE = r"[A-Za-z\u00c0-\u024f]{1,11}|\d{1,3}|[^\W\d_]{1,2}|[^\w\s]|_"
_COUNTED = re.compile(_PIECE + r"|\n+")
# In JSON a run of signs, such as "},{", is mostly one token.
_COUNTED_JSON = re.compile(r"[A-Za-z]{1,11}|\d{1,3}|[^\W\d_]{1,2}|[^\w\s]+|_")
_SPOKEN = re.compile(rf"\s*(?:{_PIECE})")
_FILLER = "This answer is padded to the number of tokens that was asked for."

_JSON_MODE_TOKENS = 28
_TOOL_PREAMBLE_TOKENS = 14


def count_prompt_tokens(payload: Mapping[str, Any]) -> int:
    """Count a chat request: pieces of its text plus the chat template of the model's family.

    A piece is a run of at most eleven letters, of at most three digits, a line break or one sign.
    The template costs 71 for gpt-oss (74 with a system message), 35 for Llama 3.x and otherwise
    5 for each message and 3; tools and schemas cost the pieces of their JSON.
    """
    messages = payload.get("messages") or []
    text = sum(_count_message(message) for message in messages)
    roles = [message.get("role") for message in messages]
    return text + _template_tokens(str(payload.get("model")), roles) + _extra_tokens(payload)


def count_pieces(text: str) -> int:
    """The pieces of one text; see :func:`count_prompt_tokens`."""
    return sum(1 for _ in _COUNTED.finditer(text))


def _template_tokens(model: str, roles: Sequence[Any]) -> int:
    system = any(role in ("system", "developer") for role in roles)
    others = len(roles) - system
    if "gpt-oss" in model:
        return 71 + 3 * system + 4 * max(0, others - 1)
    if model.startswith("llama-3."):
        return 30 + 5 * others
    return 5 * len(roles) + 3


def _extra_tokens(payload: Mapping[str, Any]) -> int:
    total = 0
    if payload.get("tools"):
        bare = [tool.get("function", tool) for tool in payload["tools"]]
        total += _count_json(bare) + _TOOL_PREAMBLE_TOKENS
    response_format = payload.get("response_format") or {}
    if response_format.get("type") in ("json_object", "json_schema"):
        schema = response_format.get("json_schema")
        total += _JSON_MODE_TOKENS + (_count_json(schema) if schema else 0)
    return total


def _count_message(message: Mapping[str, Any]) -> int:
    calls = message.get("tool_calls") or []
    called = [call.get("function") or {} for call in calls if isinstance(call, dict)]
    spoken = count_pieces(content_text(message.get("content")))
    return spoken + sum(_count_json(list(function.values())) for function in called)


def _count_json(value: Any) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return sum(1 for _ in _COUNTED_JSON.finditer(text))


def content_text(content: Any) -> str:
    """The text of a message's content, given as a string, a list of parts or nothing."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def answer_pieces(payload: Mapping[str, Any], number: int) -> list[str]:
    """The answer to ``payload`` as ``number`` pieces; joined they are its text.

    It echoes the last message of the user, cut or padded, so equal requests get equal answers.
    """
    return list(itertools.islice(_endless_answer(_echo(payload)), number))


def text_pieces(text: str) -> list[str]:
    """Split ``text`` into pieces that give it back when joined."""
    pieces = _SPOKEN.findall(text)
    rest = text[sum(map(len, pieces)) :]
    return [*pieces, rest] if rest else pieces


def _echo(payload: Mapping[str, Any]) -> str:
    said = [
        content_text(message.get("content"))
        for message in payload["messages"]
        if message.get("role") == "user"
    ]
    return "You said: " + " ".join((said[-1] if said else "nothing").split())


def _endless_answer(text: str) -> Iterator[str]:
    yield from text_pieces(text)
    for filler in itertools.repeat(text_pieces(" " + _FILLER)):
        yield from filler
