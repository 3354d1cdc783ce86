"""QueueManager, frozen: what its status tells."""

from __future__ import annotations

from helpers_queue import Bench

from customgroqchat.queue_manager import Again, Wait

HIGH, LOW = 1, 3


def test_the_status_of_an_idle_queue() -> None:
    assert Bench(max_workers=3, max_queue=5).manager.status() == {
        "queued": 0,
        "in_flight": 0,
        "max_workers": 3,
        "max_queue": 5,
        "closed": False,
        "lanes": {},
    }


def test_the_status_tells_what_each_lane_waits_for() -> None:
    bench = Bench(max_workers=2)
    bench.outcomes["parked"] = Again(30.0)
    bench.waits["head"] = Wait(20.0, "TPM", 8_000, 7_900, 500)
    bench.submit("parked", "a", LOW)
    bench.turn()
    bench.clock.advance(4.0)
    bench.submit("head", "a", HIGH)
    bench.submit("behind", "a", 7)
    bench.submit("running", "b")
    bench.manager.step()
    bench.clock.advance(1.5)
    status = bench.manager.status()
    assert (status["queued"], status["in_flight"]) == (3, 1)
    assert status["lanes"] == {
        "a": {
            "queued": 3,
            "by_priority": {"high": 1, "low": 1, "7": 1},
            "in_flight": 0,
            "oldest_s": 5.5,
            "head": {"dimension": "TPM", "wait_s": 18.5},
        },
        "b": {"queued": 0, "by_priority": {}, "in_flight": 1, "oldest_s": None, "head": None},
    }


def test_the_status_of_a_lane_that_waits_for_a_worker_only() -> None:
    bench = Bench(max_workers=1)
    bench.submit("running")
    bench.submit("waiting")
    bench.manager.step()
    assert bench.manager.status()["lanes"]["lane"]["head"] is None


def test_the_status_of_a_lane_whose_head_was_just_started() -> None:
    bench = Bench(max_workers=1)
    bench.waits["first"] = Wait(5.0, "RPM")
    bench.submit("first")
    bench.submit("second")
    bench.turn()
    bench.waits.clear()
    bench.clock.advance(5.0)
    bench.manager.step()
    assert bench.manager.status()["lanes"]["lane"]["head"] is None  # it waits for the worker


def test_the_status_of_the_lane_forgets_a_wait_that_is_over() -> None:
    bench = Bench(max_workers=1)
    bench.waits["job"] = Wait(5.0, "RPM")
    bench.submit("job")
    bench.turn()
    assert bench.manager.status()["lanes"]["lane"]["head"] == {"dimension": "RPM", "wait_s": 5.0}
    bench.waits.clear()
    bench.clock.advance(5.0)
    bench.turn()
    assert bench.manager.status()["lanes"]["lane"]["head"] is None
