"""APIClient: what is sent, and what an answer becomes."""

from __future__ import annotations

import gzip
import json
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from helpers_api import MODELS, MakeAPI, Simulate, failure
from helpers_servers import (
    KEY,
    RawServer,
    says,
)

from customgroqchat import (
    APIRequest,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    CapacityExceededError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    UnprocessableEntityError,
    __version__,
)
from customgroqchat.testing import SimulatedGroq

# --- what is sent ----------------------------------------------------------------------------


def test_a_body_goes_out_as_compact_utf8_json_and_the_answer_comes_back_parsed(
    groq_simulator_factory: Simulate, make_api: MakeAPI
) -> None:
    simulator = groq_simulator_factory(
        on_request=lambda payload, headers: (200, {"X-Request-Id": "req_1"}, {"got": payload})
    )
    payload = {"text": "Ünïcödé 😀 <&>", "none": None, "nested": [1, 2.5, {"a": True}]}
    response = make_api(simulator.url).request("POST", "/chat/completions", payload)
    assert response.data == {"got": payload}
    assert response.status_code == 200
    assert response.request_id == "req_1"
    assert response.headers["X-REQUEST-ID"] == "req_1"
    (record,) = simulator.requests
    assert (record.method, record.path) == ("POST", "/openai/v1/chat/completions")
    raw = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    assert record.headers["content-length"] == str(len(raw))
    assert record.headers["content-type"] == "application/json"


def test_the_bytes_on_the_wire(make_api: MakeAPI) -> None:
    with RawServer(says({})) as server:
        api = make_api(server.url, default_headers={"X-Team": "blue"})
        api.request("POST", "/chat/completions", {"text": "é", "n": [1, 2]})
        api.request("GET", MODELS)
    post, get = server.heard
    assert post.target == "/openai/v1/chat/completions"
    assert post.body == '{"text":"é","n":[1,2]}'.encode()
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert post.headers["x-team"] == get.headers["x-team"] == "blue"
    assert post.headers["accept"] == "application/json"
    python = ".".join(map(str, sys.version_info[:3]))
    assert post.headers["user-agent"] == f"CustomGroqChat/{__version__} Python/{python}"
    assert get.body == b""
    assert "content-type" not in get.headers
    assert server.connections == 1


def test_a_lone_surrogate_is_sent_escaped(make_api: MakeAPI) -> None:
    with RawServer(says({})) as server:
        make_api(server.url).request("POST", "/x", {"text": "\ud800é"})
    assert server.heard[0].body == rb'{"text":"\ud800\u00e9"}'


@pytest.mark.parametrize("ending", ["", "/", "/openai/v1", "/openai/v1/"])
def test_the_address_may_end_at_the_host_or_at_the_prefix(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, ending: str
) -> None:
    assert make_api(groq_simulator.url + ending).request("GET", MODELS).data["object"] == "list"


def test_an_address_with_a_path_keeps_it(make_api: MakeAPI) -> None:
    with RawServer(says({})) as server:
        make_api(f"{server.url}/gateway/openai/v1/").request("GET", MODELS)
    assert server.heard[0].target == "/gateway/openai/v1/models"


def test_a_request_may_bring_its_own_key_and_address(
    groq_simulator_factory: Simulate, make_api: MakeAPI
) -> None:
    general, special = groq_simulator_factory(), groq_simulator_factory(api_keys={"gsk_other"})
    api = make_api(general.url, api_key=None)
    request = APIRequest("GET", MODELS, base_url=special.url, api_key="gsk_other")
    assert api.send(request).status_code == 200
    assert (general.count(), special.count()) == (0, 1)
    with pytest.raises(AuthenticationError, match="no API key") as caught:
        api.request("GET", MODELS)
    assert caught.value.hint is not None
    assert "GROQ_API_KEY" in caught.value.hint
    assert general.count() == 0


