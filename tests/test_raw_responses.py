"""Answers with their HTTP around them: ``with_raw_response`` and ``with_streaming_response``."""

from __future__ import annotations

import datetime
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, in_thread, resets, says, sends, until
from helpers_stories import chunk, ending, frame, frames, streams, usage
from helpers_streams import Books
from helpers_surface import (
    BINARY_WAYS,
    BY_NAME,
    CHAT,
    JSON_WAYS,
    RESPONSE,
    WAYS,
    MakeClient,
    Takes,
    Way,
    chat_stream,
    chunked,
    only,
    quick,
    said_key,
)

from customgroqchat import (
    APIConnectionError,
    APIResponse,
    BinaryAPIResponse,
    ChatCompletion,
    ClientClosedException,
    ClientError,
    GroqClient,
    GroqError,
    Stream,
    StreamedAPIResponse,
    StreamedBinaryAPIResponse,
)
from customgroqchat.types.responses import Response

RAW, LAZY = "with_raw_response", "with_streaming_response"
of_all = pytest.mark.parametrize("way", WAYS, ids=str)
LIMITS = {"m": {"req_per_minute": 100, "token_per_minute": 60_000}}
PIECES = [*frames("One ", "two"), *ending()]
SPEECH = BY_NAME["audio.speech.create"]
CONTENT = BY_NAME["files.content"]
CHATS = BY_NAME["chat.completions.create"]


def classes(way: Way) -> tuple[type[APIResponse[Any]], type[APIResponse[Any]]]:
    if way.is_binary:
        return BinaryAPIResponse, StreamedBinaryAPIResponse
    return APIResponse, StreamedAPIResponse


def same(way: Way, parsed: Any) -> bool:
    return bool(parsed == way.answer)


# --- raw ---------------------------------------------------------------------------------------


@of_all
def test_a_raw_answer_has_its_http_around_it(make_client: MakeClient, way: Way) -> None:
    with RawServer(resets, way.reply(x_request_id="req_1")) as server:
        client = quick(make_client, server.url)
        if way.name == "batches.create":
            with pytest.raises(APIConnectionError):
                way.call(client, RAW)
        raw = way.call(client, RAW, extra_query={"q": 1})
        attempts = 1 if way.name == "batches.create" else 2
    assert type(raw) is classes(way)[0]
    assert (raw.status_code, raw.http_version, raw.method) == (200, "HTTP/1.1", way.method)
    assert raw.url == f"{server.url}/openai/v1{way.target}?q=1"
    assert raw.headers["X-REQUEST-ID"] == raw.request_id == "req_1"
    assert raw.elapsed >= datetime.timedelta(0)
    assert (raw.attempts, raw.retries_taken) == (attempts, attempts - 1)
    assert len(raw.history) == attempts
    assert raw.waited_s >= 0.0
    assert raw.is_closed
    assert same(way, raw.parse())
    assert raw.parse() is raw.parse()
    assert f"[200] {way.method}" in repr(raw)


@of_all
def test_a_raw_answer_tells_what_was_sent_but_not_the_key(
    make_client: MakeClient, way: Way
) -> None:
    with RawServer(way.reply()) as server:
        raw = way.call(quick(make_client, server.url), RAW, extra_headers={"X-A": "1"})
    request = raw.http_request
    assert (request.method, request.url) == (way.method, raw.url)
    assert request.headers["x-a"] == "1"
    assert request.headers["Authorization"] == "Bearer ***"
    assert not said_key(request)
    assert not said_key(raw.http_response)
    assert KEY not in str(vars(raw))


