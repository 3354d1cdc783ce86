"""Asking the simulator with ``requests``, and nothing of the client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import requests

from customgroqchat.testing import SimulatedGroq

MODEL = "openai/gpt-oss-20b"
HELLO = [{"role": "user", "content": "Hello there"}]


def ask(
    simulator: SimulatedGroq, method: str, path: str, *, key: str = "any", **options: Any
) -> requests.Response:
    """One request below the prefix of the API; options are those of ``requests``."""
    headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
    url = f"{simulator.url}/openai/v1{path}"
    return requests.request(method, url, headers=headers, timeout=10, **options)


def ask_chat(simulator: SimulatedGroq, *, key: str = "any", **more: Any) -> requests.Response:
    asked = {"model": MODEL, "messages": HELLO, **more}
    return ask(simulator, "POST", "/chat/completions", key=key, json=asked)


def error_of(response: requests.Response, status: int) -> dict[str, Any]:
    """The envelope of a refusal with this status."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


def events(response: requests.Response) -> list[tuple[str | None, Any]]:
    """The name and the data of each server-sent event; text that is no JSON stays text."""
    found = []
    for block in response.content.decode().removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        found.append((fields.get("event"), json.loads(data) if data.startswith("{") else data))
    return found


def jsonl(rows: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parse_jsonl(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]
