"""Recorded conversations with tools take the same course through ``run_tools``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from helpers_recordings import exchanges
from helpers_scripts import Script

from customgroqchat.tools import run_tools
from customgroqchat.types.chat import ChatCompletion

Exchange = tuple[list[dict[str, Any]], dict[str, Any], ChatCompletion]  # messages, request, answer


def chats() -> Iterator[Exchange]:
    """Yield the recorded chats with tools, each as what was sent and what was answered."""
    for row in exchanges(failed=False):
        request, text = row["request"].get("body"), row["response"]["body"]
        if isinstance(request, dict) and request.get("tools") and text.startswith("{"):
            yield request["messages"], request, ChatCompletion.wrap(json.loads(text))


def ids(message: Any) -> list[str]:
    return [call["id"] for call in message.get("tool_calls") or ()]


def essence(message: Any) -> dict[str, Any]:
    """Return a message without what clients write differently, and the service reads alike."""
    said = {name: value for name, value in message.items() if value not in (None, "", [])}
    return {name: value for name, value in said.items() if name not in ("name", "reasoning")}


def follows(before: Exchange, after: Exchange) -> bool:
    """Whether a request is the one before it, with its answer and the results it asked for."""
    messages, _, answer = before
    message = answer.choices[0].message
    begin, rest = after[0][: len(messages)], after[0][len(messages) :]
    told = [result.get("tool_call_id") for result in rest[1:]]
    return (
        begin == messages
        and [*map(essence, rest[:1])] == [essence(message)]
        and ids(message) == told
    )


def conversations() -> list[list[Exchange]]:
    """Return the recorded courses from a first call to an answer that calls nothing."""
    known = list(chats())
    courses = []
    for first in known:
        course = [first]
        while ids(course[-1][2].choices[0].message):
            following = next((chat for chat in known if follows(course[-1], chat)), None)
            if following is None:
                break
            course.append(following)
        if len(course) > 1 and not ids(course[-1][2].choices[0].message):
            courses.append(course)
    return courses


@pytest.mark.parametrize("course", conversations())
def test_it_takes_the_same_course(course: list[Exchange]) -> None:
    messages, request, _ = course[0]
    told = {message.get("tool_call_id"): message.get("content") for message in course[-1][0]}
    results = iter(
        [told[each] for _, _, answer in course for each in ids(answer.choices[0].message)]
    )
    names = [tool["function"]["name"] for tool in request["tools"]]
    create = Script(*(answer for _, _, answer in course))
    result = run_tools(
        create,
        model=request["model"],
        messages=messages,
        tools=request["tools"],
        functions={name: lambda **_: next(results) for name in names},
    )
    assert all(record.error is None for record in result.calls)
    for sent, (recorded, _, _) in zip(create.requests, course, strict=True):
        assert [*map(essence, sent["messages"])] == [*map(essence, recorded)]
    assert result.text == (course[-1][2].choices[0].message.content or "")


def test_there_are_such_conversations() -> None:
    if not exchanges(failed=False):
        pytest.skip("there are no recordings")
    assert len(conversations()) >= 10
