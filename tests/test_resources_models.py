"""``client.models``: lists, single models, and what is known of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from helpers_servers import KEY, RawServer, says, unused_port
from helpers_surface import MODEL, SLASHED, MakeClient, only, quick

from customgroqchat import (
    APIConnectionError,
    APIResponseValidationError,
    GroqClient,
    Model,
    ModelList,
    NotFoundError,
)
from customgroqchat.testing import FakeClock, SimulatedGroq
from customgroqchat.types import ModelDeleted

OTHER = {**MODEL, "id": "mine"}


def listed(*models: Any) -> Any:
    return says({"object": "list", "data": list(models)}, x_request_id="req_1")


@pytest.fixture
def all_models(groq_simulator: SimulatedGroq, make_client: MakeClient) -> GroqClient:
    """A client of a service with the published models."""
    return make_client(groq_simulator.url)


def test_a_list_has_models(all_models: GroqClient, groq_simulator: SimulatedGroq) -> None:
    found = all_models.models.list()
    assert isinstance(found, ModelList)
    assert found.object == "list"
    assert SLASHED in [model.id for model in found.data]
    assert all(isinstance(model, Model) for model in found.data)
    assert found.request_id == groq_simulator.requests[0].request_id
    assert found.data[0].context_window


def test_a_model_whose_name_has_a_slash(
    all_models: GroqClient, groq_simulator: SimulatedGroq
) -> None:
    model = all_models.models.retrieve(SLASHED)
    assert (type(model), model.id) == (Model, SLASHED)
    assert groq_simulator.requests[0].path == "/openai/v1/models/openai%2Fgpt-oss-20b"
    with pytest.raises(NotFoundError) as caught:
        all_models.models.retrieve("no/such")
    assert caught.value.code == "model_not_found"


def test_a_model_of_ones_own_can_be_deleted(
    all_models: GroqClient, groq_simulator: SimulatedGroq
) -> None:
    gone = all_models.models.delete(SLASHED)
    assert (type(gone), gone.id, gone.deleted) == (ModelDeleted, SLASHED, True)
    assert groq_simulator.requests[0].method == "DELETE"


def test_every_account_is_asked_and_each_model_told_once(make_client: MakeClient) -> None:
    with RawServer(listed(MODEL)) as first, RawServer(listed(OTHER, MODEL)) as second:
        blocks = {
            "defaults": {"api_key": KEY, "base_url": first.url},
            "a": {"base_url": second.url, "api_key": "gsk_other"},
            "b": {"base_url": second.url, "api_key": "gsk_other"},
            "c": {},
        }
        with GroqClient(blocks, clock=FakeClock()) as client:
            found = client.models.list()
            assert sorted(model.id for model in found.data) == sorted([SLASHED, "mine"])
            assert found.request_id == "req_1"
            assert only(first).headers["authorization"] == f"Bearer {KEY}"
            assert only(second).headers["authorization"] == "Bearer gsk_other"
            own = client.copy(api_key="gsk_copy")
            assert [model.id for model in own.models.list().data] == [SLASHED]
            assert first.heard[-1].headers["authorization"] == "Bearer gsk_copy"
            assert len(second.heard) == 1


def test_facts_are_asked_for_when_they_are_old_or_on_demand(make_client: MakeClient) -> None:
    clock = FakeClock(chance=0.0)
    with RawServer(listed({**MODEL, "context_window": 1_000})) as server:
        client = quick(make_client, server.url, clock=clock)
        assert client.models.facts("unheard/of", refresh=False).context_window is None
        assert server.heard == []
        assert client.models.facts(SLASHED).context_window == 1_000
        assert client.models.facts(SLASHED).context_window == 1_000
        assert len(server.heard) == 1
        client.models.facts(SLASHED, refresh=True)
        assert len(server.heard) == 2
        clock.advance(4_000.0)
        client.models.facts(SLASHED, refresh=False)
        assert len(server.heard) == 2
        client.models.facts(SLASHED)
        assert len(server.heard) == 3


def test_facts_are_what_is_known_if_nobody_can_be_asked(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = quick(make_client, f"http://127.0.0.1:{unused_port()}", max_retries=0)
    with caplog.at_level(logging.WARNING):
        facts = client.models.facts(SLASHED)
    assert facts.name == SLASHED
    assert facts.context_window  # as published
    assert caplog.records
    with pytest.raises(APIConnectionError):
        client.models.facts(SLASHED, refresh=True)


def test_what_was_told_of_one_model_is_known(make_client: MakeClient) -> None:
    with RawServer(says({**MODEL, "context_window": 777})) as server:
        client = quick(make_client, server.url)
        client.models.retrieve(SLASHED)
        assert client.models.facts(SLASHED, refresh=False).context_window == 777
        client.models.with_raw_response.retrieve("x").parse()
        assert client.check_model_limits(SLASHED)["context_window"] == 777


def test_what_can_be_used_is_what_is_active(make_client: MakeClient) -> None:
    with RawServer(listed(MODEL, {**OTHER, "active": False})) as server:
        assert quick(make_client, server.url).get_available_models() == [SLASHED]


def test_prices_are_those_that_are_told(make_client: MakeClient) -> None:
    priced = {**MODEL, "pricing": {"prompt": "0.0000001", "completion": "0.0000005"}}
    with RawServer(listed(priced, OTHER)) as server:
        prices = quick(make_client, server.url).models.prices()
    assert set(prices) == {SLASHED}
    with RawServer(says({}, 404)) as server:
        assert quick(make_client, server.url).models.prices() == {}
    client = quick(make_client, f"http://127.0.0.1:{unused_port()}", max_retries=0)
    with pytest.raises(APIConnectionError):
        client.models.available([])
    assert client.models.available(["m"]) == ["m"]


@pytest.mark.parametrize(
    "body", [{"data": 3}, {"data": [1]}, {"data": [{}]}, {"data": [{"id": 3}]}, {"data": {"a": 1}}]
)
def test_an_answer_of_a_wrong_form_is_none(make_client: MakeClient, body: Any) -> None:
    with RawServer(says(body)) as server:
        client = quick(make_client, server.url, max_retries=0)
        try:
            found = client.models.list()
        except APIResponseValidationError:
            assert client.models.facts(SLASHED).name == SLASHED
        else:
            assert found.data == []  # what is no model is left out


@pytest.mark.parametrize("body", [{}, {"object": "list"}, {"data": None}, {"data": []}])
def test_a_list_may_be_empty(make_client: MakeClient, body: Any) -> None:
    with RawServer(says(body)) as server:
        assert quick(make_client, server.url).models.list().data == []


def test_nothing_of_it_takes_of_any_limit(make_client: MakeClient) -> None:
    limits = {"m": {"req_per_minute": 1}}
    with RawServer(listed(MODEL)) as server:
        client = quick(make_client, server.url, limits)
        for _ in range(3):
            client.models.list()
            client.models.delete("m")
        assert client.check_model_limits("m")["limits"]["RPM"]["remaining"] == 1
