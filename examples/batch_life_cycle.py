"""Many requests as batches, at half the price: begin, watch, read, and go on after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _service import service

from customgroqchat import GroqClient

MODEL = "openai/gpt-oss-20b"
WORDS = ["apple", "bridge", "cloud", "dune", "ember", "fjord", "grove", "harbour"]


def requests() -> Iterator[dict[str, Any]]:
    # A generator: no more of it is held at a time than one file takes.
    for word in WORDS:
        messages = [{"role": "user", "content": f"Rhyme on {word}."}]
        yield {"custom_id": word, "messages": messages}


def show_progress(progress: Any) -> None:
    print(f"  {progress.completed} of {progress.total} done, batches: {progress.batches}")


def main() -> None:
    with (
        TemporaryDirectory() as folder,
        service(batch_steps=2) as connection,
        GroqClient(**connection) as client,
    ):
        notes = Path(folder) / "batches.txt"

        def write_down(ids: tuple[str, ...]) -> None:
            notes.write_text("\n".join(ids), encoding="utf-8")

        run = client.batches.run(
            requests(),
            common={"model": MODEL, "max_completion_tokens": 200, "reasoning_effort": "low"},
            max_lines=5,  # to see more than one batch; the service takes 50 000
            poll_interval_s=0.2,
            on_started=write_down,  # whatever happens from now on, nothing is lost
            on_progress=show_progress,
        )
        for result in run:
            if result.response is None:
                print(f"{result.custom_id}: failed with {result.error}")
            else:
                print(f"{result.custom_id}: {result.response.choices[0].message.content}")

        # What another process would do after a crash: nothing is uploaded or paid again.
        ids = notes.read_text(encoding="utf-8").split()
        again = client.batches.resume(ids, delete_files=True)
        print(f"Resumed from {len(ids)} ids: {sum(result.ok for result in again)} answers.")


if __name__ == "__main__":
    main()
