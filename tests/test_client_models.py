"""GroqClient: what it knows of models, and what it does with that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from helpers_servers import unused_port, user

from customgroqchat import (
    APIConnectionError,
    BadRequestError,
    GroqClient,
    ModelNotFoundException,
    NotFoundError,
    TokenLimitExceededException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

OSS = "openai/gpt-oss-20b"
LLAMA = "llama-3.3-70b-versatile"
SMALL = {"context_window": 1_000, "max_completion_tokens": 100}
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


@pytest.fixture
def small(groq_simulator_factory: Simulate) -> SimulatedGroq:
    """A service whose models are smaller than published, one of them dead in each way."""
    gone = {"llama-3.1-8b-instant": {"status": "gone"}, LLAMA: {"status": "decommissioned"}}
    return groq_simulator_factory(models={OSS: SMALL, **gone})


# --- asking --------------------------------------------------------------------------------------


def test_the_service_is_asked_once_an_hour(small: SimulatedGroq, make_client: MakeClient) -> None:
    clock = FakeClock()
    client = make_client(small.url, clock=clock)
    assert client.models.facts(OSS).sources["context_window"] == "service"
    assert client.models.facts("other", refresh=False).source is None
    client.models.facts("other")
    clock.advance(3_599.0)
    client.models.facts(OSS)
    assert small.count() == 1
    client.models.facts(OSS, refresh=True)
    assert small.count() == 2
    clock.advance(3_600.0)
    client.models.facts(OSS)
    assert small.count() == 3


def test_a_list_that_somebody_asked_for_is_remembered(
    small: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(small.url)
    assert client.models.facts(OSS, refresh=False).context_window == 131_072
    client.get_available_models()
    assert client.models.facts(OSS).context_window == 1_000
    assert client.check_model_limits(OSS)["context_window"] == 1_000
    assert small.count() == 1


def test_a_service_that_cannot_be_asked_is_no_error_unless_it_must_be(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(f"http://127.0.0.1:{unused_port()}", max_retries=0)
    with caplog.at_level(logging.WARNING):
        assert client.models.facts(OSS).source == "preset"
        assert client.models.facts(OSS).context_window == 131_072
    assert len(caplog.records) == 1
    with pytest.raises(APIConnectionError):
        client.models.facts(OSS, refresh=True)


def test_a_plan_has_published_prices_where_none_are_told(make_client: MakeClient) -> None:
    nowhere = make_client(f"http://127.0.0.1:{unused_port()}", max_retries=0)
    request = {"model": OSS, "messages": user(), "max_completion_tokens": 10}
    plan = nowhere.plan([request])
    assert plan.cost_usd is not None
    assert 0 < plan.cost_usd < 1e-4
    assert nowhere.plan([request], prices=False).cost_usd is None


# --- too large -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "dimension", "limit"),
    [(1_001, "context_window", 1_000), (101, "max_completion_tokens", 100)],
)
def test_what_the_service_told_refuses_before_anything_is_sent(
    small: SimulatedGroq, make_client: MakeClient, cap: int, dimension: str, limit: int
) -> None:
    client = make_client(small.url)
    client.models.list()
    with pytest.raises(TokenLimitExceededException) as caught:
        client.chat_completion(OSS, user(), max_completion_tokens=cap)
    assert (caught.value.dimension, caught.value.limit) == (dimension, limit)
    assert small.count() == 1


def test_a_cap_that_is_only_published_does_not(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    grown = {"context_window": 10_000_000, "max_completion_tokens": 1_000_000}
    service = groq_simulator_factory(models={OSS: grown})
    answer = make_client(service.url).chat_completion(OSS, user(), max_completion_tokens=100_000)
    assert answer.choices


def test_what_was_told_wins_over_what_is_published(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    grown = {"context_window": 10_000_000, "max_completion_tokens": 1_000_000}
    client = make_client(groq_simulator_factory(models={OSS: grown}).url)
    with pytest.raises(TokenLimitExceededException):
        client.chat_completion(OSS, user(), max_completion_tokens=200_000)
    client.models.list()
    assert client.chat_completion(OSS, user(), max_completion_tokens=200_000).choices


def test_an_automatic_cap_keeps_to_what_was_told(
    small: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(small.url)
    client.models.list()
    client.chat_completion(OSS, user(), max_completion_tokens="auto")
    assert small.requests[-1].payload["max_completion_tokens"] == 100


def test_the_configuration_wins_and_can_be_changed(
    small: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(small.url, {OSS: {"max_completion_tokens": 50}})
    client.models.list()
    with pytest.raises(TokenLimitExceededException):
        client.chat_completion(OSS, user(), max_completion_tokens=51)
    client.reload_config({OSS: {"max_completion_tokens": 60}})
    client.chat_completion(OSS, user(), max_completion_tokens=51)
    assert client.models.facts(OSS, refresh=False).sources["max_completion_tokens"] == "configured"


# --- gone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"stream": True}])
@pytest.mark.parametrize(
    ("model", "kind", "successor"),
    [
        ("llama-3.1-8b-instant", NotFoundError, OSS),
        (LLAMA, BadRequestError, "openai/gpt-oss-120b"),
    ],
)
def test_a_dead_model_names_its_successor(
    small: SimulatedGroq,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    model: str,
    kind: type[NotFoundError] | type[BadRequestError],
    successor: str,
    more: dict[str, Any],
) -> None:
    client = make_client(small.url)
    with caplog.at_level(logging.WARNING), pytest.raises(kind) as caught:
        client.chat_completion(model, user(), **more)
    error = caught.value
    assert (error.successor, error.model) == (successor, model)
    assert "2026-08-16" in (error.hint or "")
    assert error.to_dict()["successor"] == successor
    assert sum("was shut down" in record.getMessage() for record in caplog.records) == 1


def test_a_misspelt_model_names_the_one_that_was_meant(
    small: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(small.url)
    with pytest.raises(NotFoundError) as caught:
        client.chat_completion("gpt-oss-20b", user())
    assert caught.value.hint == f"Did you mean {OSS!r}?"
    assert caught.value.successor is None


def test_a_strict_configuration_names_the_successor_too(
    small: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(small.url, {OSS: {}}, strict_models=True)
    with pytest.raises(ModelNotFoundException) as caught:
        client.chat_completion(LLAMA, user())
    assert caught.value.successor == "openai/gpt-oss-120b"
    assert small.count() == 0
