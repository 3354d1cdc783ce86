"""A conversation with a memory: the oldest turns are forgotten when the window gets too small."""

from __future__ import annotations

from _service import service

from customgroqchat import GroqClient, TokenCounter

MODEL = "openai/gpt-oss-20b"
# The model has room for 131,072 tokens. A small window of our own shows the trimming sooner, and
# keeps each request cheap: the whole memory is sent, and paid for, every time.
WINDOW = 450
CAP = 250

QUESTIONS = (
    "My name is Ada, and I like short answers.",
    "Which planet has the most moons?",
    "Who discovered the first of them?",
    "In which year was that?",
    "Which instrument was used for it?",
    "Which city was that in?",
    "What else happened there in those days?",
    "What is my name?",
)


class Conversation:
    """Messages that fit the window, with the instructions always first."""

    def __init__(self, client: GroqClient, instructions: str) -> None:
        self._client = client
        self._counter = TokenCounter()
        self._instructions = {"role": "system", "content": instructions}
        self._turns: list[dict[str, str]] = []

    def ask(self, question: str) -> str:
        self._turns.append({"role": "user", "content": question})
        forgotten = self._forget()
        messages = [self._instructions, *self._turns]
        answer = self._client.chat_completion(
            MODEL, messages, max_completion_tokens=CAP, reasoning_effort="low"
        )
        text = answer.choices[0].message.content or ""
        # Only role and text go into the memory: a model's reasoning is not meant to be sent back.
        self._turns.append({"role": "assistant", "content": text})
        print(f"[{answer.usage.prompt_tokens} tokens, {forgotten} messages forgotten]")
        return text

    def _forget(self) -> int:
        """Drop question and answer together, oldest first, until prompt and answer fit."""
        before = len(self._turns)
        while len(self._turns) > 1 and self._needed() > WINDOW:
            del self._turns[:2]
        return before - len(self._turns)

    def _needed(self) -> int:
        # `upper` is the count with its margin: an estimate must not make the window overflow.
        return self._counter.count_messages([self._instructions, *self._turns], MODEL).upper + CAP


def main() -> None:
    with service() as connection, GroqClient(**connection) as client:
        conversation = Conversation(client, "You are a helpful assistant. Answer in one sentence.")
        for question in QUESTIONS:
            print(f"\nYou:   {question}")
            print(f"Model: {conversation.ask(question)}")


if __name__ == "__main__":
    main()
