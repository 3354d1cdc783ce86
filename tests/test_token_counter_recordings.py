"""The counts against what the service really charged, where the recordings are at hand."""

import json
from pathlib import Path

import pytest

from customgroqchat._token_families import family_of
from customgroqchat.token_counter import TokenCounter

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = ROOT / ".." / "shared" / "recordings" / "tokcount.jsonl"

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason="no recordings here")


@pytest.fixture(scope="module")
def rows():
    """Requests and what they were charged, without images and the service's own tools."""
    with RECORDINGS.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [row for row in found if not (row["has_image"] or row["has_server_tools"])]


def payload(row):
    keys = ("model", "messages", "tools", "response_format")
    return {**row["params"], **{key: row[key] for key in keys}}


def of_family(rows, *names):
    return [row for row in rows if family_of(row["model"]).name in names]


def mean_error(counter, rows):
    errors = [abs(counter.count_request(payload(row)) / row["prompt_tokens"] - 1) for row in rows]
    assert len(errors) > 20
    return sum(errors) / len(errors)


def share_covered(counter, rows):
    return sum(
        counter.count_request(payload(row)).upper >= row["prompt_tokens"] for row in rows
    ) / len(rows)


class TestEstimate:
    @pytest.fixture
    def counter(self):
        return TokenCounter(use_vocabulary=False)

    def test_gpt_oss(self, counter, rows):
        assert mean_error(counter, of_family(rows, "gpt-oss")) < 0.025

    def test_qwen(self, counter, rows):
        assert mean_error(counter, of_family(rows, "qwen3")) < 0.04

    def test_all_known_families(self, counter, rows):
        known = [row for row in rows if family_of(row["model"]).is_known]
        assert mean_error(counter, known) < 0.035

    def test_the_reserve_is_enough(self, counter, rows):
        assert share_covered(counter, rows) >= 0.98


class TestVocabulary:
    @pytest.fixture
    def counter(self):
        counter = TokenCounter()
        if not counter.reload():
            pytest.skip("no vocabulary on this machine")
        return counter

    def test_gpt_oss(self, counter, rows):
        assert mean_error(counter, of_family(rows, "gpt-oss")) < 0.005

    def test_what_is_called_exact_is_exact(self, counter, rows):
        exact = 0
        for row in of_family(rows, "gpt-oss"):
            count = counter.count_request(payload(row))
            if count.exact:
                exact += 1
                assert count == row["prompt_tokens"], row["id"]
        assert exact > 20

    def test_qwen(self, counter, rows):
        assert mean_error(counter, of_family(rows, "qwen3")) < 0.02

    def test_all_known_families(self, counter, rows):
        known = [row for row in rows if family_of(row["model"]).is_known]
        assert mean_error(counter, known) < 0.02

    def test_the_reserve_is_enough(self, counter, rows):
        assert share_covered(counter, rows) >= 0.98
