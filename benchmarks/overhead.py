"""What the whole pipeline costs beside a bare ``requests.Session.post(...).json()``.

    python benchmarks/overhead.py

Everything is measured in one interleaved run against a canned server in another process, and
reported as ratios, so that a slow or busy machine slows both sides. Smaller is better, except for
calls per second.

* CPU of the client per sequential call (user and system time of this process);
* calls per second from 64 threads;
* time to import, in fresh interpreters, beside ``import requests``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

from customgroqchat import GroqClient

MODEL = "openai/gpt-oss-20b"
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Write a short greeting for a person whom you have not met yet."},
]
CONFIG = {MODEL: {"req_per_minute": 10**8, "token_per_minute": 10**10}}


def cpu_per_call(call: Callable[[], object], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls


def calls_per_second(call: Callable[[], object], threads: int, calls: int) -> float:
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(calls // threads):
            call()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return calls / (time.perf_counter() - started)


def import_seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def interleaved(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Return the medians of both, and the median of the ratios of neighbouring runs."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300, help="sequential calls in a round")
    parser.add_argument("--threads", type=int, default=64)
    arguments = parser.parse_args()

    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("_canned_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    base_url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    try:
        compare(base_url, arguments)
    finally:
        server.communicate()


def compare(base_url: str, arguments: argparse.Namespace) -> None:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=arguments.threads))
    headers = {"Authorization": "Bearer benchmark"}
    payload = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 64}
    url = f"{base_url}/openai/v1/chat/completions"

    with GroqClient(
        CONFIG, api_key="benchmark", base_url=base_url, max_workers=arguments.threads
    ) as client:

        def ours() -> object:
            return client.chat_completion(MODEL, MESSAGES, max_completion_tokens=64)

        def theirs() -> object:
            return session.post(url, json=payload, headers=headers).json()

        for call in (ours, theirs):
            cpu_per_call(call, 50)
        one, other, ratio = interleaved(
            lambda: cpu_per_call(ours, arguments.calls),
            lambda: cpu_per_call(theirs, arguments.calls),
            arguments.rounds,
        )
        what = "client CPU per sequential call"
        report(what, f"{one * 1e6:.0f} µs", f"{other * 1e6:.0f} µs", ratio)
        many = arguments.calls * 4
        one, other, ratio = interleaved(
            lambda: calls_per_second(ours, arguments.threads, many),
            lambda: calls_per_second(theirs, arguments.threads, many),
            arguments.rounds,
        )
        threads = f"calls per second, {arguments.threads} threads"
        report(threads, f"{one:.0f}", f"{other:.0f}", ratio)

    one, other, ratio = interleaved(
        lambda: import_seconds("from customgroqchat import GroqClient"),
        lambda: import_seconds("import requests"),
        arguments.rounds,
    )
    report("import", f"{one * 1e3:.0f} ms", f"{other * 1e3:.0f} ms", ratio)


def report(what: str, ours: str, theirs: str, ratio: float) -> None:
    print(f"{what:<36} ours {ours:>9}   requests {theirs:>9}   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
