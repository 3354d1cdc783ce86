"""The simulator, and if asked for a neighbour on the same key, in a process of its own.

The first line of standard input is JSON: the simulator's settings, the key, and the neighbour or
null. The answer is a line with the address. A further line asks for the report, also a line of
JSON; then, or when standard input ends, the process ends.
"""

from __future__ import annotations

import collections
import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from _quota_neighbour import MARK, Neighbour

from customgroqchat.testing import RequestRecord, SimulatedGroq


def by_words(payload: Mapping[str, Any]) -> int:
    """Count a prompt in a way that no client expects."""
    words = sum(len(str(message["content"]).split()) for message in payload["messages"])
    return round(1.6 * words) + 7


def wanted_length(payload: Mapping[str, Any]) -> int:
    """Return how long the answer shall be: a request says it in its seed."""
    return int(payload["seed"])


def simulator(settings: Mapping[str, Any]) -> SimulatedGroq:
    """Make a simulator of settings as JSON can hold them."""
    chosen = dict(settings)
    if chosen.pop("count_tokens", None) == "by_words":
        chosen["count_tokens"] = by_words
    chosen["latency_s"] = tuple(chosen["latency_s"])
    return SimulatedGroq(completion_tokens=wanted_length, **chosen)


def report(records: Iterable[RequestRecord], refund: bool) -> dict[str, Any]:
    """Return what happened, for the client and for the neighbour."""
    parties: dict[str, list[RequestRecord]] = {"client": [], "neighbour": []}
    for record in records:
        parties["neighbour" if MARK in record.headers else "client"].append(record)
    return {party: _account(of_party, refund) for party, of_party in parties.items()}


def _account(records: list[RequestRecord], refund: bool) -> dict[str, Any]:
    costs: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in records:
        if record.status == 200:
            costs[str(record.model)].update(_cost(record, refund))
    statuses = collections.Counter(record.status for record in records)
    return {"served": statuses[200], "refused": statuses[429], "costs": costs}


def _cost(record: RequestRecord, refund: bool) -> dict[str, int]:
    used = record.prompt_tokens + record.completion_tokens
    tokens = used if refund else max(used, record.charge["TPM"])
    return {"RPM": 1, "RPD": 1, "TPM": tokens, "TPD": tokens}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    with contextlib.ExitStack() as stack:
        groq = stack.enter_context(simulator(order["settings"]))
        other = order["neighbour"]
        neighbour = other and stack.enter_context(Neighbour(groq.url, order["key"], **other))
        print(groq.url, flush=True)
        if sys.stdin.readline():
            said = report(groq.requests, order["settings"].get("refund", True))
            said["neighbour"]["asked"] = neighbour.asked if neighbour else 0
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