@of_all
def test_a_raw_answer_has_its_body_in_every_form(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        raw = way.call(quick(make_client, server.url), RAW)
        sent = raw.read()
        assert raw.read() == sent == raw.http_response.content
        assert b"".join(raw.iter_bytes()) == sent
        assert [len(piece) for piece in raw.iter_bytes(2)][:-1] == [2] * ((len(sent) - 1) // 2)
        assert "".join(raw.iter_text()) == raw.text() == raw.http_response.text
        if way.is_binary:
            assert raw.content == sent == way.answer
        else:
            assert raw.json() == way.answer
        raw.close()
        assert raw.read() == sent


def test_what_a_raw_answer_parses_to_knows_how_it_came_about(make_client: MakeClient) -> None:
    for name in ("chat.completions.create", "models.retrieve"):
        with RawServer(BY_NAME[name].reply(x_request_id="req_1")) as server:
            raw = BY_NAME[name].call(quick(make_client, server.url), RAW)
        parsed = raw.parse()
        assert parsed.request_id == "req_1"
        assert parsed.headers["x-request-id"] == "req_1"
        assert parsed.attempts == 1


@pytest.mark.parametrize(
    ("to", "made"),
    [
        (dict, CHAT),
        (dict[str, Any], CHAT),
        (object, CHAT),
        (Any, CHAT),
        (type(None), None),
        (ChatCompletion, ChatCompletion.wrap(CHAT)),
    ],
)
def test_an_answer_may_be_parsed_to_something_else(
    make_client: MakeClient, to: Any, made: Any
) -> None:
    with RawServer(CHATS.reply()) as server:
        raw = CHATS.call(quick(make_client, server.url), RAW)
    assert raw.parse(to=to) == made
    assert raw.parse() == CHAT
    assert type(raw.parse()) is ChatCompletion
    assert raw.parse(to=Takes).data == CHAT
    assert raw.parse(to=bytes).startswith(b'{"id"')
    assert raw.parse(to=str) == raw.text()


@pytest.mark.parametrize(
    ("body", "to", "made"),
    [
        (b"42", int, 42),
        (b"0.5", float, 0.5),
        (b" True\n", bool, True),
        (b"0", bool, False),
        (b"[1]", list, [1]),
        (b"[1]", list[int], [1]),
    ],
)
def test_plain_values_can_be_had_of_any_path(
    make_client: MakeClient, body: bytes, to: Any, made: Any
) -> None:
    with RawServer(says(body)) as server:
        assert quick(make_client, server.url).get("/x", cast_to=to) == made


def test_nobody_makes_what_nobody_can_make(make_client: MakeClient) -> None:
    with RawServer(CHATS.reply()) as server:
        raw = CHATS.call(quick(make_client, server.url), RAW)
        with pytest.raises(TypeError):
            raw.parse(to=threading.Thread)
        assert raw.parse() == CHAT


def test_our_own_response_class_is_not_taken_for_httpx(make_client: MakeClient) -> None:
    with RawServer(BY_NAME["responses.create"].reply()) as server:
        client = quick(make_client, server.url)
        raw = BY_NAME["responses.create"].call(client, RAW)
        assert raw.parse(to=Response).output_text == "Hello!"
        body = {"model": "m", "input": "Hi"}
        made = client.post("/openai/v1/responses", body=body, cast_to=Response)
    assert type(made) is Response
    assert made == RESPONSE


class HttpxLike:
    """What httpx calls a Response."""

    def __init__(self, status: int, *, headers: dict[str, str], content: bytes) -> None:
        self.status, self.headers, self.content = status, headers, content


HttpxLike.__name__ = "Response"


def test_a_response_of_httpx_can_be_had(make_client: MakeClient) -> None:
    with RawServer(CHATS.reply(x_a="1", transfer_encoding="identity")) as server:
        client = quick(make_client, server.url)
        made = client.post(
            "/openai/v1/chat/completions", body=CHATS.arguments, cast_to=HttpxLike
        )
    assert (made.status, made.headers["x-a"]) == (200, "1")
    assert b"Hello!" in made.content
    assert not {"content-length", "transfer-encoding", "content-encoding"} & set(made.headers)


@pytest.mark.parametrize("resource", ["chat", "audio"])
@pytest.mark.parametrize("form", [RAW, LAZY])
def test_forms_can_be_asked_for_at_any_height(
    make_client: MakeClient, resource: str, form: str
) -> None:
    names = [way.name for way in WAYS if way.name.startswith(resource)]
    for name in names:
        way = BY_NAME[name]
        _, middle, last = name.split(".")
        with RawServer(way.reply()) as server:
            client = quick(make_client, server.url)
            for answer in (
                getattr(getattr(getattr(client, resource), form), middle),
                getattr(getattr(getattr(client, form), resource), middle),
            ):
                found = getattr(answer, last)(**way.arguments)
                if form == LAZY:
                    found = found.__enter__()
                assert same(way, found.parse())


@of_all
def test_forms_can_be_asked_for_of_the_client(make_client: MakeClient, way: Way) -> None:
    if way.name.count(".") > 1:
        return  # those are above
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url)
        assert same(way, way.call(client.with_raw_response).parse())
        with way.call(client.with_streaming_response) as response:
            assert same(way, response.parse())


# --- read when it is asked for -----------------------------------------------------------------


@of_all
def test_nothing_is_sent_before_the_with_block(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply(x_request_id="req_1")) as server:
        context = way.call(quick(make_client, server.url), LAZY)
        assert server.heard == []
        with context as response:
            assert type(response) is classes(way)[1]
            assert (response.status_code, response.request_id) == (200, "req_1")
            assert response.retries_taken == 0
            assert response.elapsed >= datetime.timedelta(0)
            assert not said_key(response.http_request)
            assert not response.is_closed
            assert same(way, response.parse())
            assert response.is_closed
        assert only(server).method == way.method


READS = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text().encode("utf-8", "surrogateescape"),
    "iter_bytes": lambda response: b"".join(response.iter_bytes()),
    "iter_bytes 3": lambda response: b"".join(response.iter_bytes(3)),
    "iter_text": lambda response: "".join(response.iter_text(2)).encode(),
    "iter_lines": lambda response: "\n".join(response.iter_lines()).encode(),
}


