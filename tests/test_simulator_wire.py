"""The simulator's wording and formats, held against recorded answers of the real service."""

from __future__ import annotations

import json
import random
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from customgroqchat.testing._sim_buckets import DIMENSIONS, Level, Refusal, refill_ns
from customgroqchat.testing._sim_model import SimulatedModel
from customgroqchat.testing._sim_tokens import (
    answer_pieces,
    count_pieces,
    count_prompt_tokens,
    text_pieces,
)
from customgroqchat.testing._sim_validation import find_model, invalid_api_key
from customgroqchat.testing._sim_wire import (
    ApiError,
    go_duration,
    rate_limit_headers,
    refusal_message,
    to_json,
    type_id,
)

RECORDINGS = Path(__file__).resolve().parents[1] / ".." / "shared" / "recordings"
NANOSECONDS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "µs": 1000, "ns": 1}
REACHED = re.compile(
    r"Rate limit reached for model `(?P<model>.+?)` in organization `.+?` service tier `on_demand`"
    r" on .+? \((?P<code>\w+)\): Limit (?P<limit>\d+), Used (?P<used>\d+),"
    r" Requested (?P<requested>\d+)\. Please try again in (?P<wait>\S+?)\. Need more tokens"
)
TOO_LARGE = re.compile(
    r"Request too large for model `(?P<model>.+?)` in organization `.+?` service tier `on_demand`"
    r" on .+? \((?P<code>\w+)\): Limit (?P<limit>\d+), Requested (?P<requested>\d+)"
)


def recorded(name: str) -> list[dict[str, Any]]:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("no recordings here")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def nanoseconds(text: str) -> int:
    parts = re.findall(r"([\d.]+)(h|ms|m|s|µs|ns)", text)
    return int(sum(Fraction(number) * NANOSECONDS[unit] for number, unit in parts))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (26_000_000, "26ms"),
        (329_999_999, "329.999999ms"),
        (999_999_999, "999.999999ms"),
        (10**9, "1s"),
        (7_660_000_000, "7.66s"),
        (60 * 10**9, "1m0s"),
        (86_400_000_000, "1m26.4s"),
        (5_011_000_000_000, "1h23m31s"),
        (3600 * 10**9, "1h0m0s"),
        (90_000 * 10**9 + 1, "25h0m0.000000001s"),
    ],
)
def test_durations_are_printed_as_go_does(amount: int, text: str) -> None:
    assert go_duration(amount) == text
    assert nanoseconds(text) == amount


def test_every_recorded_duration_is_reprinted_exactly() -> None:
    durations = {
        value
        for row in recorded("exchanges.jsonl")
        for name, value in row["response"]["headers"].items()
        if name.startswith("x-ratelimit-reset") and value[0].isdigit()
    }
    assert len(durations) > 200
    assert durations == {go_duration(nanoseconds(text)) for text in durations}


def test_every_recorded_header_set_in_whole_units_is_reproduced_to_the_nanosecond() -> None:
    sets = [row["response"]["headers"] for row in recorded("exchanges.jsonl")]
    dated = [(headers, headers.get("date", "")) for headers in sets if _has_levels(headers)]
    # Since this day the service shows whole units; before, resets were those of fractions.
    whole = [headers for headers, date in dated if re.search(r"13 Oct 2025|Nov 2025|2026", date)]
    assert len(whole) > 150
    for headers in whole:
        expected = {name: value for name, value in headers.items() if "ratelimit" in name}
        assert rate_limit_headers(_snapshot(headers)) == expected


def _has_levels(headers: dict[str, str]) -> bool:
    return headers.get("x-ratelimit-limit-tokens", "").isdigit()


def _snapshot(headers: dict[str, str]) -> dict[str, Level]:
    return {
        code: Level(
            DIMENSIONS[code],
            int(headers[f"x-ratelimit-limit-{unit}"]),
            int(headers[f"x-ratelimit-remaining-{unit}"]),
        )
        for unit, code in (("requests", "RPD"), ("tokens", "TPM"))
    }


def test_every_quoted_429_in_the_present_wording_is_reproduced() -> None:
    reproduced = 0
    for row in recorded("quoted_errors.jsonl"):
        found = REACHED.match(row["message"])
        if found is None or not row["message"].endswith("/settings/billing"):
            continue
        refusal = Refusal(
            DIMENSIONS[found["code"]],
            int(found["limit"]),
            int(found["used"]),
            int(found["requested"]),
        )
        assert refusal_message(found["model"], refusal) == _normal(row["message"])
        reproduced += 1
    assert reproduced >= 10


def test_every_quoted_refusal_of_size_is_reproduced() -> None:
    reproduced = 0
    for row in recorded("quoted_errors.jsonl"):
        found = TOO_LARGE.match(row["message"])
        if found is None or not row["message"].endswith("/settings/billing"):
            continue
        dimension = DIMENSIONS[found["code"]]
        refusal = Refusal(dimension, int(found["limit"]), None, int(found["requested"]))
        assert refusal_message(found["model"], refusal) == _normal(row["message"])
        assert row["http_status"] == (429 if found["code"] == "OTPM" else 413)
        reproduced += 1
    assert reproduced >= 4


def _normal(message: str) -> str:
    text = re.sub(r"organization `.+?`", "organization `org_sim`", message)
    return text.replace("%3F", "?")


