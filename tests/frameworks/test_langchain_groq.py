"""``langchain-groq`` takes ``client.chat.completions`` for the official SDK's."""

from __future__ import annotations

import functools
import json
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from helpers_frameworks import imported

from customgroqchat import GroqClient, RateLimitError
from customgroqchat.testing import SimulatedGroq

langchain_groq = imported("langchain_groq")
load = imported("langchain_core.load")
messages = imported("langchain_core.messages")
tools = imported("langchain_core.tools")
pydantic = imported("pydantic")

pytestmark = pytest.mark.filterwarnings("default")

MODEL = "openai/gpt-oss-20b"
ADA = {"name": "Ada", "age": 36}


class User(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    """A user."""

    name: str
    age: int


@tools.tool  # type: ignore[untyped-decorator]
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"Sunny in {city}"


@pytest.fixture
def make(client: GroqClient) -> Callable[..., Any]:
    return functools.partial(
        langchain_groq.ChatGroq,
        client=client.chat.completions,
        model=MODEL,
        groq_api_key="not-used",
    )


def test_a_question_is_answered(make: Callable[..., Any]) -> None:
    answer = make().invoke("Hello")
    assert answer.content.startswith("You said: Hello")
    assert answer.response_metadata["finish_reason"] == "stop"
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_an_answer_is_streamed(make: Callable[..., Any]) -> None:
    chunks = list(make().stream("Hello"))
    whole = functools.reduce(operator.add, chunks)
    assert len(chunks) > 3
    assert whole.content.startswith("You said: Hello")
    assert whole.usage_metadata["output_tokens"] > 0
    assert whole.response_metadata["finish_reason"] == "stop"


def test_a_model_that_streams_by_itself_answers_as_well(make: Callable[..., Any]) -> None:
    assert make(streaming=True).invoke("Hello").content.startswith("You said: Hello")


@pytest.mark.parametrize("method", ["function_calling", "json_mode", "json_schema"])
@pytest.mark.parametrize("include_raw", [False, True])
def test_an_answer_becomes_a_model(
    groq: SimulatedGroq, make: Callable[..., Any], method: str, include_raw: bool
) -> None:
    call = {"tool_calls": [{"name": "User", "arguments": ADA}]}
    groq.answer_next(call if method == "function_calling" else json.dumps(ADA))
    asked = make().with_structured_output(User, method=method, include_raw=include_raw)
    found = asked.invoke("Ada is 36 years old, as JSON.")
    assert (found["parsed"] if include_raw else found) == User(name="Ada", age=36)


def test_tools_are_called_and_their_results_are_sent_back(
    groq: SimulatedGroq, make: Callable[..., Any]
) -> None:
    model = make().bind_tools([weather])
    talk = [messages.HumanMessage("How is the weather in Paris?")]
    groq.answer_next(
        {"tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]}, "Sunny."
    )
    answer = model.invoke(talk)
    talk += [answer, *(weather.invoke(call) for call in answer.tool_calls)]
    assert talk[-1].content == "Sunny in Paris"
    assert model.invoke(talk).content == "Sunny."
    sent = groq.requests[-1].payload or {}
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool"]


def test_tool_calls_are_streamed(groq: SimulatedGroq, make: Callable[..., Any]) -> None:
    groq.answer_next({"tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]})
    chunks = make().bind_tools([weather]).stream("How is the weather in Paris?")
    (call,) = functools.reduce(operator.add, chunks).tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Paris"})


def test_several_are_asked_at_once(make: Callable[..., Any]) -> None:
    answers = make().batch(["a", "b", "c"], config={"max_concurrency": 3})
    assert [answer.content[:11] for answer in answers] == [f"You said: {x}" for x in "abc"]


def test_usage_is_summed_up(make: Callable[..., Any]) -> None:
    result = make().generate([[messages.HumanMessage("a")], [messages.HumanMessage("b")]])
    each = [
        generation[0].message.usage_metadata["total_tokens"] for generation in result.generations
    ]
    assert result.llm_output["token_usage"]["total_tokens"] == sum(each)


def test_messages_can_be_stored(make: Callable[..., Any]) -> None:
    answer = make().invoke("Hello")
    usage = answer.response_metadata["token_usage"]
    assert json.loads(load.dumps(answer))["kwargs"]["response_metadata"]["token_usage"] == usage
    assert json.loads(answer.model_dump_json())["response_metadata"]["token_usage"] == usage
    assert pickle.loads(pickle.dumps(answer)) == answer


def test_settings_reach_the_service(groq: SimulatedGroq, make: Callable[..., Any]) -> None:
    model = make(temperature=0.5, max_tokens=50, stop=["."], reasoning_effort="low")
    model.invoke("Hello")
    sent = groq.requests[-1].payload or {}
    assert {name: sent[name] for name in ("temperature", "max_tokens", "stop")} == {
        "temperature": 0.5,
        "max_tokens": 50,
        "stop": ["."],
    }
    assert sent["reasoning_effort"] == "low"


def test_own_options_can_be_bound_and_are_not_sent(
    groq: SimulatedGroq, make: Callable[..., Any]
) -> None:
    make().bind(priority="high", max_wait=5.0, tag="web").invoke("Hello")
    assert {"priority", "max_wait", "tag"} & (groq.requests[-1].payload or {}).keys() == set()


def test_errors_are_those_of_this_package(groq: SimulatedGroq, client: GroqClient) -> None:
    model = langchain_groq.ChatGroq(
        client=client.chat.completions, model=MODEL, groq_api_key="not-used"
    )
    groq.exhaust(MODEL, "RPD")
    with pytest.raises(RateLimitError) as caught:
        model.bind(max_wait=0.0).invoke("Hello")
    assert caught.value.dimension == "RPD"
