"""What is known of models: pick one by what it can do, price an answer, replace a dead one."""

from __future__ import annotations

from _service import service

from customgroqchat import GroqClient, ModelFacts, NotFoundError

QUESTION = [{"role": "user", "content": "Which planet has the most moons?"}]


def dollars_per_million(facts: ModelFacts) -> str:
    prices = facts.prices
    if prices is None or prices.prompt is None or prices.completion is None:
        return "no price known"
    return f"${prices.prompt * 1e6:.3f} and ${prices.completion * 1e6:.2f} per million tokens"


def live(client: GroqClient, name: str) -> str:
    """Return the model, or what replaces it if it was shut down."""
    facts = client.models.facts(name)  # asks the service once an hour at most
    if facts.successor is None:
        return name
    print(f"{name} was shut down on {facts.retired_on}: {facts.successor} replaces it")
    return facts.successor


def main() -> None:
    with service() as connection, GroqClient(**connection) as client:
        known = [client.models.facts(model.id) for model in client.models.list().data]
        strict = [facts for facts in known if facts.supports("structured_outputs")]
        print("Models that keep to a schema:")
        for facts in strict:
            print(f"  {facts.name:<29} {dollars_per_million(facts)}")

        model = live(client, "mixtral-8x7b-32768")  # in code that nobody has looked at for a year
        answer = client.chat_completion(model, QUESTION, max_completion_tokens=300)
        print("Answer:", answer.choices[0].message.content)
        cost = client.models.facts(model).cost_usd(answer.usage)
        print("It cost", "an unknown sum" if cost is None else f"${cost:.7f}")

        try:
            client.chat_completion("gpt-oss-20b", QUESTION)
        except NotFoundError as error:
            print("A name without its maker's:", error.hint)


if __name__ == "__main__":
    main()
