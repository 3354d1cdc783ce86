"""What all methods of the surface have in common: one table, every method."""

from __future__ import annotations

from typing import Any

import pytest
from helpers_servers import KEY, RawServer, echoes, hangs, resets, says, unused_port
from helpers_stories import refusal
from helpers_surface import (
    BY_NAME,
    DIRECT_WAYS,
    FOREIGN,
    JSON_WAYS,
    PACED_WAYS,
    PATH_WAYS,
    WAYS,
    MakeClient,
    Way,
    body_of,
    fields_of,
    only,
    path_of,
    query_of,
    quick,
    said_key,
)

from customgroqchat import (
    NOT_GIVEN,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityExceededError,
    ClientClosedException,
    ConflictError,
    GroqClient,
    InternalServerError,
    InvalidRequestException,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    Timeout,
    UnprocessableEntityError,
    omit,
)

BY_STATUS = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    498: CapacityExceededError,
    418: APIStatusError,
    500: InternalServerError,
    503: InternalServerError,
}
of_all = pytest.mark.parametrize("way", WAYS, ids=str)


def parsed(way: Way, client: GroqClient, form: str, **more: Any) -> Any:
    """What a method answers, in whatever form it is asked."""
    answer = way.call(client, form, **more)
    if form == "with_streaming_response":
        with answer as response:
            return response.parse()
    return answer.parse() if form else answer


# --- on the wire -------------------------------------------------------------------------------


@of_all
def test_a_method_asks_for_the_official_path(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply(x_request_id="req_1")) as server:
        answer = way.call(quick(make_client, server.url))
        heard = only(server)
    assert (heard.method, heard.target) == (way.method, f"/openai/v1{way.target}")
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert heard.headers["user-agent"].startswith("CustomGroqChat/")
    assert answer.headers["X-Request-ID"] == "req_1"
    assert answer.request_id == "req_1"
    assert answer.attempts == 1
    if way.is_binary:
        assert answer.read() == way.answer
    else:
        assert answer == way.answer


@of_all
def test_json_is_sent_as_json_forms_as_forms_and_nothing_as_nothing(
    make_client: MakeClient, way: Way
) -> None:
    with RawServer(way.reply()) as server:
        way.call(quick(make_client, server.url))
        heard = only(server)
    if "file" in way.arguments:
        rest = {name: text for name, text in way.arguments.items() if name != "file"}
        assert dict(fields_of(heard)) == rest
    elif way.method == "POST" and way.name != "batches.cancel":
        assert heard.headers["content-type"] == "application/json"
        assert body_of(heard) == way.arguments
    else:
        assert heard.body == b""
        assert "content-type" not in heard.headers


