"""Failure stories about calls: secrets, callbacks, races of cancelling, other environments."""

from __future__ import annotations

import functools
import json
import logging
import os
import pickle
import random
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from helpers_servers import (
    KEY,
    Behaviour,
    RawServer,
    closes,
    echoes,
    hangs,
    in_thread,
    in_threads,
    says,
    until,
    user,
)
from helpers_stories import (
    MakeClient,
    Simulate,
    Stopwatch,
    _no_hanging,  # noqa: F401 - a fixture of all tests
    at_rest,
    completion,
    ending,
    frames,
    output,
    remaining,
    streams,
)

from customgroqchat import (
    APITimeoutError,
    ConfigLoaderException,
    GroqClient,
    GroqError,
    RateLimitExceededException,
    RequestCancelledException,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

# --- 29: the key -----------------------------------------------------------------------------

FAULTS: dict[str, Behaviour] = {
    "echoed": echoes(401, as_json=True),
    "echoed as HTML": echoes(200),
    "echoed in headers": echoes(307, in_headers=True),
    "refused": says({"error": {"message": "Invalid API Key"}}, 401),
    "failed": says(b"", 500),
    "no answer": closes,
    "silence": hangs(),
}


@pytest.mark.parametrize("behaviour", FAULTS.values(), ids=FAULTS)
def test_story_29_the_key_is_in_no_log_error_pickle_or_event(
    make_client: MakeClient,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[Any] = []
    settings = {"timeout": (5.0, 0.05), "log_prompts": True, "on_event": events.append}
    with RawServer(behaviour) as server:
        client = make_client(server.url, max_retries=1, **settings)
        with pytest.raises(GroqError) as caught:
            client.chat_completion("m", user())
        assert server.heard[0].headers["authorization"] == f"Bearer {KEY}"
        client.close()
    error = caught.value
    logging.getLogger("application").error("%r", client, exc_info=error)
    assert "application" in caplog.text
    assert events
    seen = [caplog.text, *capfd.readouterr(), json.dumps(error.to_dict()), repr(error.args)]
    seen += ["".join(traceback.format_exception(error)), repr(events)]
    assert not [text for text in seen if KEY in text]
    assert KEY.encode() not in pickle.dumps(error)


def own_variables(error: BaseException) -> Iterator[tuple[str, str, object]]:
    """What an error reporter shows of this package's frames: function, name, and value."""
    link: BaseException | None = error
    while link is not None:
        for place, _ in traceback.walk_tb(link.__traceback__):
            if f"{os.sep}customgroqchat{os.sep}" in place.f_code.co_filename:
                for name, value in place.f_locals.items():
                    yield place.f_code.co_name, name, value
        link = link.__cause__ or link.__context__


@pytest.mark.parametrize("behaviour", FAULTS.values(), ids=FAULTS)
def test_story_29_nor_in_the_variables_that_error_reporters_send_away(
    make_client: MakeClient, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        client = make_client(server.url, max_retries=0, timeout=(5.0, 0.05))
        with pytest.raises(GroqError) as caught:
            client.chat_completion("m", user())
    seen = list(own_variables(caught.value))
    assert seen
    assert not [(where, name) for where, name, value in seen if KEY in repr(value)]


def test_story_29_nor_in_what_can_be_printed(client: GroqClient) -> None:
    future = client.submit("m", user())
    answer = future.result(10)
    seen = [repr(client), repr(client.config), str(client.config.explain()), repr(future)]
    seen += [repr(vars(future)), repr(answer), json.dumps(client.get_queue_status())]
    seen += [repr(client.stats()), repr(vars(answer))]
    assert not [text for text in seen if KEY in text]


@pytest.mark.parametrize("key", [KEY + "\n", f"{KEY}\r\nX-Evil: 1", f'"{KEY}"', KEY + "\u200b"])
def test_story_29_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigLoaderException) as caught:
        GroqClient({}, api_key=key, base_url="http://127.0.0.1:9")
    error = caught.value
    assert "api_key" in str(error)
    assert KEY not in f"{error} {error!r} {error.to_dict()}"


@pytest.mark.parametrize("log_prompts", [True, False])
def test_story_29_prompts_are_logged_for_those_only_who_ask_for_it(
    simulator: SimulatedGroq,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    log_prompts: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "customgroqchat")
    client = make_client(simulator.url, log_prompts=log_prompts)
    client.chat_completion("m", user("my deepest secret"))
    assert ("my deepest secret" in caplog.text) is log_prompts


# --- 34: callbacks and hooks -----------------------------------------------------------------


class Hook:
    """Notes the kinds of events; blocks or raises if it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.kinds: list[str] = []
        self.error = error
        self.entered, self.leave = threading.Event(), threading.Event()

    def __call__(self, event: Any) -> None:
        self.kinds.append(event.kind)
        self.entered.set()
        if self.error:
            raise self.error
        self.leave.wait(20)


def test_story_34_a_callback_that_blocks_holds_up_nobody(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    entered, leave = threading.Event(), threading.Event()

    def block(outcome: Any) -> None:
        entered.set()
        leave.wait(20)

    watch = Stopwatch()
    assert client.submit("m", user(), callback=block).result(10).choices
    assert entered.wait(10)
    for _ in range(5):
        assert client.chat_completion("m", user()).choices
        assert client.submit("m", user()).result(10).choices
    client.close()
    assert watch.seconds < 5.0
    leave.set()


def test_story_34_a_callback_that_raises_is_logged_and_forgotten(
    client: GroqClient, caplog: pytest.LogCaptureFixture
) -> None:
    called = threading.Event()

    def fail(outcome: Any) -> None:
        called.set()
        raise RuntimeError("broken callback")

    assert client.submit("m", user(), callback=fail).result(10).choices
    assert called.wait(10)
    assert client.chat_completion("m", user(), callback=fail).choices
    client.close()
    assert "broken callback" in caplog.text


def test_story_34_a_hook_that_blocks_holds_up_nobody(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    hook = Hook()
    client = make_client(simulator.url, max_workers=1, on_event=hook)
    watch = Stopwatch()
    for _ in range(10):
        assert client.chat_completion("m", user()).choices
    assert hook.entered.wait(10)
    assert hook.kinds == ["queued"]  # it has not come back from the first
    client.close(0.0)
    assert watch.seconds < 5.0
    hook.leave.set()


def test_story_34_a_hook_that_raises_gets_all_events_in_order_nevertheless(
    simulator: SimulatedGroq, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Hook(RuntimeError("broken hook"))
    client = make_client(simulator.url, on_event=hook)
    simulator.fail_next(500)
    assert client.chat_completion("m", user()).choices
    client.close()
    expected = ["queued", "admitted", "sent", "retried", "admitted", "sent", "settled"]
    assert hook.kinds == expected
    assert "broken hook" in caplog.text


# --- 39: races of cancelling -----------------------------------------------------------------

THOUSAND = {"m": {"req_per_minute": 1_000}}


def cancelled(future: Future[Any]) -> bool:
    """Whether a future ended by cancellation; it has to have ended soon."""
    try:
        future.result(10)
    except CancelledError:
        return True
    return False


def test_story_39_what_is_in_flight_is_cancelled_at_once(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, THOUSAND, clock=FakeClock(), policy="greedy")
    outcomes: list[Any] = []
    with simulator.hold() as gate:
        future = client.submit("m", user(), callback=outcomes.append)
        assert gate.wait_until_held(1)
        watch = Stopwatch()
        assert client.cancel(future) == 1
        assert cancelled(future)
        assert watch.seconds < 1.0
        until(lambda: at_rest(client))
        assert client.cancel(future) == 0
        future.cancel()  # saying it again does no harm
    assert simulator.wait_for_connections(0)
    until(lambda: outcomes)
    assert [type(outcome) for outcome in outcomes] == [RequestCancelledException]
    assert remaining(client, "RPM") == 999  # the service may have done the work
    assert client.chat_completion("m", user()).choices


@pytest.mark.parametrize("by", ["future", "number", "tag"])
def test_story_39_a_blocking_call_in_flight_says_that_it_was_cancelled(
    simulator: SimulatedGroq, make_client: MakeClient, by: str
) -> None:
    client = make_client(simulator.url, policy="greedy")
    with simulator.hold() as gate:
        if by == "tag":
            outcome = in_thread(client.chat_completion, "m", user(), tag="mine")
        else:
            submitted = client.submit("m", user())
            outcome = in_thread(submitted.result)
        assert gate.wait_until_held(1)
        if by == "future":
            assert submitted.cancel()
        else:
            number = None if by == "tag" else submitted.request_id
            assert client.cancel(number, tag="mine" if by == "tag" else None) == 1
        error = outcome.exception(10)
    assert isinstance(error, RequestCancelledException if by == "tag" else CancelledError)


def test_story_39_what_was_never_sent_gives_everything_back(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, THOUSAND, clock=FakeClock(), max_workers=1)
    with simulator.hold() as gate:
        running = client.submit("m", user())
        assert gate.wait_until_held(1)
        waiting = [client.submit("m", user(), tag="batch") for _ in range(50)]
        assert client.cancel(tag="batch") == 50
        assert all(future.cancelled() for future in waiting)
    assert running.result(10).choices
    assert (remaining(client, "RPM"), simulator.count()) == (999, 1)


def test_story_39_what_waits_for_its_retry_can_be_cancelled(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, clock=clock)
    simulator.fail_next(503, headers={"retry-after": "30"})
    future = client.submit("m", user())
    until(lambda: simulator.count(503) and at_rest(client))
    assert client.cancel(future) == 1
    assert cancelled(future)
    clock.advance(60.0)
    assert client.chat_completion("m", user()).choices
    assert simulator.count() == 2


@pytest.mark.stress
def test_story_39_each_request_has_one_outcome_whenever_it_is_cancelled(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    events: list[Any] = []
    client = make_client(
        simulator.url, THOUSAND, clock=FakeClock(), policy="greedy", on_event=events.append
    )
    outcomes: Counter[int] = Counter()
    number, chance = 300, random.Random(39)

    def race(begin: int, turn: int) -> str:
        index = begin + turn

        def note(outcome: Any) -> None:
            outcomes[index] += 1

        future = client.submit("m", user(str(index)), callback=note)
        for _ in range(chance.randrange(2_000)):
            pass  # some are queued by now, some on their way, some answered
        future.cancel()
        return "cancelled" if cancelled(future) else "answered"

    ends: list[str] = []
    for begin in range(0, number, 20):
        ends += in_threads(20, functools.partial(race, begin))
    until(lambda: at_rest(client) and sum(outcomes.values()) >= number)
    assert outcomes == Counter(range(number))
    used = 1_000 - remaining(client, "RPM")
    assert ends.count("answered") <= simulator.count(200) <= used <= number
    client.close()
    kinds = Counter((event.request_id, event.kind) for event in events)
    for request_id in {event.request_id for event in events}:
        assert kinds[request_id, "queued"] == 1
        assert kinds[request_id, "settled"] + kinds[request_id, "failed"] == 1


def test_story_39_a_deadline_that_passes_as_the_answer_comes_has_one_outcome(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(models={"m": {}}, latency_s=(0.08, 0.12))
    client = make_client(simulator.url, policy="greedy", max_workers=32, max_retries=0)

    def ask(index: int) -> str:
        try:
            client.chat_completion("m", user(str(index)), deadline=0.1)
        except (APITimeoutError, RateLimitExceededException) as error:
            return type(error).__name__
        return "answered"

    ends = Counter(end for _ in range(3) for end in in_threads(32, ask))
    assert sum(ends.values()) == 96
    assert set(ends) <= {"answered", "APITimeoutError", "RateLimitExceededException"}
    until(lambda: at_rest(client))
    assert client.get_queue_status()["queued"] == 0
    assert client.chat_completion("m", user()).choices


# --- 42: other versions of the dependencies --------------------------------------------------

#: Interpreters in environments with other versions of the dependencies, as PATH separates them.
INTERPRETERS = [path for path in os.environ.get("STORIES_PYTHONS", "").split(os.pathsep) if path]


@pytest.mark.parametrize("python", INTERPRETERS)
def test_story_42_it_works_with_the_dependencies_of_another_environment(python: str) -> None:
    script = """
        import requests, urllib3
        with GroqClient({}, base_url=url, max_retries=1) as client:
            say(client.chat_completion("m", hello("one")).choices[0].message.content)
            say([answer.attempts for answer in client.map([{"messages": hello()}], model="m")])
            say(client.count_tokens("Hello", "openai/gpt-oss-20b") > 0)
            stream = client.chat_completion("m", hello(), stream=True)
            say([part.choices[0].delta.content for part in stream])
            try:
                client.chat_completion("m", hello(), deadline=0.2)
            except APITimeoutError as error:
                say(error.attempts)
            future = client.submit("m", hello())
            while not client.get_queue_status()["in_flight"]:
                time.sleep(0.001)
            say(client.cancel(future))
    """
    good = says(completion())
    parts = streams(frames("One ", "two"), ending())
    with RawServer(good, good, parts, hangs()) as server:
        printed = output(script, server.url, python=python)
    assert printed == "Hello!\n[1]\nTrue\n['One ', 'two', None]\n1\n1\n"
