"""How much of the quota a client uses, and how many refusals (429) it provokes on the way.

    python benchmarks/quota.py [workload …] [--clients ours,groq,token-throttle] [--quick] [--rules]

Real time, against the simulator in another process on the loopback interface. Each workload takes
up to a minute for each client. It measures and asserts nothing; single runs differ by a per cent
or two. ``--rules`` adds workloads in which the server charges in other ways.

The clients that can be compared with are the official SDK, with its own retries, and that SDK
behind a limiter; what is not installed is reported as such::

    pip install groq            # the official SDK
    pip install token-throttle  # needs Python 3.12

The columns:

delivered
    Calls that the client answered, of those that it was asked for.
429s
    Refusals of the client's requests, as the server counted them.
wall
    Seconds from the first call to the end of the last.
share
    The optimum as a share of the wall time. The optimum is a lower bound that follows from the
    buckets alone: for every limit of every model,

        (cost of the calls delivered - level at the start) / (refill - what a neighbour took)

    seconds; the greatest of these, or the moment at which the last call was due if that is later;
    and the shortest latency of an answer. Costs are what the server charged in the end, so calls
    that a client lost do not count, neither for it nor against it: read this column together with
    the first. What a neighbour took is the average rate at which another program on the same key
    was charged during the run. A dash means that what was delivered fitted into the buckets as they
    were at the start. Where admission costs less than the call in the end (``rule-prompt``,
    ``rule-expected``), the calls under way at the end may overdraw a bucket, and the share may
    exceed 100 %. A client that believes in half of the true limits (``limits-half``) obeys if it
    ends at 50 %, and may know better.
watched
    Median and 99th percentile of the seconds from asking to answer of the calls that matter in
    that workload and were delivered: those of high priority, or those to a model with quota to
    spare. They are 16, so the percentile is the longest.
neighbour
    What happened to the other program until then: calls served / asked, and its 429s.
lost to
    The errors that calls ended in.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from _quota_clients import CLIENTS, KEY, LONGEST_S, THREADS, Client, ClientUnavailable, version
from _quota_workloads import QUICK, RULES, WORKLOADS, Call, Workload, optimum_s


class Server:
    """The server's process, as a context manager."""

    def __init__(self, workload: Workload) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("_quota_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._ask(json.dumps(_order(workload)))

    def report(self) -> dict[str, Any]:
        """Return what the server saw so far, once; see ``_quota_server.report``."""
        said: dict[str, Any] = json.loads(self._ask("report"))
        return said

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()


def _order(workload: Workload) -> dict[str, Any]:
    models = {model: {"limits": dict(limits)} for model, limits in workload.limits.items()}
    settings = {"models": models, "latency_s": workload.latency_s, **workload.rules}
    return {"settings": settings, "key": KEY, "neighbour": _neighbour(workload)}


def _neighbour(workload: Workload) -> dict[str, Any] | None:
    if not workload.neighbour:
        return None
    model = workload.flood.model
    tokens_per_second = workload.neighbour * workload.limits[model]["TPM"] / 60
    return {"model": model, "tokens_per_second": tokens_per_second}


class Attempt:
    """A call on its way; ``began_s`` and ``ended_s`` are readings of one clock."""

    def __init__(self, client: Client, call: Call) -> None:
        self.call = call
        self.began_s, self.ended_s = time.perf_counter(), math.inf
        self._ended = threading.Event()
        self._future = client.submit(call)
        self._future.add_done_callback(self._end)

    def _end(self, _future: Future[Any]) -> None:
        self.ended_s = time.perf_counter()
        self._ended.set()

    def wait(self, timeout_s: float) -> None:
        """Block until the end has been noted: a future wakes who waits for it before that."""
        self._ended.wait(max(0.0, timeout_s))

    @property
    def loss(self) -> str | None:
        """Why there is no answer, in a word; None if there is one."""
        if math.isinf(self.ended_s) or self._future.cancelled():
            return "unfinished"
        error = self._future.exception()
        return None if error is None else type(error).__name__


def drive(client: Client, calls: Sequence[Call], longest_s: float = LONGEST_S) -> list[Attempt]:
    """Make every call when it is due and wait for the end of all, or for ``longest_s``."""
    started = time.perf_counter()
    attempts = []
    for call in calls:
        time.sleep(max(0.0, started + call.due_s - time.perf_counter()))
        attempts.append(Attempt(client, call))
    for attempt in attempts:
        attempt.wait(started + longest_s - time.perf_counter())
    return attempts


@dataclass(frozen=True)
class Result:
    """What one client made of one workload."""

    delivered: int
    asked: int
    refused: int
    wall_s: float
    optimum_s: float
    watched_s: list[float] = field(default_factory=list)
    neighbour: Mapping[str, Any] | None = None
    losses: Mapping[str, int] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """Return the result as the cells of a row."""
        return [
            f"{self.delivered}/{self.asked}",
            str(self.refused),
            f"{self.wall_s:.1f}",
            f"{self.optimum_s / self.wall_s:.1%}" if self.optimum_s else "-",
            self._watched(),
            self._neighbour(),
            ", ".join(f"{number} {loss}" for loss, number in self.losses.items()),
        ]

    def _watched(self) -> str:
        if not self.watched_s:
            return "-"
        return f"{percentile(self.watched_s, 50):.2f} {percentile(self.watched_s, 99):.2f}"

    def _neighbour(self) -> str:
        other = self.neighbour
        return f"{other['served']}/{other['asked']} {other['refused']}" if other else "-"


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the smallest value that ``rank`` per cent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * rank / 100) - 1)]


