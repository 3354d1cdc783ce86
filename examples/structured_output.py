"""Answers as objects: a dataclass instead of a text, checked, and repaired if need be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from _service import service

from customgroqchat import GroqClient, StructuredOutputException

MODEL = "openai/gpt-oss-20b"
REVIEW = "I waited an hour for cold soup, but the waiter was kind. Never again! - Ada"


class Verdict(Enum):
    GOOD = "good"
    MIXED = "mixed"
    BAD = "bad"


@dataclass
class Review:
    """What a guest wrote.

    Attributes:
        verdict: What the guest thinks on the whole.
        complaints: What was bad, in a few words each.
    """

    verdict: Verdict
    author: str | None = None
    complaints: list[str] = field(default_factory=list)


def simulated_answer(payload: dict[str, Any]) -> str:
    """Say what a model might; the first time it gets it wrong."""
    if len(payload["messages"]) == 1:
        return json.dumps({"verdict": "terrible", "author": "Ada", "complaints": []})
    complaints = ["an hour of waiting", "cold soup"]
    return json.dumps({"verdict": "mixed", "author": "Ada", "complaints": complaints})


def main() -> None:
    with service(answers=simulated_answer) as connection, GroqClient(**connection) as client:
        messages = [{"role": "user", "content": f"Sum up this review in JSON: {REVIEW}"}]
        try:
            answer = client.chat.completions.parse(
                model=MODEL,
                messages=messages,
                response_format=Review,
                repair=True,  # if it does not fit, send it back once with what is wrong
                max_completion_tokens=500,
            )
        except StructuredOutputException as error:
            raise SystemExit(f"No review: {error}") from error

        review = answer.parsed  # a Review, also for the editor
        print(f"{review.author}: {review.verdict.name}")
        for complaint in review.complaints:
            print(f"  - {complaint}")
        if answer.first_failure is not None:
            print(f"The first answer was repaired: {answer.first_failure.message}")


if __name__ == "__main__":
    main()
