"""A question to the simulated service on a bare socket."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from test_simulator_http import CHAT, payload

from customgroqchat.testing import SimulatedGroq

# What one plain question costs: 72 of the prompt, and 8 of the answer.
QUESTION = payload("Hi", max_completion_tokens=8)
COST = 80


class Line:
    """A connection on which a question was asked."""

    def __init__(self, groq: SimulatedGroq, body: dict[str, Any]) -> None:
        address = urlsplit(groq.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        content = json.dumps(body).encode()
        self.socket.sendall(
            b"POST %b HTTP/1.1\r\nauthorization: Bearer any\r\ncontent-length: %d\r\n\r\n%b"
            % (CHAT.encode(), len(content), content)
        )

    def rest(self) -> bytes:
        """Everything until the service closes; raises ConnectionResetError for a reset."""
        return b"".join(iter(lambda: self.socket.recv(65_536), b""))

    def leave(self) -> None:
        """Say that nothing will follow, and read to the end, whatever it is."""
        with contextlib.suppress(OSError):  # the service may have been quicker
            self.socket.shutdown(socket.SHUT_WR)
            self.rest()

    def until(self, number: int) -> bytes:
        """The first so many bytes."""
        got = b""
        while len(got) < number:
            piece = self.socket.recv(number - len(got))
            assert piece, f"closed after {got!r}"
            got += piece
        return got

    def until_reset(self) -> bytes:
        """Everything until the service resets the connection."""
        got = b""
        try:
            while piece := self.socket.recv(65_536):
                got += piece
        except ConnectionResetError:
            return got
        raise AssertionError(f"an end, and no reset, after {got!r}")


@contextlib.contextmanager
def asked(groq: SimulatedGroq, **more: Any) -> Iterator[Line]:
    line = Line(groq, QUESTION | more)
    with line.socket:
        yield line


def split(raw: bytes) -> tuple[dict[str, str], bytes]:
    """The headers and what follows them, of an answer that has the status 200."""
    top, blank, body = raw.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    assert (status, blank) == ("HTTP/1.1 200 OK", b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in lines), body
