"""TokenCounter and TokenCount as a user meets them, mostly without a vocabulary."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customgroqchat import token_counter
from customgroqchat.token_counter import (
    DEFAULT_COMPLETION_TOKENS,
    TokenCount,
    TokenCounter,
    count_request_and_completion_tokens,
    count_tokens_in_message,
    count_tokens_in_messages,
    count_tokens_in_prompt,
    count_tokens_in_request,
)

ROOT = Path(__file__).resolve().parents[1]
OSS = "openai/gpt-oss-20b"
QWEN = "qwen/qwen3.8-27b"
FIELDS = [
    *("type", "text", "role", "content", "function", "name", "arguments", "tool_calls", "id"),
    *("parameters", "properties", "items", "anyOf", "required", "enum", "description", "default"),
    *("json_schema", "schema", "document"),
]
HELLO = {"role": "user", "content": "Hello world!"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def counter():
    return TokenCounter(use_vocabulary=False)


class TestTokenCount:
    def test_is_an_int_in_every_way(self):
        count = TokenCount(74, margin=0.08)
        assert count == 74
        assert hash(count) == hash(74)
        assert json.dumps({"tokens": count}) == '{"tokens": 74}'
        assert f"{count} {count:>4} {count!s}" == "74   74 74"

    def test_arithmetic_gives_plain_ints(self):
        assert type(TokenCount(74) + 1) is int
        assert type(sum([TokenCount(1), TokenCount(2)])) is int

    def test_repr_says_how_good_it_is(self):
        count = TokenCount(74, exact=True, source="o200k_base")
        assert repr(count) == "TokenCount(74, exact=True, margin=0.0, source='o200k_base')"

    def test_rounds(self):
        assert TokenCount(73.6) == 74

    @pytest.mark.parametrize(
        ("value", "margin", "upper"), [(100, 0.08, 108), (3, 0.03, 4), (0, 0.3, 0)]
    )
    def test_upper_is_rounded_up(self, value, margin, upper):
        assert TokenCount(value, margin=margin).upper == upper

    def test_an_exact_count_has_no_margin(self):
        count = TokenCount(74, exact=True, margin=0.3)
        assert (count.margin, count.upper) == (0.0, 74)

    @pytest.mark.parametrize("duplicate", [lambda c: pickle.loads(pickle.dumps(c)), copy.deepcopy])
    def test_survives_pickling_and_copying(self, duplicate):
        count = duplicate(TokenCount(74, margin=0.08, source="estimate"))
        assert type(count) is TokenCount
        assert (count, count.exact, count.margin, count.source) == (74, False, 0.08, "estimate")


class TestTexts:
    def test_a_text_has_no_template(self, counter):
        assert counter.count_text("") == 0
        assert counter.count_text(None) == 0
        assert 2 <= counter.count_text("Hello world!") <= 4

    def test_a_prompt_is_one_message_of_the_user(self, counter):
        assert counter.count_prompt("Hello world!", OSS) == counter.count_messages([HELLO], OSS)

    def test_a_completion_has_the_markers_of_its_family(self, counter):
        text = "The sky is blue because of scattering."
        extra = counter.count_completion(text, OSS) - counter.count_text(text, OSS)
        assert extra == 10
        assert counter.count_completion(text, QWEN) - counter.count_text(text, QWEN) == 1

    def test_a_completion_may_be_a_whole_message(self, counter):
        message = {"role": "assistant", "content": "It is sunny.", "reasoning": "Look it up first."}
        call = {"id": "1", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
        bare = counter.count_completion(message["content"], OSS)
        thoughtful = counter.count_completion(message, OSS)
        calling = counter.count_completion({**message, "tool_calls": [call]}, OSS)
        assert bare < thoughtful < calling

    def test_digits_are_tokens_each_for_qwen(self, counter):
        assert counter.count_text("1234567", QWEN) - counter.count_text("1234567", OSS) == 4


class TestMargins:
    @pytest.mark.parametrize(
        ("model", "margin"), [(OSS, 0.08), (QWEN, 0.08), ("acme/new-1", 0.30), (None, 0.30)]
    )
    def test_of_a_plain_chat(self, counter, model, margin):
        count = counter.count_messages([HELLO], model)
        assert (count.exact, count.margin, count.source) == (False, margin, "estimate")

    @pytest.mark.parametrize(("model", "margin"), [(OSS, 0.08), (QWEN, 0.12)])
    def test_of_tools(self, counter, model, margin):
        request = {"model": model, "messages": [HELLO], "tools": [TOOL]}
        assert counter.count_request(request).margin == margin

    def test_of_an_image(self, counter):
        image = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
        message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}
        count = counter.count_messages([message], QWEN)
        text = counter.count_messages([{**message, "content": "What is it?"}], QWEN)
        assert count - text == 1600
        assert count.margin == pytest.approx((1600 * 0.6 + text * 0.12) / count)
        assert counter.count_text([image], QWEN).margin == 0.60
        assert count.upper > 2400 > 640 > count * (1 - count.margin) - text

    def test_of_a_tool_that_the_service_runs(self, counter):
        request = {"model": OSS, "messages": [HELLO], "tools": [{"type": "browser_search"}]}
        assert counter.count_request(request).margin == 0.30

    @pytest.mark.parametrize(("model", "margin"), [(None, 0.15), (OSS, 0.15), ("acme/new-1", 0.30)])
    def test_of_a_text(self, counter, model, margin):
        assert counter.count_text("Hello world!", model).margin == margin


class TestRequests:
    def test_messages_and_request_agree(self, counter):
        request = {"model": OSS, "messages": [HELLO]}
        assert counter.count_request(request) == counter.count_messages([HELLO], OSS)

    def test_the_model_may_have_either_name(self, counter):
        named = counter.count_request({"model_name": QWEN, "messages": [HELLO]})
        assert named == counter.count_request({"model": QWEN, "messages": [HELLO]})

    def test_messages_may_come_from_a_generator(self, counter):
        assert counter.count_messages((m for m in [HELLO]), OSS) == counter.count_messages(
            [HELLO], OSS
        )

    @pytest.mark.parametrize(
        "extra",
        [
            {"tools": [TOOL]},
            {"functions": [TOOL["function"]]},
            {"response_format": {"type": "json_object"}},
            {"documents": [{"text": "The capital of Peru is Lima."}]},
        ],
    )
    @pytest.mark.parametrize("model", [OSS, QWEN, "acme/new-1"])
    def test_what_else_costs_tokens(self, counter, model, extra):
        plain = {"model": model, "messages": [HELLO]}
        assert counter.count_request({**plain, **extra}) > counter.count_request(plain)

    def test_what_costs_no_tokens(self, counter):
        plain = {"model": OSS, "messages": [HELLO]}
        settings_ = {"temperature": 0.5, "stream": True, "response_format": {"type": "text"}}
        assert counter.count_request({**plain, **settings_}) == counter.count_request(plain)

    def test_a_prompt_in_place_of_messages(self, counter):
        request = {"model": OSS, "prompt": "Hello world!"}
        assert counter.count_request(request) == counter.count_prompt("Hello world!", OSS)

    def test_a_list_of_prompts_is_a_request_each(self, counter):
        both = counter.count_request({"model": OSS, "prompt": ["Hello world!", "Hello world!"]})
        assert both == 2 * counter.count_prompt("Hello world!", OSS)
        assert (both.exact, both.margin, both.source) == (False, 0.08, "estimate")

    def test_an_empty_request_is_its_template(self, counter):
        assert counter.count_request({"model": OSS, "messages": []}) == 67
        assert counter.count_request({"model": OSS}) == 67
        assert counter.count_request({"model": OSS, "prompt": []}) == 67


class TestCompletionCap:
    @pytest.mark.parametrize(
        ("caps", "completion"),
        [
            ({"max_completion_tokens": 50, "max_tokens": 99}, 50),
            ({"max_tokens": 99}, 99),
            ({"max_completion_tokens": None, "max_tokens": 99}, 99),
            ({"max_tokens": True}, DEFAULT_COMPLETION_TOKENS),
            ({"max_tokens": "many"}, DEFAULT_COMPLETION_TOKENS),
            ({"max_tokens": 0}, DEFAULT_COMPLETION_TOKENS),
            ({}, DEFAULT_COMPLETION_TOKENS),
        ],
    )
    def test_is_taken_from_the_request(self, counter, caps, completion):
        cost = counter.count_request_and_completion({"model": OSS, "messages": [HELLO], **caps})
        assert cost["completion_tokens"] == completion
        assert cost["total_tokens"] == cost["prompt_tokens"] + completion
        assert isinstance(cost["prompt_tokens"], TokenCount)

    def test_holds_for_each_prompt(self, counter):
        cost = counter.count_request_and_completion(
            {"model": OSS, "prompt": ["a", "b", "c"], "max_tokens": 10}
        )
        assert cost["completion_tokens"] == 30


class TestOddInput:
    CONTENTS = (
        "<|endoftext|> <|start|>assistant<|channel|>",
        "\ud800 lone \udfff surrogates",
        " " * 2_000_000,
        "a" * 1_000_000,
        None,
        "",
        [],
        [None, 3, "text", {}, {"type": "text"}, {"type": "text", "text": None}],
        [{"type": "document", "document": {"data": {"title": "Peru"}}}],
        [{"type": "hologram", "rays": [1, 2]}],
        42,
        3.5,
        True,
        {"nested": {"content": [1, 2]}},
        b"bytes \xff",
        object(),
    )

    @pytest.mark.parametrize("model", [OSS, QWEN, None])
    @pytest.mark.parametrize("content", CONTENTS, ids=lambda c: repr(c)[:24])
    def test_any_content_is_counted(self, counter, content, model):
        message = {"role": "user", "content": content}
        assert counter.count_messages([message], model) >= counter.count_messages([{}], model)
        assert counter.count_message(message, model) >= 0
        assert counter.count_text(content, model) >= 0
        assert counter.count_completion(content, model) >= 0

    def test_content_may_be_missing(self, counter):
        nothing = counter.count_messages([{"role": "user", "content": ""}], OSS)
        assert counter.count_messages([{"role": "user"}], OSS) == nothing

    def test_a_text_part_counts_like_the_text(self, counter):
        parts = [{"type": "text", "text": "Hello "}, {"type": "text", "text": "world!"}]
        message = {"role": "user", "content": parts}
        assert counter.count_messages([message], OSS) == counter.count_messages([HELLO], OSS)

    def test_an_unknown_part_counts_as_json(self, counter):
        short = counter.count_text([{"type": "hologram", "rays": [1]}])
        assert counter.count_text([{"type": "hologram", "rays": list(range(99))}]) > short + 90

    def test_a_value_that_contains_itself(self, counter):
        endless: dict[str, object] = {"type": "object"}
        endless["properties"] = {"again": endless, "more": endless}
        request = {
            "messages": [{"role": "user", "content": endless}],
            "tools": [{"function": {"name": "f", "parameters": endless}}],
        }
        assert counter.count_request({"model": OSS, **request}) > 71
        assert counter.count_request({"model": QWEN, **request}) > 12

    @pytest.mark.parametrize("model", [7, ["a list"], b"bytes"])
    def test_a_model_that_is_no_name_is_unknown(self, counter, model):
        assert counter.count_messages([HELLO], model) == counter.count_messages([HELLO])

    json_like = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )

    @settings(deadline=None)
    @given(
        st.lists(st.dictionaries(st.text(max_size=5), json_like, max_size=2), max_size=2),
        st.dictionaries(
            st.sampled_from(["content", "role", "tool_calls", "function_call", "name"]), json_like
        ),
        st.dictionaries(
            st.sampled_from(["tools", "functions", "tool_choice", "response_format", "documents"]),
            json_like,
        ),
        st.sampled_from([OSS, QWEN, "llama-3.1-8b-instant", "other", None]),
    )
    def test_nothing_inside_a_payload_raises(self, messages, message, rest, model):
        counter = TokenCounter(use_vocabulary=False)
        payload = {**rest, "model": model, "messages": [*messages, message]}
        assert counter.count_request(payload).upper >= 1


class TestTypeErrors:
    @pytest.mark.parametrize("request_", ["text", None, [HELLO], 5])
    def test_a_request_must_be_a_mapping(self, counter, request_):
        kind = type(request_).__name__
        for count in (counter.count_request, counter.count_request_and_completion):
            with pytest.raises(TypeError, match=f"request must be a mapping .* not {kind}$"):
                count(request_)

    @pytest.mark.parametrize("messages", ["text", None, HELLO, 5, b"x"])
    def test_messages_must_be_a_list(self, counter, messages):
        with pytest.raises(TypeError, match=f"list of messages, not {type(messages).__name__}$"):
            counter.count_messages(messages)

    @pytest.mark.parametrize("message", ["text", None, 5])
    def test_a_message_must_be_a_mapping(self, counter, message):
        pattern = f"message must be a mapping .* not {type(message).__name__}$"
        with pytest.raises(TypeError, match=pattern):
            counter.count_message(message)
        with pytest.raises(TypeError, match=pattern):
            counter.count_messages([message])


class TestCounter:
    def test_says_what_it_counts_by(self, counter):
        assert repr(counter) == "TokenCounter(source='estimate')"
        assert counter.reload() is False
        assert (counter.source, counter.exact) == ("estimate", False)

    def test_construction_is_cheap(self):
        code = (
            "import sys\n"
            "from customgroqchat.token_counter import TokenCounter\n"
            "counter = TokenCounter()\n"
            "TokenCounter(use_vocabulary=False).count_text('Hello')\n"
            "assert 'tiktoken' not in sys.modules\n"
            "assert counter.source == 'estimate'\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_module_level_functions_share_one_counter(monkeypatch):
    counter = TokenCounter(use_vocabulary=False)
    monkeypatch.setattr(token_counter, "_default_counter", counter)
    request = {"model": OSS, "messages": [HELLO]}
    assert count_tokens_in_message(HELLO, OSS) == counter.count_message(HELLO, OSS)
    assert count_tokens_in_messages([HELLO], OSS) == counter.count_messages([HELLO], OSS)
    assert count_tokens_in_prompt("Hello world!", OSS) == counter.count_prompt("Hello world!", OSS)
    assert count_tokens_in_request(request) == counter.count_request(request)
    assert count_request_and_completion_tokens(request) == counter.count_request_and_completion(
        request
    )
