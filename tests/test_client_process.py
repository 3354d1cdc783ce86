"""What a process with a client in it does when it is interrupted, forgets to close, or forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers_servers import KEY, said, wait_until_asleep

from customgroqchat.testing import SimulatedGroq

ROOT = Path(__file__).parents[1]
Simulate = Callable[..., SimulatedGroq]

PREAMBLE = """
import os, signal, sys, threading
from customgroqchat import *
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored
from customgroqchat._clock import Clock

def hello(text="Hello"):
    return [{"role": "user", "content": text}]

def say(text):
    print(text, flush=True)

class TellingClock(Clock):
    '''Says when the dispatcher begins to wait for quota.'''
    def get(self, items, timeout_s):
        if timeout_s is not None and 5 < timeout_s <= 60:
            say("waiting")
        super().get(items, timeout_s)

url = sys.argv[1]
limits = {"slow": {"req_per_minute": 1}}
patient = {"timeout": 300, "max_wait": 900, "policy": "greedy"}
client = GroqClient(limits, base_url=url, clock=TellingClock(), **patient)
"""


@pytest.fixture
def simulator(groq_simulator_factory: Simulate) -> SimulatedGroq:
    return groq_simulator_factory(models={"m": {}, "slow": {}, "new": {}})


@contextmanager
def running(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A script in a process of its own, which is killed if it does not end by itself."""
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(script), *arguments]
    environ = {**os.environ, "GROQ_API_KEY": KEY, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environ
    ) as process:
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            process.kill()
            watchdog.cancel()


def output(script: str, *arguments: str) -> str:
    """Run a script to its end, which has to be a good one, and return what it printed."""
    with running(script, *arguments) as process:
        printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert errors == ""
    return printed


def assert_leaves_at_once(process: subprocess.Popen[str], what: str) -> None:
    """Interrupt the process, and see it end of that."""
    wait_until_asleep(process.pid)
    start_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    took_s = time.monotonic() - start_s
    print(f"{what}: ended {took_s:.3f} s after SIGINT")
    assert process.returncode == -signal.SIGINT, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert took_s < 2.0


# --- interruption ----------------------------------------------------------------------------

