"""QueueManager, frozen: what its status tells."""

from __future__ import annotations

from helpers_queue import Bench

from customgroqchat._fairness import Share
from customgroqchat._lanes import Job, Lane
from customgroqchat._queue_status import lanes_status
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


# --- of lanes alone ------------------------------------------------------------------------------


def make_job(lane: Lane, level: int = 2, born_s: float = 0.0) -> Job:
    return Job("work", lane, level, born_s, 1, Share())


def test_the_status_of_an_empty_lane() -> None:
    lane = Lane("lane")
    lane.waits = (Wait(5.0, "RPM"), 100.0)  # of a head that is gone
    running = [make_job(lane), make_job(lane)]
    assert lanes_status([lane], [], running, 50.0) == {
        "lane": {
            "queued": 0,
            "by_priority": {},
            "in_flight": 2,
            "oldest_s": None,
            "head": None,
        }
    }


def test_the_status_counts_by_priority_and_tells_the_wait() -> None:
    lane, other = Lane("lane"), Lane("other")
    jobs = [make_job(lane, level) for level in (1, 2, 2, 3, -5)]
    jobs[1].born_s = -30.0
    lane.waits = (Wait(5.0, "TPM"), 104.0)
    status = lanes_status([lane, other], jobs, [], 100.0)["lane"]
    assert status["by_priority"] == {"high": 1, "normal": 2, "low": 1, "-5": 1}
    assert status["oldest_s"] == 130.0
    assert status["head"] == {"dimension": "TPM", "wait_s": 4.0}


def test_the_status_never_tells_a_negative_wait() -> None:
    lane = Lane("lane")
    lane.waits = (Wait(5.0), 90.0)
    status = lanes_status([lane], [make_job(lane)], [], 100.0)
    assert status["lane"]["head"] == {"dimension": None, "wait_s": 0.0}
