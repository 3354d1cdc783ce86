"""``client.embeddings``: texts as vectors."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_servers import RawServer, says
from helpers_streams import Books
from helpers_surface import EMBEDDINGS, FOREIGN, MakeClient, body_of, only, quick

from customgroqchat import (
    NOT_GIVEN,
    APIResponseValidationError,
    GroqClient,
    InvalidRequestException,
    TokenLimitExceededException,
    omit,
)
from customgroqchat.testing import SimulatedGroq

MODEL = "nomic-embed-text-v1_5"
LIMITS = {"e": {"token_per_minute": 1_000, "req_per_minute": 30}}


def test_parameters_go_on_the_wire_as_they_are(make_client: MakeClient) -> None:
    with RawServer(says(EMBEDDINGS)) as server:
        client = quick(make_client, server.url)
        client.embeddings.create(input="Grüße", model="e", encoding_format="base64", user="u")
        assert body_of(only(server)) == {
            "input": "Grüße",
            "model": "e",
            "encoding_format": "base64",
            "user": "u",
        }
        for nothing in (NOT_GIVEN, omit, *FOREIGN):
            client.embeddings.create(input="a", model="e", encoding_format=nothing, user=nothing)
        client.embeddings.create(input="a", model="e", user=None)
        *others, last = map(body_of, server.heard[1:])
    assert others == [{"input": "a", "model": "e"}] * 4
    assert last == {"input": "a", "model": "e", "user": None}


@pytest.mark.parametrize("texts", [["a", "b"], ("a", "b"), iter(["a", "b"])])
def test_texts_may_be_any_iterable(make_client: MakeClient, texts: Any) -> None:
    with RawServer(says(EMBEDDINGS)) as server:
        quick(make_client, server.url).embeddings.create(input=texts, model="e")
        assert body_of(only(server))["input"] == ["a", "b"]


@pytest.mark.parametrize("nothing", ["", [], None, 5, NOT_GIVEN, {}])
def test_what_is_no_text_is_refused(make_client: MakeClient, nothing: Any) -> None:
    with RawServer(says(EMBEDDINGS)) as server:
        with pytest.raises(InvalidRequestException) as caught:
            quick(make_client, server.url).embeddings.create(input=nothing, model="e")
        assert caught.value.field == "input"
        assert server.heard == []


@pytest.mark.parametrize("form", ["float", "base64"])
def test_vectors_come_as_they_were_asked_for(client_of_all: GroqClient, form: Any) -> None:
    answer = client_of_all.embeddings.create(input=["a", "b"], model=MODEL, encoding_format=form)
    assert [item.index for item in answer.data] == [0, 1]
    assert isinstance(answer.data[0].embedding, list if form == "float" else str)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert answer.request_id


@pytest.fixture
def client_of_all(groq_simulator: SimulatedGroq, make_client: MakeClient) -> GroqClient:
    """A client of a service with the published models."""
    return make_client(groq_simulator.url)


def test_its_tokens_are_settled(make_client: MakeClient) -> None:
    with RawServer(says(EMBEDDINGS)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client, "e")
        with pytest.raises(TokenLimitExceededException):
            client.embeddings.create(input=["word " * 100] * 40, model="e")
        assert server.heard == []
        client.embeddings.create(input="a", model="e")
        limits = client.check_model_limits("e")["limits"]
        assert limits["TPM"]["remaining"] == 1_000 - 4
        assert limits["RPM"]["remaining"] == 29
        assert books.ways == ["settle"]


def test_a_text_is_no_chat(make_client: MakeClient) -> None:
    with RawServer(says({"object": "list", "data": []})) as server:
        client = quick(make_client, server.url, LIMITS, policy="greedy")
        client.embeddings.create(input="a", model="e")  # it does not say what it took
        assert client.check_model_limits("e")["limits"]["TPM"]["remaining"] >= 980


def test_an_answer_without_usage_keeps_what_was_set_aside(make_client: MakeClient) -> None:
    with RawServer(says({"object": "list", "data": []})) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client, "e")
        client.embeddings.create(input="word " * 100, model="e")
        assert books.ways == ["keep"]
        assert client.check_model_limits("e")["limits"]["TPM"]["remaining"] <= 900


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": 3}, {"object": "list"}])
def test_an_answer_without_data_is_none(make_client: MakeClient, body: Any) -> None:
    with RawServer(says(body)) as server, pytest.raises(APIResponseValidationError):
        quick(make_client, server.url).embeddings.create(input="a", model="e")
