"""Events as metrics of Prometheus."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from helpers_events import story, troubled

from customgroqchat.events import Event
from customgroqchat.observability import Hooks

prometheus_client = pytest.importorskip("prometheus_client")


@pytest.fixture
def registry() -> Any:
    return prometheus_client.CollectorRegistry()


@pytest.fixture
def hook(registry: Any) -> Any:
    return make_hook(registry)


def make_hook(registry: Any, **settings: Any) -> Any:
    from customgroqchat.observability.prometheus import PrometheusHook

    return PrometheusHook(registry, **settings)


def value(registry: Any, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"customgroqchat_{name}", {"model": "m", **labels})


def test_a_request_that_is_answered(registry: Any, hook: Any) -> None:
    for event in story():
        hook(event)
    assert value(registry, "requests_total", outcome="ok") == 1
    assert value(registry, "queue_wait_seconds_sum", outcome="ok") == 2.0
    assert value(registry, "attempt_duration_seconds_sum", outcome="ok") == 0.5
    assert value(registry, "attempt_duration_seconds_bucket", outcome="ok", le="0.25") == 0
    assert value(registry, "attempt_duration_seconds_bucket", outcome="ok", le="0.5") == 1
    tokens = {kind: value(registry, "tokens_total", type=kind) for kind in TOKENS}
    assert tokens == {"prompt": 70, "completion": 12, "cached": 64}


TOKENS = ("prompt", "completion", "cached")


def test_a_request_that_fails(registry: Any, hook: Any) -> None:
    for event in troubled():
        hook(event)
    assert value(registry, "requests_total", outcome="RequestCancelledException") == 1
    assert value(registry, "requests_total", outcome="ok") is None
    assert value(registry, "retries_total", error="InternalServerError") == 1
    assert value(registry, "rate_limited_total", dimension="TPM") == 1
    assert value(registry, "attempt_duration_seconds_sum", outcome="InternalServerError") == 1.0
    assert value(registry, "attempt_duration_seconds_sum", outcome="RateLimitError") == 0.25
    assert value(registry, "tokens_total", type="prompt") is None  # only counted by the client


def test_attempts_on_their_way_are_counted(registry: Any, hook: Any) -> None:
    levels = []
    for event in troubled():
        hook(event)
        levels.append(value(registry, "in_flight"))
    assert levels == [None, 1, 0, 1, 0, 0]


def test_a_refusal_by_the_client_is_no_429(registry: Any, hook: Any) -> None:
    hook(Event("limited", 1, 1000.0, "m", dimension="RPM", error="RateLimitExceededException"))
    assert value(registry, "rate_limited_total", dimension="RPM") is None
    hook(Event("limited", 1, 1000.0, "m", status_code=429, took_s=0.1, error="RateLimitError"))
    assert value(registry, "rate_limited_total", dimension="unknown") == 1


def test_a_failure_without_an_error_is_not_ok(registry: Any, hook: Any) -> None:
    hook(Event("failed", 1, 1000.0, "m"))
    assert value(registry, "requests_total", outcome="unknown") == 1


def test_tags_are_a_label_on_demand_only(registry: Any) -> None:
    hook = make_hook(registry, namespace="own", label_tags=True)
    for event in (*story(tag="nightly"), *story(2)):
        hook(event)
    labels = {"model": "m", "outcome": "ok"}
    for tag in ("nightly", ""):
        assert registry.get_sample_value("own_requests_total", {**labels, "tag": tag}) == 1
    assert registry.get_sample_value("own_in_flight", {"model": "m", "tag": "nightly"}) == 0


def test_labels_have_few_values(registry: Any, hook: Any) -> None:
    for number in range(100):
        for event in story(number, tag=f"tag-{number}"):
            hook(event)
    series = [sample for metric in registry.collect() for sample in metric.samples]
    assert {name for sample in series for name in sample.labels} == {
        "model",
        "outcome",
        "le",
        "type",
    }


def test_without_a_registry_it_is_the_common_one() -> None:
    hook = make_hook(None, namespace="of_a_test")
    try:
        hook(Event("settled", 1, 1000.0, "m"))
        labels = {"model": "m", "outcome": "ok"}
        assert prometheus_client.REGISTRY.get_sample_value("of_a_test_requests_total", labels) == 1
    finally:
        for metric in vars(hook).values():
            if hasattr(metric, "collect"):
                prometheus_client.REGISTRY.unregister(metric)


def test_what_is_shown_to_the_server_explains_itself(registry: Any, hook: Any) -> None:
    for event in (*story(), *troubled()):
        hook(event)
    page = prometheus_client.generate_latest(registry).decode()
    for name in ("requests", "retries", "rate_limited", "tokens"):
        assert f"# TYPE customgroqchat_{name}_total counter" in page
    assert "# HELP customgroqchat_in_flight Attempts on their way." in page


def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "customgroqchat.observability.prometheus", raising=False)
    with pytest.raises(ImportError, match=r'pip install "customgroqchat\[prometheus\]"'):
        importlib.import_module("customgroqchat.observability.prometheus")


# --- several hooks as one ------------------------------------------------------------------------


class Capturing:
    def __init__(self, context: object) -> None:
        self.context = context
        self.events: list[Event] = []

    def capture(self) -> object:
        return self.context

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def test_each_of_several_hooks_has_its_own_context(registry: Any, hook: Any) -> None:
    first, last = Capturing("first"), Capturing("last")
    hooks = Hooks(first, hook, last)
    for event in story(context=hooks.capture()):
        hooks(event)
    assert [event.context for event in first.events] == ["first"] * 4
    assert [event.context for event in last.events] == ["last"] * 4
    assert value(registry, "requests_total", outcome="ok") == 1


def test_a_hook_that_raises_keeps_nothing_from_the_others(
    registry: Any, hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise OSError("disk full")

    hooks = Hooks(broken, hook)
    for event in story():
        hooks(event)
    assert value(registry, "requests_total", outcome="ok") == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_events_without_contexts_reach_all_hooks() -> None:
    first, last = Capturing("first"), Capturing("last")
    Hooks(first, last)(Event("queued", 1, 1000.0, "m"))
    assert [each.events[0].context for each in (first, last)] == [None, None]