@pytest.mark.parametrize("way", JSON_WAYS[:1] + JSON_WAYS[-1:], ids=str)
@pytest.mark.parametrize("how", READS)
def test_a_body_can_be_read_in_any_form(make_client: MakeClient, way: Way, how: str) -> None:
    with (
        RawServer(way.reply()) as server,
        way.call(quick(make_client, server.url), LAZY) as response,
    ):
        whole = READS["read"](way.call(quick(make_client, server.url), RAW))
        assert READS[how](response) == whole
        assert response.is_closed


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_was_handed_on_piece_by_piece_is_not_kept(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url)
        with way.call(client, LAZY) as response:
            list(response.iter_bytes())
            for again in (response.read, response.parse, lambda: list(response.iter_bytes())):
                with pytest.raises(ClientError) as caught:
                    again()
                assert caught.value.hint


@of_all
def test_what_was_read_as_a_whole_stays(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        with way.call(quick(make_client, server.url), LAZY) as response:
            sent = response.read()
        assert response.read() == sent
        assert b"".join(response.iter_bytes()) == sent
        assert same(way, response.parse())


@of_all
def test_a_block_that_is_left_closes_the_answer(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url)
        with way.call(client, LAZY) as response:
            pass
        assert response.is_closed
        with pytest.raises(ClientError):
            response.read()
        with pytest.raises(KeyError), way.call(client, LAZY) as response:
            raise KeyError("mine")
        assert response.is_closed


def test_a_block_whose_request_fails_is_not_entered(make_client: MakeClient) -> None:
    with RawServer(says({}, 404)) as server:
        context = CHATS.call(quick(make_client, server.url), LAZY)
        with pytest.raises(GroqError):
            context.__enter__()
        context.__exit__(None, None, None)  # there is nothing to close


def test_text_may_be_cut_anywhere(make_client: MakeClient) -> None:
    text = "Grüße, 世界! 🙂\r\nZeile zwei\nDrei\r\n\nEnde"
    data = text.encode()
    pieces = [data[at : at + 1] for at in range(len(data))]
    behave = chunked(*pieces, content_type="text/plain")
    lines = ["Grüße, 世界! 🙂", "Zeile zwei", "Drei", "", "Ende"]
    with RawServer(behave) as server:
        client = quick(make_client, server.url)
        with CONTENT.call(client, LAZY) as response:
            assert "".join(response.iter_text()) == text
        with CONTENT.call(client, LAZY) as response:
            assert "".join(response.iter_text(4)) == text
        with CONTENT.call(client, LAZY) as response:
            assert list(response.iter_lines()) == lines


def test_text_that_breaks_off_within_a_letter_is_shown_as_far_as_can_be(
    make_client: MakeClient,
) -> None:
    with RawServer(says("aé".encode()[:-1], content_type="text/plain")) as server:
        raw = CONTENT.call(quick(make_client, server.url), RAW)
        assert "".join(raw.iter_text(1)) == raw.text() == "a\N{REPLACEMENT CHARACTER}"
        assert list(raw.iter_lines()) == ["a\N{REPLACEMENT CHARACTER}"]


def test_the_last_line_may_have_no_end(make_client: MakeClient) -> None:
    with RawServer(says(b"a\nb\r", content_type="text/plain")) as server:
        raw = CONTENT.call(quick(make_client, server.url), RAW)
        assert list(raw.iter_lines()) == ["a", "b"]


# --- bytes while they arrive --------------------------------------------------------------------


@pytest.mark.parametrize("way", BINARY_WAYS, ids=str)
@pytest.mark.parametrize("chunk_size", [None, 1_000])
def test_a_file_grows_while_its_bytes_arrive(
    make_client: MakeClient, way: Way, tmp_path: Path, chunk_size: int | None
) -> None:
    end, first = threading.Event(), b"first " * 10_000
    target = tmp_path / "said.wav"
    target.write_bytes(b"something that was there before")
    with (
        RawServer(chunked(first, end, b"last", content_type="audio/wav")) as server,
        way.call(quick(make_client, server.url), LAZY) as response,
    ):
        done = in_thread(response.stream_to_file, target, chunk_size=chunk_size)
        until(lambda: target.stat().st_size > 40_000)
        assert not done.done()
        end.set()
        done.result(10)
        assert target.read_bytes() == first + b"last"
        assert response.is_closed


@pytest.mark.parametrize("way", BINARY_WAYS, ids=str)
def test_the_first_bytes_can_be_had_while_the_rest_is_not_made_yet(
    make_client: MakeClient, way: Way
) -> None:
    end = threading.Event()
    behave = chunked(b"first ", end, b"last", content_type="audio/wav")
    with (
        RawServer(behave) as server,
        way.call(quick(make_client, server.url), LAZY) as response,
    ):
        pieces = response.iter_bytes()
        assert next(pieces) == b"first "
        assert not response.is_closed
        end.set()
        assert b"".join(pieces) == b"last"
        assert response.is_closed


@pytest.mark.parametrize("way", BINARY_WAYS, ids=str)
def test_bytes_can_be_written_to_a_file(make_client: MakeClient, way: Way, tmp_path: Path) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url)
        answer = way.call(client)
        assert isinstance(answer, BinaryAPIResponse)
        answer.write_to_file(tmp_path / "a")
        answer.stream_to_file(str(tmp_path / "b"))
        answer.stream_to_file(tmp_path / "c", chunk_size=1)
        with way.call(client, LAZY) as response:
            response.write_to_file(str(tmp_path / "d"))
        assert {path.read_bytes() for path in tmp_path.iterdir()} == {way.answer}
        assert len(list(tmp_path.iterdir())) == 4
        with pytest.raises(OSError, match="."):
            answer.write_to_file(tmp_path / "none" / "x")


