"""Stream: what is read of it, what it tells of itself, and that it ends exactly once."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from helpers_stories import DONE, chunk, contents, ending, frame, frames, usage
from helpers_streams import End, ScriptedFeed, call_frames, scripted, shown_usage

from customgroqchat import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    BadRequestError,
    ChatCompletion,
    ChatCompletionChunk,
    ClientClosedException,
    RequestCancelledException,
    Stream,
    TextCompletion,
)

BROKEN = APIConnectionError("broken")


# --- reading ---------------------------------------------------------------------------------


def test_events_are_objects_and_come_in_order() -> None:
    feed, stream = scripted(*frames("One ", "two"), b"".join(ending()))
    chunks = list(stream)
    assert contents(chunks) == ["One ", "two"]
    assert all(isinstance(part, ChatCompletionChunk) for part in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert stream.text == "One two"
    assert feed.ends == [End("end", "One two")]


def test_an_event_is_handed_over_before_the_next_one_is_read() -> None:
    feed, stream = scripted(*frames("One ", "two"))
    next(stream)
    assert (feed.reads, stream.text) == (1, "One ")
    stream.close()


def test_events_of_one_piece_need_one_read() -> None:
    feed, stream = scripted(b"".join([*frames("One ", "two"), *ending()]))
    assert contents(stream) == ["One ", "two"]
    assert feed.reads == 1


def test_bytes_may_be_cut_anywhere() -> None:
    data = b"".join([*frames("naïve ", "日本"), *ending()])
    _, stream = scripted(*(bytes([byte]) for byte in data))
    assert contents(stream) == ["naïve ", "日本"]


def test_nothing_is_read_after_the_end() -> None:
    feed, stream = scripted(b"".join([*frames("One"), *ending(), *frames("more")]), BROKEN)
    assert contents(stream) == ["One"]
    assert list(stream) == []
    with pytest.raises(StopIteration):
        next(stream)
    assert (feed.reads, len(feed.ends)) == (1, 1)


@pytest.mark.parametrize(
    "done", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n", b"data: [DONE] \n\n"]
)
def test_the_last_word_may_be_written_in_several_ways(done: bytes) -> None:
    feed, stream = scripted(*frames("One"), done)
    assert contents(stream) == ["One"]
    assert feed.ends == [End("end", "One")]


def test_a_finish_reason_is_enough_where_the_last_word_is_missing() -> None:
    feed, stream = scripted(*frames("One"), ending()[0])
    assert contents(stream) == ["One"]
    assert [end.way for end in feed.ends] == ["end"]


def test_comments_and_unknown_fields_are_nothing() -> None:
    _, stream = scripted(b": hello\n\nretry: 5\nid: 7\n\n", *frames("One"), *ending())
    assert contents(stream) == ["One"]


def test_it_can_be_used_in_a_for_loop_and_as_an_iterator() -> None:
    _, stream = scripted(*frames("One ", "two"), *ending())
    assert iter(stream) is stream
    assert contents([next(stream)]) == ["One "]
    assert contents(stream) == ["two"]


# --- what it tells of itself -----------------------------------------------------------------


def test_how_the_answer_came_about() -> None:
    feed, stream = scripted(*ending())
    assert stream.request_id == "req_1"
    assert stream.headers["X-Request-Id"] == "req_1"
    assert (stream.response.status_code, stream.response.text) == (200, "")
    assert (stream.waited_s, stream.attempts, stream.retries_taken) == (0.5, 1, 0)
    assert stream.history == feed.facts.history
    assert repr(stream) == "Stream(open, request_id='req_1')"
    list(stream)
    assert repr(stream) == "Stream(closed, request_id='req_1')"


def test_the_usage_is_the_last_that_was_told() -> None:
    _, stream = scripted(
        *frames("One"),
        frame(chunk("two", x_groq={"usage": usage(70, 2)})),
        frame(chunk(finish="stop", usage=usage(70, 3))),
        shown_usage(4),
        DONE,
    )
    seen = [(stream.usage and stream.usage.completion_tokens) for _ in stream]
    assert seen == [None, 2, 3, 4]
    assert stream.usage is not None
    assert stream.usage.total_tokens == 74


def test_closed_tells_whether_more_may_come() -> None:
    _, stream = scripted(*frames("One"), *ending())
    assert not stream.closed
    list(stream)
    assert stream.closed


# --- the whole answer ------------------------------------------------------------------------


def test_the_final_completion_is_the_answer_that_was_not_streamed() -> None:
    feed, stream = scripted(*frames("One ", "two"), *ending())
    next(stream)  # what was read before is in it as well
    answer = stream.get_final_completion()
    assert isinstance(answer, ChatCompletion)
    assert answer.choices[0].message.content == "One two"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage == usage()
    assert (answer.request_id, answer.attempts, answer.waited_s) == ("req_1", 1, 0.5)
    assert "request_id" not in answer
    assert stream.get_final_completion() == answer
    assert len(feed.ends) == 1


def test_the_final_completion_says_what_cap_was_chosen_for_it() -> None:
    feed, stream = scripted(*frames("One"), *ending())
    feed.note = {"max_completion_tokens": 400, "reason": "fitted"}
    assert stream.get_final_completion()["x_customgroqchat"] == feed.note


def test_the_final_completion_has_the_tool_calls_put_together() -> None:
    end = frame(chunk(finish="tool_calls", usage=usage()))
    _, stream = scripted(*call_frames(), end, DONE)
    (choice,) = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.reasoning == "They want the weather."
    assert choice.message.content is None
    first, second = choice.message.tool_calls
    assert (first.id, first.function.name) == ("call_a", "weather")
    assert json.loads(first.function.arguments) == {"city": "Rome"}
    assert (second.id, second.function.arguments) == ("call_b", "{}")
    assert "index" not in first


def test_the_final_completion_of_a_broken_stream_is_its_error() -> None:
    _, stream = scripted(*frames("One"), BROKEN)
    with pytest.raises(APIConnectionError):
        stream.get_final_completion()


def test_a_text_completion_is_streamed_in_its_own_shape() -> None:
    feed = ScriptedFeed(*frames("One ", "two"), *ending())
    stream = Stream.of_text(feed)
    pieces = list(stream)
    assert all(isinstance(piece, TextCompletion) for piece in pieces)
    assert [piece.choices[0].text for piece in pieces] == ["One ", "two", ""]
    assert pieces[0].object == "text_completion"
    answer = stream.get_final_completion()
    assert isinstance(answer, TextCompletion)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("One two", "stop")
    assert answer.request_id == "req_1"


# --- breaking off ----------------------------------------------------------------------------


def assert_fails(feed: ScriptedFeed, stream: Stream[Any], kind: type[Exception]) -> Exception:
    """See a stream fail after one event, and be over."""
    assert contents([next(stream)]) == ["One"]
    with pytest.raises(kind) as caught:
        next(stream)
    assert feed.ends == [End("fail", "One")]
    assert feed.was_begun
    assert stream.closed
    assert list(stream) == []
    stream.close()
    assert len(feed.ends) == 1
    return caught.value


@pytest.mark.parametrize("fault", [BROKEN, APITimeoutError("late"), BadRequestError("no")])
def test_what_reading_raises_is_raised(fault: Exception) -> None:
    feed, stream = scripted(*frames("One"), fault)
    assert assert_fails(feed, stream, type(fault)) is fault


@pytest.mark.parametrize("rest", [[], [frame(chunk("two"))[:30]], [b"data: {"]])
def test_an_end_without_a_last_word_is_no_good_end(rest: list[bytes]) -> None:
    feed, stream = scripted(*frames("One"), *rest)
    assert_fails(feed, stream, APIConnectionError)
    assert feed.fault is None


@pytest.mark.parametrize(
    "error",
    [
        frame({"error": {"message": "wrong call"}}, "error"),
        frame({"error": {"message": "wrong call"}}),
        frame({"message": "wrong call"}, "error"),
        frame({**chunk(), "x_groq": {"error": "wrong call"}}),
        b"event: error\ndata: wrong call\n\n",
    ],
)
def test_an_error_in_the_stream_is_raised_behind_what_came_before(error: bytes) -> None:
    feed, stream = scripted(b"".join([*frames("One"), error, *frames("more")]))
    assert "wrong call" in str(assert_fails(feed, stream, BadRequestError))


@pytest.mark.parametrize("event", [b"data: what\n\n", b"data: 5\n\n", b"data: [1]\n\n"])
def test_what_is_no_event_of_the_api_is_raised(event: bytes) -> None:
    feed, stream = scripted(*frames("One"), event, *ending())
    assert "no event" in str(assert_fails(feed, stream, APIResponseValidationError))


@pytest.mark.parametrize(
    "beat", [b"data:\n\n", b"event: ping\ndata:\n\n", b"event: ping\ndata: x\n\n"]
)
def test_what_only_keeps_the_connection_alive_is_no_event(beat: bytes) -> None:
    _, stream = scripted(beat, *frames("One"), beat, *ending(), beat)
    assert stream.get_final_completion().choices[0].message.content == "One"


def test_a_stream_as_a_whole_has_its_bound_as_well() -> None:
    feed, stream = scripted(*frames("One"), *[b": nothing\n" * 1_000] * 12)
    assert "as a whole" in str(assert_fails(feed, stream, APIResponseValidationError))


def test_a_part_is_not_taken_for_the_whole() -> None:
    _, stream = scripted(*frames("One", "two"), *ending())
    next(stream)
    stream.close()
    with pytest.raises(RequestCancelledException, match="before its end"):
        stream.get_final_completion()
    assert stream.text == "One"


def test_a_stream_whose_client_is_closed_says_so() -> None:
    _, stream = scripted(*frames("One", "two"), *ending())
    next(stream)
    stream.shut()
    with pytest.raises(ClientClosedException):
        next(stream)


def test_what_has_no_event_at_all_is_no_stream() -> None:
    feed, stream = scripted(b"<html>\n", b"<p>Sign in</p>\n")
    with pytest.raises(APIResponseValidationError, match="no stream"):
        next(stream)
    assert (feed.ends, feed.was_begun) == ([End("fail", "")], False)


def test_json_too_deep_to_parse_is_no_event() -> None:
    feed, stream = scripted(*frames("One"), b"data: " + b"[" * 900 + b"\n\n", *ending())
    feed.max_event_bytes = 10_000
    assert_fails(feed, stream, APIResponseValidationError)


def test_an_event_that_is_too_large_comes_behind_those_before_it() -> None:
    feed, stream = scripted(frames("One")[0] + b"data: " + b"x" * 2_000)
    assert "too large" in str(assert_fails(feed, stream, APIResponseValidationError))


def test_so_does_what_breaks_off_behind_events_that_have_arrived() -> None:
    feed, stream = scripted(b"".join(frames("One", "two")), BROKEN)
    assert contents([next(stream), next(stream)]) == ["One", "two"]
    with pytest.raises(APIConnectionError):
        next(stream)
    assert feed.ends == [End("fail", "Onetwo")]


# --- going on with another try ---------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[BROKEN], [], [b": hello\n\n", BROKEN], [frames("x")[0][:20]]])
def test_what_breaks_off_before_anything_was_handed_over_goes_on_with_another(
    pieces: list[Any],
) -> None:
    second = ScriptedFeed(*frames("One ", "two"), *ending(), request_id="req_2")
    first, stream = scripted(*pieces, then=second)
    assert contents(stream) == ["One ", "two"]
    assert (first.ends, first.was_begun) == ([End("fail", "")], False)
    assert second.ends == [End("end", "One two")]
    assert stream.request_id == "req_2"
    assert stream.text == "One two"


def test_nothing_of_the_first_try_is_left_in_the_second() -> None:
    """What had arrived, and was not handed over, was said by nobody."""
    second = ScriptedFeed(*frames("new"), *ending())
    broken = frame({"error": {"message": "overloaded"}}, "error")
    _, stream = scripted(shown_usage(9)[:-1], broken, then=second)
    assert contents(stream) == ["new"]
    assert stream.get_final_completion().usage == usage()


def test_it_may_take_several_tries() -> None:
    last = ScriptedFeed(*frames("One"), *ending())
    feeds = [last]
    for _ in range(3):
        feeds.insert(0, ScriptedFeed(BROKEN, then=feeds[0]))
    assert contents(Stream.of_chat(feeds[0])) == ["One"]
    assert [[end.way for end in feed.ends] for feed in feeds] == [["fail"]] * 3 + [["end"]]


def test_a_second_try_that_breaks_off_later_is_the_end() -> None:
    second = ScriptedFeed(*frames("One"), BROKEN, then=ScriptedFeed(*ending()))
    _, stream = scripted(BROKEN, then=second)
    assert_fails(second, stream, APIConnectionError)


def test_a_second_try_that_is_dropped_is_let_go() -> None:
    second = ScriptedFeed(*frames("One"), *ending())
    first, stream = scripted(then=second)
    next(stream)
    del stream
    gc.collect()
    assert ([end.way for end in first.ends], second.ends) == (["fail"], [End("drop", "One")])
