"""Texts that were completed; the service knows chat only, from which these are converted."""

from __future__ import annotations

from typing import Any

from .._objects import APIAnswer, APIObject
from .chat.chat_completion import XGroq
from .completion_usage import CompletionUsage


class TextChoice(APIObject):
    """One completed text."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: Any


class TextCompletion(APIAnswer):
    """The answer to a text completion: a chat answer in the older shape."""

    id: str
    object: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None
    service_tier: str | None
    x_groq: XGroq | None