@pytest.mark.parametrize("way", BINARY_WAYS, ids=str)
def test_what_is_larger_than_an_answer_may_be_can_be_streamed(
    make_client: MakeClient, way: Way
) -> None:
    large = b"x" * 5_000
    with RawServer(says(large, content_type="audio/wav")) as server:
        client = quick(make_client, server.url, max_response_bytes=1_024, max_retries=0)
        with pytest.raises(GroqError, match="larger than 1024 bytes"):
            way.call(client)
        with way.call(client, LAZY) as response:
            assert sum(map(len, response.iter_bytes(100))) == 5_000


@pytest.mark.parametrize("way", BINARY_WAYS, ids=str)
def test_bytes_that_break_off_are_no_whole(
    make_client: MakeClient, way: Way, tmp_path: Path
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: 100\r\n\r\nabc"
    with RawServer(sends(head)) as server:
        client = quick(make_client, server.url, max_retries=0)
        with way.call(client, LAZY) as response:
            pieces = response.iter_bytes()
            assert next(pieces) == b"abc"
            with pytest.raises(APIConnectionError):
                next(pieces)
            assert response.is_closed
        with pytest.raises(APIConnectionError), way.call(client, LAZY) as response:
            response.stream_to_file(tmp_path / "x")
        with pytest.raises(APIConnectionError):
            way.call(client)
        until(lambda: not client.get_queue_status()["in_flight"])


# --- streams of events, raw ---------------------------------------------------------------------


def test_a_raw_stream_parses_to_a_stream(make_client: MakeClient) -> None:
    with RawServer(chat_stream()) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)
        assert not raw.is_closed
        stream = raw.parse()
        assert isinstance(stream, Stream)
        assert raw.parse() is stream
        assert [part.choices[0].delta.content for part in stream][:2] == ["One ", "two"]
        assert raw.is_closed
        assert books.ways == ["settle"]
        assert not books.open


