"""A flood of work that can wait, and urgent calls that overtake it."""

from __future__ import annotations

from queue import SimpleQueue

from _service import service

from customgroqchat import GroqClient

MODEL = "openai/gpt-oss-20b"


def main() -> None:
    # Two workers are enough to make a queue of this small flood. A large one queues at the rate
    # limits, where urgent calls overtake it in the same way.
    with (
        service(latency_s=0.1) as connection,
        GroqClient(**connection, max_workers=2) as client,
    ):
        finished: SimpleQueue[str] = SimpleQueue()

        def submit(name: str, priority: str) -> None:
            client.submit(
                MODEL,
                [{"role": "user", "content": f"Reply with the word {name}."}],
                priority=priority,  # or an integer: smaller is sooner
                max_completion_tokens=200,
                reasoning_effort="low",
                callback=lambda _: finished.put(name),
            )

        for number in range(1, 11):
            submit(f"low-{number}", "low")
        order = [finished.get()]  # the flood is under way

        for number in range(1, 4):
            submit(f"URGENT-{number}", "high")
        waiting = client.get_queue_status()["lanes"][MODEL]["by_priority"]
        order += [finished.get() for _ in range(12)]

    print("Waiting when the urgent ones came:", waiting)
    print("Order of the answers:", " ".join(order))


if __name__ == "__main__":
    main()
