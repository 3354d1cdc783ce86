"""All methods of the surface in one table, and small tools for looking at what they send."""

from __future__ import annotations

import io
import json
import re
import threading
import wave
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from helpers_servers import Behaviour, Heard, RawServer, says, user
from helpers_stories import ending, frames, streams

from customgroqchat import (
    APIResponse,
    BinaryAPIResponse,
    GroqClient,
    StreamedAPIResponse,
    StreamedBinaryAPIResponse,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

MakeClient = Callable[..., GroqClient]
Simulate = Callable[..., SimulatedGroq]

#: A model whose name has to be encoded in a path.
SLASHED = "openai/gpt-oss-20b"

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello!"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 75},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello!"}],
        }
    ],
    "usage": {"input_tokens": 70, "output_tokens": 5, "total_tokens": 75},
}
EMBEDDINGS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
    "model": "e",
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
MODEL = {"id": SLASHED, "object": "model", "created": 1, "owned_by": "OpenAI", "active": True}
FILE = {"id": "file_1", "object": "file", "bytes": 3, "filename": "a.jsonl", "purpose": "batch"}
BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file_1"}
DELETED = {"id": "x", "object": "model", "deleted": True}
HEARD = {"text": " Hello!", "x_groq": {"id": "req_1"}}


class Way(NamedTuple):
    """One method: its name, arguments, what it is on the wire, and a good answer.

    ``answer`` is JSON, or bytes for what is none.
    """

    name: str
    arguments: dict[str, Any]
    method: str
    target: str
    answer: Any

    @property
    def is_paced(self) -> bool:
        return self.name.split(".")[0] in ("chat", "responses", "embeddings", "audio")

    @property
    def is_binary(self) -> bool:
        return isinstance(self.answer, bytes)

    def __str__(self) -> str:
        return self.name

    def of(self, client: Any, form: str = "") -> Callable[..., Any]:
        """The method; with ``form`` (``"with_raw_response"``, say) in that form."""
        *parts, last = self.name.split(".")
        for part in [*parts, *filter(None, [form])]:
            client = getattr(client, part)
        method: Callable[..., Any] = getattr(client, last)
        return method

    def call(self, client: Any, form: str = "", **more: Any) -> Any:
        return self.of(client, form)(**{**self.arguments, **more})

    def reply(self, **headers: str) -> Behaviour:
        """Answer well."""
        kind = "audio/wav" if self.is_binary else "application/json"
        return says(self.answer, **{"content_type": kind, **headers})


_AUDIO = {"model": "whisper", "file": ("a.wav", b"RIFF")}

WAYS = [
    Way(
        "chat.completions.create",
        {"model": "m", "messages": user()},
        "POST",
        "/chat/completions",
        CHAT,
    ),
    Way("responses.create", {"model": "m", "input": "Hi"}, "POST", "/responses", RESPONSE),
    Way("embeddings.create", {"model": "e", "input": "Hi"}, "POST", "/embeddings", EMBEDDINGS),
    Way("audio.transcriptions.create", _AUDIO, "POST", "/audio/transcriptions", HEARD),
    Way("audio.translations.create", _AUDIO, "POST", "/audio/translations", HEARD),
    Way(
        "audio.speech.create",
        {"model": "orpheus", "input": "Hi", "voice": "troy"},
        "POST",
        "/audio/speech",
        b"RIFF\x00\xff",
    ),
    Way("models.list", {}, "GET", "/models", {"object": "list", "data": [MODEL]}),
    Way("models.retrieve", {"model": SLASHED}, "GET", "/models/openai%2Fgpt-oss-20b", MODEL),
    Way("models.delete", {"model": SLASHED}, "DELETE", "/models/openai%2Fgpt-oss-20b", DELETED),
    Way(
        "files.create",
        {"file": ("a.jsonl", b"{}"), "purpose": "batch"},
        "POST",
        "/files",
        FILE,
    ),
    Way("files.list", {}, "GET", "/files", {"object": "list", "data": [FILE]}),
    Way("files.info", {"file_id": "file/1?"}, "GET", "/files/file%2F1%3F", FILE),
    Way("files.content", {"file_id": "file_1"}, "GET", "/files/file_1/content", b"\x00\xffabc"),
    Way("files.delete", {"file_id": "file_1"}, "DELETE", "/files/file_1", DELETED),
    Way(
        "batches.create",
        {
            "completion_window": "24h",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file_1",
        },
        "POST",
        "/batches",
        BATCH,
    ),
    Way("batches.retrieve", {"batch_id": "batch_1"}, "GET", "/batches/batch_1", BATCH),
    Way("batches.list", {}, "GET", "/batches", {"object": "list", "data": [BATCH]}),
    Way("batches.cancel", {"batch_id": "batch_1"}, "POST", "/batches/batch_1/cancel", BATCH),
]
BY_NAME = {way.name: way for way in WAYS}
JSON_WAYS = [way for way in WAYS if not way.is_binary]
BINARY_WAYS = [way for way in WAYS if way.is_binary]
PACED_WAYS = [way for way in WAYS if way.is_paced]
DIRECT_WAYS = [way for way in WAYS if not way.is_paced]
#: Methods with a value of the caller's in their path, and its name.
PATH_WAYS = [
    (way, name)
    for way in DIRECT_WAYS
    for name in ("model", "file_id", "batch_id")
    if name in way.arguments
]


