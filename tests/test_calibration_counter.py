"""TokenCounter learns from what the service charged."""

from __future__ import annotations

import copy
import pickle
import random
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_recordings import recorded
from helpers_vocabulary import FILE, TINY

from customgroqchat import _calibrator, _token_vocabulary
from customgroqchat._calibration import Key
from customgroqchat._calibration_memory import CalibrationMemory
from customgroqchat.testing import FakeClock
from customgroqchat.token_counter import TokenCount, TokenCounter

OSS, LLAMA = "openai/gpt-oss-20b", "llama-3.1-8b-instant"
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}


def chat(text: str = "Hello world!", model: str = OSS, **rest: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **rest}


@pytest.fixture
def counter() -> TokenCounter:
    return TokenCounter(use_vocabulary=False)


@pytest.fixture(autouse=True)
def _own_vocabularies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_token_vocabulary, "_encodings", {})


def teach(counter: TokenCounter, request: dict[str, Any], more: int, times: int = 5) -> None:
    """Tell a counter several times that a request costs more than the table says."""
    truth = TokenCounter(use_vocabulary=False).count_request(request) + more
    for _ in range(times):
        counter.observe(counter.count_request(request), truth)


# --- what is kept apart ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        chat(),
        chat(tools=[TOOL]),
        chat(response_format={"type": "json_object"}),
        {"model": OSS, "input": "Hello world!"},
        {"model": OSS, "prompt": "Hello world!"},
        {"model": "embed-1", "input": ["Hello", "world, which is a longer text than that"] * 9},
        chat(model="acme/new-1"),
    ],
    ids=str,
)
def test_what_was_charged_is_what_is_told(counter: TokenCounter, request_: dict[str, Any]) -> None:
    before = counter.count_request(request_)
    teach(counter, request_, 30)
    assert counter.count_request(request_) == pytest.approx(before + 30, abs=2)


def test_models_tools_and_formats_are_learnt_apart(counter: TokenCounter) -> None:
    others = [
        chat(model="openai/gpt-oss-120b"),
        chat(tools=[TOOL]),
        chat(response_format={"type": "json_object"}),
    ]
    before = list(map(counter.count_request, others))
    teach(counter, chat(), 40)
    assert list(map(counter.count_request, others)) == before


def test_messages_prompts_and_requests_are_learnt_together(counter: TokenCounter) -> None:
    teach(counter, chat(), 40)
    told = counter.count_request(chat())
    assert counter.count_prompt("Hello world!", OSS) == told
    assert counter.count_messages(chat()["messages"], OSS) == told
    assert counter.count_request({"model": OSS, "input": "Hello world!"}) == told


def test_texts_alone_and_counts_without_a_model_are_not_corrected(counter: TokenCounter) -> None:
    fresh = TokenCounter(use_vocabulary=False)
    teach(counter, chat(), 40)
    message = chat()["messages"][0]
    assert counter.count_text("Hello", OSS) == fresh.count_text("Hello", OSS)
    assert counter.count_message(message, OSS) == fresh.count_message(message, OSS)
    assert counter.count_messages([message]) == fresh.count_messages([message])


# --- what is not learnt from -----------------------------------------------------------------


@pytest.mark.parametrize("tokens", [0, -1, 1, 10_000, None, "74", 74.0, True, object(), [74]])
def test_odd_numbers_teach_nothing(counter: TokenCounter, tokens: object) -> None:
    counter.observe(counter.count_request(chat()), tokens)
    assert counter.calibration() == []


@pytest.mark.parametrize("count", [74, None, "x", TokenCount(74), object(), 7.5])
def test_counts_of_unknown_origin_teach_nothing(counter: TokenCounter, count: object) -> None:
    counter.observe(count, 74)
    assert counter.calibration() == []


@pytest.mark.parametrize(
    "request_",
    [
        {"model": OSS, "messages": [{"role": "user", "content": [IMAGE]}]},
        chat(tools=[{"type": "browser_search"}]),
        chat(tools=[TOOL, {"type": "code_interpreter", "container": {"type": "auto"}}]),
        {"model": OSS, "input": "Hi", "tools": [{"type": "mcp", "server_url": "https://x.y"}]},
        chat(model="groq/compound"),
        chat(model="compound-beta"),
        chat(documents=[{"text": "The capital of Peru is Lima."}]),
        {"model": OSS, "messages": [{"role": "user", "content": [{"type": "rays"}]}]},
        {"model": OSS, "prompt": ["one", "two"]},
        {"messages": [{"role": "user", "content": "Hi"}]},
    ],
    ids=str,
)
def test_what_tells_nothing_of_other_prompts(
    counter: TokenCounter, request_: dict[str, Any]
) -> None:
    count = counter.count_request(request_)
    counter.observe(count, int(count) + 5)
    assert counter.calibration() == []


