"""What happens to a queue when the process forks or ends. Most of it in processes of their own."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest
from helpers_queue import Bench

from customgroqchat import _process
from customgroqchat.exceptions import ClientClosedException, QueueFullException
from customgroqchat.queue_manager import Wait

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

PRELUDE = """
    import gc, os, signal, sys, threading, traceback
    from customgroqchat import Demand, GroqClient, QueueManager, Wait, _process
    from customgroqchat._clock import Clock
    from customgroqchat.exceptions import ClientClosedException, QueueFullException
    from customgroqchat.stores import MemoryStore

    LONG_S = 5.0

    class Ticket:
        def __init__(self, work):
            pass

        def release(self):
            pass

    def echo(work, ticket):
        return work

    def in_child(function):
        pid = os.fork()
        if pid == 0:
            signal.alarm(3)  # a child that hangs is killed, and its status tells
            try:
                function()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, f"the child ended with {status}"
"""


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    """Run a script that ends by itself; 20 seconds are more than it may take."""
    script = textwrap.dedent(PRELUDE) + textwrap.dedent(text)
    # A fork beside threads is what is tested here; newer Pythons warn of it.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def passes(text: str) -> None:
    ended = run_script(text)
    assert ended.returncode == 0, ended.stderr


# --- registered parts ----------------------------------------------------------------------------


class Part:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def after_fork(self) -> None:
        self.calls.append("fork")

    def at_exit(self) -> None:
        self.calls.append("exit")


@pytest.fixture
def _no_other_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_forked", weakref.WeakSet())
    monkeypatch.setattr(_process, "_ending", weakref.WeakSet())


@pytest.mark.usefixtures("_no_other_parts")
def test_parts_are_called_when_their_time_comes() -> None:
    parts = [Part(), Part()]
    for part in parts:
        _process.on_fork(part)
        _process.on_exit(part)
    _process._after_fork()
    _process._at_exit()
    assert [part.calls for part in parts] == [["fork", "exit"]] * 2


@pytest.mark.usefixtures("_no_other_parts")
def test_parts_are_held_weakly() -> None:
    part = Part()
    calls = part.calls
    _process.on_fork(part)
    _process.on_exit(part)
    del part
    _process._after_fork()
    _process._at_exit()
    assert calls == []


class Obliging(threading.Thread):
    """A thread that works until somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = threading.Event()

    def run(self) -> None:
        assert self.wanted.wait(10.0)

    def join(self, timeout: float | None = None) -> None:
        self.wanted.set()
        super().join(timeout)


@pytest.mark.usefixtures("_no_other_parts")
@pytest.mark.parametrize("interrupted", [False, True])
def test_threads_at_work_are_waited_for_unless_it_ends_by_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    at_work: list[bool] = []

    class Witness:
        def at_exit(self) -> None:
            at_work.append(thread.is_alive())

    witness = Witness()
    _process.on_exit(witness)
    if interrupted:
        monkeypatch.setattr(sys, "last_type", KeyboardInterrupt, raising=False)
    else:
        monkeypatch.delattr(sys, "last_type", raising=False)
    thread = Obliging()
    thread.start()
    _process._at_exit()
    thread.join()
    assert at_work == [interrupted]


@pytest.mark.usefixtures("_no_other_parts")
def test_a_part_that_is_made_when_the_end_has_begun_is_told_a_little_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_late(_: object) -> None:
        raise RuntimeError("can't register atexit after shutdown")

    hooks: list[object] = []
    monkeypatch.setattr(_process, "_exit_hooked", False)
    monkeypatch.setattr(threading, "_register_atexit", too_late)
    monkeypatch.setattr(atexit, "register", hooks.append)
    parts = [Part(), Part()]
    for part in parts:
        _process.on_exit(part)
    assert hooks == [_process._at_exit]


# --- fork, frozen --------------------------------------------------------------------------------


def test_a_manager_after_a_fork_is_as_new() -> None:
    bench = Bench(max_queue=1, max_workers=1)
    bench.submit("running")
    bench.manager.step()
    bench.submit("waiting", max_wait_s=5.0)
    inherited = bench.workers
    held = [bench.manager._lock, bench.manager._stepping]
    for lock in held:
        assert lock.acquire(timeout=1.0)
    bench.manager.after_fork()
    status = bench.manager.status()
    assert (status["queued"], status["in_flight"], status["lanes"]) == (0, 0, {})
    mine = bench.submit("mine")
    bench.turn()
    assert mine.result(0) == "mine"
    assert bench.workers is not inherited
    assert bench.started == ["mine"]
    for lock in held:
        lock.release()


def test_a_closed_manager_is_closed_in_the_child() -> None:
    bench = Bench()
    bench.manager.close()
    bench.manager.after_fork()
    with pytest.raises(ClientClosedException):
        bench.submit("job")


