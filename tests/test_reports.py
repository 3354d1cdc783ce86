"""Reporter: the events and the lines of the log that a request leaves behind."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from helpers_handler import MODEL, PAYLOAD, Bench

from customgroqchat import (
    RateLimitError,
    RateLimitExceededException,
    RequestCancelledException,
    RequestOptions,
)
from customgroqchat._observer import Observer
from customgroqchat._records import Attempt
from customgroqchat._reports import Reporter
from customgroqchat._work import Work
from customgroqchat.events import Event
from customgroqchat.exceptions import InternalServerError
from customgroqchat.rate_limit_handler import Usage
from customgroqchat.testing import FakeClock

LOGGER = "customgroqchat._reports"
ANSWER = {"choices": [{"finish_reason": "length", "message": {"content": "The answer"}}]}


class Told(Observer):
    """Keeps what it is told, and captures something."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(None, clock)
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def capture(self) -> object:
        return "the caller's"


class Desk:
    """A reporter, a request for it to report on, and what it said."""

    def __init__(self, **settings: Any) -> None:
        self.bench = Bench()
        self.clock = self.bench.clock
        self.told = Told(self.clock)
        self.reporter = Reporter(self.told, self.clock, **settings)
        self.work = self.bench.prepare()
        self.work.bind(RequestOptions(priority="low", tag="night"))
        self.work.request_id = 7

    @property
    def last(self) -> Event:
        return self.told.events[-1]

    def send(self, outcome: str = "ok", took_s: float = 1.5, status: int | None = 200) -> None:
        """An attempt that has just ended."""
        self.work.attempts += 1
        self.work.line.start()
        self.reporter.sent(self.work)
        self.clock.advance(took_s)
        self.work.tried(Attempt(0.0, took_s, outcome, status, "req_1"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def work(desk: Desk) -> Work:
    return desk.work


# --- events ----------------------------------------------------------------------------------


def test_all_events_say_whose_they_are(desk: Desk, work: Work) -> None:
    desk.reporter.queued(work, PAYLOAD)
    desk.clock.advance(2.0)
    work.reserved_tokens = 123
    desk.reporter.admitted(work)
    desk.send()
    desk.reporter.settled(work, Usage(50, 20, 10), ANSWER)
    assert [event.kind for event in desk.told.events] == ["queued", "admitted", "sent", "settled"]
    for event in desk.told.events:
        assert (event.request_id, event.model) == (7, MODEL)
        assert (event.tag, event.priority, event.is_stream) == ("night", "low", False)
        assert event.context == "the caller's"
    assert [event.at for event in desk.told.events] == [1000.0, 1002.0, 1002.0, 1003.5]
    assert [event.attempt for event in desk.told.events] == [0, 0, 1, 1]
    assert [event.waited_s for event in desk.told.events] == [0.0, 2.0, 2.0, 2.0]
    assert [event.reserved_tokens for event in desk.told.events] == [None, 123, 123, 123]


def test_what_was_settled_has_its_usage_and_the_end_of_its_attempt(desk: Desk, work: Work) -> None:
    desk.send()
    desk.reporter.settled(work, Usage(50, 20, 10), ANSWER)
    event = desk.last
    assert (event.prompt_tokens, event.completion_tokens, event.cached_tokens) == (50, 20, 10)
    assert (event.took_s, event.status_code, event.service_request_id) == (1.5, 200, "req_1")
    assert event.finish_reason == "length"


def test_without_usage_the_prompt_is_as_counted_here(desk: Desk, work: Work) -> None:
    desk.send()
    desk.reporter.settled(work, None, {"choices": []})
    event = desk.last
    assert event.prompt_tokens == work.demand.prompt_tokens
    assert (event.completion_tokens, event.finish_reason) == (None, None)


def test_an_attempt_that_is_repeated(desk: Desk, work: Work) -> None:
    desk.send("InternalServerError", status=503)
    desk.reporter.retried(work, InternalServerError("no", status_code=503), 0.25)
    event = desk.last
    assert (event.kind, event.delay_s, event.error) == ("retried", 0.25, "InternalServerError")
    assert (event.took_s, event.status_code) == (1.5, 503)


def test_a_refusal_names_the_limit_and_the_wait(desk: Desk, work: Work) -> None:
    desk.send("RateLimitError", status=429)
    desk.reporter.limited(work, RateLimitError("no", dimension="TPM", retry_after=9.5))
    event = desk.last
    assert (event.kind, event.dimension, event.delay_s) == ("limited", "TPM", 9.5)


def test_a_failure_for_lack_of_quota_names_the_limit(desk: Desk, work: Work) -> None:
    desk.reporter.failed(work, RateLimitExceededException("no", dimension="RPM", retry_after=5.0))
    assert (desk.last.kind, desk.last.dimension) == ("failed", "RPM")
    assert desk.last.took_s is None  # nothing had been sent


def test_after_the_end_only_the_end_is_told(desk: Desk, work: Work) -> None:
    """Who cancels comes in the same instant as the one who sends."""
    work.attempts = 1
    assert work.ends()
    desk.reporter.failed(work, RequestCancelledException("cancelled"))
    desk.reporter.sent(work)
    desk.reporter.retried(work, InternalServerError("no"), 1.0)
    assert [event.kind for event in desk.told.events] == ["failed"]


def test_the_end_of_an_attempt_is_told_once(desk: Desk, work: Work) -> None:
    desk.send("InternalServerError", status=503)
    desk.reporter.retried(work, InternalServerError("no"), 1.0)
    desk.reporter.failed(work, InternalServerError("no"))
    assert [event.took_s for event in desk.told.events] == [None, 1.5, None]


def test_who_cancels_may_come_before_its_history_is_written(desk: Desk, work: Work) -> None:
    work.attempts += 1
    work.line.start()
    desk.reporter.sent(work)
    desk.clock.advance(0.5)
    desk.reporter.failed(work, InternalServerError("no"))
    assert (desk.last.took_s, desk.last.status_code, desk.last.service_request_id) == (
        0.5,
        None,
        None,
    )


# --- the log ---------------------------------------------------------------------------------


def whole_story(desk: Desk) -> list[str]:
    desk.reporter.queued(desk.work, PAYLOAD)
    desk.send()
    desk.reporter.settled(desk.work, Usage(50, 20), ANSWER)
    return [event.kind for event in desk.told.events]


def test_each_event_is_a_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    kinds = whole_story(desk)
    assert [message.partition(": ")[2].split()[0] for message in caplog.messages] == kinds
    assert all(message.startswith(f"request 7 ({MODEL})") for message in caplog.messages)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_prompts_and_answers_are_no_business_of_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    whole_story(desk)
    assert "Hello" not in caplog.text
    assert "The answer" not in caplog.text


def test_unless_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    whole_story(Desk(log_prompts=True))
    assert "Hello" in caplog.text
    assert "The answer" in caplog.text


def test_long_texts_are_shortened(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    desk = Desk(log_prompts=True)
    desk.reporter.queued(desk.work, {"messages": "x" * 100_000})
    assert len(caplog.messages[-1]) < 20_000


def test_nothing_is_written_where_nobody_listens(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    whole_story(desk)
    assert caplog.messages == []
