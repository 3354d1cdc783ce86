"""The wire: the pool, faults of connections, timeouts, closing, mocks."""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import threading
from typing import Any

import pytest
import responses
from helpers_api import MODELS, MakeAPI, no_connection
from helpers_servers import (
    KEY,
    Behaviour,
    ImpatientClock,
    RawServer,
    assert_closed,
    closes,
    hangs,
    in_thread,
    in_threads,
    resets,
    response,
    says,
    sends,
    sends_and_hangs,
    unused_port,
)

from customgroqchat import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientClosedException,
    NotFoundError,
    _connecting,
)
from customgroqchat.testing import SimulatedGroq


@pytest.fixture
def make_api(make_api: MakeAPI) -> MakeAPI:
    """Make clients that try once."""
    return functools.partial(make_api, max_retries=0)


# --- the pool --------------------------------------------------------------------------------


def test_sixty_four_threads_share_sixty_four_connections(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = make_api(groq_simulator.url, pool_size=64)
    payload = {
        "model": "openai/gpt-oss-20b",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 1,
    }
    free = {"model": "minimaxai/minimax-m2.7"}

    def call(index: int) -> list[int]:
        first = api.request("POST", "/chat/completions", {**payload, **(free if index % 2 else {})})
        return [first.status_code, *(api.request("GET", MODELS).status_code for _ in range(5))]

    with groq_simulator.hold() as gate:
        outcome = in_thread(in_threads, 60, call)  # 30 of each model, as its limit allows
        assert gate.wait_until_held(60, 20)
        assert groq_simulator.open_connections == 60
    assert outcome.result(60) == [[200] * 6] * 60
    in_threads(64, lambda _: [api.request("GET", MODELS) for _ in range(5)])
    assert groq_simulator.open_connections <= 64
    opened = [record for record in caplog.records if "Starting new HTTP" in record.message]
    assert len(opened) == groq_simulator.open_connections
    assert "pool is full" not in caplog.text


def test_calls_one_after_the_other_use_one_connection(make_api: MakeAPI) -> None:
    script = [says({}), says({"error": {}}, 404), says(b"", 500), says(b"<html>"), says({})]
    with RawServer(*script) as server:
        api = make_api(server.url)
        for _ in script:
            with contextlib.suppress(APIError):  # an error's answer is read to its end as well
                api.request("GET", MODELS)
    assert len(server.heard) == 5
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(make_api: MakeAPI) -> None:
    data = response(b'{"n": 1}')  # promises to keep the connection, and does not
    with RawServer(sends(data)) as server:
        api = make_api(server.url)
        for number in range(1, 6):
            assert api.request("GET", MODELS).data == {"n": 1}
            server.wait_for_ends(number)
    assert server.connections == 5


def test_a_first_use_by_many_threads_makes_one_session(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from customgroqchat import _transport

    made: list[object] = []
    original = _transport.Wire.__init__

    def counting(self: Any, *args: Any) -> None:
        made.append(self)
        original(self, *args)

    monkeypatch.setattr(_transport.Wire, "__init__", counting)
    api = make_api(groq_simulator.url, pool_size=100)
    answers = in_threads(100, lambda _: api.request("GET", MODELS).status_code)
    assert answers == [200] * 100
    assert len(made) == 1


def test_connections_are_probed_while_idle(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = socket.socket.setsockopt

    def noting(self: socket.socket, *option: Any) -> None:
        asked.append(option)
        original(self, *option)

    monkeypatch.setattr(socket.socket, "setsockopt", noting)
    make_api(groq_simulator.url).request("GET", MODELS)
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in asked
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in asked


# --- faults ----------------------------------------------------------------------------------


def test_connection_refused(make_api: MakeAPI) -> None:
    error = no_connection(make_api(f"http://127.0.0.1:{unused_port()}"))
    assert type(error) is APIConnectionError
    assert error.may_have_arrived is False
    assert "refused" in str(error)


def test_a_name_that_does_not_exist(make_api: MakeAPI) -> None:
    error = no_connection(make_api("https://nonexistent.invalid"))
    assert type(error) is APIConnectionError
    assert error.may_have_arrived is False
    assert error.request is not None
    assert error.request.url == "https://nonexistent.invalid/openai/v1/models"


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BROKEN: dict[str, Behaviour] = {
    "closed before the answer": closes,
    "reset before the answer": resets,
    "no HTTP": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "shorter than promised": sends(response(b'{"a": 1}', content_length="100")),
    "cut in a chunk": sends(CHUNKED + b'20\r\n{"a": 1'),
    "cut between chunks": sends(CHUNKED + b'7\r\n{"a": 1\r\n'),
    "no gzip": says(b"plain", content_encoding="gzip"),
    "bad chunk length": sends(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_one_error_of_ours_and_the_next_request_is_not_affected(
    make_api: MakeAPI, behaviour: Behaviour
) -> None:
    with RawServer(behaviour, says({"fine": True})) as server:
        api = make_api(server.url)
        error = no_connection(api)
        assert type(error) is APIConnectionError
        assert error.may_have_arrived is True
        assert len(server.heard) == 1
        assert api.request("GET", MODELS).data == {"fine": True}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_tried_again(make_api: MakeAPI, behaviour: Behaviour) -> None:
    with RawServer(behaviour, says({"fine": True})) as server:
        api = make_api(server.url, max_retries=1, clock=ImpatientClock())
        assert api.request("GET", MODELS).data == {"fine": True}


def test_an_answer_without_a_body_is_an_error_of_ours_even_if_its_headers_are_cut(
    make_api: MakeAPI,
) -> None:
    # http.client takes the end of a connection for the end of the headers, without a word.
    with RawServer(sends(b"HTTP/1.1 200 OK\r\nconte")) as server, pytest.raises(APIError):
        make_api(server.url).request("GET", MODELS)


# --- timeouts --------------------------------------------------------------------------------

HANGING = {
    "no answer": b"",
    "in the headers": b"HTTP/1.1 200 OK\r\n",
    "in the body": response(b'{"a"', content_length="9"),
}


@pytest.mark.parametrize("data", HANGING.values(), ids=HANGING)
@pytest.mark.parametrize("timeout", [0.05, (5.0, 0.05), (None, 0.05)])
def test_silence_longer_than_the_read_timeout(make_api: MakeAPI, data: bytes, timeout: Any) -> None:
    left = threading.Event()
    with RawServer(sends_and_hangs(data, left)) as server:
        error = no_connection(make_api(server.url), timeout=timeout)
        assert type(error) is APITimeoutError
        assert error.may_have_arrived is True
        assert left.wait(5)  # the connection is not kept: its answer may still come


def test_the_clients_timeout_holds_unless_the_request_has_its_own(make_api: MakeAPI) -> None:
    with RawServer(hangs()) as server:
        assert isinstance(no_connection(make_api(server.url, timeout=0.05)), APITimeoutError)
        api = make_api(server.url, timeout=300.0)
        assert isinstance(no_connection(api, timeout=(5.0, 0.05)), APITimeoutError)


def test_a_server_that_does_not_accept(make_api: MakeAPI) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):  # fill the queue of connections to accept
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        error = no_connection(
            make_api(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=(0.05, 300.0))
        )
    assert type(error) is APITimeoutError
    assert error.may_have_arrived is False


# --- closing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("data", HANGING.values(), ids=HANGING)
def test_closing_ends_a_hanging_request_at_once(make_api: MakeAPI, data: bytes) -> None:
    left = threading.Event()
    with RawServer(sends_and_hangs(data, left)) as server:
        api = make_api(server.url, timeout=300.0)
        outcome = in_thread(api.request, "GET", MODELS)
        server.wait_for(1)
        api.close()
        assert_closed(outcome)
        assert left.wait(5)


def test_closing_ends_all_hanging_requests_of_all_threads(make_api: MakeAPI) -> None:
    with RawServer(hangs()) as server:
        api = make_api(server.url, timeout=300.0, pool_size=20)
        outcomes = [in_thread(api.request, "GET", MODELS) for _ in range(20)]
        server.wait_for(20)
        api.close()
        for outcome in outcomes:
            assert_closed(outcome)


def test_closing_ends_a_request_that_is_only_just_connecting(
    make_api: MakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go_on = threading.Event(), threading.Event()
    original = _connecting._connected

    def slow(*args: Any, **kwargs: Any) -> socket.socket:
        connecting.set()
        assert go_on.wait(10)
        return original(*args, **kwargs)

    monkeypatch.setattr(_connecting, "_connected", slow)
    with RawServer(hangs()) as server:
        api = make_api(server.url, timeout=(5.0, 3.0))
        outcome = in_thread(api.request, "GET", MODELS)
        assert connecting.wait(10)
        api.close()
        go_on.set()
        with pytest.raises(ClientClosedException):
            outcome.result(1.5)  # and not after the read timeout
        assert not server.heard


# --- mocks -----------------------------------------------------------------------------------


@responses.activate
def test_the_responses_library_can_take_the_place_of_the_service(make_api: MakeAPI) -> None:
    url = "https://api.groq.com/openai/v1"
    body: dict[str, Any] = {"choices": []}
    matching = responses.matchers.json_params_matcher({"model": "m"})
    keyed = responses.matchers.header_matcher({"Authorization": f"Bearer {KEY}"})
    responses.post(f"{url}/chat/completions", json=body, match=[matching, keyed])
    responses.get(f"{url}/models", json={"error": {"message": "Gone."}}, status=404)
    responses.get(f"{url}/down", body=ConnectionResetError("reset"))
    api = make_api("https://api.groq.com")
    assert api.request("POST", "/chat/completions", {"model": "m"}).data == body
    with pytest.raises(NotFoundError, match=r"Gone\."):
        api.request("GET", MODELS)
    with pytest.raises(APIConnectionError):
        api.request("GET", "/down")
    with pytest.raises(APIConnectionError):
        api.request("GET", "/unknown")
    api.close()
