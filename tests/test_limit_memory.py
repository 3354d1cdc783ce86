"""Limits that are remembered between runs: the file, its age, its neighbours, its accidents."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._limit_memory import LimitMemory
from customgroqchat.testing import FakeClock

DAY_S = 86_400.0
ACCOUNT, MODEL = "0123456789abcdef", "openai/gpt-oss-20b"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.json"


def remembering(path: Path, clock: FakeClock, **told: int) -> LimitMemory:
    memory = LimitMemory(path, clock)
    memory.remember(ACCOUNT, MODEL, told)
    return memory


def recalled(path: Path, clock: FakeClock) -> dict[str, int]:
    """Return what a new process would be told."""
    return LimitMemory(path, clock).recall(ACCOUNT, MODEL)


def shelf(path: Path) -> Any:
    return json.loads(path.read_text())["limits"][ACCOUNT][MODEL]


# --- what is remembered ------------------------------------------------------------------------


def test_the_next_run_knows_what_this_one_was_told(path: Path, clock: FakeClock) -> None:
    memory = remembering(path, clock, TPM=8_000, RPD=1_000)
    assert recalled(path, clock) == {"TPM": 8_000, "RPD": 1_000}
    assert memory.recall(ACCOUNT, MODEL) == {"TPM": 8_000, "RPD": 1_000}


def test_accounts_and_models_are_kept_apart(path: Path, clock: FakeClock) -> None:
    memory = remembering(path, clock, TPM=1)
    memory.remember(ACCOUNT, "other", {"TPM": 2})
    memory.remember("another", MODEL, {"TPM": 3})
    again = LimitMemory(path, clock)
    scopes = [(ACCOUNT, MODEL), (ACCOUNT, "other"), ("another", MODEL), ("another", "other")]
    assert [again.recall(*scope) for scope in scopes] == [{"TPM": 1}, {"TPM": 2}, {"TPM": 3}, {}]


def test_a_new_word_replaces_the_old_one_and_leaves_the_others(
    path: Path, clock: FakeClock
) -> None:
    memory = remembering(path, clock, TPM=8_000, RPD=1_000)
    memory.remember(ACCOUNT, MODEL, {"TPM": 250_000})
    assert recalled(path, clock) == {"TPM": 250_000, "RPD": 1_000}


def test_without_a_path_nothing_is_remembered(clock: FakeClock, tmp_path: Path) -> None:
    memory = LimitMemory(None, clock)
    memory.remember(ACCOUNT, MODEL, {"TPM": 1})
    assert memory.recall(ACCOUNT, MODEL) == {}
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_before_there_is_something_to_remember(
    path: Path, clock: FakeClock
) -> None:
    memory = LimitMemory(path, clock)
    assert memory.recall(ACCOUNT, MODEL) == {}
    memory.remember(ACCOUNT, MODEL, {})
    assert not path.exists()


# --- age ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "known"), [(0, True), (29.9, True), (30, False), (365, False)])
def test_a_limit_counts_for_thirty_days(
    path: Path, clock: FakeClock, days: float, known: bool
) -> None:
    memory = remembering(path, clock, TPM=8_000)
    clock.advance(days * DAY_S)
    assert bool(recalled(path, clock)) is known
    assert bool(memory.recall(ACCOUNT, MODEL)) is known


def test_what_is_told_every_day_does_not_grow_old(path: Path, clock: FakeClock) -> None:
    memory = remembering(path, clock, TPM=8_000)
    for _ in range(40):
        clock.advance(DAY_S)
        memory.remember(ACCOUNT, MODEL, {"TPM": 8_000})
    assert recalled(path, clock) == {"TPM": 8_000}


def test_what_is_too_old_is_left_out_of_the_next_writing(path: Path, clock: FakeClock) -> None:
    memory = remembering(path, clock, RPD=1)
    clock.advance(31 * DAY_S)
    memory.remember(ACCOUNT, MODEL, {"TPM": 2})
    assert list(shelf(path)) == ["TPM"]


def test_a_date_in_the_future_counts_for_nothing(path: Path, clock: FakeClock) -> None:
    fast = FakeClock(clock.wall() + 2 * DAY_S)
    remembering(path, fast, TPM=1)
    assert recalled(path, fast) == {"TPM": 1}
    assert recalled(path, clock) == {}
    remembering(path, clock, TPM=2)
    assert recalled(path, clock) == {"TPM": 2}


# --- the file ----------------------------------------------------------------------------------


def test_the_file_can_be_read_by_its_owner_without_a_manual(path: Path, clock: FakeClock) -> None:
    remembering(path, clock, TPM=8_000)
    assert json.loads(path.read_text())["version"] == 1
    entry = shelf(path)["TPM"]
    assert entry["limit"] == 8_000
    assert entry["told_at"].endswith("+00:00")
    assert "\n      " in path.read_text()


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_only_the_owner_may_read_it(path: Path, clock: FakeClock) -> None:
    remembering(path, clock, TPM=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_its_directory_is_made(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "not" / "yet" / "limits.json"
    remembering(path, clock, TPM=1)
    assert recalled(path, clock) == {"TPM": 1}


def test_no_other_file_is_left_behind(path: Path, clock: FakeClock) -> None:
    remembering(path, clock, TPM=1).remember(ACCOUNT, MODEL, {"TPM": 2})
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link(path: Path, clock: FakeClock) -> None:
    path.symlink_to(path.with_name("real.json"))
    remembering(path, clock, TPM=1)
    assert path.is_symlink()
    assert recalled(path, clock) == {"TPM": 1}


def test_what_is_no_news_is_not_written_again(path: Path, clock: FakeClock) -> None:
    memory = remembering(path, clock, TPM=8_000)
    path.unlink()
    memory.remember(ACCOUNT, MODEL, {"TPM": 8_000})
    clock.advance(DAY_S / 2)
    memory.remember(ACCOUNT, MODEL, {"TPM": 8_000})
    assert not path.exists()


def test_what_the_file_says_already_is_not_written_again(path: Path, clock: FakeClock) -> None:
    remembering(path, clock, TPM=8_000)
    before = path.stat()
    clock.advance(DAY_S / 2)
    remembering(path, clock, TPM=8_000)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# --- several processes and threads -------------------------------------------------------------


def test_what_other_processes_wrote_is_kept(path: Path, clock: FakeClock) -> None:
    first, second = LimitMemory(path, clock), LimitMemory(path, clock)
    first.remember(ACCOUNT, MODEL, {"TPM": 1})
    second.remember(ACCOUNT, MODEL, {"RPD": 2})
    first.remember(ACCOUNT, MODEL, {"RPM": 3})
    assert recalled(path, clock) == {"TPM": 1, "RPD": 2, "RPM": 3}
    assert first.recall(ACCOUNT, MODEL) == {"TPM": 1, "RPD": 2, "RPM": 3}


def test_of_two_words_the_later_one_counts(path: Path, clock: FakeClock) -> None:
    first = remembering(path, clock, TPM=1)
    clock.advance(5)
    remembering(path, clock, TPM=2)
    assert first.recall(ACCOUNT, MODEL) == {"TPM": 2}
    first.remember(ACCOUNT, MODEL, {"RPD": 3})
    assert recalled(path, clock) == {"TPM": 2, "RPD": 3}
    clock.advance(5)
    first.remember(ACCOUNT, MODEL, {"TPM": 4})
    assert recalled(path, clock) == {"TPM": 4, "RPD": 3}


def test_what_was_lost_from_the_file_comes_back_with_the_next_news(
    path: Path, clock: FakeClock
) -> None:
    memory = remembering(path, clock, TPM=1)
    path.unlink()
    memory.remember(ACCOUNT, MODEL, {"RPD": 2})
    assert recalled(path, clock) == {"TPM": 1, "RPD": 2}


def test_threads_lose_nothing_of_one_another(path: Path, clock: FakeClock) -> None:
    memory = LimitMemory(path, clock)

    def work(number: int) -> None:
        for step in range(10):
            memory.remember(f"account{number}", MODEL, {"TPM": step + 1})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = LimitMemory(path, clock)
    assert [fresh.recall(f"account{number}", MODEL) for number in range(8)] == [{"TPM": 10}] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent(
    path: Path, clock: FakeClock
) -> None:
    memory = LimitMemory(path, clock)
    with memory._lock:
        memory.after_fork()
        memory.remember(ACCOUNT, MODEL, {"TPM": 1})
    assert recalled(path, clock) == {"TPM": 1}


# --- accidents ---------------------------------------------------------------------------------

FOREIGN = [
    '{"defaults": {"api_key": "x"}}',
    "GROQ_API_KEY=x",
    '{"version": 2, "limits": {}}',
    "[]",
    '{"version": 1',
    "[" * 100_000,
    "\udcff",
]


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_a_file_of_another_kind_is_left_alone_with_one_warning(
    path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    content = text.encode("utf-8", "surrogateescape")
    path.write_bytes(content)
    memory = LimitMemory(path, clock)
    assert memory.recall(ACCOUNT, MODEL) == {}
    memory.remember(ACCOUNT, MODEL, {"TPM": 1})
    memory.remember(ACCOUNT, MODEL, {"TPM": 2})
    assert memory.recall(ACCOUNT, MODEL) == {"TPM": 2}  # for this process
    assert path.read_bytes() == content
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text


def test_an_empty_file_is_filled(path: Path, clock: FakeClock, caplog: Any) -> None:
    path.touch()
    remembering(path, clock, TPM=1)
    assert recalled(path, clock) == {"TPM": 1}
    assert caplog.records == []


BROKEN: list[Any] = [
    None,
    [],
    {"limit": 1},
    {"limit": "8000", "told_at": "2026-01-01T00:00:00+00:00"},
    {"limit": True, "told_at": "2026-01-01T00:00:00+00:00"},
    {"limit": 0, "told_at": "2026-01-01T00:00:00+00:00"},
    {"limit": 1, "told_at": "yesterday"},
    {"limit": 1, "told_at": 5},
    {"limit": 1, "told_at": "0001-01-01T00:00:00"},
]


@pytest.mark.parametrize("entry", BROKEN, ids=str)
def test_a_broken_entry_costs_that_entry_only(path: Path, clock: FakeClock, entry: Any) -> None:
    remembering(path, clock, TPM=1)
    document = json.loads(path.read_text())
    document["limits"][ACCOUNT][MODEL]["RPD"] = entry
    document["limits"]["odd"] = {"odd": entry, "list": [1]}
    document["limits"]["text"] = "x"
    path.write_text(json.dumps(document))
    assert recalled(path, clock) == {"TPM": 1}


def test_a_directory_in_its_place(
    path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    remembering(path, clock, TPM=1).recall(ACCOUNT, MODEL)
    assert len(caplog.records) == 1


def test_links_in_a_circle(path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    path.symlink_to(path)
    remembering(path, clock, TPM=1)
    assert recalled(path, clock) == {}
    assert path.is_symlink()
    assert caplog.records


def test_links_in_a_circle_for_a_python_that_does_not_mind(
    path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Path, "resolve", lambda self, strict=False: self)
    path.symlink_to(path)
    remembering(path, clock, TPM=1)
    assert path.is_symlink()
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("fails", ["mkstemp", "replace"])
def test_what_cannot_be_written_is_known_to_this_process_all_the_same(
    path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(
        "tempfile.mkstemp" if fails == "mkstemp" else "pathlib.Path.replace", refuse
    )
    memory = remembering(path, clock, TPM=1)
    memory.remember(ACCOUNT, MODEL, {"TPM": 2})
    assert memory.recall(ACCOUNT, MODEL) == {"TPM": 2}
    assert list(path.parent.iterdir()) == []
    assert len(caplog.records) == 1
    assert "cannot be written: [Errno 13] Permission denied" in caplog.text


@repeatable
@given(st.text(), st.text(), st.dictionaries(st.text(), st.integers(1, 10**12), max_size=4))
def test_any_names_survive(
    tmp_path_factory: pytest.TempPathFactory, account: str, model: str, told: dict[str, int]
) -> None:
    path, clock = tmp_path_factory.mktemp("memory") / "limits.json", FakeClock()
    LimitMemory(path, clock).remember(account, model, told)
    assert LimitMemory(path, clock).recall(account, model) == told
