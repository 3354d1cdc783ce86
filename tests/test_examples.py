"""The examples run as they are, without an API key, from any working directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("_"))
NOTICE = "No API key was found: this talks to the simulator shipped with the package"

# One line of each that shows that it did its job.
LINES = {
    "at_the_limit": "  HTTP 503, {'Retry-After': '",
    "audio": "ASH    7,199 of 7,200",
    "batch_life_cycle": "Resumed from 2 ids: 8 answers.",
    "callbacks": "  failed with NotFoundError: models.list() names the models",
    "choose_model": "Chosen: openai/gpt-oss-20b, the cheapest that fits",
    "components": "QueueManager:     DONE BY A WORKER",
    "conversation": "Model: You said: What is my name?",
    "deadlines_and_cancel": "  RequestCancelledException: ",
    "drop_in": "Error:   NotFoundError, 404, model_not_found",
    "fallbacks": "  NotFoundError of no-such-model, after ['mixtral-8x7b-32768']",
    "model_facts": "A name without its maker's: Did you mean 'openai/gpt-oss-20b'?",
    "parallel_map": "Kenya: You said: What is the capital of Kenya? Answer in one word",
    "plan_and_tags": "HTTP 503, {'Retry-After': '",
    "priorities": "Waiting when the urgent ones came: {'high': ",
    "quickstart": "Answer: You said: What is the largest planet?",
    "responses_api": "Answer: You said: Do I need a coat in Oslo?",
    "streaming": "Answer: You said: Why do bees hum?",
    "structured_output": "Ada: MIXED\n  - an hour of waiting",
    "tool_calling": "Answer: The 26th is yours, Cy: the fjord it is.",
    "watching": "  errors:   {'NotFoundError': 1}",
}

Outcome = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """The environment without anything that configures the package, and without ``.env``."""
    ours = ("GROQ_", "CUSTOMGROQCHAT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHON_DOTENV_DISABLED": "1"}


def run(name: str, folder: Path, environ: Mapping[str, str]) -> Outcome:
    script = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    return subprocess.run(
        script, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Future[Outcome]]:
    """All of them, two at a time, in a directory that has nothing to do with them."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with ThreadPoolExecutor(2) as pool:
        return {name: pool.submit(run, name, elsewhere, environment()) for name in NAMES}


