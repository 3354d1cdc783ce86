"""The faults of the simulated service that happen to streams, and those that chance brings."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from helpers_lines import QUESTION, asked, split
from test_simulator_http import MODEL, Simulate, chat, connect

from customgroqchat.testing import FAULT_KINDS, SimulatedGroq

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
