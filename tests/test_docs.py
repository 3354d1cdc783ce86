"""What the pages and the README say holds: their code runs, their links lead somewhere."""

from __future__ import annotations

import doctest
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import CodeType
from typing import Any

import pytest
from helpers_docs import DOCS, NAMES, ROOT, Block, blocks, links, read

from customgroqchat import (
    APIError,
    BadRequestError,
    GroqClient,
    RateLimitExceededException,
    RequestCancelledException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

# Limits that no page comes near, so that no page waits.
GENEROUS = {"RPM": 60_000, "RPD": 1_000_000, "TPM": 6_000_000, "TPD": 60_000_000, "ASH": 3_600_000}
# The file that a page shows, under the name by which its code loads it.
FILES = {"docs/config_loader.rst": ("json", "groq.json")}


# --- running a page --------------------------------------------------------------------------


def run_code(name: str, block: Block, namespace: dict[str, Any]) -> None:
    exec(compiled(name, block), namespace)


def compiled(name: str, block: Block) -> CodeType:
    """Compile a block so that a traceback shows the line of the page."""
    # Without this module's `from __future__`, which the page does not have.
    return compile("\n" * block.line + block.text, str(ROOT / name), "exec", dont_inherit=True)


def run_session(name: str, block: Block, namespace: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, namespace, name, name, block.line)
    report = io.StringIO()
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.write, clear_globs=False)
    namespace.update(test.globs)
    assert not failed, report.getvalue()


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGroq]:
    """A service that the environment points at: all the set-up that a page may rely on."""
    with SimulatedGroq(limits=GENEROUS) as groq:
        monkeypatch.setenv("GROQ_API_KEY", "gsk_simulated")
        monkeypatch.setenv("GROQ_BASE_URL", groq.url)
        yield groq


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_page_runs(
    name: str, simulated: SimulatedGroq, capsys: pytest.CaptureFixture[str]
) -> None:
    page = read(name)
    if name in FILES:
        language, file = FILES[name]
        Path(file).write_text(next(blocks(page, language)).text, encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "page"}
    try:
        for block in blocks(page, "python", "session"):
            (run_session if block.text.startswith(">>>") else run_code)(name, block, namespace)
    finally:
        for client in namespace.values():
            if isinstance(client, GroqClient):
                client.close(0.0)


