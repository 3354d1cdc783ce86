"""Chains of models: who is asked next, for what, and what is said of it."""

from __future__ import annotations

import gc
from concurrent.futures import CancelledError
from typing import Any

import pytest
from helpers_servers import RawServer, in_thread, says, until, user
from helpers_stories import refusal
from helpers_streams import Books
from helpers_surface import (
    CHAT,
    HEARD,
    MakeClient,
    Simulate,
    body_of,
    chat_stream,
    fields_of,
    quick,
    said_key,
    wav,
)

from customgroqchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    CapacityExceededError,
    GroqClient,
    InternalServerError,
    InvalidRequestException,
    NotFoundError,
    RateLimitError,
    RateLimitExceededException,
    RequestCancelledException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

DAILY = refusal(
    "Rate limit reached for model `a` in organization `org_1` service tier `on_demand` on "
    "tokens per day (TPD): Limit 1000, Used 990, Requested 50. Please try again in 57m36s."
)
GONE = refusal("The model `a` does not exist", "model_not_found", "invalid_request_error")
SHUT = refusal("The model `a` has been decommissioned", "model_decommissioned", "x")
BLOCKED = refusal("blocked", "model_permission_blocked_org", "permissions_error")

#: Why the next model is asked: what the first one answers, and how it is called.
REASONS: dict[str, tuple[Any, str, type[APIStatusError]]] = {
    "429 of the day": (says(DAILY, 429, retry_after="3456"), "daily_quota", RateLimitError),
    "498": (says({}, 498), "capacity", CapacityExceededError),
    "503": (says({}, 503), "capacity", InternalServerError),
    "529": (says({}, 529), "capacity", InternalServerError),
    "404": (says(GONE, 404), "not_found", NotFoundError),
    "400": (says(SHUT, 400), "retired", BadRequestError),
    "403": (says(BLOCKED, 403), "blocked", APIStatusError),
}
#: Why none is asked: it would be so for the next as well, or is worth a wait.
NO_REASONS = {
    "400": says(refusal("no", "json_validate_failed"), 400),
    "401": says(refusal("no"), 401),
    "403": says(refusal("no"), 403),
    "404": says(refusal("no", "unknown_url"), 404),
    "413": says(refusal("no"), 413),
    "500": says({}, 500),
}
ASKED = {"model": "a", "messages": user(), "fallbacks": ["b", "c"]}


def models(server: RawServer) -> list[str]:
    return [body_of(heard)["model"] for heard in server.heard]


def blocking(client: GroqClient, **more: Any) -> Any:
    return client.chat.completions.create(**{**ASKED, **more})


def short(client: GroqClient, **more: Any) -> Any:
    asked = {**ASKED, **more}
    return client.chat_completion(asked.pop("model"), asked.pop("messages"), **asked)


def submitted(client: GroqClient, **more: Any) -> Any:
    asked = {**ASKED, **more}
    return client.submit(asked.pop("model"), asked.pop("messages"), **asked).result(10)


def mapped(client: GroqClient, **more: Any) -> Any:
    return next(client.map([{**ASKED, **more}]))


def by_default(client: GroqClient, **more: Any) -> Any:
    own = client.copy(fallbacks=["b", "c"])
    return own.chat.completions.create(model="a", messages=user(), **more)


WAYS = [blocking, short, submitted, mapped, by_default]


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("why", REASONS)
def test_another_model_is_asked_and_the_answer_says_so(
    make_client: MakeClient, ask: Any, why: str
) -> None:
    behave, reason, kind = REASONS[why]
    good = says(CHAT, content_type="application/json", x_request_id="req_b")
    with RawServer(behave, good) as server:
        answer = ask(quick(make_client, server.url))
        assert models(server) == ["a", "b"]
    assert answer["choices"] == CHAT["choices"]
    (step,) = answer.fallbacks
    assert (step.model, step.reason) == ("a", reason)
    assert isinstance(step.error, kind)
    assert str(step).startswith("a ")
    assert step.to_dict()["model"] == "a"
    assert answer.request_id == "req_b"
    assert answer.attempts == 1
    assert "fallbacks" not in answer
    assert not said_key(answer.fallbacks)


