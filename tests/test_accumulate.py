"""``accumulate``: the whole answer of a stream, whoever's stream it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from helpers_recordings import recorded
from helpers_scripts import HELLO, MODEL

from customgroqchat import APIError, ChatCompletion, ChatCompletionChunk, GroqClient
from customgroqchat._accumulate import accumulate
from customgroqchat.testing import SimulatedGroq


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": fields.pop("finish", None)}
    return {"id": "chatcmpl-1", "model": MODEL, "choices": [choice], **fields}


USAGE = {"prompt_tokens": 70, "completion_tokens": 7, "total_tokens": 77}
CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "Hm."}),
    chunk({"content": "Good "}),
    chunk({"content": "day."}),
    chunk(finish="stop", usage=USAGE),
]


class ForeignChunk:
    """What the official SDK yields, as far as it matters: unset fields are there, as None."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def model_dump(self, *, exclude_unset: bool = False) -> dict[str, Any]:
        unset = {} if exclude_unset else {"service_tier": None}
        return {**self._fields, **unset}


@pytest.mark.parametrize("wrap", [dict, ChatCompletionChunk.wrap, ForeignChunk])
def test_chunks_of_any_kind_become_an_answer(wrap: Any) -> None:
    whole = accumulate(wrap(each) for each in CHUNKS)
    assert isinstance(whole, ChatCompletion)
    message = {"role": "assistant", "content": "Good day.", "reasoning": "Hm."}
    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": None,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    assert whole.choices[0].message.content == "Good day."


def test_tool_calls_are_put_together() -> None:
    def piece(**function: str) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": 0, "id": "fc_1", "function": function}]})

    whole = accumulate([piece(name="find", arguments='{"a"'), piece(arguments=": 1}")])
    (call,) = whole.choices[0].message.tool_calls or ()
    assert (call.id, call.function.name) == ("fc_1", "find")
    assert json.loads(call.function.arguments) == {"a": 1}


def test_of_nothing_there_is_no_choice() -> None:
    assert accumulate([]).choices == []


def test_an_error_among_the_chunks_is_raised() -> None:
    error = {
        "message": "It went wrong.",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
    }
    with pytest.raises(APIError, match=r"It went wrong\.") as caught:
        accumulate([*CHUNKS, {"error": error}])
    assert (caught.value.code, caught.value.body) == ("tool_use_failed", error)


def test_an_error_without_words_is_one_as_well() -> None:
    with pytest.raises(APIError, match="The stream failed"):
        accumulate([{"error": {"code": 7}}])


@pytest.mark.parametrize("stranger", ["data: {}", None, 7, object()])
def test_what_is_no_chunk_is_refused(stranger: Any) -> None:
    with pytest.raises(TypeError, match="no chunk of a stream"):
        accumulate([stranger])


def test_what_reading_raises_is_raised() -> None:
    def broken() -> Iterator[Any]:
        yield CHUNKS[0]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        accumulate(broken())


def test_of_a_stream_of_ours_it_is_known_how_it_came_about() -> None:
    with (
        SimulatedGroq() as groq,
        GroqClient({}, api_key="gsk_simulated", base_url=groq.url) as client,
        client.chat_completion(MODEL, HELLO, stream=True) as stream,
    ):
        first = next(stream)
        whole = accumulate(stream)
    assert whole.id == first.id
    assert whole.choices[0].message.content == stream.text != ""
    assert whole.request_id == stream.request_id is not None
    assert whole.attempts == 1


def recorded_streams() -> list[Any]:
    rows = [row for row in recorded("exchanges.jsonl") if row["response"]["is_stream"]]
    return [row for row in rows if "[DONE]" in row["response"]["body"]]


def test_recorded_streams_become_whole_answers() -> None:
    rows = recorded_streams()
    if not rows:
        pytest.skip("there are no recordings")
    for row in rows:
        lines = row["response"]["body"].splitlines()
        events = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
        chunks = [json.loads(event) for event in events if event != "[DONE]"]
        deltas = [choice["delta"] for each in chunks for choice in each.get("choices", ())]
        said = "".join(delta.get("content") or "" for delta in deltas)
        whole = accumulate(chunks)
        assert (whole.choices[0].message.content or "") == said, row["id"]
        assert whole.choices[0].finish_reason, row["id"]
