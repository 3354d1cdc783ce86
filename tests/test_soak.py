"""The soak: its checks find what they look for, and a short one finds nothing."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from customgroqchat import BadRequestError, GroqClient
from customgroqchat.queue_manager import QueueManager, Wait
from customgroqchat.testing import RequestRecord, SimulatedGroq

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
try:
    import _soak_calls as made
    import _soak_checks as checks
    import soak
finally:
    sys.path.pop(0)

ENDED = "every call ended"
OURS = "with an answer or an error of the package's"
IN_TIME = "within its deadline and 1 s"
BELONGS = "what was said is the answer to this call, from its start"
WHOLE = "an answer is a whole one"
ONCE = "nothing was sent again after it had been answered"


def good_call(**changes: Any) -> made.Call:
    """A call that was answered in time, by the second of all requests."""
    call = made.Call("chat", "one of its kind", 12, 3.0, 100.0, 0.5, made.ANSWER)
    call.said, call.handed_after = call.expected, 2
    for name, value in changes.items():
        setattr(call, name, value)
    return call


def record(text: str = "one of its kind", **facts: Any) -> RequestRecord:
    payload = {"messages": [{"role": "user", "content": text}]}
    return RequestRecord(0.0, "POST", "/", {}, "req_1", payload=payload, **facts)


RECORDS = [record("another one"), record(), record("a third one")]


def broken_by(call: made.Call, records: list[RequestRecord] = RECORDS) -> list[str]:
    return [name for name, by in checks.broken_by_calls([call], records).items() if by]


# --- the calls -------------------------------------------------------------------------------


def test_a_call_that_went_well_breaks_nothing() -> None:
    assert checks.broken_by_calls([good_call()], RECORDS) == {
        name: [] for name in (ENDED, OURS, IN_TIME, BELONGS, WHOLE, ONCE)
    }


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param({"outcome": None, "took_s": None}, ENDED, id="lost"),
        pytest.param({"stranger": OSError("?"), "outcome": "OSError"}, OURS, id="stranger"),
        pytest.param({"took_s": 4.1}, IN_TIME, id="late"),
        pytest.param({"outcome": made.PART, "said": "You said: another"}, BELONGS, id="foreign"),
        pytest.param({"outcome": made.PART, "said": "said: one"}, BELONGS, id="beginning lost"),
        pytest.param({"said": "You said: one"}, WHOLE, id="cut without a word"),
        pytest.param({"said": ""}, WHOLE, id="empty"),
        pytest.param({"handed_after": 1}, ONCE, id="sent again"),
    ],
)
def test_each_invariant_can_be_broken(changes: dict[str, Any], broken: str) -> None:
    assert broken_by(good_call(**changes)) == [broken]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"took_s": 3.9}, id="within the margin"),
        pytest.param({"outcome": made.PART, "said": "You said: one"}, id="left"),
        pytest.param({"outcome": "APITimeoutError", "said": "", "handed_after": None}, id="error"),
    ],
)
def test_what_is_allowed(changes: dict[str, Any]) -> None:
    assert broken_by(good_call(**changes)) == []


def test_an_object_of_another_shape_may_lack_the_text_only_if_it_was_sent() -> None:
    odd = good_call(said="")
    assert broken_by(odd, [*RECORDS[:1], record(fault="wrong_shape")]) == []
    assert broken_by(odd, [*RECORDS[:1], record(fault="truncate")]) == [WHOLE]


def test_requests_without_an_object_are_passed_over() -> None:
    models = RequestRecord(0.0, "GET", "/", {}, "req_0")
    assert broken_by(good_call(), [models, record()]) == []


@pytest.mark.parametrize(
    ("kind", "is_stranger"), [("cancel, stream", False), ("cancel", False), ("submit", True)]
)
def test_only_who_cancels_may_see_a_plain_cancellation(
    client: GroqClient, simulator: SimulatedGroq, kind: str, is_stranger: bool
) -> None:
    caller = made.Caller(client, simulator, "x", soak.random.Random(1))
    call = caller._new(kind)
    future: Future[Any] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    caller._make(call, lambda: caller._take(call, future))
    assert call.outcome == "CancelledError"
    assert isinstance(call.stranger, CancelledError) is is_stranger


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"choices": [{"message": {"content": "whole"}}]}, "whole"),
        ({"choices": [{"delta": {"content": "chunk"}}]}, "chunk"),
        ({"choices": [{"delta": {"role": "assistant"}}]}, ""),
        ({"choices": [{"text": "completion"}]}, "completion"),
        ({"choices": []}, ""),
        ({"object": "list"}, ""),
    ],
)
def test_what_an_answer_says(answer: dict[str, Any], text: str) -> None:
    assert made.said_in(answer) == text


# --- at rest ---------------------------------------------------------------------------------


def test_threads_and_sockets_that_stay_are_seen() -> None:
    belongings = checks.Belongings()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="forgotten")
    thread.start()
    with socket.socket():
        assert belongings.new_threads() == ["forgotten"]
        assert belongings.new_sockets() == (1 if Path("/proc/self/fd").exists() else 0)
    release.set()
    thread.join()
    assert (belongings.new_threads(), belongings.new_sockets()) == ([], 0)


def test_what_comes_true_is_waited_for_and_nothing_for_ever() -> None:
    answers = iter([False, False, True])
    assert checks.comes_true(lambda: next(answers))
    assert not checks.comes_true(lambda: False, within_s=0.0)


def test_what_threads_and_finalizers_raise_is_overheard() -> None:
    class Bad:
        def __del__(self) -> None:
            raise ValueError("in the end")

    def fail() -> None:
        raise OSError("in a thread")

    with checks.overheard() as heard:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        Bad()
    assert heard == ["OSError: in a thread", "ValueError: in the end"]


def test_a_client_that_still_works_is_not_at_rest(
    simulator: SimulatedGroq, make_client: Callable[..., GroqClient]
) -> None:
    client = make_client(simulator.url)
    with simulator.hold() as gate:
        future = client.submit("m", [{"role": "user", "content": "Hi"}])
        assert gate.wait_until_held(1)
        assert not soak.is_idle(client)
        assert soak.open_reservations(client) == 1
    future.result()
    assert soak.open_reservations(client) == 0


def test_the_last_round_tells_what_fails(groq_simulator: SimulatedGroq) -> None:
    with GroqClient({}, api_key="any", base_url=groq_simulator.url) as client:
        groq_simulator.fail_next(400, times=2)
        errors = soak.last_round(client, 4)
    assert len(errors) == 2
    assert all("BadRequestError" in error for error in errors)


# --- the whole -------------------------------------------------------------------------------


def test_the_table_counts_calls_and_names_what_is_broken() -> None:
    calls = [good_call(), good_call(outcome=None, took_s=None), good_call(outcome=made.PART)]
    broken = checks.broken_by_calls(calls, RECORDS)
    text = soak.table(soak.Report(calls, Counter({"drip": 7}), broken))
    lines = [line.split() for line in text.splitlines()]
    assert ["chat", "3", "1", "1", "1"] in lines
    assert ["never", "ended", "1"] in lines
    assert ["drip", "7"] in lines
    assert f"BROKEN  {ENDED}: 1 times" in text
    assert f"ok      {ONCE}" in text


def test_a_short_soak_breaks_nothing() -> None:
    report = soak.soak(seconds=3.0, threads=8, seed=1)
    assert report.is_good, soak.table(report)
    assert {call.kind for call in report.calls} == set(KINDS)
    assert len(report.faults) > len(soak.FAULTS) / 2


KINDS = [
    "cancel",
    "cancel by tag",
    "cancel, stream",
    "chat",
    "stream, dropped",
    "stream, final",
    "stream, left",
    "stream, read",
    "submit",
    "submit, stream",
    "text",
]


# --- what it has found -----------------------------------------------------------------------


def test_closing_closes_connections_although_an_error_is_kept(
    simulator: SimulatedGroq, make_client: Callable[..., GroqClient]
) -> None:
    client = make_client(simulator.url)
    simulator.fail_next(400)
    with pytest.raises(BadRequestError) as kept:
        client.chat_completion("m", [{"role": "user", "content": "Hi"}])
    assert simulator.open_connections == 1
    client.close()
    assert simulator.wait_for_connections(0, 2.0)
    assert kept.value.__traceback__ is not None


def test_a_job_may_come_back_under_its_number_while_its_old_place_is_still_there() -> None:
    manager = QueueManager(lambda work: Wait(1_000.0), lambda work, admission: None)
    born_s = time.monotonic()
    manager.submit("in front", lane="m", level=0, born_s=born_s - 1.0)
    first = manager.submit("stream", lane="m", level=0, born_s=born_s)
    assert first.cancel()
    again = manager.submit(
        "stream, again", lane="m", level=0, born_s=born_s, number=first.request_id
    )
    assert again.request_id == first.request_id
    manager.close(0.0)