def test_the_clients_own_headers_cannot_replace_the_key(make_api: MakeAPI) -> None:
    with RawServer(says({})) as server:
        own = {"authorization": "Bearer other", "User-Agent": "mine"}
        make_api(server.url, default_headers=own).request("GET", MODELS)
    assert server.heard[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.heard[0].headers["user-agent"] == "mine"


def test_cookies_are_not_kept(make_api: MakeAPI) -> None:
    with RawServer(says({}, set_cookie="__cf_bm=1; Path=/")) as server:
        api = make_api(server.url)
        api.request("GET", MODELS)
        api.request("GET", MODELS)
    assert not any("cookie" in heard.headers for heard in server.heard)


# --- what a good answer becomes --------------------------------------------------------------


@pytest.mark.parametrize("data", [{"a": {"b": [1]}}, [1, 2], "text", 7, None, True])
def test_any_json_is_an_answer(make_api: MakeAPI, data: object) -> None:
    with RawServer(says(json.dumps(data).encode())) as server:
        assert make_api(server.url).request("GET", MODELS).data == data


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read(make_api: MakeAPI, encoding: str) -> None:
    plain = json.dumps({"text": "é" * 5000}).encode()
    body = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    with RawServer(says(body, content_encoding=encoding)) as server:
        assert make_api(server.url).request("GET", MODELS).data == {"text": "é" * 5000}
    assert encoding in server.heard[0].headers["accept-encoding"]


NO_JSON = {
    "empty": b"",
    "html": b"<html>Please log in</html>",
    "cut": b'{"cut": ',
    "binary": b"\xff\xfe\x00",
    "word": b"NaNa",
}


@pytest.mark.parametrize(
    ("status", "body"),
    [(204, b""), *((status, body) for status in (200, 201) for body in NO_JSON.values())],
)
def test_a_good_status_without_json_is_a_validation_error(
    make_api: MakeAPI, status: int, body: bytes
) -> None:
    with RawServer(says(body, status, x_request_id="req_7")) as server:
        error = failure(make_api(server.url))
    assert type(error) is APIResponseValidationError
    assert (error.status_code, error.request_id) == (status, "req_7")
    assert error.response is not None
    assert error.response.text == body.decode(errors="replace")
    assert error.hint is not None
    assert len(server.heard) == 1  # it is not tried again: it would be charged again


def test_json_too_deep_to_parse_is_a_validation_error_too(make_api: MakeAPI) -> None:
    with RawServer(says(b"[" * 200_000)) as server, pytest.raises(APIResponseValidationError):
        make_api(server.url).request("GET", MODELS)


def test_the_text_kept_of_a_long_answer_is_bounded(make_api: MakeAPI) -> None:
    with RawServer(says(b"x" * 1_000_000)) as server:
        error = failure(make_api(server.url))
    assert isinstance(error, APIResponseValidationError)
    assert error.response is not None
    assert len(error.response.text) < 10_000
    assert len(str(error)) < 1_000


# --- what an error status becomes ------------------------------------------------------------

CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: APIStatusError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: APIStatusError,
    408: APIStatusError,
    409: ConflictError,
    410: APIStatusError,
    413: RequestTooLargeError,
    418: APIStatusError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    498: CapacityExceededError,
    499: APIStatusError,
    500: InternalServerError,
    502: InternalServerError,
    503: InternalServerError,
    504: InternalServerError,
    520: InternalServerError,
    599: InternalServerError,
}


@pytest.mark.parametrize(("status", "expected"), CLASSES.items())
def test_each_status_has_its_class_and_every_fact(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, status: int, expected: type[APIStatusError]
) -> None:
    envelope = {"error": {"message": "Because.", "type": "t", "code": "c", "param": "messages[0]"}}
    groq_simulator.fail_next(status, envelope, {"x-request-id": "req_9"})
    error = failure(make_api(groq_simulator.url, max_retries=0))
    assert type(error) is expected
    assert isinstance(error, APIStatusError)
    assert error.message == f"Error code: {status} - Because."
    assert error.status_code == status
    assert (error.type, error.code, error.param) == ("t", "c", "messages[0]")
    assert error.request_id == "req_9"
    assert error.body == envelope
    assert error.attempts == 1
    assert error.request is not None
    assert error.request.method == "GET"
    assert error.request.url == f"{groq_simulator.url}/openai/v1/models"
    assert error.response is not None
    assert error.response.status_code == status
    assert json.loads(error.response.text) == envelope
    assert json.loads(json.dumps(error.to_dict()))["status_code"] == status
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is expected
    assert again.to_dict() == error.to_dict()
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "just a text"}, "just a text"),
        ({"message": "no envelope"}, "no envelope"),
        ({"error": None}, '{"error":null}'),
        ({"error": {"message": {"odd": 1}}}, "{'odd': 1}"),
        ({"error": {}}, '{"error":{}}'),
        (["a", "list"], '["a","list"]'),
        (b"<html>\n  <h1>502 Bad Gateway</h1>\n</html>", "<html> <h1>502 Bad Gateway</h1> </html>"),
        (b"", "no explanation was given."),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"7", "7"),
    ],
)
@pytest.mark.parametrize("status", [403, 502])
def test_an_error_is_understood_whatever_its_body(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, status: int, body: Any, message: str
) -> None:
    groq_simulator.fail_next(status, body)
    error = failure(make_api(groq_simulator.url, max_retries=0))
    assert type(error) is CLASSES[status]
    assert error.message == f"Error code: {status} - {message}"
    assert json.dumps(error.to_dict())