@pytest.mark.parametrize("ask", WAYS[:3])
@pytest.mark.parametrize("why", NO_REASONS)
def test_no_other_model_is_asked_if_it_would_not_help(
    make_client: MakeClient, ask: Any, why: str
) -> None:
    with RawServer(NO_REASONS[why]) as server:
        with pytest.raises(APIStatusError) as caught:
            ask(quick(make_client, server.url, max_retries=0))
        assert set(models(server)) == {"a"}
    assert caught.value.fallbacks == ()


@pytest.mark.parametrize("ask", WAYS[:4])
def test_the_last_error_tells_of_all(make_client: MakeClient, ask: Any) -> None:
    with RawServer(says(GONE, 404), says({}, 498), says({}, 503)) as server:
        with pytest.raises(InternalServerError) as caught:
            ask(quick(make_client, server.url, max_retries=0))
        assert models(server) == ["a", "b", "c"]
    error = caught.value
    assert [(step.model, step.reason) for step in error.fallbacks] == [
        ("a", "not_found"),
        ("b", "capacity"),
    ]
    assert error.model == "c"


def test_the_last_of_a_chain_is_tried_again_as_any_other(make_client: MakeClient) -> None:
    with RawServer(says({}, 503), says({}, 503), says(CHAT)) as server:
        answer = blocking(quick(make_client, server.url), fallbacks=["b"])
        assert models(server) == ["a", "b", "b"]
    assert (answer.attempts, len(answer.fallbacks)) == (2, 1)


def test_each_model_is_asked_once(make_client: MakeClient) -> None:
    with RawServer(says({}, 503)) as server:
        with pytest.raises(InternalServerError):
            blocking(quick(make_client, server.url), fallbacks=["a", "b", "a", "b"], max_retries=0)
        assert models(server) == ["a", "b"]


def test_without_fallbacks_nothing_is_different(make_client: MakeClient) -> None:
    for nothing in (None, [], ()):
        with RawServer(says(CHAT)) as server:
            answer = blocking(quick(make_client, server.url), fallbacks=nothing)
        assert answer.fallbacks == ()


# --- in other forms ------------------------------------------------------------------------------


def test_a_stream_says_so_too(make_client: MakeClient) -> None:
    with RawServer(says({}, 503), chat_stream()) as server:
        client = quick(make_client, server.url)
        books = Books(client, "b")
        with blocking(client, stream=True) as stream:
            assert [step.model for step in stream.fallbacks] == ["a"]
            answer = stream.get_final_completion()
        assert answer.choices[0].message.content == "One two"
        assert [step.model for step in answer.fallbacks] == ["a"]
        assert models(server) == ["a", "b"]
        assert not books.open


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", ["with_raw_response", "with_streaming_response"])
def test_a_raw_answer_says_so_too(make_client: MakeClient, form: str, stream: bool) -> None:
    good = chat_stream() if stream else says(CHAT)
    with RawServer(says({}, 503), good) as server:
        client = quick(make_client, server.url)
        raw = getattr(client.chat.completions, form).create(**ASKED, stream=stream)
        raw = raw.__enter__() if form == "with_streaming_response" else raw
        assert [step.model for step in raw.fallbacks] == ["a"]
        parsed = raw.parse()
        assert [step.model for step in parsed.fallbacks] == ["a"]
        raw.close()


def test_audio_asks_the_next_model_in_its_form(make_client: MakeClient) -> None:
    limits = {"b": {"audio_seconds_per_hour": 7_200}}
    with RawServer(says({}, 503), says(HEARD)) as server:
        client = quick(make_client, server.url, limits)
        answer = client.audio.transcriptions.create(
            model="a", file=wav(10.0), language="en", fallbacks=["b"]
        )
        forms = [dict(fields_of(heard)) for heard in server.heard]
        assert forms == [{"model": "a", "language": "en"}, {"model": "b", "language": "en"}]
        assert [step.model for step in answer.fallbacks] == ["a"]
        assert client.check_model_limits("b")["limits"]["ASH"]["remaining"] == 7_190


