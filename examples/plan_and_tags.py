"""Plan before spending, then let two groups of requests share a limit, three to one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

from _service import service

from customgroqchat import GroqClient, RateLimitExceededException

MODEL = "openai/gpt-oss-20b"
# A share of the account: "lower" keeps to it, even if the service allows more. It is 20 requests
# at once, and then one in three seconds.
SHARE = {"defaults": {"server_limits": "lower"}, MODEL: {"req_per_minute": 20}}
WEIGHTS = {"web": 3}  # a tag that is not named weighs 1
BRIEF: dict[str, Any] = {"max_completion_tokens": 100, "reasoning_effort": "low"}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def questions(tag: str, number: int) -> Iterator[dict[str, Any]]:
    for n in range(1, number + 1):
        yield {"messages": ask(f"Reply with the number {n}."), "tag": tag}


def view(client: GroqClient, question: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Answer a web request: status, headers, body. It must not hang."""
    try:
        answer = client.chat_completion(MODEL, ask(question), tag="web", max_wait=0.5, **BRIEF)
    except RateLimitExceededException as error:
        seconds = math.ceil(error.retry_after or 1.0)
        return 503, {"Retry-After": str(seconds)}, {"error": "busy", "limit": error.dimension}
    return 200, {}, {"answer": answer.choices[0].message.content}


def main() -> None:
    with (
        service(latency_s=0.1) as connection,
        GroqClient(SHARE, tag_weights=WEIGHTS, max_workers=2, **connection) as client,
    ):
        requests = [*questions("batch", 14), *questions("web", 6)]
        print("A web view, while nothing else is asked for:", view(client, "Are you there?"))
        print("\nWhat a batch and the web together will take, before it is spent:")
        print(client.plan(requests, model_name=MODEL, **BRIEF))

        finished: SimpleQueue[str] = SimpleQueue()

        def submit(request: dict[str, Any]) -> None:
            tag = request["tag"]
            client.submit(MODEL, callback=lambda _: finished.put(tag), **request, **BRIEF)

        for request in requests[:14]:
            submit(request)
        order = [finished.get()]  # the batch is under way; then the web comes
        for request in requests[14:]:
            submit(request)
        print("\nWould there be room for one more?", client.explain_wait(MODEL, tag="batch"))

        order += [finished.get() for _ in requests[1:]]
        print("\nOrder of the answers:", " ".join(order))

        print("\nThe share is used up. A view is refused at once, and told when to come back:")
        status, headers, body = view(client, "Are you there?")
        print(f"HTTP {status}, {headers}, {body}")


if __name__ == "__main__":
    main()
