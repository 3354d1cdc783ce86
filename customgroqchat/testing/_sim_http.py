"""A small HTTP/1.1 server on plain sockets: one thread a connection, keep-alive, chunks."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from io import BufferedReader

# Bursts of clients connect faster than threads start.
_BACKLOG = 1024
_LONGEST_LINE = 65_536
# The input file of a batch may have 200 MB.
_LARGEST_BODY = 256 * 1024 * 1024
_STOP_PATIENCE_S = 2.0
_CLOSE_BY_RESET = struct.pack("ii", 1, 0)


@dataclass
class Request:
    """One request; the names of ``headers`` are lower-case, ``path`` and ``query`` as sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    query: str = ""


@dataclass
class Reply:
    """One answer: ``chunks`` make it a chunked stream.

    ``raw`` is sent as it is, in place of all the rest, and the connection is closed after it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: Iterable[bytes] | None = None
    raw: Iterable[bytes] | None = None


class BadRequestError(Exception):
    """What arrived is not HTTP as we know it."""


class Reset(ConnectionError):
    """Break the connection: the client gets a reset, and not an end."""


class Hang(ConnectionError):
    """Say no more; close when the client has left or the server stops."""


class HttpServer:
    """Listens from construction until :meth:`stop`, and answers with ``handler``.

    ``handler`` runs in the connection's thread. A ConnectionError from it, or from the chunks of
    its reply, closes that connection without a word; see also :class:`Reset` and :class:`Hang`.
    """

    def __init__(self, host: str, port: int, handler: Callable[[Request], Reply]) -> None:
        """Bind and listen; raises OSError when the port is taken."""
        self._handler = handler
        self._changed = threading.Condition()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._stopped = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, name="simulator", daemon=True)
        self._acceptor.start()

    @property
    def open_connections(self) -> int:
        """Connections that clients hold at present."""
        with self._changed:
            return len(self._connections)

    def wait_for_connections(self, number: int, timeout_s: float) -> bool:
        """Block until ``number`` connections are open; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._connections) == number, timeout_s)

    def stop(self) -> None:
        """Close the listener and all connections; waits for their threads, two seconds at most."""
        with self._changed:
            self._stopped = True
            connections = dict(self._connections)
        self._wake_writer.send(b"x")
        for connection in connections:
            _shut(connection)
        for thread in (self._acceptor, *connections.values()):
            if thread is not threading.current_thread():
                thread.join(_STOP_PATIENCE_S / (len(connections) + 1))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener, self._wake_reader:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while self._wake_reader not in (key.fileobj for key, _ in selector.select()):
                with contextlib.suppress(OSError):
                    self._open(self._listener.accept()[0])
        self._wake_writer.close()

    def _open(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        with self._changed:
            if self._stopped:
                connection.close()
                return
            self._connections[connection] = thread
            self._changed.notify_all()
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # ValueError: the file was closed under our feet by stop().
        try:
            with contextlib.suppress(OSError, ValueError), connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection.makefile("rb") as reader:
                    while self._serve_one(connection, reader):
                        pass
        finally:
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()

    def _serve_one(self, connection: socket.socket, reader: BufferedReader) -> bool:
        try:
            request = read_request(reader, connection.sendall)
        except BadRequestError as error:
            write_reply(connection, Reply(400, body=str(error).encode()), keep_alive=False)
            return False
        if request is None:
            return False
        try:
            reply = self._handler(request)
            keep_alive = request.keep_alive and reply.raw is None
            write_reply(connection, reply, keep_alive)
        except Hang:
            _wait_until_left(connection)
            return False
        except Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RESET)
            return False
        return keep_alive


def _wait_until_left(connection: socket.socket) -> None:
    while connection.recv(_LONGEST_LINE):
        pass


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def read_request(reader: BufferedReader, send: Callable[[bytes], object]) -> Request | None:
    """The next request, or None at the end of the connection; raises BadRequestError."""
    line = _read_line(reader)
    while line == "":
        line = _read_line(reader)
    if line is None:
        return None
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError("malformed request line")
    headers = _read_headers(reader)
    if headers.get("expect", "").lower() == "100-continue":
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(reader, headers)
    keep_alive = _keeps_alive(words[2], headers)
    path, _, query = words[1].partition("?")
    return Request(words[0], path, headers, body, keep_alive, query)


def _read_line(reader: BufferedReader) -> str | None:
    line = reader.readline(_LONGEST_LINE)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise BadRequestError("line too long or cut off")
    return line.rstrip(b"\r\n").decode("latin-1")


def _read_headers(reader: BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := _read_line(reader):
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError("malformed header")
        headers[name.lower()] = value.strip()
    return headers


def _keeps_alive(version: str, headers: Mapping[str, str]) -> bool:
    connection = headers.get("connection", "").lower()
    return connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"


def _read_body(reader: BufferedReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunked(reader)
    return _read_exactly(reader, _size(headers.get("content-length", "0"), 10))


def _read_chunked(reader: BufferedReader) -> bytes:
    parts: list[bytes] = []
    while size := _size((_read_line(reader) or "").partition(";")[0], 16):
        parts.append(_read_exactly(reader, size))
        _read_line(reader)
    _read_headers(reader)
    return b"".join(parts)


def _size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        raise BadRequestError("malformed length") from None
    if not 0 <= size <= _LARGEST_BODY:
        raise BadRequestError("body too large")
    return size


def _read_exactly(reader: BufferedReader, size: int) -> bytes:
    body = reader.read(size) if size else b""
    if len(body) < size:
        raise ConnectionAbortedError("the client left in the middle of its request")
    return body


def write_reply(connection: socket.socket, reply: Reply, keep_alive: bool) -> None:
    """Send ``reply``; a stream goes out chunk by chunk as its iterable gives them."""
    if reply.raw is not None:
        for piece in reply.raw:
            connection.sendall(piece)
    elif reply.chunks is not None:
        _write_chunks(connection, reply, reply.chunks, keep_alive)
    else:
        length = {"content-length": str(len(reply.body))}
        connection.sendall(head(reply, length, keep_alive) + reply.body)


def _write_chunks(
    connection: socket.socket, reply: Reply, chunks: Iterable[bytes], keep_alive: bool
) -> None:
    with _closing(chunks):
        connection.sendall(head(reply, {"transfer-encoding": "chunked"}, keep_alive))
        # An empty chunk would end the stream.
        for chunk in filter(None, chunks):
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")


def joined(reply: Reply) -> bytes:
    """The whole content of a reply; a stream is run to its end."""
    if reply.chunks is None:
        return reply.body
    with _closing(reply.chunks):
        return b"".join(reply.chunks)


@contextlib.contextmanager
def _closing(chunks: Iterable[bytes]) -> Iterator[None]:
    """Tell a generator at once when its client is gone."""
    try:
        yield
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def head(reply: Reply, framing: Mapping[str, str], keep_alive: bool) -> bytes:
    """The status line and the headers; ``framing`` are those that tell where the body ends."""
    headers = {
        "date": formatdate(usegmt=True),
        **{name.lower(): value for name, value in reply.headers.items()},
        **framing,
        "connection": "keep-alive" if keep_alive else "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} {_reason(reply.status)}\r\n{lines}\r\n".encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
