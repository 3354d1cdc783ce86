"""How far the counts of TokenCounter are from what the service charged.

Reads recorded prompts with their reported usage and prints, for each family of models, the mean
and the greatest error, and how often the reserve (``upper``) was enough. Offline::

    python benchmarks/tokens.py [tokcount.jsonl] [--vocabulary-dir FOLDER]
"""

from __future__ import annotations

import argparse
import json
import timeit
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from customgroqchat._token_families import family_of
from customgroqchat.token_counter import TokenCounter

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings" / "tokcount.jsonl"
CHAT = [
    {"role": "user", "content": "Explain in two sentences why the sky is blue. " * 2 + "Thanks!!"}
]


def rows(path: Path) -> Iterator[dict[str, object]]:
    """Yield the recorded prompts that consist of text and tools of the user's own."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if not (row["has_image"] or row["has_server_tools"]):
                yield row


def payload(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row as the request that it was."""
    keys = ("model", "messages", "tools", "response_format")
    parameters = row["params"]
    assert isinstance(parameters, dict)
    return {**parameters, **{key: row[key] for key in keys}}


def report(counter: TokenCounter, path: Path) -> None:
    """Print the errors of a counter, family by family."""
    errors: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows(path):
        count, truth = counter.count_request(payload(row)), int(str(row["prompt_tokens"]))
        result = (abs(count - truth) / truth, count.upper >= truth)
        for name in (family_of(str(row["model"])).name, "all"):
            errors[name].append(result)
    print(f"\n{counter.source}\n{'family':<18}{'rows':>6}{'mean':>9}{'max':>9}{'enough':>10}")
    for name, found in sorted(errors.items(), key=lambda item: (item[0] == "all", item[0])):
        sizes = [error for error, _ in found]
        enough = sum(ok for _, ok in found) / len(found)
        mean = sum(sizes) / len(sizes)
        print(f"{name:<18}{len(found):>6}{mean:>9.2%}{max(sizes):>9.1%}{enough:>10.1%}")


def speed(counter: TokenCounter) -> None:
    """Print the time of one count of a short chat."""
    runs = 5_000
    model = "openai/gpt-oss-20b"
    seconds = min(timeit.repeat(lambda: counter.count_messages(CHAT, model), number=runs, repeat=5))
    print(f"{len(CHAT[0]['content'])} characters: {seconds / runs * 1e6:.1f} µs")


def main() -> None:
    """Report with the vocabulary, if this machine has it, and without."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recordings", nargs="?", type=Path, default=RECORDINGS)
    parser.add_argument("--vocabulary-dir", action="append", type=Path)
    arguments = parser.parse_args()
    exact = TokenCounter(vocabulary_dirs=arguments.vocabulary_dir)
    counters = [TokenCounter(use_vocabulary=False), *([exact] if exact.reload() else [])]
    for counter in counters:
        report(counter, arguments.recordings)
        speed(counter)


if __name__ == "__main__":
    main()
