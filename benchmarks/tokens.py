"""How far the counts of TokenCounter are from what the service charged.

Reads recorded prompts with their reported usage and prints errors by family of models, with the
vocabulary, if this machine has it, and without; each in three ways:

- as counted, by the table of templates;
- calibrated: in random order, each counted before the counter is told what it cost;
- refitted: by a table that was made without that prompt, as the true one was made with it.

Ends with the targets, and with exit code 1 if one is missed. Offline::

    python benchmarks/tokens.py [tokcount.jsonl] [--vocabulary-dir FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import timeit
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import NamedTuple

from _token_refit import leave_one_out, sample

from customgroqchat._token_estimator import estimate_tokens
from customgroqchat._token_families import family_of
from customgroqchat._token_vocabulary import O200K_BASE, count_tokens, load_encoding
from customgroqchat.token_counter import TokenCounter

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings" / "tokcount.jsonl"
CHAT = [
    {"role": "user", "content": "Explain in two sentences why the sky is blue. " * 2 + "Thanks!!"}
]
ORDERS = 5  # in which the calibrated counts are made
LIVE = ("gpt-oss", "qwen3.8", "qwen3", "allam")  # qwen3 for its successor, of which none is there
#: The greatest mean error, with the vocabulary and without.
TARGETS = {"live": (0.02, 0.04), "gpt-oss": (0.005, 0.025)}

Row = Mapping[str, object]


class Result(NamedTuple):
    """The error of a count, as a fraction of the truth, and whether its reserve was enough."""

    error: float
    enough: bool = True


Results = dict[str, list[Result]]


def rows(path: Path) -> Iterator[Row]:
    """Yield the recorded prompts that consist of text and tools of the user's own."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if not (row["has_image"] or row["has_server_tools"]):
                yield row


def payload(row: Row) -> dict[str, object]:
    """Return a row as the request that it was."""
    keys = ("model", "messages", "tools", "response_format")
    parameters = row["params"]
    assert isinstance(parameters, dict)
    return {**parameters, **{key: row[key] for key in keys}}


# --- the three ways ------------------------------------------------------------------------


def as_counted(counter: TokenCounter, recorded: Sequence[Row], *, learn: bool = False) -> Results:
    """Count each row, in order, and tell the counter what it cost if it is to learn."""
    results: Results = defaultdict(list)
    for row in recorded:
        count, truth = counter.count_request(payload(row)), int(str(row["prompt_tokens"]))
        add(results, row, Result(abs(count - truth) / truth, count.upper >= truth))
        if learn:
            counter.observe(count, truth)
    return results


def calibrated(new: Callable[[], TokenCounter], recorded: Sequence[Row]) -> Results:
    """Count the rows in several random orders, each with a counter that has learnt nothing."""
    results: Results = defaultdict(list)
    for seed in range(ORDERS):
        order = random.Random(seed).sample(recorded, len(recorded))
        for name, found in as_counted(new(), order, learn=True).items():
            results[name] += found
    return results


def refitted(recorded: Sequence[Row], measure: Callable[[str], float]) -> Results:
    """Count each row by a table that does not know it."""
    families: dict[str, list[Row]] = defaultdict(list)
    for row in recorded:
        families[family_of(str(row["model"])).name].append(row)
    results: Results = defaultdict(list)
    for found in families.values():
        samples = [
            sample(
                payload(row),
                str(row["prompt_key"]),
                int(str(row["prompt_tokens"])),
                family_of(str(row["model"])),
                measure,
            )
            for row in found
        ]
        for row, error in zip(found, leave_one_out(samples), strict=True):
            add(results, row, Result(error))
    return results


def add(results: Results, row: Row, result: Result) -> None:
    """Enter a result under its family, and under those that sum up."""
    family = family_of(str(row["model"]))
    sums = ["known"] * family.is_known + ["live"] * (family.name in LIVE) + ["all"]
    for name in [family.name, *sums]:
        results[name].append(result)


# --- the report ----------------------------------------------------------------------------


def report(title: str, counted: Results, learnt: Results, refit: Results) -> None:
    """Print the errors of one way of counting, family by family."""
    print(f"\n{title}")
    print(f"{'':<18}{'':>5}{'as counted':>41}{'calibrated':>27}{'refitted':>18}")
    head = ("mean", "median", "p95", "max", "enough", "mean", "p95", "enough", "mean", "p95")
    print(f"{'family':<18}{'rows':>5}" + "".join(f"{name:>9}" for name in head))
    sums = ("known", "live", "all")
    for name in sorted(counted, key=lambda name: (name in sums, name)):
        cells = [
            *(mean(counted[name]), median(r.error for r in counted[name]), p95(counted[name])),
            *(max(r.error for r in counted[name]), enough(counted[name])),
            *(mean(learnt[name]), p95(learnt[name]), enough(learnt[name])),
            *(mean(refit[name]), p95(refit[name])),
        ]
        print(f"{name:<18}{len(counted[name]):>5}" + "".join(f"{cell:>9.2%}" for cell in cells))


def mean(results: Sequence[Result]) -> float:
    """Return the mean error."""
    return fmean(result.error for result in results)


def p95(results: Sequence[Result]) -> float:
    """Return the error that 95 percent do not exceed."""
    errors = [result.error for result in results]
    return quantiles(errors, n=20, method="inclusive")[-1] if len(errors) > 1 else errors[0]


def enough(results: Sequence[Result]) -> float:
    """Return the share of reserves that were enough."""
    return fmean(result.enough for result in results)


def check(title: str, results: Results, column: int) -> bool:
    """Print whether each target holds, and return whether all do."""
    held = True
    for name, bounds in TARGETS.items():
        if name in results:
            error, bound = mean(results[name]), bounds[column]
            held = held and error <= bound
            word = "holds" if error <= bound else "MISSED"
            print(f"target {name}, {title}: {error:.2%} of {bound:.1%}: {word}")
    return held


def speed(counter: TokenCounter) -> None:
    """Print the time of one count of a short chat."""
    runs = 5_000
    model = "openai/gpt-oss-20b"
    seconds = min(timeit.repeat(lambda: counter.count_messages(CHAT, model), number=runs, repeat=5))
    print(f"a count of {len(CHAT[0]['content'])} characters: {seconds / runs * 1e6:.1f} µs")


def main(argv: Sequence[str] | None = None) -> int:
    """Report with the vocabulary, if this machine has it, and without."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recordings", nargs="?", type=Path, default=RECORDINGS)
    parser.add_argument("--vocabulary-dir", action="append", type=Path)
    arguments = parser.parse_args(argv)
    recorded, held = list(rows(arguments.recordings)), True
    for uses in (True, False):

        def new(uses: bool = uses) -> TokenCounter:
            return TokenCounter(vocabulary_dirs=arguments.vocabulary_dir, use_vocabulary=uses)

        counter = new()
        if counter.reload() is not uses:
            print(f"{O200K_BASE.name} is not on this machine: its part is left out.")
            continue
        measure = _measure(arguments.vocabulary_dir) if uses else estimate_tokens
        counted = as_counted(counter, recorded)
        report(counter.source, counted, calibrated(new, recorded), refitted(recorded, measure))
        held = check(counter.source, counted, 0 if uses else 1) and held
        speed(counter)
    return 0 if held else 1


def _measure(folders: Sequence[Path] | None) -> Callable[[str], float]:
    encoding = load_encoding(O200K_BASE, folders or ())
    assert encoding is not None
    return lambda text: count_tokens(encoding, text)


if __name__ == "__main__":
    sys.exit(main())
