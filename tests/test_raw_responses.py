"""Answers with their HTTP around them: ``with_raw_response``."""

from __future__ import annotations

import datetime
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, resets, says
from helpers_surface import (
    BY_NAME,
    CHAT,
    LAZY,
    RAW,
    RESPONSE,
    WAYS,
    MakeClient,
    Takes,
    Way,
    classes,
    quick,
    said_key,
    same,
)

from customgroqchat import (
    APIConnectionError,
    ChatCompletion,
)
from customgroqchat.types.responses import Response

of_all = pytest.mark.parametrize("way", WAYS, ids=str)
CHATS = BY_NAME["chat.completions.create"]


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


class HttpxRequest:
    """What httpx calls a Request."""

    def __init__(self, method: str, url: str, *, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers


class HttpxResponse:
    """What httpx calls a Response."""

    def __init__(
        self, status: int, *, headers: dict[str, str], content: bytes, request: HttpxRequest
    ) -> None:
        self.status, self.headers, self.content, self.request = status, headers, content, request


HttpxResponse.__module__, HttpxResponse.__name__ = "likehttpx._models", "Response"


def test_a_response_of_httpx_can_be_had(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("likehttpx")
    module.Request = HttpxRequest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "likehttpx", module)
    with RawServer(CHATS.reply(x_a="1", content_encoding="identity")) as server:
        client = quick(make_client, server.url)
        path = "/openai/v1/chat/completions"
        made = client.post(path, body=CHATS.arguments, cast_to=HttpxResponse)
    assert (made.status, made.headers["x-a"]) == (200, "1")
    assert b"Hello!" in made.content
    assert not {"content-length", "transfer-encoding", "content-encoding"} & set(made.headers)
    assert (made.request.method, made.request.url) == ("POST", f"{server.url}{path}")
    assert not said_key(made.request.headers)


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
