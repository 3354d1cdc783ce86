"""APIClient: what is sent again, when, how often; and how closing ends it."""

from __future__ import annotations

import contextlib

import pytest
from helpers_api import MODELS, MakeAPI, failure
from helpers_servers import (
    ImpatientClock,
    RawServer,
    hangs,
    in_thread,
    in_threads,
    says,
)

from customgroqchat import (
    APIRequest,
    ClientClosedException,
    InternalServerError,
    RetryPolicy,
)
from customgroqchat.testing import FakeClock, SimulatedGroq

# --- trying again ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "attempts"),
    [
        *((status, 3) for status in (408, 409, 429, 498, 500, 502, 503, 504, 520)),
        *((status, 1) for status in (301, 400, 401, 403, 404, 413, 418, 422)),
    ],
)
def test_only_what_may_pass_later_is_sent_again(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, status: int, attempts: int
) -> None:
    groq_simulator.fail_next(status, times=10)
    error = failure(make_api(groq_simulator.url, max_retries=2))
    assert error.attempts == attempts
    assert groq_simulator.count(status) == attempts


@pytest.mark.parametrize(
    ("status", "told", "attempts"),
    [(400, "true", 3), (404, "true", 3), (500, "false", 1), (429, "false", 1), (400, "maybe", 1)],
)
def test_the_service_has_the_last_word_on_trying_again(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, status: int, told: str, attempts: int
) -> None:
    groq_simulator.fail_next(status, headers={"x-should-retry": told}, times=10)
    assert failure(make_api(groq_simulator.url, max_retries=2)).attempts == attempts