def test_calibration_can_be_switched_off() -> None:
    counter = TokenCounter(use_vocabulary=False, calibrate=False)
    for request in (chat(), {"model": "embed-1", "input": "Hello"}):
        before = counter.count_request(request)
        teach(counter, request, 4)
        assert (counter.count_request(request), counter.calibration()) == (before, [])


# --- what one can see, and undo --------------------------------------------------------------


def test_status_can_be_read(counter: TokenCounter) -> None:
    teach(counter, chat(tools=[TOOL]), 10, times=3)
    teach(counter, chat(), 40)
    plain, tools = counter.calibration()
    assert plain[:5] == (OSS, False, "", "estimate", 5)
    assert plain.offset == pytest.approx(40, abs=3)
    assert not plain.is_contradicted  # an estimate was never called exact
    assert tools[:5] == (OSS, True, "", "estimate", 3)
    assert "observations=5" in repr(plain)


@pytest.mark.parametrize(("model", "left"), [(None, []), (OSS, [LLAMA]), ("other", [LLAMA, OSS])])
def test_reset(counter: TokenCounter, model: str | None, left: list[str]) -> None:
    teach(counter, chat(), 40)
    teach(counter, chat(model=LLAMA), 10)
    counter.reset_calibration(model)
    assert [status.model for status in counter.calibration()] == left


@pytest.mark.parametrize("duplicate", [lambda c: pickle.loads(pickle.dumps(c)), copy.deepcopy])
def test_what_was_learnt_pickles_with_the_counter(counter: TokenCounter, duplicate: Any) -> None:
    teach(counter, chat(), 40)
    again = duplicate(counter)
    assert again.count_request(chat()) == counter.count_request(chat())
    teach(again, chat(model=LLAMA), 10)
    assert len(again.calibration()) == len(counter.calibration()) + 1


@pytest.mark.parametrize("duplicate", [lambda c: pickle.loads(pickle.dumps(c)), copy.deepcopy])
def test_a_count_teaches_also_where_it_was_pickled_to(
    counter: TokenCounter, duplicate: Any
) -> None:
    count = duplicate(counter.count_request(chat()))
    counter.observe(count, count + 3)
    assert counter.calibration()[0].observations == 1


def test_only_the_kinds_seen_last_are_known(
    counter: TokenCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calibrator, "MOST_KEYS", 3)
    for model in ("a", "b", "c", "a", "d"):
        teach(counter, chat(model=model), 5, times=1)
    assert [status.model for status in counter.calibration()] == ["a", "c", "d"]


def test_threads_lose_nothing(counter: TokenCounter) -> None:
    count = counter.count_request(chat())

    def work() -> None:
        for _ in range(200):
            counter.observe(count, int(count) + 2)
            counter.count_request(chat())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.calibration()[0].observations == 800


# --- exactness -------------------------------------------------------------------------------


@pytest.fixture
def exact(tmp_path: Path) -> TokenCounter:
    """A counter with a vocabulary, though a small one."""
    (tmp_path / TINY.file_names[0]).write_bytes(FILE)
    counter = TokenCounter(vocabulary_dirs=[tmp_path], vocabulary=TINY)
    assert counter.reload()
    return counter


def test_what_was_confirmed_stays_exact(exact: TokenCounter) -> None:
    for _ in range(20):
        count = exact.count_request(chat("the the"))
        exact.observe(count, 73)
        assert (count, count.exact, count.upper) == (73, True, 73)


def test_one_contradiction_is_not_believed(exact: TokenCounter) -> None:
    for truth in (73, 73, 113, 73):
        exact.observe(exact.count_request(chat("the the")), truth)
    assert exact.count_request(chat("the the")).exact


def test_a_template_that_drifted_ends_exactness_until_it_comes_back(exact: TokenCounter) -> None:
    told = []
    for truth in [73] * 10 + [113] * 6 + [73] * 12:
        count = exact.count_request(chat("the the"))
        exact.observe(count, truth)
        told.append((int(count), count.exact, count.upper >= truth))
    assert told[11] == (73, True, False)
    assert told[12:16] == [(113, False, True)] * 4
    assert told[-1] == (73, True, True)
    assert exact.count_request(chat("the the" + " the the" * 199)) == 71 + 400


def test_other_kinds_stay_exact(exact: TokenCounter) -> None:
    for _ in range(5):
        count = exact.count_request(chat("the the"))
        exact.observe(count, 113)
    assert exact.calibration()[0].is_contradicted
    assert exact.count_request(chat("the the", model="openai/gpt-oss-120b")).exact
    assert exact.count_text("the the", OSS).exact


