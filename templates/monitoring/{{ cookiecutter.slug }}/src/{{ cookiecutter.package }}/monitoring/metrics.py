"""What Prometheus reads of the monitor."""

from __future__ import annotations

import prometheus_client as prometheus

from .check import Judged, Skipped

# A series with the creation time of every other one would double the scrape and is used by nothing here.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics of one monitor, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self._share = prometheus.Gauge(
            "drift_share",
            "Share of the columns that drifted; NaN before a first judgement.",
            registry=self.registry,
        )
        self._detected = prometheus.Gauge(
            "drift_detected", "1 when the share is at or above its limit, else 0.", registry=self.registry
        )
        self._score = prometheus.Gauge(
            "drift_column_score", "Distance from the training data.", ["column"], registry=self.registry
        )
        self._threshold = prometheus.Gauge(
            "drift_column_threshold", "Score from which a column drifted.", ["column"], registry=self.registry
        )
        self._rows = prometheus.Gauge("drift_rows", "Rows compared.", ["side"], registry=self.registry)
        self._model = prometheus.Gauge(
            "drift_model_info", "1 for the model version judged.", ["version"], registry=self.registry
        )
        self._checks = prometheus.Counter(
            "monitor_checks",
            "Checks by result: drift, none, skipped or failed.",
            ["result"],
            registry=self.registry,
        )
        self._checked = prometheus.Gauge(
            "monitor_last_check_timestamp_seconds", "When a check last succeeded.", registry=self.registry
        )
        self._duration = prometheus.Gauge(
            "monitor_check_duration_seconds", "Time that the last check took.", registry=self.registry
        )
        self._retrains = prometheus.Counter(
            "monitor_retrains", "Retraining commands by result.", ["result"], registry=self.registry
        )
        self._retraining = prometheus.Gauge(
            "monitor_retraining", "1 while a retraining command runs, else 0.", registry=self.registry
        )
        # So that rates exist before the first of each.
        for result in ("drift", "none", "skipped", "failed"):
            self._checks.labels(result)
        for result in ("succeeded", "failed"):
            self._retrains.labels(result)
        self._forget()

    def checked(self, outcome: Skipped | Judged, seconds: float) -> None:
        """Take note of a check that took this long."""
        self._checked.set_to_current_time()
        self._duration.set(seconds)
        self._forget()
        if isinstance(outcome, Skipped):
            self._checks.labels("skipped").inc()
            return
        self._checks.labels("drift" if outcome.drift else "none").inc()
        self._share.set(outcome.share)
        self._detected.set(outcome.drift)
        self._model.labels(outcome.model_version).set(1)
        for side, rows in outcome.rows.items():
            self._rows.labels(side).set(rows)
        for name, column in outcome.columns.items():
            self._score.labels(name).set(column.score)
            self._threshold.labels(name).set(column.threshold)

    def failed(self) -> None:
        """Count a check that failed; what was known stays."""
        self._checks.labels("failed").inc()

    def retraining(self, *, running: bool) -> None:
        """Say whether a retraining command runs."""
        self._retraining.set(running)

    def retrained(self, *, succeeded: bool) -> None:
        """Count a retraining command that ended."""
        self._retrains.labels("succeeded" if succeeded else "failed").inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return prometheus.generate_latest(self.registry)

    def _forget(self) -> None:
        """Drop what was said about a model or columns that may be gone."""
        self._share.set(float("nan"))
        self._detected.set(0)
        for gauge in (self._score, self._threshold, self._rows, self._model):
            gauge.clear()
