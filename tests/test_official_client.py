"""``Groq``: the official SDK's name and constructor, and what stands beside it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, hangs, says, unused_port
from helpers_surface import BY_NAME, CHAT, FOREIGN, MODEL, only, query_of, said_key

import customgroqchat
from customgroqchat import (
    DEFAULT_CONNECTION_LIMITS,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    NOT_GIVEN,
    APIStatusError,
    APITimeoutError,
    AsyncClient,
    AsyncGroq,
    AsyncStream,
    Client,
    ConfigLoaderException,
    DefaultHttpxClient,
    Groq,
    GroqClient,
    GroqError,
    RateLimitError,
    Timeout,
    file_from_path,
    omit,
)
from customgroqchat.testing import FakeClock

CREATE = BY_NAME["chat.completions.create"]


class URL:
    """An address of httpx."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class HttpxTimeout:
    """A timeout of httpx."""

    connect, read, write, pool = 1.5, 2.5, None, None


# --- keys and hosts ------------------------------------------------------------------------------


def test_a_key_there_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GroqError) as caught:
        Groq()
    assert isinstance(caught.value, ConfigLoaderException)
    assert "GROQ_API_KEY" in str(caught.value)
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    with Groq() as client:
        assert client.api_key == KEY
    with Groq(api_key="gsk_own") as client:
        assert client.api_key == "gsk_own"


@pytest.mark.parametrize("end", ["", "/", "/openai/v1", "/openai/v1/"])
@pytest.mark.parametrize("where", ["argument", "object", "variable"])
def test_an_address_may_end_as_there_or_with_the_prefix(
    monkeypatch: pytest.MonkeyPatch, end: str, where: str
) -> None:
    with RawServer(says(CHAT)) as server:
        url = server.url + end
        monkeypatch.setenv("GROQ_BASE_URL", url if where == "variable" else "https://x.invalid")
        given = {"argument": url, "object": URL(url), "variable": None}[where]
        with Groq(api_key=KEY, base_url=given) as client:
            assert client.base_url == server.url
            assert CREATE.call(client).choices
        assert only(server).target == "/openai/v1/chat/completions"


def test_the_host_is_groqs_unless_said_otherwise() -> None:
    with Groq(api_key=KEY) as client:
        assert str(client.base_url).rstrip("/") == "https://api.groq.com"
        assert isinstance(client, GroqClient)
        assert client.is_closed() is False
    assert client.is_closed() is True


# --- retries and timeouts ------------------------------------------------------------------------


def test_none_is_no_number_of_retries() -> None:
    with pytest.raises(TypeError, match="max_retries cannot be None"):
        Groq(api_key=KEY, max_retries=None)  # type: ignore[arg-type]


def test_retries_are_two_unless_said_otherwise() -> None:
    with RawServer(says({}, 502)) as server:
        for more, times in (({}, 3), ({"max_retries": 1}, 2), ({"max_retries": 0}, 1)):
            server.heard.clear()
            with Groq(
                api_key=KEY, base_url=server.url, clock=FakeClock(chance=0.0), **more
            ) as client:
                assert client.max_retries == times - 1
                with pytest.raises(APIStatusError):
                    client.models.retrieve("m")
            assert len(server.heard) == times
    assert DEFAULT_MAX_RETRIES == 2


def test_with_no_retries_the_first_refusal_is_raised() -> None:
    with RawServer(says({}, 429, retry_after="1"), says(CHAT)) as server:
        with (
            Groq(api_key=KEY, base_url=server.url, max_retries=0) as client,
            pytest.raises(RateLimitError),
        ):
            CREATE.call(client)
        assert len(server.heard) == 1


@pytest.mark.parametrize("value", [-1, 1.5, "2"])
def test_a_wrong_number_of_retries_is_refused(value: Any) -> None:
    with pytest.raises((ConfigLoaderException, ValueError, TypeError)):
        Groq(api_key=KEY, max_retries=value)


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        (5, (5, 5)),
        (2.5, (2.5, 2.5)),
        ((1, 2), (1, 2)),
        (None, (None, None)),
        (Timeout(9.0, connect=3.0), (3.0, 9.0)),
        (HttpxTimeout(), (1.5, 2.5)),
        (NOT_GIVEN, (5.0, 60.0)),
        *[(sentinel, (5.0, 60.0)) for sentinel in FOREIGN],
    ],
)
def test_a_timeout_may_have_any_form(value: Any, pair: tuple[float | None, float | None]) -> None:
    seen: list[Any] = []
    with (
        RawServer(says(MODEL)) as server,
        Groq(api_key=KEY, base_url=server.url, timeout=value) as client,
    ):
        wire = client._api._open_wire()
        send = wire.open

        def noted(*arguments: Any, **more: Any) -> Any:
            seen.append(arguments[4])
            return send(*arguments, **more)

        wire.open = noted  # type: ignore[method-assign]
        client.models.retrieve("m")
    (used,) = seen
    assert used == pair


def test_a_timeout_is_kept_as_it_was_told() -> None:
    told = Timeout(9.0, connect=3.0)
    with Groq(api_key=KEY, timeout=told) as client:
        assert client.timeout == told
    with Groq(api_key=KEY) as client:
        assert client.timeout == DEFAULT_TIMEOUT
    with RawServer(hangs()) as server, Groq(api_key=KEY, base_url=server.url) as client:
        client.timeout = 0.05
        with pytest.raises(APITimeoutError):
            client.models.list(max_retries=0)


# --- headers and the query -----------------------------------------------------------------------


