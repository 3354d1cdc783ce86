"""Many threads, all kinds of calls, and a service with all kinds of faults: what must hold holds.

    python benchmarks/soak.py [--seconds 120] [--threads 16] [--seed N]

One client serves all threads. They chat, read streams to the end, leave them, drop them, close
them from elsewhere, submit, cancel, with tags, priorities and deadlines, while one request in four
meets one of the simulator's faults, and one stream in five breaks. It is counted what became of
every call; then, when all threads have ended, whether the client is at rest, still serves, and
leaves nothing behind when it is closed. Each call has a text of its own, so that the simulator's
records tell how often it was sent, and whether an answer belongs to it.

Prints a table, and exits with 1 if an invariant is broken. A seed repeats what the threads do and
which faults are drawn, but not in which order they meet.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import dataclass

from _soak_calls import ANSWER, MARGIN_S, MODEL, NEVER, PART, Call, Caller
from _soak_checks import Belongings, broken_by_calls, comes_true, overheard

from customgroqchat import GroqClient
from customgroqchat.testing import FAULT_KINDS, SimulatedGroq

FAULTS = {kind: 0.03 if kind.startswith("stream") else 0.01 for kind in FAULT_KINDS}
LIMITS = {"RPM": 3_000, "TPM": 400_000}
CONFIG = {MODEL: {"req_per_minute": LIMITS["RPM"], "token_per_minute": LIMITS["TPM"]}}
_CLOSING_S = 2.0
_LAST_ROUND_S = 30.0
_EXAMPLES = 3


@dataclass
class Report:
    """What a soak has found: the calls, the faults that they met, and what was broken by what."""

    calls: list[Call]
    faults: Counter[str]
    broken: dict[str, list[str]]

    @property
    def is_good(self) -> bool:
        return not any(self.broken.values())


def soak(seconds: float, threads: int, seed: int, faults: Mapping[str, float] = FAULTS) -> Report:
    """Run a soak for about ``seconds`` and report; blocks."""
    belongings = Belongings()
    with overheard() as heard:
        with (
            new_simulator(seed, faults) as simulator,
            new_client(simulator, threads) as client,
        ):
            calls = storm(client, simulator, seconds, threads, seed)
            broken = at_rest(client, simulator, threads)
            records = simulator.requests
        del client
        broken |= left_behind(belongings)
    broken["no thread and no finalizer raised"] = heard
    met = Counter(record.fault for record in records if record.fault is not None)
    return Report(calls, met, broken_by_calls(calls, records) | broken)


def new_simulator(seed: int, faults: Mapping[str, float]) -> SimulatedGroq:
    return SimulatedGroq(
        limits=LIMITS,
        faults=faults,
        latency_s=(0.0, 0.05),
        tokens_per_second=500.0,
        completion_tokens=1_000,  # so that the cap of a call is what ends its answer
        rng=random.Random(seed),
        record_limit=10_000_000,
    )


def new_client(simulator: SimulatedGroq, threads: int) -> GroqClient:
    return GroqClient(
        CONFIG,
        api_key="any",
        base_url=simulator.url,
        timeout=(1.0, 0.5),
        max_workers=2 * threads,
        share_limits=False,
        max_response_bytes=1_000_000,
    )


def storm(
    client: GroqClient, simulator: SimulatedGroq, seconds: float, threads: int, seed: int
) -> list[Call]:
    """Have threads make calls for ``seconds``; return all calls, also those that never end."""
    callers = [
        Caller(client, simulator, f"thread {n}", random.Random(f"{seed}/{n}"))
        for n in range(threads)
    ]
    until_s = time.monotonic() + seconds
    workers = [threading.Thread(target=c.run, args=(until_s,), daemon=True) for c in callers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, until_s + 30 * MARGIN_S - time.monotonic()))
    return [call for caller in callers for call in caller.calls]


def at_rest(client: GroqClient, simulator: SimulatedGroq, threads: int) -> dict[str, list[str]]:
    """Look at a client that nobody uses any more, use it once more, and close it."""
    idle = comes_true(lambda: is_idle(client))
    broken = {"at rest, nothing is queued or on its way": [] if idle else [status_of(client)]}
    comes_true(lambda: not open_reservations(client))
    left = open_reservations(client)
    broken["at rest, no reservation is open"] = [f"{left} are"] if left else []
    simulator.set_faults({})
    broken["every worker serves when the faults are over"] = last_round(client, 2 * threads)
    began_s = time.monotonic()
    client.close(_CLOSING_S)
    took_s = time.monotonic() - began_s
    slow = took_s > _CLOSING_S + MARGIN_S
    broken["closing is quick"] = [f"it took {took_s:.1f} s"] if slow else []
    closed = simulator.wait_for_connections(0)
    kept = f"{simulator.open_connections} connections"
    broken["after closing, the service has no connection"] = [] if closed else [kept]
    return broken


def is_idle(client: GroqClient) -> bool:
    status = client.get_queue_status()
    return not (status["queued"] or status["in_flight"])


def open_reservations(client: GroqClient) -> int:
    """How many requests have set quota aside and not settled it."""
    # No public question tells, for what users see of it are levels, which flow back by themselves.
    ledgers = client._limiter._ledgers._ledgers.values()
    return sum(len(ledger.state.calls.open) for ledger in ledgers)


def status_of(client: GroqClient) -> str:
    return str(client.get_queue_status())


def last_round(client: GroqClient, number: int) -> list[str]:
    """What goes wrong with some calls at once, which nothing disturbs."""
    hello = [{"role": "user", "content": "Hello"}]
    futures = [
        client.submit(MODEL, hello, max_completion_tokens=5, deadline=_LAST_ROUND_S)
        for _ in range(number)
    ]
    _, lost = wait(futures, _LAST_ROUND_S + MARGIN_S)
    errors = [future.exception() for future in futures if future not in lost]
    return ["not ended"] * len(lost) + [repr(error) for error in errors if error is not None]


def left_behind(belongings: Belongings) -> dict[str, list[str]]:
    """What is still there of a client and a simulator that are closed."""
    comes_true(lambda: not belongings.new_threads() and belongings.new_sockets() <= 0)
    sockets = belongings.new_sockets()
    return {
        "no thread is left": belongings.new_threads(),
        "no socket is left": [f"{sockets} more than before"] if sockets > 0 else [],
    }


# --- report ----------------------------------------------------------------------------------


def table(report: Report) -> str:
    """All of a report, to be read by people."""
    worst_s = max((call.late_s for call in report.calls), default=0.0)
    return "\n".join(
        [
            f"{'calls':<20}{'made':>7}{'answers':>9}{'parts':>7}{'errors':>8}",
            *(_row(kind, report.calls) for kind in sorted({c.kind for c in report.calls})),
            *_counted("errors", Counter(c.outcome or NEVER for c in report.calls if is_error(c))),
            *_counted("faults", report.faults),
            f"\nthe latest call ended {worst_s:+.3f} s after its deadline "
            f"(the margin is {MARGIN_S:g} s)\n",
            *(_verdict(name, by) for name, by in report.broken.items()),
        ]
    )


def is_error(call: Call) -> bool:
    return call.outcome not in (ANSWER, PART)


def _row(kind: str, calls: list[Call]) -> str:
    own = [call for call in calls if call.kind == kind]
    answers, parts = (sum(c.outcome == word for c in own) for word in (ANSWER, PART))
    errors = len(own) - answers - parts
    return f"{kind:<20}{len(own):>7}{answers:>9}{parts:>7}{errors:>8}"


def _counted(title: str, counts: Counter[str]) -> list[str]:
    return [f"\n{title}", *(f"{name:<32}{number:>7}" for name, number in counts.most_common())]


def _verdict(name: str, broken_by: list[str]) -> str:
    if not broken_by:
        return f"ok      {name}"
    examples = "".join(f"\n          {text}" for text in broken_by[:_EXAMPLES])
    return f"BROKEN  {name}: {len(broken_by)} times{examples}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="how long (%(default)s)")
    parser.add_argument("--threads", type=int, default=16, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all chance")
    asked = parser.parse_args()
    print(f"seed {asked.seed}\n", flush=True)
    report = soak(asked.seconds, asked.threads, asked.seed)
    print(table(report))
    sys.exit(not report.is_good)


if __name__ == "__main__":
    main()
