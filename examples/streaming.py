"""Print an answer while it is written; then what it cost. And leave one in the middle."""

from __future__ import annotations

from typing import Any

from _service import service

from customgroqchat import GroqClient, IncompleteStreamError

MODEL = "openai/gpt-oss-20b"
BRIEF: dict[str, Any] = {"max_completion_tokens": 300, "reasoning_effort": "low"}


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def main() -> None:
    # The simulator writes at this speed, so that there is something to see.
    with service(tokens_per_second=60) as connection, GroqClient(**connection) as client:
        print("Answer: ", end="")
        question = ask("Why do bees hum? Answer in two sentences.")
        with client.chat_completion(MODEL, question, stream=True, deadline=30, **BRIEF) as stream:
            try:
                for chunk in stream:
                    print(chunk.choices[0].delta.content or "", end="", flush=True)
            except IncompleteStreamError as error:
                # It is not sent again after something was handed over: that is yours to decide.
                print(f" [broke off after {len(error.text)} characters]")

        if stream.usage is not None:
            usage = stream.usage
            print(f"\nCost:   {usage.prompt_tokens} + {usage.completion_tokens} tokens")
        print(f"Sent:   {stream.attempts} time(s), as {stream.request_id}")

        print("\nThe whole answer, as if it had not been streamed:")
        with client.text_completion(MODEL, "Name a river.", stream=True, **BRIEF) as text:
            answer = text.get_final_completion()
        print(f"  {answer['choices'][0]['text']} ({answer['choices'][0]['finish_reason']})")

        print("Leaving the block closes the stream, and what was not written is not charged for:")
        with client.chat_completion(MODEL, ask("Tell me a story."), stream=True, **BRIEF) as stream:
            for _ in stream:
                if len(stream.text) > 8:
                    break
        print(f"  {stream.text}... (closed: {stream.closed})")


if __name__ == "__main__":
    main()
