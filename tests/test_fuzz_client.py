"""Whatever a server answers: every call ends with an answer or an error of the package, in time.

And the client works as before, with nothing left set aside.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from helpers_servers import KEY, RawServer, response, says, sends, user
from helpers_stories import completion, ending, frame, frames, in_chunk, stream_head, until, whole
from helpers_streams import Books, call_frames, shown_usage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from customgroqchat import APIStatusError, GroqClient, GroqError
from customgroqchat._faults import error_from_frame, error_from_response
from customgroqchat._records import Headers, ResponseInfo

DEADLINE_S = 2.0
MARGIN_S = 1.0
LIMITS = {"m": {"req_per_minute": 1_000, "token_per_minute": 1_000_000}}

CALLS: dict[str, Callable[[GroqClient], object]] = {
    "chat": lambda client: client.chat_completion("m", user(), deadline=DEADLINE_S),
    "text": lambda client: client.text_completion("m", "Hello", deadline=DEADLINE_S),
    "chat stream": lambda client: list(
        client.chat_completion("m", user(), stream=True, deadline=DEADLINE_S)
    ),
    "text stream": lambda client: list(
        client.text_completion("m", "Hello", stream=True, deadline=DEADLINE_S)
    ),
    "final chat": lambda client: client.chat_completion(
        "m", user(), stream=True, deadline=DEADLINE_S
    ).get_final_completion(),
    "final text": lambda client: client.text_completion(
        "m", "Hello", stream=True, deadline=DEADLINE_S
    ).get_final_completion(),
}


def ends_well(data: bytes, call: Callable[[GroqClient], object]) -> None:
    """See a call end whose answer is these bytes, and the next one as if nothing had been."""
    with RawServer(sends(data), says(completion())) as server:
        client = GroqClient(
            LIMITS,
            api_key=KEY,
            base_url=server.url,
            max_retries=0,
            share_limits=False,
            max_response_bytes=100_000,
            max_event_bytes=10_000,
        )
        try:
            books, began_s = Books(client), time.monotonic()
            error = error_of(client, call)
            assert error is None or json.dumps(error.to_dict())
            assert time.monotonic() - began_s < DEADLINE_S + MARGIN_S
            until(lambda: not books.open)
            assert all(len(ways) == 1 for ways in books.ends.values())
            # A limit that was told may hold up the same model, and no other.
            assert client.chat_completion("other", user(), deadline=DEADLINE_S).choices
        finally:
            client.close(0.0)


def error_of(client: GroqClient, call: Callable[[GroqClient], object]) -> GroqError | None:
    try:
        call(client)
    except GroqError as error:
        return error
    return None


def fuzzed(examples: int) -> Any:
    return settings(repeatable, max_examples=examples, suppress_health_check=list(HealthCheck))


calls = st.sampled_from(sorted(CALLS)).map(CALLS.__getitem__)

# --- bytes -----------------------------------------------------------------------------------

STREAMED = [*frames("One ", "two"), *call_frames(), shown_usage(3), *ending()]
VALID = [
    whole(),
    stream_head(chunked=False) + b"".join(STREAMED),
    stream_head() + b"".join(map(in_chunk, [*STREAMED, b""])),
    response(b'{"error": {"message": "no", "type": "t"}}', 429, retry_after="1"),
    response(b'{"error": {"message": "no", "type": "t"}}', 400),
]
PIECES = [
    b"\r\n",
    b"\n\n",
    b"data: ",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b'"error": ',
    b"null",
    b"-1",
    b"{}",
    b"[]",
    b"0\r\n\r\n",
    b"content-encoding: gzip\r\n",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 5\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"\xff\xfe",
    b"1e999",
    b'"\\ud800"',
]
Change = tuple[float, int, bytes]
changes: st.SearchStrategy[list[Change]] = st.lists(
    st.tuples(
        st.floats(0.0, 1.0),
        st.sampled_from([0, 0, 1, 5, 50, 10_000]),
        st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, how: list[Change]) -> bytes:
    """Replace some bytes at each place, given as a fraction of the whole, by others."""
    for place, length, piece in how:
        start = math.floor(place * len(data))
        data = data[:start] + piece + data[start + length :]
    return data


@fuzzed(25)
@given(data=st.binary(max_size=200), call=calls)
@example(data=b"", call=CALLS["chat"])
@example(data=b"HTTP/1.1 200 OK\r\n\r\n", call=CALLS["chat stream"])
@example(data=b"HTTP/1.1 204 Nothing\r\n\r\n", call=CALLS["chat"])
def test_any_bytes(data: bytes, call: Callable[[GroqClient], object]) -> None:
    ends_well(data, call)


@fuzzed(50)
@given(valid=st.sampled_from(VALID), how=changes, call=calls)
def test_an_answer_that_was_damaged(
    valid: bytes, how: list[Change], call: Callable[[GroqClient], object]
) -> None:
    ends_well(changed(valid, how), call)


# --- JSON of any shape -----------------------------------------------------------------------

NAMES = ["choices", "delta", "message", "content", "usage", "error", "index", "tool_calls", "id"]
parts = st.recursive(
    json_values | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=6,
)


@st.composite
def with_a_part_replaced(draw: st.DrawFn, whole_value: Any) -> Any:
    """A value in which one part is something else."""
    value = json.loads(json.dumps(whole_value))
    at = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        at[key] = draw(parts)
        return value


def chunk_like() -> dict[str, Any]:
    parsed = [json.loads(data.partition(b": ")[2]) for data in call_frames()]
    return {**parsed[3], "usage": {"prompt_tokens": 5}, "x_groq": {"usage": {}}}


@fuzzed(50)
@given(
    value=st.one_of(parts, with_a_part_replaced(completion())),
    status=st.sampled_from([200, 200, 200, 400, 429, 500, 302]),
    call=calls,
)
def test_a_body_of_any_json(value: Any, status: int, call: Callable[[GroqClient], object]) -> None:
    ends_well(response(json.dumps(value).encode(), status), call)


@fuzzed(30)
@given(
    values=st.lists(st.one_of(parts, with_a_part_replaced(chunk_like())), min_size=1, max_size=4),
    name=st.sampled_from(["", "", "error", "message"]),
    call=calls.filter(lambda call: call not in (CALLS["chat"], CALLS["text"])),
)
@example(values=[{"choices": [1]}], name="", call=CALLS["text stream"])
@example(values=[{"choices": 5}], name="", call=CALLS["text stream"])
@example(values=[{"choices": [{"delta": [1]}]}], name="", call=CALLS["text stream"])
def test_events_of_any_json(
    values: list[Any], name: str, call: Callable[[GroqClient], object]
) -> None:
    events = b"".join([*(frame(value, name) for value in values), *ending()])
    ends_well(stream_head() + in_chunk(events) + in_chunk(b""), call)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("depth", [100, 300, 700, 5_000])
def test_json_however_deep(call: Callable[[GroqClient], object], depth: int) -> None:
    nested = b'{"choices": [], "deep": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    if call in (CALLS["chat"], CALLS["text"]):
        ends_well(response(nested), call)
    else:
        event = b"data: " + nested + b"\n\n"
        ends_well(stream_head() + in_chunk(event + b"".join(ending())) + in_chunk(b""), call)


# --- errors ----------------------------------------------------------------------------------

words = st.text(max_size=40) | st.sampled_from(
    [
        "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5900, "
        "Requested 200. Please try again in 1.5s.",
        "Request too large: Limit 6000, Requested 9000",
        "Please try again in 99999999999999999999h7m6.5s.",
        "Limit 9" + "9" * 400 + ", Used x, Requested -1",
    ]
)
header_names = st.sampled_from(
    ["retry-after", "x-request-id", "location", "date", "x-ratelimit-reset-tokens"]
)


@fuzzed(100)
@given(
    text=st.one_of(
        words,
        parts.map(json.dumps),
        words.map(lambda message: json.dumps({"error": {"message": message}})),
    ),
    status=st.integers(300, 599),
    headers=st.dictionaries(header_names, words | st.floats().map(str)),
)
def test_the_text_of_an_error_may_be_anything(
    text: str, status: int, headers: dict[str, str]
) -> None:
    error = error_from_response(ResponseInfo(status, Headers(headers), text), None, 1e9)
    assert isinstance(error, APIStatusError)
    assert error.status_code == status
    assert str(status) in error.message
    json.dumps(error.to_dict())
    assert error.retry_after is None or 0.0 <= error.retry_after < math.inf


@fuzzed(50)
@given(
    error=st.dictionaries(
        st.sampled_from(["message", "code", "type", "param", "status_code"]) | words,
        parts | words | st.integers(0, 1_000),
    )
)
def test_so_may_an_error_in_a_stream(error: dict[str, Any]) -> None:
    told = error_from_frame(error, ResponseInfo(200, Headers({"x-request-id": "req_1"})), None)
    assert isinstance(told, APIStatusError)
    assert 300 <= told.status_code <= 599
    assert told.request_id == "req_1"
    json.dumps(told.to_dict())