# --- remembered ------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.json"


def remembering(path: Path | None, clock: FakeClock) -> TokenCounter:
    return TokenCounter(use_vocabulary=False, memory=CalibrationMemory(path, clock))


def test_the_next_run_counts_with_what_this_one_learnt(path: Path) -> None:
    clock = FakeClock()
    counter = remembering(path, clock)
    teach(counter, chat(), 40, times=4)
    again = remembering(path, clock)
    assert again.count_request(chat()) == counter.count_request(chat())
    assert again.calibration() == counter.calibration()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_memory_may_be_named_by_its_path(path: Path, kind: Callable[[Path], Any]) -> None:
    counter = TokenCounter(use_vocabulary=False, memory=kind(path))
    teach(counter, chat(), 40, times=4)
    assert TokenCounter(use_vocabulary=False, memory=path).calibration() == counter.calibration()


def test_what_was_learnt_before_is_learnt_on(path: Path) -> None:
    teach(remembering(path, FakeClock()), chat(), 40, times=4)
    again = remembering(path, FakeClock())
    teach(again, chat(), 40, times=4)
    assert again.calibration()[0].observations == 8


def test_the_first_observation_of_a_run_knows_the_memory(path: Path) -> None:
    teach(remembering(path, FakeClock()), chat(), 40, times=4)
    again = remembering(path, FakeClock())
    again.observe(TokenCounter(use_vocabulary=False).count_request(chat()), 114)
    assert again.calibration()[0].observations == 5


def test_what_is_reset_is_not_remembered(path: Path) -> None:
    counter = remembering(path, FakeClock())
    teach(counter, chat(), 40, times=4)
    teach(counter, chat(model=LLAMA), 10, times=4)
    remembering(path, FakeClock()).reset_calibration(OSS)
    assert [status.model for status in remembering(path, FakeClock()).calibration()] == [LLAMA]


def test_the_end_of_a_run_can_be_saved(path: Path) -> None:
    counter = remembering(path, FakeClock())
    teach(counter, chat(), 40, times=7)
    assert remembering(path, FakeClock()).calibration()[0].observations == 4
    counter.save_calibration()
    assert remembering(path, FakeClock()).calibration()[0].observations == 7


def test_without_a_memory_nothing_is_saved(counter: TokenCounter, tmp_path: Path) -> None:
    teach(counter, chat(), 40)
    counter.save_calibration()
    teach(remembering(None, FakeClock()), chat(), 40)
    assert list(tmp_path.iterdir()) == []


# --- on what was recorded --------------------------------------------------------------------

ROWS = [
    row
    for row in recorded("tokcount.jsonl")
    if not (row["has_image"] or row["has_server_tools"] or "guard" in row["model"])
]


def payload(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("model", "messages", "tools", "response_format")
    return {**row["params"], **{key: row[key] for key in keys}}


def replayed(
    counter: TokenCounter, *, drift: int = 0, skip: int = 0, observe: bool = True
) -> tuple[float, float]:
    """Return the mean error, and the share of reserves that were enough, of counts one by one.

    Of each kind of counts, the first few are left out.
    """
    results, seen = [], OrderedDict[Key, int]()
    for row in random.Random(7).sample(ROWS, len(ROWS)):
        count, truth = counter.count_request(payload(row)), row["prompt_tokens"] + drift
        assert count._origin is not None
        kind = count._origin.key
        if seen.setdefault(kind, 0) >= skip:
            results.append((abs(count - truth) / truth, count.upper >= truth))
        seen[kind] += 1
        if observe:
            counter.observe(count, truth)
    errors, enough = zip(*results, strict=True)
    return sum(errors) / len(errors), sum(enough) / len(enough)


@pytest.fixture(params=["estimate", "vocabulary"])
def way(request: pytest.FixtureRequest) -> TokenCounter:
    counter = TokenCounter(use_vocabulary=request.param == "vocabulary")
    if not ROWS:
        pytest.skip("no recordings here")
    if counter.reload() is not (request.param == "vocabulary"):
        pytest.skip("no vocabulary on this machine")
    return counter


def test_margins_are_honest(way: TokenCounter) -> None:
    assert replayed(way)[1] >= 0.97


def test_a_table_that_is_right_is_not_made_worse(way: TokenCounter) -> None:
    fixed, _ = replayed(way, observe=False)
    learnt, _ = replayed(way)
    assert learnt < fixed + 0.002


@pytest.mark.parametrize("drift", [40, 150])
def test_a_template_that_drifted_is_followed(way: TokenCounter, drift: int) -> None:
    error, enough = replayed(way, drift=drift, skip=4)
    assert error < 0.03
    assert enough >= 0.95
