"""Clients that are made and dropped without close(), as in a view that makes one for each call."""

from __future__ import annotations

import json
from collections.abc import Callable

from customgroqchat.testing import SimulatedGroq

SCRIPT = """
    import gc, json, sys, threading
    from pathlib import Path
    from customgroqchat import GroqClient

    def make():
        return GroqClient({}, api_key="gsk_test", base_url=sys.argv[1])

    def call():
        make().chat_completion("m", [{"role": "user", "content": "Hello"}])

    def descriptors():
        folder = Path("/proc/self/fd")
        return len(list(folder.iterdir())) if folder.exists() else 0

    def left():
        gc.collect()
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(10)  # its client is gone, so it ends
        gc.collect()
        return [threading.active_count(), descriptors(), len(gc.get_objects())]

    def use(calls, idle):
        for _ in range(calls):
            call()
        for _ in range(idle):
            make()
        return left()

    use(20, 200)
    print(json.dumps([use(1, 1), use(200, 5_000)]))
"""


def test_they_leave_no_memory_no_threads_and_no_sockets(
    groq_simulator_factory: Callable[..., SimulatedGroq], run_python: Callable[..., str]
) -> None:
    simulator = groq_simulator_factory(models={"m": {}})
    (threads, files, objects), after = json.loads(run_python(SCRIPT, simulator.url))
    assert after[:2] == [threads, files]
    assert threads == 1
    assert after[2] < objects + 500  # of some hundred thousand that were made
    assert simulator.count(200) == 221
    assert simulator.wait_for_connections(0)
