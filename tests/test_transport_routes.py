"""The way to the service: certificates, proxies, and the ``.netrc`` that must not matter."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from helpers_api import MODELS, MakeAPI, no_connection
from helpers_servers import (
    KEY,
    Certificate,
    RawServer,
    assert_closed,
    hangs,
    in_thread,
    make_certificate,
    says,
    unused_port,
)

from customgroqchat import (
    APIConnectionError,
    APIRequest,
)
from customgroqchat.testing import SimulatedGroq


@pytest.fixture
def make_api(make_api: MakeAPI) -> MakeAPI:
    """Make clients that try once."""
    return functools.partial(make_api, max_retries=0)


# --- certificates ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate: Certificate) -> Iterator[RawServer]:
    """A server with a certificate that nobody trusts."""
    with RawServer(says({"secure": True}), tls=certificate.server) as server:
        yield server


def test_an_unknown_certificate_is_refused(secure: RawServer, make_api: MakeAPI) -> None:
    error = no_connection(make_api(secure.url))
    assert "certificate" in str(error).lower()
    assert secure.heard == []
    assert error.may_have_arrived is False  # there was nobody to whom it could have been sent


def test_a_given_authority_is_trusted(
    secure: RawServer, make_api: MakeAPI, certificate: Certificate
) -> None:
    api = make_api(secure.url, verify=str(certificate.path))
    assert api.request("GET", MODELS).data == {"secure": True}
    assert api.request("GET", MODELS).data == {"secure": True}
    assert secure.connections == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environments_authority_is_trusted(
    secure: RawServer,
    make_api: MakeAPI,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, str(certificate.path))
    assert make_api(secure.url).request("GET", MODELS).data == {"secure": True}


def test_a_given_authority_wins_over_the_environment(
    secure: RawServer,
    make_api: MakeAPI,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.path))
    assert make_api(secure.url, verify=str(certificate.path)).request("GET", MODELS).data
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    assert "certificate" in str(no_connection(make_api(secure.url, verify=str(other.path)))).lower()
    assert "certificate" in str(no_connection(make_api(secure.url, verify=True))).lower()


def test_verification_can_be_turned_off_which_urllib3_complains_about(
    secure: RawServer, make_api: MakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    api = make_api(secure.url, verify=False)
    with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        assert api.request("GET", MODELS).data == {"secure": True}


def test_closing_ends_a_hanging_request_over_tls(
    make_api: MakeAPI, certificate: Certificate
) -> None:
    with RawServer(hangs(), tls=certificate.server) as server:
        api = make_api(server.url, verify=str(certificate.path), timeout=300.0)
        outcome = in_thread(api.request, "GET", MODELS)
        server.wait_for(1)
        api.close()
        assert_closed(outcome)


# --- proxies ---------------------------------------------------------------------------------

PROXIED = {"through": "proxy"}


@pytest.fixture
def proxy() -> Iterator[RawServer]:
    """A server that would have to pass requests on, and answers them itself."""
    with RawServer(says(PROXIED)) as server:
        yield server


@pytest.fixture
def other_proxy() -> Iterator[RawServer]:
    with RawServer(says({"through": "other"})) as server:
        yield server


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_environments_proxy_is_used(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    api = make_api(groq_simulator.url)
    assert [api.request("GET", MODELS).data for _ in range(3)] == [PROXIED] * 3
    assert {heard.target for heard in proxy.heard} == {f"{groq_simulator.url}/openai/v1/models"}
    assert proxy.heard[0].headers["authorization"] == f"Bearer {KEY}"
    assert proxy.connections == 1
    assert groq_simulator.count() == 0


@pytest.mark.parametrize("names", ["127.0.0.1", "localhost,127.0.0.0/8", "*"])
def test_no_proxy_is_honoured(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
    names: str,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", names)
    assert make_api(groq_simulator.url).request("GET", MODELS).data["object"] == "list"
    assert proxy.heard == []


def test_no_proxy_is_looked_up_for_each_address(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost")
    api = make_api(groq_simulator.url)
    by_name = groq_simulator.url.replace("127.0.0.1", "localhost")
    assert api.request("GET", MODELS).data == PROXIED
    assert api.send(APIRequest("GET", MODELS, base_url=by_name)).data["object"] == "list"


def test_a_given_proxy_wins_over_the_environment(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    other_proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", other_proxy.url)
    monkeypatch.setenv("NO_PROXY", "*")
    api = make_api(groq_simulator.url, proxies={"http": proxy.url})
    assert api.request("GET", MODELS).data == PROXIED
    assert other_proxy.heard == []


def test_an_empty_mapping_is_no_proxy(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert make_api(groq_simulator.url, proxies={}).request("GET", MODELS).data["object"] == "list"
    assert proxy.heard == []


def test_the_environment_is_read_at_the_first_request(
    groq_simulator: SimulatedGroq,
    proxy: RawServer,
    make_api: MakeAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = make_api(groq_simulator.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert api.request("GET", MODELS).data == PROXIED
    monkeypatch.delenv("HTTP_PROXY")
    assert api.request("GET", MODELS).data == PROXIED


def test_a_proxys_user_is_sent_to_the_proxy_and_told_to_nobody(
    groq_simulator: SimulatedGroq, proxy: RawServer, make_api: MakeAPI
) -> None:
    url = proxy.url.replace("//", "//user:pass-phrase@")
    assert make_api(groq_simulator.url, proxies={"http": url}).request("GET", MODELS)
    assert proxy.heard[0].headers["proxy-authorization"].startswith("Basic ")
    gone = f"http://user:pass-phrase@127.0.0.1:{unused_port()}"
    error = no_connection(make_api(groq_simulator.url, proxies={"http": gone}))
    assert "pass-phrase" not in f"{error} {error!r} {error.to_dict()} {error.__cause__!r}"


def test_a_proxy_that_is_not_there(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    gone = {"http": f"http://127.0.0.1:{unused_port()}"}
    error = no_connection(make_api(groq_simulator.url, proxies=gone))
    assert type(error) is APIConnectionError
    assert error.may_have_arrived is False
    assert groq_simulator.count() == 0


def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_key(make_api: MakeAPI) -> None:
    with RawServer(says(b"", 403)) as proxy:
        api = make_api("https://127.0.0.1:9", proxies={"https": proxy.url})
        error = no_connection(api)
    assert "403" in str(error)
    assert error.may_have_arrived is False
    (heard,) = proxy.heard
    assert (heard.method, heard.target) == ("CONNECT", "127.0.0.1:9")
    assert KEY not in str(heard)


def test_closing_ends_a_request_that_hangs_at_a_proxy(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    with RawServer(hangs()) as proxy:
        api = make_api(groq_simulator.url, proxies={"http": proxy.url}, timeout=300.0)
        outcome = in_thread(api.request, "GET", MODELS)
        proxy.wait_for(1)
        api.close()
        assert_closed(outcome)


# --- .netrc ----------------------------------------------------------------------------------


def test_a_netrc_file_cannot_replace_the_key(
    make_api: MakeAPI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "machine 127.0.0.1 login someone password else\ndefault login someone password else\n"
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with RawServer(says({})) as server:
        make_api(server.url).request("GET", MODELS)
    assert server.heard[0].headers["authorization"] == f"Bearer {KEY}"