def test_a_stream_of_the_other_api_can_be_had_raw(make_client: MakeClient) -> None:
    said = {"type": "response.output_text.delta", "delta": "Hello!"}
    ended = {"type": "response.completed", "response": RESPONSE}
    way = BY_NAME["responses.create"]
    with RawServer(streams(frame(said), frame(ended))) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        with way.call(client, LAZY, stream=True) as response:
            events = list(response.parse())
        assert [event.type for event in events] == [said["type"], ended["type"]]
        with way.call(client, LAZY, stream=True) as response:
            assert response.read() == frame(said) + frame(ended)
        assert books.ways == ["settle", "settle"]


@pytest.mark.parametrize("form", [RAW, LAZY])
@pytest.mark.parametrize("how", ["iter_bytes", "iter_lines", "read", "text"])
def test_the_events_can_be_had_as_they_came(make_client: MakeClient, form: str, how: str) -> None:
    sent = b"".join(PIECES)
    with RawServer(streams(PIECES)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        answer = CHATS.call(client, form, stream=True)
        response = answer.__enter__() if form == LAZY else answer
        got = {
            "iter_bytes": lambda: b"".join(response.iter_bytes()),
            "iter_lines": lambda: "\n".join([*response.iter_lines(), ""]).encode(),
            "read": lambda: response.read(),
            "text": lambda: response.text().encode(),
        }[how]()
        assert got == sent
        assert response.is_closed
        assert books.ways == ["settle"]
        assert not books.open
        left = client.check_model_limits("m")["limits"]["TPM"]["remaining"]
        assert left == 60_000 - usage()["total_tokens"]


def test_who_has_read_some_of_it_cannot_parse_it(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES)) as server:
        with CHATS.call(quick(make_client, server.url), LAZY, stream=True) as response:
            next(response.iter_bytes())
            with pytest.raises(ClientError):
                response.parse()
        with CHATS.call(quick(make_client, server.url), LAZY, stream=True) as response:
            response.read()
            with pytest.raises(ClientError):
                response.parse()


def leave_unread(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True):
        pass


def leave_half_read(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True) as response:
        next(response.iter_bytes())