def test_a_429_that_can_never_pass_is_not_sent_again(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    words = "Rate limit reached on output tokens per minute (OTPM): Limit 1000, Requested 2000."
    groq_simulator.fail_next(429, {"error": {"message": words}}, {"retry-after": "1"}, times=10)
    error = failure(make_api(groq_simulator.url))
    assert (error.attempts, error.retry_after) == (1, None)


def test_a_passing_fault_is_not_noticed(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    groq_simulator.fail_next(503)
    groq_simulator.drop_next()
    response = make_api(groq_simulator.url).request("GET", MODELS)
    assert response.status_code == 200
    assert [record.status for record in groq_simulator.requests] == [503, 0, 200]


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_backoff_doubles_with_full_jitter_up_to_a_cap(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, chance: float
) -> None:
    groq_simulator.fail_next(500, times=20)
    clock = ImpatientClock(chance)
    failure(make_api(groq_simulator.url, max_retries=7, clock=clock))
    expected = [chance * longest for longest in (0.5, 1, 2, 4, 8, 8, 8)] if chance else []
    assert clock.waits == pytest.approx(expected)
    assert groq_simulator.count(500) == 8


DATE = {"date": "Sun, 22 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7.66"}, 7.66),
        ({"retry-after": "1m26.4s"}, 86.4),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({**DATE, "retry-after": "Sun, 22 Nov 2026 12:00:31 GMT"}, 31.0),
        ({**DATE, "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_and_never_undercut(
    groq_simulator: SimulatedGroq,
    make_api: MakeAPI,
    status: int,
    headers: dict[str, str],
    wait_s: float,
) -> None:
    clock = ImpatientClock(chance=0.5)
    groq_simulator.fail_next(status, headers=headers)
    assert make_api(groq_simulator.url, clock=clock).request("GET", MODELS).status_code == 200
    (waited_s,) = clock.waits
    assert wait_s < waited_s < wait_s + 0.5  # with a little jitter, so that not all come at once


def test_a_date_is_compared_with_our_own_clock_if_the_answer_has_none(make_api: MakeAPI) -> None:
    clock = ImpatientClock()
    then = "Mon, 12 Jan 1970 13:47:10 GMT"  # 1 000 030 s; the clock starts at 1 000 000
    with RawServer(says({}, 503, retry_after=then), says({})) as server:
        make_api(server.url, clock=clock).request("GET", MODELS)
    assert 30.0 <= clock.waits[0] < 30.5


@pytest.mark.parametrize("value", ["-1", "soon", "", "inf", "nan"])
def test_an_absurd_retry_after_is_as_none(
    groq_simulator: SimulatedGroq, make_api: MakeAPI, value: str
) -> None:
    clock = ImpatientClock(chance=0.5)
    groq_simulator.fail_next(503, headers={"retry-after": value})
    make_api(groq_simulator.url, clock=clock).request("GET", MODELS)
    assert clock.waits == pytest.approx([0.25])


def test_a_longer_wait_than_is_sensible_is_told_and_not_waited(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    clock = ImpatientClock()
    groq_simulator.fail_next(503, headers={"retry-after": "121"})
    error = failure(make_api(groq_simulator.url, clock=clock))
    assert (error.retry_after, error.attempts, clock.waits) == (121.0, 1, [])


def test_a_policy_of_ones_own(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    clock = ImpatientClock(chance=0.5)
    groq_simulator.fail_next(503, times=9)
    policy = RetryPolicy(max_retries=3, base_s=0.1, cap_s=0.2)
    assert failure(make_api(groq_simulator.url, retry_policy=policy, clock=clock)).attempts == 4
    assert clock.waits == pytest.approx([0.05, 0.1, 0.1])


def test_the_wait_for_another_try_takes_the_time_of_the_clock(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    clock = FakeClock(chance=0.0)
    groq_simulator.fail_next(503, headers={"retry-after": "30"})
    outcome = in_thread(make_api(groq_simulator.url, clock=clock).request, "GET", MODELS)
    clock.wait_for_waiters(1)
    clock.advance(29.9)
    clock.wait_for_waiters(1)
    assert groq_simulator.count() == 1
    clock.advance(0.2)
    assert outcome.result(10).status_code == 200


def test_an_outage_is_not_multiplied(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    groq_simulator.fail_next(503, times=1000)
    api = make_api(groq_simulator.url, max_retries=5, pool_size=100)
    errors = in_threads(100, lambda _: failure(api))
    assert all(isinstance(error, InternalServerError) for error in errors)
    assert groq_simulator.count(503) == 100 + 50  # the retry budget of a whole client
    assert sum(error.attempts for error in errors) == 150


def test_successes_earn_retries_again(groq_simulator: SimulatedGroq, make_api: MakeAPI) -> None:
    api = make_api(groq_simulator.url, max_retries=100)
    groq_simulator.fail_next(503, times=51)
    assert failure(api).attempts == 51
    groq_simulator.fail_next(503)
    assert failure(api).attempts == 1
    for _ in range(10):
        api.request("GET", MODELS)
    groq_simulator.fail_next(503, times=2)
    assert failure(api).attempts == 2


# --- what must not be done twice -------------------------------------------------------------

ONCE = APIRequest("POST", MODELS, b"{}", is_repeatable=False)


@pytest.mark.parametrize(("status", "sent"), [(500, 1), (502, 1), (503, 2), (429, 2)])
def test_what_must_not_be_done_twice_is_sent_again_only_if_it_was_refused(
    make_api: MakeAPI, status: int, sent: int
) -> None:
    with RawServer(says({}, status), says({"n": 1})) as server:
        with contextlib.suppress(InternalServerError):
            make_api(server.url).send(ONCE)
        assert len(server.heard) == sent


# --- the end ---------------------------------------------------------------------------------


def test_a_closed_client_refuses_and_may_be_closed_again(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    api = make_api(groq_simulator.url)
    api.request("GET", MODELS)
    api.close()
    api.close()
    assert groq_simulator.wait_for_connections(0)
    with pytest.raises(ClientClosedException):
        api.request("GET", MODELS)
    assert groq_simulator.count() == 1


def test_a_client_that_was_never_used_can_be_closed(make_api: MakeAPI) -> None:
    api = make_api("http://127.0.0.1:9")
    api.close()
    with pytest.raises(ClientClosedException):
        api.request("GET", MODELS)


def test_closing_ends_the_wait_for_another_try(
    groq_simulator: SimulatedGroq, make_api: MakeAPI
) -> None:
    clock = FakeClock()
    groq_simulator.fail_next(503, headers={"retry-after": "60"})
    api = make_api(groq_simulator.url, clock=clock)
    outcome = in_thread(api.request, "GET", MODELS)
    clock.wait_for_waiters(1)
    api.close()
    with pytest.raises(ClientClosedException):
        outcome.result(10)
    assert groq_simulator.count() == 1


def test_at_the_interpreters_end_what_is_on_its_way_ends_and_later_hooks_can_send(
    make_api: MakeAPI,
) -> None:
    with RawServer(hangs(), says({"n": 1})) as server:
        api = make_api(server.url, timeout=60.0)
        outcome = in_thread(api.request, "GET", MODELS)
        server.wait_for(1)
        api.at_exit()
        with pytest.raises(ClientClosedException):
            outcome.result(10)
        assert api.request("GET", MODELS).data == {"n": 1}


def test_at_the_interpreters_end_a_closed_client_stays_closed(make_api: MakeAPI) -> None:
    api = make_api("http://127.0.0.1:9")
    api.close()
    api.at_exit()
    with pytest.raises(ClientClosedException):
        api.request("GET", MODELS)