def test_each_example_is_known_here() -> None:
    assert list(LINES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_says_that_it_talks_to_the_simulator(
    outcomes: Mapping[str, Future[Outcome]], name: str
) -> None:
    outcome = outcomes[name].result()
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith(NOTICE)
    assert LINES[name] in outcome.stdout


def test_urgent_calls_overtake_the_flood(outcomes: Mapping[str, Future[Outcome]]) -> None:
    (line,) = (
        line
        for line in outcomes["priorities"].result().stdout.splitlines()
        if line.startswith("Order of the answers: ")
    )
    order = line.removeprefix("Order of the answers: ").split()
    assert len(order) == 13
    assert order[0].startswith("low")
    # All of the flood was queued before the first urgent one was; a slow machine sends some of it
    # in between.
    assert max(order.index(f"URGENT-{number}") for number in (1, 2, 3)) < 10


def test_the_plan_names_the_limit_and_the_tags_take_turns(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["plan_and_tags"].result().stdout
    assert re.search(r"^openai/gpt-oss-20b +20 .* RPM$", output, re.MULTILINE)
    assert re.search(r"one more\? .* in [\d.]+ s, after \d+ requests in front of it", output)
    (line,) = re.findall(r"^Order of the answers: (.*)$", output, re.MULTILINE)
    order = line.split()
    assert (order.count("batch"), order.count("web")) == (14, 6)
    # All of the batch was queued before; without turns the web would come last.
    last = len(order) - 1 - order[::-1].index("web")
    assert order[:last].count("batch") < 12


def test_a_deadline_says_where_the_time_went_and_a_tag_ends_all_that_bear_it(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["deadlines_and_cancel"].result().stdout
    missed = r"^ +0\.2 s: too late\. .* 0\.2 s: .* s waiting for the answer\.$"
    assert re.search(missed, output, re.MULTILINE)
    assert "  20.0 s: You said: Are you quick?" in output
    assert "\n  5 cancelled\n" in output


def test_the_stream_tells_its_cost_and_is_closed_by_who_leaves(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["streaming"].result().stdout
    assert re.search(r"^Cost:   \d+ \+ 12 tokens$", output, re.MULTILINE)
    assert "  You said: Name a river. (stop)\n" in output
    assert "  You said:... (closed: True)\n" in output


def test_each_model_of_a_chain_says_why_it_could_not_answer(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["fallbacks"].result().stdout
    for step in (
        "mixtral-8x7b-32768 was shut down: BadRequestError",
        "openai/gpt-oss-120b has used up what it may take in a day: RateLimitError",
        "qwen/qwen3.8-27b is over capacity: CapacityExceededError",
        "openai/gpt-oss-20b: You said: Name a moon.",
    ):
        assert f"\n  {step}\n" in output


def test_what_was_written_for_the_official_sdk_runs(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["drop_in"].result().stdout
    assert "\nStream: You said: Name a river.\n" in output
    assert re.search(r"^Raw: +HTTP 200, \d+ requests left today$", output, re.MULTILINE)
    assert "waited 0.0 s, sent 1 time(s)" in output


def test_speech_is_a_file_that_can_be_listened_to(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["audio"].result().stdout
    assert re.search(r"^Said: +[\d,]+ bytes of audio/wav$", output, re.MULTILINE)
    assert re.search(r"^Heard: +\S.* \(0\.0 to 0\.7 s\)$", output, re.MULTILINE)


def test_the_responses_api_streams_and_calls_functions(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["responses_api"].result().stdout
    assert "\nStream: You said: Name a river. (completed)\n" in output
    assert "\nCall:   weather('city')\n" in output


def test_whoever_watches_sees_each_request_from_its_beginning_to_its_end(
    outcomes: Mapping[str, Future[Outcome]],
) -> None:
    output = outcomes["watching"].result().stdout
    kinds = re.findall(r"^  request \d+ (\w+)", output, re.MULTILINE)
    whole = ["queued", "admitted", "sent"]
    assert sorted(kinds) == sorted(
        [*whole * 4, *["settled"] * 3, "failed", "retried", "admitted", "sent"]
    )
    assert "'retried': 1, 'settled': 3, 'failed': 1}" in output
    assert "  retries:  {'InternalServerError': 1}" in output


def test_the_conversation_forgets(outcomes: Mapping[str, Future[Outcome]]) -> None:
    assert "2 messages forgotten]" in outcomes["conversation"].result().stdout


def test_the_quickstart_runs_from_the_repository_as_well() -> None:
    outcome = run("quickstart", EXAMPLES.parent, environment())
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert LINES["quickstart"] in outcome.stdout


def test_with_a_key_it_says_which_service_it_uses(tmp_path: Path) -> None:
    # A port that nothing listens on: the request fails, and the script says so in a sentence.
    elsewhere = {"GROQ_API_KEY": "gsk_secret", "GROQ_BASE_URL": "http://127.0.0.1:9"}
    outcome = run("quickstart", tmp_path, {**environment(), **elsewhere})
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("This talks to http://127.0.0.1:9 with the API key")
    assert outcome.stderr.startswith("APIConnectionError: ")
    assert "gsk_secret" not in outcome.stdout + outcome.stderr


def test_the_readme_names_each_example() -> None:
    readme = (EXAMPLES / "README.rst").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"``{name}.py``" not in readme] == []


def test_each_is_short_enough_to_read_at_once() -> None:
    lengths = {
        name: len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines())
        for name in NAMES
    }
    assert {name: length for name, length in lengths.items() if length > 80} == {}
