"""Ask one question; see the answer, what it cost, and what is left of the limits."""

from __future__ import annotations

from _service import service

from customgroqchat import GroqClient, GroqError

MODEL = "openai/gpt-oss-20b"


def main() -> None:
    # In your own program this line is `with GroqClient() as client:`, with GROQ_API_KEY set.
    with service() as connection, GroqClient(**connection) as client:
        try:
            answer = client.chat_completion(
                MODEL,
                [
                    {"role": "system", "content": "Answer in one word."},
                    {"role": "user", "content": "What is the largest planet?"},
                ],
                # The service sets the whole cap aside until it has answered: a tight one leaves
                # room for other calls. A reasoning model's thoughts count as well.
                max_completion_tokens=200,
                reasoning_effort="low",
            )
        except GroqError as error:  # every error of the package; it says what to do about it
            raise SystemExit(f"{type(error).__name__}: {error}") from None

        print("Answer:", answer.choices[0].message.content)

        usage = answer.usage
        print(f"Cost:   {usage.prompt_tokens} + {usage.completion_tokens} tokens")

        print("Left of the limits:")
        for name, limit in client.check_model_limits(MODEL)["limits"].items():
            print(f"  {name}  {limit['remaining']:>7,} of {limit['limit']:,} ({limit['source']})")


if __name__ == "__main__":
    main()
