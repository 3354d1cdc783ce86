"""``client.files``: uploads, lists, contents."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import RawServer, resets, says
from helpers_surface import FILE, MakeClient, fields_of, only, parts_of, quick

from customgroqchat import BinaryAPIResponse, GroqClient, InvalidRequestException, NotFoundError
from customgroqchat.testing import SimulatedGroq
from customgroqchat.types.file_object import FileDeleteResponse, FileListResponse, FileObject

LINE = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'


def test_the_life_of_a_file(client: GroqClient, simulator: SimulatedGroq) -> None:
    made = client.files.create(file=("batch.jsonl", LINE), purpose="batch")
    assert isinstance(made, FileObject)
    assert (made.filename, made.bytes, made.purpose) == ("batch.jsonl", len(LINE), "batch")
    assert made.request_id == simulator.requests[0].request_id
    info = client.files.info(made.id)
    assert (info.id, info.filename) == (made.id, "batch.jsonl")
    found = client.files.list()
    assert isinstance(found, FileListResponse)
    assert [file.id for file in found.data] == [made.id]
    content = client.files.content(made.id)
    assert isinstance(content, BinaryAPIResponse)
    assert content.read() == content.parse() == LINE
    assert content.text() == LINE.decode()
    gone = client.files.delete(made.id)
    assert isinstance(gone, FileDeleteResponse)
    assert (gone.id, gone.deleted) == (made.id, True)
    assert client.files.list().data == []
    for method in (client.files.info, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError):
            method(made.id)


def test_an_upload_is_a_form(make_client: MakeClient, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE)
    forms: list[Any] = [
        LINE,
        path,
        io.BytesIO(LINE),
        ("a.jsonl", LINE, "application/x", {"X": "1"}),
    ]
    with RawServer(says(FILE)) as server, path.open("rb") as opened:
        client = quick(make_client, server.url)
        for file in [*forms, opened]:
            client.files.create(file=file, purpose="batch")
        for heard in server.heard:
            assert fields_of(heard) == [("purpose", "batch")]
        files = [part for heard in server.heard for part in parts_of(heard) if part.filename]
    assert {file.content for file in files} == {LINE}
    assert {file.name for file in files} == {"file"}
    assert [file.filename for file in files] == [
        "upload",
        "a.jsonl",
        "upload",
        "a.jsonl",
        "a.jsonl",
    ]
    assert (files[3].headers["content-type"], files[3].headers["x"]) == ("application/x", "1")


@pytest.mark.parametrize("file", ["a.jsonl", None, 3, io.StringIO("x"), Path("none")])
def test_what_is_no_file_is_refused(make_client: MakeClient, file: Any) -> None:
    with RawServer(says(FILE)) as server:
        with pytest.raises(InvalidRequestException) as caught:
            quick(make_client, server.url).files.create(file=file, purpose="batch")
        assert caught.value.field == "file"
        assert server.heard == []


def test_an_upload_is_sent_again_as_a_whole(make_client: MakeClient) -> None:
    with RawServer(resets, says(FILE)) as server:
        made = quick(make_client, server.url).files.create(file=io.BytesIO(LINE), purpose="batch")
        first, second = server.heard
    assert first.body == second.body
    assert made.attempts == 2


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", "text/plain"])
def test_content_is_bytes_whatever_the_service_calls_it(make_client: MakeClient, kind: str) -> None:
    with RawServer(says(b'{"a": ', content_type=kind)) as server:
        client = quick(make_client, server.url)
        assert client.files.content("f").read() == b'{"a": '
        assert client.files.with_raw_response.content("f").parse() == b'{"a": '
        assert only_accepts(server) == {"application/octet-stream"}


def only_accepts(server: RawServer) -> set[str]:
    return {heard.headers["accept"] for heard in server.heard}


def test_an_empty_file_is_empty(make_client: MakeClient) -> None:
    with RawServer(says(b"", content_type="application/octet-stream")) as server:
        client = quick(make_client, server.url)
        assert client.files.content("f").read() == b""
        with client.files.with_streaming_response.content("f") as response:
            assert list(response.iter_bytes()) == []


def test_nothing_of_it_takes_of_any_limit(make_client: MakeClient) -> None:
    limits = {"m": {"req_per_minute": 1, "token_per_minute": 10}}
    with RawServer(says(FILE)) as server:
        client = quick(make_client, server.url, limits)
        for _ in range(3):
            client.files.create(file=LINE, purpose="batch")
            client.files.info("f")
        left = client.check_model_limits("m")["limits"]
        assert (left["RPM"]["remaining"], left["TPM"]["remaining"]) == (1, 10)
        assert client.stats()["queued"] == 0


def test_files_may_be_worked_with_while_no_chat_may_be_sent(make_client: MakeClient) -> None:
    with RawServer(says(FILE)) as server:
        client = quick(make_client, server.url, max_workers=1)
        assert client.files.info("f").id == "file_1"
        assert only(server).target == "/openai/v1/files/f"
