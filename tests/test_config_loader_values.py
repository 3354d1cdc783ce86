"""One value at a time: what each kind of setting accepts, refuses and shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._kinds import InvalidValue, describe, mask
from customgroqchat._kinds_http import is_exposed
from customgroqchat._settings import ALL, CLIENT, MODEL, Setting, nearest

KEY = "gsk_" + "Ab3" * 17


def check(name: str, value: Any) -> Any:
    return ALL[name].kind.check(value)


def parsed(name: str, text: str) -> Any:
    return check(name, ALL[name].kind.parse(text))


def refusal(name: str, value: Any) -> str:
    with pytest.raises(InvalidValue) as caught:
        check(name, value)
    return str(caught.value)


# --- the table ---


@pytest.mark.parametrize("setting", CLIENT.values(), ids=str)
def test_each_default_is_a_value_its_setting_accepts(setting: Setting) -> None:
    if setting.default is not None:
        assert setting.kind.check(setting.default) == setting.default


@pytest.mark.parametrize("setting", ALL.values(), ids=lambda setting: setting.name)
def test_each_setting_says_what_it_is_for_and_what_it_allows(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert setting.kind.allowed


def test_variables_are_unique_and_two_are_those_of_groqs_own_sdk() -> None:
    variables = [setting.variable for setting in CLIENT.values()]
    assert len(set(variables)) == len(variables)
    assert variables[:2] == ["GROQ_API_KEY", "GROQ_BASE_URL"]
    assert CLIENT["max_wait"].variable == "CUSTOMGROQCHAT_MAX_WAIT"


@given(
    st.sampled_from(sorted(ALL)),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers() | st.text())
    | st.dictionaries(st.text() | st.integers(), st.text() | st.integers()),
)
def test_any_value_is_accepted_or_refused_and_what_is_accepted_stays_so(
    name: str, value: Any
) -> None:
    kind = ALL[name].kind
    try:
        kept = kind.check(value)
    except InvalidValue:
        assert isinstance(kind.found(value), str)
    else:
        assert kept is None or kind.check(kept) == kept
        kind.shown(kept)


@given(st.sampled_from(sorted(ALL)), st.text())
def test_any_text_of_a_variable_can_be_parsed(name: str, text: str) -> None:
    ALL[name].kind.parse(text)


# --- numbers ---


@pytest.mark.parametrize("name", ["max_workers", "max_retries", "req_per_day", "context_window"])
@pytest.mark.parametrize("value", [True, False, 1.0, "8", math.nan, [1], 10**13])
def test_a_whole_number_is_an_int_in_its_range(name: str, value: Any) -> None:
    refusal(name, value)


def test_whole_numbers_in_variables() -> None:
    assert parsed("max_workers", "8") == 8
    assert parsed("max_retries", "+0") == 0
    for text in ("8.0", "eight", "1_0", "٣", "", "9" * 5000):
        with pytest.raises(InvalidValue):
            parsed("max_workers", text)


@pytest.mark.parametrize("name", ["req_per_minute", "token_per_day", "max_completion_tokens"])
def test_unlimited(name: str) -> None:
    assert check(name, -1) is None
    assert check(name, None) is None
    assert check(name, 1) == 1
    assert "nothing through" in refusal(name, 0)
    assert refusal(name, -2) == ""
    assert refusal(name, -1.0) == ""


def test_seconds_are_floats() -> None:
    assert check("max_wait", 3) == 3.0
    assert isinstance(check("max_wait", 3), float)
    assert parsed("max_wait", "0.5") == 0.5
    for value in (-0.1, math.nan, math.inf, 10**400, True, "3"):
        refusal("max_wait", value)
    for text in ("nan", "inf", "soon"):
        with pytest.raises(InvalidValue):
            parsed("max_wait", text)


def test_ageing_can_be_off() -> None:
    assert check("ageing_s", None) is None
    assert parsed("ageing_s", "OFF") is None
    assert parsed("ageing_s", "60") == 60.0
    refusal("ageing_s", 0)
    refusal("ageing_s", "never")


def test_timeout_is_one_number_or_two() -> None:
    assert check("timeout", 7) == (7.0, 7.0)
    assert check("timeout", [3, 60.5]) == (3.0, 60.5)
    assert parsed("timeout", "5, 60") == (5.0, 60.0)
    assert parsed("timeout", "9") == (9.0, 9.0)
    for value in ([1], [1, 2, 3], [1, None], [1, "2"], (0, 1), 0, "5"):
        refusal("timeout", value)
    with pytest.raises(InvalidValue):
        parsed("timeout", "5,x")


def test_flags() -> None:
    assert check("strict_models", True) is True
    for text in ("true", "YES", "on", "1"):
        assert parsed("strict_models", text) is True
    for text in ("False", "no", "off", "0"):
        assert parsed("strict_models", text) is False
    for value in (1, 0, "true", None):
        refusal("strict_models", value)


@pytest.mark.parametrize("name", ["max_response_bytes", "max_event_bytes"])
def test_sizes(name: str) -> None:
    assert check(name, 1_024) == 1_024
    assert parsed(name, "67108864") == 64 * 2**20
    for value in (0, -1, 1_023, 10**12 + 1, 1e6, "1 MB", True, None):
        refusal(name, value)


# --- words, weights, files ---


def test_words() -> None:
    assert check("policy", "polite") == "polite"
    assert parsed("policy", "GREEDY") == "greedy"
    assert parsed("server_limits", "Lower") == "lower"
    assert ALL["policy"].kind.allowed == '"greedy", "balanced" or "polite"'
    assert ALL["server_limits"].kind.allowed == '"adopt" or "lower"'
    for value in ("", "rude", "polite ", True, None, 1, ["polite"]):
        refusal("policy", value)


def test_weights() -> None:
    kept = check("tag_weights", {"batch": 1, "web": 2.5, "": 0.001, "huge": 10**6})
    assert kept == {"batch": 1.0, "web": 2.5, "": 0.001, "huge": 1e6}
    assert all(type(weight) is float for weight in kept.values())
    assert check("tag_weights", {}) == {}
    assert parsed("tag_weights", '{"web": 3}') == {"web": 3.0}
    with pytest.raises(TypeError):
        kept["web"] = 1.0
    assert ALL["tag_weights"].kind.shown(kept) == dict(kept)


@pytest.mark.parametrize(
    ("weights", "advice"),
    [
        ({"web": 0}, "the weight of 'web' is 0"),
        ({"web": -1}, "is -1"),
        ({"web": math.inf}, "is inf"),
        ({"web": math.nan}, "is nan"),
        ({"web": 10**400}, "is 1000"),
        ({"web": 5e-324}, "is 5e-324"),
        ({"web": True}, "not a number"),
        ({"web": "3"}, "not a number"),
        ({"web": None}, "not a number"),
        ({1: 1.0}, ""),
        ([("web", 1.0)], ""),
        ("web=1", ""),
    ],
)
def test_wrong_weights(weights: Any, advice: str) -> None:
    assert advice in refusal("tag_weights", weights)


def test_paths_of_files() -> None:
    assert check("limits_file", "limits.json") == Path("limits.json")
    assert check("limits_file", Path("~/limits.json")) == Path("~/limits.json")
    assert parsed("limits_file", "/a/b") == Path("/a/b")
    shown = ALL["limits_file"].kind.shown
    assert shown(Path("a/b")) == str(Path("a/b"))
    assert shown(None) is None
    for value in ("", "a\0b", b"limits.json", 1, None, True):
        refusal("limits_file", value)


# --- keys ---


@pytest.mark.parametrize("key", [KEY, "k", "gsk_test", "test-key", "a" * 500, "My API Key"])
def test_keys(key: str) -> None:
    assert check("api_key", key) == key


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("", "empty"),
        (KEY + "\n", "line break"),
        (" " + KEY, "white space"),
        ("Bearer " + KEY, "Bearer"),
        (f'"{KEY}"', "quotation marks"),
        (KEY + "'", "quotation marks"),
        ("a\r\nX-Header:1", ""),
        ("a\x00", ""),
        ("a\xa0b", ""),
        ("ключ", ""),
        (b"gsk_abc", ""),
        (42, ""),
    ],
)
def test_keys_that_cannot_be_sent(key: Any, advice: str) -> None:
    assert advice in refusal("api_key", key)


@pytest.mark.parametrize(
    "key",
    [
        "your-api-key",
        "YOUR_API_KEY_HERE",
        "your_groq_api_key",
        "<your-key>",
        "gsk_your_key_here",
        "gsk_...",
        "gsk_xxxxxxxx",
        "xxxx",
        "***",
        "changeme",
        "replace-me",
        "insert_key_here",
        "GROQ_API_KEY",
        "api-key",
    ],
)
def test_placeholders(key: str) -> None:
    assert "placeholder" in refusal("api_key", key)


def test_masks() -> None:
    assert mask(KEY) == "gsk_…3Ab3"
    assert mask("secret-of-a-gateway") == "…eway"
    assert mask("short") == "***"
    assert mask("long-enough-but\n-broken") == "***"


@given(st.text(min_size=1))
def test_a_mask_shows_four_characters_at_most(secret: str) -> None:
    shown = mask(secret).removeprefix("gsk_").removeprefix("…")
    assert shown == "***" or (len(shown) == 4 and len(secret) >= 16)


# --- addresses ---


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.groq.com", "https://api.groq.com"),
        ("https://api.groq.com/", "https://api.groq.com"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com"),
        ("https://api.groq.com/openai/v1//", "https://api.groq.com"),
        ("HTTPS://API.Groq.Com:8443/Gateway/", "https://api.groq.com:8443/Gateway"),
        ("https://gw.example/groq/openai/v1/", "https://gw.example/groq"),
        ("https://gw.example/groq//openai/v1", "https://gw.example/groq"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_base_urls(given_url: str, kept: str) -> None:
    assert check("base_url", given_url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.groq.com",
        "//api.groq.com",
        "ftp://api.groq.com",
        "https://",
        "https:///path",
        "https://user:pass@api.groq.com",
        "https://@api.groq.com",
        "https://api.groq.com?key=1",
        "https://api.groq.com/#part",
        "https://api.groq.com:port",
        "https://api.groq.com:70000",
        "https://api.groq.com:0",
        "https://[::1",
        "https://api.groq.com/a b",
        "https://api.groq.com\n",
        "https:\\\\api.groq.com",
        b"https://api.groq.com",
        None,
    ],
)
def test_wrong_base_urls(url: Any) -> None:
    refusal("base_url", url)


def test_the_address_of_an_endpoint_is_not_that_of_the_service() -> None:
    url = "https://api.groq.com/openai/v1/chat/completions"
    assert "endpoint" in refusal("base_url", url)


def test_a_refused_base_url_is_shown_without_password_and_query() -> None:
    kind = ALL["base_url"].kind
    found = kind.found("https://me:pass/word@host/?key=topsecret")
    assert found == "'https://***@host/?…'"
    assert kind.found(5) == "5"


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("https://api.groq.com", False),
        ("http://api.groq.com", True),
        ("http://localhost:8000", False),
        ("http://sim.localhost", False),
        ("http://127.3.2.1", False),
        ("http://[::1]:9", False),
        ("http://10.0.0.1", True),
        ("http://localhost.example", True),
    ],
)
def test_exposure(url: str, exposed: bool) -> None:
    assert is_exposed(url) is exposed


# --- certificates, headers, proxies ---


def test_verify() -> None:
    assert check("verify", False) is False
    assert check("verify", "ca.pem") == "ca.pem"
    assert check("verify", Path("ca.pem")) == "ca.pem"
    assert parsed("verify", "off") is False
    assert parsed("verify", "ca.pem") == "ca.pem"
    for value in ("", "a\0b", 1, b"ca.pem", None):
        refusal("verify", value)


def test_headers() -> None:
    kept = check("default_headers", {"X-Team": "search", "X-Empty": ""})
    assert kept == {"X-Team": "search", "X-Empty": ""}
    assert parsed("default_headers", '{"X-Team": "search"}') == {"X-Team": "search"}
    with pytest.raises(TypeError):
        kept["X-Team"] = "other"
    with pytest.raises(InvalidValue):
        parsed("default_headers", "X-Team: search")
    with pytest.raises(InvalidValue):
        parsed("default_headers", "[" * 100_000)


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({"Authorization": "Bearer x"}, "api_key"),
        ({"host": "x"}, "Host"),
        ({"X Team": "x"}, "not the name"),
        ({"": "x"}, "not the name"),
        ({"X-Team": "a\r\nX-Evil: 1"}, "cannot be sent"),
        ({"X-Team": " a"}, "cannot be sent"),
        ({"X-Team": "a "}, "cannot be sent"),
        ({"X-Team": "ключ"}, "cannot be sent"),
        ({"X-Team": 1}, ""),
        ({1: "x"}, ""),
        ([("X-Team", "x")], ""),
    ],
)
def test_wrong_headers(headers: Any, advice: str) -> None:
    assert advice in refusal("default_headers", headers)


def test_proxies() -> None:
    proxies = {"https": "http://me:pw@proxy:3128", "all://host.example": "socks5h://proxy"}
    kept = check("proxies", proxies)
    assert kept == proxies
    assert check("proxies", {}) == {}
    shown = ALL["proxies"].kind.shown
    assert shown(kept) == {
        "https": "http://***@proxy:3128",
        "all://host.example": "socks5h://proxy",
    }
    assert shown(None) is None


@pytest.mark.parametrize(
    "proxies",
    [
        {"ftp": "http://p"},
        {"https": "proxy:3128"},
        {"https": "ftp://p"},
        {"https": None},
        "http://p",
    ],
)
def test_wrong_proxies(proxies: Any) -> None:
    refusal("proxies", proxies)


# --- showing and guessing ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (8.5, "8.5"),
        ("eight", "'eight'"),
        ([5, "x"], "[5, 'x']"),
        ({"a": 1}, "an object"),
        (b"x", "a bytes"),
        (KEY, "'gsk_…'"),
        ([KEY], "['gsk_…']"),
        ("x" * 200, "'" + "x" * 78 + "…"),
    ],
)
def test_describe(value: Any, text: str) -> None:
    assert describe(value) == text


def test_a_refused_secret_of_the_wrong_type_is_named_by_its_type() -> None:
    found = ALL["api_key"].kind.found
    assert found(12345678) == "a number"
    assert found([KEY]) == "a list"
    assert ALL["default_headers"].kind.found(f"Authorization: Bearer {KEY}") == "…3Ab3"


@pytest.mark.parametrize(
    ("word", "words", "near"),
    [
        ("req_per_min", MODEL, "req_per_minute"),
        ("tokens_per_day", MODEL, "token_per_day"),
        ("zebra", MODEL, None),
    ],
)
def test_nearest(word: str, words: Mapping[str, object], near: str | None) -> None:
    assert nearest(word, words) == near
