"""The small frozen records."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._records import ConfigProblem, Headers, RequestInfo, ResponseInfo

REQUEST = RequestInfo("GET", "https://api.groq.com/openai/v1/models")
RESPONSE = ResponseInfo(429, Headers({"Retry-After": "7"}), "busy")
PROBLEM = ConfigProblem("config.json", "models.m.rpm", "'many'", "an integer of at least 1")


def test_headers_ignore_the_case_of_names() -> None:
    headers = Headers({"X-Request-Id": "req_1"})
    assert headers["x-request-id"] == headers["X-REQUEST-ID"] == "req_1"
    assert "x-Request-iD" in headers
    assert headers.get("X-REQUEST-ID") == "req_1"


def test_headers_that_are_not_there() -> None:
    headers = Headers()
    assert len(headers) == 0
    assert headers.get("retry-after") is None
    assert "retry-after" not in headers
    with pytest.raises(KeyError):
        headers["retry-after"]


def test_headers_are_a_mapping_in_their_order() -> None:
    headers = Headers({"B": "1", "A": "2"})
    assert isinstance(headers, Mapping)
    assert list(headers.items()) == [("b", "1"), ("a", "2")]
    assert len(headers) == 2


def test_headers_compare_by_names_of_any_case() -> None:
    assert Headers({"A": "1"}) == Headers({"a": "1"})
    assert Headers({"A": "1"}) != Headers({"a": "2"})


def test_headers_cannot_be_changed() -> None:
    headers = Headers({"a": "1"})
    with pytest.raises(TypeError):
        headers["a"] = "2"  # type: ignore[index]
    with pytest.raises(AttributeError):
        headers.extra = "2"  # type: ignore[attr-defined]


def test_headers_do_not_follow_their_source() -> None:
    source = {"a": "1"}
    headers = Headers(source)
    source["a"] = "2"
    assert headers["a"] == "1"


def test_headers_show_what_they_hold() -> None:
    assert "retry-after" in repr(Headers({"Retry-After": "7"}))


ascii_names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@repeatable
@given(st.dictionaries(ascii_names, st.text()))
def test_every_header_is_found_by_its_name_in_any_case(items: dict[str, str]) -> None:
    headers = Headers(items)
    last = {name.lower(): value for name, value in items.items()}
    for name in items:
        assert headers[name.upper()] == headers[name.lower()] == last[name.lower()]


@pytest.mark.parametrize("record", [REQUEST, RESPONSE, PROBLEM])
def test_records_are_frozen_values(record: RequestInfo | ResponseInfo | ConfigProblem) -> None:
    assert pickle.loads(pickle.dumps(record)) == record
    assert copy.deepcopy(record) == record
    name = next(iter(record.to_dict()))
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, "other")


@pytest.mark.parametrize(
    ("record", "plain"),
    [
        (REQUEST, {"method": "GET", "url": "https://api.groq.com/openai/v1/models"}),
        (RESPONSE, {"status_code": 429, "headers": {"retry-after": "7"}, "text": "busy"}),
        (ResponseInfo(200), {"status_code": 200, "headers": {}, "text": ""}),
        (
            PROBLEM,
            {
                "source": "config.json",
                "key": "models.m.rpm",
                "found": "'many'",
                "allowed": "an integer of at least 1",
            },
        ),
    ],
)
def test_records_as_plain_values(
    record: RequestInfo | ResponseInfo | ConfigProblem, plain: dict[str, object]
) -> None:
    assert record.to_dict() == plain
    assert json.loads(json.dumps(record.to_dict())) == plain


def test_a_problem_is_one_line_that_tells_all_four_facts() -> None:
    line = str(PROBLEM)
    assert "\n" not in line
    for fact in PROBLEM.to_dict().values():
        assert fact in line
