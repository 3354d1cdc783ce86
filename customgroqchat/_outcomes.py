"""What the end of an attempt means for quota and retries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from ._headers import parse_limit_headers
from ._pricing import Usage
from .exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    CapacityExceededError,
    RateLimitError,
)

_MOST_TOKENS = 2**40  # more is no count, whatever else it is
_NO_CAPACITY = frozenset({503, 529})


def waits_for_quota(error: APIError) -> bool:
    """Whether it is a refusal that says when to come back.

    Told to come back in no time, a request waits for a backoff, as after any fault.
    """
    return isinstance(error, RateLimitError) and bool(error.retry_after)


def was_not_charged(error: APIError) -> bool:
    """Whether the service certainly did no work: it never got the request, or refused it."""
    if isinstance(error, APIConnectionError):
        return not error.may_have_arrived
    if isinstance(error, CapacityExceededError):
        return True
    # Refusals before admission carry no rate-limit headers; those of a failed answer do.
    return (
        isinstance(error, APIStatusError)
        and (error.status_code < 500 or error.status_code in _NO_CAPACITY)
        and (error.response is None or not parse_limit_headers(error.response.headers))
    )


def usage_of(data: Any) -> Usage | None:
    """Return the usage in an answer, or None if there is none to be understood."""
    usage = data.get("usage") if isinstance(data, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return Usage(prompt, completion, cached if _is_count(cached) else 0)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def finish_reason_of(data: Any) -> str | None:
    """Return why an answer ended, or None if it does not say."""
    choices = data.get("choices") if isinstance(data, Mapping) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("finish_reason") if isinstance(first, Mapping) else None
    return reason if isinstance(reason, str) else None


def is_answer(data: Any) -> bool:
    """Whether it has the form of a chat answer, as far as everybody relies on it."""
    choices = data.get("choices") if isinstance(data, dict) else None
    return isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices)
