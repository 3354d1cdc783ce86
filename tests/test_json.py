"""JSON to the service and from it."""

from __future__ import annotations

import json
from collections import UserDict, UserList
from types import MappingProxyType
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given

from customgroqchat._json import NOT_JSON, encode, parsed


@repeatable
@given(value=json_values)
def test_what_json_can_say_goes_there_and_back(value: Any) -> None:
    assert parsed(encode(value)) == value
    assert parsed(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe{", "NaN?", "[" * 100_000, b"\x00"])
def test_what_is_no_json(text: str | bytes) -> None:
    assert parsed(text) is NOT_JSON


def test_it_is_compact_and_in_utf8() -> None:
    assert encode({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


def test_a_lone_surrogate_is_escaped() -> None:
    assert encode({"a": "\ud800é"}) == b'{"a":"\\ud800\\u00e9"}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UserDict(a=1), b'{"a":1}'),
        (MappingProxyType({"a": UserList([1])}), b'{"a":[1]}'),
        (range(3), b"[0,1,2]"),
        ((1, 2), b"[1,2]"),
    ],
)
def test_mappings_and_sequences_of_any_kind(value: Any, text: bytes) -> None:
    assert encode(value) == text


@pytest.mark.parametrize("value", [b"raw", bytearray(b"raw"), {1, 2}, object()])
def test_what_json_cannot_say(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON"):
        encode({"a": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode([value])


def test_what_contains_itself() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        encode(circle)
