"""Watch what happens to requests, while it happens, and count it."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from _service import service

from customgroqchat import Event, GroqClient, GroqError

MODEL = "openai/gpt-oss-20b"
BRIEF: dict[str, Any] = {"max_completion_tokens": 200, "reasoning_effort": "low"}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def watch(event: Event) -> None:
    """Print one line for each event. It is called on a thread that is there for that."""
    facts = {
        "error": event.error,
        "next try in": event.delay_s and f"{event.delay_s:.2f} s",
        "took": event.took_s and f"{event.took_s:.3f} s",
        "tokens": event.completion_tokens,
    }
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    print(f"  request {event.request_id} {event.kind:8}  {told}")


def main() -> None:
    # By chance, and always the same chance, a request meets a 503.
    faults = {"faults": {"503": 0.3}, "rng": random.Random(11)}
    with service(**faults) as connection:
        print("What happens:")
        with GroqClient(**connection, on_event=watch) as client:
            for number in (1, 2, 3):
                client.chat_completion(MODEL, ask(f"Name {number} rivers."), **BRIEF)
            with suppress(GroqError):  # the events tell
                client.chat_completion("no-such-model", ask("Name a fish."), **BRIEF)
        # Closing the client has given the hook the time for what was left.

        stats = client.stats()
        print("\nWhat there was of it:")
        for name in ("events", "retries", "errors", "tokens"):
            print(f"  {name + ':':9}", {kind: n for kind, n in stats[name].items() if n})
        print(f"  waited:   {stats['waited_s']['sum']:.2f} s in all")


if __name__ == "__main__":
    main()
