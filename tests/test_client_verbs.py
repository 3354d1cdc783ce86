"""``client.get``, ``post``, ``put``, ``patch``, ``delete``: any path of the service."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, says, unused_port
from helpers_streams import Books
from helpers_surface import (
    BY_NAME,
    CHAT,
    EMBEDDINGS,
    MODEL,
    RESPONSE,
    MakeClient,
    Takes,
    body_of,
    chat_stream,
    fields_of,
    only,
    parts_of,
    query_of,
    quick,
)

from customgroqchat import (
    APIObject,
    APIResponseValidationError,
    APIStatusError,
    BinaryAPIResponse,
    ChatCompletion,
    GroqClient,
    InvalidRequestException,
    Model,
    NotFoundError,
    RateLimitError,
    Stream,
)
from customgroqchat.testing import SimulatedGroq

PREFIX = "/openai/v1"
METHODS = ["get", "post", "put", "patch", "delete"]
LIMITS = {"m": {"req_per_minute": 10, "token_per_minute": 60_000}}


@pytest.mark.parametrize("method", METHODS)
def test_each_verb_is_sent_where_it_is_told(make_client: MakeClient, method: str) -> None:
    with RawServer(says({"a": {"b": 1}}), says({}, 204)) as server:
        client = quick(make_client, server.url)
        answer = getattr(client, method)("/v1/fine_tunings")
        heard = only(server)
    assert (heard.method, heard.target) == (method.upper(), "/v1/fine_tunings")
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert heard.body == b""
    assert json.loads(answer) == {"a": {"b": 1}}


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_body_is_json(make_client: MakeClient, method: str) -> None:
    with RawServer(says({}, content_type="application/json")) as server:
        client = quick(make_client, server.url)
        getattr(client, method)("/x", body={"a": "é"}, extra_body={"b": None})
        heard = only(server)
    assert body_of(heard) == {"a": "é", "b": None}
    assert heard.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/openai/v1/models", "/openai/v1/models"),
        ("openai/v1/models", "/openai/v1/models"),
        ("/v1/x?a=1", "/v1/x?a=1"),
        ("/openai/v1/x?a=http://y/z", "/openai/v1/x?a=http://y/z"),
        ("/openai/v1", "/openai/v1"),
        ("/", "/"),
    ],
)
def test_a_path_stands_behind_the_host(make_client: MakeClient, path: str, target: str) -> None:
    with RawServer(says({})) as server:
        client = quick(make_client, server.url)
        client.get(path)
        assert only(server).target == target
        client.get(f"{server.url}/{path.removeprefix('/')}")
        assert server.heard[-1].target == target


def test_a_query_may_hold_an_address(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        quick(make_client, server.url).get("/x?u=http://y/", extra_query={"b": [1, 2]})
        assert query_of(only(server)) == [("u", "http://y/"), ("b", "1,2")]


@pytest.mark.parametrize(
    "path", ["", None, 3, "https://evil.example/openai/v1/models", "http://127.0.0.1:1x/y"]
)
def test_the_key_goes_to_no_other_host(make_client: MakeClient, path: Any) -> None:
    with RawServer(says({})) as server:
        with pytest.raises(InvalidRequestException) as caught:
            quick(make_client, server.url).get(path)
        assert caught.value.field == "path"
        assert server.heard == []


def test_a_host_that_only_begins_alike_is_another(make_client: MakeClient) -> None:
    with RawServer(says({})) as server, pytest.raises(InvalidRequestException):
        quick(make_client, server.url).get(f"{server.url}.evil.example/x")


def test_an_absolute_url_is_of_the_copys_own_host(make_client: MakeClient) -> None:
    with RawServer(says({})) as first, RawServer(says({})) as second:
        client = quick(make_client, first.url)
        twin = client.copy(base_url=second.url)
        twin.get(f"{second.url}/x")
        assert only(second).target == "/x"
        with pytest.raises(InvalidRequestException):
            twin.get(f"{first.url}/x")
        assert first.heard == []
        assert len(second.heard) == 1


# --- what becomes of the answer ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "made"),
    [(dict, MODEL), (Model, Model.wrap(MODEL)), (object, MODEL), (type(None), None)],
)
def test_an_answer_is_cast_to_what_is_wanted(make_client: MakeClient, to: Any, made: Any) -> None:
    with RawServer(says(MODEL, content_type="application/json")) as server:
        client = quick(make_client, server.url)
        assert client.get("/x", cast_to=to) == made
        assert client.get("/x", cast_to=Takes).data == MODEL
        assert client.get("/x", cast_to=str).startswith("{")
        assert client.get("/x", cast_to=bytes).startswith(b"{")
        assert type(client.get("/x", cast_to=Model)) is Model


@pytest.mark.parametrize(
    ("body", "kind", "made"),
    [
        (b'{"a": 1}', "application/json", APIObject(a=1)),
        (b"[1]", "application/json; charset=utf-8", [1]),
        (b"null", "application/json", None),
        ("Grüße".encode("latin-1"), "text/plain; charset=latin-1", "Grüße"),
    ],
)
def test_an_answer_is_by_default_what_it_says_it_is(
    make_client: MakeClient, body: bytes, kind: str, made: Any
) -> None:
    with RawServer(says(body, content_type=kind)) as server:
        assert quick(make_client, server.url).get("/x") == made


def test_what_is_neither_json_nor_text_is_bytes(make_client: MakeClient) -> None:
    with RawServer(says(b"\x00\xff", content_type="image/png")) as server:
        answer = quick(make_client, server.url).get("/x")
    assert isinstance(answer, BinaryAPIResponse)
    assert answer.read() == b"\x00\xff"


@pytest.mark.parametrize("to", [dict, Model, Takes, list])
@pytest.mark.parametrize("body", [b"<html>", b""])
def test_what_cannot_be_cast_is_an_error_of_ours(
    make_client: MakeClient, to: Any, body: bytes
) -> None:
    with RawServer(says(body, content_type="text/html")) as server:
        client = quick(make_client, server.url, max_retries=0)
        with pytest.raises((APIResponseValidationError, ValueError)):
            client.get("/x", cast_to=to)


def test_an_error_is_typed(client: GroqClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.get("/openai/v1/nope")
    assert caught.value.code == "unknown_url"


def test_a_redirect_is_not_followed(make_client: MakeClient) -> None:
    away = f"http://127.0.0.1:{unused_port()}/x"
    with RawServer(says(b"", 302, location=away)) as server:
        with pytest.raises(APIStatusError) as caught:
            quick(make_client, server.url).get("/x")
        assert caught.value.status_code == 302
        assert len(server.heard) == 1


# --- other bodies --------------------------------------------------------------------------------


def test_content_is_sent_as_it_is(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        client = quick(make_client, server.url)
        client.post("/x", content=b"\x00abc")
        client.put("/x", content=b"<a/>", extra_headers={"Content-Type": "text/xml"})
        first, second = server.heard
    assert (first.body, first.headers["content-type"]) == (b"\x00abc", "application/octet-stream")
    assert (second.body, second.headers["content-type"]) == (b"<a/>", "text/xml")


def test_files_are_a_form(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        quick(make_client, server.url).post(
            "/openai/v1/files", files={"file": ("a.txt", io.BytesIO(b"abc"))}, body={"n": [1, 2]}
        )
        heard = only(server)
    assert fields_of(heard) == [("n[]", "1"), ("n[]", "2")]
    (file,) = [part for part in parts_of(heard) if part.filename]
    assert (file.name, file.filename, file.content) == ("file", "a.txt", b"abc")


def test_a_form_has_the_boundary_that_was_made_for_it(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        quick(make_client, server.url).post(
            "/x",
            files=[("f", ("a", b"1")), ("f", ("b", b"2"))],
            options={"headers": {"Content-Type": "multipart/form-data", "X-A": "1"}},
        )
        heard = only(server)
    assert [part.filename for part in parts_of(heard)] == ["a", "b"]
    assert heard.headers["x-a"] == "1"


def test_bytes_given_as_a_body_are_content(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        quick(make_client, server.url).post("/x", body=b"\x00abc")
        assert only(server).body == b"\x00abc"


def test_a_path_that_has_no_streams_refuses_to(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        with pytest.raises(InvalidRequestException) as caught:
            quick(make_client, server.url).post("/x", body={"a": 1}, stream=True)
        assert caught.value.field == "stream"
        assert server.heard == []


@pytest.mark.parametrize(
    ("method", "more", "field"),
    [
        ("get", {"stream": True}, "stream"),
        ("get", {"nonsense": 1}, "nonsense"),
        ("post", {"body": [1], "extra_body": {"a": 1}}, "a"),
        ("post", {"files": ["x", ("f", b"1")]}, "files"),
        ("post", {"files": [("f", b"1", 3)]}, "files"),
    ],
)
def test_what_has_no_place_in_what_is_sent_is_named(
    make_client: MakeClient, method: str, more: dict[str, Any], field: str
) -> None:
    with RawServer(says({})) as server:
        with pytest.raises(InvalidRequestException) as caught:
            getattr(quick(make_client, server.url), method)("/x", **more)
        assert caught.value.field == field
        assert server.heard == []


def test_a_wrong_file_is_named(make_client: MakeClient) -> None:
    client = quick(make_client, f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(InvalidRequestException) as caught:
        client.post("/x", files={"audio": "a.wav"})
    assert caught.value.field == "files.audio"


def test_what_is_no_json_is_refused(make_client: MakeClient) -> None:
    with RawServer(says({})) as server:
        client = quick(make_client, server.url)
        for path in ("/x", "/openai/v1/chat/completions"):
            with pytest.raises(InvalidRequestException):
                client.post(path, body={**BY_NAME["chat.completions.create"].arguments, "a": {1}})
        assert server.heard == []


def test_options_have_the_official_names_too(make_client: MakeClient) -> None:
    with RawServer(says({}, 503), says({})) as server:
        client = quick(make_client, server.url, max_retries=0)
        options = {
            "headers": {"X-A": "1"},
            "params": {"q": 2},
            "extra_json": {"b": 3},
            "max_retries": 1,
            "timeout": 5.0,
            "idempotency_key": "k",
        }
        client.post("/x", body={"a": 1}, options=options)
        heard = server.heard[-1]
    assert len(server.heard) == 2
    assert heard.headers["x-a"] == "1"
    assert query_of(heard) == [("q", "2")]
    assert body_of(heard) == {"a": 1, "b": 3}


# --- in its turn ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "answer"),
    [
        ("/chat/completions", "chat.completions.create", CHAT),
        ("/responses", "responses.create", RESPONSE),
        ("/embeddings", "embeddings.create", EMBEDDINGS),
    ],
)
def test_what_counts_for_limits_is_paced(
    make_client: MakeClient, path: str, name: str, answer: Any
) -> None:
    body = {**BY_NAME[name].arguments, "model": "m"}
    with RawServer(says(answer, content_type="application/json")) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        got = client.post(PREFIX + path, body=body, tag="t", extra_body={"more": 1})
        assert got == answer
        assert got.usage == answer["usage"]
        assert body_of(only(server)) == {**body, "more": 1}
        assert books.ways == ["settle"]
        with pytest.raises(InvalidRequestException):
            client.post(PREFIX + path, body={})
        assert len(server.heard) == 1


def test_speech_is_paced_and_bytes(make_client: MakeClient) -> None:
    body = {"model": "m", "input": "Hi", "voice": "troy"}
    with RawServer(says(b"RIFF", content_type="audio/wav")) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        assert client.post(f"{PREFIX}/audio/speech", body=body).read() == b"RIFF"
        assert client.post(f"{PREFIX}/audio/speech", body=body, cast_to=bytes) == b"RIFF"
        assert books.ways == ["settle", "settle"]


def test_what_is_paced_is_cast_as_well(make_client: MakeClient) -> None:
    body = BY_NAME["chat.completions.create"].arguments
    with RawServer(says(CHAT, content_type="application/json")) as server:
        client = quick(make_client, server.url)
        made = client.post(f"{PREFIX}/chat/completions", body=body, cast_to=ChatCompletion)
    assert type(made) is ChatCompletion
    assert made.choices[0].message.content == "Hello!"


@pytest.mark.parametrize("where", ["keyword", "body", "options"])
def test_a_stream_can_be_had_of_a_path_that_has_such(make_client: MakeClient, where: str) -> None:
    body = dict(BY_NAME["chat.completions.create"].arguments)
    more: dict[str, Any] = {}
    if where == "body":
        body["stream"] = True
    elif where == "keyword":
        more = {"stream": True, "stream_cls": Stream}
    else:
        more = {"options": {"extra_json": {"stream": True}}}
    with RawServer(chat_stream()) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        stream = client.post(f"{PREFIX}/chat/completions", body=body, **more)
        assert isinstance(stream, Stream)
        assert stream.get_final_completion().choices[0].message.content == "One two"
        assert body_of(only(server))["stream"] is True
        assert books.ways == ["settle"]


def test_a_refusal_for_quota_is_raised_at_once_without_retries(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    simulator.fail_next(429, headers={"retry-after": "1"})
    body = BY_NAME["chat.completions.create"].arguments
    with pytest.raises(RateLimitError):
        client.post(f"{PREFIX}/chat/completions", body=body, options={"max_retries": 0})
    assert simulator.count() == 1


def test_what_only_looks_like_it_is_not_paced(make_client: MakeClient) -> None:
    with RawServer(says({}, content_type="application/json")) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client)
        client.get(f"{PREFIX}/chat/completions")
        client.post("/v2/chat/completions", body={"model": "m"})
        client.post(f"{PREFIX}/chat/completions", content=b"{}")
        client.post(f"{PREFIX}/batches", body={"a": 1})
        assert len(server.heard) == 4
        assert books.ways == []
