"""What GroqClient refuses at the door, and whom it asks for models."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_servers import user

from customgroqchat import GroqClient, InvalidRequestException
from customgroqchat.testing import SimulatedGroq

MODEL = "m"


@pytest.mark.parametrize("name", ["extra_body", "extra_headers", "extra_query"])
def test_what_is_to_be_added_is_a_mapping(
    client: GroqClient, simulator: SimulatedGroq, name: str
) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        client.chat_completion(MODEL, user("Hello"), **{name: "x"})
    assert caught.value.field == name
    assert client.chat_completion(MODEL, user("Hello"), **{name: None}).choices
    assert [name in record.payload for record in simulator.requests] == [False]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"callback": 3}, "callback"),
        ({"tag": 3}, "tag"),
        ({"tag": ["a"]}, "tag"),
        ({"model": "other"}, "model"),
    ],
)
@pytest.mark.parametrize("way", ["chat_completion", "submit"])
def test_what_is_wrong_or_given_twice_is_refused(
    client: GroqClient, simulator: SimulatedGroq, way: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        getattr(client, way)(MODEL, user("Hello"), **arguments)
    assert caught.value.field == field
    assert caught.value.hint
    assert simulator.count() == 0


def test_a_text_completion_has_no_messages(client: GroqClient) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        client.text_completion(MODEL, "Hello", messages=user("Bye"))
    assert caught.value.field == "messages"


@pytest.mark.parametrize("item", ["x", None, 3, (MODEL, [])])
def test_an_item_of_a_map_that_is_no_request_is_its_own_outcome(
    client: GroqClient, item: Any
) -> None:
    good = {"model": MODEL, "messages": user("Hello")}
    first, second = client.map([item, good], return_exceptions=True)
    assert isinstance(first, InvalidRequestException)
    assert second.choices


def test_an_item_of_a_map_has_one_model(client: GroqClient) -> None:
    item = {"model": MODEL, "model_name": "other", "messages": user("Hello")}
    (outcome,) = client.map([item], return_exceptions=True)
    assert outcome.field == "model"


def test_a_map_with_an_odd_look_ahead_goes_one_by_one(client: GroqClient) -> None:
    items = [{"model": MODEL, "messages": user(str(n))} for n in range(3)]
    assert len(list(client.map(items, look_ahead=-1))) == 3


def test_models_are_asked_for_where_they_are_configured(
    simulator: SimulatedGroq, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"base_url": simulator.url, "api_key": "gsk_of_this_model"}
    with GroqClient({MODEL: block, "other": block}) as client:
        assert MODEL in client.get_available_models()
        assert simulator.count() == 1
        monkeypatch.setenv("GROQ_API_KEY", "gsk_of_somebody_else")
        client.reload_config()
        assert MODEL in [model.id for model in client.models.list().data]
        assert simulator.requests[-1].key == "gsk_of_this_model"


def test_models_of_several_accounts_are_listed_once(simulator: SimulatedGroq) -> None:
    config = {
        name: {"base_url": simulator.url, "api_key": key}
        for name, key in {MODEL: "gsk_of_one", "other": "gsk_of_another"}.items()
    }
    with GroqClient(config) as client:
        names = [model.id for model in client.models.list().data]
    assert len(names) == len(set(names)) > 1
    assert {record.key for record in simulator.requests} == {"gsk_of_one", "gsk_of_another"}


def test_a_refusal_that_says_come_back_at_once_is_retried_with_a_backoff(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    simulator.fail_next(429, {"error": {"message": "no"}}, {"retry-after": "0"}, times=100)
    with pytest.raises(Exception, match="429"):
        client.chat_completion(MODEL, user("Hello"))
    assert simulator.count() == 3  # as any fault: two retries


def test_a_refusal_for_a_limit_that_requests_have_no_part_in_does_not_break_the_next(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    text = (
        "Rate limit reached for model `m` in organization `org_x` on seconds of audio per hour "
        "(ASPH): Limit 7200, Used 7200, Requested 1. Please try again in 10ms."
    )
    simulator.fail_next(429, {"error": {"message": text}}, {"retry-after": "1"})
    assert client.chat_completion(MODEL, user("Hello")).choices


def test_who_does_not_wait_spends_no_retries_of_others(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    simulator.fail_next(503, times=100)
    for _ in range(3):
        with pytest.raises(Exception, match="503"):
            client.chat_completion(MODEL, user("Hello"), max_wait=0)
    assert client._api._budget.left == 50