CALLS = {
    "chat_completion": "client.chat_completion({model!r}, hello())",
    "result": "client.submit({model!r}, hello()).result()",
    "map": "list(client.map([{{'model': {model!r}, 'messages': hello()}}] * 3))",
    "map unordered": (
        "list(client.map([{{'model': {model!r}, 'messages': hello()}}] * 3, ordered=False))"
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_interrupt_ends_a_wait_for_quota(simulator: SimulatedGroq, call: str) -> None:
    script = "client.chat_completion('slow', hello())\n" + call.format(model="slow")
    with running(script, simulator.url) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "waiting\n":
            pass
        assert_leaves_at_once(process, "waiting for quota")
    assert simulator.count() == 1


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_interrupt_ends_a_request_that_hangs(simulator: SimulatedGroq, call: str) -> None:
    sent = 3 if "map" in call else 1
    with simulator.hold() as gate, running(call.format(model="m"), simulator.url) as process:
        assert gate.wait_until_held(sent, 20)
        assert_leaves_at_once(process, "hanging")
    assert simulator.wait_for_connections(0)


def test_an_interrupt_ends_a_request_that_hangs_in_a_with_block(simulator: SimulatedGroq) -> None:
    script = "with client: client.chat_completion('m', hello())"
    with simulator.hold() as gate, running(script, simulator.url) as process:
        assert gate.wait_until_held(1, 20)
        assert_leaves_at_once(process, "hanging in a with block")


def test_an_interrupt_ends_a_request_of_api_client(simulator: SimulatedGroq) -> None:
    script = """
        body = {"model": "m", "messages": hello()}
        APIClient(api_key="k", base_url=url).request("POST", "/chat/completions", body)
    """
    with simulator.hold() as gate, running(script, simulator.url) as process:
        assert gate.wait_until_held(1, 20)
        assert_leaves_at_once(process, "hanging, without a queue")


# --- forgetting ------------------------------------------------------------------------------


def test_a_script_that_forgets_to_close_ends_promptly(simulator: SimulatedGroq) -> None:
    script = """
        client.chat_completion("slow", hello())
        hanging = [client.submit("m", hello()) for _ in range(3)]
        queued = [client.submit("slow", hello()) for _ in range(3)]
        callbacks = []
        for future in hanging + queued:
            future.add_done_callback(lambda future: callbacks.append(type(future.exception())))
        sys.stdin.readline()
    """
    with simulator.hold() as gate:
        gate.release(1)
        with running(script, simulator.url) as process:
            assert gate.wait_until_held(3, 20)
            start_s = time.monotonic()
            _, errors = process.communicate("go\n")
            took_s = time.monotonic() - start_s
        print(f"forgotten: ended after {took_s:.3f} s")
        assert process.returncode == 0
        assert errors == ""
        assert took_s < 2.0
    assert simulator.wait_for_connections(0)
    assert simulator.count() == 4


def test_a_script_that_just_ends_after_use_ends_well(simulator: SimulatedGroq) -> None:
    script = "say(client.chat_completion('m', hello()).choices[0].message.role)"
    assert output(script, simulator.url) == "assistant\n"
    assert simulator.wait_for_connections(0)


def test_making_a_client_starts_nothing_and_loads_only_what_sends() -> None:
    script = """
        heavy = {"requests", "tiktoken", "regex", "dotenv"} & set(sys.modules)
        assert heavy == {"requests"}, heavy  # a child that is forked later could never load it
        assert threading.active_count() == 1, threading.enumerate()
        sockets = [f for f in os.listdir("/proc/self/fd") if "socket" in _target(f)]
        assert not sockets, sockets
    """
    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    target = """
        def _target(descriptor):
            try:
                return os.readlink("/proc/self/fd/" + descriptor)
            except OSError:
                return ""
    """
    assert output(textwrap.dedent(target) + textwrap.dedent(script), "http://127.0.0.1:9") == ""


# --- fork ------------------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FORKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, in newer Pythons

def in_child(function):
    '''Call it in a forked child; return the child's exit code.'''
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(3)  # a deadlock ends here
        code = 1
        try:
            function()
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@forks
def test_a_forked_child_has_connections_of_its_own_and_the_parent_goes_on(
    simulator: SimulatedGroq,
) -> None:
    script = """
        client.chat_completion("m", hello("before"))
        code = in_child(lambda: [client.chat_completion("m", hello("child")) for _ in range(2)])
        assert code == 0, code
        client.chat_completion("m", hello("parent"))
        assert in_child(client.close) == 0
        client.chat_completion("m", hello("parent"))
        say("done")
    """
    assert output(FORKING + textwrap.dedent(script), simulator.url) == "done\n"
    said_in_order = [said(record.payload) for record in simulator.requests]
    assert said_in_order == ["before", "child", "child", "parent", "parent"]


@forks
def test_a_child_and_its_parent_work_at_the_same_time(simulator: SimulatedGroq) -> None:
    script = """
        client.chat_completion("m", hello("before"))
        held = client.submit("m", hello("held"))
        sys.stdout.flush()
        code = in_child(lambda: client.chat_completion("m", hello("child")))
        say(f"child {code}")
        assert held.result().choices
        say("done")
    """
    with simulator.hold() as gate:
        gate.release(1)
        with running(FORKING + textwrap.dedent(script), simulator.url) as process:
            assert gate.wait_until_held(2, 20)  # the parent's and the child's
            assert simulator.open_connections == 2
            gate.release()
            printed, errors = process.communicate()
    assert (printed, errors) == ("child 0\ndone\n", "")


@forks
def test_what_waits_in_the_parent_is_not_sent_by_the_child(simulator: SimulatedGroq) -> None:
    script = """
        client.chat_completion("slow", hello("before"))
        future = client.submit("slow", hello("waits"))
        assert in_child(check) == 0
        assert client.get_queue_status()["queued"] == 1
        assert not future.done()
        say("done")
    """
    check = """
        def check():
            assert client.get_queue_status()["queued"] == 0
            client.chat_completion("m", hello("child"))
    """
    whole = FORKING + textwrap.dedent(check) + textwrap.dedent(script)
    assert set(output(whole, simulator.url).split()) == {"waiting", "done"}
    assert [said(record.payload) for record in simulator.requests] == ["before", "child"]


@forks
def test_locks_held_by_other_threads_at_the_fork_do_not_stop_the_child(
    simulator: SimulatedGroq,
) -> None:
    script = """
        from customgroqchat.stores import MemoryStore

        parent = os.getpid()
        inside, leave = threading.Event(), threading.Event()

        class SlowStore(MemoryStore):
            def set_limits(self, scope, limits):
                if os.getpid() == parent and scope.model == "new":
                    inside.set()
                    leave.wait()
                super().set_limits(scope, limits)

        client = GroqClient({"m": {"req_per_minute": 9}}, base_url=url, store=SlowStore())
        client.chat_completion("m", hello("before"))
        thread = threading.Thread(target=client.check_model_limits, args=("new",))
        thread.start()
        inside.wait()
        code = in_child(lambda: client.chat_completion("slow", hello("child")))
        leave.set()
        thread.join()
        assert code == 0, code
        say("done")
    """
    assert output(FORKING + textwrap.dedent(script), simulator.url) == "done\n"


@forks
def test_worker_processes_of_a_pool_can_use_a_client_made_before(
    simulator: SimulatedGroq, tmp_path: Path
) -> None:
    script = """
        import multiprocessing

        def ask(number):
            return client.chat_completion("m", hello(str(number))).model

        client.chat_completion("m", hello("before"))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            say(pool.map(ask, range(6)))
        client.chat_completion("m", hello("after"))
    """
    assert output(FORKING + textwrap.dedent(script), simulator.url) == f"{['m'] * 6}\n"
    assert simulator.count(200) == 8