def test_every_quoted_wait_follows_from_its_numbers() -> None:
    rows = [row for row in recorded("quoted_errors.jsonl") if row.get("wait_s") and row["axis"]]
    assert len(rows) > 20
    for row in rows:
        numbers = [int(re.findall(rf"{word} ~?(\d+)", row["message"])[0]) for word in _WORDS]
        refusal = Refusal(DIMENSIONS[row["axis"]], *numbers)
        assert refusal.wait_ns is not None
        # A level is shown in whole units: the wait may be up to one unit's refill shorter.
        unit_s = refill_ns(1, refusal.limit, refusal.dimension.window_s) / 1e9
        assert -0.002 < refusal.wait_ns / 1e9 - row["wait_s"] < unit_s + 0.001


_WORDS = ("Limit", "Used", "Requested")


def test_recorded_refusals_without_admission_have_the_same_bodies() -> None:
    bodies = {
        row["response"]["body"].strip()
        for row in recorded("exchanges.jsonl")
        if row["response"]["status"] in (400, 401, 404)
    }
    parsed = [json.loads(body)["error"] for body in bodies]
    model = "groq-nonexistent-model-for-identity-edge"
    with pytest.raises(ApiError) as missing:
        find_model({}, model)
    old = "llama3-70b-8192"
    with pytest.raises(ApiError) as decommissioned:
        find_model({old: SimulatedModel(status="decommissioned")}, old)
    for error in (invalid_api_key(), missing.value, decommissioned.value):
        assert error.error in parsed


def test_request_ids_hold_their_time_like_recorded_ones() -> None:
    rng = random.Random(1)
    name = type_id("req", 1_783_341_610.901, rng)
    assert name.startswith("req_01kwvq2xwn")
    assert re.fullmatch(r"req_[0-7][0-9a-hjkmnp-tv-z]{25}", name)
    assert len({type_id("req", 5.0, rng) for _ in range(1000)}) == 1000


def test_request_ids_are_uuids_of_version_seven() -> None:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for character in type_id("req", 1e9, random.Random(2)).removeprefix("req_"):
        number = number << 5 | digits.index(character)
    assert (number >> 80, number >> 76 & 15, number >> 62 & 3) == (10**12, 7, 2)


def test_json_is_escaped_as_go_does() -> None:
    assert to_json({"a": "<b> & é \ud800"}) == b'{"a":"\\u003cb\\u003e \\u0026 \xc3\xa9 \\ud800"}'


def test_naive_count_is_near_the_truth_for_plain_chats() -> None:
    errors = [
        count_prompt_tokens(row) - row["prompt_tokens"]
        for row in recorded("tokcount.jsonl")
        if "gpt-oss" in row["model"] and _is_plain(row)
    ]
    assert len(errors) > 25
    assert sum(map(abs, errors)) / len(errors) < 0.5
    assert max(map(abs, errors)) <= 1


def _is_plain(row: dict[str, Any]) -> bool:
    special = ("tools", "response_format", "has_image", "has_server_tools")
    roles = [message["role"] for message in row["messages"]]
    return bool(roles) and "tool" not in roles and not any(row[name] for name in special)


@pytest.mark.parametrize(
    ("model", "roles", "template"),
    [
        ("openai/gpt-oss-20b", ["user"], 71),
        ("openai/gpt-oss-20b", ["system", "user"], 74),
        ("openai/gpt-oss-20b", ["system", "user", "assistant", "user"], 82),
        ("llama-3.1-8b-instant", ["user"], 35),
        ("llama-3.1-8b-instant", ["system", "user"], 35),
        ("qwen/qwen3.8-27b", ["system", "user"], 13),
    ],
)
def test_template_constants(model: str, roles: list[str], template: int) -> None:
    messages = [{"role": role, "content": "Hi!"} for role in roles]
    assert count_prompt_tokens({"model": model, "messages": messages}) == template + 2 * len(roles)


@pytest.mark.parametrize(
    ("text", "number"),
    [("Hello, world!", 4), ("12345", 2), ("a\n\nb", 3), ("internationalisation", 2), ("", 0)],
)
def test_pieces(text: str, number: int) -> None:
    assert count_pieces(text) == number


@pytest.mark.parametrize("number", [0, 1, 5, 200])
def test_answers_have_the_wanted_number_of_pieces(number: int) -> None:
    payload = {"messages": [{"role": "user", "content": "Grüße, 東京! \n\t 12 'ok'"}]}
    pieces = answer_pieces(payload, number)
    assert len(pieces) == number
    assert count_pieces("".join(pieces)) == number
    assert text_pieces("".join(pieces)) == pieces
    assert "".join(pieces).startswith("You said: Grüße"[: len("".join(pieces))])


def test_tools_and_schemas_cost_the_pieces_of_their_json() -> None:
    plain = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    schema = {"type": "json_schema", "json_schema": {"name": "x"}}
    call = {"id": "fc_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}

    def extra(change: dict[str, Any]) -> int:
        return count_prompt_tokens(plain | change) - count_prompt_tokens(plain)

    assert extra({"tools": [tool]}) == 14 + 7
    assert extra({"response_format": {"type": "text"}}) == 0
    assert extra({"response_format": {"type": "json_object"}}) == 28
    assert extra({"response_format": schema}) == 28 + 5
    assert extra({"messages": [*plain["messages"], said]}) == 5 + 3