def test_at_exit_waiting_jobs_fail_and_running_ones_are_not_waited_for() -> None:
    bench = Bench(max_workers=1)
    running = bench.submit("running")
    bench.manager.step()
    waiting = bench.submit("waiting")
    bench.manager.at_exit()
    assert not running.done()
    bench.close()
    assert isinstance(waiting.exception(0), ClientClosedException)
    assert running.result(0) == "running"


def test_a_future_of_the_parent_takes_no_room_in_the_child() -> None:
    bench = Bench(max_queue=1)
    bench.waits["parent's"] = Wait(60.0)
    inherited = bench.submit("parent's")
    bench.manager.after_fork()
    inherited.cancel()
    assert bench.manager.status()["queued"] == 0
    bench.submit("mine")
    with pytest.raises(QueueFullException):
        bench.submit("one too many")


# --- fork, for real ------------------------------------------------------------------------------


@needs_fork
def test_parent_and_child_each_serve_their_own_jobs() -> None:
    passes("""
        sent, go_on = threading.Event(), threading.Event()

        def admit(work):
            return Wait(600.0) if work == "blocked" else Ticket(work)

        def run(work, ticket):
            if work == "long":
                sent.set()
                assert go_on.wait(LONG_S)
            return (work, os.getpid())

        manager = QueueManager(admit, run, max_workers=2)
        blocked = manager.submit("blocked", "a", 2)
        long = manager.submit("long", "b", 2)
        assert sent.wait(LONG_S)

        def child():
            assert manager.status()["queued"] == manager.status()["in_flight"] == 0
            answers = [manager.submit(n, "b", 2).result(LONG_S) for n in range(20)]
            assert answers == [(n, os.getpid()) for n in range(20)]
            assert manager.close(LONG_S)

        in_child(child)
        in_child(child)
        go_on.set()
        assert long.result(LONG_S) == ("long", os.getpid())
        assert manager.status()["queued"] == 1
        assert manager.submit("more", "b", 2).result(LONG_S) == ("more", os.getpid())
        assert blocked.cancel()
    """)


@needs_fork
def test_a_grandchild_works_as_well() -> None:
    passes("""
        manager = QueueManager(Ticket, echo)
        assert manager.submit(0, "a", 2).result(LONG_S) == 0

        def grandchild():
            assert manager.submit(2, "a", 2).result(LONG_S) == 2

        def child():
            assert manager.submit(1, "a", 2).result(LONG_S) == 1
            in_child(grandchild)

        in_child(child)
    """)


@needs_fork
def test_a_fork_while_a_thread_is_queueing() -> None:
    passes("""
        inside, go_on = threading.Event(), threading.Event()

        class SlowName:
            '''A lane that is looked up, under the queue's lock, for as long as the fork takes.'''

            def __hash__(self):
                inside.set()
                go_on.wait(LONG_S)
                return 1

        manager = QueueManager(Ticket, echo)
        thread = threading.Thread(target=lambda: manager.submit(0, SlowName(), 2), daemon=True)
        thread.start()
        assert inside.wait(LONG_S)

        def child():
            assert manager.submit(1, "a", 2).result(LONG_S) == 1

        in_child(child)
        go_on.set()
        thread.join(LONG_S)
        assert manager.submit(2, "a", 2).result(LONG_S) == 2
    """)


@needs_fork
def test_a_fork_while_the_dispatcher_is_asking_for_admission() -> None:
    passes("""
        inside, go_on = threading.Event(), threading.Event()

        def admit(work):
            if work == "slow":
                inside.set()
                go_on.wait(LONG_S)
            return Ticket(work)

        manager = QueueManager(admit, echo)
        slow = manager.submit("slow", "a", 2)
        assert inside.wait(LONG_S)

        def child():
            assert manager.submit(1, "a", 2).result(LONG_S) == 1

        in_child(child)
        go_on.set()
        assert slow.result(LONG_S) == "slow"
    """)


@needs_fork
def test_a_fork_while_the_dispatcher_goes_to_sleep() -> None:
    """A manager that is dropped in the child must not wait for the parent's dispatcher."""
    passes("""
        inside, go_on = threading.Event(), threading.Event()

        class SlowClock(Clock):
            def get(self, items, timeout_s):
                if "dispatcher" in threading.current_thread().name:
                    inside.set()
                    go_on.wait(LONG_S)
                super().get(items, timeout_s)

        manager = QueueManager(lambda work: Wait(600.0), echo, clock=SlowClock())
        manager.submit("job", "a", 2)
        assert inside.wait(LONG_S)

        def child():
            global manager
            del manager
            gc.collect()

        in_child(child)
        go_on.set()
        manager.close()
    """)


