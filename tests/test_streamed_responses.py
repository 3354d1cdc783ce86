"""Answers that are read when it is asked for: ``with_streaming_response``, and raw streams."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest
from helpers_servers import RawServer, in_thread, says, sends, until
from helpers_surface import (
    BINARY_WAYS,
    BY_NAME,
    JSON_WAYS,
    LAZY,
    RAW,
    WAYS,
    MakeClient,
    Way,
    chunked,
    classes,
    only,
    quick,
    said_key,
    same,
)

from customgroqchat import (
    APIConnectionError,
    BinaryAPIResponse,
    ClientError,
    GroqError,
)

of_all = pytest.mark.parametrize("way", WAYS, ids=str)
CONTENT = BY_NAME["files.content"]
CHATS = BY_NAME["chat.completions.create"]


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
        with pytest.raises(FileNotFoundError):
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
        with (
            way.call(client, LAZY) as response,
            pytest.raises(GroqError, match="larger than 1024 bytes"),
        ):
            response.read()  # of which all would be kept
        assert response.is_closed


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
