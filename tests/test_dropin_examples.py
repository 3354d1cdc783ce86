"""Small programs as people write them for the official SDK, with another import line.

Each uses the calls of that SDK in its way: the same keywords, the same errors, the same helpers.
They run against the simulator, which they find through ``GROQ_BASE_URL`` as they would the service.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, closes, hangs, says, unused_port

import customgroqchat
from customgroqchat import DefaultHttpxClient, Groq, Timeout
from customgroqchat.testing import SimulatedGroq

MODEL = "openai/gpt-oss-20b"
WHISPER = "whisper-large-v3-turbo"
ASKED: Any = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "Why does latency matter?"},
]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It does."},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "service_tier": None,
    "brand_new": {"depth": 1},
}
WAV = (
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00"
)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGroq]:
    """A service, and an environment that leads to it."""
    with SimulatedGroq() as groq:
        monkeypatch.setenv("GROQ_API_KEY", KEY)
        monkeypatch.setenv("GROQ_BASE_URL", groq.url)
        yield groq


@pytest.fixture
def client(service: SimulatedGroq) -> Iterator[Groq]:
    with Groq() as client:
        yield client


def json_server(*bodies: object, status: int = 200, **headers: str) -> RawServer:
    return RawServer(
        *[says(body, status, content_type="application/json", **headers) for body in bodies]
    )


# --- asking ----------------------------------------------------------------------------------


def test_a_script_needs_nothing_but_the_environment(run_python: Callable[..., str]) -> None:
    printed = run_python(
        """
        import os
        from customgroqchat import Groq

        client = Groq(api_key=os.environ.get("GROQ_API_KEY"))
        completion = client.chat.completions.create(
            messages=[{"role": "user", "content": "Say something"}], model="openai/gpt-oss-20b"
        )
        print(completion.choices[0].message.content)
        """
    )
    assert len(printed.strip()) > 1


def test_a_script_that_streams_ends_by_itself(run_python: Callable[..., str]) -> None:
    printed = run_python(
        """
        from customgroqchat import Groq

        stream = Groq().chat.completions.create(
            messages=[{"role": "user", "content": "Count"}],
            model="openai/gpt-oss-20b", temperature=0.5, max_tokens=64, top_p=1,
            stop=None, stream=True,
        )
        for chunk in stream:
            print(chunk.choices[0].delta.content, end="")
            if chunk.choices[0].finish_reason:
                assert chunk.x_groq is not None and chunk.x_groq.usage is not None
                print("tokens:", chunk.x_groq.usage.total_tokens)
        """
    )
    assert int(printed.split("tokens:")[1]) > 0


def test_all_the_usual_parameters(client: Groq, service: SimulatedGroq) -> None:
    completion = client.chat.completions.create(
        messages=ASKED,
        model=MODEL,
        temperature=0.5,
        max_tokens=64,
        top_p=1,
        stop=", 6",
        stream=False,
    )
    assert completion.choices[0].message.role == "assistant"
    assert completion.usage is not None
    assert completion.usage.completion_tokens <= 64
    sent = service.requests[-1].payload
    assert sent is not None
    assert (sent["stop"], sent["max_tokens"], sent["stream"]) == (", 6", 64, False)


def test_parameters_inside_of_parameters(client: Groq, service: SimulatedGroq) -> None:
    client.chat.completions.create(
        messages=[{"content": "Be brief.", "role": "system"}],
        model=MODEL,
        compound_custom={},
        search_settings={"country": "france"},
    )
    sent = service.requests[-1].payload
    assert sent is not None
    assert (sent["compound_custom"], sent["search_settings"]) == ({}, {"country": "france"})


def test_typed_parameters(client: Groq) -> None:
    from customgroqchat.types.chat import (
        ChatCompletionMessageParam,
        ChatCompletionSystemMessageParam,
        ChatCompletionToolParam,
        ChatCompletionUserMessageParam,
    )

    messages: list[ChatCompletionMessageParam] = [
        ChatCompletionSystemMessageParam(role="system", content="Be brief."),
        ChatCompletionUserMessageParam(role="user", content="Hello"),
    ]
    tool = ChatCompletionToolParam(
        type="function", function={"name": "now", "parameters": {"type": "object"}}
    )
    completion = client.chat.completions.create(messages=messages, model=MODEL, tools=[tool])
    assert completion.choices[0].message.role == "assistant"


class Dumped:
    """An object of another library, which says itself what it is."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return self.fields


