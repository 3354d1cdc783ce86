"""The files that a batch ends with become the answers of its requests."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from helpers_batches import CHAT, answered, completion, jsonl, refused
from helpers_properties import json_values, repeatable
from helpers_recordings import recorded
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._batch_results import (
    BatchResult,
    Lines,
    check_all_known,
    joined,
    names_in,
    told,
    unanswered,
)
from customgroqchat.exceptions import (
    APIError,
    APIResponseValidationError,
    BadRequestError,
    InternalServerError,
    InvalidRequestException,
    NotFoundError,
    RateLimitError,
)
from customgroqchat.types.batch import Batch
from customgroqchat.types.chat import ChatCompletion

BATCH = Batch({"id": "batch_1", "endpoint": CHAT, "status": "completed", "errors": {}})


def lines_of(*lines: Any) -> Lines:
    found = Lines()
    found.add(jsonl(lines))
    return found


def batch(status: str, **fields: Any) -> Batch:
    return Batch({**BATCH, "status": status, **fields})


def error_of(line: dict[str, Any], of: Batch = BATCH) -> Any:
    outcome = told(line, of)
    assert outcome.response is None
    return outcome.error


# --- lines -----------------------------------------------------------------------------------


def test_lines_are_found_by_name_in_any_order_and_in_several_files() -> None:
    lines = lines_of(answered("b", "B"), answered("a", "A"))
    lines.add(jsonl([refused("c", 400, message="no")]))
    assert [lines.take(name)["custom_id"] for name in "abc"] == ["a", "b", "c"]  # type: ignore[index]
    assert (lines.take("a"), lines.take("d"), lines.faults) == (None, None, [])


def test_of_two_lines_for_one_request_the_first_counts() -> None:
    lines = lines_of(answered("a", "first"), answered("a", "second"))
    lines.add(jsonl([refused("a", 400, message="no")]))
    assert lines.take("a") == answered("a", "first")
    assert lines.take("a") is None


@pytest.mark.parametrize("junk", [b"{not json", b'"text"', b"{}", b'{"custom_id": 3}', b"\xff\xfe"])
def test_what_cannot_be_read_is_counted_and_harms_no_other(junk: bytes) -> None:
    lines = Lines()
    lines.add(jsonl([answered("a", "A")]) + junk + b"\r\n\n  \n" + jsonl([answered("b", "B")]))
    assert lines.faults == ["Lines of its files that cannot be read: 1."]
    assert lines.names() == ["a", "b"]


def test_a_last_line_without_an_end_is_a_line() -> None:
    lines = Lines()
    lines.add(jsonl([answered("a", "A")]).rstrip())
    assert lines.names() == ["a"]


@repeatable
@given(st.lists(json_values, max_size=5), st.binary(max_size=20))
def test_no_file_raises(values: list[Any], junk: bytes) -> None:
    lines = Lines()
    lines.add(jsonl(values) + junk)
    for name in lines.names():
        assert told(lines.take(name) or {}, BATCH).response is None
    names_in(jsonl(values) + junk)


@repeatable
@given(st.dictionaries(st.sampled_from(["response", "error", "x"]), json_values))
def test_no_line_raises(line: dict[str, Any]) -> None:
    outcome = told(line, BATCH)
    assert (outcome.response is None) is (outcome.error is not None)


def test_names_are_read_from_an_input_file_in_order() -> None:
    content = jsonl([{"custom_id": "b"}, {"custom_id": 4}, {"custom_id": "a"}, 7])
    assert names_in(content) == ["b", "", "a", ""]


# --- answers ---------------------------------------------------------------------------------


def test_an_answer_is_a_completion_that_knows_its_request() -> None:
    outcome = told(answered("a", "Hello"), BATCH)
    assert isinstance(outcome.response, ChatCompletion)
    assert outcome.response == completion("Hello")
    assert outcome.response.choices[0].message.content == "Hello"
    assert (outcome.response.request_id, outcome.request_id) == ("req_a", "req_a")


def test_an_answer_of_another_endpoint_is_an_object() -> None:
    line = {"custom_id": "a", "response": {"status_code": 200, "body": {"text": "Hello"}}}
    outcome = told(line, batch("completed", endpoint="/v1/audio/transcriptions"))
    assert (outcome.response.text, outcome.request_id) == ("Hello", None)


# --- errors ----------------------------------------------------------------------------------


def test_a_refusal_is_the_error_of_a_single_call() -> None:
    line = refused("a", 404, message="no such model", code="model_not_found", type="invalid")
    error = error_of(line)
    assert isinstance(error, NotFoundError)
    assert (error.status_code, error.code, error.request_id) == (404, "model_not_found", "req_bad")
    assert str(error).startswith("Error code: 404 - model_not_found: no such model Hint: ")
    assert error.request.url == CHAT


def test_a_refusal_for_quota_tells_the_limit() -> None:
    message = "Rate limit reached on tokens per day (TPD): Limit 100, Used 90, Requested 20."
    error = error_of(refused("a", 429, message=message))
    assert isinstance(error, RateLimitError)
    assert (error.dimension, error.limit, error.used) == ("TPD", 100, 90)


def test_an_error_may_stand_beside_the_answer() -> None:
    line = {
        "custom_id": "a",
        "response": None,
        "error": {"code": "batch_expired", "message": "Late."},
    }
    error = error_of(line)
    assert type(error) is APIError
    assert (error.message, error.code) == ("Late.", "batch_expired")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, RateLimitError),
        ({"error": {"message": "m", "status_code": 400}}, BadRequestError),
        ({"error": {"message": "m", "status_code": 500}}, InternalServerError),
        ({"error": {"message": "m"}, "response": {"status_code": 503}}, InternalServerError),
        ({"error": {"message": "m"}, "response": {"status_code": 200, "body": None}}, APIError),
        ({"error": "m"}, APIError),
    ],
)
def test_an_error_without_an_answer_has_the_class_of_what_it_says(
    line: dict[str, Any], kind: type[APIError]
) -> None:
    error = error_of(line)
    assert type(error) is kind
    assert "m" in error.message


def test_a_line_that_says_nothing_is_an_error() -> None:
    for line in ({}, {"response": {}, "error": {}}, {"response": {"status_code": 200}}):
        error = error_of(line)
        assert (type(error), error.code) == (APIError, "batch_completed")
        assert "neither an answer nor an error" in error.message


def test_an_answer_that_is_no_object_is_an_error() -> None:
    error = error_of({"response": {"status_code": 200, "request_id": "req_1", "body": "text"}})
    assert isinstance(error, APIResponseValidationError)
    assert error.request_id == "req_1"


# --- no line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("expired", "The batch batch_1 expired before this request was done."),
        ("cancelled", "The batch batch_1 was cancelled before this request was done."),
        ("completed", "The batch batch_1 was completed, but its files have no line for this"),
        ("failed", "The batch batch_1 was refused, so none of its requests was run."),
        ("dissolved", "The batch batch_1 is dissolved."),
    ],
)
def test_a_request_without_a_line_says_why(status: str, words: str) -> None:
    error = unanswered(batch(status), 0).error
    assert type(error) is APIError
    assert error.message.startswith(words)
    assert (error.code, bool(error.hint)) == (f"batch_{status}", status != "dissolved")


def test_what_is_wrong_with_the_files_is_said() -> None:
    error = unanswered(BATCH, 0, ["Its file file_1 is gone."]).error
    assert error is not None
    assert error.message.endswith("for this request. Its file file_1 is gone.")


ERRORS = {
    "object": "list",
    "data": [
        {"code": "invalid_json", "line": 2, "message": "Not JSON.", "param": {}},
        {"code": "bad", "line": 4, "message": {}, "param": "model"},
        "odd",
    ],
}


def test_the_requests_that_a_batch_was_refused_for_are_told_so() -> None:
    failed = batch("failed", errors=ERRORS)
    first, second, _, fourth = (unanswered(failed, number).error for number in range(4))
    assert type(first) is APIError
    assert first.message.endswith("none of its requests was run. Line 2: Not JSON.")
    assert isinstance(second, BadRequestError)
    assert second.message == "The batch batch_1 was refused for this request. Line 2: Not JSON."
    assert (second.code, second.param, second.status_code) == ("invalid_json", None, 400)
    assert isinstance(fourth, BadRequestError)
    assert (fourth.message[-11:], fourth.param) == ("Line 4: bad", "model")


def test_a_refusal_without_words_or_line_is_told_too() -> None:
    error = unanswered(batch("failed", errors={"data": [{}]}), 0).error
    assert error is not None
    assert error.message.endswith("was run. no reason is given.")


# --- results ---------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_requests_and_none_is_missing() -> None:
    lines = lines_of(answered("c", "C"), refused("a", 400, message="no"))
    results = list(joined(["a", "b", "c"], 10, lines, batch("expired")))
    assert [(r.position, r.custom_id, r.ok) for r in results] == [
        (10, "a", False),
        (11, "b", False),
        (12, "c", True),
    ]
    assert [getattr(r.error, "code", "none") for r in results] == [None, "batch_expired", "none"]
    assert [r.request_id for r in results] == ["req_bad", None, "req_c"]
    assert {r.batch_id for r in results} == {"batch_1"}


def test_a_result_is_unwrapped_to_the_answer_or_the_error() -> None:
    good, bad = joined(["a", "b"], 0, lines_of(answered("a", "A")), BATCH)
    assert good.unwrap().choices[0].message.content == "A"
    with pytest.raises(APIError, match="no line for this request"):
        bad.unwrap()
    with pytest.raises(APIError, match="no answer"):
        BatchResult(0, "x").unwrap()


def test_results_can_be_pickled() -> None:
    for result in joined(["a", "b"], 0, lines_of(answered("a", "A")), BATCH):
        copy = pickle.loads(pickle.dumps(result))
        assert (copy.custom_id, copy.response) == (result.custom_id, result.response)
        assert str(copy.error) == str(result.error)


def test_a_batch_of_other_requests_is_known_by_its_lines() -> None:
    check_all_known(["a", "b"], lines_of(answered("a", "A")), "batch_1")
    with pytest.raises(InvalidRequestException, match=r"batch_1 was made of other.*'z' is none"):
        check_all_known(["a", "b"], lines_of(answered("z", "Z")), "batch_1")


# --- recorded --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        row["response"]["body"]
        for row in recorded("exchanges.jsonl")
        if "/batches/" in (row["request"]["path"] or "")
    ],
)
def test_a_recorded_batch_has_ended_and_lost_nothing(body: Any) -> None:
    told_of = Batch.wrap(body if isinstance(body, dict) else json.loads(body))
    assert not told_of.error_file_id
    assert unanswered(told_of, 0).error is not None
