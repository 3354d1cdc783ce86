"""Payloads of other endpoints: the Responses API, embeddings, speech."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customgroqchat.token_counter import DEFAULT_COMPLETION_TOKENS, TokenCount, TokenCounter

OSS, EMBEDDER = "openai/gpt-oss-20b", "nomic-embed-text-v1_5"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Get the weather.", "parameters": SCHEMA}
ARGUMENTS = '{"city":"Rome"}'


@pytest.fixture
def counter() -> TokenCounter:
    return TokenCounter(use_vocabulary=False)


def chat(*messages: tuple[str, Any], **rest: Any) -> dict[str, Any]:
    return {
        "model": OSS,
        "messages": [{"role": role, "content": content} for role, content in messages],
        **rest,
    }


# --- the Responses API -----------------------------------------------------------------------

SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a text": ({"input": "Hello world!"}, chat(("user", "Hello world!"))),
    "instructions": (
        {"input": "Hello world!", "instructions": "Be brief."},
        chat(("system", "Be brief."), ("user", "Hello world!")),
    ),
    "messages": (
        {
            "input": [
                {"role": "developer", "content": "Be brief."},
                {"type": "message", "role": "user", "content": "Hello!"},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Hi there."}]},
                {"role": "user", "content": [{"type": "input_text", "text": "Why?"}]},
            ]
        },
        chat(
            ("developer", "Be brief."),
            ("user", "Hello!"),
            ("assistant", "Hi there."),
            ("user", "Why?"),
        ),
    ),
    "tools": (
        {"input": "Rome?", "tools": [{"type": "function", **FUNCTION}], "tool_choice": "none"},
        chat(
            ("user", "Rome?"),
            tools=[{"type": "function", "function": FUNCTION}],
            tool_choice="none",
        ),
    ),
    "a JSON object": (
        {"input": "Rome as JSON", "text": {"format": {"type": "json_object"}}},
        chat(("user", "Rome as JSON"), response_format={"type": "json_object"}),
    ),
    "plain text": ({"input": "Rome", "text": {"format": {"type": "text"}}}, chat(("user", "Rome"))),
    "a schema": (
        {
            "input": "Rome",
            "text": {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}},
        },
        chat(
            ("user", "Rome"),
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "weather", "schema": SCHEMA},
            },
        ),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_conversation_costs_the_same(counter: TokenCounter, name: str) -> None:
    responses, completion = SAME[name]
    asked = counter.count_request({"model": OSS, **responses})
    expected = counter.count_request(completion)
    assert (asked, asked.margin) == (expected, expected.margin)


def test_effort_is_where_that_api_has_it(counter: TokenCounter) -> None:
    payload = {"model": "qwen/qwen3-32b", "input": "Hello"}
    without = counter.count_request({**payload, "reasoning": {"effort": "none"}})
    assert without - counter.count_request(payload) == 4
    assert counter.count_request({**payload, "reasoning": None}) == without - 4


def test_calls_and_results_are_items(counter: TokenCounter) -> None:
    items = [
        {"role": "user", "content": "Rome?"},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": ARGUMENTS},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]
    call = {"id": "c1", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
    messages = [
        {"role": "user", "content": "Rome?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    expected = counter.count_request({"model": OSS, "messages": messages})
    assert counter.count_request({"model": OSS, "input": items}) == expected


def test_an_image_is_an_image(counter: TokenCounter) -> None:
    image = {"type": "input_image", "image_url": "https://example.com/cat.png"}
    payload = {"model": OSS, "input": [{"role": "user", "content": [image]}]}
    assert counter.count_request(payload) == 71 + 1600


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think of Rome."}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Think of Rome."}]},
        {"type": "mcp_call", "name": "f", "arguments": "{}"},
        {"odd": ["item"]},
    ],
    ids=str,
)
def test_other_items_count_as_text(counter: TokenCounter, item: dict[str, Any]) -> None:
    bare = counter.count_request({"model": OSS, "input": [{"role": "user", "content": "Hi"}]})
    more = counter.count_request(
        {"model": OSS, "input": [{"role": "user", "content": "Hi"}, item, "loose"]}
    )
    assert bare + 8 < more < bare + 40
    assert not more.exact


def test_an_empty_input_is_its_template(counter: TokenCounter) -> None:
    assert counter.count_request({"model": OSS, "input": []}) == 67
    assert counter.count_request({"model": OSS, "instructions": "Be brief."}) > 67


def test_messages_count_before_an_input(counter: TokenCounter) -> None:
    payload = chat(("user", "Hello world!"))
    assert counter.count_request({**payload, "input": "x " * 99}) == counter.count_request(payload)


def test_its_cap_has_its_own_name(counter: TokenCounter) -> None:
    payload = {"model": OSS, "input": "Hello"}
    cost = counter.count_request_and_completion({**payload, "max_output_tokens": 50})
    assert cost["completion_tokens"] == 50
    cost = counter.count_request_and_completion(payload)
    assert cost["completion_tokens"] == DEFAULT_COMPLETION_TOKENS


# --- embeddings and speech -------------------------------------------------------------------


def texts(counter: TokenCounter, *given: str) -> int:
    return sum(counter.count_text(text) for text in given)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ("a", 2 + 1),
        (["a"], 2 + 1),
        (["a", "b"], 2 * (2 + 1)),
        ([101, 7592, 2088, 102], 2 + 4),
        ([[101, 102], [101, 7592, 102]], 2 * 2 + 5),
        ([], 2),
    ],
    ids=str,
)
def test_embeddings_have_no_template(counter: TokenCounter, given: object, tokens: int) -> None:
    count = counter.count_request({"model": EMBEDDER, "input": given})
    assert (count, count.exact, count.margin) == (tokens, False, 0.30)


@pytest.mark.parametrize("given", [["Hello world!", "Hello"], [1, 2, 3], [[1, 2], [3]]])
def test_texts_and_numbers_are_no_conversation(counter: TokenCounter, given: Any) -> None:
    count = counter.count_request({"model": "acme/new-1", "input": given})
    assert count == (3 if isinstance(given[0], (int, list)) else texts(counter, *given))


def test_speech_is_its_text(counter: TokenCounter) -> None:
    payload = {"model": "canopylabs/orpheus-v1-english", "input": "Hello world!", "voice": "troy"}
    assert counter.count_request(payload) == texts(counter, "Hello world!")


@pytest.mark.parametrize(
    "payload",
    [{"model": EMBEDDER, "input": ["a", "b"]}, {"model": OSS, "input": "a", "voice": "troy"}],
    ids=str,
)
def test_where_no_text_is_the_answer(counter: TokenCounter, payload: dict[str, Any]) -> None:
    cost = counter.count_request_and_completion({**payload, "max_tokens": 50})
    assert cost["completion_tokens"] == 0
    assert cost["total_tokens"] == cost["prompt_tokens"] > 0


# --- whatever it is --------------------------------------------------------------------------

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "role", "content", "text", "name", "arguments", "output", "call_id"),
                    *("summary", "format", "schema", "function"),
                ]
            ),
            inner | st.sampled_from(["function_call", "function_call_output", "reasoning"]),
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["input", "instructions", "text", "tools", "reasoning", "tool_choice"]),
        json_like,
    ),
    st.sampled_from([OSS, EMBEDDER, "qwen/qwen3.8-27b", "other", None, 7]),
)
def test_nothing_inside_a_payload_raises(payload: dict[str, Any], model: object) -> None:
    counter = TokenCounter(use_vocabulary=False)
    count = counter.count_request({**payload, "model": model})
    assert isinstance(count, TokenCount)
    assert count.upper >= 0