def test_speech_says_so_too(make_client: MakeClient) -> None:
    with RawServer(says({}, 503), says(b"RIFF", content_type="audio/wav")) as server:
        said = quick(make_client, server.url).audio.speech.create(
            model="a", input="Hi", voice="troy", fallbacks=["b"]
        )
        assert [step.model for step in said.fallbacks] == ["a"]
        assert models(server) == ["a", "b"]
    assert said.read() == b"RIFF"


def test_a_request_by_hand_says_so_too(make_client: MakeClient) -> None:
    body = {"model": "a", "messages": user()}
    with RawServer(says({}, 503), says(CHAT, content_type="application/json")) as server:
        client = quick(make_client, server.url)
        answer = client.post("/openai/v1/chat/completions", body=body, fallbacks=["b"])
        assert models(server) == ["a", "b"]
    assert answer == CHAT
    assert [step.model for step in answer.fallbacks] == ["a"]


# --- what is known before anything is sent -------------------------------------------------------


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("max_wait", [0, 600])
def test_nobody_waits_for_a_limit_of_the_day(
    make_client: MakeClient, ask: Any, max_wait: float
) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url, {"a": {"req_per_day": 1}}, policy="greedy")
        client.chat_completion("a", user())
        answer = ask(client, max_wait=max_wait)
        assert models(server) == ["a", "b"]
    assert [(step.model, step.reason) for step in answer.fallbacks] == [("a", "daily_quota")]
    assert isinstance(answer.fallbacks[0].error, RateLimitExceededException)


def test_a_limit_of_a_minute_is_waited_for(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url, {"a": {"req_per_minute": 1}}, policy="greedy")
        client.chat_completion("a", user())
        with pytest.raises(RateLimitExceededException):
            blocking(client, max_wait=1)
        assert models(server) == ["a"]


def test_a_model_behind_an_open_breaker_is_not_asked(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"a": {}, "b": {}})
    client = make_client(simulator.url, clock=FakeClock(chance=0.0), max_retries=0)
    simulator.fail_next(503, model="a", times=50)
    for _ in range(30):
        with pytest.raises(InternalServerError):
            client.chat_completion("a", user(), deadline=5)
        opens = client._handler.sender._congestion.status((simulator.url, "a"))["opens_again_s"]
        if opens is not None:
            break
    else:
        pytest.fail("it never opened")
    before = simulator.count()
    answer = blocking(client, fallbacks=["b"])
    assert [step.reason for step in answer.fallbacks] == ["capacity"]
    assert [record.model for record in simulator.requests[before:]] == ["b"]


def test_a_real_refusal_of_the_simulator_moves_on(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    limited = {"limits": {"TPD": 200_000, "RPM": 30}}
    simulator = groq_simulator_factory(models={"a": limited, "b": {}, "c": {}})
    simulator.exhaust("a", "TPD")
    simulator.retire("b")
    client = make_client(simulator.url, share_limits=False)
    answer = blocking(client)
    assert [(step.model, step.reason) for step in answer.fallbacks] == [
        ("a", "daily_quota"),
        ("b", "retired"),
    ]
    assert simulator.requests[-1].model == "c"


# --- cancelling, deadlines, callbacks ------------------------------------------------------------


@pytest.mark.parametrize("how", ["future", "tag", "request_id", "client.cancel"])
def test_a_chain_can_be_cancelled_at_its_second_model(
    groq_simulator_factory: Simulate, make_client: MakeClient, how: str
) -> None:
    simulator = groq_simulator_factory(models={"a": {}, "b": {}})
    client = make_client(simulator.url, max_retries=0)
    simulator.fail_next(503, model="a")
    with simulator.hold() as gate:
        future = client.submit("a", user(), fallbacks=["b"], tag="t")
        assert gate.wait_until_held(1)
        assert future.running()
        assert not future.done()
        assert future.tag == "t"
        cancel = {
            "future": future.cancel,
            "tag": lambda: client.cancel(tag="t"),
            "request_id": lambda: client.cancel(future.request_id),
            "client.cancel": lambda: client.cancel(future),
        }[how]
        assert cancel()
        assert future.cancelled()
        assert future.done()
        with pytest.raises(CancelledError):  # as of any future
            future.result(10)
    until(lambda: not client.get_queue_status()["in_flight"])


def test_a_blocking_chain_can_be_cancelled_from_elsewhere(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"a": {}, "b": {}})
    client = make_client(simulator.url, max_retries=0)
    simulator.fail_next(503, model="a")
    called: list[Any] = []
    with simulator.hold() as gate:
        outcome = in_thread(blocking, client, fallbacks=["b"], tag="t", callback=called.append)
        assert gate.wait_until_held(1)
        client.cancel(tag="t")
        error = outcome.exception(10)
    assert isinstance(error, RequestCancelledException)
    assert called == [error]
    assert [step.model for step in error.fallbacks] == ["a"]


