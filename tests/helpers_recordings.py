"""Real exchanges with the service, kept outside the repository; empty where they are not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_RECORDINGS = Path(__file__).resolve().parents[1] / ".." / "shared" / "recordings"


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    """Return the rows of a recording, to parametrize a test with: no rows skip it."""
    path = _RECORDINGS / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def quoted_refusals() -> list[Any]:
    """Return the quoted texts of 429s and 413s, each with what a reader of it found."""
    rows = recorded("quoted_errors.jsonl")
    return [row for row in rows if "Limit " in row["message"]]


def exchanges(*, failed: bool) -> list[dict[str, Any]]:
    """Return the recorded answers that are not streams: those with an error status, or others."""
    return [
        row
        for row in recorded("exchanges.jsonl")
        if not row["response"]["is_stream"] and (row["response"]["status"] >= 400) is failed
    ]
