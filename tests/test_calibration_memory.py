"""What was learnt about counts, in the file of remembered limits."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from customgroqchat import _calibration_memory
from customgroqchat._calibration import Key, Line, Origin
from customgroqchat._calibration_memory import CalibrationMemory
from customgroqchat._limit_memory import LimitMemory
from customgroqchat.testing import FakeClock

DAY_S = 86_400.0
KEY = Key("openai/gpt-oss-20b", True, "json_object", "o200k_base")
ORIGIN = Origin(KEY, 100.0, 0.08, False, True)
LINE = Line.start(ORIGIN).learn(ORIGIN, 104)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.json"


def recalled(path: Path, clock: FakeClock) -> dict[Key, Line]:
    """Return what a new process would know."""
    return CalibrationMemory(path, clock).recall()


def seen(line: Line, times: int) -> Line:
    return line._replace(seen=times)


def entries(path: Path) -> Any:
    return json.loads(path.read_text())["calibrations"][KEY.model]


# --- what is remembered ----------------------------------------------------------------------


def test_the_next_run_knows_it(path: Path, clock: FakeClock) -> None:
    CalibrationMemory(path, clock).remember(KEY, LINE)
    assert recalled(path, clock) == {KEY: LINE}


def test_the_file_can_be_read_without_a_manual(path: Path, clock: FakeClock) -> None:
    CalibrationMemory(path, clock).remember(KEY, LINE)
    (entry,) = entries(path)
    assert (entry["tools"], entry["format"], entry["source"]) == KEY[1:]
    assert entry["offset"] == LINE.offset
    assert entry["learnt_at"].endswith("+00:00")


def test_an_error_that_was_not_believed_is_not_passed_on(path: Path, clock: FakeClock) -> None:
    CalibrationMemory(path, clock).remember(KEY, LINE._replace(suspect=300.0))
    assert recalled(path, clock)[KEY].suspect == 0.0


@pytest.mark.parametrize(("days", "known"), [(29.9, True), (30, False), (-2, False)])
def test_it_counts_for_thirty_days(path: Path, clock: FakeClock, days: float, known: bool) -> None:
    CalibrationMemory(path, clock).remember(KEY, LINE)
    later = FakeClock(clock.wall() + days * DAY_S)
    assert bool(recalled(path, later)) is known


def test_without_a_path_nothing_is_remembered(clock: FakeClock, tmp_path: Path) -> None:
    memory = CalibrationMemory(None, clock)
    memory.remember(KEY, LINE)
    memory.save()
    memory.forget(None)
    assert memory.recall() == {}
    assert list(tmp_path.iterdir()) == []


def test_only_the_newest_are_kept(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calibration_memory, "MOST_KEYS", 2)
    memory = CalibrationMemory(path, clock)
    for model in ("c", "b", "a"):
        memory.remember(KEY._replace(model=model), LINE)
        clock.advance(5)
    assert {key.model for key in recalled(path, clock)} == {"a", "b"}


# --- when it is written ----------------------------------------------------------------------


def test_the_first_states_are_written_then_one_a_minute(path: Path, clock: FakeClock) -> None:
    memory, written = CalibrationMemory(path, clock), []
    for times in range(1, 21):
        clock.advance(1)
        memory.remember(KEY, seen(LINE, times))
        written.append(entries(path)[0]["seen"])
    assert sorted(set(written)) == [1, 2, 4, 8, 16]
    clock.advance(60)
    memory.remember(KEY, seen(LINE, 21))
    assert entries(path)[0]["seen"] == 21


def test_what_is_due_is_written_with_whatever_comes_next(path: Path, clock: FakeClock) -> None:
    memory, other = CalibrationMemory(path, clock), KEY._replace(model="other")
    memory.remember(KEY, seen(LINE, 2))
    memory.remember(KEY, seen(LINE, 3))
    memory.remember(other, seen(LINE, 1))
    assert recalled(path, clock)[KEY].seen == 3


def test_save_writes_the_rest_once(path: Path, clock: FakeClock) -> None:
    memory = CalibrationMemory(path, clock)
    memory.remember(KEY, seen(LINE, 2))
    memory.remember(KEY, seen(LINE, 3))
    memory.save()
    assert entries(path)[0]["seen"] == 3
    path.unlink()
    memory.save()
    assert not path.exists()


# --- beside the limits, and others -----------------------------------------------------------


def test_limits_and_lines_share_a_file(path: Path, clock: FakeClock) -> None:
    limits, lines = LimitMemory(path, clock), CalibrationMemory(path, clock)
    limits.remember("account", KEY.model, {"TPM": 8_000})
    lines.remember(KEY, LINE)
    limits.remember("account", KEY.model, {"RPD": 1_000})
    assert LimitMemory(path, clock).recall("account", KEY.model) == {"TPM": 8_000, "RPD": 1_000}
    assert recalled(path, clock) == {KEY: LINE}
    lines.forget(None)
    assert LimitMemory(path, clock).recall("account", KEY.model) == {"TPM": 8_000, "RPD": 1_000}


def test_a_file_without_the_section_is_one_without_lines(path: Path, clock: FakeClock) -> None:
    LimitMemory(path, clock).remember("account", KEY.model, {"TPM": 8_000})
    assert recalled(path, clock) == {}


def test_a_section_of_a_later_version_is_kept(path: Path, clock: FakeClock) -> None:
    path.write_text('{"version": 1, "weather": "fine"}')
    CalibrationMemory(path, clock).remember(KEY, LINE)
    LimitMemory(path, clock).remember("account", KEY.model, {"TPM": 8_000})
    assert json.loads(path.read_text())["weather"] == "fine"


def test_two_processes_keep_each_others_lines(path: Path, clock: FakeClock) -> None:
    first, second = CalibrationMemory(path, clock), CalibrationMemory(path, clock)
    other = KEY._replace(model="other")
    first.remember(KEY, LINE)
    second.remember(other, LINE)
    first.remember(KEY, seen(LINE, 2))
    assert recalled(path, clock) == {KEY: seen(LINE, 2), other: LINE}


def test_forgetting_one_model(path: Path, clock: FakeClock) -> None:
    memory, other = CalibrationMemory(path, clock), KEY._replace(model="other")
    memory.remember(KEY, seen(LINE, 2))
    memory.remember(other, LINE)
    memory.remember(KEY, seen(LINE, 3))  # not written yet
    memory.forget(KEY.model)
    memory.save()
    assert recalled(path, clock) == {other: LINE}


# --- accidents -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"version": 2}', "[]", "{", "nonsense", "\udcff"])
def test_a_file_of_another_kind_is_left_alone_with_one_warning(
    path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    content = text.encode("utf-8", "surrogateescape")
    path.write_bytes(content)
    memory = CalibrationMemory(path, clock)
    assert memory.recall() == {}
    memory.remember(KEY, LINE)
    assert path.read_bytes() == content
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"calibrations are not remembered: {path}" in caplog.text


BROKEN: list[Any] = [
    None,
    [],
    "x",
    {},
    {"offset": "much"},
    {"offset": None},
    {"offset": 1e400},
    {"slope": -3},
    {"margin": "wide"},
    {"margin": 99},
    {"variances": [1]},
    {"variances": "abc"},
    {"variances": [1, 9, 1]},
    {"seen": []},
    {"doubts": -4},
    {"tools": 1},
    {"format": None},
    {"source": 7},
    {"learnt_at": "yesterday"},
    {"learnt_at": None},
]


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_a_broken_entry_costs_that_entry_only(path: Path, clock: FakeClock, change: Any) -> None:
    CalibrationMemory(path, clock).remember(KEY, LINE)
    document = json.loads(path.read_text())
    whole = document["calibrations"][KEY.model][0]
    broken = {**whole, **change} if isinstance(change, dict) and change else change
    document["calibrations"]["other"] = [broken]
    document["calibrations"]["odd"] = change
    path.write_text(json.dumps(document))
    assert recalled(path, clock) == {KEY: LINE}


@pytest.mark.parametrize("section", [None, [], "x", 5])
def test_a_broken_section_is_none(path: Path, clock: FakeClock, section: object) -> None:
    path.write_text(json.dumps({"version": 1, "calibrations": section}))
    assert recalled(path, clock) == {}
    CalibrationMemory(path, clock).remember(KEY, LINE)
    assert recalled(path, clock) == {KEY: LINE}
