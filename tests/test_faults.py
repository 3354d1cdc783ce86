"""From an answer to an error: the one translation."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from helpers_recordings import exchanges, quoted_refusals, recorded
from hypothesis import example, given
from hypothesis import strategies as st

from customgroqchat import exceptions
from customgroqchat._faults import error_from_response
from customgroqchat._records import Headers, RequestInfo, ResponseInfo
from customgroqchat.exceptions import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RateLimitExceededException,
    RequestTooLargeError,
)

REQUEST = RequestInfo("POST", "https://api.groq.com/openai/v1/chat/completions")
WALL_S = 1_790_000_000.0
CLASS_BY_STATUS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    498: "CapacityExceededError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "InternalServerError",
    504: "InternalServerError",
    524: "InternalServerError",
    # The service has no class of its own for these.
    302: "APIStatusError",
    408: "APIStatusError",
    424: "APIStatusError",
    499: "APIStatusError",
}


def error_of(status: int, text: str = "", headers: dict[str, str] | None = None) -> APIStatusError:
    return error_from_response(ResponseInfo(status, Headers(headers), text), REQUEST, WALL_S)


def envelope(message: str, **fields: Any) -> str:
    return json.dumps({"error": {"message": message, **fields}})


@pytest.mark.parametrize(("status", "name"), CLASS_BY_STATUS.items())
def test_each_status_has_its_class(status: int, name: str) -> None:
    error = error_of(status, envelope("no"))
    assert type(error) is getattr(exceptions, name)
    assert error.status_code == status


def test_the_facts_of_the_answer_are_kept() -> None:
    text = envelope("Wrong.", type="invalid_request_error", code="some_code", param="messages")
    error = error_of(400, text, {"X-Request-Id": "req_1"})
    assert (error.code, error.type, error.param) == (
        "some_code",
        "invalid_request_error",
        "messages",
    )
    assert error.request_id == "req_1"
    assert error.request == REQUEST
    assert error.response == ResponseInfo(400, Headers({"x-request-id": "req_1"}), text)
    assert error.body == json.loads(text)
    assert "400" in error.message
    assert "Wrong." in error.message


def test_what_the_model_failed_with_is_in_the_body() -> None:
    text = envelope("Failed to validate JSON.", code="json_validate_failed", failed_generation="{")
    error = error_of(400, text)
    assert isinstance(error.body, dict)
    assert error.body["error"]["failed_generation"] == "{"


def test_an_unknown_request_is_none() -> None:
    assert error_from_response(ResponseInfo(500), None, WALL_S).request is None


# --- bodies of other shapes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": "no credits"}', "no credits"),
        ('{"message": "from a proxy", "code": 1010}', "from a proxy"),
        ("<html>\n <b>Access\n denied</b> </html>", "<html> <b>Access denied</b> </html>"),
        ("error code: 1010", "error code: 1010"),
        ("[1, 2]", "[1, 2]"),
        ('{"error": null}', '{"error": null}'),
        ('{"error": {}}', '{"error": {}}'),
        ('{"error": {"message": ""}}', '{"error": {"message": ""}}'),
        ('{"error": {"message": null, "code": "c"}}', '"code": "c"'),
    ],
)
def test_the_message_is_found_wherever_it_stands(text: str, said: str) -> None:
    assert said in error_of(502, text).message


def test_a_body_that_is_not_json_is_kept_as_text() -> None:
    assert error_of(503, "<html>busy</html>").body == "<html>busy</html>"


def test_an_empty_body_is_none_and_still_a_sentence() -> None:
    error = error_of(500)
    assert error.body is None
    assert error.message.startswith("Error code: 500 - ")
    assert len(error.message) > len("Error code: 500 - ")


def test_a_page_of_html_does_not_fill_the_log() -> None:
    error = error_of(502, "<p>" + "busy " * 10_000)
    assert len(str(error)) < 1000
    assert len(str(error.body)) > 10_000


def test_codes_that_are_numbers_become_text() -> None:
    assert error_of(403, envelope("no", code=1010)).code == "1010"


@pytest.mark.parametrize("status", [300, 307, 399])
def test_a_redirection_names_its_target(status: int) -> None:
    error = error_of(status, "moved", {"location": "https://elsewhere.example/v1"})
    assert "https://elsewhere.example/v1" in error.message


def test_a_redirection_without_a_target_says_what_the_body_says() -> None:
    assert "moved" in error_of(302, "moved").message


@pytest.mark.parametrize("status", [400, 503])
def test_a_location_matters_to_redirections_only(status: int) -> None:
    assert "elsewhere" not in error_of(status, "busy", {"location": "https://elsewhere"}).message


@repeatable
@given(st.integers(300, 599), st.text() | json_values.map(json.dumps))
@example(400, "1" * 5000)
def test_any_text_becomes_an_error_that_can_be_logged(status: int, text: str) -> None:
    error = error_of(status, text)
    assert isinstance(error, APIStatusError)
    assert str(status) in str(error)
    json.dumps(error.to_dict())


def test_a_body_of_nothing_but_brackets_is_text() -> None:
    assert "[[[[" in error_of(502, "[" * 100_000).message


@repeatable
@given(st.dictionaries(st.sampled_from(["message", "type", "code", "param"]), json_values))
def test_any_envelope_becomes_text_facts(fields: dict[str, Any]) -> None:
    error = error_of(429, json.dumps({"error": fields}))
    assert all(isinstance(fact, str | None) for fact in (error.type, error.code, error.param))


# --- waits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 498, 503])
def test_the_header_tells_the_wait(status: int) -> None:
    assert error_of(status, headers={"Retry-After": "7"}).retry_after == 7.0
    assert error_of(status).retry_after is None


def test_a_date_is_compared_with_the_wall_clock() -> None:
    headers = {"retry-after": formatdate(WALL_S + 30, usegmt=True)}
    assert error_of(503, headers=headers).retry_after == 30.0


REACHED = (
    "Rate limit reached for model `m` in organization `org_x` service tier `on_demand` on tokens "
    "per minute (TPM): Limit 6000, Used 3513, Requested 3166. Please try again in 6.780999999s."
)
TOO_LARGE = (
    "Request too large for model `m` in organization `org_x` service tier `on_demand` on {axis}: "
    "Limit 1000, Requested 1080"
)


def test_the_text_tells_the_wait_more_exactly_than_the_header() -> None:
    error = error_of(429, envelope(REACHED, type="tokens"), {"retry-after": "7"})
    assert error.retry_after == 6.780999999


def test_a_text_without_a_wait_leaves_the_header_standing() -> None:
    error = error_of(429, envelope("Rate limit reached."), {"retry-after": "7"})
    assert error.retry_after == 7.0


def test_a_refusal_tells_all_about_the_limit() -> None:
    error = error_of(429, envelope(REACHED, type="tokens", code="rate_limit_exceeded"))
    assert isinstance(error, RateLimitError)
    assert isinstance(error, RateLimitExceededException)
    assert (error.dimension, error.limit, error.used, error.requested) == ("TPM", 6000, 3513, 3166)
    assert "retry_after" in str(error)


def test_an_output_limit_that_is_too_small_is_a_refusal_without_a_wait() -> None:
    text = envelope(TOO_LARGE.format(axis="output tokens per minute (OTPM)"))
    error = error_of(429, text, {"retry-after": "9"})
    assert isinstance(error, RateLimitError)
    assert (error.dimension, error.limit, error.requested) == ("OTPM", 1000, 1080)
    assert error.retry_after is None
    assert "max_completion_tokens" in str(error)


def test_a_request_that_is_too_large_tells_the_limit() -> None:
    error = error_of(413, envelope(TOO_LARGE.format(axis="tokens per minute (TPM)")))
    assert isinstance(error, RequestTooLargeError)
    assert (error.dimension, error.limit, error.requested) == ("TPM", 1000, 1080)
    assert "max_completion_tokens" in str(error)


def test_a_request_that_is_too_large_has_no_wait_although_the_header_has() -> None:
    text = envelope(TOO_LARGE.format(axis="tokens per minute (TPM)"))
    assert error_of(413, text, {"retry-after": "19"}).retry_after is None


def test_a_body_too_large_for_the_edge_says_nothing_of_a_limit() -> None:
    error = error_of(413, "<html>Request Entity Too Large</html>")
    assert isinstance(error, RequestTooLargeError)
    assert (error.dimension, error.limit, error.requested) == (None, None, None)


@pytest.mark.parametrize("row", [row for row in quoted_refusals() if row["http_status"]])
def test_quoted_refusals_become_errors_with_their_facts(row: dict[str, Any]) -> None:
    text = envelope(row["message"], type=row["type"], code=row["code"])
    error = error_of(row["http_status"], text)
    assert type(error).__name__ == CLASS_BY_STATUS[row["http_status"]]
    assert (error.type, error.code) == (row["type"], row["code"])
    assert isinstance(error, RateLimitError | RequestTooLargeError)
    assert row["axis"] in (None, error.dimension)
    assert f"Limit {error.limit}," in row["message"]
    possible = error.limit is not None and (error.requested or 0) <= error.limit
    assert error.retry_after == (row.get("wait_s") if possible else None)


# --- hints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, "blocked_api_access", "spend limit"),
        (400, "context_length_exceeded", "shorter messages"),
        (401, "invalid_api_key", "GROQ_API_KEY"),
        (400, "json_validate_failed", "max_completion_tokens"),
        (400, "model_decommissioned", "models.list()"),
        (404, "model_not_found", "models.list()"),
        (403, "model_terms_required", "terms"),
        (400, "organization_restricted", "restricted"),
        (400, "tool_use_failed", "tool"),
        (404, "unknown_url", "base_url"),
        (401, None, "GROQ_API_KEY"),
        (403, "model_permission_blocked_org", "may not"),
        (413, None, "no wait"),
        (429, None, "later"),
        (498, None, "on_demand"),
        (503, None, "try again"),
    ],
)
def test_hints_say_what_to_do(status: int, code: str | None, advice: str) -> None:
    fields = {} if code is None else {"code": code}
    assert advice in str(error_of(status, envelope("no", **fields)).hint)


def test_the_code_gives_better_advice_than_the_status() -> None:
    by_status = error_of(403, envelope("no")).hint
    assert error_of(403, envelope("no", code="model_terms_required")).hint != by_status


def test_without_advice_there_is_no_hint() -> None:
    assert error_of(400, envelope("no", code="something_new")).hint is None


# --- recorded answers ------------------------------------------------------------------------

CLASS_BY_CODE: dict[str | None, type[APIStatusError]] = {
    "invalid_api_key": AuthenticationError,
    "model_not_found": NotFoundError,
    "model_decommissioned": BadRequestError,
    "tool_use_failed": BadRequestError,
    None: BadRequestError,
}


@pytest.mark.parametrize("row", exchanges(failed=True), ids=lambda row: row["id"])
def test_recorded_errors_become_ours_with_all_their_facts(row: dict[str, Any]) -> None:
    answer = row["response"]
    told = json.loads(answer["body"])["error"]
    error = error_of(answer["status"], answer["body"], answer["headers"])
    assert type(error) is CLASS_BY_CODE[told.get("code")]
    assert (error.status_code, error.body) == (answer["status"], {"error": told})
    for fact in ("code", "type", "param"):
        assert getattr(error, fact) == told.get(fact)
    assert error.message.endswith(told["message"])
    assert error.request_id == Headers(answer["headers"]).get("x-request-id")
    assert (error.hint is None) is (error.code is None)


ENVELOPES = [
    ("Please reduce the length of the messages or completion.", 400, BadRequestError),
    ("m is currently over capacity. Please try again and back off.", 503, InternalServerError),
    ("This model is not allowed for the organization.", 403, PermissionDeniedError),
]


@pytest.mark.parametrize(("message", "status", "error_class"), ENVELOPES)
def test_documented_messages_are_passed_on(
    message: str, status: int, error_class: type[APIStatusError]
) -> None:
    error = error_of(status, envelope(message, type="internal_server_error"))
    assert type(error) is error_class
    assert message in str(error)


@pytest.mark.parametrize(
    "row", [row for row in recorded("quoted_errors.jsonl") if row["http_status"] == 400]
)
def test_quoted_bad_requests_keep_their_code(row: dict[str, Any]) -> None:
    error = error_of(400, envelope(row["message"], type=row["type"], code=row["code"]))
    assert type(error) is BadRequestError
    assert (error.type, error.code) == (row["type"], row["code"])
    assert row["message"] in str(error)
