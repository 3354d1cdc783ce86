"""A line: how far a request has come, where its time went, and how it is cut from elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from helpers_servers import in_thread

from customgroqchat._line import PHASES, Line, LineCut
from customgroqchat._records import Attempt
from customgroqchat.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def line(clock: FakeClock) -> Iterator[Line]:
    line = Line(clock)
    yield line
    line.leave()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, neither of which waits for longer than ten seconds."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        yield ours, theirs


# --- how far it has come ---------------------------------------------------------------------


def test_its_time_is_told_by_phase(line: Line, clock: FakeClock) -> None:
    line.start()
    for number, phase in enumerate(("connecting", "sending", "waiting", "reading"), 1):
        line.enter(phase)
        assert line.phase == phase
        clock.advance(number)
    line.done()
    clock.advance(100.0)
    told = {"connecting": 1.0, "sending": 2.0, "waiting": 3.0, "reading": 4.0}
    assert {phase: line.spent[phase] for phase in told} == told
    assert not line.spent["starting"]


def test_the_time_of_a_phase_is_that_of_all_attempts(line: Line, clock: FakeClock) -> None:
    for seconds in (1.0, 2.5):
        line.start()
        line.enter("waiting")
        clock.advance(seconds)
        line.report("APITimeoutError", None, None)
        clock.advance(60.0)  # until the next attempt, which is nobody's
    assert line.spent["waiting"] == 3.5
    assert sum(line.spent.values()) == 3.5


def test_an_attempt_is_reported_with_its_beginning_its_length_and_its_phase(
    line: Line, clock: FakeClock
) -> None:
    clock.advance(2.0)
    line.start()
    line.enter("reading")
    clock.advance(0.5)
    expected = Attempt(2.0, 0.5, "APIConnectionError", 200, "req_1", "reading")
    assert line.report("APIConnectionError", 200, "req_1") == expected
    clock.advance(1.0)
    line.start()
    line.done()
    assert line.report("ok", 200, None) == Attempt(3.5, 0.0, "ok", 200, None, "done")


def test_how_long_the_present_attempt_takes(line: Line, clock: FakeClock) -> None:
    clock.advance(3.0)
    line.start()
    clock.advance(1.5)
    assert line.took_s() == 1.5


@pytest.mark.parametrize("phase", PHASES)
def test_only_who_is_still_connecting_has_certainly_sent_nothing(line: Line, phase: str) -> None:
    line.enter(phase)
    assert line.may_have_arrived is (phase != "connecting")


def test_nor_has_who_was_cut_before_it_began(line: Line) -> None:
    line.cut("cancelled")
    assert not line.may_have_arrived


def test_while_nobody_reads_on_it_is_the_callers_time(line: Line, clock: FakeClock) -> None:
    line.start()
    line.enter("reading")
    clock.advance(1.0)
    line.pause()
    clock.advance(5.0)
    assert line.report("ok", 200, None).phase == "reading"
    assert (line.spent["reading"], line.spent["paused"]) == (1.0, 5.0)


def test_another_connection_is_looked_for_from_the_beginning(line: Line) -> None:
    line.enter("waiting")
    line.is_reused = True
    line.look_for_connection(wants_new=True)
    assert (line.phase, line.wants_new, line.is_reused) == ("starting", True, False)


# --- cutting ---------------------------------------------------------------------------------


def test_the_first_cut_counts(line: Line) -> None:
    line.check()
    assert [line.cut("deadline"), line.cut("cancelled")] == [True, False]
    assert line.cut_by == "deadline"
    with pytest.raises(LineCut, match="deadline"):
        line.check()


def test_what_is_cut_stays_cut_in_the_next_attempt(line: Line) -> None:
    line.cut("closed")
    line.start()
    with pytest.raises(LineCut):
        line.look_for_connection(wants_new=False)
    with pytest.raises(LineCut):
        line.enter("sending")


def test_cutting_wakes_the_thread_that_reads(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    line.enter("waiting", ours)
    reading = in_thread(ours.recv, 1)
    line.cut("cancelled")
    assert reading.result(10) == b""
    assert theirs.recv(1) == b""  # and the other side knows


def test_the_socket_of_a_phase_is_that_of_the_one_before(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    line.enter("sending", ours)
    line.enter("waiting")
    line.cut("cancelled")
    assert theirs.recv(1) == b""


def test_a_socket_that_was_let_go_is_left_alone(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    line.enter("reading", ours)
    line.let_go()
    line.cut("cancelled")
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"


def test_a_forked_child_leaves_the_parents_connection_alone(
    line: Line, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = ends
    line.enter("reading", ours)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert line.cut("closed")
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"


def test_a_socket_that_is_closed_already_is_no_trouble(line: Line) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    line.enter("reading", ours)
    ours.close()
    assert line.cut("cancelled")


def test_what_comes_too_late_cuts_the_next_socket_as_well(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    """Between two steps there may be no socket to shut down: the next step fails."""
    line.cut("cancelled")
    with pytest.raises(LineCut):
        line.enter("connecting", ends[0])
    line.cut("cancelled")
    assert ends[1].recv(1) == b""


# --- hurrying, and the end -------------------------------------------------------------------


def test_hurrying_bounds_the_next_read(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    line.hurry(0.01)  # there is nothing to hurry yet
    line.enter("reading", ends[0])
    line.hurry(0.01)
    with pytest.raises(TimeoutError):
        ends[0].recv(1)


class Bell:
    """An alarm that counts how often it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def test_leaving_cancels_the_alarm_once_and_lets_the_socket_go(
    line: Line, ends: tuple[socket.socket, socket.socket]
) -> None:
    line.alarm = bell = Bell()
    line.enter("reading", ends[0])
    line.leave()
    line.leave()
    assert (bell.cancelled, line.alarm) == (1, None)
    line.cut("deadline")
    ends[0].sendall(b"x")
    assert ends[1].recv(1) == b"x"


# --- waiting for what cannot be interrupted --------------------------------------------------


def test_who_waits_is_woken_when_it_is_done(line: Line) -> None:
    done: list[int] = []
    waiting = in_thread(line.wait_for, lambda: bool(done), 10.0)
    line.nudge()  # for nothing
    done.append(1)
    line.nudge()
    assert waiting.result(10) is True


def test_who_waits_is_woken_by_a_cut(line: Line) -> None:
    looked = threading.Event()

    def is_done() -> bool:
        looked.set()
        return False

    waiting = in_thread(line.wait_for, is_done, None)
    assert looked.wait(10)
    line.cut("cancelled")
    with pytest.raises(LineCut, match="cancelled"):
        waiting.result(10)


def test_who_waits_gives_up_when_time_is_up(line: Line) -> None:
    assert line.wait_for(lambda: False, 0.0) is False
    assert line.wait_for(lambda: True, 0.0) is True
