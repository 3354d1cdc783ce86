"""``client.batches``: create, page, cancel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from helpers_servers import RawServer, closes, resets, says
from helpers_surface import (
    BATCH,
    BY_NAME,
    FOREIGN,
    MakeClient,
    body_of,
    only,
    query_of,
    quick,
)

from customgroqchat import (
    NOT_GIVEN,
    APIConnectionError,
    APIResponseValidationError,
    GroqClient,
    InternalServerError,
    InvalidRequestException,
    omit,
)
from customgroqchat.testing import SimulatedGroq
from customgroqchat.types import Batch, BatchListResponse

CREATE = BY_NAME["batches.create"]


def page(*ids: str, cursor: Any = None) -> Any:
    data = [{**BATCH, "id": name} for name in ids]
    return says({"object": "list", "data": data, "paging": {"next_cursor": cursor}})


def line(number: int) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    asked = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions"}
    return json.dumps({**asked, "body": body}).encode() + b"\n"


def test_the_life_of_a_batch(client: GroqClient, simulator: SimulatedGroq) -> None:
    file = client.files.create(file=("b.jsonl", line(1) + line(2)), purpose="batch")
    made = client.batches.create(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        metadata={"a": "b"},
    )
    assert isinstance(made, Batch)
    assert (made.status, made.metadata) == ("validating", {"a": "b"})
    statuses = [made.status]
    while statuses[-1] not in ("completed", "failed"):
        statuses.append(client.batches.retrieve(made.id).status)
    assert statuses == ["validating", "in_progress", "finalizing", "completed"]
    done = client.batches.retrieve(made.id)
    assert done.request_counts is not None
    assert done.request_counts.completed == 2
    output = client.files.content(done.output_file_id or "").text()
    assert sorted(json.loads(row)["custom_id"] for row in output.splitlines()) == ["1", "2"]
    found = client.batches.list()
    assert isinstance(found, BatchListResponse)
    assert [batch.id for batch in found.data] == [made.id]
    other = client.batches.create(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id
    )
    assert client.batches.cancel(other.id).status in ("cancelling", "cancelled")
    assert [b.id for b in client.batches.list(id=[other.id]).data] == [other.id]
    assert simulator.requests[-1].query == {"id": [other.id]}


def test_parameters_go_on_the_wire_as_they_are(make_client: MakeClient) -> None:
    with RawServer(says(BATCH)) as server:
        client = quick(make_client, server.url)
        CREATE.call(client, metadata={"a": "b"})
        CREATE.call(client, metadata=None)
        for nothing in (NOT_GIVEN, omit, *FOREIGN):
            CREATE.call(client, metadata=nothing)
        first, second, *others = map(body_of, server.heard)
    assert first == {**CREATE.arguments, "metadata": {"a": "b"}}
    assert second == {**CREATE.arguments, "metadata": None}
    assert others == [CREATE.arguments] * 4


def test_what_is_no_json_is_refused(make_client: MakeClient) -> None:
    with RawServer(says(BATCH)) as server:
        with pytest.raises(InvalidRequestException) as caught:
            CREATE.call(quick(make_client, server.url), metadata={"a": object()})
        assert "metadata" in str(caught.value)
        assert server.heard == []


# --- there must not be two -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [resets, closes, says({}, 500), says({}, 502), says({}, 504)])
@pytest.mark.parametrize("form", ["", "with_raw_response"])
def test_it_is_not_made_twice(make_client: MakeClient, fault: Any, form: str) -> None:
    with RawServer(fault, says(BATCH)) as server:
        client = quick(make_client, server.url, max_retries=5)
        with pytest.raises((APIConnectionError, InternalServerError)) as caught:
            CREATE.call(client, form)
        assert caught.value.attempts == 1
        assert len(server.heard) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_refused_did_not_begin(make_client: MakeClient, status: int) -> None:
    with RawServer(says({}, status), says(BATCH)) as server:
        assert CREATE.call(quick(make_client, server.url)).attempts == 2
        assert len(server.heard) == 2


@pytest.mark.parametrize("name", ["batches.retrieve", "batches.list", "batches.cancel"])
def test_everything_else_may_be_asked_again(make_client: MakeClient, name: str) -> None:
    with RawServer(resets, says({}, 502), BY_NAME[name].reply()) as server:
        assert BY_NAME[name].call(quick(make_client, server.url)).attempts == 3


# --- lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, []),
        ({"cursor": "c/1", "limit": 5}, [("cursor", "c/1"), ("limit", "5")]),
        ({"id": ["a", "b"]}, [("id", "a"), ("id", "b")]),
        ({"id": ("a",)}, [("id", "a")]),
        ({"id": "a"}, [("id", "a")]),
        ({"id": None, "limit": None, "cursor": None}, []),
        ({"id": omit, "limit": NOT_GIVEN, "cursor": FOREIGN[0]}, []),
        ({"limit": 5, "extra_query": {"id": ["a", "b"]}}, [("limit", "5"), ("id", "a,b")]),
    ],
)
def test_a_list_asks_for_what_is_wanted(
    make_client: MakeClient, arguments: dict[str, Any], query: list[tuple[str, str]]
) -> None:
    with RawServer(page("batch_1")) as server:
        quick(make_client, server.url).batches.list(**arguments)
        assert query_of(only(server)) == query


def test_extra_query_wins_over_the_fields_of_the_method(make_client: MakeClient) -> None:
    with RawServer(page()) as server:
        client = quick(make_client, server.url, default_query={"limit": 1, "q": 1})
        client.batches.list(limit=3, extra_query={"limit": 5})
        client.batches.list(limit=3)
        client.batches.list()
        queries = [dict(query_of(heard)) for heard in server.heard]
        lengths = [len(query_of(heard)) for heard in server.heard]
    assert queries == [{"limit": n, "q": "1"} for n in ("5", "3", "1")]
    assert lengths == [2, 2, 2]


def ids(batches: Iterator[Batch]) -> list[str]:
    return [batch.id for batch in batches]


def test_all_pages_can_be_gone_through(make_client: MakeClient) -> None:
    with RawServer(page("a", "b", cursor="c1"), page(cursor="c2"), page("c")) as server:
        client = quick(make_client, server.url)
        batches = client.batches.iterate(extra_query={"limit": 2}, extra_headers={"X-A": "1"})
        assert server.heard == []
        assert next(batches).id == "a"
        assert len(server.heard) == 1
        assert ids(batches) == ["b", "c"]
        queries = [dict(query_of(heard)) for heard in server.heard]
    assert queries == [
        {"limit": "2"},
        {"limit": "2", "cursor": "c1"},
        {"limit": "2", "cursor": "c2"},
    ]
    assert {heard.headers["x-a"] for heard in server.heard} == {"1"}


def test_many_ids_are_asked_for_in_turns(make_client: MakeClient) -> None:
    wanted = [f"batch_{number}" for number in range(450)]
    with RawServer(page("a"), page("b"), page("c")) as server:
        assert ids(quick(make_client, server.url).batches.iterate(id=wanted)) == ["a", "b", "c"]
        asked = [[value for _, value in query_of(heard)] for heard in server.heard]
    assert [len(some) for some in asked] == [200, 200, 50]
    assert [name for some in asked for name in some] == wanted


@pytest.mark.parametrize("cursor", [None, "", {}, 3])
def test_the_last_page_has_no_cursor(make_client: MakeClient, cursor: Any) -> None:
    with RawServer(page("a", cursor=cursor)) as server:
        assert ids(quick(make_client, server.url).batches.iterate()) == ["a"]
        assert len(server.heard) == 1


def test_a_cursor_that_does_not_move_is_the_end(make_client: MakeClient) -> None:
    with RawServer(page("a", cursor="same")) as server:
        assert ids(quick(make_client, server.url).batches.iterate()) == ["a", "a"]
        assert len(server.heard) == 2


@pytest.mark.parametrize("body", [{"object": "list"}, {"data": None}, {"data": [], "paging": None}])
def test_no_page_is_no_batch(make_client: MakeClient, body: Any) -> None:
    with RawServer(says(body)) as server:
        assert ids(quick(make_client, server.url).batches.iterate()) == []


@pytest.mark.parametrize("body", [{"data": 3}, {"data": "x"}, {"data": {"a": 1}}])
def test_a_page_of_a_wrong_form_is_none(make_client: MakeClient, body: Any) -> None:
    with RawServer(says(body)) as server, pytest.raises(APIResponseValidationError):
        ids(quick(make_client, server.url).batches.iterate())


def test_nothing_of_it_takes_of_any_limit(make_client: MakeClient) -> None:
    with RawServer(says(BATCH)) as server:
        client = quick(make_client, server.url, {"m": {"req_per_minute": 1}})
        for _ in range(3):
            CREATE.call(client)
            client.batches.retrieve("b")
        assert client.check_model_limits("m")["limits"]["RPM"]["remaining"] == 1
        assert client.stats()["queued"] == 0
