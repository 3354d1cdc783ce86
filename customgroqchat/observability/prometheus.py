"""Metrics for Prometheus. Needs the extra: ``pip install "customgroqchat[prometheus]"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..events import ENDS, Event

try:
    import prometheus_client
    from prometheus_client import Counter, Gauge, Histogram
except ImportError as missing:
    raise ImportError(
        "PrometheusHook needs the package prometheus-client:"
        ' pip install "customgroqchat[prometheus]"'
    ) from missing

__all__ = ["PrometheusHook"]

_M = TypeVar("_M")

_HELP = {
    "requests": "Requests that ended.",
    "retries": "Attempts that failed and were repeated.",
    "rate_limited": "Answers with status 429.",
    "tokens": "Tokens used; those that were cached are part of the prompt's.",
    "queue_wait_seconds": "Seconds that requests waited before they were sent, or gave up.",
    "attempt_duration_seconds": "Seconds from sending to the end of the answer.",
    "in_flight": "Attempts on their way.",
}
# Upper bounds of histograms, in seconds.
_WAIT_S = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_ATTEMPT_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class PrometheusHook:
    """Counts events into Prometheus metrics: ``GroqClient(on_event=PrometheusHook())``.

    All have the label ``model``; their names begin with the namespace.

    ======================================  ============  =========================================
    metric                                  more labels   what
    ======================================  ============  =========================================
    ``..._requests_total``                  ``outcome``   requests that ended: ``ok``, or the class
                                                          of the error
    ``..._retries_total``                   ``error``     attempts that failed and were repeated
    ``..._rate_limited_total``              ``dimension`` 429s, by the limit that was used up
    ``..._tokens_total``                    ``type``      ``prompt``, ``completion``, and
                                                          ``cached``: a part of ``prompt``
    ``..._queue_wait_seconds``              ``outcome``   histogram: what requests waited in all
    ``..._attempt_duration_seconds``        ``outcome``   histogram: from sending to the answer
    ``..._in_flight``                                     gauge: attempts on their way
    ======================================  ============  =========================================

    Several clients may share a hook. It may be called from any thread, and does not block.

    Args:
        registry: Where the metrics are registered; None takes that of ``prometheus_client``.
        namespace: The beginning of all names.
        label_tags: Whether all metrics have the label ``tag`` as well. Each tag makes time series
            of its own: only for programs that have few.

    Raises:
        ValueError: the registry has metrics of these names already.
    """

    def __init__(
        self,
        registry: prometheus_client.CollectorRegistry | None = None,
        namespace: str = "customgroqchat",
        label_tags: bool = False,
    ) -> None:
        self._label_tags = label_tags
        common = ("model", "tag") if label_tags else ("model",)

        def make(metric: Callable[..., _M], name: str, *labels: str, **more: Any) -> _M:
            where = prometheus_client.REGISTRY if registry is None else registry
            labels = common + labels
            return metric(name, _HELP[name], labels, namespace=namespace, registry=where, **more)

        self._requests = make(Counter, "requests", "outcome")
        self._retries = make(Counter, "retries", "error")
        self._rate_limited = make(Counter, "rate_limited", "dimension")
        self._tokens = make(Counter, "tokens", "type")
        self._wait = make(Histogram, "queue_wait_seconds", "outcome", buckets=_WAIT_S)
        self._duration = make(Histogram, "attempt_duration_seconds", "outcome", buckets=_ATTEMPT_S)
        # Where several processes are measured as one: the sum of those that are alive.
        self._in_flight = make(Gauge, "in_flight", multiprocess_mode="livesum")

    def __call__(self, event: Event) -> None:
        """Count an event."""
        common = (event.model, event.tag or "") if self._label_tags else (event.model,)
        outcome = event.error or ("ok" if event.kind == "settled" else "unknown")
        if event.kind == "sent":
            self._in_flight.labels(*common).inc()
        if event.took_s is not None:
            self._in_flight.labels(*common).dec()
            self._duration.labels(*common, outcome).observe(event.took_s)
        if event.kind == "retried":
            self._retries.labels(*common, outcome).inc()
        if event.status_code == 429:
            self._rate_limited.labels(*common, event.dimension or "unknown").inc()
        if event.kind in ENDS:
            self._requests.labels(*common, outcome).inc()
            self._wait.labels(*common, outcome).observe(event.waited_s)
            self._count_tokens(event, common)

    def _count_tokens(self, event: Event, common: tuple[str, ...]) -> None:
        if event.completion_tokens is None:  # the service did not tell
            return
        for kind in ("prompt", "completion", "cached"):
            tokens = getattr(event, f"{kind}_tokens")
            self._tokens.labels(*common, kind).inc(tokens or 0)
