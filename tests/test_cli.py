"""The command line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from customgroqchat import cli
from customgroqchat.testing.simulator import SimulatedGroq


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulator as a program of its own, and what it printed when it was ready."""
    command = [sys.executable, "-m", "customgroqchat", "simulate", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        watchdog = threading.Timer(20, it.kill)
        watchdog.start()
        try:
            assert it.stdout is not None
            lines = iter(it.stdout.readline, "")
            greeting = "".join(_through(lines, "Press Ctrl-C to stop.\n"))
            yield it, greeting
        finally:
            it.kill()
            watchdog.cancel()


def _through(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == last:
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulate_says_what_it_is_serves_and_leaves_at_once(number: signal.Signals) -> None:
    with running("--rpm", "7") as (program, greeting):
        assert "simulator, not the real Groq service" in greeting
        assert "(limits: RPM 7)" in greeting
        found = re.search(r"GROQ_BASE_URL=(http://127\.0\.0\.1:\d+) GROQ_API_KEY=any", greeting)
        assert found is not None
        asked = urllib.request.Request(
            f"{found[1]}/openai/v1/models", headers={"Authorization": "Bearer any"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked, timeout=10) as response:
            assert response.status == 200
        program.send_signal(number)
        _, errors = program.communicate(timeout=10)
        assert (program.returncode, errors) == (0, "")


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings with which ``simulate`` makes its simulator; it stops as soon as it runs."""
    settings: dict[str, Any] = {}

    class Recorded(SimulatedGroq):
        def __init__(self, **given: Any) -> None:
            settings.update(given)
            super().__init__(**given)

        def start(self) -> SimulatedGroq:
            signal.raise_signal(signal.SIGINT)
            return super().start()

    monkeypatch.setattr("customgroqchat.testing.simulator.SimulatedGroq", Recorded)
    return settings


def test_arguments_reach_the_simulator(simulated: dict[str, Any]) -> None:
    arguments = "simulate --port 0 --host localhost --rpm 1 --rpd 2 --tpm 3 --tpd 4"
    assert cli.main([*arguments.split(), "--latency", "0.2-0.8", "--completion-tokens", "5"]) == 0
    assert simulated == {
        "host": "127.0.0.1",
        "port": 0,
        "limits": {"RPM": 1, "RPD": 2, "TPM": 3, "TPD": 4},
        "latency_s": (0.2, 0.8),
        "completion_tokens": 5,
    }


def test_published_limits_are_the_default(
    simulated: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "--port", "0", "--latency", "1.5"]) == 0
    assert (simulated["limits"], simulated["latency_s"]) == (None, 1.5)
    assert "(limits: the published ones)" in capsys.readouterr().out


def test_signal_handlers_are_given_back(simulated: dict[str, Any]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cli.main(["simulate", "--port", "0"])
    assert simulated["port"] == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_taken_port_is_told_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["simulate", "--port", str(port)]) == 1
    captured = capsys.readouterr()
    assert f"Cannot listen on 127.0.0.1 port {port}: " in captured.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("simulate --host 0.0.0.0", "'0.0.0.0' is not a loopback address"),
        ("simulate --host example.org", "'example.org' is not a loopback address"),
        ("simulate --port 70000", "'70000' is not a port"),
        ("simulate --rpm 0", "'0' is not a whole number above 0"),
        ("simulate --tpm many", "'many' is not a whole number above 0"),
        ("simulate --latency slow", "'slow' is not a number of seconds"),
        ("simulate --latency 2-1", "'2-1' is not a number of seconds"),
        ("simulate --latency inf", "'inf' is not a number of seconds"),
        ("simulate --latency nan", "'nan' is not a number of seconds"),
        ("", "the following arguments are required: COMMAND"),
        ("dance", "invalid choice: 'dance'"),
    ],
)
def test_wrong_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(arguments.split())
    assert refused.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_addresses_are_accepted(address: str) -> None:
    assert cli._loopback(address) == address


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0
    assert re.fullmatch(r"customgroqchat \S.*\n", capsys.readouterr().out)


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    assert "simulate" in capsys.readouterr().out


def test_command_line_adds_nothing_heavy_to_the_package() -> None:
    heavy = ("requests", "tiktoken", "dotenv", "customgroqchat.testing")
    code = (
        "import sys, customgroqchat; before = set(sys.modules); import customgroqchat.cli;"
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert shown.stdout == "[]\n"
