"""ModelCatalog: what is known of the service's models now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from customgroqchat._model_catalog import ModelCatalog
from customgroqchat.exceptions import (
    APIConnectionError,
    AuthenticationError,
    TokenLimitExceededException,
)
from customgroqchat.testing import FakeClock

OSS = "openai/gpt-oss-20b"
LLAMA = "llama-3.3-70b-versatile"


def item(name: str = OSS, window: int = 1_000, **more: Any) -> dict[str, Any]:
    return {"id": name, "context_window": window, "max_completion_tokens": 100, **more}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalog(clock: FakeClock) -> ModelCatalog:
    return ModelCatalog(clock)


# --- what it knows -------------------------------------------------------------------------------


def test_before_anybody_was_asked_it_knows_what_is_published(catalog: ModelCatalog) -> None:
    facts = catalog.facts(OSS)
    assert (facts.context_window, facts.source) == (131_072, "preset")
    assert catalog.supports(OSS, "structured_outputs") is True
    assert catalog.supports("qwen/qwen3.8-27b", "structured_outputs") is False
    assert catalog.supports("unknown", "tools") is None
    assert (catalog.names, catalog.age_s, catalog.failure) == ((), None, None)


def test_it_learns_what_the_service_tells(catalog: ModelCatalog, clock: FakeClock) -> None:
    assert catalog.facts(OSS).context_window == 131_072
    catalog.learn([item(), item("new", active=False), "no model"])
    facts = catalog.facts(OSS)
    assert (facts.context_window, facts.sources["context_window"]) == (1_000, "service")
    assert facts.sources["prices"] == "preset"
    assert catalog.facts("new").context_window == 1_000
    assert catalog.names == (OSS,)
    clock.advance(5.0)
    assert catalog.age_s == 5.0


def test_a_newer_list_replaces_the_one_before(catalog: ModelCatalog) -> None:
    catalog.learn([item(), item("new")])
    catalog.learn([item(window=2_000)])
    assert catalog.facts(OSS).context_window == 2_000
    assert catalog.facts("new").source is None
    assert catalog.names == (OSS,)


def test_what_is_said_of_one_model_leaves_the_others(catalog: ModelCatalog) -> None:
    catalog.learn([item(), item("new")])
    catalog.learn_one(item("new", 5))
    assert (catalog.facts(OSS).context_window, catalog.facts("new").context_window) == (1_000, 5)
    assert catalog.names == (OSS, "new")
    catalog.learn_one(None)
    assert catalog.names == (OSS, "new")


def test_the_configuration_wins(catalog: ModelCatalog) -> None:
    catalog.learn([item()])
    assert catalog.facts(OSS).context_window == 1_000
    catalog.configure(lambda name: {"context_window": 7} if name == OSS else {})
    facts = catalog.facts(OSS)
    assert (facts.context_window, facts.max_completion_tokens) == (7, 100)
    assert facts.source == "configured"
    catalog.learn([item(window=9)])
    assert catalog.facts(OSS).context_window == 7


def test_facts_are_put_together_once_and_not_for_every_name_there_can_be(
    clock: FakeClock,
) -> None:
    asked: list[str] = []

    def sizes(name: str) -> dict[str, int | None]:
        asked.append(name)
        return {}

    catalog = ModelCatalog(clock, sizes)
    assert catalog.facts(OSS) is catalog.facts(OSS)
    assert asked == [OSS]
    for number in range(2_500):
        catalog.facts(f"name-{number}")
    assert len(catalog._known.facts) <= 1_000
    assert catalog.facts(OSS).context_window == 131_072


# --- asking --------------------------------------------------------------------------------------


def test_the_service_is_asked_once_in_a_while(catalog: ModelCatalog, clock: FakeClock) -> None:
    asked = []

    def fetch() -> list[Any]:
        asked.append(clock.monotonic())
        return [item()]

    assert catalog.refresh(fetch, 60.0) is True
    clock.advance(59.0)
    assert catalog.refresh(fetch, 60.0) is False
    assert catalog.refresh(fetch) is False
    clock.advance(1.0)
    assert catalog.refresh(fetch, 60.0) is True
    assert len(asked) == 2
    assert catalog.facts(OSS).context_window == 1_000


def test_who_was_told_in_another_way_need_not_ask(catalog: ModelCatalog, clock: FakeClock) -> None:
    catalog.learn([item()])
    assert catalog.refresh(lambda: pytest.fail("it was asked"), 60.0) is False


def test_a_failure_is_remembered_and_is_no_error(
    catalog: ModelCatalog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    failures: Iterator[Exception] = iter([APIConnectionError("down"), AuthenticationError("no")])

    def fetch() -> list[Any]:
        raise next(failures)

    catalog.learn([item()])
    clock.advance(60.0)
    with caplog.at_level(logging.WARNING):
        assert catalog.refresh(fetch, 60.0) is False
        assert catalog.refresh(fetch, 60.0) is False  # it counts as having asked
    assert isinstance(catalog.failure, APIConnectionError)
    assert [record.getMessage() for record in caplog.records] == [
        "what the service knows of its models was not told: down"
    ]
    assert catalog.facts(OSS).context_window == 1_000
    assert catalog.age_s == 60.0
    clock.advance(60.0)
    assert catalog.refresh(fetch, 60.0) is False
    assert isinstance(catalog.failure, AuthenticationError)
    catalog.learn([])
    assert catalog.failure is None


def test_what_is_no_failure_of_the_service_is_raised_and_ends_the_asking(
    catalog: ModelCatalog,
) -> None:
    def interrupted() -> list[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalog.refresh(interrupted, 0.0)
    assert catalog.refresh(lambda: [item()], 0.0) is True


def test_one_thread_asks_and_nobody_waits_for_it(catalog: ModelCatalog) -> None:
    asking, answer = threading.Event(), threading.Event()

    def slow() -> list[Any]:
        asking.set()
        assert answer.wait(10.0)
        return [item()]

    thread = threading.Thread(target=catalog.refresh, args=(slow, 0.0))
    thread.start()
    assert asking.wait(10.0)
    assert catalog.refresh(lambda: pytest.fail("two asked at once"), 0.0) is False
    assert catalog.facts(OSS).context_window == 131_072
    answer.set()
    thread.join(10.0)
    assert catalog.facts(OSS).context_window == 1_000


def test_a_forked_child_can_ask_though_its_parent_was_asking(catalog: ModelCatalog) -> None:
    def forking() -> list[Any]:
        catalog.after_fork()
        assert catalog.refresh(lambda: [item(window=5)], 0.0) is True
        return [item()]

    assert catalog.refresh(forking, 0.0) is True


# --- on the way of a request ---------------------------------------------------------------------


def test_a_retired_model_is_a_warning_once_and_no_refusal(
    catalog: ModelCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert catalog.using(LLAMA).successor == "openai/gpt-oss-120b"
            catalog.using(OSS)
            catalog.using("unknown")
    (record,) = caplog.records
    assert "'llama-3.3-70b-versatile' was shut down on 2026-08-16" in record.getMessage()
    assert "use 'openai/gpt-oss-120b'" in record.getMessage()


def test_what_the_service_lists_is_no_warning(
    catalog: ModelCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    catalog.learn([item(LLAMA), item("sleeping", active=False)])
    with caplog.at_level(logging.WARNING):
        assert catalog.using(LLAMA).successor is None
        assert caplog.records == []
        catalog.using("sleeping")
    assert [record.getMessage() for record in caplog.records] == ["'sleeping' is not active."]


def test_what_the_service_told_refuses(catalog: ModelCatalog) -> None:
    catalog.learn([item()])
    facts = catalog.facts(OSS)
    catalog.check(facts, 900, 100)
    catalog.check(facts, 1_000, None)
    with pytest.raises(TokenLimitExceededException) as caught:
        catalog.check(facts, 901, 100)
    error = caught.value
    assert (error.dimension, error.limit, error.requested) == ("context_window", 1_000, 1_001)
    assert error.model == OSS
    with pytest.raises(TokenLimitExceededException) as caught:
        catalog.check(facts, 1, 101)
    assert (caught.value.dimension, caught.value.limit) == ("max_completion_tokens", 100)


def test_a_cap_that_is_only_published_warns_once_and_refuses_nothing(
    catalog: ModelCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            catalog.check(catalog.facts(OSS), 1, 65_537)
    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith("As far as is published: ")
    assert "more than the 65536 that openai/gpt-oss-20b can give" in warning


def test_the_published_window_of_a_live_model_refuses(catalog: ModelCatalog) -> None:
    with pytest.raises(TokenLimitExceededException, match="needs 131073 tokens"):
        catalog.check(catalog.facts(OSS), 131_073, None)


def test_warnings_do_not_pile_up(catalog: ModelCatalog, caplog: pytest.LogCaptureFixture) -> None:
    catalog.learn(item(f"name-{number}", active=False) for number in range(1_100))
    with caplog.at_level(logging.WARNING):
        for number in range(1_100):
            catalog.using(f"name-{number}")
    assert len(caplog.records) == 1_000


@pytest.mark.stress
def test_who_reads_never_sees_a_mixture(catalog: ModelCatalog) -> None:
    """Both sizes of a model are of one list, whoever replaces it meanwhile."""
    stop = threading.Event()

    def teach() -> None:
        for number in range(1, 400):
            catalog.learn([item(OSS, number, max_completion_tokens=number)])
        stop.set()

    thread = threading.Thread(target=teach)
    catalog.learn([item(OSS, 1, max_completion_tokens=1)])
    thread.start()
    latest = 0
    while not stop.is_set():
        facts = catalog.facts(OSS)
        assert facts.context_window == facts.max_completion_tokens
        assert facts.context_window is not None
        assert facts.context_window >= latest
        latest = facts.context_window
    thread.join(10.0)
    assert catalog.facts(OSS).context_window == 399
