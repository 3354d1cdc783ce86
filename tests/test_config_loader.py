"""Loading: sources and their precedence, what is immutable and confidential, explanations."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._settings import CLIENT
from customgroqchat.config_loader import Config, ConfigLoader, ModelConfig
from customgroqchat.exceptions import ConfigLoaderException

KEY = "gsk_" + "Ab3" * 17
OSS = "openai/gpt-oss-20b"
PRESET = "preset of the free plan, published 2026-10-01 (a guess; the server's word replaces it)"

WORKERS = CLIENT["max_workers"].default


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory, without the variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if "GROQ" in name:
            monkeypatch.delenv(name)


def load(config: Any = None, environ: Mapping[str, str] | None = None, **arguments: Any) -> Config:
    return ConfigLoader(config, environ=environ or {}).load(**arguments)


def write(path: str, text: str) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


# --- defaults ---


def test_without_any_source_everything_has_its_default() -> None:
    config = load()
    assert config.api_key is None
    assert config.base_url == "https://api.groq.com"
    assert config.timeout == (5.0, 60.0)
    assert (config.max_retries, config.max_workers, config.max_queue) == (2, 16, 10_000)
    assert (config.max_wait, config.ageing_s) == (600.0, 300.0)
    assert (config.strict_models, config.allow_http) == (False, False)
    assert (config.verify, config.proxies, config.default_headers) == (None, None, {})
    assert config.expected_completion_tokens == 1024
    assert (config.policy, config.server_limits) == ("balanced", "adopt")
    assert (config.tag_weights, config.limits_file) == ({}, None)
    assert (config.max_response_bytes, config.max_event_bytes) == (64 * 2**20, 8 * 2**20)
    assert (config.share_limits, config.log_prompts) == (True, False)
    assert config.models == {}


# --- precedence ---

SOURCES = ("file", ".env", "environment", "argument")


def source_with(source: str, workers: int) -> dict[str, Any]:
    """Set ``max_workers`` in one source; return the arguments of ``load`` that it needs."""
    if source == "file":
        write("config.json", json.dumps({"defaults": {"max_workers": workers}}))
    elif source == ".env":
        write(".env", f"CUSTOMGROQCHAT_MAX_WORKERS={workers}\n")
    elif source == "environment":
        return {"environ": {"CUSTOMGROQCHAT_MAX_WORKERS": str(workers)}}
    else:
        return {"max_workers": workers}
    return {}


@pytest.mark.parametrize(
    "present",
    [one for size in range(1, 5) for one in itertools.combinations(SOURCES, size)],
    ids="+".join,
)
def test_the_strongest_source_present_wins(present: tuple[str, ...]) -> None:
    needed: dict[str, Any] = {}
    for workers, source in enumerate(present, start=11):
        needed |= source_with(source, workers)
    config = load(**needed)
    assert config.max_workers == 10 + len(present)
    assert (
        config.explain()["max_workers"].source
        == {
            "file": "file ./config.json, key 'defaults.max_workers'",
            ".env": "file .env, variable CUSTOMGROQCHAT_MAX_WORKERS",
            "environment": "environment variable CUSTOMGROQCHAT_MAX_WORKERS",
            "argument": "argument",
        }[present[-1]]
    )


@given(
    st.fixed_dictionaries(
        {},
        optional={name: st.integers(1, 1000) for name in ("mapping", "environment", "argument")},
    )
)
def test_the_same_by_chance(values: dict[str, int]) -> None:
    config = ConfigLoader(
        {"defaults": {"max_queue": values["mapping"]} if "mapping" in values else {}},
        environ={"CUSTOMGROQCHAT_MAX_QUEUE": str(values.get("environment", ""))},
    ).load(max_queue=values.get("argument"))
    order = ("argument", "environment", "mapping")
    assert config.max_queue == next((values[one] for one in order if one in values), 10_000)


def test_every_setting_can_be_set_by_a_variable() -> None:
    config = load(
        environ={
            "GROQ_API_KEY": KEY,
            "GROQ_BASE_URL": " http://gw.example/openai/v1 ",
            "CUSTOMGROQCHAT_TIMEOUT": "1,2",
            "CUSTOMGROQCHAT_MAX_RETRIES": "0",
            "CUSTOMGROQCHAT_MAX_WORKERS": "3",
            "CUSTOMGROQCHAT_MAX_QUEUE": "4",
            "CUSTOMGROQCHAT_MAX_WAIT": "5.5",
            "CUSTOMGROQCHAT_AGEING_S": "off",
            "CUSTOMGROQCHAT_STRICT_MODELS": "yes",
            "CUSTOMGROQCHAT_VERIFY": "false",
            "CUSTOMGROQCHAT_PROXIES": "{}",
            "CUSTOMGROQCHAT_DEFAULT_HEADERS": '{"X-Team": "search"}',
            "CUSTOMGROQCHAT_EXPECTED_COMPLETION_TOKENS": "6",
            "CUSTOMGROQCHAT_ALLOW_HTTP": "1",
            "CUSTOMGROQCHAT_TAG_WEIGHTS": '{"web": 2}',
            "CUSTOMGROQCHAT_POLICY": "polite",
            "CUSTOMGROQCHAT_SERVER_LIMITS": "lower",
            "CUSTOMGROQCHAT_LIMITS_FILE": "seen/limits.json",
            "CUSTOMGROQCHAT_MAX_RESPONSE_BYTES": "1048576",
            "CUSTOMGROQCHAT_MAX_EVENT_BYTES": "65536",
            "CUSTOMGROQCHAT_SHARE_LIMITS": "no",
            "CUSTOMGROQCHAT_LOG_PROMPTS": "yes",
        }
    )
    assert config.api_key == KEY
    assert config.base_url == "http://gw.example"
    assert config.timeout == (1.0, 2.0)
    assert (config.max_retries, config.max_workers, config.max_queue) == (0, 3, 4)
    assert (config.max_wait, config.ageing_s) == (5.5, None)
    assert (config.strict_models, config.allow_http) == (True, True)
    assert (config.verify, config.proxies) == (False, {})
    assert config.default_headers == {"X-Team": "search"}
    assert config.expected_completion_tokens == 6
    assert config.tag_weights == {"web": 2.0}
    assert (config.policy, config.server_limits) == ("polite", "lower")
    assert config.limits_file == Path.cwd() / "seen" / "limits.json"
    assert (config.max_response_bytes, config.max_event_bytes) == (1_048_576, 65_536)
    assert (config.share_limits, config.log_prompts) == (False, True)


def test_arguments_and_variables_that_say_nothing_are_not_given() -> None:
    config = load({"defaults": {"max_wait": 7}}, {"CUSTOMGROQCHAT_MAX_WAIT": " "}, max_wait=None)
    assert config.max_wait == 7.0


def test_null_in_a_file_means_not_set_here_except_where_it_is_a_value() -> None:
    config = load({"defaults": {"max_wait": None, "api_key": None, "ageing_s": None}})
    assert (config.max_wait, config.api_key, config.ageing_s) == (600.0, None, None)


def test_the_environment_is_that_of_the_process_if_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUSTOMGROQCHAT_MAX_WORKERS", "21")
    assert ConfigLoader().load().max_workers == 21


def test_loading_again_reads_everything_anew() -> None:
    environ = {"CUSTOMGROQCHAT_MAX_QUEUE": "5"}
    path = write("groq.json", '{"defaults": {"max_workers": 5}}')
    loader = ConfigLoader(path, environ=environ)
    before = loader.load()
    path.write_text('{"defaults": {"max_workers": 6}}')
    environ["CUSTOMGROQCHAT_MAX_QUEUE"] = "6"
    after = loader.load()
    assert (before.max_workers, before.max_queue) == (5, 5)
    assert (after.max_workers, after.max_queue) == (6, 6)


# --- which file ---


def test_a_path_comes_first_then_the_variable_then_config_json() -> None:
    for name, workers in (("config.json", 1), ("dotenv.json", 2), ("env.json", 3), ("arg.json", 4)):
        write(name, json.dumps({"defaults": {"max_workers": workers}}))
    environ = {"GROQ_CONFIG_PATH": "env.json"}
    assert load().max_workers == 1
    write(".env", "GROQ_CONFIG_PATH=dotenv.json")
    assert load().max_workers == 2
    assert load(environ=environ).max_workers == 3
    assert load("arg.json", environ).max_workers == 4
    assert load(Path("arg.json"), environ).max_workers == 4
    assert load({}, environ).max_workers == WORKERS


def test_relative_paths_start_from_the_given_directory(tmp_path: Path) -> None:
    write("sub/groq.json", '{"defaults": {"max_workers": 5}}')
    write("sub/config.json", '{"defaults": {"max_workers": 6}}')
    sub = tmp_path / "sub"
    assert ConfigLoader("groq.json", environ={}, cwd=sub).load().max_workers == 5
    assert ConfigLoader(environ={}, cwd="sub").load().max_workers == 6


def test_a_path_in_a_dotenv_file_is_relative_to_that_file(tmp_path: Path) -> None:
    write("project/.env", "GROQ_CONFIG_PATH=conf/groq.json")
    write("project/conf/groq.json", '{"defaults": {"max_workers": 5}}')
    below = tmp_path / "project" / "src" / "deep"
    below.mkdir(parents=True)
    config = ConfigLoader(environ={}, cwd=below).load()
    assert config.max_workers == 5
    assert config.explain()["max_workers"].source == (
        f"file conf/groq.json (named by GROQ_CONFIG_PATH in {Path('../../.env')}), "
        "key 'defaults.max_workers'"
    )


def test_the_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write("home/groq.json", '{"defaults": {"max_workers": 5}}')
    assert load("~/groq.json").max_workers == 5
    write("~nobody-of-this-name.json", '{"defaults": {"max_workers": 6}}')
    assert load("~nobody-of-this-name.json").max_workers == 6


def test_a_byte_order_mark_is_no_obstacle() -> None:
    Path("groq.json").write_bytes(b'\xef\xbb\xbf{"defaults": {"max_workers": 5}}')
    Path(".env").write_bytes(b"\xef\xbb\xbfCUSTOMGROQCHAT_MAX_QUEUE=5\n")
    config = load("groq.json")
    assert (config.max_workers, config.max_queue) == (5, 5)


# --- .env ---


def test_the_nearest_dotenv_file_above_is_read_and_the_environment_left_alone(
    tmp_path: Path,
) -> None:
    write(".env", "CUSTOMGROQCHAT_MAX_WORKERS=4\nGROQ_API_KEY\n")
    write("a/b/c/file", "")
    before = dict(os.environ)
    config = ConfigLoader(environ={}, cwd=tmp_path / "a" / "b" / "c").load()
    assert config.max_workers == 4
    assert config.api_key is None
    assert dict(os.environ) == before
    write("a/.env", "CUSTOMGROQCHAT_MAX_WORKERS=5\n")
    assert ConfigLoader(environ={}, cwd=tmp_path / "a" / "b").load().max_workers == 5


def test_dotenv_can_be_switched_off() -> None:
    write(".env", "CUSTOMGROQCHAT_MAX_WORKERS=4\n")
    assert load(environ={"PYTHON_DOTENV_DISABLED": "1"}).max_workers == WORKERS
    assert load(environ={"PYTHON_DOTENV_DISABLED": "no"}).max_workers == 4


def test_loading_without_a_dotenv_file_does_not_import_dotenv() -> None:
    script = (
        "import sys; from customgroqchat.config_loader import ConfigLoader; "
        "ConfigLoader({}, environ={'PYTHON_DOTENV_DISABLED': '1'}).load(); "
        "print('dotenv' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


# --- TLS ---


def test_http_is_for_this_machine_unless_allowed() -> None:
    assert load(base_url="http://localhost:8000").base_url == "http://localhost:8000"
    assert load(base_url="http://sim:8000", allow_http=True).base_url == "http://sim:8000"
    loaded = load({"defaults": {"allow_http": True}, "m": {"base_url": "http://sim"}})
    assert loaded.model("m").base_url == "http://sim"


def test_the_path_of_certificates_becomes_absolute(tmp_path: Path) -> None:
    write("ca.pem", "")
    assert load(verify="ca.pem").verify == str(tmp_path / "ca.pem")
    assert load(verify=tmp_path / "ca.pem").verify == str(tmp_path / "ca.pem")
    assert load(verify=str(tmp_path)).verify == str(tmp_path)


def test_the_file_of_limits_need_not_exist_and_its_path_becomes_absolute(tmp_path: Path) -> None:
    assert load(limits_file="seen/limits.json").limits_file == tmp_path / "seen" / "limits.json"
    assert load({"defaults": {"limits_file": "~/l.json"}}).limits_file == Path.home() / "l.json"
    config = load(limits_file=tmp_path / "limits.json")
    assert config.limits_file == tmp_path / "limits.json"
    assert config.explain()["limits_file"].value == str(tmp_path / "limits.json")
    assert load(config, max_workers=2).limits_file == config.limits_file


# --- a loaded configuration as the source ---

CONNECTED = {
    "defaults": {"api_key": "key-of-the-file", "base_url": "https://file.example"},
    "own": {"api_key": "key-of-the-model", "base_url": "https://model.example"},
    "plain": {},
}


def test_a_loaded_configuration_is_used_as_it_is() -> None:
    config = load(CONNECTED)
    write("config.json", '{"defaults": {"max_workers": 99}}')
    assert load(config, {"CUSTOMGROQCHAT_MAX_WORKERS": "98"}) is config


def test_arguments_go_on_top_of_a_loaded_configuration() -> None:
    config = load(CONNECTED, max_queue=5)
    changed = load(config, max_workers=3, api_key="key-of-the-arg")
    assert (changed.max_workers, changed.max_queue) == (3, 5)
    assert changed.model("own").api_key == "key-of-the-arg"
    assert changed.model("own").base_url == "https://model.example"
    assert (config.max_workers, config.api_key) == (WORKERS, "key-of-the-file")
    assert load(changed, max_wait=1).model("own").api_key == "key-of-the-arg"


def test_arguments_on_top_are_checked_as_well() -> None:
    with pytest.raises(ConfigLoaderException, match="max_workers"):
        load(load(), max_workers=0)
    with pytest.raises(ConfigLoaderException, match="allow_http"):
        load(load(), base_url="http://sim")


# --- immutable, confidential ---


def test_nothing_can_be_changed() -> None:
    source: dict[str, Any] = {"m": {"req_per_day": 5}, "defaults": {"default_headers": {"A": "b"}}}
    config = load(source)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_workers = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.model("m").req_per_day = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.models["n"] = config.model("m")  # type: ignore[index]
    source["m"]["req_per_day"] = 6
    source["defaults"]["default_headers"]["A"] = "c"
    assert config.model("m").req_per_day == 5
    assert config.default_headers == {"A": "b"}


def test_equal_sources_make_equal_configurations() -> None:
    assert load(CONNECTED) == load(CONNECTED)
    assert load(CONNECTED) != load(CONNECTED, max_queue=5)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_keys_are_never_pickled(protocol: int) -> None:
    config = load(api_key=KEY)
    for one in (config, config.model("m")):
        with pytest.raises(TypeError, match="holds an API key"):
            pickle.dumps(one, protocol)


def test_a_copy_is_the_same() -> None:
    config = load(CONNECTED)
    assert copy.copy(config) is config
    assert copy.deepcopy(config) is config
    assert copy.deepcopy(config.model("own")) is config.model("own")


def test_nothing_that_is_printed_shows_a_secret() -> None:
    secrets = [KEY, "header-secret", "proxy-password", "gsk_" + "Zy9" * 17]
    loader = ConfigLoader(
        {
            "defaults": {
                "default_headers": {"X-Gateway": secrets[1]},
                "proxies": {"https": f"http://me:{secrets[2]}@proxy:3128"},
            },
            "m": {"api_key": secrets[3]},
        },
        environ={"GROQ_API_KEY": KEY},
    )
    config = loader.load()
    explanation = loader.explain()
    texts = [repr(config), str(config), repr(config.model("m")), repr(config.models), repr(loader)]
    texts += [str(explanation), repr(explanation), repr(dict(explanation)), repr(config._layers)]
    assert config.api_key == KEY
    for text in texts:
        assert not [secret for secret in secrets if secret in text]


# --- explain ---


def test_explain() -> None:
    write("groq.json", json.dumps({OSS: {"token_per_day": 9}, "qwen/qwen3.8-27b": {}}))
    loader = ConfigLoader("groq.json", environ={"GROQ_API_KEY": KEY})
    explanation = loader.explain(max_wait=3)
    assert explanation["api_key"] == ("gsk_…3Ab3", "environment variable GROQ_API_KEY")
    assert explanation["max_wait"] == (3.0, "argument")
    assert explanation["max_queue"] == (10_000, "default")
    model = f"models.{OSS}."
    origin = explanation[f"{model}token_per_day"]
    assert origin == (9, f"file groq.json, key '{OSS}.token_per_day'")
    origin = explanation[f"{model}req_per_day"]
    assert origin == (None, "unlimited, as other limits are configured")
    origin = explanation[f"{model}context_window"]
    assert origin == (131_072, "published by the service, seen 2026-10-01")
    assert explanation["models.qwen/qwen3.8-27b.req_per_day"] == (1_000, PRESET)
    assert explanation[f"{model}api_key"].source == "environment variable GROQ_API_KEY"


def test_explain_covers_every_field() -> None:
    config = load({"m": {}})
    explained = set(config.explain())
    fields = {field.name for field in dataclasses.fields(config)} - {"models", "_layers"}
    model_fields = {field.name for field in dataclasses.fields(ModelConfig)} - {"name", "guessed"}
    assert explained == fields | {f"models.m.{name}" for name in model_fields}
    assert len(config.explain()) == len(explained)


def test_explain_a_model_that_is_not_configured() -> None:
    explanation = load().explain("new/model")
    origin = explanation["models.new/model.req_per_minute"]
    assert origin == (None, "nothing known: unlimited until the server names a limit")
    assert explanation["models.new/model.context_window"].source == "nothing known"


def test_an_explanation_prints_as_a_table() -> None:
    explanation = load(environ={"CUSTOMGROQCHAT_MAX_WORKERS": "4"}).explain()
    lines = str(explanation).splitlines()
    assert len(lines) == len(explanation)
    line = next(line for line in lines if line.startswith("max_workers "))
    assert line.split(maxsplit=2)[1:] == ["4", "environment variable CUSTOMGROQCHAT_MAX_WORKERS"]
    sources = [origin.source for origin in explanation.values()]
    assert all(line.endswith(source) for line, source in zip(lines, sources, strict=True))
    assert len({len(line) - len(source) for line, source in zip(lines, sources, strict=True)}) == 1
