"""Text completions, which the service does not have, as chat completions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._text import shown
from .exceptions import InvalidRequestException
from .types import TextCompletion

# What a completion endpoint offers and a chat model cannot do.
_IMPOSSIBLE = ("suffix", "echo", "best_of", "logprobs")


def to_chat(
    prompt: Any, parameters: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the messages and the parameters that ask for the completion of a prompt.

    Raises:
        InvalidRequestException: the prompt is not a string, or a parameter cannot be had.
    """
    if not isinstance(prompt, str) or not prompt:
        raise InvalidRequestException(
            f"prompt cannot be {shown(prompt)}: give a string that is not empty.",
            field="prompt",
            value=shown(prompt),
            hint="Several prompts are several requests; map() sends them in parallel.",
        )
    for field in _IMPOSSIBLE:
        if parameters.get(field):
            raise InvalidRequestException(
                f"{field} is not available: the service completes texts by way of chat only.",
                field=field,
                value=shown(parameters[field]),
                hint=f"Leave {field} out.",
            )
    wanted = {name: value for name, value in parameters.items() if name not in _IMPOSSIBLE}
    return [{"role": "user", "content": prompt}], wanted


def to_text_completion(chat: Mapping[str, Any]) -> TextCompletion:
    """Return a chat answer in the shape of a text completion; other fields are kept."""
    choices = [
        {
            "index": choice.get("index", 0),
            "text": (choice.get("message") or {}).get("content") or "",
            "finish_reason": choice.get("finish_reason"),
            "logprobs": None,
        }
        for choice in chat.get("choices") or ()
    ]
    return TextCompletion.wrap({**chat, "object": "text_completion", "choices": choices})


def to_text_chunk(chunk: Mapping[str, Any]) -> TextCompletion:
    """Return an event of a chat stream as one of a text completion's; other fields are kept."""
    choices = [
        {
            "index": choice.get("index", 0),
            "text": (choice.get("delta") or {}).get("content") or "",
            "finish_reason": choice.get("finish_reason"),
            "logprobs": None,
        }
        for choice in chunk.get("choices") or ()
        if isinstance(choice, Mapping)
    ]
    return TextCompletion.wrap({**chunk, "object": "text_completion", "choices": choices})
