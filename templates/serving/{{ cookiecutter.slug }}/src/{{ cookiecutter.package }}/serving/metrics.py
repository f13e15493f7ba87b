"""What Prometheus reads: requests, predictions, true labels, the model in use and the logs."""

from __future__ import annotations

import time
{%- if cookiecutter.task == "classification" %}
from collections import Counter as Tally
{%- endif %}
from typing import TYPE_CHECKING

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .asgi import ASGIApp, Message, Receive, Scope, Send
    from .log import LogCounts
    from .requests import Prediction
    from .store import StoreEvent

# A series with the creation time of every other one would double the scrape and is used by nothing here.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SHED = ("queue", "memory", "connections", "stopping")
CLIENT_LEFT = 499
"""Status under which requests are counted whose client went away before there was an answer, as in nginx."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
{%- if cookiecutter.task == "classification" %}
SHARES = tuple(tenth / 10 for tenth in range(1, 11))
{%- else %}
_MAGNITUDES = tuple(digit * 10.0**exponent for exponent in range(-2, 7) for digit in (1, 2, 5))
# Whatever the target's unit, some of these fall among its values.
VALUES = (*(-magnitude for magnitude in reversed(_MAGNITUDES)), 0.0, *_MAGNITUDES)
{%- endif %}


class Metrics:
    """All metrics of one service, in a registry of their own.

    Args:
        log_counts: asked for the counts of each log at each scrape.
    """

    def __init__(self, log_counts: Callable[[], Mapping[str, LogCounts]]) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self.registry.register(_LogCollector(log_counts))
        self.requests = prometheus.Counter(
            "serving_http_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.latency = prometheus.Histogram(
            "serving_http_request_duration_seconds",
            "Time from a request's last byte to its answer, of requests that were answered as asked.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
{%- if cookiecutter.task == "classification" %}
        self._predictions = prometheus.Counter(
            "serving_predictions", "Predictions by predicted class.", ["prediction"], registry=self.registry
        )
        self._probability = prometheus.Histogram(
            "serving_prediction_probability",
            "Probability of the positive class if there are two, else of the predicted one.",
            buckets=SHARES,
            registry=self.registry,
        )
{%- else %}
        self._predictions = prometheus.Counter("serving_predictions", "Predictions.", registry=self.registry)
        self._value = prometheus.Histogram(
            "serving_prediction_value", "Predicted values.", buckets=VALUES, registry=self.registry
        )
{%- endif %}
        self._feedback = prometheus.Counter(
            "serving_feedback",
            "True labels received, by whether this process remembers their prediction.",
            ["prediction"],
            registry=self.registry,
        )
        self.shed = prometheus.Counter(
            "serving_http_shed",
            "Requests refused and connections closed for want of room or time, by reason.",
            ["reason"],
            registry=self.registry,
        )
        for reason in SHED:
            self.shed.labels(reason)
        self.upload_failures = prometheus.Counter(
            "serving_log_upload_failures",
            "Attempts to bring a part of the log to the object store that failed.",
            registry=self.registry,
        )
        self._loaded = prometheus.Gauge(
            "serving_model_loaded", "1 when there is a model to predict with, else 0.", registry=self.registry
        )
        self._model = prometheus.Gauge(
            "serving_model_info", "1 for the model in use.", ["model", "version"], registry=self.registry
        )
        self._loads = prometheus.Counter(
            "serving_model_loads", "Models taken into use.", registry=self.registry
        )
        self._failures = prometheus.Counter(
            "serving_registry_failures", "Looks at the registry that failed.", registry=self.registry
        )
        self._checked = prometheus.Gauge(
            "serving_registry_last_success_timestamp_seconds",
            "When the registry was last asked with success; until then, when the service started.",
            registry=self.registry,
        )
        self._checked.set_to_current_time()

    def model_event(self, event: StoreEvent) -> None:
        """Take note of a look at the registry."""
        if event.error is not None:
            self._failures.inc()
            return
        self._checked.set_to_current_time()
        if event.loaded is not None:
            self._model.clear()
            self._model.labels(event.loaded.version.name, event.loaded.version.version).set(1)
            self._loaded.set(1)
            self._loads.inc()

    def predicted(self, predictions: Iterable[Prediction]) -> None:
        """Count predictions."""
{%- if cookiecutter.task == "classification" %}
        predictions = list(predictions)
        for label, count in Tally(str(prediction.prediction) for prediction in predictions).items():
            self._predictions.labels(label).inc(count)
        for prediction in predictions:
            self._probability.observe(prediction.probability)
{%- else %}
        for prediction in predictions:
            self._predictions.inc()
            self._value.observe(prediction.prediction)
{%- endif %}

    def labelled(self, *, known: int, unknown: int) -> None:
        """Count true labels."""
        self._feedback.labels("known").inc(known)
        self._feedback.labels("unknown").inc(unknown)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return prometheus.generate_latest(self.registry)


class _LogCollector(Collector):
    def __init__(self, counts: Callable[[], Mapping[str, LogCounts]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        written = CounterMetricFamily("serving_log_rows", "Rows written to the log.", labels=["log"])
        dropped = CounterMetricFamily("serving_log_dropped", "Rows that the log lost.", labels=["log"])
        backlog = GaugeMetricFamily("serving_log_backlog_rows", "Rows not yet on disk.", labels=["log"])
        for name, counts in self._counts().items():
            written.add_metric([name], counts.written)
            dropped.add_metric([name], counts.dropped)
            backlog.add_metric([name], counts.backlog)
        yield from (written, dropped, backlog)


class RequestMetrics:
    """ASGI middleware that counts requests, and times what the service makes of them.

    The clock runs from a request's last byte to the answer's: how long either is on its way is the client's
    line. What was refused isn't timed, for it would make a service that refuses much look quick.

    Args:
        app: what to measure.
        metrics: where to count.
        routes: the paths that exist; all others share one label, since clients may invent any number of them.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope["method"] if scope["method"] in METHODS else "other"
        status = CLIENT_LEFT
        complete = answered = 0.0

        async def watch_request() -> Message:
            nonlocal complete
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                complete = time.perf_counter()
            return message

        async def watch_answer(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
            answered = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, watch_request, watch_answer)
        except Exception:
            status = max(status, 500)
            raise
        finally:
            self._metrics.requests.labels(route, method, str(status)).inc()
            if status < 400:  # noqa: PLR2004
                self._metrics.latency.labels(route).observe(answered - complete)
