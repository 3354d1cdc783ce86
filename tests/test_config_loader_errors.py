"""Everything that is wrong is reported, at once, where it stands, and without secrets."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._config_files import Unreadable, read_json
from customgroqchat._records import ConfigProblem
from customgroqchat.config_loader import ConfigLoader
from customgroqchat.exceptions import ConfigLoaderException

KEY = "gsk_" + "Ab3" * 17
MAPPING = "mapping given as config"


def failure(
    config: Any = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    **arguments: Any,
) -> ConfigLoaderException:
    loader = ConfigLoader(config, environ=environ or {"PYTHON_DOTENV_DISABLED": "1"}, cwd=cwd)
    with pytest.raises(ConfigLoaderException) as caught:
        loader.load(**arguments)
    return caught.value


def only_problem(*sources: Any, **more: Any) -> tuple[str, str, str, str]:
    error = failure(*sources, **more)
    assert len(error.problems) == 1
    problem = error.problems[0]
    assert error.config_key == problem.key
    return problem.source, problem.key, problem.found, problem.allowed


def problem_of_file(tmp_path: Path, content: str | bytes) -> tuple[str, str, str, str]:
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / "groq.json").write_bytes(data)
    return only_problem("groq.json", cwd=tmp_path)


# --- all at once ---


def test_everything_is_reported_at_once_from_the_weakest_source_to_the_strongest(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("CUSTOMGROQCHAT_MAX_QUEUE=many\n")
    config = {"defaults": {"max_workers": True}, "m": {"req_per_day": 0, "max_workers": 4}}
    environ = {"CUSTOMGROQCHAT_TIMEOUT": "soon"}
    error = failure(config, environ, tmp_path, max_retries=-1)
    assert [(problem.source, problem.key, problem.found) for problem in error.problems] == [
        (MAPPING, "defaults.max_workers", "true"),
        (MAPPING, "m.req_per_day", "0"),
        (MAPPING, "m.max_workers", "an unknown key"),
        ("file .env, variable CUSTOMGROQCHAT_MAX_QUEUE", "max_queue", "'many'"),
        ("environment variable CUSTOMGROQCHAT_TIMEOUT", "timeout", "'soon'"),
        ("argument", "max_retries", "-1"),
    ]
    heading, *lines = str(error).splitlines()
    assert heading == "The configuration has 6 problems:"
    assert lines == [f"  {problem}" for problem in error.problems]
    assert error.config_key is None


def test_an_overridden_mistake_is_still_one() -> None:
    source, key, _, _ = only_problem({"defaults": {"max_workers": 0}}, max_workers=4)
    assert (source, key) == (MAPPING, "defaults.max_workers")


def test_the_error_can_be_pickled_and_turned_into_json() -> None:
    error = failure({"m": {"req_per_day": 0}})
    assert pickle.loads(pickle.dumps(error)).problems == error.problems
    told = json.loads(json.dumps(error.to_dict()))
    assert told["problems"][0]["key"] == "m.req_per_day"


def test_a_wrong_value_names_what_is_allowed() -> None:
    problem = only_problem({"m": {"token_per_minute": "8000"}})
    allowed = "a whole number from 1 to 1,000,000,000,000, or -1 for unlimited"
    assert problem == (MAPPING, "m.token_per_minute", "'8000'", allowed)
    assert "nothing through" in only_problem({"m": {"token_per_minute": 0}})[3]


# --- keys ---


@pytest.mark.parametrize(
    ("config", "key", "advice"),
    [
        ({"m": {"req_per_min": 5}}, "m.req_per_min", "did you mean 'req_per_minute'?"),
        ({"defaults": {"max_worker": 5}}, "defaults.max_worker", "did you mean 'max_workers'?"),
        ({"m": {"strict_models": True}}, "m.strict_models", "belongs in the 'defaults' block"),
        ({"m": {"zebra": 5}}, "m.zebra", "one of: api_key, base_url, req_per_minute"),
        ({"m": {5: 5}}, "m.5", "one of: api_key"),
    ],
)
def test_unknown_keys(config: Any, key: str, advice: str) -> None:
    source, found_key, found, allowed = only_problem(config)
    assert (source, found_key, found) == (MAPPING, key, "an unknown key")
    assert advice in allowed


def test_an_unknown_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"'max_worker' is not.*did you mean 'max_workers'"):
        ConfigLoader({}).load(max_worker=5)
    with pytest.raises(TypeError, match=r"'zebra' is not a setting of the client$"):
        ConfigLoader({}).load(zebra=5)


@pytest.mark.parametrize("config", [5, [("m", {})], b"config.json", True])
def test_an_unusable_source_is_a_type_error(config: Any) -> None:
    with pytest.raises(TypeError, match="config must be a path, a mapping"):
        ConfigLoader(config)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("CUSTOMGROQCHAT_MAX_WORKER", "CUSTOMGROQCHAT_MAX_WORKERS"),
        ("CUSTOMGROQCHAT_API_KEY", "GROQ_API_KEY"),
    ],
)
def test_a_misspelt_variable(variable: str, meant: str) -> None:
    source, _, found, allowed = only_problem({}, {variable: "4"})
    assert source == f"environment variable {variable}"
    assert (found, allowed) == ("an unknown variable", f"did you mean {meant}?")


def test_a_key_from_a_variable_is_not_silently_trimmed() -> None:
    source, _, found, allowed = only_problem({}, {"GROQ_API_KEY": f"{KEY}\n"})
    assert (source, found) == ("environment variable GROQ_API_KEY", "***")
    assert "line break" in allowed


def test_variables_of_others_are_left_alone() -> None:
    environ = {"CUSTOMGROQCHAT_ZEBRA": "4", "MAX_WORKER": "4", "GROQ_LOG": "debug"}
    assert ConfigLoader({}, environ=environ).load() == ConfigLoader({}, environ={}).load()


# --- the shape of the file ---


@pytest.mark.parametrize(
    ("document", "key", "found"),
    [
        ("[]", "(whole file)", "a list"),
        ("null", "(whole file)", "null"),
        ('"text"', "(whole file)", "a text"),
        ('{"m": 5}', "m", "a number"),
        ('{"m": [1]}', "m", "a list"),
        ('{"m": null}', "m", "null"),
        ('{"a model": {}}', "(name of a model)", "'a model'"),
        ('{"": {}}', "(name of a model)", "''"),
    ],
)
def test_a_file_of_another_shape(tmp_path: Path, document: str, key: str, found: str) -> None:
    problem = problem_of_file(tmp_path, document)
    assert problem[:3] == ("file groq.json", key, found)


def test_a_setting_at_the_top_belongs_in_a_block(tmp_path: Path) -> None:
    problem = problem_of_file(tmp_path, json.dumps({"api_key": "some-secret-of-mine"}))
    assert problem[1:3] == ("api_key", "a text")
    assert "belong in the 'defaults' block" in problem[3]


def test_a_models_name_in_a_mapping_is_a_text() -> None:
    assert only_problem({5: {}})[1:3] == ("(name of a model)", "5")


def test_bad_json_is_located(tmp_path: Path) -> None:
    problem = problem_of_file(tmp_path, '{\n  "m": {"api_key" "k"}\n}')
    assert problem[:2] == ("file groq.json", "line 2, column 19")
    assert problem[2].startswith("no JSON (")
    assert problem_of_file(tmp_path, "")[1] == "line 1, column 1"


def test_keys_written_twice(tmp_path: Path) -> None:
    text = '{"m": {"req_per_day": 1, "req_per_day": 2}, "n": {}, "n": {}, "n": {}}'
    (tmp_path / "groq.json").write_text(text)
    error = failure("groq.json", cwd=tmp_path)
    assert [problem.key for problem in error.problems] == ["n", "m.req_per_day"]
    assert error.problems[0].found == "the same key more than once"


def test_keys_written_twice_in_a_table(tmp_path: Path) -> None:
    text = '{"defaults": {"default_headers": {"A": "1", "A": "2"}}}'
    assert problem_of_file(tmp_path, text)[1] == "defaults.default_headers.A"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(tmp_path: Path, number: str) -> None:
    text = f'{{"defaults": {{"max_wait": {number}}}}}'
    assert problem_of_file(tmp_path, text)[1] == "defaults.max_wait"
    text = f'{{"m": {{"req_per_day": {number}}}}}'
    assert problem_of_file(tmp_path, text)[1] == "m.req_per_day"


def test_nesting_beyond_reason(tmp_path: Path) -> None:
    text = '{"m": {"req_per_day": ' + "[" * 200_000 + "]" * 200_000 + "}}"
    assert problem_of_file(tmp_path, text)[1:3] == (
        "(whole file)",
        "JSON beyond what can be read (RecursionError)",
    )


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    problem = problem_of_file(tmp_path, b'{"m\xff": {}}')
    assert problem[1:3] == ("(whole file)", "text that is not UTF-8, at byte 4")
    (tmp_path / ".env").write_bytes(b"NAME=\xff")
    source, _, found, allowed = only_problem({}, {"HOME": "/"}, tmp_path)
    assert (source, found) == ("file .env", "text that is not UTF-8, at byte 6")
    assert allowed == "a readable .env file in UTF-8"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    source, key, found, allowed = only_problem("missing.json", cwd=tmp_path)
    assert (source, key) == ("file missing.json", "(whole file)")
    assert (found, allowed) == ("no such file or directory", "a readable JSON file in UTF-8")
    assert only_problem(tmp_path)[2] == "is a directory"
    assert only_problem("nul\0byte")[2] == "no possible path"
    environ = {"GROQ_CONFIG_PATH": "missing.json"}
    source, *_ = only_problem(None, environ, tmp_path)
    assert source == "file missing.json (named by GROQ_CONFIG_PATH)"


@pytest.mark.parametrize("text", ['{"m": {"api_key": "some-secret"}}', " [1]"])
def test_json_text_is_no_path(text: str) -> None:
    error = failure(text)
    assert error.problems[0].found == "JSON text"
    assert "some-secret" not in str(error)


def test_a_strangers_config_json_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"port": 8080}')
    error = failure(None, cwd=tmp_path)
    assert error.problems[0].source == "file ./config.json"
    assert "GROQ_CONFIG_PATH" in str(error.hint)
    (tmp_path / "config.json").write_text("{}")
    assert failure(None, cwd=tmp_path, max_workers=0).hint is None
    assert failure(tmp_path / "nothing.json", cwd=tmp_path).hint is None


# --- references ---


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("${MISSING}", "the variable MISSING is not set"),
        ("${EMPTY}", "the variable EMPTY is not set"),
        ("${}", "the variable  is not set"),
        ("${OPEN", "not closed"),
        ("${OPEN${EMPTY}", "not closed"),
    ],
)
@pytest.mark.parametrize("key", ["api_key", "base_url"])
def test_references_to_nothing(key: str, text: str, advice: str) -> None:
    assert advice in only_problem({"m": {key: text}}, {"EMPTY": ""})[3]


def test_a_reference_to_something_useless() -> None:
    source, key, found, allowed = only_problem({"m": {"api_key": "${MINE}"}}, {"MINE": KEY + "\n"})
    assert (source, key, found) == (MAPPING, "m.api_key", "***")
    assert "line break" in allowed


def test_a_reference_needs_a_text() -> None:
    assert only_problem({"m": {"api_key": 5}})[2] == "a number"


# --- what must suit one another ---


def test_a_key_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    problem = only_problem({}, {"GROQ_BASE_URL": "http://gw.example"})
    source, key, found, allowed = problem
    assert (source, key) == ("environment variable GROQ_BASE_URL", "base_url")
    assert found == "'http://gw.example'"
    assert "allow_http" in allowed
    config = {"a": {"base_url": "http://one.example"}, "b": {"base_url": "http://two.example"}}
    error = failure(config, cwd=tmp_path)
    assert [problem.key for problem in error.problems] == ["a.base_url", "b.base_url"]


def test_certificates_must_exist(tmp_path: Path) -> None:
    problem = only_problem({}, cwd=tmp_path, verify="ca.pem")
    assert problem == ("argument", "verify", "'ca.pem'", "a path that exists")
    assert only_problem({}, verify="~nobody-of-this-name/ca.pem")[1] == "verify"


# --- secrets ---


def spoilt(secret: str) -> list[dict[str, Any]]:
    """Return files in which a secret stands somewhere wrong."""
    return [
        {"defaults": {"api_key": f"{secret} "}},
        {"defaults": {"api_key": [secret]}},
        {"m": {"apikey": secret}},
        {"m": {"req_per_day": f"gsk_{secret}"}},
        {"m": {"req_per_day": {"api_key": secret}}},
        {"m": {"base_url": f"https://me:{secret}@host"}},
        {"m": {"base_url": f"https://host/?key={secret}"}},
        {"defaults": {"default_headers": f"Authorization: Bearer {secret}"}},
        {"defaults": {"default_headers": {"Authorization": secret}}},
        {"defaults": {"default_headers": {"X-Key": f"{secret}\n"}}},
        {"defaults": {"proxies": {"https": f"//me:{secret}@proxy"}}},
        {"api_key": secret},
    ]


@given(st.from_regex(r"[A-Za-z0-9]{20,50}", fullmatch=True))
def test_no_error_tells_a_secret(secret: str) -> None:
    for config in spoilt(secret):
        error = failure(config)
        told = f"{error!s} {error!r} {error.to_dict()} {error.problems!r}"
        assert secret not in told
        assert error.__context__ is None
        assert error.__cause__ is None


def test_not_even_by_way_of_the_decoder(tmp_path: Path) -> None:
    path = tmp_path / "groq.json"
    path.write_text(f'{{"m": {{"api_key": "{KEY}",}}}}')
    with pytest.raises(Unreadable) as caught:
        read_json(path)
    assert caught.value.__context__ is None
    error = failure(path)
    assert KEY not in f"{error} {error.to_dict()}"
    assert error.__context__ is None


@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["defaults", "m"]),
        st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["api_key", "timeout", "req_per_day"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        )
        | st.integers()
        | st.text(),
    )
)
def test_any_document_loads_or_is_reported(document: dict[str, Any]) -> None:
    loader = ConfigLoader(document, environ={"PYTHON_DOTENV_DISABLED": "1"})
    problems: tuple[ConfigProblem, ...] = ()
    try:
        assert set(loader.load().models) == set(document) - {"defaults"}
    except ConfigLoaderException as error:
        problems = error.problems or (ConfigProblem("", "", "", ""),)
    assert all(problem.allowed and problem.found for problem in problems)


def test_limits_are_remembered_in_a_file_and_not_in_a_directory(tmp_path: Path) -> None:
    found = repr(str(tmp_path))
    problem = only_problem({}, cwd=tmp_path, limits_file=tmp_path)
    assert problem == ("argument", "limits_file", found, "a file, not a directory")