def leave_a_parsed_one(client: GroqClient) -> None:
    with CHATS.call(client, LAZY, stream=True) as response:
        next(response.parse())


def close_a_raw_one(client: GroqClient) -> None:
    CHATS.call(client, RAW, stream=True).close()


def drop_a_raw_one(client: GroqClient) -> None:
    CHATS.call(client, RAW, stream=True)
    gc.collect()


def drop_a_half_read_one(client: GroqClient) -> None:
    next(CHATS.call(client, RAW, stream=True).iter_bytes())
    gc.collect()


def drop_a_parsed_one(client: GroqClient) -> None:
    next(CHATS.call(client, RAW, stream=True).parse())
    gc.collect()


def drop_speech(client: GroqClient) -> None:
    context = SPEECH.call(client, LAZY, model="m")
    next(context.__enter__().iter_bytes())
    del context
    gc.collect()


LEAVING = [
    leave_unread,
    leave_half_read,
    leave_a_parsed_one,
    close_a_raw_one,
    drop_a_raw_one,
    drop_a_half_read_one,
    drop_a_parsed_one,
    drop_speech,
]


@pytest.mark.parametrize("leave", LEAVING)
def test_whoever_leaves_early_settles_and_frees_the_connection(
    make_client: MakeClient, leave: Any
) -> None:
    end = threading.Event()
    behave = streams(PIECES[0], end, PIECES[1:])
    with RawServer(behave) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        leave(client)
        until(lambda: books.ways == ["settle"])
        assert not books.open
        until(lambda: not client.get_queue_status()["in_flight"])
        end.set()
        server.wait_for_ends(1)


def test_a_raw_stream_that_breaks_off_says_so(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES[:2], whole=False)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        said: list[bytes] = []
        with (
            CHATS.call(client, LAZY, stream=True) as response,
            pytest.raises(APIConnectionError) as caught,
        ):
            said.extend(response.iter_bytes())
        assert getattr(caught.value, "text", "") == "One two"
        assert books.ways == ["keep"]
        assert response.is_closed


def test_a_stream_without_its_end_is_none(make_client: MakeClient) -> None:
    with RawServer(streams(PIECES[:2])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        with (
            CHATS.call(client, LAZY, stream=True) as response,
            pytest.raises(APIConnectionError),
        ):
            response.read()
        assert books.ways == ["keep"]


def test_a_client_that_is_closed_closes_its_open_answers(make_client: MakeClient) -> None:
    end = threading.Event()
    with RawServer(streams(PIECES[0], end, PIECES[1:])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)
        pieces: Iterator[bytes] = raw.iter_bytes()
        next(pieces)
        client.close(0.0)
        assert raw.is_closed
        with pytest.raises((ClientClosedException, StopIteration)):
            next(pieces)
        assert not books.open
        end.set()


def test_another_thread_may_close_what_is_being_read(make_client: MakeClient) -> None:
    end = threading.Event()
    with RawServer(streams(PIECES[0], end, PIECES[1:])) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        raw = CHATS.call(client, RAW, stream=True)
        reading = in_thread(lambda: list(raw.iter_bytes()))
        until(lambda: raw._body._state.has_begun and raw._body._state._busy.locked())
        raw.close()
        reading.exception(10)
        until(lambda: not books.open)
        assert len(books.ways) == 1
        end.set()


def test_usage_that_came_before_the_end_is_what_it_took(make_client: MakeClient) -> None:
    told = frame(chunk("two", usage=usage(70, 9)))
    end = threading.Event()
    with RawServer(streams(PIECES[0], told, end)) as server:
        client = quick(make_client, server.url, LIMITS)
        with CHATS.call(client, LAZY, stream=True, max_completion_tokens=10_000) as response:
            pieces = response.iter_bytes()
            while b"usage" not in next(pieces):
                pass
        assert client.check_model_limits("m")["limits"]["TPM"]["remaining"] == 60_000 - 79
        end.set()
