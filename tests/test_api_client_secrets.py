"""APIClient: the key is told to the service and to nobody else."""

from __future__ import annotations

import json
import logging
import pickle

import pytest
from helpers_api import MODELS, MakeAPI, failure
from helpers_servers import (
    KEY,
    Behaviour,
    RawServer,
    closes,
    echoes,
    hangs,
    says,
    unused_port,
)

from customgroqchat import (
    APIConnectionError,
    APIError,
    APIRequest,
    GroqError,
)
from customgroqchat.testing import SimulatedGroq


def assert_nothing_tells_the_key(error: BaseException) -> None:
    """Look through an error, what it was made from, and everything that can be had of it."""
    link: BaseException | None = error
    while link is not None:
        kept = [str(link), repr(link), repr(link.args), repr(vars(link)), getattr(link, "doc", "")]
        assert not any(KEY in repr(text) for text in kept), type(link)
        link = link.__cause__ or link.__context__
    if isinstance(error, GroqError):
        assert KEY not in json.dumps(error.to_dict())
        assert KEY.encode() not in pickle.dumps(error)


ECHOES = {
    "401": echoes(401),
    "403 JSON": echoes(403, as_json=True),
    "502": echoes(502),
    "200 HTML": echoes(200),
    "401 headers": echoes(401, in_headers=True),
    "307 headers": echoes(307, in_headers=True),
}


@pytest.mark.parametrize("behaviour", ECHOES.values(), ids=ECHOES)
def test_a_proxy_that_echoes_the_request_does_not_leak_the_key(
    make_api: MakeAPI, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        error = failure(make_api(server.url, max_retries=0))
    assert f"Bearer {KEY}" == server.heard[0].headers["authorization"]
    assert_nothing_tells_the_key(error)


FAULTS: dict[str, Behaviour] = {
    "good": says({}),
    "not JSON": says(b"<html>"),
    "401": says({"error": {"message": "Invalid API Key"}}, 401),
    "500": says(b"", 500),
    "no answer": closes,
    "silence": hangs(),
}


@pytest.mark.parametrize("behaviour", FAULTS.values(), ids=FAULTS)
def test_nothing_is_logged_or_printed_of_the_key(
    make_api: MakeAPI,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("", "urllib3", "requests", "customgroqchat"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    with RawServer(behaviour) as server:
        api = make_api(server.url, timeout=(5.0, 0.05))
        try:
            api.request("POST", "/chat/completions", {"model": "m"})
        except APIError as error:
            assert_nothing_tells_the_key(error)
            logging.getLogger("application").exception("it failed")
        logging.getLogger("application").error("%s %r", api, api)
    assert "application" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in "".join(capfd.readouterr())


def test_a_connection_that_fails_does_not_tell_the_key(make_api: MakeAPI) -> None:
    error = failure(make_api(f"http://127.0.0.1:{unused_port()}"))
    assert isinstance(error, APIConnectionError)
    assert_nothing_tells_the_key(error)


@pytest.mark.parametrize("key", [KEY + "\n", f" {KEY}", KEY + "é", KEY + "\u20ac"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, key: str
) -> None:
    groq_simulator.fail_next(401, times=5)
    with pytest.raises(GroqError) as caught:
        make_api(groq_simulator.url, api_key=key).request("GET", MODELS)
    assert_nothing_tells_the_key(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:x"])
def test_an_address_that_is_none_is_an_error_of_ours(make_api: MakeAPI, url: str) -> None:
    with pytest.raises(GroqError):
        make_api(url).request("GET", MODELS)


def test_reprs_and_pickles_do_not_tell_the_key(make_api: MakeAPI) -> None:
    api = make_api("http://127.0.0.1:9/")
    assert repr(api) == "APIClient(base_url='http://127.0.0.1:9')"
    with pytest.raises(TypeError):
        pickle.dumps(api)


def test_a_request_does_not_show_its_key() -> None:
    assert KEY not in repr(APIRequest("GET", MODELS, api_key=KEY))
