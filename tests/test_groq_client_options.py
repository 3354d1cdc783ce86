"""GroqClient: what each way of calling asks of the client, and what it asks if nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, user

from customgroqchat import GroqClient, InvalidRequestException, RequestOptions
from customgroqchat.testing import SimulatedGroq

MakeClient = Callable[..., GroqClient]
DAY_S = 86_400.0


class Noted(list[RequestOptions]):
    """The options of every request that reaches the handler of a client."""

    def __init__(self, client: GroqClient, monkeypatch: pytest.MonkeyPatch) -> None:
        submit = client._handler.submit

        def noting(payload: Any, options: RequestOptions, *how: Any, **more: Any) -> Any:
            self.append(options)
            return submit(payload, options, *how, **more)

        monkeypatch.setattr(client._handler, "submit", noting)


@pytest.fixture
def noted(client: GroqClient, monkeypatch: pytest.MonkeyPatch) -> Noted:
    return Noted(client, monkeypatch)


def chat(client: GroqClient, **keywords: Any) -> None:
    client.chat_completion("m", user(), **keywords)


def text(client: GroqClient, **keywords: Any) -> None:
    client.text_completion("m", "Hello", **keywords)


def create(client: GroqClient, **keywords: Any) -> None:
    client.chat.completions.create(model="m", messages=user(), **keywords)


def submit(client: GroqClient, **keywords: Any) -> None:
    client.submit("m", user(), **keywords).result(10)


def map_common(client: GroqClient, **keywords: Any) -> None:
    assert len(list(client.map([{"model": "m", "messages": user()}], **keywords))) == 1


def map_single(client: GroqClient, **keywords: Any) -> None:
    assert len(list(client.map([{"model": "m", "messages": user(), **keywords}]))) == 1


blocking = pytest.mark.parametrize("way", [chat, text, create])
background = pytest.mark.parametrize("way", [submit, map_common, map_single])
every = pytest.mark.parametrize("way", [chat, text, create, submit, map_common, map_single])


@every
def test_options_reach_the_handler_and_not_the_service(
    client: GroqClient, simulator: SimulatedGroq, noted: Noted, way: Any
) -> None:
    way(client, priority="high", max_wait=5, timeout=(1, 9), tag="t", deadline=30)
    assert noted == [RequestOptions("high", 5, (1, 9), "t", True, deadline=30)]
    (request,) = simulator.requests
    assert request.payload is not None
    assert set(request.payload) == {"model", "messages"}


@every
def test_without_a_deadline_there_is_none(client: GroqClient, noted: Noted, way: Any) -> None:
    way(client)
    way(client, deadline=None)
    assert [options.deadline for options in noted] == [None, None]


@blocking
def test_a_blocking_call_waits_as_long_as_is_configured(
    simulator: SimulatedGroq, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    client = make_client(simulator.url, max_wait=33)
    noted = Noted(client, monkeypatch)
    way(client)
    way(client, max_wait=None)
    assert [options.max_wait for options in noted] == [33.0, None]


@background
def test_a_request_in_the_background_waits_for_a_day(
    client: GroqClient, noted: Noted, way: Any
) -> None:
    way(client)
    way(client, max_wait=None)
    way(client, max_wait=7)
    assert [options.max_wait for options in noted] == [DAY_S, None, 7]


def test_only_a_submit_that_may_wait_waits_for_room(client: GroqClient, noted: Noted) -> None:
    for keywords in ({}, {"max_wait": None}, {"max_wait": 0}, {"max_wait": 5}):
        submit(client, **keywords)
    assert [options.wait_for_room for options in noted] == [False, False, False, True]


def test_a_map_waits_for_room(client: GroqClient, noted: Noted) -> None:
    map_common(client)
    assert noted[0].wait_for_room


@pytest.mark.parametrize("wrong", [{"max_wait": -1}, {"max_wait": "soon"}, {"tag": 1}])
@every
def test_wrong_options_are_refused(
    client: GroqClient, simulator: SimulatedGroq, way: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestException):
        way(client, **wrong)
    assert simulator.count() == 0


@pytest.mark.parametrize("wrong", [-1, "soon", float("nan"), True])
@every
def test_a_deadline_is_a_number_of_seconds(
    client: GroqClient, simulator: SimulatedGroq, way: Any, wrong: Any
) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        way(client, deadline=wrong)
    assert caught.value.field == "deadline"
    assert simulator.count() == 0


@every
def test_a_cap_of_auto_is_not_sent_as_such(
    client: GroqClient, simulator: SimulatedGroq, way: Any
) -> None:
    way(client, max_completion_tokens="auto")
    (request,) = simulator.requests
    assert request.payload is not None
    assert request.payload.get("max_completion_tokens") != "auto"


def test_further_settings_are_arguments_as_well(
    simulator: SimulatedGroq, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(
        simulator.url,
        policy="polite",
        server_limits="lower",
        tag_weights={"web": 3},
        limits_file=tmp_path / "limits.json",
        share_limits=False,
        max_response_bytes=2_000,
        max_event_bytes=1_500,
        log_prompts=True,
    )
    config = client.config
    assert (config.policy, config.server_limits) == ("polite", "lower")
    assert config.tag_weights == {"web": 3.0}
    assert config.limits_file == tmp_path / "limits.json"
    assert (config.share_limits, config.log_prompts) == (False, True)
    assert (config.max_response_bytes, config.max_event_bytes) == (2_000, 1_500)
    assert client.reload_config({"m": {}}).policy == "polite"


def test_what_the_service_told_is_known_to_the_next_client(
    groq_simulator_factory: Callable[..., SimulatedGroq], make_client: MakeClient, tmp_path: Path
) -> None:
    simulator = groq_simulator_factory(models={"m": {"limits": {"TPM": 54_321, "RPD": 777}}})
    file = tmp_path / "seen" / "limits.json"
    first = make_client(simulator.url, limits_file=file)
    first.chat_completion("m", user())
    assert KEY not in file.read_text()
    next_one = make_client(simulator.url, limits_file=file, share_limits=False)
    limits = next_one.check_model_limits("m")["limits"]
    assert {name: limit["limit"] for name, limit in limits.items()} == {"TPM": 54_321, "RPD": 777}
    another = make_client(simulator.url, limits_file=file, api_key="gsk_" + "b" * 52)
    assert another.check_model_limits("m")["limits"] == {}
    apart = make_client(simulator.url, share_limits=False)
    assert apart.check_model_limits("m")["limits"] == {}
