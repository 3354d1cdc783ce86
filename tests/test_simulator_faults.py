"""The faults of the simulated service, seen from a bare socket or from ``http.client``."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from helpers_lines import COST, QUESTION, asked, split
from test_simulator_http import CHAT, MODEL, Answered, Simulate, chat, connect, send

from customgroqchat.testing import FAULT_KINDS, SimulatedGroq
from customgroqchat.testing._sim_damage import DAMAGES, INSTEAD

PAGE = Path(__file__).parent.parent / "docs/testing.rst"


@pytest.fixture
def simulate(groq_simulator_factory: Simulate) -> Simulate:
    """Start a service whose buckets do not refill."""

    def start(**settings: Any) -> SimulatedGroq:
        return groq_simulator_factory(
            **{"limits": {"TPM": 10_000}, "clock": lambda: 100.0, "drip_s": 0.0, **settings}
        )

    return start


@pytest.fixture
def groq(simulate: Simulate) -> SimulatedGroq:
    return simulate()


def spent(groq: SimulatedGroq) -> float:
    return 10_000 - groq.levels(MODEL)["TPM"]


def whole_answer(groq: SimulatedGroq, **more: Any) -> bytes:
    """The body that the same question has without a fault."""
    before = groq.levels(MODEL)["TPM"]
    body = chat(groq, QUESTION | more).body
    assert groq.levels(MODEL)["TPM"] < before
    return body


# --- in place of the service -----------------------------------------------------------------


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_stands_in_for_the_service_charges_nothing(groq: SimulatedGroq, kind: str) -> None:
    groq.fault_next(kind)
    with asked(groq) as line:
        line.leave()
    (record,) = groq.requests
    assert (record.fault, record.charge, record.payload) == (kind, {}, QUESTION)
    assert spent(groq) == 0
    assert chat(groq).status == 200
    assert groq.requests[-1].fault is None


def test_reset_and_drop_give_no_byte(groq: SimulatedGroq) -> None:
    groq.fault_next("reset")
    with asked(groq) as line:
        assert line.until_reset() == b""
    groq.fault_next("drop")
    with asked(groq) as line:
        assert line.rest() == b""
    assert [record.status for record in groq.requests] == [0, 0]
    assert groq.count(0) == 2


@pytest.mark.parametrize(
    ("kind", "status"), [("498", 498), ("500", 500), ("503", 503), ("529", 529)]
)
def test_statuses_come_in_the_envelope(groq: SimulatedGroq, kind: str, status: int) -> None:
    groq.fault_next(kind)
    answer = chat(groq)
    assert (answer.status, groq.requests[0].status) == (status, status)
    assert answer.error["message"]


def test_a_429_may_keep_its_wait_to_itself(groq: SimulatedGroq) -> None:
    groq.fault_next("429_no_header")
    answer = chat(groq)
    assert answer.status == 429
    assert not [name for name in answer.headers if "retry" in name or "ratelimit" in name]
    assert "try again" not in answer.error["message"]


def test_pages_of_somebody_else(groq: SimulatedGroq) -> None:
    statuses = []
    for kind in ("html", "502", "redirect"):
        groq.fault_next(kind)
        answer = chat(groq)
        assert answer.headers["content-type"] == "text/html"
        assert answer.body.startswith(b"<!DOCTYPE html>")
        statuses.append(answer.status)
    assert statuses == [200, 502, 302]
    assert answer.headers["location"].startswith("https://elsewhere.invalid/")


# --- on the way back -------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", DAMAGES)
def test_an_answer_that_is_spoilt_on_its_way_is_charged(
    groq: SimulatedGroq, kind: str, stream: bool
) -> None:
    groq.fault_next(kind)
    with asked(groq, stream=stream) as line:
        line.leave()
    assert groq.wait_for_connections(0)
    (record,) = groq.requests
    assert (record.fault, record.completion_tokens) == (kind, 8)
    assert spent(groq) == COST


@pytest.mark.parametrize("stream", [False, True])
def test_truncate_ends_in_the_middle_of_the_body(groq: SimulatedGroq, stream: bool) -> None:
    groq.fault_next("truncate")
    with asked(groq, stream=stream) as line:
        headers, body = split(line.rest())
    if stream:
        assert headers["transfer-encoding"] == "chunked"
        size, _, chunk = body.partition(b"\r\n")
        assert 0 < len(chunk) < int(size, 16)
    else:
        assert 0 < len(body) < int(headers["content-length"])
    assert headers["connection"] == "keep-alive"


def test_truncate_headers_ends_inside_of_them(groq: SimulatedGroq) -> None:
    groq.fault_next("truncate_headers")
    with asked(groq) as line:
        raw = line.rest()
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in raw


def test_a_body_without_a_length_may_be_cut_without_a_trace(groq: SimulatedGroq) -> None:
    groq.fault_next("close_delimited_cut")
    with contextlib.closing(connect(groq)) as connection:
        connection.request("POST", CHAT, json.dumps(QUESTION), {"Authorization": "Bearer any"})
        answer = Answered(connection.getresponse())
    assert not {"content-length", "transfer-encoding"} & set(answer.headers)
    assert answer.headers["connection"] == "close"
    half = len(whole_answer(groq)) // 2
    assert abs(len(answer.body) - half) < 20
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        json.loads(answer.body)


def test_reset_mid_body(groq: SimulatedGroq) -> None:
    groq.fault_next("reset_mid_body")
    with asked(groq) as line:
        headers, body = split(line.until_reset())
    assert 0 < len(body) < int(headers["content-length"])


def test_hang_says_nothing_until_the_service_stops(groq: SimulatedGroq) -> None:
    groq.fault_next("hang")
    with asked(groq) as line:
        assert groq.wait_for_requests(1)
        groq.stop()
        assert line.rest() == b""
    assert [record.status for record in groq.requests] == [0]


def test_hang_mid_body_says_no_more(groq: SimulatedGroq) -> None:
    groq.fault_next("hang_mid_body")
    with asked(groq) as line:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += line.until(1)
        length = int(split(raw)[0]["content-length"])
        line.until(length // 2)
        groq.stop()
        assert line.rest() == b""


@pytest.mark.parametrize("kind", ["hang", "hang_mid_body", "drip", "stream_hang"])
def test_who_leaves_ends_a_hang(simulate: Simulate, kind: str) -> None:
    groq = simulate(drip_s=0.001)
    groq.fault_next(kind)
    with asked(groq, stream=kind == "stream_hang"):
        assert groq.wait_for_requests(1)
    assert groq.wait_for_connections(0)


def test_stop_ends_all_that_hangs_at_once(simulate: Simulate) -> None:
    groq = simulate(drip_s=3600.0)
    kinds = ["hang", "hang_mid_body", "drip", "stream_hang"] * 4
    with contextlib.ExitStack() as stack:
        lines = []
        for number, kind in enumerate(kinds, 1):
            groq.fault_next(kind)
            lines.append(stack.enter_context(asked(groq, stream=kind == "stream_hang")))
            assert groq.wait_for_requests(number)
        began = time.monotonic()
        groq.stop()
        assert time.monotonic() - began < 1.0
        for line in lines:
            line.rest()


def test_a_drip_is_a_whole_answer_in_single_bytes(simulate: Simulate) -> None:
    groq = simulate(drip_s=0.0)
    groq.fault_next("drip")
    answer = chat(groq, QUESTION)
    assert answer.json["choices"][0]["message"]["content"].startswith("You said: Hi")


def test_a_drip_waits_before_its_first_byte(simulate: Simulate) -> None:
    groq = simulate(drip_s=3600.0)
    groq.fault_next("drip")
    with asked(groq) as line:
        assert groq.wait_for_requests(1)
        groq.stop()
        assert line.rest() == b""


@pytest.mark.parametrize("stream", [False, True])
def test_close_after_promises_to_keep_the_connection(groq: SimulatedGroq, stream: bool) -> None:
    groq.fault_next("close_after")
    with contextlib.closing(connect(groq)) as connection:
        answer = chat(groq, QUESTION, connection=connection, stream=stream)
        assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")
        assert answer.events[-1] == "data: [DONE]" if stream else answer.json["choices"]
        assert groq.wait_for_connections(0)


@pytest.mark.parametrize("stream", [False, True])
def test_bodies_that_are_no_answers(groq: SimulatedGroq, stream: bool) -> None:
    bodies = {}
    with contextlib.closing(connect(groq)) as connection:
        for kind in ("bad_json", "empty", "wrong_shape"):
            groq.fault_next(kind)
            answer = chat(groq, QUESTION, connection=connection, stream=stream)
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
            bodies[kind] = answer.body
        assert groq.open_connections == 1
    with pytest.raises(ValueError, match="Expecting property name"):
        json.loads(bodies["bad_json"])
    assert bodies["empty"] == b""
    assert "choices" not in json.loads(bodies["wrong_shape"])


def test_a_gzip_bomb_is_small_on_the_wire_and_large_behind_it(groq: SimulatedGroq) -> None:
    groq.fault_next("gzip_bomb")
    answer = chat(groq)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 300_000
    unpacker, size = zlib.decompressobj(16 + zlib.MAX_WBITS), 0
    rest = answer.body
    while rest:
        size += len(unpacker.decompress(rest, 1 << 20))
        rest = unpacker.unconsumed_tail
    while piece := unpacker.decompress(b"", 1 << 20):
        size += len(piece)
    assert (unpacker.eof, size) == (True, 200 * 1024 * 1024)


def test_bad_gzip_cannot_be_unpacked(groq: SimulatedGroq) -> None:
    groq.fault_next("bad_gzip")
    answer = chat(groq)
    assert answer.headers["content-encoding"] == "gzip"
    with pytest.raises(zlib.error, match="invalid"):
        zlib.decompress(answer.body, 16 + zlib.MAX_WBITS)


def test_huge_headers_are_more_than_http_client_reads(groq: SimulatedGroq) -> None:
    groq.fault_next("huge_headers")
    with pytest.raises(http.client.HTTPException, match="more than 100 headers"):
        chat(groq)


def test_refusals_and_other_paths_are_spoilt_too(simulate: Simulate) -> None:
    groq = simulate(limits={"TPM": 10})
    groq.fault_next("truncate")
    with pytest.raises(http.client.IncompleteRead):
        chat(groq)
    assert (groq.requests[-1].status, groq.requests[-1].fault) == (413, "truncate")
    groq.fault_next("bad_json")
    models = send(groq, "GET", "/openai/v1/models")
    assert (models.status, groq.requests[-1].fault) == (200, "bad_json")
    with pytest.raises(ValueError, match="Expecting"):
        _ = models.json


def test_the_page_has_all_kinds_and_says_the_truth_about_charges() -> None:
    table = PAGE.read_text(encoding="utf-8")
    rows = re.findall(
        r'^   \* - ``"(\w+)"``\n     - (.+)(?:\n       .+)*\n     - (.+)', table, re.M
    )
    assert {kind for kind, _, _ in rows} == set(FAULT_KINDS)
    assert [kind for kind, _, charge in rows if charge == "nothing"] == sorted(INSTEAD)
    assert [kind for kind, _, charge in rows if charge == "everything"] == [
        *sorted(DAMAGES),
        "stream_garbage",
        "stream_no_done",
    ]
