"""A program that was written for the official SDK: only its import line was changed."""

from __future__ import annotations

from _service import service

import customgroqchat as groq  # was: import groq
from customgroqchat.types.chat import ChatCompletionMessageParam  # was: from groq.types.chat import

MODEL = "openai/gpt-oss-20b"


def ask(text: str) -> list[ChatCompletionMessageParam]:
    return [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": text},
    ]


def main() -> None:
    # In a program of your own this line is `client = groq.Groq()`, with GROQ_API_KEY set.
    with service() as connection, groq.Groq(timeout=groq.Timeout(60.0), **connection) as client:
        completion = client.chat.completions.create(
            messages=ask("Why do bees hum?"), model=MODEL, max_completion_tokens=300, stop=None
        )
        print("Answer:", completion.choices[0].message.content)

        chunks = client.chat.completions.create(
            messages=ask("Name a river."), model=MODEL, max_completion_tokens=300, stream=True
        )
        print("Stream: ", end="")
        for chunk in chunks:
            print(chunk.choices[0].delta.content or "", end="")
        print()

        raw = client.chat.completions.with_raw_response.create(
            messages=ask("Name a lake."), model=MODEL, max_completion_tokens=300
        )
        left = raw.headers["x-ratelimit-remaining-requests"]
        print(f"Raw:     HTTP {raw.status_code}, {left} requests left today")
        print(f"         {raw.parse().to_json(indent=None)[:60]}...")

        hasty = client.with_options(max_retries=0, timeout=5.0)
        try:
            hasty.models.retrieve("a-model/that-never-was")
        except groq.APIConnectionError as error:
            print("The service could not be reached:", error.__cause__)
        except groq.RateLimitError:
            print("A limit is used up.")
        except groq.APIStatusError as error:
            print(f"Error:   {type(error).__name__}, {error.status_code}, {error.code}")

        # What there was not before: the place in the queue, and how long the whole may take.
        urgent = client.chat.completions.create(
            messages=ask("Is it urgent?"),
            model=MODEL,
            max_completion_tokens=300,
            priority="high",
            deadline=30.0,
        )
        print(f"Urgent:  waited {urgent.waited_s:.1f} s, sent {urgent.attempts} time(s)")


if __name__ == "__main__":
    main()
