"""The command line: ``python -m customgroqchat <command>``."""

from __future__ import annotations

import argparse
import ipaddress
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ._cli_tokens import add_tokens
from ._version import __version__

_DEFAULT_PORT = 8471
_PROGRAM = "customgroqchat"
_LIMITS = {
    "rpm": "requests per minute",
    "rpd": "requests per day",
    "tpm": "tokens per minute",
    "tpd": "tokens per day",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; blocks until the command has ended.

    Call it from the main thread, where signals arrive. Raises SystemExit for ``--help``,
    ``--version`` and wrong arguments, as argparse does.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    return command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Tools of CustomGroqChat.")
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_simulate(commands)
    add_tokens(commands)
    return parser


# ---------------------------------------------------------------------- simulate


def _add_simulate(commands: Any) -> None:
    summary = "serve a simulated Groq API on this machine"
    parser = commands.add_parser("simulate", help=summary, description=summary)
    parser.set_defaults(command=_simulate)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="loopback address")
    parser.add_argument(
        "--port", type=_port, default=_DEFAULT_PORT, help="0 takes a free one (%(default)s)"
    )
    for code, meaning in _LIMITS.items():
        parser.add_argument(f"--{code}", type=_positive, metavar="N", help=f"limit: {meaning}")
    parser.add_argument(
        "--latency", type=_latency, default=0.0, metavar="S", help="seconds, or a range: 0.2-0.8"
    )
    parser.add_argument(
        "--completion-tokens", type=_positive, default=32, metavar="N", help="length of answers"
    )


def _simulate(arguments: argparse.Namespace) -> int:
    from .testing.simulator import SimulatedGroq

    simulator = SimulatedGroq(
        host=arguments.host,
        port=arguments.port,
        limits=_chosen_limits(arguments),
        latency_s=arguments.latency,
        completion_tokens=arguments.completion_tokens,
    )
    with _signalled() as stop:
        try:
            simulator.start()
        except OSError as error:
            place = f"{arguments.host} port {arguments.port}"
            print(f"Cannot listen on {place}: {error.strerror}", file=sys.stderr)
            return 1
        with simulator:
            print(_greeting(simulator.url, arguments), flush=True)
            stop.wait()
    return 0


def _chosen_limits(arguments: argparse.Namespace) -> dict[str, int] | None:
    values = {code.upper(): getattr(arguments, code) for code in _LIMITS}
    return {code: value for code, value in values.items() if value is not None} or None


def _greeting(url: str, arguments: argparse.Namespace) -> str:
    limits = _chosen_limits(arguments)
    shown = ", ".join(f"{code} {limit}" for code, limit in (limits or {}).items())
    return (
        "This is a simulator, not the real Groq service: its answers are made up and cost nothing."
        f"\nListening on {url} (limits: {shown or 'the published ones'})."
        f"\nPoint a client at it with:\n\n    GROQ_BASE_URL={url} GROQ_API_KEY=any\n"
        "\nPress Ctrl-C to stop."
    )


@contextmanager
def _signalled() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, for as long as the block runs."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --------------------------------------------------------------------- arguments


def _loopback(text: str) -> str:
    address = "127.0.0.1" if text == "localhost" else text
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a loopback address; the simulator serves this machine only"
        )
    return address


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65_536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port between 0 and 65535")


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")


def _latency(text: str) -> float | tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        bounds = (float(low), float(high if dash else low))
    except ValueError:
        bounds = (-1.0, -1.0)
    if not 0 <= bounds[0] <= bounds[1] < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds or a range of them")
    return bounds if dash else bounds[0]
