"""GroqClient: another configuration while it works, and its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, in_thread, in_threads, said, until, user

from customgroqchat import (
    ClientClosedException,
    Config,
    ConfigLoaderException,
    GroqClient,
    ModelNotFoundException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

OTHER_KEY = "gsk_" + "Q7w3" * 13
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


def write(config: Any) -> str:
    Path("groq.json").write_text(json.dumps(config))
    return "groq.json"


# --- another configuration -------------------------------------------------------------------


def test_a_file_is_read_anew(simulator: SimulatedGroq, make_client: MakeClient) -> None:
    client = make_client(simulator.url, write({"m": {"req_per_minute": 5}}))
    client.chat_completion("m", user())
    write({"m": {"req_per_minute": 50, "token_per_day": 9_000}})
    loaded = client.reload_config()
    assert isinstance(loaded, Config)
    assert client.config is loaded
    limits = client.check_model_limits("m")["limits"]
    assert limits["RPM"]["limit"] == 50
    assert limits["RPM"]["remaining"] < 50  # what is in use stays in use
    assert limits["TPD"]["limit"] == 9_000


def test_arguments_win_over_every_configuration(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_wait=7)
    client.reload_config({"defaults": {"max_wait": 8, "api_key": OTHER_KEY}})
    assert (client.config.max_wait, client.config.api_key) == (7.0, KEY)
    assert client.config.base_url == simulator.url


def test_what_was_given_last_is_read_from_then_on(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, {"m": {"req_per_minute": 5}})
    client.reload_config(write({"m": {"req_per_minute": 6}}))
    write({"m": {"req_per_minute": 7}})
    assert client.reload_config().model("m").req_per_minute == 7
    assert client.check_model_limits("m")["limits"]["RPM"]["limit"] == 7


def test_a_wrong_configuration_leaves_the_old_one_in_use(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, write({"m": {"req_per_minute": 5}}))
    before = client.config
    for wrong in ({"m": {"req_per_minute": "many"}}, {"m": 1}, "nothing.json"):
        with pytest.raises(ConfigLoaderException):
            client.reload_config(wrong)
    assert client.config is before
    assert client.chat_completion("m", user())
    write({"m": {"req_per_minute": 6}})
    assert client.reload_config().model("m").req_per_minute == 6  # from where it came before


def test_keys_and_addresses_change_for_later_requests_only(
    simulator: SimulatedGroq, groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    elsewhere = groq_simulator_factory(models={"m": {}})
    with GroqClient(_connection(simulator.url, KEY), max_workers=1) as client:
        with simulator.hold() as gate:
            held = client.submit("m", user("held"))
            gate.wait_until_held(1)
            queued = client.submit("m", user("queued"))
            client.reload_config(_connection(elsewhere.url, OTHER_KEY))
            later = client.submit("m", user("later"))
        assert all(future.result(10).choices for future in (held, queued, later))
        assert client.get_available_models() == ["m"]
    seen = [(said(record.payload), record.key) for record in simulator.requests]
    assert seen == [("held", KEY), ("queued", KEY)]
    assert [record.key for record in elsewhere.requests] == [OTHER_KEY] * 2


def _connection(url: str, key: str) -> dict[str, Any]:
    return {"defaults": {"base_url": url, "api_key": key}}


def test_a_configuration_that_does_not_know_a_model_in_use_disturbs_nothing(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url)
    client.chat_completion("m", user())
    with simulator.hold() as gate:
        held = client.submit("other", user())
        gate.wait_until_held(1)
        client.reload_config({"m": {}, "defaults": {"strict_models": True}})
    assert held.result(10).choices
    assert client.chat_completion("m", user())
    with pytest.raises(ModelNotFoundException):
        client.chat_completion("other", user())


def test_what_the_service_told_first_of_a_model_no_longer_configured_is_no_obstacle(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"other": {"limits": {"TPM": 5_000}}})
    client = make_client(simulator.url)
    with simulator.hold() as gate:
        held = client.submit("other", user(), max_tokens=9)
        gate.wait_until_held(1)
        client.reload_config({"defaults": {"strict_models": True}})
    assert held.result(10).choices


def test_a_raised_limit_holds_for_what_waits_already(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, {"m": {"req_per_minute": 1}}, clock=clock)
    client.chat_completion("m", user())
    waiting = client.submit("m", user())
    until(lambda: client.get_queue_status()["lanes"]["m"]["head"])
    client.reload_config({"m": {"req_per_minute": 100}})
    client.chat_completion("m", user(), priority="low")  # this one need not wait, so why that one
    assert waiting.result(10).choices


# --- the end ---------------------------------------------------------------------------------


def test_a_closed_client_refuses_everything_that_would_send(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url)
    client.chat_completion("m", user())
    client.close()
    client.close()
    for call in (
        lambda: client.chat_completion("m", user()),
        lambda: client.text_completion("m", "Hi"),
        lambda: client.chat.completions.create(model="m", messages=user()),
        lambda: client.submit("m", user()),
        lambda: list(client.map([{"model": "m", "messages": user()}])),
        lambda: client.models.list(),
        lambda: client.get_available_models(),
    ):
        with pytest.raises(ClientClosedException):
            call()
    assert client.get_queue_status()["closed"]
    assert client.check_model_limits("m")["model"] == "m"
    assert client.cancel(tag="any") == 0
    assert simulator.count() == 1
    assert simulator.wait_for_connections(0)


def test_a_client_that_was_never_used_can_be_closed(make_client: MakeClient) -> None:
    with make_client("https://api.groq.com") as client:
        pass
    with pytest.raises(ClientClosedException):
        client.chat_completion("m", user())


def test_its_threads_end_with_it(simulator: SimulatedGroq, make_client: MakeClient) -> None:
    client = make_client(simulator.url)
    in_threads(8, lambda _: client.chat_completion("m", user()))
    ours = [thread for thread in threading.enumerate() if "customgroqchat" in thread.name]
    assert len(ours) >= 2
    client.close()
    for thread in ours:
        thread.join(10)
        assert not thread.is_alive()


def test_a_client_that_is_forgotten_lets_its_dispatcher_go(simulator: SimulatedGroq) -> None:
    client = GroqClient({}, api_key=KEY, base_url=simulator.url)
    client.chat_completion("m", user())
    (dispatcher,) = (t for t in threading.enumerate() if t.name == "customgroqchat-dispatcher")
    workers = [t for t in threading.enumerate() if t.name.startswith("customgroqchat-worker")]
    client.__dict__.clear()  # what belongs to it is not reachable any more
    del client
    import gc

    gc.collect()
    for thread in (dispatcher, *workers):
        thread.join(10)
        assert not thread.is_alive()
    assert simulator.wait_for_connections(0)


def test_closing_waits_for_what_is_on_its_way_and_fails_what_waits(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    with simulator.hold() as gate:
        running = client.submit("m", user("running"))
        gate.wait_until_held(1)
        waiting = [client.submit("m", user("waiting")) for _ in range(3)]
        blocked = in_thread(client.chat_completion, "m", user("blocked"))
        until(lambda: client.get_queue_status()["queued"] == 4)
        closing = in_thread(client.close, 30.0)
        for future in (*waiting, blocked):
            assert isinstance(future.exception(10), ClientClosedException)
        assert not running.done()
        assert not closing.done()
    closing.result(10)
    assert running.result(10).choices
    assert simulator.count() == 1


@pytest.mark.parametrize("timeout_s", [0.0, 0.1])
def test_closing_is_bounded_and_ends_what_still_hangs(
    simulator: SimulatedGroq, make_client: MakeClient, timeout_s: float
) -> None:
    client = make_client(simulator.url, timeout=300, policy="greedy")  # all at once
    with simulator.hold() as gate:
        futures = [client.submit("m", user()) for _ in range(3)]
        gate.wait_until_held(3)
        in_thread(client.close, timeout_s).result(5)
        for future in futures:
            assert isinstance(future.exception(10), ClientClosedException)


def test_many_threads_may_close_it_while_others_use_it(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=4)

    def use(index: int) -> str:
        try:
            for _ in range(100):
                client.chat_completion("m", user())
        except ClientClosedException:
            return "closed"
        return "never closed"

    def use_or_close(index: int) -> str:
        if index % 4:
            return use(index)
        simulator.wait_for_requests(50)
        client.close(0)
        return "closed"

    assert in_threads(16, use_or_close) == ["closed"] * 16


def test_an_error_in_a_with_block_is_not_hidden(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url)
    with pytest.raises(ZeroDivisionError), client:
        client.chat_completion("m", user(str(1 // 0)))
    assert client.get_queue_status()["closed"]