def test_the_tests_that_the_page_on_testing_shows_pass(tmp_path: Path) -> None:
    files = {}
    for block in blocks(read("docs/testing.rst"), "python"):
        if named := re.match(r"# (\w+\.py)\n", block.text):
            files[named[1]] = block.text
    assert sorted(files) == ["conftest.py", "test_summary.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert re.search(r"^2 passed", run.stdout, re.MULTILINE), run.stdout


# --- promises that the pages rely on and do not show ------------------------------------------

HELLO = [{"role": "user", "content": "Hello"}]
ONE_A_MINUTE = {"openai/gpt-oss-20b": {"req_per_minute": 1}}


def test_the_clock_of_a_client_drives_its_buckets() -> None:
    clock = FakeClock()
    with (
        SimulatedGroq(clock=clock.monotonic) as groq,
        GroqClient(ONE_A_MINUTE, api_key="gsk_one", base_url=groq.url, clock=clock) as client,
    ):
        client.chat_completion("openai/gpt-oss-20b", HELLO)
        clock.advance(60.0)
        client.chat_completion("openai/gpt-oss-20b", HELLO, max_wait=0)
        assert groq.count(200) == 2


def test_a_refusal_by_the_client_names_the_model() -> None:
    with (
        SimulatedGroq() as groq,
        GroqClient(ONE_A_MINUTE, api_key="gsk_one", base_url=groq.url) as client,
    ):
        client.chat_completion("openai/gpt-oss-20b", HELLO)
        with pytest.raises(RateLimitExceededException) as caught:
            client.chat_completion("openai/gpt-oss-20b", HELLO, max_wait=0)
    assert caught.value.model == "openai/gpt-oss-20b"


def test_the_key_that_the_simulator_recommends_leaves_the_text_of_errors_alone() -> None:
    refusal = {"error": {"message": "Too many requests of many kinds from any company"}}
    with (
        SimulatedGroq() as groq,
        GroqClient({}, api_key="any", base_url=groq.url) as client,
    ):
        groq.fail_next(400, refusal)
        with pytest.raises(BadRequestError) as caught:
            client.chat_completion("openai/gpt-oss-20b", HELLO)
    assert refusal["error"]["message"] in caught.value.message


def test_reading_a_stream_is_no_waiting() -> None:
    clock = FakeClock()
    with (
        SimulatedGroq() as groq,
        GroqClient({}, api_key="gsk_one", base_url=groq.url, clock=clock) as client,
    ):
        stream = client.chat_completion("openai/gpt-oss-20b", HELLO, stream=True)
        next(stream)
        clock.advance(60.0)
        stream.get_final_completion()
        assert (stream.waited_s, client.stats()["waited_s"]["max"]) == (0.0, 0.0)


def test_a_stream_that_breaks_off_tells_its_request_and_the_whole_address() -> None:
    with (
        SimulatedGroq() as groq,
        GroqClient({}, api_key="gsk_one", base_url=groq.url) as client,
    ):
        for kind in ("stream_cut", "stream_short", "stream_error"):
            groq.fault_next(kind)
            stream = client.chat_completion("openai/gpt-oss-20b", HELLO, stream=True)
            with pytest.raises(APIError) as caught:
                stream.get_final_completion()
            error = caught.value
            assert error.request is not None
            assert error.request.url == f"{groq.url}/openai/v1/chat/completions", kind
            assert (error.request_id, error.attempts) == (stream.request_id, 1), kind


def test_a_call_that_is_cancelled_on_its_way_tells_how_often_it_was_sent() -> None:
    outcomes: SimpleQueue[Any] = SimpleQueue()
    with (
        SimulatedGroq() as groq,
        GroqClient({}, api_key="gsk_one", base_url=groq.url) as client,
        groq.hold() as gate,
    ):
        future = client.submit("openai/gpt-oss-20b", HELLO, callback=outcomes.put)
        assert gate.wait_until_held(1)
        client.cancel(future)
        error = outcomes.get(timeout=10.0)
    assert isinstance(error, RequestCancelledException)
    assert (error.model, error.attempts) == ("openai/gpt-oss-20b", 1)


# --- the runner itself -----------------------------------------------------------------------

SAMPLE = """\
Title
=====

.. code-block:: python

    first = 1

    second = first + 1

.. code-block:: text

    not python at all

>>> second
2
>>> second + 1
3

The end.
"""


def test_the_blocks_of_a_page_are_found_in_order() -> None:
    assert list(blocks(SAMPLE, "python", "session")) == [
        Block(5, "first = 1\n\nsecond = first + 1\n\n"),
        Block(13, ">>> second\n2\n>>> second + 1\n3\n"),
    ]


def test_a_wrong_line_of_code_fails_with_its_place() -> None:
    with pytest.raises(NameError) as caught:
        run_code("docs/sample.rst", Block(5, "first = 1\nmissing\n"), {})
    last = caught.traceback[-1]
    assert (Path(str(last.path)).name, last.lineno) == ("sample.rst", 6)


def test_a_wrong_result_fails() -> None:
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        run_session("docs/sample.rst", Block(13, ">>> 1 + 1\n3\n"), {})


def test_every_page_but_the_overviews_has_code() -> None:
    without = [name for name in NAMES if not list(blocks(read(name), "python"))]
    assert set(without) == {
        "CHANGELOG.rst",
        "CONTRIBUTING.rst",
        "docs/architecture.rst",
        "docs/index.rst",
        "docs/package_exports.rst",
        "examples/README.rst",
    }


# --- links -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    local = [target for target in links(read(name)) if "://" not in target]
    assert [to for to in local if not ((ROOT / name).parent / to).is_file()] == []


def test_the_index_leads_to_every_page() -> None:
    linked = set(links(read("docs/index.rst")))
    assert {path.name for path in DOCS.glob("*.rst")} - linked == {"index.rst"}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed(name: str) -> None:
    core = pytest.importorskip("docutils.core")
    warnings = io.StringIO()
    core.publish_doctree(
        read(name),
        source_path=name,
        settings_overrides={"warning_stream": warnings, "report_level": 2},
    )
    assert warnings.getvalue() == ""
