"""Failure stories about ends: of the interpreter, by Ctrl-C, of clients; and about event loops."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest
from helpers_servers import RawServer, wait_until_asleep
from helpers_stories import (
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    frames,
    output,
    running,
    streams,
)

from customgroqchat.testing import SimulatedGroq

Simulate = Callable[..., SimulatedGroq]


@pytest.fixture
def simulator(groq_simulator_factory: Simulate) -> SimulatedGroq:
    """A service without limits; what is slow is so by the clients' own limits."""
    return groq_simulator_factory(models={"m": {}, "slow": {}})


# --- 13: the end of the interpreter ----------------------------------------------------------


def test_story_13_a_script_that_ends_with_a_thousand_queued_ends(simulator: SimulatedGroq) -> None:
    script = """
        client = GroqClient({"slow": {"req_per_minute": 1}}, base_url=url, timeout=300)
        client.chat_completion("slow", hello())
        futures = [client.submit("slow", hello(str(n))) for n in range(1000)]
        futures += [client.submit("m", hello(str(n))) for n in range(4)]
        sys.stdin.readline()
    """
    with simulator.hold() as gate:
        gate.release(1)
        with running(script, simulator.url) as process:
            assert gate.wait_until_held(1, 20)
            watch = Stopwatch()
            _, errors = process.communicate("\n")
        assert watch.seconds < 2.0
        assert (process.returncode, errors) == (0, "")
    assert simulator.wait_for_connections(0)


AT_EXIT = {
    "after use": "client.chat_completion('m', hello('before'))",
    "unused": "pass",
    "with requests waiting": "[client.submit('slow', hello()) for _ in range(3)][0].result()",
}


@pytest.mark.parametrize("before", AT_EXIT.values(), ids=AT_EXIT)
def test_story_13_calls_from_atexit_hooks_work(simulator: SimulatedGroq, before: str) -> None:
    script = f"""
        import atexit

        client = None

        def last_words():
            say(client.chat_completion("m", hello("last words")).model)
            stream = client.chat_completion("m", hello("very last words"), stream=True)
            say(stream.get_final_completion().model)
            say(GroqClient({{}}, base_url=url).chat_completion("m", hello("new client")).model)

        atexit.register(last_words)
        client = GroqClient({{"slow": {{"req_per_minute": 1}}}}, base_url=url)
        {before}
    """
    assert output(script, simulator.url) == "m\nm\nm\n"


# --- 14: Ctrl-C ------------------------------------------------------------------------------

#: Seconds between a signal and the exception that it raises.
PROMPT_S = 0.3

INTERRUPTED = """
    client = GroqClient({{"slow": {{"req_per_minute": 1}}}}, base_url=url, timeout=300)
    {before}
    try:
        say("ready")
        {call}
    except KeyboardInterrupt:
        say(time.monotonic())
    {call_when_over}
    status = client.get_queue_status()
    while client.get_queue_status()["in_flight"]:
        time.sleep(0.001)
    say(client.get_queue_status()["queued"])
"""

WAITS_FOR = {
    "quota": "client.chat_completion('slow', hello())",
    "quota for a future": "client.submit('slow', hello()).result()",
    "quota for map": "list(client.map([{'model': 'slow', 'messages': hello()}] * 3))",
    "quota for a stream": "client.chat_completion('slow', hello(), stream=True)",
    "an answer": "client.chat_completion('m', hello())",
    "a stream": "client.chat_completion('m', hello(), stream=True)",
}


@pytest.mark.parametrize("call", WAITS_FOR.values(), ids=WAITS_FOR)
def test_story_14_an_interrupt_is_felt_at_once_and_cancels_the_call(
    simulator: SimulatedGroq, call: str
) -> None:
    before = "client.chat_completion('slow', hello())" if "slow" in call else "pass"
    is_future = "submit" in call
    script = INTERRUPTED.format(
        before=before, call=call, call_when_over="client.close(0)" if is_future else "pass"
    )
    with simulator.hold() as gate:
        gate.release(1 if "slow" in call else 0)
        with running(script, simulator.url) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert "slow" in call or gate.wait_until_held(1, 10)
            wait_until_asleep(process.pid)
            sent_s = time.monotonic()
            process.send_signal(signal.SIGINT)
            printed, errors = process.communicate()
    assert errors == ""
    felt_s, queued = printed.split()
    print(f"felt after {float(felt_s) - sent_s:.3f} s")
    assert float(felt_s) - sent_s < PROMPT_S
    assert queued == "0"


def test_story_14_also_in_the_middle_of_a_stream() -> None:
    script = """
        client = GroqClient({}, base_url=url, timeout=300)
        stream = client.chat_completion("m", hello(), stream=True)
        try:
            for part in stream:
                say("ready")
        except KeyboardInterrupt:
            say(time.monotonic())
        client.close()
        say(stream.text)
    """
    never = threading.Event()
    with RawServer(streams(frames("One"), never)) as server, running(script, server.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until_asleep(process.pid)
        sent_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate()
        never.set()
    assert errors == ""
    felt_s, text = printed.split()
    print(f"felt after {float(felt_s) - sent_s:.3f} s")
    assert float(felt_s) - sent_s < PROMPT_S
    assert text == "One"


# --- 40: event loops -------------------------------------------------------------------------


def test_story_40_a_call_inside_an_event_loop_works_and_warns_once(
    simulator: SimulatedGroq,
) -> None:
    script = """
        import asyncio, warnings

        client = GroqClient({}, base_url=url)

        async def main():
            client.submit("m", hello())     # blocks nothing
            other = GroqClient({}, base_url=url)
            await asyncio.to_thread(client.chat_completion, "m", hello())
            say(len(caught))
            for one in (client, client, other):
                say(one.chat_completion("m", hello()).model)
            say(len(caught))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client.chat_completion("m", hello())
            asyncio.run(main())
        for warning in caught:
            say(warning.category.__name__)
            say("asyncio.to_thread" in str(warning.message))
    """
    assert output(script, simulator.url) == "0\nm\nm\nm\n1\nRuntimeWarning\nTrue\n"


# --- 44: a client for each request -----------------------------------------------------------


def test_story_44_clients_that_are_dropped_leave_nothing_behind(simulator: SimulatedGroq) -> None:
    script = """
        def files():
            return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0

        def use_and_drop(number):
            GroqClient({}, base_url=url).chat_completion("m", hello(str(number)))

        def make_and_drop():
            GroqClient({}, base_url=url)

        def settled():
            end = time.monotonic() + 5
            gc.collect()
            while threading.active_count() > 2 and time.monotonic() < end:
                time.sleep(0.01)
            gc.collect()
            return threading.active_count(), files(), len(gc.get_objects())

        for number in range(40):
            use_and_drop(number)
        for number in range(200):
            make_and_drop()
        threads, before, objects = settled()
        for number in range(160):
            use_and_drop(number)
        for number in range(1_500):
            make_and_drop()
        threads_after, after, objects_after = settled()
        assert threads_after <= max(threads, 2), threading.enumerate()
        assert after <= before + 2, (before, after)
        assert objects_after - objects < 800, objects_after - objects  # of 1,660 clients
        say("flat")
    """
    assert output(script, simulator.url, warnings="error") == "flat\n"
    assert simulator.wait_for_connections(0)
    assert simulator.count(200) == 200
