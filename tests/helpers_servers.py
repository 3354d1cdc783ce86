"""Servers that misbehave on purpose, a certificate, and small tools around threads.

Where the simulated service is too well-behaved: it always answers with whole HTTP. These read a
request and then do whatever a test says.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pytest

from customgroqchat import ClientClosedException
from customgroqchat._clock import Clock
from customgroqchat.testing import SimulatedGroq

KEY = "gsk_" + "T9x2" * 13


class Heard(NamedTuple):
    """A request as it arrived; header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


#: Answers a request on its connection; returns whether to read another one from it.
Behaviour = Callable[[socket.socket, Heard], bool]


class RawServer:
    """Answers each request by the next behaviour of its script; the last one stays.

    Every request is noted before it is answered. Use it in a ``with`` statement.
    """

    def __init__(self, *script: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self.connections = 0
        self._ended = 0
        self._script = list(script)
        self._tls = tls
        self._changed = threading.Condition()
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                owner._serve(self.request)

        self._server = _Listener(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def wait_for(self, requests: int) -> None:
        """Block until so many requests have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heard) >= requests, 10)

    def wait_for_ends(self, connections: int) -> None:
        """Block until so many connections have been closed from this side."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended >= connections, 10)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._changed:
                self.connections += 1
            with connection, connection.makefile("rb") as reader:
                while (request := _read(reader)) and self._behaviour(request)(connection, request):
                    pass
        except OSError:
            pass  # the client left, as some tests want it to
        with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def _behaviour(self, request: Heard) -> Behaviour:
        with self._changed:
            self.heard.append(request)
            self._changed.notify_all()
            return self._script.pop(0) if len(self._script) > 1 else self._script[0]


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256


def _read(reader: Any) -> Heard | None:
    words = reader.readline().decode("latin-1").split(" ")
    if len(words) != 3:
        return None
    headers = {}
    while line := reader.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Heard(words[0], words[1], headers, reader.read(int(headers.get("content-length", "0"))))


# --- behaviours ------------------------------------------------------------------------------


def response(body: bytes = b"{}", status: int = 200, **headers: str) -> bytes:
    """A whole answer; ``content_length="9"`` makes it lie about its length."""
    lines = {"content-length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + body


def says(body: bytes | Any = b"{}", status: int = 200, **headers: str) -> Behaviour:
    """Answer with a whole response and keep the connection."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sends(response(content, status, **headers), keep=True)


def sends(data: bytes, *, keep: bool = False) -> Behaviour:
    """Send exactly these bytes; then close, or keep the connection."""

    def behave(connection: socket.socket, request: Heard) -> bool:
        connection.sendall(data)
        return keep

    return behave


def sends_and_hangs(data: bytes, left: threading.Event) -> Behaviour:
    """Send these bytes, and nothing more; ``left`` is set when the client leaves."""

    def behave(connection: socket.socket, request: Heard) -> bool:
        connection.sendall(data)
        try:
            connection.recv(1)
        finally:
            left.set()
        return False

    return behave


def hangs(left: threading.Event | None = None) -> Behaviour:
    """Never answer."""
    return sends_and_hangs(b"", left or threading.Event())


def resets(connection: socket.socket, request: Heard) -> bool:
    """Break the connection: the client gets a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def closes(connection: socket.socket, request: Heard) -> bool:
    """Close without a word."""
    return False


def echoes(status: int, *, as_json: bool = False, in_headers: bool = False) -> Behaviour:
    """Answer with all that was sent, as careless proxies and debugging endpoints do."""

    def behave(connection: socket.socket, request: Heard) -> bool:
        seen = request.headers["authorization"]
        body = json.dumps([seen, request.headers]) if as_json else f"<pre>You sent {seen}</pre>"
        headers = {"x_echo": seen, "location": f"/?k={seen}"} if in_headers else {}
        connection.sendall(response(body.encode(), status, **headers))
        return False

    return behave


# --- TLS -------------------------------------------------------------------------------------


class Certificate(NamedTuple):
    """A certificate for 127.0.0.1 that nobody trusts, and a server's context with it."""

    path: Path
    server: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    """Have the ``openssl`` program make a certificate; the test is skipped without it."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not installed")
    path, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), *subject.split(), "-keyout", str(key), "-out", str(path)],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path, key)
    return Certificate(path, server)


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# --- time and threads ------------------------------------------------------------------------


class ImpatientClock(Clock):
    """Virtual time in which every wait is over at once; ``waits`` tells how long each was."""

    def __init__(self, chance: float = 0.5) -> None:
        self.chance = chance
        self.waits: list[float] = []
        self._now_s = 1_000_000.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._now_s

    def wall(self) -> float:
        return self._now_s

    def random(self) -> float:
        return self.chance

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        assert timeout_s is not None
        with self._lock:
            self.waits.append(timeout_s)
            self._now_s += timeout_s


def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """Call it in a daemon thread of its own; the future tells how it ended."""
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def in_threads(number: int, function: Callable[[int], Any]) -> list[Any]:
    """Call it with 0, 1, ... in as many threads, which all start at the same moment."""
    barrier = threading.Barrier(number)

    def call(index: int) -> Any:
        barrier.wait(10)
        return function(index)

    return [future.result(60) for future in [in_thread(call, index) for index in range(number)]]


def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Let the other threads go on until a condition holds that nothing announces."""
    end_s = time.monotonic() + timeout_s
    nothing = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, "it never came to that"
        nothing.wait(0.001)  # a loop without a pause keeps the interpreter's lock from the others


def wait_until_asleep(process: int) -> None:
    """Block until the main thread of a process waits for something, where that can be known.

    CPython loses a signal that comes in the instant in which the main thread falls asleep on a
    lock. No finger is so quick, but a test is.
    """
    stat, seen = Path(f"/proc/{process}/stat"), [False]

    def sleeps() -> bool:
        seen.append(not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "S")
        return all(seen[-50:])

    until(sleeps)


def assert_closed(outcome: Future[Any]) -> None:
    """See a call end because its client was closed."""
    with pytest.raises(ClientClosedException) as caught:
        outcome.result(10)
    assert "on its way" in str(caught.value)


# --- requests --------------------------------------------------------------------------------


def user(text: str = "Hello") -> list[dict[str, str]]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def said(payload: Mapping[str, Any] | None) -> str:
    """What the last message of a payload says."""
    assert payload is not None
    return str(payload["messages"][-1]["content"])


def texts(simulator: SimulatedGroq) -> list[str]:
    """What was said to a service, in the order of arrival."""
    return [said(record.payload) for record in simulator.requests]
