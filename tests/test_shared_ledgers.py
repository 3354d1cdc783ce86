"""Clients with one key admit against the same levels; the newest of them decides on the limits."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import pytest
from helpers_limits import MODEL, load
from helpers_servers import KEY, in_threads, until, user
from helpers_shared import LARGE, SMALL, Process, Queue, admit, left, limit, reserve

from customgroqchat import GroqClient
from customgroqchat._headers import HeaderLimit
from customgroqchat._process import _after_fork
from customgroqchat._shared_ledgers import Ledgers, shared_ledgers
from customgroqchat.rate_limit_handler import Demand, RateLimitHandler, Reservation, Usage
from customgroqchat.stores import Decision, MemoryStore
from customgroqchat.testing import FakeClock, SimulatedGroq

Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


@pytest.fixture
def process() -> Process:
    return Process()


# --- one account -----------------------------------------------------------------------------


def test_what_one_takes_is_missing_to_the_other(process: Process) -> None:
    one, other = process.handler(), process.handler()
    taken = reserve(one, LARGE)
    assert left(other) == 1_000
    assert isinstance(admit(other, LARGE), Decision)
    one.settle(taken, Usage(1_000, 500))
    assert left(other) == 4_500


def test_what_is_left_outlives_the_client(process: Process) -> None:
    one = process.handler()
    one.settle(reserve(one, LARGE), Usage(1_000, 4_000))
    del one
    gc.collect()
    assert left(process.handler()) == 1_000


def test_other_keys_and_addresses_are_other_accounts(process: Process) -> None:
    reserve(process.handler(), LARGE)
    assert left(process.handler(api_key="gsk_other")) == 6_000
    assert left(process.handler(base_url="https://gateway.example")) == 6_000


def test_the_next_client_need_not_start_carefully(process: Process) -> None:
    one = process.handler(policy="balanced")
    first = reserve(one, SMALL)
    assert isinstance(admit(process.handler(policy="balanced"), SMALL), Decision)
    one.observe(first, {"TPM": HeaderLimit(6_000, 5_000, None)})
    one.settle(first, Usage(100, 900))
    other = process.handler(policy="balanced")
    assert all(reserve(other, SMALL) for _ in range(3))


def test_requests_are_numbered_in_common(process: Process) -> None:
    one, other = process.handler(), process.handler()
    early, late = reserve(one, SMALL), reserve(other, SMALL)
    other.observe(late, {"TPM": HeaderLimit(9_000, 8_000, None)})
    one.observe(early, {"TPM": HeaderLimit(7_000, 6_000, None)})  # overtaken by the later one
    assert limit(one) == limit(other) == 9_000


# --- whose configuration counts ----------------------------------------------------------------


def test_the_newest_client_that_uses_a_model_decides(process: Process) -> None:
    old = process.handler()
    reserve(old, SMALL)
    new = process.handler({"token_per_minute": 4_000})
    assert limit(old) == 6_000  # it was not used yet
    assert (limit(new), left(new)) == (4_000, 3_000)
    assert limit(old) == 4_000


def test_a_reload_makes_a_client_the_newest(process: Process) -> None:
    old, new = process.handler(), process.handler({"token_per_minute": 4_000})
    assert limit(old) == 6_000
    assert limit(new) == 4_000
    old.use_config(load({MODEL: {"token_per_minute": 5_000}}))
    assert limit(new) == 4_000  # until it is used
    assert limit(old) == limit(new) == 5_000


def test_a_reload_counts_at_once_for_what_the_client_decides_on(process: Process) -> None:
    old, new = process.handler(), process.handler()
    assert limit(new) == 6_000
    new.use_config(load({MODEL: {"token_per_minute": 5_000}}, policy="greedy"))
    assert limit(old) == 5_000


def test_the_policy_is_that_of_the_newest(process: Process) -> None:
    old = process.handler(policy="balanced")
    reserve(old, SMALL)
    assert isinstance(admit(old, SMALL), Decision)  # the first goes ahead
    limit(process.handler(policy="greedy"))
    assert reserve(old, SMALL)


def test_the_expected_answer_is_that_of_the_newest(process: Process) -> None:
    open_ended = Demand(prompt_tokens=100)
    old = process.handler(expected_completion_tokens=200)
    scope = old.scope(MODEL)
    tagged = open_ended._replace(tag="t")
    old.settle(old.admit(scope, tagged), Usage(100, 10))  # type: ignore[arg-type]
    assert old.costs(scope, open_ended)["TPM"] == 300
    limit(process.handler(expected_completion_tokens=700))
    assert old.costs(scope, open_ended)["TPM"] == old.costs(scope, tagged)["TPM"] == 800


def test_what_the_service_told_is_kept_by_whoever_comes_next(process: Process) -> None:
    old = process.handler()
    old.observe(reserve(old, SMALL), {"TPM": HeaderLimit(8_000, 7_000, None)})
    new = process.handler({"token_per_minute": 2_000})
    assert (limit(new), limit(old)) == (8_000, 8_000)
    lower = process.handler({"token_per_minute": 2_000}, server_limits="lower")
    assert (limit(lower), limit(old)) == (2_000, 2_000)


class Memory:
    def __init__(self, **known: int) -> None:
        self.known = known

    def recall(self, account: str, model: str) -> dict[str, int]:
        return self.known

    def remember(self, account: str, model: str, told: Mapping[str, int]) -> None:
        self.known = dict(told)


def test_the_memory_is_that_of_the_newest(process: Process) -> None:
    old_memory, memory = Memory(), Memory(TPM=7_000)
    old = process.handler({}, memory=old_memory)
    old.status(old.scope(MODEL))
    new = process.handler({}, memory=memory)
    assert limit(new) == limit(old) == 7_000
    old.observe(reserve(old, SMALL), {"TPM": HeaderLimit(8_000, 7_000, None)})
    assert (old_memory.known, memory.known) == ({}, {"TPM": 8_000})


def test_what_was_told_before_reaches_a_memory_that_comes_later(process: Process) -> None:
    old, memory = process.handler(), Memory()
    for handler in (old, process.handler(memory=memory)):
        handler.observe(reserve(handler, SMALL), {"TPM": HeaderLimit(8_000, 7_000, None)})
    assert memory.known == {"TPM": 8_000}


# --- memory, forks -----------------------------------------------------------------------------


def use(handler: RateLimitHandler, model: str) -> None:
    """Have an answer heard."""
    reservation = handler.admit(handler.scope(model), SMALL)
    assert isinstance(reservation, Reservation)
    handler.observe(reservation, {"TPM": HeaderLimit(6_000, 5_000, None)})
    handler.settle(reservation, Usage(100, 900))


def test_ledgers_and_levels_do_not_fill_the_memory() -> None:
    ledgers = Ledgers(clock=FakeClock())
    handler = RateLimitHandler(load(policy="greedy"), ledgers=ledgers)
    for number in range(1_000):
        use(handler, f"model-{number}")
    assert isinstance(ledgers.store, MemoryStore)
    assert len(ledgers) == len(ledgers.store._scopes) == 256
    assert handler.scope("model-999") in ledgers._ledgers
    assert handler.scope("model-1") not in ledgers._ledgers


def test_what_is_on_its_way_or_waits_or_was_used_last_is_kept(process: Process) -> None:
    handler, queue = process.handler(), Queue()
    reserve(handler, LARGE)
    other = process.handler(api_key="gsk_other")
    other.on_relief(queue.look_again)
    use(other, MODEL)
    assert isinstance(admit(other, Demand(5_500, 400)), Decision)
    for number in range(600):
        use(handler, f"model-{number}")
        if number % 25 == 0:
            use(handler, "favourite")
    names = {scope.model for scope in process.ledgers._ledgers}
    assert len(process.ledgers) == 256
    assert "favourite" in names
    assert handler.scope(MODEL) in process.ledgers._ledgers
    assert other.scope(MODEL) in process.ledgers._ledgers
    process.clock.advance(3_600.0)  # nobody waits so long for that
    for number in range(300):
        use(handler, f"another-{number}")
    assert other.scope(MODEL) not in process.ledgers._ledgers
    assert handler.scope(MODEL) in process.ledgers._ledgers


def test_wrong_names_go_first(process: Process) -> None:
    handler = process.handler()
    use(handler, MODEL)
    for number in range(1_000):
        handler.status(handler.scope(f"no/such-model-{number}"))
    assert handler.scope(MODEL) in process.ledgers._ledgers


def test_a_store_that_others_may_use_keeps_what_is_forgotten_here(process: Process) -> None:
    handler = process.handler()
    for number in range(300):
        use(handler, f"model-{number}")
    assert len(process.store._scopes) == 300


def test_a_forked_child_has_the_levels_but_not_what_is_on_its_way(process: Process) -> None:
    handler = process.handler(policy="balanced")
    _ = reserve(handler, LARGE)
    _, queue = process.waiting(policy="balanced")
    process.ledgers._lock.acquire()  # by a thread that is not in the child
    _after_fork()
    assert left(handler) == 1_000
    child_s = reserve(handler, SMALL)  # the first of the child's own
    handler.release(child_s)
    assert queue.looks == 0  # who waits is in the parent


# --- clients -----------------------------------------------------------------------------------


def remaining(client: GroqClient) -> int:
    return int(client.check_model_limits("m")["limits"]["TPM"]["remaining"])


@pytest.fixture
def limited(groq_simulator_factory: Simulate) -> SimulatedGroq:
    return groq_simulator_factory(models={"m": {"limits": {"TPM": 6_000}}})


def test_clients_with_one_key_share_what_is_left(
    limited: SimulatedGroq, make_client: MakeClient
) -> None:
    first = make_client(limited.url)
    first.chat_completion("m", user(), max_completion_tokens=10)
    first.close()
    assert remaining(make_client(limited.url)) == pytest.approx(remaining(first), abs=50)
    assert make_client(limited.url)._limiter._ledgers is shared_ledgers()
    unknown = make_client(limited.url, api_key="gsk_" + "b" * 52)
    assert unknown.check_model_limits("m")["limits"] == {}


def test_a_client_can_have_its_own(limited: SimulatedGroq, make_client: MakeClient) -> None:
    make_client(limited.url).chat_completion("m", user())
    clients = [
        make_client(limited.url, share_limits=False),
        make_client(limited.url, store=MemoryStore()),
        make_client(limited.url, clock=FakeClock()),
        make_client(limited.url, {"defaults": {"share_limits": False}}),
    ]
    for client in clients:
        assert client.check_model_limits("m")["limits"] == {}


def test_the_second_client_s_requests_go_at_once(
    limited: SimulatedGroq, make_client: MakeClient
) -> None:
    make_client(limited.url).chat_completion("m", user())
    second = make_client(limited.url)
    start_s = time.monotonic()
    with limited.hold() as gate:
        futures = [second.submit("m", user(), max_completion_tokens=10) for _ in range(12)]
        gate.wait_until_held(12)
    assert time.monotonic() - start_s < 3.0  # who knows nothing takes four seconds for so many
    assert all(future.result(10).choices for future in futures)


def test_a_client_that_waits_goes_when_another_gives_back(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    limited = groq_simulator_factory(models={"m": {"limits": {"TPM": 6_000}}}, completion_tokens=10)
    one, other = make_client(limited.url), make_client(limited.url)
    for _ in range(10):  # it is learnt that the service gives back
        other.chat_completion("m", user(), max_completion_tokens=100)
    with limited.hold() as gate:
        taking = one.submit("m", user(), max_completion_tokens=4_500)
        gate.wait_until_held(1)
        waiting = other.submit("m", user(), max_completion_tokens=4_000)
        until(lambda: _waits_s(other) > 20.0)
    assert taking.result(10).choices
    assert waiting.result(10).choices  # and not after half a minute
    assert limited.count(429) == 0


def _waits_s(client: GroqClient) -> float:
    head = client.get_queue_status()["lanes"].get("m", {}).get("head")
    return float(head["wait_s"]) if head else 0.0


def test_a_client_for_each_call_from_many_threads_is_never_refused(
    groq_simulator_factory: Simulate,
) -> None:
    simulator = groq_simulator_factory(
        models={"m": {"limits": {"TPM": 60_000}}}, completion_tokens=90, start_level=0.1
    )

    def call(_: int) -> None:
        for _ in range(10):
            with GroqClient({}, api_key=KEY, base_url=simulator.url) as client:
                client.chat_completion("m", user(), max_completion_tokens=100)

    in_threads(8, call)
    assert simulator.count(200) == simulator.count() == 80
