"""Callbacks: be told of each outcome, good or bad, and ask on from there."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from _service import service

from customgroqchat import GroqClient, GroqError

MODEL = "openai/gpt-oss-20b"


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def report(outcome: Any) -> None:
    """Print what a callback is given: the answer, or the error that the call would raise."""
    if isinstance(outcome, GroqError):
        print(f"  failed with {type(outcome).__name__}: {outcome.hint}")
    else:
        print(f"  answered: {outcome.choices[0].message.content}")


def main() -> None:
    brief: dict[str, Any] = {"max_completion_tokens": 200, "reasoning_effort": "low"}
    with service() as connection, GroqClient(**connection) as client:
        print("A blocking call runs its callback before it returns, in the same thread:")
        client.chat_completion(MODEL, ask("Name a colour."), callback=report, **brief)

        print("submit() returns at once; its callback runs on another thread:")
        outcomes: SimpleQueue[Any] = SimpleQueue()
        client.submit(MODEL, ask("Name a fruit."), callback=outcomes.put, **brief)
        client.submit("no-such-model", ask("Name a fish."), callback=outcomes.put)
        for _ in range(2):
            report(outcomes.get())

        print("A callback may use the client, here for a second question about the first answer:")
        finished = threading.Event()

        def ask_on(outcome: Any) -> None:
            report(outcome)
            if isinstance(outcome, GroqError):
                finished.set()
                return
            fruit = outcome.choices[0].message.content
            answer = client.chat_completion(MODEL, ask(f"What colour is this? {fruit}"), **brief)
            report(answer)
            finished.set()

        client.submit(MODEL, ask("Name a vegetable."), callback=ask_on, **brief)
        finished.wait()


if __name__ == "__main__":
    main()
