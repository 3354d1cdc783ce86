"""The benchmark of counts: its arithmetic and its report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from customgroqchat import _token_vocabulary
from customgroqchat.token_counter import TokenCounter

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
try:
    import _token_refit as refit
    import tokens
finally:
    sys.path.pop(0)

OSS = "openai/gpt-oss-20b"
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}


@pytest.fixture(autouse=True)
def _no_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_token_vocabulary, "_encodings", {})
    monkeypatch.setattr(_token_vocabulary, "usual_directories", lambda: iter(()))
    monkeypatch.setattr(tokens, "speed", lambda counter: None)


def row(text: str, *, off: int = 0, model: str = OSS, **rest: Any) -> dict[str, Any]:
    """A recorded prompt that cost ``off`` tokens more than it is counted."""
    made = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "tools": None,
        "response_format": None,
        "params": {"max_tokens": 9},
        "has_image": False,
        "has_server_tools": False,
        "prompt_key": text,
        **rest,
    }
    count = TokenCounter(use_vocabulary=False).count_request(tokens.payload(made))
    return {**made, "prompt_tokens": int(count) + off}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path / "tokcount.jsonl"


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = tokens.main([str(path)])
    return code, capsys.readouterr().out


def test_rows_without_text_alone_are_left_out(recordings: Path) -> None:
    write(recordings, row("a"), row("b", has_image=True), row("c", has_server_tools=True))
    assert [found["prompt_key"] for found in tokens.rows(recordings)] == ["a"]


def test_right_counts_hold_the_targets(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ("Hello world!", "Why is the sky blue?", "Tell me more about that, please.")
    write(recordings, *map(row, texts), row("Rome?", tools=[TOOL]))
    code, out = run(recordings, capsys)
    assert code == 0
    assert "target live, estimate: 0.00% of 4.0%: holds" in out
    assert "target gpt-oss, estimate: 0.00% of 2.5%: holds" in out
    assert "MISSED" not in out


def test_wrong_counts_miss_them(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recordings, row("Hello world!", off=40), row("Why is the sky blue?", off=40))
    code, out = run(recordings, capsys)
    assert code == 1
    assert "target gpt-oss, estimate: 34" in out
    assert out.count("MISSED") >= 2


def test_calibrated_counts_follow_what_was_charged() -> None:
    rows = [row("Hello " * size, off=40) for size in range(1, 21)]
    counted = tokens.as_counted(TokenCounter(use_vocabulary=False), rows)
    learnt = tokens.calibrated(lambda: TokenCounter(use_vocabulary=False), rows)
    assert len(learnt["gpt-oss"]) == tokens.ORDERS * len(rows)
    assert tokens.mean(learnt["live"]) < 0.25 * tokens.mean(counted["live"])


def test_a_family_counts_in_the_sums_that_it_belongs_to() -> None:
    rows = [row("Hi"), row("Hi", model="acme/new-1"), row("Hi", model="kimi-k2")]
    counted = tokens.as_counted(TokenCounter(use_vocabulary=False), rows)
    sizes = {name: len(results) for name, results in counted.items()}
    assert sizes == {"gpt-oss": 1, "unknown": 1, "kimi": 1, "known": 2, "live": 1, "all": 3}


def test_the_refit_finds_a_table_that_it_was_not_told() -> None:
    samples = [
        refit.Sample(str(i), 10.0 * i, (1.0, float(i % 4), float(i % 3 == 0)), truth)
        for i in range(1, 20)
        for truth in [10 * i + 71 + 5 * (i % 4) + 100 * (i % 3 == 0)]
    ]
    assert max(refit.leave_one_out(samples)) < 1e-3


def test_the_refit_knows_nothing_of_the_prompt_that_it_is_tried_on() -> None:
    samples = [refit.Sample(str(i), 50.0, (1.0, 0.0), 100) for i in range(5)]
    alone = [refit.Sample("alone", 50.0, (1.0, 1.0), 200)] * 2  # twice the same prompt
    errors = refit.leave_one_out([*samples, *alone])
    assert errors[-2:] == pytest.approx([0.5, 0.5], abs=1e-3)
