"""Many requests at once, in the order of the items or of their ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._map import map_ordered, map_unordered

Map = Callable[[Callable[[int], Future[Any]], Iterable[int], int], Iterator[Future[Any]]]

either = pytest.mark.parametrize("map_", [map_ordered, map_unordered])


class Work:
    """Futures that end when they are told: each when an item later in the list is begun."""

    def __init__(self, ends_with: dict[int, list[int]] | None = None) -> None:
        self.begun: list[Future[int]] = []
        self._ends_with = ends_with or {}

    def start(self, item: int) -> Future[int]:
        future: Future[int] = Future()
        self.begun.append(future)
        for ending in self._ends_with.get(item, ()):
            self.begun[ending].set_result(ending)
        return future


def ended(item: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(item)
    return future


def results(futures: Iterable[Future[Any]]) -> list[Any]:
    return [future.result(timeout=0) for future in futures]


@either
@pytest.mark.parametrize("look_ahead", [1, 2, 3, 100])
def test_every_item_comes_out_once(map_: Map, look_ahead: int) -> None:
    assert sorted(results(map_(ended, range(10), look_ahead))) == list(range(10))


@either
def test_no_items_give_nothing(map_: Map) -> None:
    assert list(map_(ended, [], 4)) == []


def test_ordered_keeps_the_order_of_the_items() -> None:
    work = Work({2: [2, 1, 0]})
    assert results(map_ordered(work.start, range(3), 3)) == [0, 1, 2]


def test_unordered_gives_first_what_ended_first() -> None:
    work = Work({3: [2, 0, 1]})
    mapped = map_unordered(work.start, range(4), 4)
    assert [next(mapped).result(0) for _ in range(3)] == [2, 0, 1]
    work.begun[3].set_result(3)
    assert results(mapped) == [3]


def test_unordered_goes_on_while_one_is_slow() -> None:
    work = Work({1: [1], 2: [2], 3: [3]})
    mapped = map_unordered(work.start, range(4), 2)
    assert [next(mapped).result(0) for _ in range(3)] == [1, 2, 3]
    work.begun[0].set_result(0)
    assert results(mapped) == [0]


@either
def test_nothing_is_begun_before_it_is_asked_for(map_: Map) -> None:
    work = Work()
    map_(work.start, range(3), 2)
    assert work.begun == []


@either
def test_endless_items_are_taken_as_needed(map_: Map) -> None:
    mapped = map_(ended, itertools.count(), 5)
    assert len(results(itertools.islice(mapped, 100))) == 100


@repeatable
@given(st.sampled_from([map_ordered, map_unordered]), st.integers(1, 6), st.integers(0, 20))
def test_so_many_are_begun_and_not_yet_yielded(map_: Map, look_ahead: int, count: int) -> None:
    begun, yielded = [], 0

    def start(item: int) -> Future[int]:
        begun.append(item)
        assert len(begun) - yielded <= look_ahead
        return ended(item)

    for _ in map_(start, range(count), look_ahead):
        yielded += 1
        assert len(begun) == min(count, yielded - 1 + look_ahead), "no less is begun either"
    assert begun == list(range(count))


@either
def test_it_waits_until_the_next_has_ended(map_: Map) -> None:
    begun, future = threading.Event(), Future[int]()
    got: list[Future[int]] = []

    def start(item: int) -> Future[int]:
        begun.set()
        return future

    def consume() -> None:
        got.extend(map_(start, [0], 1))

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    assert begun.wait(10)
    assert not got
    future.set_result(42)
    consumer.join(10)
    assert got == [future]


@either
def test_failures_and_cancellations_are_yielded_and_not_raised(map_: Map) -> None:
    failed: Future[int] = Future()
    failed.set_exception(OSError("broken"))
    cancelled: Future[int] = Future()
    cancelled.cancel()
    cancelled.set_running_or_notify_cancel()
    futures = [failed, cancelled, ended(2)]
    assert list(map_(futures.__getitem__, range(3), 2)) == futures
    with pytest.raises(CancelledError):
        cancelled.result(0)


@either
def test_closing_cancels_what_can_be_cancelled(map_: Map) -> None:
    work = Work({1: [0]})
    mapped = map_(work.start, range(9), 4)
    first = next(mapped)
    assert first is work.begun[0]
    work.begun[1].set_running_or_notify_cancel()
    mapped.close()  # type: ignore[attr-defined]
    assert [future.cancelled() for future in work.begun] == [False, False, True, True]
    assert work.begun[1].running()


@either
@pytest.mark.parametrize("fault", [OSError, KeyboardInterrupt])
def test_a_failing_start_is_raised_and_cancels_the_others(
    map_: Map, fault: type[BaseException]
) -> None:
    begun: list[Future[int]] = []

    def start(item: int) -> Future[int]:
        if item == 2:
            raise fault
        begun.append(Future())
        return begun[-1]

    with pytest.raises(fault):
        next(map_(start, range(9), 4))
    assert [future.cancelled() for future in begun] == [True, True]


@either
def test_failing_items_are_raised_and_cancel_the_others(map_: Map) -> None:
    def items() -> Iterator[int]:
        yield 0
        raise OSError("the file ended")

    work = Work()
    with pytest.raises(OSError, match="the file ended"):
        next(map_(work.start, items(), 4))
    assert work.begun[0].cancelled()


class Interrupted(Future[int]):
    """A future whose waiter is interrupted, as by Ctrl-C."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        raise KeyboardInterrupt


def test_an_interrupted_wait_is_raised_and_cancels_all() -> None:
    begun: list[Future[int]] = []

    def start(item: int) -> Future[int]:
        begun.append(Interrupted())
        return begun[-1]

    with pytest.raises(KeyboardInterrupt):
        next(map_ordered(start, range(9), 3))
    assert [future.cancelled() for future in begun] == [True, True, True]
