"""The simulated service over real sockets on the loopback interface."""

from __future__ import annotations

import ast
import contextlib
import http.client
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import customgroqchat.testing as shipped
from customgroqchat.testing import LIVE_MODELS, SimulatedGroq

pytest_plugins = ["customgroqchat.testing.fixtures"]

MODEL = "openai/gpt-oss-20b"
CHAT = "/openai/v1/chat/completions"
Simulate = Callable[..., SimulatedGroq]


class Time:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Answered:
    """A whole response: status, lower-case headers, body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.body = response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[str]:
        return self.body.decode().removesuffix("\n\n").split("\n\n")

    @property
    def chunks(self) -> list[Any]:
        data = [event.removeprefix("data: ") for event in self.events]
        return [json.loads(text) for text in data if text != "[DONE]"]


def connect(simulator: SimulatedGroq) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)


def send(
    simulator: SimulatedGroq,
    method: str,
    path: str,
    body: bytes | None = None,
    key: str | None = "any",
    connection: http.client.HTTPConnection | None = None,
) -> Answered:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with contextlib.ExitStack() as stack:
        if connection is None:
            connection = stack.enter_context(contextlib.closing(connect(simulator)))
        connection.request(method, path, body, headers)
        return Answered(connection.getresponse())


def payload(text: str = "Hello there", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def chat(
    simulator: SimulatedGroq,
    body: dict[str, Any] | None = None,
    key: str | None = "any",
    connection: http.client.HTTPConnection | None = None,
    **more: Any,
) -> Answered:
    content = json.dumps((body or payload()) | more).encode()
    return send(simulator, "POST", CHAT, content, key, connection)


@contextlib.contextmanager
def in_background(*tasks: Callable[[], object]) -> Iterator[list[object]]:
    """Run tasks in threads and join them at the end; gives their results or errors."""
    results: list[object] = []

    def run(task: Callable[[], object]) -> None:
        try:
            results.append(task())
        except (OSError, http.client.HTTPException) as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    yield results
    for thread in threads:
        thread.join(10)


# --------------------------------------------------------------------------- models


def test_models_are_listed(groq_simulator: SimulatedGroq) -> None:
    listed = send(groq_simulator, "GET", "/openai/v1/models?unused=1").json["data"]
    assert [model["id"] for model in listed] == list(LIVE_MODELS)
    assert all(model["active"] and model["context_window"] for model in listed)


@pytest.mark.parametrize("name", ["openai/gpt-oss-20b", "openai%2Fgpt-oss-20b"])
def test_one_model(groq_simulator: SimulatedGroq, name: str) -> None:
    model = send(groq_simulator, "GET", f"/openai/v1/models/{name}").json
    assert (model["id"], model["object"]) == (MODEL, "model")
    assert (model["context_window"], model["max_completion_tokens"]) == (131_072, 65_536)


def test_unknown_model(groq_simulator: SimulatedGroq) -> None:
    refused = send(groq_simulator, "GET", "/openai/v1/models/nope")
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")


# ----------------------------------------------------------------------------- life


def test_stop_is_immediate_even_with_answers_under_way(
    groq_simulator_factory: Simulate, capfd: pytest.CaptureFixture[str]
) -> None:
    simulator = groq_simulator_factory(latency_s=3600.0)
    with in_background(*[lambda: chat(simulator).status] * 4) as results:
        assert simulator.wait_for_requests(4)
        simulator.stop()
    assert len(results) == 4
    assert all(isinstance(result, (OSError, http.client.HTTPException)) for result in results)
    assert simulator.open_connections == 0
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url


def test_stop_drops_what_is_held(groq_simulator: SimulatedGroq) -> None:
    gate = groq_simulator.hold()
    with in_background(lambda: chat(groq_simulator).status) as results:
        assert gate.wait_until_held(1)
        groq_simulator.stop()
    assert isinstance(results[0], OSError | http.client.HTTPException)
    assert groq_simulator.count(200) == 0


def test_server_can_be_started_again(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.stop()
    groq_simulator.stop()
    assert groq_simulator.start() is groq_simulator.start()
    assert chat(groq_simulator).status == 200


def test_port_that_is_taken(groq_simulator: SimulatedGroq) -> None:
    port = urlsplit(groq_simulator.url).port
    assert port is not None
    with pytest.raises(OSError, match="ddress"), SimulatedGroq(port=port):
        pass


def test_reset_forgets_everything(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 1})
    chat(simulator)
    simulator.fail_next(500)
    simulator.reset()
    assert (simulator.requests, simulator.count(), simulator.count(200)) == ([], 0, 0)
    assert chat(simulator).status == 200


def test_requests_are_recorded(groq_simulator_factory: Simulate) -> None:
    time = Time()
    simulator = groq_simulator_factory(clock=time, record_limit=2)
    for text in ("one", "two", "three"):
        time.now += 1
        chat(simulator, payload(text, max_tokens=9))
    first, last = simulator.requests
    assert (first.time_s, last.time_s) == (102.0, 103.0)
    assert last.payload == payload("three", max_tokens=9)
    assert (last.status, last.key, last.model, last.path) == (200, "any", MODEL, CHAT)
    assert last.charge["TPM"] == 72 + 9
    assert (last.prompt_tokens, last.completion_tokens) == (72, 9)
    assert simulator.count() == 3
    chat(simulator, key="gsk_secret")
    assert "gsk_secret" not in repr(simulator.requests)


def test_identifiers_are_repeatable_and_follow_the_clock(groq_simulator_factory: Simulate) -> None:
    time = Time()
    simulator = groq_simulator_factory(clock=time, rng=random.Random(1))
    ids = []
    for _ in range(2):
        ids.append(chat(simulator).headers["x-request-id"])
        time.now += 3600
    milliseconds = [_decoded_milliseconds(name) for name in ids]
    assert abs(milliseconds[1] - milliseconds[0] - 3_600_000) <= 1


def _decoded_milliseconds(identifier: str) -> int:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for character in identifier.removeprefix("req_")[:10]:
        number = number * 32 + digits.index(character)
    return number


# ----------------------------------------------------------------------------- HTTP


def test_connections_are_kept_alive(groq_simulator: SimulatedGroq) -> None:
    with contextlib.closing(connect(groq_simulator)) as connection:
        for stream in (False, True, False):
            assert chat(groq_simulator, stream=stream, connection=connection).status == 200
        refused = send(groq_simulator, "POST", CHAT, b"{", connection=connection)
        assert refused.status == 400
        assert groq_simulator.open_connections == 1
    assert groq_simulator.wait_for_connections(0)


def exchange(simulator: SimulatedGroq, sent: bytes) -> bytes:
    """Everything the simulator says to raw bytes until it closes."""
    host, _, port = urlsplit(simulator.url).netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            return reader.read()


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
     b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n", b"GET /" + b"x" * (65_536 - 5)],
)  # fmt: skip
def test_malformed_requests_get_a_400(groq_simulator: SimulatedGroq, sent: bytes) -> None:
    assert exchange(groq_simulator, sent).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_unfinished_requests_are_dropped_quietly(
    groq_simulator: SimulatedGroq, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exchange(groq_simulator, b"") == b""
    assert exchange(groq_simulator, b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc") == b""
    assert capfd.readouterr().err == ""


def test_chunked_bodies_pipelines_and_expectations(groq_simulator: SimulatedGroq) -> None:
    body = json.dumps(payload()).encode()
    head = b"POST %s HTTP/1.1\r\nauthorization: Bearer k\r\n" % CHAT.encode()
    half = len(body) // 2
    parts = b"".join(b"%X;x=y\r\n%b\r\n" % (len(p), p) for p in (body[:half], body[half:]))
    chunked = head + b"transfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
    sized = head + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    last = b"GET /openai/v1/models HTTP/1.0\r\nauthorization: bearer k\r\n\r\n"
    answers = exchange(groq_simulator, chunked + sized + last + sized)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answers.count(b"HTTP/1.1 100 Continue\r\n") == 1
    assert [record.payload for record in groq_simulator.requests[:2]] == [payload()] * 2


def test_many_connections_at_once(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 10_000})
    with simulator.hold() as gate, in_background(*[lambda: chat(simulator).status] * 128) as all_:
        assert gate.wait_until_held(128)
        assert simulator.open_connections == 128
        gate.release()
    assert all_ == [200] * 128


def test_requests_library_gets_along(groq_simulator: SimulatedGroq) -> None:
    requests = pytest.importorskip("requests")
    url, headers = groq_simulator.url + CHAT, {"Authorization": "Bearer k"}
    with requests.Session() as session:
        session.trust_env = False
        with session.post(url, json=payload(stream=True), headers=headers, stream=True) as streamed:
            lines = [line for line in streamed.iter_lines() if line]
        assert (len(lines), lines[-1]) == (32 + 3, b"data: [DONE]")
        assert session.post(url, json=payload(), headers=headers).json()["model"] == MODEL
        assert groq_simulator.open_connections == 1


# ---------------------------------------------------------------------- independence


def test_simulator_imports_the_standard_library_and_itself_only() -> None:
    import sys

    folder = Path(shipped.__file__).parent
    for path in [*folder.glob("_sim_*.py"), folder / "simulator.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
                assert set(names) <= sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert str(node.module).partition(".")[0] in sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom):
                assert (node.level, str(node.module)[:5]) == (1, "_sim_")


def test_unknown_attribute_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = shipped.Nothing


def test_fake_clock_is_offered_too() -> None:
    from customgroqchat.testing.clock import FakeClock

    assert shipped.FakeClock is FakeClock
