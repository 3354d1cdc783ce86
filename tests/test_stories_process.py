"""Failure stories about processes: nested calls, forks, uWSGI, imports, gevent."""

from __future__ import annotations

import importlib.util
import os
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_servers import RawServer, in_thread, make_certificate, said, says, user
from helpers_stories import (
    FORKING,
    MakeClient,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    completion,
    ending,
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


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


# --- 7: calls within calls -------------------------------------------------------------------


def test_story_07_callbacks_that_call_and_wait_ten_deep_need_no_second_worker(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    deepest = threading.Event()

    def descend(depth: int) -> None:
        if depth == 10:
            deepest.set()
            return
        done = threading.Event()

        def go_on(answer: object) -> None:
            descend(depth + 1)
            done.set()

        client.submit("m", user(str(depth)), callback=go_on)
        assert done.wait(20)

    in_thread(descend, 0).result(20)
    assert deepest.is_set()
    assert simulator.count(200) == 10


def test_story_07_a_generator_given_to_map_may_call_the_client(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)

    def questions() -> object:
        for number in range(5):
            topic = client.chat_completion("m", user(f"Topic {number}?"))
            yield {"messages": user(str(topic.choices[0].message.content))}

    answers = in_thread(lambda: list(client.map(questions(), model_name="m")))  # type: ignore[arg-type]
    assert len(answers.result(20)) == 5
    assert simulator.count(200) == 10


def test_story_07_whoever_reads_a_stream_may_call_the_client(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)

    def read() -> int:
        stream = client.chat_completion("m", user(), stream=True)
        return sum(1 for _ in stream if client.chat_completion("m", user()).choices)

    assert in_thread(read).result(20) > 2


# --- 8 and 9: forks --------------------------------------------------------------------------


@forks
def test_story_08_children_work_whatever_the_parents_threads_were_doing(
    simulator: SimulatedGroq,
) -> None:
    script = """
        client = GroqClient({}, base_url=url, policy="greedy")
        stop = threading.Event()

        def hammer(number):
            while not stop.is_set():
                client.chat_completion("m", hello(f"parent {number}"))
                client.get_queue_status()
                client.check_model_limits("m")

        client.chat_completion("m", hello("before"))
        threads = [threading.Thread(target=hammer, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        codes = [in_child(lambda: client.chat_completion("m", hello("child"))) for _ in range(12)]
        stop.set()
        for thread in threads:
            thread.join()
        client.chat_completion("m", hello("after"))
        say(codes)
    """
    assert output(FORKING + textwrap.dedent(script), simulator.url) == f"{[0] * 12}\n"
    texts = [said(record.payload) for record in simulator.requests]
    assert texts.count("child") == 12
    assert texts.count("after") == 1


@forks
def test_story_08_also_during_the_first_call_which_loads_modules(simulator: SimulatedGroq) -> None:
    script = """
        import importlib.abc

        parent, inside, left = os.getpid(), threading.Event(), threading.Event()

        class SlowDisk(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name == "requests" and os.getpid() == parent:
                    inside.set()
                    left.wait(1.0)

        sys.meta_path.insert(0, SlowDisk())
        client = GroqClient({}, base_url=url, policy="greedy")
        future = client.submit("m", hello("parent"))
        assert inside.wait(10)
        say(in_child(lambda: client.chat_completion("m", hello("child"))))
        left.set()
        say(future.result(10).model)
    """
    assert output(FORKING + textwrap.dedent(script), simulator.url) == "0\nm\n"


@forks
def test_story_08_a_stream_of_the_parent_is_left_alone_by_the_child() -> None:
    go_on = threading.Event()
    script = """
        client = GroqClient({}, base_url=url, policy="greedy")
        stream = client.chat_completion("m", hello(), stream=True)
        first = next(stream).choices[0].delta.content

        def child():
            global stream
            stream.close()
            stream = None
            gc.collect()
            client.chat_completion("m", hello("child"))

        say(in_child(child))
        sys.stdin.readline()
        say(first + "".join(part.choices[0].delta.content or "" for part in stream))
    """
    parent = streams(frames("One "), go_on, frames("two"), ending())
    with (
        RawServer(parent, says(completion())) as server,
        running(FORKING + textwrap.dedent(script), server.url) as process,
    ):
        server.wait_for(2)
        go_on.set()
        printed, errors = process.communicate("\n")
        assert (printed, errors) == ("0\nOne two\n", "")


@forks
def test_story_09_a_warm_tls_pool_stays_the_parents(tmp_path: Path) -> None:
    script = """
        client = GroqClient({}, base_url=url, verify=sys.argv[2], max_retries=0, policy="greedy")
        client.chat_completion("m", hello("before"))

        def child():
            global client
            for _ in range(3):
                client.chat_completion("m", hello("child"))
            client.close()
            del client
            gc.collect()

        for _ in range(3):
            assert in_child(child) == 0
            client.chat_completion("m", hello("parent"))
        say("done")
    """
    certificate = make_certificate(tmp_path)
    with RawServer(says(completion()), tls=certificate.server) as server:
        whole = FORKING + textwrap.dedent(script)
        assert output(whole, server.url, str(certificate.path)) == "done\n"
        assert server.connections == 1 + 3  # one of the parent, and one of each child
        assert len(server.heard) == 1 + 3 * 4


# --- 10: uWSGI without threads ---------------------------------------------------------------

#: A process in which threads can be started but never run, as uWSGI's are by default.
UWSGI = """
import sys, threading, types
uwsgi = types.ModuleType("uwsgi")
uwsgi.opt = {b"http-socket": b"127.0.0.1:8000", b"processes": b"2"}
sys.modules["uwsgi"] = uwsgi
started = []
threading.Thread.start = lambda thread: started.append(thread.name)
"""

USED_BY_A_VIEW = """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = GroqClient({"slow": {"req_per_minute": 1}}, base_url=url)
        say(client.chat_completion("m", hello("one")).model)
        say(client.submit("m", hello("two")).result(timeout=10).model)
        say([answer.model for answer in client.map([{"messages": hello("x")}] * 3, model="m")])
        stream = client.chat_completion("m", hello("three"), stream=True)
        say(stream.get_final_completion().model)
        called = []
        client.submit("m", hello("four"), callback=called.append).result(timeout=10)
        client.chat_completion("slow", hello())
        try:
            client.chat_completion("slow", hello(), max_wait=0.1)
        except RateLimitExceededException as error:
            say(error.dimension)
        client.close()
        say(len(called))
"""
SEEN_BY_A_VIEW = "m\nm\n['m', 'm', 'm']\nm\nRPM\n1\n"


def test_story_10_where_threads_do_not_run_the_caller_does_all_the_work(
    simulator: SimulatedGroq,
) -> None:
    script = (
        USED_BY_A_VIEW
        + """
    say([str(w.message) for w in caught if "--enable-threads" in str(w.message)].__len__())
    say({w.category.__name__ for w in caught})
    say(started)
    """
    )
    printed = output(script, simulator.url, first=UWSGI)
    assert printed == SEEN_BY_A_VIEW + "1\n{'RuntimeWarning'}\n[]\n"


def test_story_10_with_threads_enabled_nothing_is_said(simulator: SimulatedGroq) -> None:
    enabled = 'uwsgi.opt[b"enable-threads"] = True\n'
    first = UWSGI.partition("started = []")[0] + enabled
    script = USED_BY_A_VIEW + "    assert not caught, caught[0].message\n"
    assert output(script, simulator.url, first=first) == SEEN_BY_A_VIEW


# --- 11: what an import does -----------------------------------------------------------------


def test_story_11_importing_and_making_a_client_starts_opens_and_writes_nothing(
    tmp_path: Path,
) -> None:
    script = """
        def open_files():
            return sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else []

        before = open_files()
        client = GroqClient(base_url=url, on_event=print)
        assert threading.active_count() == 1, threading.enumerate()
        assert open_files() == before
        assert client.get_queue_status()["queued"] == 0
        client.check_model_limits("m")
        del client
        gc.collect()
        assert threading.active_count() == 1
        assert open_files() == before
    """
    assert output(script, "http://127.0.0.1:9", environ={"PYTHONDONTWRITEBYTECODE": "1"}) == ""
    assert list(tmp_path.iterdir()) == []  # which is its working directory


# --- 12: gevent ------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_story_12_it_works_in_a_process_that_gevent_has_patched(simulator: SimulatedGroq) -> None:
    script = """
        import gevent

        client = GroqClient({}, base_url=url, max_workers=8, policy="greedy")
        ask = lambda n: client.chat_completion("m", hello(str(n))).model
        jobs = [gevent.spawn(ask, n) for n in range(20)]
        gevent.joinall(jobs, timeout=15)
        say([job.value for job in jobs].count("m"))
        say(client.submit("m", hello()).result(timeout=10).model)
        say(len(list(client.map(({"messages": hello(str(n))} for n in range(5)), model="m"))))
        said = "".join(
            part.choices[0].delta.content or ""
            for part in client.chat_completion("m", hello(), stream=True) if part.choices
        )
        say(bool(said))
        client.close()
        say("closed")
    """
    first = "from gevent import monkey\nmonkey.patch_all()\n"
    printed = output(script, simulator.url, first=first, warnings="ignore")
    assert printed == "20\nm\n5\nTrue\nclosed\n"
    assert simulator.wait_for_connections(0)