def test_parameters_may_be_iterables_and_objects(client: Groq, service: SimulatedGroq) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    parts = [{"type": "text", "text": "Hello"}]
    client.chat.completions.create(
        messages=({"role": "user", "content": iter(parts)} for _ in range(1)),
        model=MODEL,
        tools=iter([Dumped(**tool)]),  # type: ignore[arg-type]
    )
    sent = service.requests[-1].payload
    assert sent is not None
    assert sent["messages"] == [{"role": "user", "content": parts}]
    assert sent["tools"] == [tool]


def test_a_conversation_goes_on_with_the_message_that_was_answered(client: Groq) -> None:
    messages: list[Any] = list(ASKED)
    message = client.chat.completions.create(messages=messages, model=MODEL).choices[0].message
    messages += [message, {"role": "user", "content": "Go on"}]
    assert client.chat.completions.create(messages=messages, model=MODEL).choices


def test_embeddings(client: Groq) -> None:
    found = client.embeddings.create(
        input=["two words"], model="nomic-embed-text-v1_5", encoding_format="float", user="u"
    )
    assert isinstance(found.data[0].embedding[0], float)


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "bytes", "opened", "in memory", "tuple"])
def test_a_recording_in_any_form(
    client: Groq, service: SimulatedGroq, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(WAV)
    with path.open("rb") as opened:
        file: Any = {
            "path": path,
            "bytes": WAV,
            "opened": opened,
            "in memory": io.BytesIO(WAV),
            "tuple": ("talk.wav", WAV, "audio/wav"),
        }[form]
        heard = client.audio.transcriptions.create(model=WHISPER, file=file)
    assert heard.text
    upload = service.requests[-1].files["file"]
    assert upload.content == WAV
    assert upload.filename == ("upload" if form in ("bytes", "in memory") else "talk.wav")


def test_speech_is_written_to_a_file(client: Groq, tmp_path: Path) -> None:
    wanted: Any = {"model": "canopylabs/orpheus-v1-english", "voice": "troy", "input": "Hello"}
    whole = client.audio.speech.create(**wanted, response_format="wav")
    whole.write_to_file(tmp_path / "whole.wav")
    with client.audio.speech.with_streaming_response.create(**wanted) as response:
        response.stream_to_file(tmp_path / "streamed.wav")
    assert (tmp_path / "whole.wav").read_bytes() == whole.read() != b""
    assert (tmp_path / "streamed.wav").read_bytes()[:4] == b"RIFF"


def test_a_batch(client: Groq) -> None:
    body = {"model": MODEL, "messages": ASKED}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(
        file=("batch.jsonl", json.dumps(line).encode() + b"\n", "application/jsonl"),
        purpose="batch",
    )
    assert file.id is not None
    assert client.files.info(file.id).filename == "batch.jsonl"
    batch = client.batches.create(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id
    )
    while client.batches.retrieve(batch.id).status != "completed":
        pass  # a step further with each question, in the simulator
    done = client.batches.retrieve(batch.id)
    assert done.output_file_id is not None
    told = json.loads(client.files.content(done.output_file_id).read())
    assert told["custom_id"] == "a"
    assert done.id in [known.id for known in client.batches.list().data]
    assert client.files.delete(file.id).deleted


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_cannot_lead_elsewhere(client: Groq, service: SimulatedGroq, name: str) -> None:
    for ask in (client.models.retrieve, client.files.delete, client.batches.cancel):
        with pytest.raises(ValueError, match=r"model|file_id|batch_id|path"):
            ask(name)
    assert service.requests == []


def test_models(client: Groq) -> None:
    assert MODEL in [model.id for model in client.models.list().data]
    assert client.models.retrieve(MODEL).object == "model"


# --- errors ----------------------------------------------------------------------------------


def outcome_of(client: Groq, **more: Any) -> tuple[Any, ...]:
    """The order in which the official README catches, from narrow to wide."""
    try:
        client.chat.completions.create(**{"messages": ASKED, "model": MODEL, **more})
    except customgroqchat.APIConnectionError as error:
        return "unreachable", type(error.__cause__)
    except customgroqchat.RateLimitError as error:
        return "back off", error.status_code
    except customgroqchat.APIStatusError as error:
        return "refused", error.status_code, error.response
    return ("answered",)


def test_a_service_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_BASE_URL", f"http://127.0.0.1:{unused_port()}")
    with Groq(max_retries=0) as client:
        what, cause = outcome_of(client)
    assert what == "unreachable"
    assert cause is not type(None)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_each_status_has_its_error(service: SimulatedGroq, status: int, name: str) -> None:
    service.fail_next(status)
    with Groq(max_retries=0) as client, pytest.raises(customgroqchat.APIError) as caught:
        client.chat.completions.create(messages=ASKED, model=MODEL)
    assert type(caught.value) is getattr(customgroqchat, name)
    assert caught.value.status_code == status  # type: ignore[attr-defined]


def test_an_error_shows_what_was_answered(client: Groq) -> None:
    what, status, response = outcome_of(client, model="nobody/knows-this")
    assert (what, status, response.status_code) == ("refused", 404, 404)
    assert response.json()["error"]["code"] == "model_not_found"
    assert "json" in response.headers["content-type"]
    assert json.loads(response.text) == response.json()


def test_an_error_can_be_told_by_its_text(service: SimulatedGroq) -> None:
    refusal = {"message": "Wait a while", "type": "tokens", "code": "rate_limit_exceeded"}
    service.fail_next(429, {"error": refusal})
    with Groq(max_retries=0) as client, pytest.raises(customgroqchat.RateLimitError) as caught:
        client.chat.completions.create(messages=ASKED, model=MODEL)
    for word in ("429", "Wait a while", "rate_limit_exceeded"):
        assert word in str(caught.value)
    assert caught.value.body == {"error": refusal}


def test_an_answer_that_does_not_come_in_time() -> None:
    with (
        RawServer(hangs()) as server,
        Groq(base_url=server.url, max_retries=0, timeout=Timeout(0.05)) as client,
        pytest.raises(customgroqchat.APITimeoutError) as caught,
    ):
        client.chat.completions.create(messages=ASKED, model=MODEL)
    assert isinstance(caught.value, customgroqchat.APIConnectionError)


def test_a_forgotten_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    with pytest.raises(customgroqchat.GroqError, match="GROQ_API_KEY"):
        Groq()


@pytest.mark.parametrize("key", ["My API Key", "xxx", "api_key", "test"])
def test_any_word_is_a_key_for_a_test(key: str) -> None:
    with json_server(ANSWER) as server, Groq(base_url=server.url, api_key=key) as client:
        client.chat.completions.create(messages=ASKED, model=MODEL)
    assert server.heard[0].headers["authorization"] == f"Bearer {key}"


# --- options ---------------------------------------------------------------------------------


def test_retries_of_a_client_and_of_a_call(service: SimulatedGroq) -> None:
    service.fail_next(500)
    with Groq(max_retries=0) as client:
        with pytest.raises(customgroqchat.InternalServerError):
            client.chat.completions.create(messages=ASKED, model=MODEL)
        service.fail_next(500)
        completion = client.with_options(max_retries=5).chat.completions.create(
            messages=ASKED, model=MODEL
        )
    assert completion.choices
    assert service.count() == 3


@pytest.mark.parametrize(
    "timeout", [20.0, Timeout(60.0, read=5.0, write=10.0, connect=2.0), None, (2.0, 5.0)]
)
def test_timeouts_of_a_client_and_of_a_call(timeout: Any) -> None:
    with Groq(timeout=timeout) as client:
        quick = client.with_options(timeout=5.0)
        assert quick.chat.completions.create(messages=ASKED, model=MODEL).choices
        assert client.chat.completions.create(messages=ASKED, model=MODEL, timeout=timeout).choices


@pytest.mark.parametrize("timeout", [7, 0.5, None, Timeout(60.0, read=5.0, connect=2.0)])
def test_a_timeout_can_be_read_again(timeout: Any) -> None:
    with Groq(timeout=timeout) as client:
        assert client.timeout == timeout
        assert client.copy().timeout == timeout
        assert client.copy(timeout=3).timeout == 3
    with Groq() as client:
        assert client.timeout == customgroqchat.DEFAULT_TIMEOUT
        assert isinstance(client.timeout, Timeout)


def test_extra_headers_query_and_body(client: Groq, service: SimulatedGroq) -> None:
    client.chat.completions.create(
        messages=ASKED,
        model=MODEL,
        extra_headers={"X-Mine": "1"},
        extra_query={"debug": True, "nothing": None},
        extra_body={"seed": 7},
    )
    heard = service.requests[-1]
    assert {name.lower(): value for name, value in heard.headers.items()}["x-mine"] == "1"
    assert heard.query == {"debug": ["true"]}
    assert heard.payload is not None
    assert heard.payload["seed"] == 7


def test_another_address_and_another_way_there() -> None:
    with json_server(ANSWER) as proxy:
        client = Groq(
            base_url="http://gateway.example.com:8083",
            http_client=DefaultHttpxClient(proxy=proxy.url),
        )
        with client:
            client.chat.completions.create(messages=ASKED, model=MODEL)
            again = client.with_options(http_client=DefaultHttpxClient())
            assert again.chat.completions.create(messages=ASKED, model=MODEL).choices
    assert proxy.heard[0].target.startswith("http://gateway.example.com:8083/")


def test_a_client_ends_with_its_block() -> None:
    with Groq() as client:
        assert not client.is_closed()
    assert client.is_closed()


def test_a_client_is_changed_by_assignment() -> None:
    with json_server(ANSWER) as server, Groq() as client:
        client.api_key = "gsk_another"
        client.base_url = server.url
        client.max_retries = 0
        client.chat.completions.create(messages=ASKED, model=MODEL)
        assert (client.api_key, client.max_retries) == ("gsk_another", 0)
    assert server.heard[0].headers["authorization"] == "Bearer gsk_another"


# --- answers ---------------------------------------------------------------------------------


def test_null_and_missing_can_be_told_apart() -> None:
    with json_server(ANSWER) as server, Groq(base_url=server.url) as client:
        completion = client.chat.completions.create(messages=ASKED, model=MODEL)
    assert completion.service_tier is None
    assert "service_tier" in completion.model_fields_set
    assert completion.system_fingerprint is None
    assert "system_fingerprint" not in completion.model_fields_set


def test_a_field_that_nobody_knew() -> None:
    with json_server(ANSWER) as server, Groq(base_url=server.url) as client:
        completion = client.chat.completions.create(messages=ASKED, model=MODEL)
    assert completion.model_extra == {"brand_new": {"depth": 1}}
    extra: Any = completion
    assert extra.brand_new.depth == 1
    with pytest.raises(AttributeError):
        _ = extra.newer_still


def test_an_answer_turns_into_json_and_back() -> None:
    with json_server(ANSWER) as server, Groq(base_url=server.url) as client:
        completion = client.chat.completions.create(messages=ASKED, model=MODEL)
    assert completion.to_dict() == completion.model_dump() == ANSWER
    assert json.loads(completion.to_json()) == json.loads(completion.model_dump_json()) == ANSWER
    assert type(completion).model_validate(completion.to_dict()) == completion


def test_the_answer_with_its_headers() -> None:
    with json_server(ANSWER, x_my_header="mine") as server, Groq(base_url=server.url) as client:
        response = client.chat.completions.with_raw_response.create(messages=ASKED, model=MODEL)
    assert response.headers.get("X-My-Header") == "mine"
    assert response.http_request.headers.get("x-stainless-lang") == "python"
    assert response.is_closed
    assert response.parse().id == "chatcmpl-1"
    assert isinstance(response, customgroqchat.APIResponse)


def test_the_answer_as_it_arrives() -> None:
    body = b'{"id": "chatcmpl-1",\n"choices": []}\n'
    with json_server(body, x_my_header="mine") as server, Groq(base_url=server.url) as client:
        with client.chat.completions.with_streaming_response.create(
            messages=ASKED, model=MODEL
        ) as response:
            assert not response.is_closed
            assert response.headers.get("X-My-Header") == "mine"
            lines = list(response.iter_lines())
        assert response.is_closed
    assert lines == ['{"id": "chatcmpl-1",', '"choices": []}']


def test_the_events_with_their_headers(client: Groq) -> None:
    response = client.chat.completions.with_raw_response.create(
        messages=ASKED, model=MODEL, stream=True
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in response.parse())


# --- what the SDK has no method for --------------------------------------------------------------


def test_a_path_of_ones_own() -> None:
    with json_server({"my": 1}, x_foo="bar") as server, Groq(base_url=server.url) as client:
        told = client.post("/foo", cast_to=dict[str, object], body={"wanted": True})
        client.get("/foo?a=1", cast_to=object, options={"params": {"b": [1, 2], "c": None}})
    assert told == {"my": 1}
    posted, got = server.heard
    assert (posted.method, posted.target) == ("POST", "/foo")
    assert json.loads(posted.body) == {"wanted": True}
    assert got.target == "/foo?a=1&b=1,2"


def test_a_path_of_ones_own_into_a_class_of_ones_own() -> None:
    class Mine(customgroqchat.BaseModel):
        my: int
        note: str | None = None
        size: int = 3

    bodies = [{"my": 1}, {"my": 2, "note": "x", "size": 9}]
    with json_server(*bodies) as server, Groq(base_url=server.url) as client:
        short, full = (client.get("/foo", cast_to=Mine) for _ in bodies)
    assert (short.my, short.note, short.size) == (1, None, 3)
    assert (full.my, full.note, full.size) == (2, "x", 9)


def test_a_form_of_ones_own() -> None:
    with json_server({}) as server, Groq(base_url=server.url) as client:
        client.post(
            "/foo",
            cast_to=object,
            body={"words": ["a", "b"]},
            files=[("file", ("n.txt", b"content"))],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
    heard = server.heard[0]
    boundary = heard.headers["content-type"].partition("boundary=")[2]
    assert heard.headers["content-type"].startswith("multipart/form-data;")
    parts = heard.body.split(f"--{boundary}".encode())
    assert [part.count(b'name="words[]"') for part in parts] == [0, 1, 1, 0, 0]
    assert b'filename="n.txt"' in parts[3]


def test_a_path_of_ones_own_as_a_response_of_httpx() -> None:
    httpx = pytest.importorskip("httpx")
    with json_server({"my": 1}, x_foo="bar") as server, Groq(base_url=server.url) as client:
        response = client.post("/foo", cast_to=httpx.Response, body={"wanted": True})
        url = f"{server.url}/foo"
    assert isinstance(response, httpx.Response)
    assert (response.status_code, response.headers.get("x-foo")) == (200, "bar")
    assert response.raise_for_status().json() == {"my": 1}
    assert str(response.request.url) == url


def test_a_transport_of_httpx_is_no_obstacle() -> None:
    httpx = pytest.importorskip("httpx")
    with json_server(ANSWER) as proxy:
        with pytest.warns(UserWarning, match="transport"):
            ways = DefaultHttpxClient(
                proxy=proxy.url, transport=httpx.HTTPTransport(local_address="0.0.0.0"), cert=None
            )
        with Groq(base_url="http://gateway.example.com:8083", http_client=ways) as client:
            assert client.chat.completions.create(messages=ASKED, model=MODEL).choices
    assert len(proxy.heard) == 1


def test_timeouts_of_httpx() -> None:
    httpx = pytest.importorskip("httpx")
    with Groq(timeout=httpx.Timeout(60.0, read=5.0, write=10.0, connect=2.0)) as client:
        assert client.chat.completions.create(messages=ASKED, model=MODEL).choices


def test_a_connection_that_breaks_once_is_nobodys_concern() -> None:
    answered = says(ANSWER, content_type="application/json")
    with RawServer(closes, answered) as server, Groq(base_url=server.url) as client:
        response = client.chat.completions.with_raw_response.create(messages=ASKED, model=MODEL)
    assert response.retries_taken == 1