@of_all
def test_what_is_extra_goes_with_it_and_wins(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(
            make_client, server.url, default_headers={"X-Ours": "d"}, default_query={"q": "d"}
        )
        way.call(
            client,
            extra_headers={"x-ours": "call", "Accept": "x/y", "X-More": "1"},
            extra_query={"q": "call", "l": [1, 2]},
        )
        heard = only(server)
    assert path_of(heard) == way.target
    assert (heard.headers["x-ours"], heard.headers["x-more"]) == ("call", "1")
    assert heard.headers["accept"] == "x/y"
    assert query_of(heard) == [("q", "call"), ("l", "1,2")]


@of_all
def test_what_holds_for_the_client_goes_with_every_request(
    make_client: MakeClient, way: Way
) -> None:
    with RawServer(way.reply()) as server:
        client = quick(
            make_client,
            server.url,
            default_headers={"X-Ours": "d", "User-Agent": "mine"},
            default_query={"q": True},
        )
        way.call(client)
        heard = only(server)
    assert (heard.headers["x-ours"], heard.headers["user-agent"]) == ("d", "mine")
    assert query_of(heard) == [("q", "true")]


@of_all
def test_omit_takes_a_header_away(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url, default_headers={"X-Ours": "d"})
        way.call(client, extra_headers={"X-OURS": omit, "authorization": omit})
        heard = only(server)
    assert "x-ours" not in heard.headers
    assert "authorization" not in heard.headers


@pytest.mark.parametrize("way", [way for way in WAYS if way.method == "POST"], ids=str)
def test_extra_body_is_added_and_wins(make_client: MakeClient, way: Way) -> None:
    if way.name == "batches.cancel":
        return  # it has no body that something could be added to
    name = "purpose" if "purpose" in way.arguments else "model"
    name = "endpoint" if "endpoint" in way.arguments else name
    with RawServer(way.reply()) as server:
        way.call(quick(make_client, server.url), extra_body={name: "else", "more": "x"})
        heard = only(server)
    sent = dict(fields_of(heard)) if "file" in way.arguments else body_of(heard)
    assert (sent[name], sent["more"]) == ("else", "x")


@of_all
@pytest.mark.parametrize("nothing", [omit, FOREIGN[0]], ids=["ours", "foreign"])
def test_options_that_are_not_given_change_nothing(
    make_client: MakeClient, way: Way, nothing: Any
) -> None:
    options = ("extra_headers", "extra_query", "extra_body", "timeout", "max_retries")
    with RawServer(way.reply()) as server:
        way.call(quick(make_client, server.url), **dict.fromkeys(options, nothing))
        assert path_of(only(server)) == way.target


@pytest.mark.parametrize(("way", "name"), PATH_WAYS, ids=str)
@pytest.mark.parametrize("value", ["", "  ", None, 3, NOT_GIVEN])
@pytest.mark.parametrize("form", ["", "with_raw_response", "with_streaming_response"])
def test_a_path_has_no_empty_segment(
    make_client: MakeClient, way: Way, name: str, value: Any, form: str
) -> None:
    client = make_client(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(InvalidRequestException) as caught:
        parsed(way, client, form, **{name: value})
    assert caught.value.field == name
    assert f"Expected a non-empty value for `{name}`" in str(caught.value)


@pytest.mark.parametrize("way", [way for way in DIRECT_WAYS if way.method != "POST"], ids=str)
def test_a_misspelt_keyword_does_not_vanish(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server, pytest.raises((TypeError, InvalidRequestException)):
        way.call(quick(make_client, server.url), extra_header={"X-A": "1"})


# --- refusals and faults -----------------------------------------------------------------------


@of_all
def test_every_refusal_has_its_class(make_client: MakeClient, way: Way) -> None:
    script = [
        says(refusal("It is so", f"code_{status}"), status, x_request_id=f"req_{status}")
        for status in BY_STATUS
    ]
    with RawServer(*script) as server:
        client = quick(make_client, server.url, max_retries=0)
        for status, kind in BY_STATUS.items():
            with pytest.raises(APIStatusError) as caught:
                way.call(client)
            error = caught.value
            assert type(error) is kind
            assert (error.status_code, error.code) == (status, f"code_{status}")
            assert (error.request_id, error.attempts) == (f"req_{status}", 1)
            assert "It is so" in str(error)
            assert error.request is not None
            assert error.request.method == way.method
    assert len(server.heard) == len(BY_STATUS)


@of_all
def test_a_fault_is_tried_again_as_often_as_is_wanted(make_client: MakeClient, way: Way) -> None:
    repeatable = way.name != "batches.create"
    with RawServer(says({}, 503), says({}, 503), way.reply()) as server:
        client = quick(make_client, server.url, max_retries=1)
        with pytest.raises(InternalServerError) as caught:
            way.call(client)
        assert caught.value.attempts == 2
        assert way.call(client).attempts == 1
    with RawServer(resets, resets, resets, way.reply()) as server:
        client = quick(make_client, server.url, max_retries=0)
        if repeatable:
            answer = way.call(client, max_retries=3)
            assert (answer.attempts, answer.retries_taken) == (4, 3)
            assert [attempt.outcome for attempt in answer.history][-1] == "ok"
        else:
            with pytest.raises(APIConnectionError) as broken:
                way.call(client, max_retries=3)
            assert broken.value.attempts == 1


@of_all
def test_with_no_retries_the_first_refusal_for_quota_is_raised(
    make_client: MakeClient, way: Way
) -> None:
    refused = says(refusal("Slow down"), 429, retry_after="1")
    with RawServer(refused, way.reply()) as server:
        client = quick(make_client, server.url)
        with pytest.raises(RateLimitError) as caught:
            way.call(client, max_retries=0)
        assert (caught.value.attempts, caught.value.retry_after) == (1, 1.0)
        assert len(server.heard) == 1


@of_all
def test_who_cannot_be_reached_is_no_mystery(make_client: MakeClient, way: Way) -> None:
    client = quick(make_client, f"http://127.0.0.1:{unused_port()}", max_retries=0)
    with pytest.raises(APIConnectionError) as caught:
        way.call(client)
    assert not caught.value.may_have_arrived
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["chat.completions.create", "models.list", "files.content"])
@pytest.mark.parametrize(
    "timeout", [0.05, (None, 0.05), (5, 0.05), Timeout(5.0, read=0.05)], ids=str
)
def test_a_timeout_may_have_any_form(make_client: MakeClient, name: str, timeout: Any) -> None:
    with RawServer(hangs()) as server:
        client = quick(make_client, server.url, max_retries=0, timeout=30)
        with pytest.raises(APITimeoutError) as caught:
            BY_NAME[name].call(client, timeout=timeout)
    assert caught.value.may_have_arrived


@pytest.mark.parametrize("name", ["chat.completions.create", "models.list"])
def test_without_a_timeout_nobody_gives_up(make_client: MakeClient, name: str) -> None:
    way = BY_NAME[name]
    seen: list[Any] = []
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url, timeout=0.001)
        client._api._open_wire()
        wire = client._api._wire
        assert wire is not None
        send = wire.open

        def noted(*arguments: Any, **more: Any) -> Any:
            seen.append(arguments[4])
            return send(*arguments, **more)

        wire.open = noted  # type: ignore[method-assign]
        way.call(client, timeout=None)
    assert seen == [(None, None)]


@pytest.mark.parametrize("way", [BY_NAME["models.list"], BY_NAME["files.content"]], ids=str)
def test_a_deadline_ends_what_is_not_queued_too(make_client: MakeClient, way: Way) -> None:
    with RawServer(hangs()) as server:
        with pytest.raises(APITimeoutError) as caught:
            way.call(make_client(server.url), deadline=0.05)
        assert len(server.heard) == 1
    assert "deadline" in str(caught.value).lower()


@of_all
def test_a_closed_client_sends_nothing(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url)
        client.close()
        with pytest.raises(ClientClosedException):
            way.call(client)
        assert server.heard == []


@of_all
def test_without_a_key_nothing_is_sent(make_client: MakeClient, way: Way) -> None:
    with RawServer(way.reply()) as server:
        client = quick(make_client, server.url, api_key=None)
        with pytest.raises(AuthenticationError) as caught:
            way.call(client)
        assert "GROQ_API_KEY" in (caught.value.hint or "")
        assert server.heard == []


@pytest.mark.parametrize("way", DIRECT_WAYS, ids=str)
@pytest.mark.parametrize(
    "options", [{"deadline": -1}, {"timeout": "x"}, {"max_retries": -1}, {"extra_headers": 3}]
)
def test_wrong_options_are_refused_before_anything_is_sent(
    make_client: MakeClient, way: Way, options: dict[str, Any]
) -> None:
    with RawServer(way.reply()) as server:
        with pytest.raises(InvalidRequestException) as caught:
            way.call(quick(make_client, server.url), **options)
        assert caught.value.field == next(iter(options))
        assert server.heard == []


# --- answers that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("way", JSON_WAYS, ids=str)
def test_what_is_no_json_is_no_answer(make_client: MakeClient, way: Way) -> None:
    page = b"<html>Sign in</html>"
    with RawServer(says(page, content_type="text/html")) as server:
        client = quick(make_client, server.url, max_retries=0)
        with pytest.raises(APIResponseValidationError) as caught:
            way.call(client)
        assert "Sign in" in str(caught.value)
        assert caught.value.status_code == 200
        raw = way.call(client, "with_raw_response")
        assert raw.read() == page  # who wants it raw gets what came
        with pytest.raises(APIResponseValidationError):
            raw.parse()


@pytest.mark.parametrize("way", JSON_WAYS, ids=str)
@pytest.mark.parametrize("body", [b"[1, 2]", b"null"])
@pytest.mark.parametrize("form", ["", "with_raw_response", "with_streaming_response"])
def test_what_is_no_object_is_no_answer(
    make_client: MakeClient, way: Way, body: bytes, form: str
) -> None:
    with RawServer(says(body, content_type="application/json")) as server:
        client = quick(make_client, server.url, max_retries=0)
        with pytest.raises(APIResponseValidationError):
            parsed(way, client, form)


@of_all
@pytest.mark.parametrize("status", [200, 400, 500])
def test_no_error_tells_the_key(make_client: MakeClient, way: Way, status: int) -> None:
    with RawServer(echoes(status, in_headers=True)) as server:
        client = quick(make_client, server.url, max_retries=0)
        if way.is_binary and status == 200:
            assert not said_key(way.call(client).headers)
            return
        with pytest.raises(APIError) as caught:
            way.call(client)
    error = caught.value
    assert not said_key(error)
    assert not said_key(error.to_dict())
    assert not said_key(error.response)


@pytest.mark.parametrize("way", PACED_WAYS, ids=str)
def test_paced_methods_take_all_options_of_the_queue(make_client: MakeClient, way: Way) -> None:
    called: list[Any] = []
    with RawServer(way.reply()) as server:
        answer = way.call(
            quick(make_client, server.url),
            priority="low",
            max_wait=5,
            deadline=9.0,
            tag="t",
            callback=called.append,
            max_retries=1,
            fallbacks=None,
        )
        heard = only(server)
    assert called == [answer]
    assert b"priority" not in heard.body
    assert b"deadline" not in heard.body
