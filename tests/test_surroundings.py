"""What runs the process: an event loop, uWSGI, an interpreter that ends, gevent."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from customgroqchat._surroundings import threads_run, warn_if_in_event_loop
from customgroqchat.testing import SimulatedGroq

TO_THREAD = r"asyncio\.to_thread"
ENABLE = "--enable-threads"

# --- an event loop ---------------------------------------------------------------------------


async def warn() -> None:
    warn_if_in_event_loop()


def test_a_running_event_loop_is_warned_of_once() -> None:
    with pytest.warns(RuntimeWarning, match=TO_THREAD) as warned:
        asyncio.run(warn())
    asyncio.run(warn())  # here a warning is an error
    assert len(warned) == 1
    assert warned[0].filename == __file__  # and not a line of the package


def test_a_thread_of_a_process_with_an_event_loop_is_not() -> None:
    async def main() -> None:
        await asyncio.to_thread(warn_if_in_event_loop)

    asyncio.run(main())
    warn_if_in_event_loop()  # and after it has ended, neither is this one
    with pytest.warns(RuntimeWarning, match=TO_THREAD):
        asyncio.run(warn())


def test_without_asyncio_there_is_nothing_to_warn_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "asyncio")
            warn_if_in_event_loop()
            assert "asyncio" not in sys.modules

    asyncio.run(main())


def test_of_many_threads_one_warns() -> None:
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait(10)
        asyncio.run(warn())

    threads = [threading.Thread(target=call) for _ in range(8)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(warned) == 1


# --- uWSGI -----------------------------------------------------------------------------------


def under_uwsgi(monkeypatch: pytest.MonkeyPatch, options: Any) -> None:
    module = types.ModuleType("uwsgi")
    module.opt = options  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", module)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"http-socket": b"127.0.0.1:80", "master": True},
        {b"processes": b"4"},
        {"enable-threads": b"false"},
        {b"enable-threads": b"0"},
        {"enable-threads": False},
    ],
    ids=repr,
)
def test_uwsgi_without_threads_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, options: dict[Any, Any]
) -> None:
    under_uwsgi(monkeypatch, options)
    with pytest.warns(RuntimeWarning, match=ENABLE) as warned:
        assert not threads_run()
    assert not threads_run()
    assert len(warned) == 1
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    "options",
    [
        {"enable-threads": True},
        {"enable-threads": b"true"},
        {b"enable-threads": b"1"},
        {"threads": b"2"},
        {b"threads": b"8", b"master": True},
    ],
    ids=repr,
)
def test_uwsgi_with_threads_is_like_anything_else(
    monkeypatch: pytest.MonkeyPatch, options: dict[Any, Any]
) -> None:
    under_uwsgi(monkeypatch, options)
    assert threads_run()


def test_a_module_of_that_name_need_not_be_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", types.ModuleType("uwsgi"))
    assert threads_run()


def test_each_warning_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    under_uwsgi(monkeypatch, {})
    with pytest.warns(RuntimeWarning, match=ENABLE):
        threads_run()
    with pytest.warns(RuntimeWarning, match=TO_THREAD):
        asyncio.run(warn())


def test_a_warning_that_is_an_error_is_raised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    under_uwsgi(monkeypatch, {})
    with pytest.raises(RuntimeWarning):
        threads_run()
    assert not threads_run()


# --- an interpreter that ends ----------------------------------------------------------------


def test_threads_run_as_a_rule() -> None:
    assert threads_run()


def test_an_interpreter_that_ends_starts_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "_SHUTTING_DOWN", True)
    assert not threads_run()


def test_in_an_exit_hook_they_do_not_run(run_python: Callable[..., str]) -> None:
    printed = run_python("""
        import atexit
        from customgroqchat._surroundings import threads_run
        atexit.register(lambda: print(threads_run()))
        print(threads_run())
    """)
    assert printed == "True\nFalse\n"


def test_asking_loads_nothing(run_python: Callable[..., str]) -> None:
    printed = run_python("""
        import sys
        from customgroqchat import _surroundings
        before = set(sys.modules)
        _surroundings.warn_if_in_event_loop()
        _surroundings.threads_run()
        print(sorted(set(sys.modules) - before), "asyncio" in sys.modules)
    """)
    assert printed == "[] False\n"


# --- gevent ----------------------------------------------------------------------------------

UNDER_GEVENT = """
    from gevent import monkey
    monkey.patch_all()
    import sys, threading
    import gevent
    from customgroqchat import *

    def user(text="Hello"):
        return [{"role": "user", "content": text}]

    def in_eight(function):
        gevent.joinall([gevent.spawn(function) for _ in range(8)], timeout=20, raise_error=True)
        threads = [threading.Thread(target=function) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    def call():
        for _ in range(5):
            answers.append(client.chat_completion("m", user()))

    answers = []
    client = GroqClient({}, base_url=sys.argv[1])
    in_eight(call)
    assert len(answers) == 80

    futures = [client.submit("m", user(), callback=answers.append) for _ in range(20)]
    assert all(future.result(20).choices for future in futures)
    for ordered in (True, False):
        requests = ({"model": "m", "messages": user(str(number))} for number in range(20))
        assert len(list(client.map(requests, ordered=ordered))) == 20

    patient = GroqClient({"m": {"req_per_minute": 120}}, base_url=sys.argv[1], share_limits=False)
    calls = [gevent.spawn(patient.chat_completion, "m", user()) for _ in range(121)]
    ticks = []
    while not all(call.ready() for call in calls):
        ticks.append(gevent.sleep(0.01))
    assert len(ticks) > 10  # one waits for quota, and everybody else goes on
    assert all(call.value.choices for call in calls)
    try:
        patient.chat_completion("m", user(), max_wait=0)
    except RateLimitExceededException:
        print("waited")
    assert patient.submit("m", user()).cancel()

    client.close()
    try:
        client.chat_completion("m", user())
    except ClientClosedException:
        print("closed")
"""


def test_a_process_patched_by_gevent(
    groq_simulator_factory: Callable[..., SimulatedGroq], run_python: Callable[..., str]
) -> None:
    pytest.importorskip("gevent")
    simulator = groq_simulator_factory(models={"m": {}})
    assert run_python(UNDER_GEVENT, simulator.url) == "waited\nclosed\n"
    assert simulator.count(200) == simulator.count() == 80 + 20 + 40 + 121