def test_a_deadline_is_for_the_whole_chain(make_client: MakeClient) -> None:
    clock = FakeClock(chance=0.0)

    def slow(connection: Any, request: Any) -> bool:
        clock.advance(4.0)
        return says({}, 503)(connection, request)

    seen: list[float | None] = []
    with RawServer(slow, slow, says(CHAT)) as server:
        client = quick(make_client, server.url, clock=clock, timeout=60)
        submit = client._handler.submit

        def noted(payload: Any, options: Any, *arguments: Any, **more: Any) -> Any:
            seen.append(options.deadline)
            return submit(payload, options, *arguments, **more)

        client._handler.submit = noted  # type: ignore[method-assign]
        with pytest.raises((APITimeoutError, RateLimitExceededException, InternalServerError)):
            blocking(client, deadline=7.0)
    assert seen[:2] == [7.0, pytest.approx(3.0)]
    assert all(left is not None and left > 0.0 for left in seen)


@pytest.mark.parametrize("ending", ["answer", "error"])
@pytest.mark.parametrize("ask", [blocking, short, submitted])
def test_a_callback_is_called_once(make_client: MakeClient, ask: Any, ending: str) -> None:
    called: list[Any] = []
    last = says(CHAT) if ending == "answer" else says(refusal("no"), 401)
    with RawServer(says({}, 503), last) as server:
        client = quick(make_client, server.url)
        try:
            outcome = ask(client, callback=called.append)
        except APIStatusError as error:
            outcome = error
    until(lambda: called)
    assert called == [outcome]
    assert [step.model for step in called[0].fallbacks] == ["a"]


@pytest.mark.parametrize("ask", [blocking, short, submitted])
def test_a_callback_is_treated_alike_with_a_chain_and_without(
    make_client: MakeClient, ask: Any
) -> None:
    counts = []
    with RawServer(says(CHAT)) as server:
        client = quick(make_client, server.url)
        for fallbacks in (None, ["b"]):
            called: list[Any] = []
            with pytest.raises(InvalidRequestException):
                ask(client, messages=[], fallbacks=fallbacks, callback=called.append)
            counts.append(len(called))
    assert counts[0] == counts[1]


def test_a_network_that_is_down_is_down_for_all(make_client: MakeClient) -> None:
    with RawServer(says(CHAT)) as server:
        url = server.url
    with pytest.raises(APIConnectionError) as caught:
        blocking(quick(make_client, url, max_retries=0))
    assert caught.value.fallbacks == ()


def test_steps_hold_on_to_nothing(client: GroqClient, simulator: SimulatedGroq) -> None:
    simulator.retire("m", "gone")
    answer = client.chat.completions.create(model="m", messages=user(), fallbacks=["other"])
    gc.collect()
    assert answer.fallbacks[0].error.__traceback__ is None
    assert answer.fallbacks[0].error.__cause__ is None


def test_a_wrong_chain_is_named(client: GroqClient) -> None:
    for wrong in ("b", [""], [3], {"b": 1}):
        with pytest.raises(InvalidRequestException) as caught:
            blocking(client, fallbacks=wrong)
        assert (caught.value.field or "").startswith("fallbacks")
