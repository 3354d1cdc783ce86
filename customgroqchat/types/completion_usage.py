"""What a request used."""

from __future__ import annotations

from .._objects import APIObject


class PromptTokensDetails(APIObject):
    """Of the prompt's tokens, those found in the service's cache; they count for no limit."""

    cached_tokens: int | None


class CompletionTokensDetails(APIObject):
    """Of the answer's tokens, those of its reasoning."""

    reasoning_tokens: int | None


class CompletionUsage(APIObject):
    """What the request used: counts in tokens, times in seconds.

    ``total_time`` is ``prompt_time`` and ``completion_time``, without ``queue_time``.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    queue_time: float | None
    prompt_time: float | None
    completion_time: float | None
    total_time: float | None
    prompt_tokens_details: PromptTokensDetails | None
    completion_tokens_details: CompletionTokensDetails | None
