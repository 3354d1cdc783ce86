"""The smallest things: sentinels, records, what becomes JSON, what is logged."""

from __future__ import annotations

import copy
import datetime
import importlib
import json
import logging
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import customgroqchat
from customgroqchat import NOT_GIVEN, Groq, InvalidRequestException, not_given, omit
from customgroqchat._json import encode
from customgroqchat._logs import set_up
from customgroqchat._records import Headers, RequestInfo, ResponseInfo
from customgroqchat._validation import encoded


@pytest.mark.parametrize("sentinel", [NOT_GIVEN, omit], ids=repr)
def test_a_sentinel_is_nothing_and_remains_itself(sentinel: Any) -> None:
    assert not sentinel
    assert copy.deepcopy(sentinel) is sentinel
    assert pickle.loads(pickle.dumps(sentinel)) is sentinel


def test_sentinels_say_what_they_are() -> None:
    assert (repr(NOT_GIVEN), repr(omit)) == ("NOT_GIVEN", "omit")
    assert not_given is NOT_GIVEN


def test_an_answer_of_an_error_is_read_like_one_of_httpx() -> None:
    text = '{"error": {"message": "No."}}'
    request = RequestInfo("POST", "https://api.groq.com/openai/v1/chat/completions")
    response = ResponseInfo(404, Headers({"X-A": "b"}), text, request)
    assert response.json() == json.loads(text)
    assert response.content == response.read() == text.encode()
    assert (response.reason_phrase, response.is_error) == ("Not Found", True)
    assert response.request is request
    assert ResponseInfo(498).reason_phrase == ""
    assert not ResponseInfo(200).is_error
    with pytest.raises(ValueError, match="Expecting value"):
        ResponseInfo(502, text="<html>").json()


def test_headers_are_listed_as_those_of_httpx() -> None:
    headers = Headers({"X-A": "b"})
    assert headers.get_list("x-a") == ["b"]
    assert headers.get_list("x-b") == []
    assert headers.multi_items() == [("x-a", "b")]


class Dumped:
    """An object of another library, such as a model of pydantic."""

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"said": sorted(options)}


def test_dates_and_models_become_json() -> None:
    day, moment = datetime.date(2026, 11, 22), datetime.datetime(2026, 11, 22, 1, 2)
    assert json.loads(encode([day, moment])) == ["2026-11-22", "2026-11-22T01:02:00"]
    assert json.loads(encode(Dumped())) == {"said": ["exclude_unset", "mode"]}


class Moody(Sequence[int]):
    """Something that cannot be listed the first time."""

    def __init__(self) -> None:
        self.times = 0

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)

    def __iter__(self) -> Iterator[int]:
        self.times += 1
        if self.times == 1:
            raise ValueError("not now")
        return iter(())


def test_what_fails_without_a_reason_to_be_found_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidRequestException, match="not JSON: not now"):
        encoded({"messages": Moody()})


@pytest.mark.parametrize(
    ("wanted", "level"),
    [("debug", logging.DEBUG), ("info", logging.INFO), ("loud", logging.NOTSET), (None, 0)],
)
def test_the_log_is_as_loud_as_the_variable_says(wanted: str | None, level: int) -> None:
    name = f"customgroqchat_of_a_test_{wanted}"
    set_up(name, {} if wanted is None else {"GROQ_LOG": wanted})
    logger = logging.getLogger(name)
    assert logger.level == level
    assert isinstance(logger.handlers[0], logging.NullHandler)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("_client", "Groq"),
        ("_client", "Client"),
        ("_constants", "DEFAULT_TIMEOUT"),
        ("_exceptions", "RateLimitError"),
        ("_models", "BaseModel"),
        ("_streaming", "Stream"),
    ],
)
def test_modules_of_the_official_sdk_have_the_same_things(module: str, name: str) -> None:
    found = importlib.import_module(f"customgroqchat.{module}")
    assert getattr(found, name) is getattr(customgroqchat, name)


def test_a_client_has_two_names() -> None:
    assert customgroqchat.Client is Groq
    with pytest.raises(AttributeError, match="no attribute 'Grok'"):
        _ = customgroqchat.Grok
