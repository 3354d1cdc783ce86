"""Deadlines of calls: kept whatever the service does, and told with where the time went."""

from __future__ import annotations

import threading

import pytest
from helpers_servers import (
    Behaviour,
    RawServer,
    closes,
    hangs,
    response,
    says,
    sends_and_hangs,
    user,
)
from helpers_stories import MakeClient, Stopwatch, completion, drips, whole

from customgroqchat import (
    APIConnectionError,
    APITimeoutError,
    GroqClient,
    InternalServerError,
    RateLimitExceededException,
)
from customgroqchat.testing import FakeClock

DEADLINE_S = 0.15
#: How much later than its deadline a call may end on a machine that has other things to do.
LATE_S = 0.3


def missed(client: GroqClient, deadline: float = DEADLINE_S) -> APITimeoutError:
    """See a call miss its deadline, and say so at once."""
    watch = Stopwatch()
    with pytest.raises(APITimeoutError) as caught:
        client.chat_completion("m", user(), deadline=deadline)
    assert deadline - 0.01 <= watch.seconds < deadline + LATE_S
    error = caught.value
    assert f"{deadline:g} s" in error.message
    assert error.spent is not None
    assert sum(error.spent.values()) == pytest.approx(deadline, abs=LATE_S)
    assert error.hint is not None
    return error


#: What the service does, and the phase in which the time goes.
SLOW: dict[str, tuple[Behaviour, str, str]] = {
    "no answer": (hangs(), "waiting", "waiting for the answer"),
    "drips in its headers": (drips(whole(), 0.02), "waiting", "waiting for the answer"),
    "drips in its body": (drips(whole(), 0.02, 150), "reading", "reading the answer"),
    "stops in its body": (
        sends_and_hangs(response(b"{", content_length="9"), threading.Event()),
        "reading",
        "reading the answer",
    ),
}


@pytest.mark.parametrize(("behaviour", "phase", "words"), SLOW.values(), ids=SLOW)
def test_however_slow_the_service_is(
    make_client: MakeClient, behaviour: Behaviour, phase: str, words: str
) -> None:
    with RawServer(behaviour) as server:
        error = missed(make_client(server.url, timeout=60.0))
        assert words in error.message
        assert error.spent is not None
        assert max(error.spent, key=lambda name: error.spent[name]) == phase  # type: ignore[index]
        assert error.may_have_arrived
        assert (error.attempts, error.model) == (1, "m")
        assert [attempt.phase for attempt in error.history] == [phase]
        server.wait_for_ends(1)


def test_or_does_not_accept(make_client: MakeClient, crowded: int) -> None:
    error = missed(make_client(f"http://127.0.0.1:{crowded}", timeout=60.0))
    assert "connecting" in error.message
    assert not error.may_have_arrived


def test_the_retries_are_within_it(make_client: MakeClient) -> None:
    with RawServer(says(b"", 500), hangs()) as server:
        client = make_client(server.url, timeout=60.0)
        client._clock.random = lambda: 0.0  # type: ignore[method-assign]
        error = missed(client)
        assert [attempt.outcome for attempt in error.history] == [
            "InternalServerError",
            "APITimeoutError",
        ]
        assert error.attempts == 2


def test_a_fault_whose_next_try_would_come_too_late_is_raised(make_client: MakeClient) -> None:
    with RawServer(says(b"", 503, retry_after="5")) as server:
        watch = Stopwatch()
        with pytest.raises(InternalServerError):
            make_client(server.url).chat_completion("m", user(), deadline=1.0)
        assert watch.seconds < 0.9
        assert len(server.heard) == 1


def test_a_timeout_that_is_shorter_comes_first_and_may_be_retried(make_client: MakeClient) -> None:
    with RawServer(hangs(), says(completion())) as server:
        client = make_client(server.url, timeout=0.05)
        assert client.chat_completion("m", user(), deadline=10.0).attempts == 2


def test_a_broken_connection_is_not_called_a_deadline(make_client: MakeClient) -> None:
    with RawServer(closes) as server, pytest.raises(APIConnectionError) as caught:
        make_client(server.url, max_retries=0).chat_completion("m", user(), deadline=10.0)
    assert not isinstance(caught.value, APITimeoutError)


def test_what_was_never_sent_was_held_up_by_a_limit(make_client: MakeClient) -> None:
    with RawServer(says(completion())) as server:
        limits = {"m": {"req_per_minute": 1}}
        client = make_client(server.url, limits, policy="greedy", clock=FakeClock())
        client.chat_completion("m", user())
        with pytest.raises(RateLimitExceededException) as caught:
            client.chat_completion("m", user(), deadline=5.0)
        assert caught.value.dimension == "RPM"
        assert "deadline" in str(caught.value)
        assert (caught.value.attempts, len(server.heard)) == (0, 1)


def test_what_ends_in_time_is_an_answer_and_leaves_no_alarm(make_client: MakeClient) -> None:
    with RawServer(says(completion())) as server:
        client = make_client(server.url)
        for _ in range(5):
            assert client.chat_completion("m", user(), deadline=600.0).choices
        assert not any(entry[2].function for entry in client._api._watchdog._alarms)
        assert server.connections == 1


def test_many_calls_at_once_miss_it_all_together(make_client: MakeClient) -> None:
    with RawServer(hangs()) as server:
        client = make_client(server.url, max_workers=16, timeout=60.0)
        watch = Stopwatch()
        futures = [client.submit("m", user(), deadline=DEADLINE_S) for _ in range(16)]
        errors = [future.exception(10) for future in futures]
        assert watch.seconds < DEADLINE_S + 2 * LATE_S
        assert {type(error) for error in errors} == {APITimeoutError}
