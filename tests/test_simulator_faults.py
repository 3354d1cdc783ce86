"""The faults of the simulated service, seen from a bare socket or from ``http.client``."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_simulator_http import CHAT, MODEL, Answered, Simulate, chat, connect, payload, send

from customgroqchat.testing import FAULT_KINDS, SimulatedGroq
from customgroqchat.testing._sim_damage import DAMAGES, INSTEAD

PAGE = Path(__file__).parent.parent / "docs/testing.rst"
# What one plain question costs: 72 of the prompt, and 8 of the answer.
QUESTION = payload("Hi", max_completion_tokens=8)
COST = 80
STREAM_KINDS = [kind for kind in FAULT_KINDS if kind.startswith("stream_")]


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


# --- a bare socket ---------------------------------------------------------------------------


class Line:
    """A connection on which a question was asked."""

    def __init__(self, groq: SimulatedGroq, body: dict[str, Any]) -> None:
        address = urlsplit(groq.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        content = json.dumps(body).encode()
        self.socket.sendall(
            b"POST %b HTTP/1.1\r\nauthorization: Bearer any\r\ncontent-length: %d\r\n\r\n%b"
            % (CHAT.encode(), len(content), content)
        )

    def rest(self) -> bytes:
        """Everything until the service closes; raises ConnectionResetError for a reset."""
        return b"".join(iter(lambda: self.socket.recv(65_536), b""))

    def leave(self) -> None:
        """Say that nothing will follow, and read to the end, whatever it is."""
        with contextlib.suppress(OSError):  # the service may have been quicker
            self.socket.shutdown(socket.SHUT_WR)
            self.rest()

    def until(self, number: int) -> bytes:
        """The first so many bytes."""
        got = b""
        while len(got) < number:
            piece = self.socket.recv(number - len(got))
            assert piece, f"closed after {got!r}"
            got += piece
        return got

    def until_reset(self) -> bytes:
        """Everything until the service resets the connection."""
        got = b""
        try:
            while piece := self.socket.recv(65_536):
                got += piece
        except ConnectionResetError:
            return got
        raise AssertionError(f"an end, and no reset, after {got!r}")


@contextlib.contextmanager
def asked(groq: SimulatedGroq, **more: Any) -> Iterator[Line]:
    line = Line(groq, QUESTION | more)
    with line.socket:
        yield line


def split(raw: bytes) -> tuple[dict[str, str], bytes]:
    """The headers and what follows them, of an answer that has the status 200."""
    top, blank, body = raw.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    assert (status, blank) == ("HTTP/1.1 200 OK", b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in lines), body


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


# --- streams ---------------------------------------------------------------------------------


def frames(raw: bytes) -> list[bytes]:
    """The events of a chunked answer, whether it is complete or not."""
    _, body = split(raw)
    content = b""
    while match := re.match(rb"([0-9a-f]+)\r\n", body):
        size = int(match[1], 16)
        content += body[match.end() : match.end() + size]
        body = body[match.end() + size + 2 :]
    return content.removesuffix(b"\n\n").split(b"\n\n")


def spoken(events: list[bytes]) -> int:
    return sum(b'"delta":{"content":"' in event and b'"role"' not in event for event in events)


def test_stream_cut_stops_without_the_end_of_the_body(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_cut", after_pieces=3)
    with asked(groq, stream=True) as line:
        raw = line.rest()
    assert not raw.endswith(b"0\r\n\r\n")
    assert spoken(frames(raw)) == 3


def test_stream_reset_is_a_reset(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_reset", after_pieces=3)
    with asked(groq, stream=True) as line:
        assert spoken(frames(line.until_reset())) == 3


def test_stream_hang_says_no_more(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_hang", after_pieces=2)
    with asked(groq, stream=True) as line:
        raw = b""
        while raw.count(b"\n\n") < 3:  # the role, and two pieces
            raw += line.socket.recv(65_536)
        groq.stop()
        assert line.rest() == b""
    assert spoken(frames(raw)) == 2


def test_stream_error_is_a_frame_and_the_end_of_the_body(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_error", after_pieces=2)
    answer = chat(groq, QUESTION | {"stream": True})
    name, data = answer.events[-1].split("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))["error"]
    assert (error["code"], error["status_code"]) == ("tool_use_failed", 400)


def test_an_error_frame_may_name_another_status(groq: SimulatedGroq) -> None:
    groq.interrupt_next_stream(0, {"message": "full", "status_code": 503})
    (event,) = chat(groq, QUESTION | {"stream": True}).events
    assert '"status_code":503' in event
    assert groq.requests[0].fault == "stream_error"


def test_stream_no_done_and_stream_short_end_in_form(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_no_done")
    answer = chat(groq, QUESTION | {"stream": True})
    assert "[DONE]" not in answer.events[-1]
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "length"
    groq.fault_next("stream_short", after_pieces=4)
    answer = chat(groq, QUESTION | {"stream": True})
    assert spoken([event.encode() for event in answer.events]) == 4
    assert answer.chunks[-1]["choices"][0]["finish_reason"] is None


def test_stream_garbage_comes_between_good_frames(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_garbage", after_pieces=1)
    events = chat(groq, QUESTION | {"stream": True}).events
    comment, retry, data = events[2].split("\n")
    assert (comment[0], retry[:7]) == (":", "retry: ")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(data.removeprefix("data: "))
    assert events[-1] == "data: [DONE]"
    assert spoken([event.encode() for event in events]) == 8


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_a_broken_stream_costs_what_was_spoken(groq: SimulatedGroq, kind: str) -> None:
    groq.fault_next(kind, after_pieces=3)
    whole = kind in ("stream_no_done", "stream_garbage")
    with asked(groq, stream=True) as line:
        line.leave()
    assert groq.wait_for_connections(0)
    (record,) = groq.requests
    assert (record.fault, record.completion_tokens) == (kind, 8 if whole else 3)
    assert spent(groq) == 72 + record.completion_tokens


def test_a_fault_of_streams_waits_for_a_stream(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_cut", after_pieces=0)
    assert chat(groq).status == 200
    with pytest.raises(http.client.IncompleteRead):
        chat(groq, stream=True)
    assert [record.fault for record in groq.requests] == [None, "stream_cut"]


def test_a_request_meets_one_fault_only(groq: SimulatedGroq) -> None:
    groq.fault_next("stream_short")
    groq.fault_next("close_after")
    assert chat(groq, stream=True).events[-1] == "data: [DONE]"
    assert "[DONE]" not in chat(groq, stream=True).events[-1]
    assert [record.fault for record in groq.requests] == ["close_after", "stream_short"]


# --- waiting and chance ----------------------------------------------------------------------


def test_faults_are_met_in_order(groq: SimulatedGroq) -> None:
    groq.fault_next("529", times=2)
    groq.fail_next(418)
    groq.fault_next("498")
    assert [chat(groq).status for _ in range(5)] == [529, 529, 418, 498, 200]
    faults = [record.fault for record in groq.requests]
    assert faults == ["529", "529", "fail_next", "498", None]


def test_reset_forgets_what_waits_but_not_the_odds(simulate: Simulate) -> None:
    groq = simulate(faults={"500": 1.0})
    groq.fault_next("503", times=9)
    groq.fault_next("stream_cut")
    groq.reset()
    assert chat(groq, stream=True).status == 500


def test_the_odds_may_change_on_the_way(simulate: Simulate) -> None:
    groq = simulate(faults={"500": 1.0})
    statuses = []
    for odds in ({"503": 1.0}, {}):
        statuses.append(chat(groq).status)
        groq.set_faults(odds)
    statuses.append(chat(groq).status)
    assert statuses == [500, 503, 200]
    with pytest.raises(ValueError, match="bang"):
        groq.set_faults({"bang": 0.1})


def drawn(groq: SimulatedGroq, number: int, **more: Any) -> list[str | None]:
    with contextlib.closing(connect(groq)) as connection:
        for _ in range(number):
            chat(groq, QUESTION | more, connection=connection)
    return [record.fault for record in groq.requests[-number:]]


def test_faults_by_chance_have_their_shares_and_repeat_with_the_seed(simulate: Simulate) -> None:
    odds = {"503": 0.5, "html": 0.25, "stream_no_done": 1.0}
    runs = [drawn(simulate(faults=odds, rng=random.Random(5)), 400) for _ in range(2)]
    assert runs[0] == runs[1]
    seen = Counter(runs[0])
    assert set(seen) == {"503", "html", None}
    assert abs(seen["503"] - 200) < 40
    assert abs(seen["html"] - 100) < 40


def test_faults_of_streams_by_chance_come_anywhere_in_them(simulate: Simulate) -> None:
    groq = simulate(faults={"stream_short": 0.7}, limits={}, rng=random.Random(6))
    seen = Counter(drawn(groq, 200, stream=True))
    assert abs(seen["stream_short"] - 140) < 30
    places = {r.completion_tokens for r in groq.requests if r.fault == "stream_short"}
    assert places == set(range(9))


def test_odds_that_make_up_a_whole_are_good(simulate: Simulate) -> None:
    tenth = dict.fromkeys(["498", "500", "502", "503", "529", "html", "redirect"], 0.1)
    groq = simulate(faults={**tenth, "429_no_header": 0.1, "empty": 0.1, "bad_json": 0.1})
    assert None not in drawn(groq, 20)


@pytest.mark.parametrize(
    "odds",
    [{"500": -0.1}, {"500": 0.6, "503": 0.5}, {"500": float("nan")}, {"stream_cut": 1.1}],
)
def test_odds_that_are_no_probabilities(odds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        SimulatedGroq(faults=odds)


@pytest.mark.parametrize(
    "provoke",
    [lambda: SimulatedGroq(faults={"bang": 0.1}), lambda: SimulatedGroq().fault_next("bang")],
)
def test_an_unknown_kind_is_refused_with_a_list(provoke: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="bang") as caught:
        provoke()
    assert all(kind in str(caught.value) for kind in FAULT_KINDS)


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