def test_the_words_of_a_429_are_more_exact_than_its_header(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    words = (
        "Rate limit reached for model `m` in organization `o` service tier `on_demand` on tokens "
        "per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s."
    )
    body = {"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}}
    groq_simulator.fail_next(429, body, {"retry-after": "5"})
    error = failure(make_api(groq_simulator.url, max_retries=0))
    assert isinstance(error, RateLimitError)
    assert (error.dimension, error.limit, error.used, error.requested) == ("TPM", 6000, 5034, 1443)
    assert error.retry_after == 4.77


def test_the_words_of_a_413_are_understood(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    words = (
        "Request too large for model `m` in organization `o` service tier `on_demand` on tokens "
        "per minute (TPM): Limit 6000, Requested 9234, please reduce your message size."
    )
    groq_simulator.fail_next(413, {"error": {"message": words, "type": "tokens"}})
    error = failure(make_api(groq_simulator.url))
    assert isinstance(error, RequestTooLargeError)
    assert (error.dimension, error.limit, error.requested) == ("TPM", 6000, 9234)
    assert error.attempts == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirects_are_not_followed_and_their_target_sees_nothing(
    groq_simulator_factory: Simulate, make_api: MakeAPI, status: int, method: str
) -> None:
    simulator, elsewhere = groq_simulator_factory(), groq_simulator_factory()
    target = f"{elsewhere.url}/openai/v1/models"
    simulator.fail_next(status, b"", {"location": target})
    error = failure(make_api(simulator.url), method, MODELS, {} if method == "POST" else None)
    assert type(error) is APIStatusError
    assert error.status_code == status
    assert target in str(error)
    assert error.attempts == 1
    assert elsewhere.count() == 0


def test_real_answers_are_understood(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    api = make_api(groq_simulator.url, max_retries=0)
    seen = set()
    for exchange in _recorded("exchanges.jsonl"):
        answer = exchange["response"]
        status, body = answer["status"], answer["body"].encode()
        if answer["is_stream"] or not body.lstrip().startswith(b"{") or b"\n{" in body:
            continue  # streams, spoken text and batch files have other readers
        groq_simulator.fail_next(status, body, {"x-request-id": "req_recorded"})
        seen.add(status)
        if status == 200:
            assert api.request("POST", "/chat/completions", {}).data == json.loads(body)
            continue
        error = failure(api, "POST", "/chat/completions", {})
        told = json.loads(body)["error"]
        assert type(error) is CLASSES[status]
        assert error.message.startswith(f"Error code: {status} - ")
        assert error.message.endswith(told["message"])
        assert (told.get("code") or "") in error.message
        assert (error.code, error.type) == (told.get("code"), told.get("type"))
        assert error.request_id == "req_recorded"
    assert seen >= {200, 400, 401, 404}


def test_the_wait_in_every_429_ever_quoted_is_found(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    api = make_api(groq_simulator.url, max_retries=0)
    quoted = [row for row in _recorded("quoted_errors.jsonl") if row["http_status"] == 429]
    for row in quoted:
        groq_simulator.fail_next(429, {"error": {"message": row["message"]}})
        error = failure(api)
        assert isinstance(error, RateLimitError)
        too_large = error.limit and error.requested and error.requested > error.limit
        assert error.retry_after == (None if too_large else pytest.approx(row["wait_s"], abs=1e-9))
    assert len(quoted) > 20


def _recorded(name: str) -> list[Any]:
    path = Path(__file__).parents[1] / ".." / "shared" / "recordings" / name
    if not path.exists():
        pytest.skip(f"there are no recordings at {path}")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
