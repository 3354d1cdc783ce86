"""Failure stories about the way to the service: pools, stale connections, names, environments."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import (
    KEY,
    Behaviour,
    ImpatientClock,
    RawServer,
    closes,
    in_thread,
    in_threads,
    make_certificate,
    resets,
    response,
    says,
    sends,
    until,
    user,
)
from helpers_stories import (
    LATE_S,
    MakeClient,
    Simulate,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    completion,
    whole,
)

from customgroqchat import APIClient, APIConnectionError, APIStatusError, APITimeoutError
from customgroqchat.testing import SimulatedGroq

GOOD = says(completion())


# --- 15, 16, 43: many threads ----------------------------------------------------------------


@pytest.mark.parametrize("workers", [64, 16])
def test_story_15_sixty_four_threads_overflow_no_pool(
    simulator: SimulatedGroq,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    workers: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client(simulator.url, max_workers=workers, policy="greedy")
    for _ in range(2):
        with simulator.hold() as gate:
            calls = [in_thread(client.chat_completion, "m", user(str(n))) for n in range(64)]
            assert gate.wait_until_held(workers)
        assert all(call.result(20).choices for call in calls)
        assert simulator.open_connections == workers  # all are kept, and used again
    opened = re.findall(r"Starting new HTTP connection", caplog.text)
    assert len(opened) == workers
    assert "pool is full" not in caplog.text


def test_story_16_cookies_of_one_answer_go_to_no_other_request(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    def answer(payload: Any, headers: Any) -> tuple[int, dict[str, str], Any]:
        said = payload["messages"][0]["content"]
        return 200, {"set-cookie": f"session={said}; Path=/"}, completion(said)

    simulator = groq_simulator_factory(models={"m": {}}, on_request=answer)
    client = make_client(simulator.url, max_workers=64)

    def ask(index: int) -> list[Any]:
        texts = [f"{index} {turn}" for turn in range(3)]
        return [client.chat_completion("m", user(t)).choices[0].message.content for t in texts]

    answers = in_threads(64, ask)
    assert answers == [[f"{n} {turn}" for turn in range(3)] for n in range(64)]
    assert simulator.count() == 192
    assert not any("cookie" in record.headers for record in simulator.requests)


def test_story_43_a_hundred_first_calls_at_once_make_one_queue_and_one_pool(
    make_client: MakeClient,
) -> None:
    with RawServer(GOOD) as server:
        client = make_client(server.url, max_workers=8)
        answers = in_threads(100, lambda index: client.chat_completion("m", user(str(index))))
        assert [answer.choices[0].message.content for answer in answers] == ["Hello!"] * 100
        assert len(server.heard) == 100
        assert server.connections <= 8
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("customgroqchat-dispatcher") == 1


def test_story_43_also_of_an_api_client_alone(make_api: Callable[..., APIClient]) -> None:
    with RawServer(GOOD) as server:
        api = make_api(server.url, pool_size=100)
        in_threads(100, lambda index: api.request("GET", "/models"))
        first = server.connections
        in_threads(100, lambda index: api.request("GET", "/models"))
        assert first <= 100
        assert server.connections <= 100 + 5  # one pool holds all that were opened


# --- 17: connections that have gone stale ----------------------------------------------------

STALE = {"closed": closes, "reset": resets}


@pytest.mark.parametrize("ends", STALE.values(), ids=STALE)
def test_story_17_a_stale_keep_alive_is_retried_once_without_counting(
    make_client: MakeClient, ends: Behaviour
) -> None:
    with RawServer(GOOD, ends, GOOD) as server:
        client = make_client(server.url, max_retries=0)
        client.chat_completion("m", user("first"))
        answer = client.chat_completion("m", user("second"))
        assert (answer.attempts, answer.retries_taken) == (1, 0)
        assert [attempt.outcome for attempt in answer.history] == ["ok"]
        assert len(server.heard) == 3
        assert server.heard[1].body == server.heard[2].body
        assert server.connections == 2


def test_story_17_but_not_twice(make_client: MakeClient) -> None:
    with RawServer(GOOD, closes) as server:
        client = make_client(server.url, max_retries=0)
        client.chat_completion("m", user())
        with pytest.raises(APIConnectionError) as caught:
            client.chat_completion("m", user())
        assert caught.value.attempts == 1
        assert len(server.heard) == 3


NOT_STALE = {
    "fresh connection": [closes],
    "part of an answer": [GOOD, sends(b"HTTP/1.1 2")],
    "a whole head": [GOOD, sends(response(b"", content_length="99"))],
}


@pytest.mark.parametrize("script", NOT_STALE.values(), ids=NOT_STALE)
def test_story_17_nor_where_the_service_may_have_begun_to_answer(
    make_client: MakeClient, script: list[Behaviour]
) -> None:
    with RawServer(*script, GOOD) as server:
        client = make_client(server.url, max_retries=0)
        for _ in script[:-1]:
            client.chat_completion("m", user())
        with pytest.raises(APIConnectionError) as caught:
            client.chat_completion("m", user())
        assert caught.value.attempts == 1
        assert len(server.heard) == len(script)


def test_story_17_an_idle_connection_that_was_closed_is_not_used(make_client: MakeClient) -> None:
    with RawServer(sends(whole())) as server:  # each connection ends after its answer
        client = make_client(server.url, max_retries=0)
        for number in range(20):
            assert client.chat_completion("m", user(str(number))).attempts == 1
            server.wait_for_ends(number + 1)
    assert 20 <= len(server.heard) <= 40


# --- 20: names -------------------------------------------------------------------------------

NOWHERE = "https://no-such-host.invalid"


def test_story_20_a_name_that_is_not_known_is_a_matter_of_dns(make_client: MakeClient) -> None:
    client = make_client(NOWHERE, max_retries=0)
    with pytest.raises(APIConnectionError, match="DNS") as caught:
        client.chat_completion("m", user())
    assert caught.value.may_have_arrived is False
    assert caught.value.attempts == 1


def test_story_20_it_is_tried_again_after_a_while(make_api: Callable[..., APIClient]) -> None:
    clock = ImpatientClock(chance=0.5)
    api = make_api(NOWHERE, max_retries=2, clock=clock)
    with pytest.raises(APIConnectionError, match="DNS") as caught:
        api.request("GET", "/models")
    assert caught.value.attempts == 3
    assert clock.waits == [0.25, 0.5]


@pytest.fixture
def mute_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Name resolution that never comes back, until the test ends; counts who asked."""
    resolve, asked, end = socket.getaddrinfo, threading.Semaphore(0), threading.Event()

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "no-such-host.invalid" and kwargs.get("flags") != socket.AI_NUMERICHOST:
            asked.release()
            end.wait(5)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    end.set()


