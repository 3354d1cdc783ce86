"""Who waits for quota asks again when another client of the account has given some back."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from helpers_limits import MODEL, load
from helpers_servers import in_thread
from helpers_shared import LARGE, SMALL, Process, Queue, admit, limit, reserve

from customgroqchat._headers import HeaderLimit
from customgroqchat.exceptions import RateLimitError
from customgroqchat.rate_limit_handler import Demand, Reservation, Usage
from customgroqchat.stores import Decision


@pytest.fixture
def process() -> Process:
    return Process()


def test_who_waits_is_told_when_another_gives_back(process: Process) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    waiting, queue = process.waiting()
    other.settle(taken, Usage(1_000, 100))
    assert queue.looks == 1
    assert isinstance(admit(waiting, LARGE), Decision)  # 100 tokens are missing still
    process.clock.advance(1.0)
    assert reserve(waiting, LARGE)


@pytest.mark.parametrize("end", ["release", "refused", "settle"])
def test_whatever_the_end_is_that_gives_back(process: Process, end: str) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    _, queue = process.waiting()
    how: dict[str, Any] = {"refused": (RateLimitError("no"),), "settle": (Usage(1, 1),)}
    getattr(other, end)(taken, *how.get(end, ()))
    assert queue.looks == 1


def test_it_is_told_once_and_then_only_if_it_has_asked_again(process: Process) -> None:
    other = process.handler()
    taken = [reserve(other, SMALL) for _ in range(4)]
    waiting, queue = process.waiting()
    for number, reservation in enumerate(taken[:3]):
        other.settle(reservation, Usage(100, 0))
        if number == 1:
            assert isinstance(admit(waiting, Demand(6_000, None)), Decision)
    assert queue.looks == 2


def test_a_little_is_not_worth_a_look_but_many_are(process: Process) -> None:
    other = process.handler()
    taken = [reserve(other, Demand(100, 9)) for _ in range(20)]
    _, queue = process.waiting()
    other.settle(taken.pop(), Usage(100, 0))  # 9 tokens: less than a tenth of a second's refill
    assert queue.looks == 0
    other.settle(taken.pop(), Usage(100, 0))
    assert queue.looks == 1


def test_what_flows_back_is_no_surprise(process: Process) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    _, queue = process.waiting()
    process.clock.advance(30.0)
    other.settle(taken, Usage(1_000, 4_000))
    assert queue.looks == 0


def test_a_limit_that_turns_out_to_be_higher_is_news(process: Process) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    waiting, queue = process.waiting()
    other.observe(taken, {"TPM": HeaderLimit(12_000, 7_000, None)})
    other.settle(taken, Usage(1_000, 4_000))
    assert queue.looks == 1
    assert reserve(waiting, LARGE)


def test_so_is_a_configuration_with_a_higher_limit(process: Process) -> None:
    reserve(process.handler(), LARGE)
    _, queue = process.waiting()
    newest = process.handler({"token_per_minute": 12_000})
    assert queue.looks == 0
    limit(newest)
    assert queue.looks == 1


def test_and_a_reload(process: Process) -> None:
    reserve(process.handler(), LARGE)
    waiting, queue = process.waiting()
    newest = process.handler()
    limit(newest)
    newest.use_config(load({MODEL: {"token_per_minute": 12_000}}, policy="greedy"))
    assert queue.looks == 1
    assert reserve(waiting, LARGE)


def test_who_waits_for_the_first_answer_is_told_of_it(process: Process) -> None:
    other = process.handler(policy="balanced")
    first = reserve(other, SMALL)
    _, queue = process.waiting(SMALL, policy="balanced")
    other.observe(first, {"TPM": HeaderLimit(6_000, 5_000, None)})
    other.settle(first, Usage(100, 900))
    assert queue.looks == 1


def test_two_who_ask_in_turn_do_not_wake_each_other(process: Process) -> None:
    reserve(process.handler(policy="balanced"), SMALL)
    one, queue = process.waiting(SMALL, policy="balanced")
    other, second_queue = process.waiting(SMALL, policy="balanced")
    queue.looks = 0  # the newer configuration was worth a look
    for handler in (one, other, one, other):
        assert isinstance(admit(handler, SMALL), Decision)
    assert (queue.looks, second_queue.looks) == (0, 0)


def test_what_a_client_brings_about_itself_it_is_not_told(process: Process) -> None:
    handler, queue = process.handler(), Queue()
    handler.on_relief(queue.look_again)
    taken = reserve(handler, LARGE)
    assert isinstance(admit(handler, LARGE), Decision)
    handler.release(taken)
    assert queue.looks == 0


def test_who_was_admitted_since_is_left_alone(process: Process) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    waiting, queue = process.waiting()
    reserve(waiting, SMALL)
    other.release(taken)
    assert queue.looks == 0


def test_it_may_ask_on_the_spot(process: Process) -> None:
    class Eager(Queue):
        def look_again(self) -> None:  # would never return if a lock were held
            answers.append(admit(waiting, LARGE))

    answers: list[Reservation | Decision] = []
    other, waiting, eager = process.handler(), process.handler(), Eager()
    waiting.on_relief(eager.look_again)
    taken = reserve(other, LARGE)
    assert isinstance(admit(waiting, LARGE), Decision)
    in_thread(other.release, taken).result(10)
    assert isinstance(answers[0], Reservation)


def test_a_client_that_is_gone_is_not_told(process: Process) -> None:
    other = process.handler()
    taken = reserve(other, LARGE)
    waiting, queue = process.waiting()
    ledger = process.ledgers._ledgers[other.scope(MODEL)]
    assert len(ledger.lookouts._awaited) == 1
    del waiting
    gc.collect()
    assert len(ledger.lookouts._awaited) == 0
    other.release(taken)
    assert queue.looks == 0
