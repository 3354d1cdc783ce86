"""Recorded streams of the service, through the decoder and the collector."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import pytest
from helpers_recordings import recorded

from customgroqchat._collector import Collector, error_of
from customgroqchat._sse import ServerSentEvent, SSEDecoder
from customgroqchat.types.chat import ChatCompletion, ChatCompletionChunk

DONE = "[DONE]"
EIGHT_MIB = 8 << 20

STREAMS = [row for row in recorded("exchanges.jsonl") if row["response"]["is_stream"]]
FAILED = [row for row in STREAMS if "event: error" in row["response"]["body"]]
WHOLE = [row for row in STREAMS if row not in FAILED]
IN_CHUNKS = [row for row in STREAMS if row.get("chunk_lengths")]


def of(rows: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row["id"])


def decoded(pieces: Iterable[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder(EIGHT_MIB)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.end()


def body(row: dict[str, Any]) -> bytes:
    encoded: bytes = row["response"]["body"].encode()
    return encoded


def events_of(row: dict[str, Any]) -> list[ServerSentEvent]:
    return decoded([body(row)])


def chunks_of(row: dict[str, Any]) -> list[Any]:
    return [json.loads(event.data) for event in events_of(row) if event.data != DONE]


def collected(row: dict[str, Any]) -> Collector:
    collector = Collector()
    for chunk in chunks_of(row):
        collector.add(chunk)
    return collector


def deltas_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks_of(row) for choice in chunk.get("choices", ())]


# --- events ----------------------------------------------------------------------------------


@of(STREAMS)
def test_events_are_the_lines_of_data(row: dict[str, Any]) -> None:
    lines = re.findall(r"^data: (.*)$", row["response"]["body"], re.MULTILINE)
    assert [event.data for event in events_of(row)] == lines


@of(IN_CHUNKS)
def test_chunks_as_they_came_give_the_same_events(row: dict[str, Any]) -> None:
    edges = list(accumulate(row["chunk_lengths"], initial=0))
    assert edges[-1] == len(body(row))
    assert decoded(body(row)[start:stop] for start, stop in pairwise(edges)) == events_of(row)


@of(STREAMS)
def test_other_cuts_give_the_same_events(row: dict[str, Any]) -> None:
    stream, events = body(row), events_of(row)
    for size in (5, 17, 1024):
        pieces = (stream[start : start + size] for start in range(0, len(stream), size))
        assert decoded(pieces) == events, size


@of(WHOLE)
def test_everything_but_the_last_event_is_a_chunk(row: dict[str, Any]) -> None:
    *others, last = events_of(row)
    assert last == ("", DONE)
    for event in others:
        chunk = json.loads(event.data)
        assert error_of(event, chunk) is None
        wrapped = ChatCompletionChunk.wrap(chunk)
        assert wrapped == chunk
        assert [choice.delta.content for choice in wrapped.choices] == [
            choice["delta"].get("content") for choice in chunk["choices"]
        ]


@of(FAILED)
def test_the_last_event_of_a_failed_stream_is_its_error(row: dict[str, Any]) -> None:
    *others, last = events_of(row)
    error = error_of(last, json.loads(last.data))
    assert error is not None
    assert error["message"]
    assert error["status_code"] == 400
    assert [error_of(event, json.loads(event.data)) for event in others] == [None] * len(others)


@pytest.mark.skipif(not STREAMS, reason="the recordings are not here")
def test_there_are_streams_of_every_kind() -> None:
    assert len(WHOLE) > 100
    assert len(IN_CHUNKS) > 50
    assert len(FAILED) > 3


# --- the collected answer --------------------------------------------------------------------


@of(WHOLE)
def test_the_usage_is_the_one_shown_last(row: dict[str, Any]) -> None:
    shown = [
        usage
        for chunk in chunks_of(row)
        for usage in ((chunk.get("x_groq") or {}).get("usage"), chunk.get("usage"))
        if usage
    ]
    collector = collected(row)
    assert collector.usage == (shown[-1] if shown else None)
    assert collector.completion().get("usage") == collector.usage


@of(WHOLE)
def test_what_was_said_is_all_there(row: dict[str, Any]) -> None:
    collector, deltas = collected(row), deltas_of(row)
    content = "".join(delta.get("content") or "" for delta in deltas)
    reasoning = "".join(delta.get("reasoning") or "" for delta in deltas)
    message = ChatCompletion.wrap(collector.completion()).choices[0].message
    assert (message.role, message.content or "", message.reasoning or "") == (
        "assistant",
        content,
        reasoning,
    )
    assert collector.text == content
    assert collector.spoken.startswith(reasoning + content)
    assert message.keys() <= {"role", "content", "reasoning", "tool_calls"}


@of(WHOLE)
def test_tool_calls_are_whole(row: dict[str, Any]) -> None:
    pieces = defaultdict(list)
    for delta in deltas_of(row):
        for piece in delta.get("tool_calls") or ():
            pieces[piece["index"]].append(piece)
    message = ChatCompletion.wrap(collected(row).completion()).choices[0].message
    assert [call.to_dict() for call in message.tool_calls or ()] == [
        {
            "id": parts[0]["id"],
            "type": "function",
            "function": {
                "name": parts[0]["function"]["name"],
                "arguments": "".join(part["function"].get("arguments", "") for part in parts),
            },
        }
        for _, parts in sorted(pieces.items())
    ]
    for call in message.tool_calls or ():
        json.loads(call.function.arguments)


@of(WHOLE)
def test_the_answer_is_finished_and_says_whose_it_is(row: dict[str, Any]) -> None:
    collector, first = collected(row), chunks_of(row)[0]
    answer = ChatCompletion.wrap(collector.completion())
    assert collector.finished
    assert answer.choices[0].finish_reason in {"stop", "length", "tool_calls"}
    assert (answer.id, answer.model, answer.object) == (
        first["id"],
        first["model"],
        "chat.completion",
    )
