"""``client.chat.completions``: what goes on the wire, and what comes back."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from helpers_servers import RawServer, in_thread, said, says, until, user
from helpers_stories import drive
from helpers_surface import (
    BY_NAME,
    CHAT,
    FOREIGN,
    Dumps,
    MakeClient,
    body_of,
    chat_stream,
    only,
    quick,
)

from customgroqchat import (
    NOT_GIVEN,
    APIResponseValidationError,
    ChatCompletion,
    ChatCompletionChunk,
    GroqClient,
    InvalidRequestException,
    RateLimitExceededException,
    TokenLimitExceededException,
    omit,
)
from customgroqchat.testing import SimulatedGroq

#: All that the official method takes beside model and messages, and what our service adds.
PARAMETERS: dict[str, Any] = {
    "citation_options": "enabled",
    "compound_custom": {"models": {"answering_model": "a"}},
    "disable_tool_validation": True,
    "documents": [{"source": {"type": "text", "text": "x"}}],
    "exclude_domains": ["a.com"],
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [{"name": "f"}],
    "include_domains": ["b.com"],
    "include_reasoning": False,
    "logit_bias": {"50256": -100},
    "logprobs": False,
    "max_completion_tokens": 100,
    "max_tokens": 100,
    "metadata": {"a": "b"},
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": -0.5,
    "reasoning_effort": "low",
    "reasoning_format": "hidden",
    "response_format": {"type": "json_object"},
    "search_settings": {"country": "italy"},
    "seed": 7,
    "service_tier": "auto",
    "stop": ["\n"],
    "store": False,
    "stream": False,
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "tool_choice": "none",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "top_logprobs": 0,
    "top_p": 1,
    "user": "u",
}
NULLABLE = sorted(PARAMETERS.keys() - {"messages", "model"})


def test_every_parameter_goes_on_the_wire_as_it_is(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        quick(make_client, server.url).chat.completions.create(
            model="m", messages=user("Grüße"), **PARAMETERS
        )
        heard = only(server)
    assert body_of(heard) == {"model": "m", "messages": user("Grüße"), **PARAMETERS}
    assert heard.headers["accept"] == "application/json"


@pytest.mark.parametrize("name", NULLABLE)
def test_none_is_null_in_create_and_nothing_in_chat_completion(
    make_client: MakeClient, name: str
) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        client.chat.completions.create(model="m", messages=user(), **{name: None})
        client.chat_completion("m", user(), **{name: None})
        first, second = map(body_of, server.heard)
    assert first == {"model": "m", "messages": user(), name: None}
    assert second == {"model": "m", "messages": user()}


def test_what_is_not_given_is_left_out_everywhere(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        for nothing in (NOT_GIVEN, omit, *FOREIGN):
            given = dict.fromkeys(PARAMETERS, nothing)
            client.chat.completions.create(model="m", messages=user(), **given)
            client.chat_completion("m", user(), **given)
        assert [body_of(heard) for heard in server.heard] == [
            {"model": "m", "messages": user()}
        ] * 8


def test_a_foreign_sentinel_is_known_by_its_name_alone(make_client: MakeClient) -> None:
    class Given:
        """Nothing of the kind."""

    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        with pytest.raises(InvalidRequestException) as caught:
            client.chat.completions.create(model="m", messages=user(), seed=Given())
        assert caught.value.field == "seed"
        assert server.heard == []


def test_messages_may_be_any_iterable_and_objects(make_client: MakeClient) -> None:
    answer = ChatCompletion.wrap(CHAT).choices[0].message
    messages = [{"role": "user", "content": "a"}, answer, Dumps(role="user", content="b")]
    sent = [messages[0], CHAT["choices"][0]["message"], {"role": "user", "content": "b"}]  # type: ignore[index]
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        for form in (messages, tuple(messages), iter(messages), deque(messages)):
            client.chat.completions.create(model="m", messages=form)
        assert [body_of(heard)["messages"] for heard in server.heard] == [sent] * 4


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": NOT_GIVEN}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": NOT_GIVEN}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"temperature": 3}, "temperature"),
        ({"priority": "soon"}, "priority"),
        ({"max_wait": -1}, "max_wait"),
        ({"tag": 3}, "tag"),
        ({"seed": object()}, "seed"),
        ({"extra_body": {"seed": object()}}, "seed"),
        ({"callback": "x"}, "callback"),
    ],
)
def test_what_is_wrong_is_named_and_not_sent(
    make_client: MakeClient, arguments: dict[str, Any], field: str
) -> None:
    with RawServer(says(CHAT)) as server:
        with pytest.raises(InvalidRequestException) as caught:
            BY_NAME["chat.completions.create"].call(quick(make_client, server.url), **arguments)
        assert caught.value.field == field
        assert isinstance(caught.value, ValueError)
        assert server.heard == []


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_model_and_messages_are_required_keywords(client: GroqClient, missing: str) -> None:
    arguments: dict[str, Any] = {"model": "m", "messages": user()}
    del arguments[missing]
    with pytest.raises(TypeError, match=missing):
        client.chat.completions.create(**arguments)
    with pytest.raises(TypeError):
        client.chat.completions.create("m", user())  # type: ignore[call-overload]


def test_an_answer_knows_how_it_came_about(client: GroqClient, simulator: SimulatedGroq) -> None:
    answer = client.chat.completions.create(model="m", messages=user())
    (record,) = simulator.requests
    assert answer.request_id == record.request_id
    assert answer.attempts == 1
    assert answer.waited_s >= 0.0
    assert answer.rate_limits == {} or answer.rate_limits
    assert answer.fallbacks == ()
    assert set(answer) == set(json.loads(answer.to_json()))
    assert "request_id" not in answer
    assert "headers" not in answer


def test_create_streams(client: GroqClient, simulator: SimulatedGroq) -> None:
    with client.chat.completions.create(
        model="m", messages=user(), stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert all(type(chunk) is ChatCompletionChunk for chunk in chunks)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert stream.request_id == simulator.requests[0].request_id
    assert simulator.requests[0].headers["accept"] == "text/event-stream"
    assert simulator.requests[0].payload is not None
    assert simulator.requests[0].payload["stream_options"] == {"include_usage": True}


def test_whether_it_streams_may_be_said_in_extra_body(make_client: MakeClient) -> None:
    with RawServer(chat_stream()) as server:
        client = quick(make_client, server.url)
        stream: Any = client.chat.completions.create(
            model="m", messages=user(), extra_body={"stream": True}
        )
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == "One two"


def test_an_answer_of_another_path_is_none(make_client: MakeClient) -> None:
    with RawServer(says({"object": "list", "data": []})) as server:
        client = quick(make_client, server.url)
        with pytest.raises(APIResponseValidationError):
            client.chat.completions.create(model="m", messages=user())


def test_create_takes_its_tokens(make_client: MakeClient) -> None:
    limits = {"m": {"token_per_minute": 8_000}}
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url, limits)
        client.chat.completions.create(model="m", messages=user(), max_tokens=7_000)
        left = client.check_model_limits("m")["limits"]["TPM"]["remaining"]
        assert left == 8_000 - CHAT["usage"]["total_tokens"]  # type: ignore[index]
        with pytest.raises(TokenLimitExceededException):
            client.chat.completions.create(model="m", messages=user(), max_tokens=8_000)
        assert len(server.heard) == 1


def test_create_takes_its_turn(make_client: MakeClient) -> None:
    limits = {"m": {"req_per_minute": 1}}
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url, limits, policy="greedy")
        create = client.chat.completions.create
        create(model="m", messages=user())
        with pytest.raises(RateLimitExceededException) as caught:
            create(model="m", messages=user(), max_wait=5)
        assert (caught.value.dimension, len(server.heard)) == ("RPM", 1)
        outcome = in_thread(create, model="m", messages=user(), max_wait=90)
        until(lambda: client.get_queue_status()["queued"])
        drive(client._clock, client, outcome.done, step_s=1.0)  # type: ignore[arg-type]
        assert 55.0 < outcome.result(10).waited_s < 65.0


def test_a_resource_may_be_kept_and_used_from_any_place(client: GroqClient) -> None:
    create = client.chat.completions.create
    assert client.chat is client.chat
    assert client.chat.completions is client.chat.completions
    assert create(model="m", messages=user()).choices


def test_parse_and_run_tools_ask_through_the_same_client(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    simulator.answer_next('{"a": 3}')
    parsed = client.chat.completions.parse(
        model="m", messages=user(), response_format=schema, extra_headers={"X-A": "1"}
    )
    assert parsed.parsed == {"a": 3}
    assert simulator.requests[0].headers["x-a"] == "1"

    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    simulator.answer_next({"tool_calls": [{"name": "double", "arguments": {"number": 21}}]}, "42!")
    run = client.chat.completions.run_tools(
        model="m", messages=user("Double 21"), tools=[double], tag="run"
    )
    assert run.completion.choices[0].message.content == "42!"
    assert [call.result for call in run.calls] == [42]
    assert said(simulator.requests[-1].payload) == "42"


def test_parse_parses_whatever_form_its_resource_has(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    simulator.answer_next('{"a": 3}')
    raw = client.chat.completions._as(client.chat.completions._form.RAW)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert raw.parse(model="m", messages=user(), response_format=schema).parsed == {"a": 3}