class NotGiven:
    """A sentinel of somebody else's, as the official SDK has it."""


class Omit:
    """Another."""


#: Everything that stands for an argument that was left out.
FOREIGN = [NotGiven(), Omit()]


class Dumps:
    """An object of another library, with ``model_dump`` as pydantic has it."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.asked: dict[str, Any] = {}

    def model_dump(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return self.fields


class Takes:
    """A class with ``model_validate``, as pydantic has it."""

    def __init__(self, data: Any) -> None:
        self.data = data

    @classmethod
    def model_validate(cls, data: Any) -> Takes:
        return cls(data)


def quick(make_client: MakeClient, url: str, config: Any = None, **settings: Any) -> GroqClient:
    """A client whose retries take no time, and which shares no limits with others."""
    settings.setdefault("clock", FakeClock(chance=0.0))
    return make_client(url, config, **settings)


# --- what was sent -----------------------------------------------------------------------------


def body_of(heard: Heard) -> Any:
    """The JSON that was sent."""
    return json.loads(heard.body)


def path_of(heard: Heard) -> str:
    return heard.target.partition("?")[0].removeprefix("/openai/v1")


def query_of(heard: Heard) -> list[tuple[str, str]]:
    """The fields of the query, in the order in which they were sent."""
    return parse_qsl(urlsplit(heard.target).query, keep_blank_values=True)


class Part(NamedTuple):
    """A part of a form."""

    name: str
    content: bytes
    filename: str | None
    headers: dict[str, str]


def parts_of(heard: Heard) -> list[Part]:
    """The parts of a form, as the standard library reads them."""
    assert heard.headers["content-type"].startswith("multipart/form-data; boundary=")
    return parse_form(heard.headers["content-type"], heard.body)


def parse_form(content_type: str, body: bytes) -> list[Part]:
    message = BytesParser().parsebytes(
        b"content-type: %s\r\n\r\n%s" % (content_type.encode(), body)
    )
    return [_part(part) for part in message.get_payload()]  # type: ignore[union-attr]


def _part(part: Message) -> Part:
    name = part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    assert isinstance(name, str)
    assert isinstance(content, bytes)
    headers = {key.lower(): value for key, value in part.items()}
    return Part(name, content, part.get_filename(), headers)


def fields_of(heard: Heard) -> list[tuple[str, str]]:
    """The fields of a form that are no files."""
    parts = parts_of(heard)
    return [(part.name, part.content.decode()) for part in parts if part.filename is None]


def said_key(text: object) -> bool:
    """Whether something has a key in it."""
    return bool(re.search(r"T9x2", f"{text!r} {text}"))


# --- what is answered --------------------------------------------------------------------------


def wav(seconds: float = 1.0, rate: int = 8_000) -> bytes:
    """Silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(rate)
        writer.writeframes(b"\x80" * round(seconds * rate))
    return file.getvalue()


def chat_stream(*texts: str) -> Behaviour:
    """Stream a whole answer."""
    return streams(frames(*(texts or ("One ", "two"))), ending())


def chunked(*pieces: bytes | threading.Event, **headers: str) -> Behaviour:
    """Answer with these bytes in chunks; an event holds back what follows it until it is set."""

    def behave(connection: Any, request: Heard) -> bool:
        lines = {"transfer-encoding": "chunked"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        for piece in pieces:
            if isinstance(piece, threading.Event):
                piece.wait(10)
            else:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        return True

    return behave


def only(server: RawServer) -> Heard:
    """The one request that has arrived."""
    (heard,) = server.heard
    return heard


# --- answers in other forms -------------------------------------------------------------------

RAW, LAZY = "with_raw_response", "with_streaming_response"


def classes(way: Way) -> tuple[type[APIResponse[Any]], type[APIResponse[Any]]]:
    """Return what a way's answers are with their HTTP around them: whole, and read when asked."""
    if way.is_binary:
        return BinaryAPIResponse, StreamedBinaryAPIResponse
    return APIResponse, StreamedAPIResponse


def same(way: Way, parsed: Any) -> bool:
    """Whether what was parsed is what the service answers."""
    return bool(parsed == way.answer)
