"""Events as traces and metrics of OpenTelemetry."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from helpers_events import story, troubled

from customgroqchat.events import Event
from customgroqchat.observability import Hooks

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from customgroqchat.observability import otel
from customgroqchat.observability.otel import OpenTelemetryHook

NS = 10**9


class Bench:
    """A hook, and what became of what it made."""

    def __init__(self, **settings: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader]).get_meter("test")
        self.hook = OpenTelemetryHook(self.tracer, meter, **settings)

    def tell(self, events: list[Event]) -> None:
        for event in events:
            self.hook(event)

    @property
    def spans(self) -> dict[str, Any]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    @property
    def span(self) -> Any:
        (span,) = self._exporter.get_finished_spans()
        return span

    @property
    def metrics(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data else []
        return {
            metric.name: list(metric.data.data_points)
            for scope in scopes
            for metric in scope.metrics
        }


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- spans ---------------------------------------------------------------------------------------


def test_a_request_is_a_span_from_its_queueing_to_its_end(bench: Bench) -> None:
    bench.tell(story(context=bench.hook.capture()))
    assert (bench.span.name, bench.span.kind) == ("chat m", trace.SpanKind.CLIENT)
    assert (bench.span.start_time, bench.span.end_time) == (1000 * NS, 1002.5 * NS)
    assert bench.span.parent is None
    assert bench.span.status.is_ok


def test_a_span_says_what_the_conventions_ask_for(bench: Bench) -> None:
    bench.tell(story(tag="nightly", priority=5))
    assert dict(bench.span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "groq",
        "gen_ai.request.model": "m",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 70,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "http.response.status_code": 200,
        "customgroqchat.tag": "nightly",
        "customgroqchat.priority": "5",
        "customgroqchat.attempts": 1,
        "customgroqchat.waited_s": 2.0,
        "customgroqchat.service_request_id": "req_1",
    }


def test_a_stream_says_so(bench: Bench) -> None:
    bench.tell(story(is_stream=True))
    assert bench.span.attributes["gen_ai.request.stream"] is True


@pytest.mark.parametrize(
    ("base_url", "address", "port"),
    [
        ("https://api.groq.com/openai/v1", "api.groq.com", 443),
        ("http://localhost", "localhost", 80),
        ("http://127.0.0.1:8080", "127.0.0.1", 8080),
    ],
)
def test_the_address_of_the_service_is_known_at_the_start(
    base_url: str, address: str, port: int
) -> None:
    bench = Bench(base_url=base_url)
    bench.tell(story())
    assert bench.span.attributes["server.address"] == address
    assert bench.span.attributes["server.port"] == port
    (point,) = bench.metrics["gen_ai.client.operation.duration"]
    assert (point.attributes["server.address"], point.attributes["server.port"]) == (address, port)


def test_the_parent_is_the_span_in_which_the_request_was_made(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("view") as view:
        context = bench.hook.capture()
    with bench.tracer.start_as_current_span("somewhere else"):
        bench.tell(story(context=context))
    span = bench.spans["chat m"]
    assert span.parent.span_id == view.get_span_context().span_id
    assert span.context.trace_id == view.get_span_context().trace_id


def test_troubles_are_events_of_the_span(bench: Bench) -> None:
    bench.tell(troubled())
    retried, limited = bench.span.events
    assert (retried.name, retried.timestamp) == ("retried", 1001 * NS)
    assert dict(retried.attributes) == {
        "error.type": "InternalServerError",
        "http.response.status_code": 503,
        "customgroqchat.attempt": 1,
        "customgroqchat.delay_s": 0.5,
        "customgroqchat.service_request_id": "req_2",
    }
    assert (limited.name, limited.timestamp) == ("limited", 1001.75 * NS)
    assert limited.attributes["customgroqchat.dimension"] == "TPM"


def test_a_request_that_fails_is_an_error(bench: Bench) -> None:
    bench.tell(troubled())
    assert bench.span.status.status_code is trace.StatusCode.ERROR
    assert bench.span.status.description == "RequestCancelledException"
    assert bench.span.attributes["error.type"] == "RequestCancelledException"
    assert "gen_ai.usage.input_tokens" not in bench.span.attributes  # an estimate is no usage


def test_requests_of_two_clients_with_the_same_number_are_told_apart(bench: Bench) -> None:
    first = story(1, context=bench.hook.capture(), tag="first")
    second = story(1, context=bench.hook.capture(), tag="second")
    bench.tell([event for pair in zip(first, second, strict=True) for event in pair])
    spans = bench._exporter.get_finished_spans()
    assert [span.attributes["customgroqchat.tag"] for span in spans] == ["first", "second"]


def test_a_request_whose_beginning_was_dropped_has_a_span_as_well(bench: Bench) -> None:
    bench.tell(story(context=bench.hook.capture())[2:])
    assert (bench.span.start_time, bench.span.end_time) == (1002 * NS, 1002.5 * NS)


# --- requests whose context was not captured -----------------------------------------------------


def test_a_request_without_a_context_begins_a_trace(bench: Bench) -> None:
    with bench.tracer.start_as_current_span("somewhere else"):
        bench.tell(story(1, tag="first")[:3])
    bench.tell(story(2, tag="second"))
    bench.tell(story(1, tag="first")[3:])
    spans = [span for span in bench._exporter.get_finished_spans() if span.name == "chat m"]
    assert [span.attributes["customgroqchat.tag"] for span in spans] == ["second", "first"]
    assert [span.parent for span in spans] == [None, None]
    assert bench.hook._strays == {}


def test_a_number_that_is_used_again_is_another_request(bench: Bench) -> None:
    bench.tell([*story(1, tag="lost")[:2], *story(1, tag="told")])
    assert bench.span.attributes["customgroqchat.tag"] == "told"


def test_requests_that_never_end_are_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "_MOST_STRAYS", 10)
    for number in range(25):
        bench.hook(Event("queued", number, 1000.0, "m"))
    assert list(bench.hook._strays) == list(range(15, 25))
    with_context = Event("queued", 1, 1000.0, "m", context=bench.hook.capture())
    bench.hook(with_context)
    assert len(bench.hook._strays) == 10


def test_several_hooks_leave_the_context_to_this_one(bench: Bench) -> None:
    hooks = Hooks(print, bench.hook)
    with bench.tracer.start_as_current_span("view") as view:
        context = hooks.capture()
    for event in story(context=context):
        hooks(event)
    assert bench.spans["chat m"].parent.span_id == view.get_span_context().span_id


# --- metrics -------------------------------------------------------------------------------------


def test_the_duration_is_that_of_the_whole_operation(bench: Bench) -> None:
    bench.tell([*story(), *troubled()])
    answered, failed = sorted(
        bench.metrics["gen_ai.client.operation.duration"], key=lambda point: len(point.attributes)
    )
    assert (answered.sum, failed.sum) == (2.5, 3.0)
    assert dict(answered.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "groq",
        "gen_ai.request.model": "m",
    }
    assert failed.attributes["error.type"] == "RequestCancelledException"
    assert answered.explicit_bounds[:2] + answered.explicit_bounds[-1:] == (0.01, 0.02, 81.92)


def test_tokens_are_counted_of_answers_only(bench: Bench) -> None:
    bench.tell([*story(1), *story(3), *troubled()])
    points = bench.metrics["gen_ai.client.token.usage"]
    sums = {point.attributes["gen_ai.token.type"]: point.sum for point in points}
    assert sums == {"input": 140, "output": 24}
    assert points[0].explicit_bounds[:3] + points[0].explicit_bounds[-1:] == (1, 4, 16, 67108864)


def test_tokens_of_a_stream_that_failed_are_on_its_span_only(bench: Bench) -> None:
    cut = Event("failed", 1, 1001.0, "m", error="IncompleteStreamError", completion_tokens=5)
    bench.tell([Event("queued", 1, 1000.0, "m"), cut])
    assert bench.span.attributes["gen_ai.usage.output_tokens"] == 5
    assert list(bench.metrics) == ["gen_ai.client.operation.duration"]


def test_an_answer_without_usage_counts_no_tokens(bench: Bench) -> None:
    bench.tell([Event("queued", 1, 1000.0, "m"), Event("settled", 1, 1001.0, "m")])
    assert list(bench.metrics) == ["gen_ai.client.operation.duration"]


def test_a_clock_that_steps_back_makes_no_negative_duration(bench: Bench) -> None:
    bench.tell([Event("queued", 1, 1000.0, "m"), Event("settled", 1, 900.0, "m")])
    (point,) = bench.metrics["gen_ai.client.operation.duration"]
    assert point.sum == 0.0


# --- around it -----------------------------------------------------------------------------------


def test_without_a_tracer_it_is_that_of_the_program() -> None:
    hook = OpenTelemetryHook()  # the API alone makes spans that are nothing
    for event in (*story(context=hook.capture()), *troubled()):
        hook(event)


def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "customgroqchat.observability.otel")
    with pytest.raises(ImportError, match=r'pip install "customgroqchat\[otel\]"'):
        importlib.import_module("customgroqchat.observability.otel")
