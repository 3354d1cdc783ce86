"""Copies of a client: what they share, and what is their own."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_servers import KEY, RawServer, in_thread, says, user
from helpers_surface import BY_NAME, CHAT, MODEL, MakeClient, Simulate, only, query_of, quick

from customgroqchat import (
    ClientClosedException,
    ConfigLoaderException,
    DefaultHttpxClient,
    Groq,
    GroqClient,
    InternalServerError,
    InvalidRequestException,
    RateLimitExceededException,
    Timeout,
    omit,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

CREATE = BY_NAME["chat.completions.create"]
ONE = {"m": {"req_per_minute": 1}}


def test_a_copy_is_of_the_same_class_and_says_the_same(make_client: MakeClient) -> None:
    client = make_client("http://127.0.0.1:1", timeout=7, max_retries=3)
    for twin in (client.copy(), client.with_options()):
        assert type(twin) is GroqClient
        assert twin is not client
        assert (twin.api_key, twin.base_url) == (KEY, "http://127.0.0.1:1")
        assert (twin.timeout, twin.max_retries) == (client.timeout, 3)
        assert twin.default_headers == client.default_headers
    with Groq(api_key=KEY) as groq:
        assert type(groq.copy()) is Groq


def test_copies_share_queue_limits_and_connections(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url, ONE, policy="greedy")
        twin = client.copy(timeout=5).copy(tag="t")
        CREATE.call(client)
        with pytest.raises(RateLimitExceededException):
            CREATE.call(twin, max_wait=1)
        assert server.connections == len(server.heard) == 1
        assert twin.check_model_limits("m") == client.check_model_limits("m")
        assert twin.stats() == client.stats()
        assert twin._handler is client._handler
        assert twin._api is client._api


def test_closing_a_copy_closes_nothing_and_closing_the_first_closes_all(
    make_client: MakeClient,
) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        with client.copy() as twin:
            CREATE.call(twin)
        twin.close()
        assert not twin.is_closed()
        assert not client.is_closed()
        assert CREATE.call(client).choices
        assert CREATE.call(twin).choices
        client.close()
        assert twin.is_closed()
        with pytest.raises(ClientClosedException):
            CREATE.call(twin)


def test_a_copy_can_cancel_what_the_first_has_asked(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    with simulator.hold() as gate:
        asked = in_thread(CREATE.call, client, tag="slow")
        assert gate.wait_until_held(1)
        assert client.copy().cancel(tag="slow") == 1
        assert asked.exception(10) is not None


def test_another_key_has_other_limits(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"m": {"limits": {"RPM": 30}}})
    client = make_client(simulator.url, ONE, policy="greedy", clock=FakeClock(chance=0.0))
    twin = client.copy(api_key="gsk_other")
    assert (twin.api_key, client.api_key) == ("gsk_other", KEY)
    CREATE.call(client)
    CREATE.call(twin, max_wait=0)
    assert [record.key for record in simulator.requests] == [KEY, "gsk_other"]
    list(twin.models.list().data)
    assert simulator.requests[-1].key == "gsk_other"
    assert "gsk_other" not in repr(twin)
    assert "gsk_other" not in repr(vars(twin))


@pytest.mark.parametrize("end", ["", "/", "/openai/v1", "/openai/v1/"])
def test_another_host_is_asked_instead(make_client: MakeClient, end: str) -> None:
    with RawServer(says(CHAT)) as first, RawServer(says(CHAT)) as second:
        client = quick(make_client, first.url, ONE, policy="greedy")
        twin = client.copy(base_url=second.url + end)
        assert (twin.base_url, client.base_url) == (second.url, first.url)
        CREATE.call(client)
        CREATE.call(twin, max_wait=0)
        assert only(second).target == "/openai/v1/chat/completions"
        assert len(first.heard) == 1


@pytest.mark.parametrize("url", ["", "host", "ftp://host", "http://api.example.com"])
def test_a_host_is_checked_as_the_configuration_checks_it(
    make_client: MakeClient, url: str
) -> None:
    with pytest.raises((ConfigLoaderException, InvalidRequestException)):
        make_client("http://127.0.0.1:1").copy(base_url=url)


def test_headers_are_added_replaced_and_taken_away(make_client: MakeClient) -> None:
    with RawServer(says(MODEL)) as server:
        client = quick(make_client, server.url, default_headers={"X-A": "1", "X-B": "2"})

        def sent(twin: GroqClient) -> dict[str, str]:
            twin.models.retrieve("m")
            headers = server.heard[-1].headers
            return {name: value for name, value in headers.items() if name in ("x-a", "x-b", "x-c")}

        added = client.copy(default_headers={"x-a": "3", "X-C": "4"})
        assert sent(added) == {"x-a": "3", "x-b": "2", "x-c": "4"}
        assert added.default_headers.keys() >= {"X-B", "X-C"}
        assert sent(added.copy(default_headers={"X-A": omit})) == {"x-b": "2", "x-c": "4"}
        replaced = added.copy(set_default_headers={"X-C": "5"})
        assert sent(replaced) == {"x-c": "5"}
        assert sent(added.copy(set_default_headers={})) == {}
        assert sent(client) == {"x-a": "1", "x-b": "2"}


def test_the_last_header_wins_whatever_the_case(make_client: MakeClient) -> None:
    with RawServer(says(MODEL)) as server:
        client = quick(make_client, server.url).copy(default_headers={"X-A": "1"})
        client = client.copy(default_headers={"x-a": "2"})
        client.models.retrieve("m", extra_headers={"X-A": "4"})
        client.copy(default_headers={"X-A": "3"}).models.retrieve("m")
        assert [heard.headers["x-a"] for heard in server.heard] == ["4", "3"]


def test_the_query_is_added_and_replaced(make_client: MakeClient) -> None:
    with RawServer(says(MODEL)) as server:
        client = quick(make_client, server.url, default_query={"a": 1})
        added = client.copy(default_query={"b": [2, 3]})
        assert added.default_query == {"a": 1, "b": [2, 3]}
        for twin in (added, added.copy(set_default_query={"c": 4}), client):
            twin.models.retrieve("m")
        queries = [query_of(heard) for heard in server.heard]
    assert queries == [[("a", "1"), ("b", "2,3")], [("c", "4")], [("a", "1")]]


@pytest.mark.parametrize("what", ["headers", "query"])
def test_what_is_added_to_is_not_replaced_as_well(client: GroqClient, what: str) -> None:
    both: dict[str, Any] = {f"default_{what}": {"a": "1"}, f"set_default_{what}": {"a": "2"}}
    with pytest.raises(ValueError, match="mutually exclusive"):
        client.copy(**both)


def test_retries_are_those_of_the_call_the_copy_the_client(make_client: MakeClient) -> None:
    with RawServer(says({}, 502)) as server:
        client = quick(make_client, server.url, max_retries=1)
        twin = client.copy(max_retries=2)
        assert (client.max_retries, twin.max_retries, twin.copy().max_retries) == (1, 2, 2)
        counts = []
        for asked, more in ((client, {}), (twin, {}), (twin, {"max_retries": 0})):
            with pytest.raises(InternalServerError):
                asked.models.retrieve("m", **more)
            counts.append(len(server.heard))
    assert counts == [2, 5, 6]


def test_what_holds_for_a_copy_holds_for_its_calls(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        twin = client.copy(
            priority="low", max_wait=5, deadline=9.0, tag="mine", fallbacks=["other"]
        )
        seen: list[Any] = []
        submit = client._handler.submit

        def noted(payload: Any, options: Any, *arguments: Any, **more: Any) -> Any:
            seen.append(options)
            return submit(payload, options, *arguments, **more)

        client._handler.submit = noted  # type: ignore[method-assign]
        CREATE.call(twin)
        twin.chat_completion("m", user(), tag="own")
        twin.submit("m", user()).result(10)
        list(twin.map([{"model": "m", "messages": user()}]))
        CREATE.call(client)
    *ours, last = seen
    assert [options.tag for options in ours] == ["mine", "own", "mine", "mine"]
    assert {(o.priority, o.max_wait, o.deadline, o.fallbacks) for o in ours} == {
        ("low", 5, 9.0, ("other",))
    }
    assert (last.tag, last.priority, last.fallbacks) == (None, "normal", ())


@pytest.mark.parametrize(
    ("value", "ours"),
    [(5, 5), ((1, 2), (1, 2)), (None, (None, None)), (Timeout(3.0, connect=1.0), (1.0, 3.0))],
)
def test_a_timeout_may_have_any_form(client: GroqClient, value: Any, ours: Any) -> None:
    assert client.copy(timeout=value).timeout == ours
    assert client.copy(timeout=value).copy().timeout == ours


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "x"},
        {"max_retries": -1},
        {"max_retries": "2"},
        {"fallbacks": "m"},
        {"fallbacks": [3]},
    ],
)
def test_what_is_wrong_is_named(client: GroqClient, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        client.copy(**wrong)
    assert (caught.value.field or "").startswith(next(iter(wrong)))


def test_an_unknown_keyword_is_refused(client: GroqClient) -> None:
    with pytest.raises(TypeError):
        client.copy(max_workers=3)  # type: ignore[call-arg]


def test_a_client_of_httpx_cannot_be_had(client: GroqClient) -> None:
    with pytest.raises(ConfigLoaderException) as caught:
        client.copy(http_client=object())
    assert "httpx" in str(caught.value)
    assert client.copy(http_client=DefaultHttpxClient()).base_url == client.base_url


def test_a_copys_resources_are_its_own(client: GroqClient) -> None:
    kept = client.chat.completions
    twin = client.copy(tag="t")
    assert twin.chat.completions is not kept
    assert client.chat.completions is kept


def test_a_new_configuration_holds_for_copies_too(make_client: MakeClient) -> None:
    client = make_client("http://127.0.0.1:1", ONE)
    twin = client.copy(tag="t")
    twin.reload_config({"m": {"req_per_minute": 7}})
    for one in (client, twin):
        assert one.check_model_limits("m")["limits"]["RPM"]["limit"] == 7


def test_what_holds_for_a_client_may_be_changed(make_client: MakeClient) -> None:
    with RawServer(says(MODEL)) as server:
        client = quick(make_client, f"{server.url}/openai/v1", max_retries=0)
        kept = client.copy()
        client.api_key = "gsk_new"
        client.models.retrieve("m")
        kept.models.retrieve("m")
        keys = [heard.headers["authorization"] for heard in server.heard]
    assert keys == ["Bearer gsk_new", f"Bearer {KEY}"]
    assert client.api_key == "gsk_new"
    with pytest.raises(ValueError, match="api_key"):
        client.api_key = ""


def test_what_holds_for_a_client_can_be_set(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as first, RawServer(says(CHAT)) as second:
        client = quick(make_client, first.url)
        completions = client.chat.completions  # who holds it gets the new ones too
        client.base_url = second.url
        client.timeout = 3.0
        client.max_retries = 0
        completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert (client.base_url, client.timeout, client.max_retries) == (second.url, 3.0, 0)
        assert (len(first.heard), len(second.heard)) == (0, 1)
