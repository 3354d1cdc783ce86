"""Models: their limits, their sizes, their keys and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat.config_loader import Config, ConfigLoader, ModelConfig
from customgroqchat.exceptions import ModelNotFoundException

LIMITS = ("req_per_minute", "req_per_day", "token_per_minute", "token_per_day")
RARER = (
    "input_token_per_minute",
    "output_token_per_minute",
    "audio_seconds_per_hour",
    "audio_seconds_per_day",
)
OSS = "openai/gpt-oss-20b"


def load(config: Any, environ: Mapping[str, str] | None = None, **arguments: Any) -> Config:
    return ConfigLoader(config, environ=environ or {}).load(**arguments)


def limits(model: ModelConfig) -> tuple[int | None, ...]:
    return tuple(getattr(model, name) for name in LIMITS)


def test_a_model_that_names_a_limit_is_taken_at_its_word() -> None:
    model = load({OSS: {"token_per_minute": 250_000}}).model(OSS)
    assert limits(model) == (None, None, 250_000, None)
    assert not model.guessed
    assert (model.context_window, model.max_completion_tokens) == (131_072, 65_536)


@pytest.mark.parametrize("unlimited", [-1, None])
def test_naming_a_limit_as_unlimited_is_naming_it(unlimited: int | None) -> None:
    model = load({OSS: {"req_per_day": unlimited}}).model(OSS)
    assert limits(model) == (None, None, None, None)
    assert not model.guessed


@pytest.mark.parametrize("config", [{}, {OSS: {}}, {OSS: {"context_window": 5}}])
def test_a_model_without_any_configured_limit_has_the_published_ones(config: Any) -> None:
    model = load(config).model(OSS)
    assert limits(model) == (30, 1_000, 8_000, 200_000)
    assert model.guessed


@pytest.mark.parametrize("name", RARER)
def test_the_rarer_limits_are_limits_as_well(name: str) -> None:
    model = load({OSS: {name: 900}}).model(OSS)
    assert getattr(model, name) == 900
    assert limits(model) == (None, None, None, None)
    assert not model.guessed
    assert getattr(load({OSS: {name: -1}}).model(OSS), name) is None


def test_a_transcribing_model_has_the_published_limits_of_audio() -> None:
    model = load({}).model("whisper-large-v3")
    assert [getattr(model, name) for name in RARER] == [None, None, 7_200, 28_800]
    assert model.guessed


def test_the_default_limits_hold_for_every_model_without_its_own() -> None:
    config = load({"defaults": {"req_per_minute": 5, "req_per_day": 50}, OSS: {"req_per_day": -1}})
    assert limits(config.model(OSS)) == (5, None, None, None)
    assert limits(config.model("openai/gpt-oss-120b")) == (5, 50, None, None)
    assert limits(config.model("new/model")) == (5, 50, None, None)
    assert not config.model("openai/gpt-oss-120b").guessed


@given(st.sets(st.sampled_from(LIMITS)), st.sets(st.sampled_from(LIMITS)))
def test_guesses_are_never_mixed_with_words(own: set[str], shared: set[str]) -> None:
    config = ConfigLoader(
        {"defaults": dict.fromkeys(shared, 2), OSS: dict.fromkeys(own, 1)}, environ={}
    ).load()
    model = config.model(OSS)
    assert model.guessed is not bool(own | shared)
    if own | shared:
        expected = [1 if name in own else 2 if name in shared else None for name in LIMITS]
        assert list(limits(model)) == expected


def test_sizes_fall_back_one_by_one() -> None:
    config = load({"defaults": {"max_completion_tokens": 9}, OSS: {"context_window": 8}})
    assert config.model(OSS).context_window == 8
    assert config.model(OSS).max_completion_tokens == 9
    assert config.model("openai/gpt-oss-120b").context_window == 131_072
    assert load({OSS: {"context_window": -1}}).model(OSS).context_window is None


def test_an_unknown_model_has_no_limits() -> None:
    model = load({}).model("new/model")
    assert model == ModelConfig("new/model")


def test_only_configured_models_are_listed() -> None:
    assert list(load({"defaults": {}, "b": {}, "a": {}}).models) == ["b", "a"]


def test_strict_models() -> None:
    config = load({"mine": {}}, strict_models=True)
    assert config.model("mine").name == "mine"
    with pytest.raises(ModelNotFoundException) as caught:
        config.model(OSS)  # published, and not configured all the same
    with pytest.raises(ModelNotFoundException) as caught:
        config.model("mines")
    error = caught.value
    assert error.model == "mines"
    assert error.known == ("mine",)
    assert error.hint == "Did you mean 'mine'?"
    with pytest.raises(ModelNotFoundException, match=f"2026-08-16.*use {OSS!r}"):
        config.model("llama-3.1-8b-instant")
    with pytest.raises(ModelNotFoundException) as caught:
        config.model("zebra")
    assert caught.value.hint is None


# --- keys and addresses of single models ---

CONNECTED = {
    "defaults": {"api_key": "key-of-the-file", "base_url": "https://file.example"},
    "own": {"api_key": "key-of-the-model", "base_url": "https://model.example"},
    "plain": {},
}


@pytest.mark.parametrize(
    ("environ", "arguments", "general", "own"),
    [
        ({}, {}, "file", "model"),
        ({"GROQ_API_KEY": "key-of-the-env"}, {}, "env", "model"),
        ({"GROQ_API_KEY": "key-of-the-env"}, {"api_key": "key-of-the-arg"}, "arg", "arg"),
    ],
)
def test_a_models_own_key_yields_to_an_argument_only(
    environ: dict[str, str], arguments: dict[str, str], general: str, own: str
) -> None:
    config = load(CONNECTED, environ, **arguments)
    assert config.api_key == f"key-of-the-{general}"
    assert config.model("plain").api_key == f"key-of-the-{general}"
    assert config.model("unlisted").api_key == f"key-of-the-{general}"
    assert config.model("own").api_key == f"key-of-the-{own}"


def test_a_models_own_address_yields_to_an_argument_only() -> None:
    environ = {"GROQ_BASE_URL": "https://env.example/openai/v1/"}
    config = load(CONNECTED, environ)
    assert config.model("plain").base_url == "https://env.example"
    assert config.model("own").base_url == "https://model.example"
    config = load(CONNECTED, environ, base_url="https://arg.example/")
    assert config.model("own").base_url == config.base_url == "https://arg.example"


def test_variables_stand_in_for_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FIRST=from-dotenv\nSECOND=from-dotenv\n")
    loader = ConfigLoader(
        {
            "a": {"api_key": "${FIRST}"},
            "b": {"api_key": "x-${FIRST}-${SECOND}", "base_url": "https://${HOST}/gw"},
        },
        environ={"SECOND": "from-env", "HOST": "host.example"},
        cwd=tmp_path,
    )
    config = loader.load()
    assert config.model("a").api_key == "from-dotenv"
    assert config.model("b").api_key == "x-from-dotenv-from-env"
    assert config.model("b").base_url == "https://host.example/gw"


def test_nothing_else_is_expanded() -> None:
    config = load({"defaults": {"default_headers": {"X-A": "${HOME}"}}}, api_key="${HOME}")
    assert config.default_headers == {"X-A": "${HOME}"}
    assert config.api_key == "${HOME}"