def test_story_20_a_resolver_that_hangs_is_left_after_the_connect_timeout(
    mute_resolver: threading.Semaphore, make_client: MakeClient
) -> None:
    client = make_client(NOWHERE, max_retries=0, max_workers=1, timeout=(0.2, 60.0))
    for _ in range(3):  # with a single worker: it is not stuck
        watch = Stopwatch()
        with pytest.raises(APIConnectionError, match="DNS"):
            client.chat_completion("m", user())
        assert 0.15 <= watch.seconds <= 0.2 + LATE_S
    assert mute_resolver.acquire(timeout=1)


def test_story_20_and_at_the_deadline_and_when_it_is_cancelled(
    mute_resolver: threading.Semaphore, make_client: MakeClient
) -> None:
    client = make_client(NOWHERE, max_retries=0, timeout=20.0)
    watch = Stopwatch()
    with pytest.raises(APITimeoutError, match="connecting"):
        client.chat_completion("m", user(), deadline=0.2)
    assert watch.seconds <= 0.2 + LATE_S
    assert mute_resolver.acquire(timeout=5)
    future = client.submit("m", user())
    assert mute_resolver.acquire(timeout=5)
    until(lambda: client.get_queue_status()["in_flight"])
    assert client.cancel(future) == 1
    assert future.cancelled()


# --- 26, 27, 28: the environment, and other addresses ----------------------------------------


def test_story_26_a_netrc_file_replaces_no_key_and_proxies_are_kept(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password else\ndefault login me password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(GOOD) as proxy, RawServer(GOOD) as server:
        make_client(server.url).chat_completion("m", user())
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        make_client(server.url).chat_completion("m", user())
        for heard in (*server.heard, *proxy.heard):
            assert heard.headers["authorization"] == f"Bearer {KEY}"
        assert (len(server.heard), len(proxy.heard)) == (1, 1)


def test_story_27_an_explicit_authority_wins_over_the_environment(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for folder in (right, wrong):
        folder.mkdir()
    certificate, other = make_certificate(right), make_certificate(wrong)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.path))
    with RawServer(GOOD, tls=certificate.server) as server:
        explicit = make_client(server.url, verify=str(certificate.path))
        assert explicit.chat_completion("m", user()).choices
        environment = make_client(server.url, max_retries=0)
        with pytest.raises(APIConnectionError, match=r"(?i)certificate"):
            environment.chat_completion("m", user())


def test_story_27_an_explicit_proxy_wins_over_the_environment(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with RawServer(GOOD) as wrong, RawServer(GOOD) as right, RawServer(GOOD) as server:
        monkeypatch.setenv("HTTP_PROXY", wrong.url)
        make_client(server.url, proxies={"http": right.url}).chat_completion("m", user())
        monkeypatch.delenv("NO_PROXY")
        make_client(server.url, proxies={}).chat_completion("m", user())
        assert [len(one.heard) for one in (wrong, right, server)] == [0, 1, 1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_story_28_a_redirect_is_an_error_that_names_the_target(
    make_client: MakeClient, status: int
) -> None:
    with RawServer(GOOD) as other:
        target = f"{other.url}/openai/v1/chat/completions"
        with RawServer(says(b"", status, location=target)) as server:
            with pytest.raises(APIStatusError) as caught:
                make_client(server.url).chat_completion("m", user())
            assert target in str(caught.value)
            assert (caught.value.status_code, len(server.heard)) == (status, 1)
            assert other.heard == []  # the key went nowhere else


def test_story_28_nor_is_the_location_of_a_good_answer_followed(make_client: MakeClient) -> None:
    with RawServer(GOOD) as other:
        behaviour = says(completion(), location=other.url, refresh=f"0; url={other.url}")
        with RawServer(behaviour) as server:
            assert make_client(server.url).chat_completion("m", user()).choices
            assert other.heard == []
