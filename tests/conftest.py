"""What holds for every test: an environment without surprises, and no way off this machine."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, ImpatientClock

from customgroqchat import APIClient, GroqClient, _shared_ledgers, _surroundings
from customgroqchat.testing import SimulatedGroq

pytest_plugins = ["customgroqchat.testing.fixtures"]

_ROOT = Path(__file__).parents[1]
_OURS = ("GROQ_", "CUSTOMGROQCHAT_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")
_OF_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what the whole session needs: many tests call it."""
    gc.collect()
    gc.freeze()


_ended = itertools.count(1)


def pytest_runtest_logfinish() -> None:
    """The same for the reports of tests, from time to time."""
    if next(_ended) % 500 == 0:
        pytest_collection_finish()


@pytest.fixture(scope="session")
def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def _room(request: pytest.FixtureRequest, _empty_home: Path) -> Iterator[str]:
    """An empty directory: ``tmp_path`` if the test has one, which takes much longer to make."""
    if "tmp_path" in request.fixturenames:
        yield str(request.getfixturevalue("tmp_path"))
        return
    room = tempfile.mkdtemp(dir=_empty_home.parent)
    yield room
    shutil.rmtree(room, ignore_errors=True)


@pytest.fixture(autouse=True)
def _isolated(_room: str, _empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory and home, without the variables of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(_OURS) or name.upper() in (*_PROXIES, *_OF_REQUESTS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(_empty_home))
    monkeypatch.chdir(_room)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know no names but this machine's, and refuse to connect to any other."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            raise AssertionError(f"a test tried to leave this machine, to {address}")
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)


def _is_loopback(host: Any) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> None:
    """Forget what clients of one process share, and what it was warned of."""
    _shared_ledgers.forget_shared_ledgers()
    _surroundings.forget_warnings()


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a script in a process of its own, to a good end, and return what it printed."""

    def run(script: str, *arguments: str, timeout_s: float = 60.0) -> str:
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments]
        environ = {**os.environ, "GROQ_API_KEY": KEY, "PYTHONPATH": str(_ROOT)}
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environ, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


@pytest.fixture
def make_api() -> Iterator[Callable[..., APIClient]]:
    """Make clients with a key, whose waits take no time; all are closed after the test."""
    made: list[APIClient] = []

    def make(url: str, **settings: Any) -> APIClient:
        made.append(
            APIClient(base_url=url, **{"api_key": KEY, "clock": ImpatientClock(), **settings})
        )
        return made[-1]

    yield make
    for api in made:
        api.close()


@pytest.fixture
def make_client() -> Iterator[Callable[..., GroqClient]]:
    """Make clients with a key and without a configuration file; all are closed after the test."""
    made: list[GroqClient] = []

    def make(url: str, config: Any = None, **settings: Any) -> GroqClient:
        settings.setdefault("api_key", KEY)
        made.append(GroqClient({} if config is None else config, base_url=url, **settings))
        return made[-1]

    yield make
    for client in made:
        client.close(0.0)


@pytest.fixture
def simulator(groq_simulator_factory: Callable[..., SimulatedGroq]) -> SimulatedGroq:
    """A service with the models ``m`` and ``other``, which have no limits."""
    return groq_simulator_factory(models={"m": {}, "other": {}})


@pytest.fixture
def client(simulator: SimulatedGroq, make_client: Callable[..., GroqClient]) -> GroqClient:
    """A client of that service, which knows of no limits either."""
    return make_client(simulator.url)


@pytest.fixture
def crowded() -> Iterator[int]:
    """A port at which the next connection waits to be accepted for ever."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield int(server.getsockname()[1])
