"""RequestHandler: what is refused at the door, what is counted, what has to wait."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from helpers_handler import LIMITS, MODEL, PAYLOAD, Bench
from helpers_servers import KEY

from customgroqchat import (
    AuthenticationError,
    ChatCompletion,
    ConfigLoader,
    InvalidRequestException,
    ModelNotFoundException,
    RequestOptions,
    TokenCounter,
    TokenLimitExceededException,
    Wait,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- at the door -----------------------------------------------------------------------------


def message(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Hi", **fields}]


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"model": ""}, "model", "''", "give the model's name"),
    ({"model": 7}, "model", "7", "give the model's name"),
    ({"model": None}, "model", "None", "give the model's name"),
    ({"messages": "Hi"}, "messages", "'Hi'", "give a list"),
    ({"messages": None}, "messages", "None", "give a list"),
    ({"messages": []}, "messages", "[]", "at least one"),
    ({"messages": ["Hi"]}, "messages[0]", "'Hi'", "give a mapping"),
    ({"messages": message() + message(role="boss")}, "messages[1].role", "'boss'", "assistant"),
    ({"messages": message(content=None)}, "messages[0].content", "None", "give a string"),
    ({"messages": message(content=5)}, "messages[0].content", "5", "give a string"),
    ({"messages": message(content=[])}, "messages[0].content", "[]", "at least one part"),
    ({"messages": message(content=["Hi"])}, "messages[0].content[0]", "'Hi'", "'type'"),
    (
        {"messages": message(content=[{"type": "text", "text": 1}])},
        "messages[0].content[0].text",
        "1",
        "give a string",
    ),
    (
        {"messages": message(content=[{"type": "image_url", "image_url": {}}])},
        "messages[0].content[0].image_url.url",
        "None",
        "address",
    ),
    ({"messages": message(role="tool")}, "messages[0].tool_call_id", "None", "the id"),
    (
        {"messages": message(role="assistant", content=None, tool_calls=[{"id": "1"}])},
        "messages[0].tool_calls[0].function",
        "None",
        "'name'",
    ),
    ({"temperature": 2.1}, "temperature", "2.1", "from 0 to 2"),
    ({"temperature": "hot"}, "temperature", "'hot'", "from 0 to 2"),
    ({"temperature": True}, "temperature", "True", "from 0 to 2"),
    ({"temperature": float("nan")}, "temperature", "nan", "from 0 to 2"),
    ({"top_p": -0.1}, "top_p", "-0.1", "from 0 to 1"),
    ({"frequency_penalty": 3}, "frequency_penalty", "3", "from -2 to 2"),
    ({"presence_penalty": -3}, "presence_penalty", "-3", "from -2 to 2"),
    ({"max_completion_tokens": -1}, "max_completion_tokens", "-1", "at least 0"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens", "1.5", "integer"),
    ({"max_tokens": -5, "max_completion_tokens": None}, "max_tokens", "-5", "at least 0"),
    ({"max_tokens": 99}, "max_tokens", "99", "max_completion_tokens, which is 100"),
    ({"top_logprobs": 21}, "top_logprobs", "21", "from 0 to 20"),
    ({"n": 2}, "n", "2", "several times"),
    ({"seed": "lucky"}, "seed", "'lucky'", "integer"),
    ({"stop": 5}, "stop", "5", "at most 4"),
    ({"stop": list("abcde")}, "stop", "['a', 'b', 'c', 'd', 'e']", "at most 4"),
    ({"stream": "yes"}, "stream", "'yes'", "True or False"),
    ({"tools": {}}, "tools", "{}", "a list"),
    ({"tools": [{}] * 129}, "tools", "129", "at most 128"),
    ({"tools": ["f"]}, "tools[0]", "'f'", "'type'"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "None", "'name'"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]},
        "tools[0].function.parameters",
        "'{}'",
        "JSON schema",
    ),
    ({"tool_choice": 1}, "tool_choice", "1", "'auto'"),
    ({"response_format": "json"}, "response_format", "'json'", "'json_object'"),
    (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "None",
        "'schema'",
    ),
    ({"reasoning_effort": 3}, "reasoning_effort", "3", "'low'"),
    ({"user": 3}, "user", "3", "a string"),
    ({"metadata": {"when": {1, 2}}}, "metadata.when", "{1, 2}", "is not JSON"),
    ({"metadata": [0, float("inf")]}, "metadata[1]", "inf", "finite"),
    ({"metadata": {"me": CIRCLE}}, "metadata.me[0]", "...", "contains itself"),
    ({"metadata": {"body": b"raw"}}, "metadata.body", "b'raw'", "bytes is not JSON"),
    ({"metadata": {(1, 2): 3}}, "metadata.(1, 2)", "(1, 2)", "strings as keys"),
]


@pytest.mark.parametrize(("changes", "field", "value", "remedy"), WRONG)
def test_what_is_wrong_is_named_with_its_value_and_a_remedy(
    bench: Bench, changes: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        bench.handler.submit({**PAYLOAD, **changes}, RequestOptions(), ChatCompletion.wrap)
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.field == field
    assert value in str(error.value)
    assert remedy.lower() in str(error).lower()
    assert field in str(error)
    assert_nothing_happened(bench)


def assert_nothing_happened(bench: Bench) -> None:
    assert bench.api.sent == []
    assert bench.handler.queue.status()["queued"] == 0
    assert not any(bench.used().values())


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"priority": "urgent"}, "priority"),
    ({"priority": 1.5}, "priority"),
    ({"priority": True}, "priority"),
    ({"priority": None}, "priority"),
    *(({"max_wait": value}, "max_wait") for value in (-1, "soon", float("nan"), True)),
    *(({"timeout": value}, "timeout") for value in (0, -1, "5", (5,), (5, 0), [5, 5], (5, "6"))),
]


@pytest.mark.parametrize(("option", "field"), OPTIONS)
def test_wrong_options_are_named(bench: Bench, option: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestException, match=field) as caught:
        bench.handler.submit(PAYLOAD, RequestOptions(**option), ChatCompletion.wrap)
    assert caught.value.field == field
    assert_nothing_happened(bench)


def test_a_payload_nested_beyond_what_json_can_do_is_refused(bench: Bench) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidRequestException):
        bench.prepare(metadata=deep)


def test_what_nobody_here_knows_is_passed_on_and_none_is_left_out(bench: Bench) -> None:
    new = {"invented_tomorrow": {"deep": [1, None]}, "temperature": None, "stop": None}
    work = bench.prepare(**new)
    assert work.request.body is not None
    expected = {**PAYLOAD, "invented_tomorrow": {"deep": [1, None]}}
    assert json.loads(work.request.body) == expected
    assert work.request.path == "/chat/completions"
    assert work.request.api_key == KEY


def test_messages_may_be_any_sequence_of_any_mappings(bench: Bench) -> None:
    work = bench.prepare(messages=(MappingProxyType({"role": "user", "content": "Hello"}),))
    assert work.request.body is not None
    assert json.loads(work.request.body) == PAYLOAD


@pytest.mark.parametrize("text", ["\ud800", "<|start|>", "\x00", " " * 2_000_000, "字" * 1000])
def test_strange_text_is_no_obstacle(text: str) -> None:
    limits = {**LIMITS, "token_per_minute": 10**9, "token_per_day": 10**9}
    work = Bench(limits=limits).prepare(messages=message(content=text))
    assert work.request.body is not None
    assert json.loads(work.request.body)["messages"][0]["content"] == text


# --- what can never pass ---------------------------------------------------------------------


def test_a_prompt_is_counted_with_its_margin_and_its_cap(bench: Bench) -> None:
    work = bench.prepare()
    count = TokenCounter(use_vocabulary=False).count_request(PAYLOAD)
    assert work.demand.prompt_tokens == count.upper
    assert work.demand.prompt_at_least <= int(count) <= count.upper
    assert work.demand.output_cap == 100
    assert bench.prepare(max_completion_tokens=None, max_tokens=7).demand.output_cap == 7
    assert bench.prepare(max_completion_tokens=None).demand.output_cap is None


def test_more_than_the_context_window_is_refused() -> None:
    bench = Bench(limits={"context_window": 1_000, **LIMITS})
    assert bench.prepare(max_completion_tokens=900)
    with pytest.raises(TokenLimitExceededException) as caught:
        bench.prepare(max_completion_tokens=1_000)
    error = caught.value
    assert (error.dimension, error.limit, error.model) == ("context_window", 1_000, MODEL)
    assert error.requested == 1_000 + (error.prompt_tokens or 0)
    assert error.hint is not None
    assert str(error.requested - 1_000) in error.hint
    assert_nothing_happened(bench)


@pytest.mark.parametrize(
    ("limit", "dimension"), [("token_per_minute", "TPM"), ("token_per_day", "TPD")]
)
def test_more_than_a_whole_bucket_is_refused(limit: str, dimension: str) -> None:
    bench = Bench(limits={**LIMITS, limit: 2_000})
    with pytest.raises(TokenLimitExceededException) as caught:
        bench.handler.submit(
            {**PAYLOAD, "max_completion_tokens": 2_000}, RequestOptions(), ChatCompletion.wrap
        )
    error = caught.value
    assert (error.dimension, error.limit, error.model) == (dimension, 2_000, MODEL)
    assert error.requested is not None
    assert error.requested > 2_000
    assert error.hint is not None
    assert "max_completion_tokens" in error.hint
    assert_nothing_happened(bench)


def test_a_guessed_limit_refuses_nothing(bench: Bench) -> None:
    # Published for the free plan are 8,000 tokens a minute; the account may have another plan.
    payload = {**PAYLOAD, "model": "openai/gpt-oss-20b", "max_completion_tokens": 20_000}
    assert bench.handler.prepare(payload, ChatCompletion.wrap)


def test_a_model_that_a_strict_configuration_does_not_know() -> None:
    bench = Bench(strict_models=True)
    with pytest.raises(ModelNotFoundException) as caught:
        bench.prepare(model="some/modle")
    assert MODEL in caught.value.known
    assert bench.api.sent == []


def test_a_missing_key_is_noticed_before_anything_is_queued() -> None:
    bench = Bench(api_key=None)
    with pytest.raises(AuthenticationError, match="GROQ_API_KEY"):
        bench.handler.submit(PAYLOAD, RequestOptions(), ChatCompletion.wrap)
    assert bench.handler.queue.status()["queued"] == 0


def test_another_configuration_holds_for_what_comes_later(bench: Bench) -> None:
    before = bench.prepare()
    bench.handler.use_config(ConfigLoader({}, environ={}).load(api_key="gsk_other", timeout=1))
    assert bench.prepare().request.api_key == "gsk_other"
    assert before.request.api_key == KEY


# --- admission -------------------------------------------------------------------------------


def test_admission_says_what_the_request_waits_for() -> None:
    bench = Bench(limits={"token_per_minute": 300})
    work = bench.prepare()
    cost = work.demand.prompt_tokens + 100
    bench.admit(work)
    assert bench.used() == {"TPM": cost}
    wait = bench.handler.sender.admit(work)
    assert isinstance(wait, Wait)
    missing = 2 * cost - 300
    assert missing > 0
    assert wait.wait_s == pytest.approx(missing / 300 * 60)
    assert wait[1:] == ("TPM", 300, cost, cost, None, False)
    bench.clock.advance(wait.wait_s)
    bench.admit(work)


def test_admission_of_a_blocked_model_names_no_limit(bench: Bench) -> None:
    work = bench.prepare()
    bench.store.block(work.scope, 7.0)
    assert bench.handler.sender.admit(work) == Wait(7.0)
