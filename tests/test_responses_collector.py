"""The events of a stream of the Responses API, put together."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_surface import RESPONSE

from customgroqchat._responses_collector import ResponsesCollector


def collected(*events: dict[str, Any]) -> ResponsesCollector:
    collector = ResponsesCollector()
    for event in events:
        collector.add(event)
    return collector


def says(delta: Any, kind: str = "response.output_text.delta") -> dict[str, Any]:
    return {"type": kind, "delta": delta}


def test_it_begins_with_nothing() -> None:
    collector = collected()
    assert (collector.text, collector.spoken, collector.usage) == ("", "", None)
    assert not collector.finished
    assert collector.completion() == {"object": "response", "output": []}


def test_text_is_what_is_said_and_spoken_is_all_that_costs() -> None:
    collector = collected(
        says("Hmm. ", "response.reasoning_text.delta"),
        says("Hel"),
        says('{"a":', "response.function_call_arguments.delta"),
        says("lo"),
    )
    assert collector.text == "Hello"
    assert collector.spoken == 'Hmm. Hel{"a":lo'


@pytest.mark.parametrize("last", ["completed", "incomplete", "failed"])
def test_the_last_event_has_the_whole_answer_and_the_usage(last: str) -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "usage": None}}
    ended = {"type": f"response.{last}", "response": RESPONSE}
    collector = collected(begun, says("Hello!"))
    assert not collector.finished
    assert collector.usage is None
    collector.add(ended)
    assert collector.finished
    assert collector.usage == RESPONSE["usage"]
    assert collector.completion() == RESPONSE


def test_what_came_after_the_last_event_does_not_open_it_again() -> None:
    ended = {"type": "response.completed", "response": RESPONSE}
    assert collected(ended, says("x")).finished


def test_an_answer_that_broke_off_has_what_was_said() -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "output": []}}
    completion = collected(begun, says("Hel"), says("lo")).completion()
    assert completion["id"] == "resp_1"
    assert completion["output"][0]["content"][0]["text"] == "Hello"


@pytest.mark.parametrize(
    "event",
    [{}, {"type": 3}, {"type": "error"}, says(None), says(3), {"response": []}, {"delta": "x"}],
)
def test_events_of_any_other_form_change_nothing(event: dict[str, Any]) -> None:
    collector = collected(says("a"), event, says("b"))
    assert (collector.text, collector.usage, collector.finished) == ("ab", None, False)


def test_a_usage_that_was_told_stays() -> None:
    told = {"type": "response.in_progress", "response": {"usage": {"input_tokens": 1}}}
    assert collected(told, {"response": {"usage": None}}).usage == {"input_tokens": 1}