def measure(name: str, workload: Workload, scale: float = 1.0) -> Result:
    """Let one client do one workload; raises ClientUnavailable."""
    with Server(workload) as server:
        client = CLIENTS[name](server.url, workload)
        try:
            attempts = drive(client, workload.calls(scale))
            return _result(workload, attempts, server.report())
        finally:
            client.close()


def _result(workload: Workload, attempts: list[Attempt], seen: Mapping[str, Any]) -> Result:
    last_s = max(attempt.ended_s for attempt in attempts)
    wall_s = min(last_s - attempts[0].began_s, LONGEST_S)
    delivered = [attempt for attempt in attempts if attempt.loss is None]
    losses = Counter(attempt.loss for attempt in attempts if attempt.loss is not None)
    last_due_s = max((one.call.due_s for one in delivered), default=0.0)
    costs, neighbour = seen["client"]["costs"], seen["neighbour"]
    return Result(
        delivered=len(delivered),
        asked=len(attempts),
        refused=seen["client"]["refused"],
        wall_s=wall_s,
        optimum_s=optimum_s(workload, costs, neighbour["costs"], wall_s, last_due_s),
        watched_s=[one.ended_s - one.began_s for one in delivered if one.call.watched],
        neighbour=neighbour if workload.neighbour else None,
        losses=losses,
    )


HEAD = ["delivered", "429s", "wall s", "share", "watched s", "neighbour", "lost to"]
_LAYOUT = [">10", ">6", ">8", ">8", ">13", ">13", "<"]


def row(first: str, cells: Sequence[str]) -> str:
    """Return one line of the table."""
    placed = [f"{cell:{layout}}" for cell, layout in zip(cells, _LAYOUT, strict=True)]
    return f"  {first:<14}{''.join(placed[:-1])}  {placed[-1]}".rstrip()


def compare(names: Sequence[str], workloads: Sequence[Workload], scale: float) -> None:
    """Measure and print, workload by workload."""
    for workload in workloads:
        print(f"\n{workload.name}: {workload.about}")
        print(row("", HEAD))
        for name in names:
            print(line(name, workload, scale), flush=True)


def line(name: str, workload: Workload, scale: float) -> str:
    """Measure one client and return its line."""
    try:
        return row(name, measure(name, workload, scale).cells())
    except ClientUnavailable as reason:
        return f"  {name:<14}  {reason}"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    every = {workload.name: workload for workload in [*WORKLOADS, *RULES]}
    usual = [*WORKLOADS, *(RULES if options.rules else [])]
    chosen = [every[name] for name in options.workloads] or usual
    versions = ", ".join(f"{name} {version(name)}" for name in options.clients)
    print(f"{versions}; Python {platform.python_version()}; {THREADS} threads")
    compare(options.clients, chosen, QUICK if options.quick else 1.0)


def _parser() -> argparse.ArgumentParser:
    about = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=about)
    names = [workload.name for workload in [*WORKLOADS, *RULES]]
    parser.add_argument(
        "workloads", nargs="*", type=_one_of(names), metavar="workload", help=", ".join(names)
    )
    parser.add_argument(
        "--clients",
        type=lambda text: [_one_of(list(CLIENTS))(name) for name in text.split(",")],
        default=list(CLIENTS),
        metavar="NAMES",
        help=f"of {','.join(CLIENTS)}; all by default",
    )
    parser.add_argument("--quick", action="store_true", help="fewer calls, half of the time")
    parser.add_argument("--rules", action="store_true", help="also other rules of charging")
    return parser


def _one_of(names: Sequence[str]) -> Any:
    def chosen(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return name

    return chosen


if __name__ == "__main__":
    main()
