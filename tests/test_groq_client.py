"""GroqClient: making one, and its blocking calls."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import KEY, user

from customgroqchat import (
    APIConnectionError,
    AuthenticationError,
    ChatCompletion,
    Config,
    ConfigLoader,
    ConfigLoaderException,
    GroqClient,
    InternalServerError,
    InvalidRequestException,
    ModelNotFoundException,
    NotFoundError,
    TextCompletion,
    TokenLimitExceededException,
)
from customgroqchat.testing import SimulatedGroq

OSS = "openai/gpt-oss-20b"
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


# --- making one ------------------------------------------------------------------------------


def test_making_a_client_starts_no_thread_and_opens_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    before = threading.enumerate()
    with GroqClient({}, api_key=KEY) as client:
        client.check_model_limits(OSS)
        client.count_tokens("Hello", OSS)
        client.get_queue_status()
        assert threading.enumerate() == before


CONFIG = {"defaults": {"max_workers": 3}, "m": {"token_per_minute": 5_000}}


def as_path(url: str) -> GroqClient:
    Path("groq.json").write_text(json.dumps(CONFIG))
    return GroqClient("groq.json", api_key=KEY, base_url=url)


def as_path_object(url: str) -> GroqClient:
    Path("groq.json").write_text(json.dumps(CONFIG))
    return GroqClient(Path("groq.json"), api_key=KEY, base_url=url)


def as_mapping(url: str) -> GroqClient:
    return GroqClient({**CONFIG, "defaults": {"api_key": KEY, "base_url": url, "max_workers": 3}})


def as_config(url: str) -> GroqClient:
    return GroqClient(ConfigLoader(CONFIG).load(api_key=KEY, base_url=url))


def as_file_in_the_directory(url: str) -> GroqClient:
    Path("config.json").write_text(json.dumps(CONFIG))
    return GroqClient(api_key=KEY, base_url=url)


def as_dotenv(url: str) -> GroqClient:
    Path("config.json").write_text(json.dumps(CONFIG))
    Path(".env").write_text(f"GROQ_API_KEY={KEY}\nGROQ_BASE_URL={url}\n")
    return GroqClient()


def as_environment(url: str) -> GroqClient:
    Path("elsewhere.json").write_text(json.dumps(CONFIG))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROQ_API_KEY", KEY)
        patch.setenv("GROQ_BASE_URL", url)
        patch.setenv("GROQ_CONFIG_PATH", "elsewhere.json")
        return GroqClient()


@pytest.mark.parametrize(
    "make",
    [
        as_path,
        as_path_object,
        as_mapping,
        as_config,
        as_file_in_the_directory,
        as_dotenv,
        as_environment,
    ],
)
def test_wherever_the_configuration_comes_from(
    simulator: SimulatedGroq, make: Callable[[str], GroqClient]
) -> None:
    with make(simulator.url) as client:
        assert isinstance(client.config, Config)
        assert client.get_queue_status()["max_workers"] == 3
        assert client.check_model_limits("m")["limits"]["TPM"]["limit"] == 5_000
        assert client.chat_completion("m", user(), max_tokens=9).choices[0].message.content
    assert simulator.requests[0].key == KEY


def test_a_wrong_configuration_is_told_whole() -> None:
    with pytest.raises(ConfigLoaderException) as caught:
        GroqClient(
            {"m": {"token_per_minute": "many"}}, max_workers=0, timeout=-5, base_url="nonsense"
        )
    assert len(caught.value.problems) == 4


def test_nothing_shows_the_key(client: GroqClient, simulator: SimulatedGroq) -> None:
    assert repr(client) == f"GroqClient(base_url={simulator.url!r})"
    assert KEY not in repr([client.config, client.chat, client.models, client.get_queue_status()])
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_without_a_key_nothing_is_sent(simulator: SimulatedGroq) -> None:
    with GroqClient({}, base_url=simulator.url) as client:
        assert int(client.count_tokens("Hello", OSS))
        with pytest.raises(AuthenticationError, match="GROQ_API_KEY"):
            client.chat_completion("m", user())
        with pytest.raises(AuthenticationError, match="GROQ_API_KEY"):
            client.models.list()
    assert simulator.count() == 0


# --- blocking calls --------------------------------------------------------------------------


def test_a_chat_completion_is_a_dict_with_attributes(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    answer = client.chat_completion("m", user(), max_completion_tokens=12)
    assert isinstance(answer, ChatCompletion)
    assert answer.choices[0].message.content == answer["choices"][0]["message"]["content"]
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == 12 + answer.usage.prompt_tokens
    assert answer.model == "m"
    assert json.loads(json.dumps(answer)) == answer
    assert pickle.loads(pickle.dumps(answer)) == answer


def test_only_what_the_service_knows_reaches_the_wire(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    client.chat_completion(
        "m",
        user(),
        temperature=0.5,
        max_tokens=8,
        priority="high",
        max_wait=30,
        timeout=20,
        tag="mine",
        callback=lambda answer: None,
        seed=7,
        invented_tomorrow={"a": 1},
        stop=None,
    )
    assert simulator.requests[0].payload == {
        "model": "m",
        "messages": user(),
        "temperature": 0.5,
        "max_tokens": 8,
        "seed": 7,
        "invented_tomorrow": {"a": 1},
    }


def test_the_official_sdks_words_do_the_same(client: GroqClient, simulator: SimulatedGroq) -> None:
    called: list[Any] = []
    answer = client.chat.completions.create(
        model="m", messages=user(), max_tokens=8, priority="low", callback=called.append
    )
    assert called == [answer]
    assert answer.choices[0].message.content
    same = client.chat_completion("m", user(), max_tokens=8)
    assert same.choices == answer.choices
    first, second = simulator.requests
    assert first.payload == second.payload
    with pytest.raises(TypeError):
        client.chat.completions.create("m", user())  # type: ignore[call-arg]


def test_a_text_completion_has_the_older_shape(
    client: GroqClient, simulator: SimulatedGroq
) -> None:
    called: list[Any] = []
    answer = client.text_completion(
        "m", "Once upon a time", max_tokens=8, temperature=0, callback=called.append, echo=False
    )
    assert isinstance(answer, TextCompletion)
    assert called == [answer]
    assert answer.object == "text_completion"
    (choice,) = answer.choices
    assert (
        choice.text
        == client.chat_completion("m", user("Once upon a time"), max_tokens=8, temperature=0)
        .choices[0]
        .message.content
    )
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    first, second = simulator.requests
    assert first.payload == second.payload


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "logprobs": 1}, "logprobs"),
        ({"prompt": "a", "n": 2}, "n"),
    ],
)
def test_what_a_text_completion_cannot_do_is_refused(
    client: GroqClient, simulator: SimulatedGroq, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        client.text_completion("m", **arguments)
    assert caught.value.field == field
    assert simulator.count() == 0


def test_a_timeout_of_its_own(client: GroqClient, simulator: SimulatedGroq) -> None:
    with simulator.hold(), pytest.raises(APIConnectionError, match="in time"):
        client.chat_completion("m", user(), timeout=(5, 0.05), max_wait=0)


def test_an_error_of_the_service_has_all_facts(client: GroqClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.chat_completion("missing/model", user())
    error = caught.value
    assert (error.code, error.model, error.attempts) == ("model_not_found", "missing/model", 1)
    assert (error.request_id or "").startswith("req_")
    assert error.hint


def test_passing_faults_are_retried_and_lasting_ones_raised(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url)
    simulator.fail_next(503, headers={"retry-after-ms": "0"})
    simulator.drop_next()
    assert client.chat_completion("m", user())
    simulator.fail_next(500, headers={"retry-after-ms": "0"}, times=3)
    with pytest.raises(InternalServerError) as caught:
        client.chat_completion("m", user())
    assert (caught.value.attempts, caught.value.model) == (3, "m")
    simulator.fail_next(500, times=3)
    without_retries = make_client(simulator.url, max_retries=0)
    with pytest.raises(InternalServerError) as caught:
        without_retries.chat_completion("m", user())
    assert caught.value.attempts == 1


def test_what_can_never_pass_is_refused_before_it_is_sent(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    limits = {"m": {"token_per_minute": 1_000, "context_window": 500}}
    client = make_client(simulator.url, limits)
    for cap, dimension in ((600, "context_window"), (1_000, "context_window")):
        with pytest.raises(TokenLimitExceededException) as caught:
            client.chat_completion("m", user(), max_tokens=cap)
        assert caught.value.dimension == dimension
    assert simulator.count() == 0


def test_an_unknown_model_is_allowed_unless_the_configuration_is_strict(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    assert make_client(simulator.url).chat_completion("other", user())
    strict = make_client(simulator.url, {"m": {}}, strict_models=True)
    assert strict.chat_completion("m", user())
    for call in (strict.chat_completion, strict.submit):
        with pytest.raises(ModelNotFoundException) as caught:
            call("other", user())
        assert (caught.value.model, "m" in caught.value.known) == ("other", True)
    with pytest.raises(ModelNotFoundException):
        strict.check_model_limits("other")
    assert simulator.count() == 2
