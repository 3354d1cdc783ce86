"""From the keywords of a call to what is sent, and what this client shall do."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from helpers_servers import user
from helpers_surface import FOREIGN, Dumps

from customgroqchat import NOT_GIVEN, InvalidRequestException, Timeout, omit
from customgroqchat._asking import (
    OPTIONS,
    Defaults,
    asked,
    chat_call,
    plain_items,
    timeout_of,
)


class HttpxLike:
    """A timeout of httpx."""

    connect, read, write, pool = 3.0, 20.0, 1.0, None


@pytest.mark.parametrize("nothing", [NOT_GIVEN, omit, *FOREIGN])
def test_what_is_not_given_is_left_out_and_none_is_kept(nothing: Any) -> None:
    call = asked({"a": None, "b": nothing, "c": 0, "extra_body": {"d": nothing, "e": None}})
    assert call.payload == {"a": None, "c": 0, "e": None}


@pytest.mark.parametrize("nothing", [NOT_GIVEN, omit, *FOREIGN])
@pytest.mark.parametrize("name", OPTIONS)
def test_no_keyword_for_this_client_is_ever_sent(name: str, nothing: Any) -> None:
    call = asked({"model": "m", name: nothing})
    assert call.payload == {"model": "m"}
    assert call.options == asked({}).options
    assert call.callback is None


def test_wishes_are_told_apart_from_what_is_sent() -> None:
    call = asked(
        {
            "model": "m",
            "priority": "low",
            "max_wait": 5,
            "deadline": 9.0,
            "tag": "t",
            "timeout": 3.5,
            "max_retries": 0,
            "fallbacks": ["a", "b", "a"],
            "callback": print,
            "temperature": 1,
        }
    )
    assert call.payload == {"model": "m", "temperature": 1}
    options = call.options
    assert (options.priority, options.max_wait, options.deadline) == ("low", 5, 9.0)
    assert (options.tag, options.timeout, options.max_retries) == ("t", 3.5, 0)
    assert options.fallbacks == ("a", "b")
    assert call.callback is print


def test_extra_body_wins_and_may_take_the_place_of_none() -> None:
    call = asked({"a": 1, "b": 2, "extra_body": {"a": 3, "c": None}})
    assert call.payload == {"a": 3, "b": 2, "c": None}


def test_the_call_wins_over_the_defaults_and_these_over_the_longest_wait() -> None:
    defaults = Defaults({"max_wait": 7.0, "tag": "mine"}, {"X-A": "1"}, {"q": 1, "r": [1, 2]})
    assert asked({}, defaults, 600.0).options.max_wait == 7.0
    assert asked({}, Defaults(), 600.0).options.max_wait == 600.0
    own = {"max_wait": None, "tag": "own", "extra_headers": {"x-a": "2"}, "extra_query": {"q": 3}}
    options = asked(own, defaults, 600.0).options
    assert (options.max_wait, options.tag) == (None, "own")
    assert dict(options.headers or {}) == {"x-a": "2"}
    assert sorted(str(options.query).split("&")) == ["q=3", "r=1,2"]


def test_a_header_can_be_taken_away() -> None:
    call = asked({"extra_headers": {"X-A": omit, "X-B": "b"}})
    assert dict(call.options.headers or {}) == {"X-A": omit, "X-B": "b"}
    assert asked({"extra_headers": {}}).options.headers is None


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("extra_headers", "x", "extra_headers"),
        ("extra_headers", {"X-A": 3}, "extra_headers.X-A"),
        ("extra_headers", {"X-A": None}, "extra_headers.X-A"),
        ("extra_headers", {"X-A": "b\r\nX-B: c"}, "extra_headers.X-A"),
        ("extra_query", ["x"], "extra_query"),
        ("extra_body", "x", "extra_body"),
        ("timeout", "x", "timeout"),
        ("timeout", -1, "timeout"),
        ("timeout", (1, 2, 3), "timeout"),
        ("max_retries", -1, "max_retries"),
        ("max_retries", 101, "max_retries"),
        ("max_retries", True, "max_retries"),
        ("max_retries", 1.5, "max_retries"),
        ("callback", 3, "callback"),
        ("fallbacks", "m", "fallbacks"),
        ("fallbacks", ["m", ""], "fallbacks[1]"),
    ],
)
def test_what_is_wrong_for_this_client_is_named(name: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        asked({name: value})
    assert caught.value.field == field
    assert caught.value.hint


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"priority": "soon"}, "priority"),
        ({"max_wait": -1}, "max_wait"),
        ({"deadline": 0}, "deadline"),
        ({"tag": 3}, "tag"),
    ],
)
def test_a_call_that_is_not_queued_is_checked_as_well(wishes: dict[str, Any], field: str) -> None:
    call = asked(wishes)
    with pytest.raises(InvalidRequestException) as caught:
        call.check()
    assert caught.value.field == field
    asked({}).check()


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (5, 5),
        (0.5, 0.5),
        ((3, None), (3, None)),
        (None, (None, None)),
        (HttpxLike(), (3.0, 20.0)),
        (Timeout(10.0, connect=2.0), (2.0, 10.0)),
        (Timeout(10.0), (10.0, 10.0)),
        (Timeout(None), (None, None)),
        (Timeout(read=7.0), (None, 7.0)),
    ],
)
def test_a_timeout_may_have_any_form(value: Any, ours: Any) -> None:
    assert timeout_of(value) == ours


def test_messages_may_be_any_iterable_of_mappings_and_objects() -> None:
    first, second = {"role": "system", "content": "a"}, OrderedDict(role="user", content="b")
    third = Dumps(role="assistant", content=None)
    assert plain_items(iter([first, second, third])) == [
        first,
        second,
        {"role": "assistant", "content": None},
    ]
    assert third.asked == {"exclude_unset": True, "mode": "json"}
    assert plain_items((first,)) == [first]
    whole = [first]
    assert plain_items(whole) is whole


@pytest.mark.parametrize("value", ["text", b"x", None, 3, {"role": "user"}])
def test_what_is_no_list_of_messages_is_left_to_who_checks(value: Any) -> None:
    assert plain_items(value) is value


def test_an_item_that_is_nothing_known_is_left_to_who_checks() -> None:
    assert plain_items(["x", 3]) == ["x", 3]


def test_a_chats_none_counts_as_not_given_but_for_the_wait() -> None:
    call = chat_call(
        "m",
        user(),
        {"temperature": None, "timeout": None, "tag": None, "max_wait": None, "stop": NOT_GIVEN},
        Defaults({"tag": "mine", "max_wait": 5.0, "timeout": 3.0}),
        600.0,
    )
    assert call.payload == {"model": "m", "messages": user()}
    options = call.options
    assert (options.tag, options.max_wait, options.timeout) == ("mine", None, 3.0)


def test_a_chat_takes_the_extras_too() -> None:
    extras = {"extra_body": {"x": 1}, "extra_query": {"q": 2}, "extra_headers": {"X-A": "3"}}
    call = chat_call("m", user(), extras)
    assert call.payload["x"] == 1
    assert call.options.query == "q=2"
    assert dict(call.options.headers or {}) == {"X-A": "3"}


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_a_chat_is_given_twice_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        chat_call("m", user(), {name: "x"})
    assert caught.value.field == name
