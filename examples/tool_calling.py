"""Functions that the model calls by itself, until it can answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from _service import service

from customgroqchat import GroqClient

MODEL = "openai/gpt-oss-20b"
BOOKED = {date(2026, 12, 24): "Ada", date(2026, 12, 25): "Bo"}


def guests_on(day: date) -> str:
    """Tell who has booked the boat on a day."""
    return BOOKED.get(day, "nobody")


def book(
    day: date,
    name: Annotated[str, "The guest's first name."],
    trip: Literal["harbour", "fjord"] = "harbour",
) -> dict[str, Any]:
    """Book the boat for a day.

    Args:
        day: Any day on which nobody has booked.
        trip: Where it shall go.
    """
    if day in BOOKED:
        raise ValueError(f"{BOOKED[day]} has booked this day; next: {day + timedelta(days=1)}")
    BOOKED[day] = name
    return {"booked": day, "trip": trip, "name": name}


def simulated_answer(payload: dict[str, Any]) -> Any:
    """Call what a model might; it takes a day that is taken, is told, and takes another."""
    steps: list[Any] = [
        [("guests_on", {"day": "2026-12-24"}), ("guests_on", {"day": "2026-12-25"})],
        [("book", {"day": "2026-12-25", "name": "Cy", "trip": "fjord"})],
        [("book", {"day": "2026-12-26", "name": "Cy", "trip": "fjord"})],
    ]
    done = sum(1 for message in payload["messages"] if message["role"] == "assistant")
    if done == len(steps):
        return "The 26th is yours, Cy: the fjord it is."
    return {"tool_calls": [{"name": name, "arguments": given} for name, given in steps[done]]}


def main() -> None:
    with service(answers=simulated_answer) as connection, GroqClient(**connection) as client:
        question = "I am Cy. Book me the boat to the fjord at Christmas 2026, as early as possible."
        run = client.chat.completions.run_tools(
            model=MODEL,
            messages=[{"role": "user", "content": question}],
            tools=[guests_on, book],  # plain functions; their annotations are the schema
            max_rounds=6,
            on_call=lambda call: print(f"  {call.name}({call.arguments}) -> {call.content}"),
        )
        print(f"Answer: {run.text}")
        print(f"{len(run.calls)} calls, {run.rounds} requests, {run.usage.total_tokens} tokens")


if __name__ == "__main__":
    main()
