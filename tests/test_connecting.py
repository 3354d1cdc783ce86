"""Opening connections: bounded in time, address by address, and given up at any moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_api import MODELS, MakeAPI, no_connection
from helpers_servers import RawServer, in_thread, says, unused_port
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from customgroqchat import APITimeoutError, _connecting
from customgroqchat._connecting import connect
from customgroqchat._line import Line, LineCut
from customgroqchat.api_client import APIRequest
from customgroqchat.exceptions import RequestCancelledException
from customgroqchat.testing import FakeClock

NAME = "some.name.invalid"


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line(FakeClock())
    yield line
    line.leave()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def address(port: int, host: str = "127.0.0.1") -> tuple[Any, ...]:
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)


Resolve = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Resolve], list[str]]:
    """Have a name resolved by a function; the list has the names of the threads that asked."""
    numbers_only, threads = socket.getaddrinfo, []

    def use(resolve: Resolve) -> list[str]:
        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host != NAME or kwargs.get("flags") == socket.AI_NUMERICHOST:
                return numbers_only(host, *args, **kwargs)
            threads.append(threading.current_thread().name)
            return resolve()

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return threads

    return use


class MuteResolver:
    """Answers when it is told to."""

    def __init__(self, found: list[tuple[Any, ...]]) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        self._found = found

    def __call__(self) -> list[tuple[Any, ...]]:
        self.asked.set()
        assert self.go_on.wait(10)
        return self._found


@pytest.fixture
def mute(listener: socket.socket) -> Iterator[MuteResolver]:
    resolver = MuteResolver([address(port_of(listener))])
    yield resolver
    resolver.go_on.set()


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "[127.0.0.1]"])
def test_an_address_needs_no_resolver(
    host: str, line: Line, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connecting, "_on_its_own_thread", None)
    with connect(HTTPConnection(host, port_of(listener)), host, line) as sock:
        assert sock.getpeername() == listener.getsockname()
    assert line.phase == "connecting"


def test_a_name_is_resolved_on_a_thread_of_its_own(
    line: Line, listener: socket.socket, resolving: Callable[[Resolve], list[str]]
) -> None:
    asked = resolving(lambda: [address(port_of(listener))])
    with connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line) as sock:
        assert sock.getpeername() == listener.getsockname()
    assert asked == ["customgroqchat-resolver"]


def test_where_no_thread_can_be_started_it_is_resolved_in_place(
    line: Line,
    listener: socket.socket,
    resolving: Callable[[Resolve], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = resolving(lambda: [address(port_of(listener))])

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line).close()
    assert asked == [threading.current_thread().name]


def test_a_resolver_that_hangs_is_left_after_the_connect_timeout(
    line: Line, mute: MuteResolver, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(mute)
    with pytest.raises(ConnectTimeoutError, match="DNS"):
        connect(HTTPConnection(NAME, 80, timeout=0.02), NAME, line)
    assert mute.asked.is_set()


def test_a_resolver_that_hangs_is_left_when_the_line_is_cut(
    line: Line, mute: MuteResolver, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(mute)
    connecting = in_thread(connect, HTTPConnection(NAME, 80, timeout=None), NAME, line)
    assert mute.asked.wait(10)
    line.cut("cancelled")
    with pytest.raises(LineCut, match="cancelled"):
        connecting.result(10)


def test_an_answer_that_comes_just_before_the_timeout_is_taken(
    line: Line,
    listener: socket.socket,
    mute: MuteResolver,
    resolving: Callable[[Resolve], list[str]],
) -> None:
    resolving(mute)
    connecting = in_thread(connect, HTTPConnection(NAME, 80, timeout=10.0), NAME, line)
    assert mute.asked.wait(10)
    mute.go_on.set()
    with connecting.result(10) as sock:
        assert sock.getpeername() == listener.getsockname()


@pytest.mark.parametrize(
    "fault", [socket.gaierror(socket.EAI_NONAME, "Name unknown"), UnicodeError("label too long")]
)
def test_a_name_that_cannot_be_resolved(
    line: Line, fault: Exception, resolving: Callable[[Resolve], list[str]]
) -> None:
    def resolve() -> list[tuple[Any, ...]]:
        raise fault

    resolving(resolve)
    with pytest.raises(NameResolutionError) as caught:
        connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line)
    assert caught.value.__cause__ is fault
    assert str(fault) in str(caught.value)


def test_a_name_that_is_no_name(line: Line) -> None:
    name = "a" * 300 + ".invalid"
    with pytest.raises(NameResolutionError):
        connect(HTTPConnection(name, 80, timeout=10.0), name, line)


# --- addresses -------------------------------------------------------------------------------


def test_the_next_address_is_tried_where_one_refuses(
    line: Line, listener: socket.socket, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(lambda: [address(unused_port()), address(port_of(listener))])
    with connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line) as sock:
        assert sock.getpeername() == listener.getsockname()


def test_where_all_refuse_the_last_reason_is_told(
    line: Line, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(lambda: [address(unused_port()), address(unused_port())])
    with pytest.raises(NewConnectionError, match="refused"):
        connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line)


def test_a_name_without_addresses(line: Line, resolving: Callable[[Resolve], list[str]]) -> None:
    resolving(list)
    with pytest.raises(NewConnectionError, match="no addresses"):
        connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, line)


def test_a_line_that_is_cut_tries_no_further_address(
    listener: socket.socket, resolving: Callable[[Resolve], list[str]]
) -> None:
    def resolve() -> list[tuple[Any, ...]]:
        return [address(port_of(listener))] * 3

    resolving(resolve)
    tried: list[str] = []

    class Cutting(Line):
        def enter(self, phase: str, sock: socket.socket | None = None) -> None:
            tried.append(phase)
            self.cut("deadline")
            super().enter(phase, sock)

    cutting = Cutting(FakeClock())
    with pytest.raises(LineCut, match="deadline"):
        connect(HTTPConnection(NAME, 80, timeout=10.0), NAME, cutting)
    cutting.leave()
    assert tried == ["connecting"]


def test_a_connection_has_the_options_and_the_source_that_were_asked_for(
    line: Line, listener: socket.socket
) -> None:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    connection = HTTPConnection(
        "127.0.0.1",
        port_of(listener),
        timeout=3.0,
        source_address=("127.0.0.2", 0),
        socket_options=options,
    )
    try:
        with connect(connection, "127.0.0.1", line) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockname()[0] == "127.0.0.2"
            assert sock.gettimeout() == 3.0
    except NewConnectionError as fault:
        pytest.skip(f"this machine has no second loopback address: {fault}")


# --- servers that do not accept --------------------------------------------------------------


def test_a_server_that_does_not_accept_is_left_after_the_connect_timeout(
    line: Line, crowded: int
) -> None:
    with pytest.raises(ConnectTimeoutError, match="did not answer in time"):
        connect(HTTPConnection("127.0.0.1", crowded, timeout=0.05), "127.0.0.1", line)


class Telling(Line):
    """Tells when it connects for the nth time."""

    def __init__(self, times: int) -> None:
        super().__init__(FakeClock())
        self.began = threading.Event()
        self._left = times

    def enter(self, phase: str, sock: socket.socket | None = None) -> None:
        super().enter(phase, sock)
        self._left -= 1
        if not self._left:
            self.began.set()


@pytest.mark.parametrize("refusing", [0, 1])
def test_a_line_that_is_cut_while_it_connects(
    crowded: int, resolving: Callable[[Resolve], list[str]], refusing: int
) -> None:
    """To whichever of the addresses."""
    resolving(lambda: [*[address(unused_port())] * refusing, address(crowded)])
    telling = Telling(refusing + 1)
    connection = HTTPConnection(NAME, crowded, timeout=2.5)
    connecting = in_thread(connect, connection, NAME, telling)
    assert telling.began.wait(10)
    telling.cut("cancelled")
    try:
        with pytest.raises((NewConnectionError, LineCut)):  # which of them depends on the system
            connecting.result(2)
    finally:
        telling.leave()


# --- the same through APIClient --------------------------------------------------------------


def test_a_name_that_is_not_known_is_called_a_matter_of_dns(make_api: MakeAPI) -> None:
    error = no_connection(make_api("http://no-such-host.invalid", max_retries=0))
    assert "DNS" in str(error)
    assert not isinstance(error, APITimeoutError)
    assert not error.may_have_arrived
    assert [attempt.phase for attempt in error.history] == ["connecting"]


def test_so_is_a_name_that_was_not_resolved_in_time(
    make_api: MakeAPI, mute: MuteResolver, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(mute)
    error = no_connection(make_api(f"http://{NAME}", max_retries=0, timeout=(0.02, 10.0)))
    assert isinstance(error, APITimeoutError)
    assert "DNS" in str(error)
    assert not error.may_have_arrived


def test_a_request_is_cancelled_while_its_name_is_resolved(
    make_api: MakeAPI, mute: MuteResolver, resolving: Callable[[Resolve], list[str]]
) -> None:
    resolving(mute)
    api, line = make_api(f"http://{NAME}"), Line(FakeClock())
    attempt = in_thread(api.attempt, APIRequest("GET", MODELS), line)
    assert mute.asked.wait(10)
    line.cut("cancelled")
    with pytest.raises(RequestCancelledException):
        attempt.result(10)
    assert not line.may_have_arrived


def test_a_name_with_a_dead_address_before_a_good_one(
    make_api: MakeAPI, resolving: Callable[[Resolve], list[str]]
) -> None:
    with RawServer(says({"n": 1})) as server:
        resolving(lambda: [address(unused_port()), address(server.port)])
        assert make_api(f"http://{NAME}").request("GET", MODELS).data == {"n": 1}
        (heard,) = server.heard
        assert heard.headers["host"] == NAME
