"""The record of what happened to a request, and which of them a client tells."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import until, user

from customgroqchat import GroqClient, RateLimitError
from customgroqchat.events import ENDS, Event
from customgroqchat.testing import SimulatedGroq

SENT = Event("sent", 7, 1000.0, "m", tag="nightly", priority="low", attempt=1, context=object())


def test_most_of_an_event_need_not_be_given() -> None:
    event = Event("queued", 1, 1000.0, "m")
    assert (event.attempt, event.waited_s, event.took_s, event.error) == (0, 0.0, None, None)
    assert (event.priority, event.tag, event.is_stream, event.context) == (
        "normal",
        None,
        False,
        None,
    )


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SENT.attempt = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        SENT.prompt = "secret"  # type: ignore[attr-defined]


def test_a_dict_has_everything_but_the_context() -> None:
    values = SENT.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert set(values) == set(Event._fields) - {"context"}
    assert (values["kind"], values["tag"], values["took_s"]) == ("sent", "nightly", None)


def test_only_what_is_known_is_shown() -> None:
    text = repr(Event("failed", 3, 1000.0, "m", error="APITimeoutError", context="of the caller"))
    assert "error='APITimeoutError'" in text
    assert "took_s" not in text
    assert "of the caller" not in text


def test_an_event_can_be_pickled() -> None:
    event = SENT._replace(context=None)
    assert pickle.loads(pickle.dumps(event)) == event


def test_two_kinds_are_ends() -> None:
    assert {"settled", "failed"} == ENDS


def test_no_field_could_hold_a_prompt_an_answer_or_a_key() -> None:
    forbidden = {"prompt", "messages", "content", "text", "answer", "api_key", "headers", "body"}
    assert forbidden.isdisjoint(Event._fields)


# --- what a client tells -------------------------------------------------------------------------

MakeClient = Callable[..., GroqClient]


class Listener(list[Event]):
    """A hook that notes all events, and gives each request a context of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[object] = []

    def capture(self) -> object:
        self.contexts.append(object())
        return self.contexts[-1]

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self]


def check(events: list[Event]) -> None:
    """What is promised of the events of one request."""
    kinds = [event.kind for event in events]
    assert kinds.count("queued") == 1
    assert kinds[0] == "queued"
    assert [kind for kind in kinds if kind in ENDS] == kinds[-1:]
    steps = ["sent" if event.kind == "sent" else "ended" for event in events if is_step(event)]
    assert steps == ["sent", "ended"] * (len(steps) // 2), events
    assert len({id(event.context) for event in events}) == 1


def is_step(event: Event) -> bool:
    return event.kind == "sent" or event.took_s is not None


def listen(
    make_client: MakeClient, simulator: SimulatedGroq, **settings: Any
) -> tuple[Listener, GroqClient]:
    listener = Listener()
    return listener, make_client(simulator.url, on_event=listener, **settings)


def test_a_request_that_is_answered(make_client: MakeClient, simulator: SimulatedGroq) -> None:
    listener, client = listen(make_client, simulator)
    answer = client.chat_completion("m", user(), tag="nightly")
    client.close()
    assert listener.kinds == ["queued", "admitted", "sent", "settled"]
    check(listener)
    assert listener[0].context is listener.contexts[0]
    end = listener[-1]
    assert (end.prompt_tokens, end.completion_tokens) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert (end.status_code, end.tag, end.attempt, end.error) == (200, "nightly", 1, None)
    assert end.finish_reason == answer.choices[0].finish_reason


def test_a_fault_that_passes(make_client: MakeClient, simulator: SimulatedGroq) -> None:
    listener, client = listen(make_client, simulator)
    simulator.fail_next(500, headers={"retry-after-ms": "0"})
    client.chat_completion("m", user())
    client.close()
    assert [kind for kind in listener.kinds if kind != "admitted"] == [
        "queued",
        "sent",
        "retried",
        "sent",
        "settled",
    ]
    check(listener)
    retried = next(event for event in listener if event.kind == "retried")
    assert (retried.status_code, retried.error) == (500, "InternalServerError")


def test_a_refusal_for_quota_that_is_final(
    make_client: MakeClient, simulator: SimulatedGroq
) -> None:
    listener, client = listen(make_client, simulator, max_retries=0)
    simulator.fail_next(429)
    with pytest.raises(RateLimitError):
        client.chat_completion("m", user())
    client.close()
    assert listener.kinds == ["queued", "admitted", "sent", "limited", "failed"]
    check(listener)
    assert client.stats()["refused"] == {"unknown": 1}


def test_a_request_that_is_cancelled_on_its_way(
    make_client: MakeClient, simulator: SimulatedGroq
) -> None:
    listener, client = listen(make_client, simulator)
    with simulator.hold():
        future = client.submit("m", user())
        simulator.wait_for_requests(1)
        assert future.cancel()
        client.close()
    assert listener.kinds == ["queued", "admitted", "sent", "failed"]
    check(listener)
    assert listener[-1].error == "RequestCancelledException"


def test_a_request_that_is_on_its_way_when_the_client_is_closed(
    make_client: MakeClient, simulator: SimulatedGroq
) -> None:
    listener, client = listen(make_client, simulator)
    with simulator.hold():
        client.submit("m", user())
        simulator.wait_for_requests(1)
        client.close(0.0)
    until(lambda: len(listener) == 4)  # there was no time to wait for the listener
    assert listener.kinds == ["queued", "admitted", "sent", "failed"]
    check(listener)


def test_a_stream(make_client: MakeClient, simulator: SimulatedGroq) -> None:
    listener, client = listen(make_client, simulator)
    with client.chat_completion("m", user(), stream=True) as stream:
        said = stream.get_final_completion()
    client.close()
    assert listener.kinds == ["queued", "admitted", "sent", "settled"]
    check(listener)
    assert listener[-1].completion_tokens == said.usage.completion_tokens
    assert {event.is_stream for event in listener} == {True}
