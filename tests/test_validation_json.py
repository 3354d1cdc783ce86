"""Which value of a request JSON cannot carry."""

from __future__ import annotations

import math
import sys
from collections import UserDict
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._validation import check_json
from customgroqchat.exceptions import InvalidRequestException


def refusal_of(request: dict[str, Any]) -> InvalidRequestException:
    with pytest.raises(InvalidRequestException) as caught:
        check_json(request)
    return caught.value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(2026, 1, 1), "date is not JSON"),
        ({1}, "set is not JSON"),
        (b"x", "bytes is not JSON"),
        (object(), "object is not JSON"),
        (1j, "complex is not JSON"),
        (math.nan, "no such number"),
        (math.inf, "no such number"),
        (-math.inf, "no such number"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_carry_is_found_at_its_place(value: Any, said: str) -> None:
    request = {"messages": [{"role": "user", "content": ["x", {"deep": value}]}]}
    error = refusal_of(request)
    assert error.field == "messages[0].content[1].deep"
    assert said in str(error)


@pytest.mark.parametrize("kind", [MappingProxyType, UserDict])
def test_mappings_of_any_kind_are_looked_into(kind: Any) -> None:
    error = refusal_of({"metadata": kind({"deep": {1}})})
    assert error.field == "metadata.deep"


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="any integer is printed")
def test_an_integer_too_long_to_print_is_found() -> None:
    endless = 10 ** (sys.get_int_max_str_digits() + 1)
    assert refusal_of({"metadata": endless}).field == "metadata"


def test_keys_that_are_no_strings_are_found() -> None:
    error = refusal_of({"metadata": {"a": 1, 2: "b"}})
    assert error.field == "metadata.2"
    assert "strings as keys" in str(error)


def test_what_contains_itself_is_found() -> None:
    loop: dict[str, Any] = {"list": [1]}
    loop["list"].append(loop)
    error = refusal_of({"metadata": loop})
    assert error.field == "metadata.list[1]"
    assert "contains itself" in str(error)


def test_what_is_there_twice_does_not_contain_itself() -> None:
    shared = {"a": [1, 1]}
    check_json({"one": shared, "two": [shared, shared]})


def test_what_is_nested_too_deeply_for_json_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert refusal_of({"metadata": deep}).field
    finally:
        while deep:  # an assertion must not try to show it
            deep = deep[0]


@repeatable
@given(st.dictionaries(st.text(), json_values))
def test_what_json_can_carry_passes(request: dict[str, Any]) -> None:
    check_json(request)