@needs_fork
@pytest.mark.parametrize("lock", ["store._lock", "client._limiter._ledgers._lock"])
def test_a_fork_while_a_thread_looks_at_the_limits(lock: str) -> None:
    passes(f"""
        store = MemoryStore()
        client = GroqClient(config={{}}, api_key="gsk_test", store=store)
        client.check_model_limits("known")
        inside, go_on = threading.Event(), threading.Event()

        def hold():
            with {lock}:
                inside.set()
                go_on.wait(LONG_S)

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        assert inside.wait(LONG_S)

        def child():
            client.check_model_limits("known")
            client.check_model_limits("new")
            handler = client._limiter
            scope = handler.scope("new")
            handler.admit(scope, Demand(10)).release()

        in_child(child)
        go_on.set()
        thread.join(LONG_S)
        client.close()
    """)


# --- exit ----------------------------------------------------------------------------------------


def test_a_script_that_never_closes_ends_and_tells_what_it_drops() -> None:
    ended = run_script("""
        import logging
        logging.basicConfig(format="%(message)s")

        def tell(future):
            os.write(1, type(future.exception()).__name__.encode() + b"\\n")

        manager = QueueManager(
            lambda work: Wait(3600.0) if work == "blocked" else Ticket(work), echo, max_workers=1
        )
        for number in range(3):
            future = manager.submit("blocked", number, 2, max_wait_s=7200.0)
            future.add_done_callback(tell)
        print(manager.submit("answer", "b", 2).result(LONG_S), flush=True)
    """)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["answer"] + ["ClientClosedException"] * 3
    assert "3 requests" in ended.stderr


def test_what_runs_is_ended_by_its_own_part_before_threads_are_waited_for() -> None:
    """As the sockets are, by the part that has them."""
    passes("""
        sent, shut_down = threading.Event(), threading.Event()

        class Socket:
            def at_exit(self):
                shut_down.set()

        def run(work, ticket):
            sent.set()
            assert shut_down.wait(LONG_S), "nobody shut it down"
            os.write(1, b"shut down")

        socket = Socket()
        _process.on_exit(socket)
        manager = QueueManager(Ticket, run, max_workers=1)
        manager.submit("running", "a", 2)
        manager.submit("waiting", "a", 2)
        assert sent.wait(LONG_S)
    """)


def test_a_thread_that_is_still_at_work_at_the_end_gets_its_answers() -> None:
    ended = run_script("""
        class LateClock(Clock):
            def get(self, items, timeout_s):
                if timeout_s is not None:
                    main_has_ended.wait(LONG_S)
                super().get(items, timeout_s)

        main_has_ended = threading.Event()
        looks = iter([Ticket(0), Wait(0.01), Ticket(1), Ticket(2)])
        manager = QueueManager(lambda work: next(looks), echo, clock=LateClock())
        # Newer Pythons start no thread any more when the main one has ended: have a worker.
        manager.submit("first", "a", 2).result(LONG_S)
        queued = threading.Event()

        def work():
            future = manager.submit("waiting", "a", 2)
            queued.set()
            answers = [future.result(LONG_S), manager.submit("new", "a", 2).result(LONG_S)]
            os.write(1, " ".join(answers).encode())

        class Witness:
            def at_exit(self):
                os.write(1, b", then closed")

        witness = Witness()
        _process.on_exit(witness)
        threading.Thread(target=work).start()
        assert queued.wait(LONG_S)
        threading.Timer(0.0, main_has_ended.set).start()
    """)
    assert (ended.returncode, ended.stdout) == (0, "waiting new, then closed"), ended.stderr


def test_ctrl_c_in_the_main_thread_lets_nobody_go_on_waiting() -> None:
    ended = run_script("""
        manager = QueueManager(lambda work: Wait(3600.0), echo)
        queued = threading.Event()

        def wait_for_ever():
            future = manager.submit("job", "a", 2)
            queued.set()
            try:
                future.result()
            except ClientClosedException:
                os.write(1, b"closed")

        threading.Thread(target=wait_for_ever).start()
        assert queued.wait(LONG_S)
        raise KeyboardInterrupt
    """)
    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, "closed"), ended.stderr


def test_at_the_very_end_a_job_is_done_by_who_waits_for_it() -> None:
    ended = run_script("""
        import atexit

        def late():
            before = threading.active_count()
            print(manager.submit("job", "a", 2).result(LONG_S), threading.active_count() - before)

        atexit.register(late)
        manager = QueueManager(Ticket, echo)
        manager.submit("job", "a", 2).result(LONG_S)
    """)
    assert (ended.returncode, ended.stdout) == (0, "job 0\n"), ended.stderr


def test_a_manager_that_was_never_used_or_was_dropped_does_not_hold_up_the_end() -> None:
    passes("""
        unused = QueueManager(Ticket, echo)
        dropped = QueueManager(Ticket, echo)
        dropped.submit("job", "a", 2).result(LONG_S)
        del dropped
        gc.collect()
    """)
