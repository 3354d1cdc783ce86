"""What the tests of failures have in common: answers, streams, scripts, and driven time.

The numbers in the names of those tests are those of the failures that they guard against; each
shows a trouble that users of other clients had, and that this one must not have.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers_servers import KEY, Behaviour, Heard, response, until, user

from customgroqchat import GroqClient, GroqError
from customgroqchat.testing import FakeClock, SimulatedGroq

if TYPE_CHECKING:
    from customgroqchat import Stream

ROOT = Path(__file__).parents[1]
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]

#: How much later than its deadline a call may end on a machine that has other things to do.
LATE_S = 0.4
#: Seconds after which a test is taken to hang.
LONGEST_TEST_S = 40.0


@pytest.fixture(autouse=True)
def _no_hanging() -> Iterator[None]:
    """Fail a test that does not end, and show where its threads stand.

    Most failures that are told of here are waits without end, if they come back.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def give_up(number: int, frame: object) -> None:
        faulthandler.dump_traceback()
        raise TimeoutError(f"the test did not end in {LONGEST_TEST_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_TEST_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


# --- answers ---------------------------------------------------------------------------------


def completion(text: str = "Hello!", prompt: int = 70, spoken: int = 5) -> dict[str, Any]:
    """A chat completion as the service writes it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage(prompt, spoken),
        "x_groq": {"id": "req_1"},
    }


def usage(prompt: int = 70, spoken: int = 5) -> dict[str, int]:
    """What a request took."""
    return {"prompt_tokens": prompt, "completion_tokens": spoken, "total_tokens": prompt + spoken}


def whole(text: str = "Hello!") -> bytes:
    """A whole HTTP answer with a chat completion in it."""
    return response(json.dumps(completion(text)).encode())


def cut(data: bytes, missing: int = 40) -> bytes:
    """The same without its end."""
    return data[:-missing]


def refusal(message: str, code: str = "rate_limit_exceeded", kind: str = "tokens") -> Any:
    """The service's envelope of an error."""
    return {"error": {"message": message, "type": kind, "code": code}}


# --- streams ---------------------------------------------------------------------------------

DONE = b"data: [DONE]\n\n"


def chunk(content: str | None = None, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    """A chunk of a chat stream."""
    delta = {} if content is None else {"content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **extra,
    }


def frame(data: Any, event: str = "") -> bytes:
    """A server-sent event; text beyond ASCII goes out as it is."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def frames(*contents: str) -> list[bytes]:
    """A frame for each content."""
    return [frame(chunk(content)) for content in contents]


def ending(**extra: Any) -> list[bytes]:
    """The frames of a good end."""
    return [frame(chunk(finish="stop", usage=usage(), **extra)), DONE]


def contents(chunks: Iterable[Any]) -> list[str]:
    """What chunks say, without those that say nothing."""
    said = [part.choices[0].delta.content for part in chunks if part.choices]
    return [text for text in said if text]


_SSE_HEADERS = {"content-type": "text/event-stream"}


def stream_head(headers: Mapping[str, str] | None = None, *, chunked: bool = True) -> bytes:
    """Status line and headers of a stream."""
    lines = {**_SSE_HEADERS, **(headers or {})}
    lines["transfer-encoding" if chunked else "connection"] = "chunked" if chunked else "close"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode("latin-1")


def in_chunk(data: bytes) -> bytes:
    """A piece in chunked transfer coding; an empty one is the end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


#: A piece of a stream: bytes to send, or something to wait for before the next one.
Piece = bytes | threading.Event


def streams(
    *pieces: Piece | list[bytes], whole: bool = True, chunked: bool = True, reset: bool = False
) -> Behaviour:
    """Answer with a stream, each piece in a chunk of its own.

    Args:
        *pieces: What to send; an event holds back what follows it until it is set.
        whole: End as HTTP demands and keep the connection; else cut it.
        chunked: In chunked transfer coding; else the end of the connection is the end.
        reset: Cut it with a reset.
    """
    flat = [one for piece in pieces for one in (piece if isinstance(piece, list) else [piece])]

    def behave(connection: socket.socket, request: Heard) -> bool:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(stream_head(chunked=chunked))
        for piece in flat:
            if isinstance(piece, threading.Event):
                piece.wait(10)
            else:
                connection.sendall(in_chunk(piece) if chunked else piece)
        if reset:
            return _reset(connection)
        if whole and chunked:
            connection.sendall(in_chunk(b""))
        return whole and chunked

    return behave


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()
    return False


def drips(data: bytes, pause_s: float = 0.05, at_once: int = 0) -> Behaviour:
    """Send the first ``at_once`` bytes, and then one at a time."""

    def behave(connection: socket.socket, request: Heard) -> bool:
        nothing = threading.Event()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(data[:at_once])
        for byte in data[at_once:]:
            connection.sendall(bytes([byte]))
            nothing.wait(pause_s)
        return False

    return behave


def floods(head: bytes, piece: bytes, sent: list[int]) -> Behaviour:
    """Send a head and then the same piece until the client leaves; ``sent`` counts the pieces."""

    def behave(connection: socket.socket, request: Heard) -> bool:
        connection.sendall(head)
        for _ in range(10_000):
            connection.sendall(piece)
            sent.append(len(piece))
        return False

    return behave


def fault(status: int | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """A frame's error, with the status that it names, if any."""
    named = {} if status is None else {"status_code": status}
    return {"error": {"message": "It went wrong", "type": kind, "code": "some_code", **named}}


def open_stream(client: GroqClient, **options: Any) -> Stream[Any]:
    """Open a stream of the model ``m``."""
    stream: Stream[Any] = client.chat_completion("m", user(), stream=True, **options)
    return stream


def read(stream: Stream[Any]) -> tuple[list[str], GroqError | None]:
    """Read a stream to its end; return what was said, and the error that ended it, if any."""
    said: list[str] = []
    try:
        for part in stream:
            said += contents([part])
    except GroqError as error:
        return said, error
    return said, None


# --- time ------------------------------------------------------------------------------------


class Stopwatch:
    """Real seconds since the last start."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began_s


class WallClock(FakeClock):
    """Virtual time whose wall clock can be set, as NTP or an administrator does."""

    wall_offset_s = 1_790_000_000.0

    def wall(self) -> float:
        return self.monotonic() + self.wall_offset_s


def at_rest(client: GroqClient) -> bool:
    """Whether nothing is on its way."""
    return not client.get_queue_status()["in_flight"]


def drive(
    clock: FakeClock,
    client: GroqClient,
    done: Callable[[], object],
    step_s: float = 0.1,
    longest_s: float = 600.0,
) -> None:
    """Move time on in steps while nothing is on its way, until something has come about."""
    end_s = clock.monotonic() + longest_s
    while not done():
        assert clock.monotonic() < end_s, f"it did not come about in {longest_s} s of virtual time"
        until(lambda: done() or at_rest(client))
        clock.advance(step_s)
        threading.Event().wait(0.0005)  # those who woke up shall have their turn


def remaining(client: GroqClient, dimension: str, model: str = "m") -> int:
    """What is left of a limit, by the client's books."""
    return int(client.check_model_limits(model)["limits"][dimension]["remaining"])


# --- scripts ---------------------------------------------------------------------------------

PREAMBLE = """
import gc, os, signal, sys, threading, time
from customgroqchat import *
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored

def hello(text="Hello"):
    return [{"role": "user", "content": text}]

def say(text):
    print(text, flush=True)

url = sys.argv[1]
"""

FORKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, in newer Pythons

def in_child(function):
    '''Call it in a forked child; return the child's exit code.'''
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)  # a deadlock ends here
        code = 1
        try:
            function()
            code = 0
        except BaseException as error:
            print("child:", repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@contextmanager
def running(
    script: str,
    *arguments: str,
    first: str = "",
    warnings: str = "error",
    python: str = sys.executable,
    longest_s: float = 25.0,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a process of its own, which is killed if it does not end by itself.

    Args:
        script: What to run after the preamble; its first argument is an address.
        *arguments: The script's arguments.
        first: What to run before everything else.
        warnings: What Python shall do about warnings.
        python: The interpreter.
        longest_s: Seconds after which it is killed.
        environ: Further variables of its environment.
    """
    code = textwrap.dedent(first) + PREAMBLE + textwrap.dedent(script)
    command = [python, "-W", warnings, "-c", code, *arguments]
    variables = {**os.environ, "GROQ_API_KEY": KEY, "PYTHONPATH": str(ROOT), **(environ or {})}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=variables
    ) as process:
        watchdog = threading.Timer(longest_s, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            process.kill()
            watchdog.cancel()


def output(script: str, *arguments: str, **options: Any) -> str:
    """Run a script to its end, which has to be a good and silent one; return what it printed."""
    with running(script, *arguments, **options) as process:
        printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert errors == "", errors
    return printed
