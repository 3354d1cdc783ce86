"""Choose among models: what a request needs of each, whether it fits, and what it costs."""

from __future__ import annotations

from typing import NamedTuple

from _service import service

from customgroqchat import GroqClient, Model

CANDIDATES = ("openai/gpt-oss-20b", "openai/gpt-oss-120b", "qwen/qwen3.8-27b", "allam-2-7b")
CAP = 1_000  # the longest answer we want, in tokens
QUESTION = [{"role": "user", "content": "Summarise this report: " + "The year was good. " * 600}]


class Verdict(NamedTuple):
    model: str
    needed: int  # tokens
    room: int  # tokens
    dollars: float | None  # at most; None where no price is told

    @property
    def fits(self) -> bool:
        return self.needed <= self.room


def judge(client: GroqClient, model: Model) -> Verdict:
    """Compare what the question needs with what a model has. Sends nothing."""
    prompt = client.count_tokens(QUESTION, model.id)
    needed = prompt.upper + CAP  # the count with its margin: an estimate may be too low

    # What is larger than a whole limit can never pass, however long it waits.
    known = client.check_model_limits(model.id)
    sizes = [known["context_window"], known["limits"].get("TPM", {}).get("limit")]
    room = min(size for size in [*sizes, model.context_window] if size)

    prices = model.pricing  # dollars per token, as text
    dollars = prices and prompt * float(prices.prompt) + CAP * float(prices.completion)
    return Verdict(model.id, needed, room, dollars or None)


def main() -> None:
    with service() as connection, GroqClient(**connection) as client:
        served = [model for model in client.models.list().data if model.id in CANDIDATES]
        verdicts = [judge(client, model) for model in served]
        for model, needed, room, dollars in verdicts:
            price = "no price told" if dollars is None else f"at most ${dollars:.5f}"
            print(f"{model:<20} needs {needed:,} of {room:,} tokens, {price}")

        fitting = [verdict for verdict in verdicts if verdict.fits and verdict.dollars is not None]
        if not fitting:
            raise SystemExit("None of them fits: shorten the text.")
        chosen = min(fitting, key=lambda verdict: verdict.dollars or 0.0)
        print(f"\nChosen: {chosen.model}, the cheapest that fits")

        answer = client.chat_completion(chosen.model, QUESTION, max_completion_tokens=CAP)
        print("Answer:", answer.choices[0].message.content)


if __name__ == "__main__":
    main()
