"""What happens when a limit is used up: refuse at once with a time to come back, or wait."""

from __future__ import annotations

import math
from concurrent.futures import wait
from typing import Any

from _service import service

from customgroqchat import GroqClient, RateLimitExceededException

MODEL = "openai/gpt-oss-20b"
# A limit of our own: 20 requests in a minute. With "lower" it holds although the account may allow
# more. The bucket is full at the start, and gets one request back every three seconds.
LIMITS = {"defaults": {"server_limits": "lower"}, MODEL: {"req_per_minute": 20}}
BRIEF: dict[str, Any] = {"max_completion_tokens": 100, "reasoning_effort": "low"}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def view(client: GroqClient, question: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Answer a web request: status, headers, body. In Flask or Django the lines are the same."""
    try:
        answer = client.chat_completion(MODEL, ask(question), max_wait=0.5, **BRIEF)
    except RateLimitExceededException as error:  # the client's refusal, or the service's 429
        retry_after = math.ceil(error.retry_after or 1.0)
        return 503, {"Retry-After": str(retry_after)}, {"error": "busy", "limit": error.dimension}
    return 200, {}, {"answer": answer.choices[0].message.content}


def main() -> None:
    with service() as connection, GroqClient(LIMITS, **connection) as client:
        print("20 requests pass at once, since the bucket was full:")
        burst = ({"messages": ask(f"Reply with {number}.")} for number in range(20))
        answered = sum(1 for _ in client.map(burst, model_name=MODEL, **BRIEF))
        limit = client.check_model_limits(MODEL)["limits"]["RPM"]
        print(f"  {answered} answered; {limit['remaining']} of {limit['limit']} requests left\n")

        print("A web view must not hang. It allows half a second, and is refused without delay:")
        status, headers, body = view(client, "Are you there?")
        print(f"  HTTP {status}, {headers}, {body}\n")

        print("A script can wait. No slot is taken meanwhile, and nothing is sent too early:")
        future = client.submit(MODEL, ask("Are you there now?"), **BRIEF)
        while not wait([future], timeout=0.5).done:
            head = client.get_queue_status()["lanes"][MODEL]["head"]
            if head:
                print(f"  waiting for {head['dimension']}, another {head['wait_s']:.1f} s")
        print("  answered:", future.result().choices[0].message.content)


if __name__ == "__main__":
    main()
