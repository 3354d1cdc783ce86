"""Traces and metrics for OpenTelemetry. Needs the extra: ``pip install "customgroqchat[otel]"``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

from .._version import __version__
from ..events import ENDS, Event

try:
    from opentelemetry import context as otel_context
    from opentelemetry import metrics, trace
except ImportError as missing:
    raise ImportError(
        'OpenTelemetryHook needs the package opentelemetry-api: pip install "customgroqchat[otel]"'
    ) from missing

__all__ = ["OpenTelemetryHook"]

_SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
# The boundaries are those that the conventions recommend.
_DURATION_BUCKETS_S = [0.01 * 2**power for power in range(14)]
_TOKEN_BUCKETS = [4**power for power in range(14)]
_OPERATION = "chat"  # text completions are chat completions for the service, too
_MOST_STRAYS = 10_000


class OpenTelemetryHook:
    """Makes a span of each request, and metrics: ``GroqClient(on_event=OpenTelemetryHook())``.

    Follows the semantic conventions for generative AI clients, version 1.41 (status: development).
    The span ``chat {model}`` begins when the request is queued, and ends with it; its parent is
    the span in which the request was made. Retries and waits for quota are events of the span.
    The metrics are ``gen_ai.client.operation.duration``, and ``gen_ai.client.token.usage`` of
    requests that were answered.

    What the conventions have no name for is named ``customgroqchat.…``. Neither prompts nor
    answers are recorded.

    Several clients may share a hook. It may be called from any thread, and does not block unless
    the exporter does.

    Args:
        tracer: Makes the spans; None takes one of the global provider.
        meter: Makes the metrics; None takes one of the global provider.
        base_url: The address of the service, for ``server.address``; None leaves that out.
    """

    def __init__(
        self,
        tracer: trace.Tracer | None = None,
        meter: metrics.Meter | None = None,
        base_url: str | None = None,
    ) -> None:
        self._tracer = tracer or trace.get_tracer("customgroqchat", __version__, None, _SCHEMA)
        meter = meter or metrics.get_meter("customgroqchat", __version__, None, _SCHEMA)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_DURATION_BUCKETS_S,
        )
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
        )
        self._server = {} if base_url is None else _server(base_url)
        self._strays: OrderedDict[int, _Request] = OrderedDict()

    def capture(self) -> object:
        """Return where the span begins: the context of the thread that queues a request."""
        return _Request(otel_context.get_current())

    def __call__(self, event: Event) -> None:
        """Begin, amend or end the span of a request."""
        request = self._request(event)
        if request.span is None:
            request.span = self._begin(request, event)
        if event.kind in ENDS:
            self._end(request.span, request, event)
            if event.context is not request:
                self._strays.pop(event.request_id, None)
        elif event.kind in ("retried", "limited"):
            request.span.add_event(event.kind, _known(_trouble_of(event)), _ns(event.at))

    def _request(self, event: Event) -> _Request:
        """Return what is known of a request: it comes with the event, or else it is a stray."""
        if isinstance(event.context, _Request):
            return event.context
        # A function of the user's own that calls this hook hides capture(). The end of a stray
        # may never come; the oldest are forgotten.
        stray = self._strays.get(event.request_id)
        if stray is None or event.kind == "queued":
            stray = self._strays[event.request_id] = _Request(otel_context.Context())
            if len(self._strays) > _MOST_STRAYS:
                self._strays.popitem(last=False)
        return stray

    def _begin(self, request: _Request, event: Event) -> trace.Span:
        request.began_s = event.at
        attributes = {
            **self._common(event),
            "gen_ai.request.stream": event.is_stream or None,
            "customgroqchat.tag": event.tag,
            "customgroqchat.priority": str(event.priority),
        }
        return self._tracer.start_span(
            f"{_OPERATION} {event.model}",
            request.parent,
            trace.SpanKind.CLIENT,
            _known(attributes),
            start_time=_ns(event.at),
        )

    def _end(self, span: trace.Span, request: _Request, event: Event) -> None:
        span.set_attributes(_known(_result_of(event)))
        if event.kind == "failed":
            span.set_status(trace.StatusCode.ERROR, event.error)
        self._measure(event, event.at - request.began_s, trace.set_span_in_context(span))
        span.end(_ns(event.at))

    def _measure(self, event: Event, duration_s: float, context: otel_context.Context) -> None:
        common = _known(self._common(event))
        failure = _known({"error.type": event.error})
        self._duration.record(max(0.0, duration_s), {**common, **failure}, context)
        if event.kind == "failed" or event.completion_tokens is None:
            return
        for kind, tokens in ("input", event.prompt_tokens), ("output", event.completion_tokens):
            if tokens is not None:
                self._usage.record(tokens, {**common, "gen_ai.token.type": kind}, context)

    def _common(self, event: Event) -> dict[str, Any]:
        return {
            "gen_ai.operation.name": _OPERATION,
            "gen_ai.provider.name": "groq",
            "gen_ai.request.model": event.model,
            **self._server,
        }


class _Request:
    """A request: the context in which it was made, and its span, once that has begun."""

    __slots__ = ("began_s", "parent", "span")

    def __init__(self, parent: otel_context.Context) -> None:
        self.parent = parent
        self.span: trace.Span | None = None
        self.began_s = 0.0


def _server(base_url: str) -> dict[str, Any]:
    parts = urlsplit(base_url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return {"server.address": parts.hostname, "server.port": port}


def _result_of(event: Event) -> dict[str, Any]:
    has_usage = event.completion_tokens is not None  # or the prompt's tokens are an estimate
    return {
        "error.type": event.error,
        "http.response.status_code": event.status_code,
        "gen_ai.response.finish_reasons": event.finish_reason and [event.finish_reason],
        "gen_ai.usage.input_tokens": event.prompt_tokens if has_usage else None,
        "gen_ai.usage.output_tokens": event.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": event.cached_tokens,
        "customgroqchat.attempts": event.attempt,
        "customgroqchat.waited_s": event.waited_s,
        "customgroqchat.service_request_id": event.service_request_id,
    }


def _trouble_of(event: Event) -> dict[str, Any]:
    return {
        "error.type": event.error,
        "http.response.status_code": event.status_code,
        "customgroqchat.attempt": event.attempt,
        "customgroqchat.delay_s": event.delay_s,
        "customgroqchat.dimension": event.dimension,
        "customgroqchat.service_request_id": event.service_request_id,
    }


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: an attribute cannot be None."""
    return {name: value for name, value in attributes.items() if value is not None}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
