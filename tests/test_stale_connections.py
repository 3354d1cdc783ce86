"""Connections that the service closed while they were idle: replaced once, without a word."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_api import MODELS, MakeAPI
from helpers_servers import Behaviour, RawServer, closes, resets, response, says, sends, until

from customgroqchat import APIConnectionError, APIRequest, RequestCancelledException
from customgroqchat._line import Line
from customgroqchat.testing import FakeClock

GET = APIRequest("GET", MODELS)


@pytest.mark.parametrize("dead", [closes, resets])
def test_a_dead_connection_is_replaced_at_once(make_api: MakeAPI, dead: Behaviour) -> None:
    with RawServer(says({"n": 1}), dead, says({"n": 2})) as server:
        api = make_api(server.url, max_retries=0)
        line = Line(FakeClock())
        assert api.attempt(GET, line).data == {"n": 1}
        assert not line.is_reused
        assert api.attempt(GET, line).data == {"n": 2}
        assert (server.connections, len(server.heard)) == (2, 3)


@pytest.mark.parametrize("dead", [closes, resets])
def test_but_only_once(make_api: MakeAPI, dead: Behaviour) -> None:
    with RawServer(says({"n": 1}), dead, dead, says({"n": 2})) as server:
        api = make_api(server.url, max_retries=0)
        api.request("GET", MODELS)
        with pytest.raises(APIConnectionError):
            api.request("GET", MODELS)
        assert len(server.heard) == 3


@pytest.mark.parametrize("dead", [closes, resets])
def test_and_not_where_the_connection_is_new(make_api: MakeAPI, dead: Behaviour) -> None:
    with RawServer(dead, says({"n": 1})) as server:
        with pytest.raises(APIConnectionError) as caught:
            make_api(server.url, max_retries=0).request("GET", MODELS)
        assert caught.value.may_have_arrived
        assert len(server.heard) == 1


def test_nor_where_an_answer_has_begun(make_api: MakeAPI) -> None:
    with RawServer(
        says({"n": 1}), sends(response(b'{"n": ', content_length="20")), says({"n": 2})
    ) as server:
        api = make_api(server.url, max_retries=0)
        api.request("GET", MODELS)
        with pytest.raises(APIConnectionError):
            api.request("GET", MODELS)
        assert len(server.heard) == 2


def test_nor_where_it_was_cut_from_here(make_api: MakeAPI) -> None:
    line = Line(FakeClock())

    def cut(connection: Any, request: Any) -> bool:
        line.cut("cancelled")
        until(lambda: not connection.recv(1))
        return False

    with RawServer(says({"n": 1}), cut, says({"n": 2})) as server:
        api = make_api(server.url, timeout=10.0)
        api.request("GET", MODELS)
        with pytest.raises(RequestCancelledException):
            api.attempt(GET, line)
        assert len(server.heard) == 2
        assert line.is_reused
