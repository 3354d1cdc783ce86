"""Bound a whole call, and end calls that nobody needs any more, waiting or on their way."""

from __future__ import annotations

import threading
import time
from typing import Any

from _service import service

from customgroqchat import (
    APITimeoutError,
    GroqClient,
    RateLimitExceededException,
    RequestCancelledException,
)

MODEL = "openai/gpt-oss-20b"
BRIEF: dict[str, Any] = {"max_completion_tokens": 300, "reasoning_effort": "low"}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def answer_in_time(client: GroqClient, deadline: float) -> str:
    """Return the answer, or what became of the time."""
    try:
        answer = client.chat_completion(MODEL, ask("Are you quick?"), deadline=deadline, **BRIEF)
    except RateLimitExceededException as error:  # there was no quota in time: nothing was sent
        return f"not sent; come back in {error.retry_after or 1.0:.1f} s"
    except APITimeoutError as error:
        return f"too late. {error.message}"
    return f"{answer.choices[0].message.content} (after {answer.waited_s:.3f} s of waiting)"


def main() -> None:
    # The simulator takes so long for each answer.
    with service(latency_s=0.7) as connection, GroqClient(**connection) as client:
        print("A deadline bounds waiting, connecting and reading together:")
        for deadline in (0.2, 20.0):
            print(f"  {deadline:4} s: {answer_in_time(client, deadline)}")

        print("Calls can be cancelled by their tag, those that are on their way as well:")
        futures = [
            client.submit(MODEL, ask(f"Name {number} rivers."), tag="rivers", **BRIEF)
            for number in range(1, 6)
        ]
        while not any(future.running() or future.done() for future in futures):
            time.sleep(0.01)
        status = client.get_queue_status()
        print(f"  {status['in_flight']} on their way, {status['queued']} waiting")
        print(f"  {client.cancel(tag='rivers')} cancelled")

        print("A blocking call that another thread cancels says so:")
        threading.Timer(0.1, lambda: client.cancel(tag="view")).start()
        try:
            client.chat_completion(MODEL, ask("Is anybody there?"), tag="view", **BRIEF)
        except RequestCancelledException as error:
            print(f"  {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