def test_headers_and_query_go_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", "X-Env: env\nx-both: env\n nonsense \nX-Gone: 1")
    with (
        RawServer(says(MODEL)) as server,
        Groq(
            api_key=KEY,
            base_url=server.url,
            default_headers={"X-Both": "own", "X-Gone": omit, "X-Own": "1", "X-No": FOREIGN[1]},
            default_query={"q": [1, 2], "n": None},
        ) as client,
    ):
        client.models.retrieve("m")
        heard = only(server)
        assert {k: v for k, v in heard.headers.items() if k in ("x-env", "x-both", "x-own")} == {
            "x-env": "env",
            "x-both": "own",
            "x-own": "1",
        }
        assert not {"x-gone", "x-no", "nonsense"} & set(heard.headers)
        assert query_of(heard) == [("q", "1,2")]
        assert client.default_headers["X-Own"] == "1"
        assert client.default_query["q"] == [1, 2]
        assert not said_key(client.default_headers)


def test_a_call_wins_over_a_copy_and_that_over_the_client_and_that_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", "X-A: env")
    with RawServer(says(MODEL)) as server:
        with Groq(api_key=KEY, base_url=server.url) as client:
            client.models.retrieve("m")
        with Groq(api_key=KEY, base_url=server.url, default_headers={"x-a": "client"}) as client:
            client.models.retrieve("m")
            twin = client.copy(default_headers={"X-A": "copy"})
            twin.models.retrieve("m")
            twin.models.retrieve("m", extra_headers={"x-a": "call"})
        assert [heard.headers["x-a"] for heard in server.heard] == ["env", "client", "copy", "call"]


# --- what of httpx can be had -------------------------------------------------------------------


def test_connections_may_be_described_in_the_words_of_httpx() -> None:
    with RawServer(says(MODEL)) as server:
        http_client = DefaultHttpxClient(headers={"X-A": "1", "X-B": "2"}, timeout=7.0)
        with Groq(
            api_key=KEY,
            base_url=server.url,
            http_client=http_client,
            default_headers={"X-B": "own"},
        ) as client:
            assert client.timeout == 7.0
            client.models.retrieve("m")
        heard = only(server)
    assert (heard.headers["x-a"], heard.headers["x-b"]) == ("1", "own")


def test_a_proxy_is_used() -> None:
    with RawServer(says(MODEL)) as proxy:
        http_client = DefaultHttpxClient(proxy=proxy.url)
        url = f"http://127.0.0.1:{unused_port()}"
        with Groq(api_key=KEY, base_url=url, http_client=http_client) as client:
            client.models.retrieve("m")
        assert only(proxy).target == f"{url}/openai/v1/models/m"


@pytest.mark.parametrize("wrong", [object(), "x", 3])
def test_a_client_of_httpx_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigLoaderException) as caught:
        Groq(api_key=KEY, http_client=wrong)
    assert "httpx" in str(caught.value)
    assert caught.value.hint
    DefaultHttpxClient(limits=DEFAULT_CONNECTION_LIMITS, follow_redirects=True, trust_env=True)


def test_what_has_no_meaning_here_is_said_to_have_none() -> None:
    with pytest.warns(UserWarning, match="transport"):
        assert DefaultHttpxClient(transport=object()).settings.keys() == (
            DefaultHttpxClient().settings.keys()
        )


def test_all_our_keywords_can_be_given_too() -> None:
    with Groq(api_key=KEY, max_workers=3, _strict_response_validation=True) as client:
        assert client.config.max_workers == 3
    with pytest.raises(TypeError):
        Groq(api_key=KEY, nonsense=3)
    with pytest.raises(TypeError):
        Groq(KEY)  # type: ignore[misc]


# --- names ---------------------------------------------------------------------------------------


def test_both_names_of_a_client_are_one() -> None:
    assert Client is Groq
    assert AsyncClient is AsyncGroq
    assert customgroqchat.Groq is Groq


@pytest.mark.parametrize("kind", [AsyncGroq, AsyncStream])
def test_what_is_asynchronous_says_what_to_do(kind: Any) -> None:
    with pytest.raises(TypeError, match="threads"):
        kind(api_key=KEY)


def test_a_timeout_has_four_parts() -> None:
    timeout = Timeout(10.0, connect=2.0, write=None)
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == (2.0, 10.0, None, 10.0)
    assert timeout == copy.copy(timeout) == pickle.loads(pickle.dumps(timeout))
    assert timeout != Timeout(10.0)
    assert timeout != 10.0
    assert hash(timeout) == hash(copy.copy(timeout))
    assert "connect=2.0" in repr(timeout)
    assert Timeout(None).read is None


def test_a_file_of_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc")
    assert file_from_path(str(path)) == ("a.txt", b"abc")
    with pytest.raises(OSError, match="none"):
        file_from_path(tmp_path / "none")


# --- logs and secrets ----------------------------------------------------------------------------


LOGGING = """
import logging, sys
from customgroqchat import Groq
log = logging.getLogger("customgroqchat")
print(logging.getLevelName(log.level), len(logging.getLogger().handlers))
"""


@pytest.mark.parametrize(
    ("value", "printed"),
    [("debug", "DEBUG 1"), ("info", "INFO 1"), ("", "NOTSET 0"), ("nonsense", "NOTSET 0")],
)
def test_the_log_is_turned_on_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, run_python: Callable[..., str], value: str, printed: str
) -> None:
    monkeypatch.setenv("GROQ_LOG", value)
    assert run_python(LOGGING).strip() == printed


def test_nothing_shows_a_key() -> None:
    with Groq(api_key=KEY, default_headers={"X-A": "1"}) as client:
        for thing in (
            client,
            client.copy(api_key="gsk_" + "T9x2" * 13),
            client.chat.completions,
            client.models.with_raw_response,
            client._caller,
            client._caller.defaults,
            client.config,
            vars(client),
        ):
            assert not said_key(thing)
        for thing in (client, client.chat):
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                pickle.dumps(thing)
