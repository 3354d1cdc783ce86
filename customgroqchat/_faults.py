"""From an answer or a fault of the wire to an error of ours: the one translation. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._headers import parse_limit_message, parse_retry_after
from ._http import HTTPResponse
from ._records import Headers, RequestInfo, ResponseInfo
from ._text import shown, without_secret
from .exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    CapacityExceededError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    UnprocessableEntityError,
)

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    498: CapacityExceededError,
}

_HINT_BY_CODE = {
    "blocked_api_access": "The organisation's spend limit is reached; raise it in the console.",
    "context_length_exceeded": "Send fewer or shorter messages, or lower max_completion_tokens.",
    "invalid_api_key": "Check GROQ_API_KEY, or create a key in the Groq console.",
    "json_validate_failed": "Raise max_completion_tokens, simplify the schema, or try again.",
    "model_decommissioned": "The model is shut down; models.list() names those that are not.",
    "model_not_found": "models.list() names the models that this key may use.",
    "model_terms_required": "Accept the model's terms once, in the Groq console.",
    "organization_restricted": "The organisation is restricted; ask Groq's support.",
    "tool_use_failed": "The model made a wrong tool call; try again, or simplify the tools.",
    "unknown_url": "Check base_url: it should end at the host, such as https://api.groq.com.",
}
_HINT_BY_PARAM = {
    "max_completion_tokens": "Lower it: models.facts() tells what the model can give.",
    "max_tokens": "Lower it: models.facts() tells what the model can give.",
    "messages": "Send fewer or shorter messages, or lower max_completion_tokens.",
}
_HINT_BY_STATUS = {
    401: "Check GROQ_API_KEY, or create a key in the Groq console.",
    403: "The key may not do this, or the network or region is blocked.",
    413: "Shorten the messages or lower max_completion_tokens: no wait will help.",
    429: "Send it again later.",
    498: "The flex tier is full; try again later or use service_tier='on_demand'.",
    503: "The model is over capacity; try again later.",
}
_LONGEST_TEXT = 500
_KEPT_TEXT = 2000


def error_from_response(
    response: ResponseInfo, request: RequestInfo | None, wall_s: float
) -> APIStatusError:
    """Return the error for an answer that has an error status.

    Args:
        response: The answer; its text may be anything, JSON or not.
        request: Where the request went.
        wall_s: Seconds since 1970, to read a ``retry-after`` that is a date.
    """
    status = response.status_code
    body = _parsed(response.text)
    details = _details(body)
    message = _text(details.get("message")) or _fallback_message(response)
    code = _text(details.get("code"))
    facts: dict[str, Any] = {
        "status_code": status,
        "response": replace(response, request=request),
        "request": request,
        "body": body,
        "code": code,
        "type": _text(details.get("type")),
        "param": _text(details.get("param")),
        "failed_generation": _text(details.get("failed_generation")),
        "request_id": response.headers.get("x-request-id"),
        "retry_after": parse_retry_after(response.headers, wall_s),
        "hint": _HINT_BY_CODE.get(code or "")
        or (_HINT_BY_PARAM.get(str(details.get("param"))) if status == 400 else None)
        or _HINT_BY_STATUS.get(status),
    }
    error_class = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    if issubclass(error_class, RateLimitError | RequestTooLargeError):
        facts |= _limit_facts(error_class, message)
    if facts["hint"] is _HINT_BY_STATUS[429]:
        facts["hint"] = _when_to_come_back(facts["retry_after"])
    # Programs look for the status and the code in the text, where the official SDK has them.
    told = f"{code}: {message}" if code and code not in message else message
    return error_class(f"Error code: {status} - {told}", **facts)


#: The status of an error that a stream tells without one.
_STATUS_BY_WORD = {
    "rate_limit_exceeded": 429,
    "invalid_request_error": 400,
    "json_validate_failed": 400,
    "tool_use_failed": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "over_capacity": 503,
    "service_unavailable": 503,
}


def error_from_frame(
    error: Mapping[str, Any], response: ResponseInfo, request: RequestInfo | None
) -> APIStatusError:
    """Return the error for one that a stream tells in place of its next event.

    Its status is the one that it names, or that its code or type stands for, else 500.

    Args:
        error: The error object.
        response: The answer that the stream is part of, whose own status is 200.
        request: Where the request went.
    """
    status = error.get("status_code")
    if not isinstance(status, int) or not 300 <= status <= 599:
        words = (_text(error.get(name)) or "" for name in ("code", "type"))
        status = next((_STATUS_BY_WORD[word] for word in words if word in _STATUS_BY_WORD), 500)
    text = json.dumps({"error": dict(error)}, ensure_ascii=False, default=str)
    return error_from_response(ResponseInfo(status, response.headers, text), request, 0.0)


def cut_off(where: str, request: RequestInfo, request_id: str | None = None) -> APIConnectionError:
    """Return the error for an answer that ended too soon."""
    return APIConnectionError(
        f"The connection failed: the answer was cut off {where}.",
        request=request,
        request_id=request_id,
        hint="Send it again.",
    )


def invalid_answer(
    what: str, response: ResponseInfo, request: RequestInfo | None, hint: str | None = None
) -> APIResponseValidationError:
    """Return the error for an answer with a good status that is not what the API promises.

    Args:
        what: What is wrong, as the end of a sentence: ``"the answer is not JSON"``.
        response: The answer, of which no more than the beginning of the text is kept.
        request: Where the request went.
        hint: What to do about it; by default, to look for who answers in the service's place.
    """
    return APIResponseValidationError(
        f"Status {response.status_code}, but {what}",
        status_code=response.status_code,
        response=replace(response, text=response.text[:_KEPT_TEXT]),
        request=request,
        request_id=response.headers.get("x-request-id"),
        hint=hint or "Something between here and the service answers in its place; check base_url.",
    )


def not_understood(response: HTTPResponse, api_key: str | None) -> APIResponseValidationError:
    """Return the error for JSON that is not what this path of the API answers."""
    text = without_secret(shown(response.data), api_key)
    told = ResponseInfo(response.status_code, Headers(response.headers).without_secret(api_key))
    return invalid_answer(f"the answer is not of the API's form: {text}", told, None)


def _limit_facts(error_class: type[APIStatusError], message: str) -> dict[str, Any]:
    report = parse_limit_message(message)
    found: dict[str, Any] = {
        "dimension": report.dimension,
        "limit": report.limit,
        "requested": report.requested,
    }
    if error_class is RateLimitError:
        found["used"] = report.used
        if report.wait_s is not None:  # the header is the same wait rounded up to whole seconds
            found["retry_after"] = report.wait_s
    if report.too_large:
        found["retry_after"] = None
        found["hint"] = _HINT_BY_STATUS[413]
    return found


def _when_to_come_back(retry_after_s: float | None) -> str:
    if retry_after_s is None:
        return "Send it again later; the answer does not say when."
    return f"Send it again in {retry_after_s:g} s, which is retry_after."


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text or None


def _details(body: object) -> dict[str, Any]:
    """Return the error object, however deep it lies; the edge and proxies have other shapes."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, dict) else {"message": inner}


def _fallback_message(response: ResponseInfo) -> str:
    target = response.headers.get("location")
    if 300 <= response.status_code < 400 and target:
        return f"the service redirects to {target}, which is not followed; check base_url."
    text = " ".join(response.text.split())
    return text[:_LONGEST_TEXT] or "no explanation was given."


def _text(value: object) -> str | None:
    return None if value is None else str(value)
