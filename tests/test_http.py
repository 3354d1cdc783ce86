"""What was sent and what came back: headers in layers, queries, paths, encodings."""

from __future__ import annotations

import datetime
import json
import pickle
from typing import Any

import pytest
from helpers_servers import KEY
from helpers_surface import FOREIGN

from customgroqchat import NOT_GIVEN, HTTPRequest, HTTPResponse, omit
from customgroqchat._http import (
    Repeated,
    charset_of,
    is_event_stream,
    is_json,
    layered,
    merged,
    path_of,
    query_string,
    sent_headers,
)


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({}, ""),
        ({"a": "b"}, "a=b"),
        ({"a": "b c&d=é"}, "a=b+c%26d%3D%C3%A9"),
        ({"n": 3, "f": 0.5}, "n=3&f=0.5"),
        ({"t": True, "f": False}, "t=true&f=false"),
        ({"l": [1, "x", True]}, "l=1,x,true"),
        ({"l": ("a", "b")}, "l=a,b"),
        ({"d": {"x": 1, "y": {"z": [2, 3]}}}, "d%5Bx%5D=1&d%5By%5D%5Bz%5D=2,3"),
        ({"a": NOT_GIVEN, "b": omit, "c": 1}, "c=1"),
        *[({"a": sentinel, "d": {"x": sentinel}, "c": 1}, "c=1") for sentinel in FOREIGN],
    ],
)
def test_a_query_is_encoded_as_the_service_reads_it(fields: dict[str, Any], query: str) -> None:
    assert query_string(fields) == query


@pytest.mark.parametrize(
    ("fields", "query"),
    [({"a": None}, ""), ({"a": "", "b": 1}, "b=1"), ({"l": [1, None, 2]}, "l=1,2")],
)
def test_what_is_nothing_is_left_out_of_a_query(fields: dict[str, Any], query: str) -> None:
    assert query_string(fields) == query


def test_a_field_may_be_repeated() -> None:
    assert query_string({"id": Repeated(["a", "b c"]), "l": [1, 2]}) == "id=a&id=b+c&l=1,2"
    assert query_string({"id": Repeated()}) == ""


def test_no_segment_of_a_path_can_be_taken_for_two() -> None:
    assert path_of("openai/gpt-oss-20b") == "/openai%2Fgpt-oss-20b"
    assert path_of("..", "a?b#c", "d e", "é") == "/../a%3Fb%23c/d%20e/%C3%A9"


def test_later_headers_win_whatever_their_case() -> None:
    found = merged({"Accept": "a", "X-A": "1"}, None, {"x-a": "2"}, {"X-B": "3", "X-a": "4"})
    assert found == {"Accept": "a", "X-a": "4", "X-B": "3"}


@pytest.mark.parametrize("nothing", [omit, NOT_GIVEN, *FOREIGN])
def test_a_header_can_be_taken_away_and_given_again(nothing: Any) -> None:
    assert merged({"X-A": "1", "X-B": "2"}, {"x-a": nothing}) == {"X-B": "2"}
    assert merged({"X-A": "1"}, {"x-a": nothing}, {"X-A": "3"}) == {"X-A": "3"}


def test_layers_keep_what_is_taken_away_for_those_below() -> None:
    assert layered({"X-A": "1", "X-B": "2"}, None, {"x-a": omit}) == {"x-a": omit, "X-B": "2"}


@pytest.mark.parametrize(
    ("kind", "charset"),
    [
        ("", "utf-8"),
        ("text/plain", "utf-8"),
        ("text/plain; charset=UTF-8", "utf-8"),
        ("text/plain; charset=latin-1", "latin-1"),
        ('text/plain; charset="iso-8859-15"; x=y', "iso-8859-15"),
        ("text/plain; charset=klingon", "utf-8"),
        ("text/plain; charset=", "utf-8"),
        ("text/plain; charset=\0", "utf-8"),
    ],
)
def test_the_encoding_is_what_the_headers_tell_if_there_is_such(kind: str, charset: str) -> None:
    assert charset_of({"content-type": kind}).lower() == charset


@pytest.mark.parametrize(
    ("kind", "is_it"),
    [
        ("application/json", True),
        ("application/problem+JSON; charset=utf-8", True),
        ("text/html", False),
        ("application/jsonl", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_media_type(kind: str, is_it: bool) -> None:
    assert is_json({"content-type": kind} if kind else {}) is is_it


def test_a_stream_of_events_is_known_by_its_media_type() -> None:
    assert is_event_stream({"content-type": "Text/Event-Stream; charset=utf-8"})
    assert not is_event_stream({"content-type": "application/json"})
    assert not is_event_stream({})


def test_what_was_sent_is_told_without_the_key() -> None:
    told = sent_headers({"X-Echo": f"a {KEY} b", "X-A": "1"}, KEY)
    assert KEY not in str(dict(told))
    assert told["x-a"] == "1"
    assert sent_headers({"X-A": "1"}, None)["X-A"] == "1"


def test_an_answer_tells_its_body_in_every_form() -> None:
    headers = {"x-request-id": "req_1", "content-type": "application/json; charset=latin-1"}
    request = HTTPRequest("GET", "http://host/models")
    response = HTTPResponse(200, headers, None, '{"a": "é"}'.encode("latin-1"), request, 1.5)
    assert response.text == '{"a": "é"}'
    assert response.request_id == "req_1"
    assert response.url == "http://host/models"
    assert response.elapsed == datetime.timedelta(seconds=1.5)
    assert response._replace(content=b"[1]").json() == [1]
    assert pickle.loads(pickle.dumps(response)) == response


def test_a_body_that_is_no_text_is_shown_as_far_as_can_be() -> None:
    response = HTTPResponse(200, {}, content=b"a\xffb")
    assert response.text == "a\N{REPLACEMENT CHARACTER}b"
    assert response.request_id is None
    with pytest.raises(UnicodeDecodeError):
        response.json()
    with pytest.raises(json.JSONDecodeError):
        HTTPResponse(200, {}, content=b"<html>").json()
