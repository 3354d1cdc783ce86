"""Many prompts in parallel, as fast as the limits allow, with progress on one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _service import service

from customgroqchat import GroqClient, GroqError

MODEL = "openai/gpt-oss-20b"
# fmt: off
COUNTRIES = [
    "Austria", "Belgium", "Chile", "Denmark", "Egypt", "Finland", "Ghana", "Hungary", "India",
    "Japan", "Kenya", "Latvia", "Mexico", "Nepal", "Oman", "Peru", "Qatar", "Romania", "Spain",
]
# fmt: on


def requests() -> Iterator[dict[str, Any]]:
    # A generator: map() takes only as many as it can use, so this may as well read a huge file.
    for country in COUNTRIES:
        question = f"What is the capital of {country}? Answer in one word."
        yield {"messages": [{"role": "user", "content": question}]}


def main() -> None:
    capitals: dict[str, str] = {}
    failed: dict[str, GroqError] = {}

    with (
        service(latency_s=(0.05, 0.2)) as connection,
        GroqClient(**connection, max_workers=8) as client,
    ):
        answers = client.map(
            requests(),
            model_name=MODEL,
            max_completion_tokens=200,
            reasoning_effort="low",
            priority="low",  # leaves the way free for a user who waits
            return_exceptions=True,  # one failure shall not end the whole batch
        )
        # Answers come in the order of the requests; ordered=False yields whichever is ready.
        for country, answer in zip(COUNTRIES, answers, strict=True):
            if isinstance(answer, GroqError):
                failed[country] = answer
            else:
                capitals[country] = answer.choices[0].message.content
            done = len(capitals) + len(failed)
            print(f"\r{done} of {len(COUNTRIES)}, {len(failed)} failed", end="", flush=True)

    print()
    for country, capital in capitals.items():
        print(f"{country}: {capital}")
    for country, error in failed.items():
        print(f"{country}: {error}")


if __name__ == "__main__":
    main()
