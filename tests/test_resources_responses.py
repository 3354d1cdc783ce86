"""``client.responses``: the Responses API."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_servers import RawServer, in_thread, says, user
from helpers_stories import frame, streams
from helpers_streams import Books
from helpers_surface import (
    FOREIGN,
    RESPONSE,
    Dumps,
    MakeClient,
    Simulate,
    body_of,
    quick,
)

from customgroqchat import (
    NOT_GIVEN,
    APIConnectionError,
    BadRequestError,
    GroqClient,
    InvalidRequestException,
    TokenLimitExceededException,
    omit,
)
from customgroqchat.testing import SimulatedGroq
from customgroqchat.types.responses import Response

PARAMETERS: dict[str, Any] = {
    "instructions": "Be brief.",
    "max_output_tokens": 50,
    "metadata": {"a": "b"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "service_tier": "auto",
    "store": False,
    "stream": False,
    "temperature": 0.5,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [{"type": "browser_search"}],
    "top_p": 0.5,
    "truncation": "disabled",
    "user": "u",
}
LIMITS = {"m": {"token_per_minute": 8_000, "req_per_minute": 30}}


def limited(simulate: Simulate, make_client: MakeClient) -> tuple[SimulatedGroq, GroqClient]:
    simulator = simulate(models={"m": {"limits": {"TPM": 8_000, "RPM": 30}}})
    return simulator, make_client(simulator.url, LIMITS, share_limits=False)


def remaining(client: GroqClient, dimension: str = "TPM") -> float:
    return float(client.check_model_limits("m")["limits"][dimension]["remaining"])


def test_every_parameter_goes_on_the_wire_as_it_is(make_client: MakeClient) -> None:
    with RawServer(says(RESPONSE)) as server:
        client = quick(make_client, server.url)
        client.responses.create(model="m", input="Hi", **PARAMETERS)
        client.responses.create(model="m", input="Hi", **dict.fromkeys(PARAMETERS))
        for nothing in (NOT_GIVEN, omit, *FOREIGN):
            client.responses.create(model="m", input="Hi", **dict.fromkeys(PARAMETERS, nothing))
        first, second, *others = map(body_of, server.heard)
    assert first == {"model": "m", "input": "Hi", **PARAMETERS}
    assert second == {"model": "m", "input": "Hi", **dict.fromkeys(PARAMETERS)}
    assert others == [{"model": "m", "input": "Hi"}] * 4


def test_the_input_may_be_a_text_or_items(make_client: MakeClient) -> None:
    item = {"role": "user", "content": "Hi"}
    with RawServer(says(RESPONSE)) as server:
        client = quick(make_client, server.url)
        for form in ([item], (item,), iter([item]), [Dumps(**item)]):
            client.responses.create(model="m", input=form)
        assert [body_of(heard)["input"] for heard in server.heard] == [[item]] * 4


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"input": ""}, "input"),
        ({"input": None}, "input"),
        ({"input": omit}, "input"),
        ({"model": ""}, "model"),
        ({"temperature": 5}, "temperature"),
        ({"metadata": object()}, "metadata"),
    ],
)
def test_what_is_wrong_is_named_and_not_sent(
    make_client: MakeClient, arguments: dict[str, Any], field: str
) -> None:
    with RawServer(says(RESPONSE)) as server:
        with pytest.raises(InvalidRequestException) as caught:
            quick(make_client, server.url).responses.create(
                **{"model": "m", "input": "Hi", **arguments}
            )
        assert caught.value.field == field
        assert server.heard == []


def test_an_answer_says_its_text(groq_simulator_factory: Simulate, make_client: MakeClient) -> None:
    simulator, client = limited(groq_simulator_factory, make_client)
    simulator.answer_next("Hello there!")
    answer = client.responses.create(model="m", input="Hello", max_output_tokens=4_000)
    assert type(answer) is Response
    assert answer.output_text == "Hello there!"
    assert answer.usage is not None
    assert answer.rate_limits["TPM"].limit == 8_000
    assert answer.request_id == simulator.requests[0].request_id


def test_it_settles_what_it_took(make_client: MakeClient) -> None:
    with RawServer(says(RESPONSE)) as server:
        client = quick(make_client, server.url, LIMITS)
        with pytest.raises(TokenLimitExceededException):
            client.responses.create(model="m", input="Hello", max_output_tokens=9_000)
        assert server.heard == []
        client.responses.create(model="m", input="Hello", max_output_tokens=4_000)
        assert (remaining(client), remaining(client, "RPM")) == (8_000 - 75, 29)


def test_what_it_may_take_is_set_aside_while_it_is_on_its_way(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator, client = limited(groq_simulator_factory, make_client)
    with simulator.hold() as gate:
        asked = in_thread(
            client.responses.create, model="m", input="Hello", max_output_tokens=4_000
        )
        assert gate.wait_until_held(1)
        assert remaining(client) < 4_000
    asked.result(10)


def test_a_stream_has_events_with_types_and_a_whole_answer(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator, client = limited(groq_simulator_factory, make_client)
    simulator.answer_next("Hello there!")
    with client.responses.create(model="m", input="Hello", stream=True) as stream:
        events = list(stream)
    types = [event.type for event in events]
    assert types[0] == "response.created"
    assert types[-1] == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == stream.text == "Hello there!"
    answer: Any = stream.get_final_completion()
    assert type(answer) is Response
    assert answer.output_text == "Hello there!"
    assert answer == events[-1].response
    assert answer.request_id == simulator.requests[0].request_id
    assert stream.usage is not None
    assert simulator.requests[0].headers["accept"] == "text/event-stream"


def test_a_stream_that_is_left_is_settled_with_what_was_said(make_client: MakeClient) -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "usage": None}}
    said = {"type": "response.output_text.delta", "delta": "Hello! " * 100}
    with RawServer(streams(frame(begun), frame(said), whole=True)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        with client.responses.create(
            model="m", input="Hi", stream=True, max_output_tokens=5_000
        ) as stream:
            next(stream), next(stream)
        assert books.ways == ["settle"]
        assert 6_000 < remaining(client) < 7_950
        unread = client.responses.create(model="m", input="Hi", stream=True)
        with pytest.raises(APIConnectionError):
            list(unread)  # it has no last event
        assert books.ways == ["settle", "keep"]


def test_an_error_within_a_stream_is_raised(make_client: MakeClient) -> None:
    said = {"type": "response.output_text.delta", "delta": "Hel"}
    error = {"error": {"message": "It went wrong", "type": "invalid_request_error", "code": "x"}}
    with RawServer(streams(frame(said), frame(error, "error"))) as server:
        client = quick(make_client, server.url, max_retries=0)
        stream = client.responses.create(model="m", input="Hi", stream=True)
        assert next(stream).type == "response.output_text.delta"
        with pytest.raises(BadRequestError, match="It went wrong"):
            next(stream)


def test_what_the_service_refuses_is_a_refusal(client: GroqClient) -> None:
    with pytest.raises(BadRequestError):
        client.responses.create(model="m", input=user(), store=True)
