"""What Prometheus reads of the monitor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import prometheus_client as prometheus

from .check import Judged, Skipped
from .retrain import NOTHING_NEW

if TYPE_CHECKING:
    from collections.abc import Callable

# A series with the creation time of every other one would double the scrape and is used by nothing here.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]


class Receipts:
    """What became of the alerts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._lock = threading.Lock()
        prometheus.ProcessCollector(registry=self.registry)
        self._alerts = prometheus.Counter(
            "monitor_alerts",
            "Messages with alerts: retraining started, running already, repeated or failed; or ignored.",
            ["result"],
            registry=self.registry,
        )
        self._retrains = prometheus.Counter(
            "monitor_retrains",
            "Retraining commands by result: succeeded, unchanged where nothing was new, or failed.",
            ["result"],
            registry=self.registry,
        )
        self._retraining = self._gauge("monitor_retraining", "1 while a retraining command runs, else 0.")
        # So that rates exist before the first of each.
        for result in ("started", "running", "repeated", "failed", "ignored"):
            self._alerts.labels(result)
        for result in ("succeeded", "unchanged", "failed"):
            self._retrains.labels(result)

    def alerted(self, result: str) -> None:
        """Count a message with alerts by what became of it."""
        self._alerts.labels(result).inc()

    def watch(self, running: Callable[[], bool]) -> None:
        """Ask at each scrape whether a retraining command runs."""
        self._retraining.set_function(running)

    def retrained(self, code: int) -> None:
        """Count a retraining command that ended with this exit code."""
        self._retrains.labels({0: "succeeded", NOTHING_NEW: "unchanged"}.get(code, "failed")).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format; of a check all or nothing."""
        with self._lock:
            return prometheus.generate_latest(self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> prometheus.Gauge:
        return prometheus.Gauge(name, text, labels, registry=self.registry)


class Metrics(Receipts):
    """All metrics of a monitor that checks too."""

    def __init__(self) -> None:
        super().__init__()
        self._share = self._gauge(
            "drift_share", "Share of the features that drifted; NaN before a first judgement."
        )
        self._detected = self._gauge("drift_detected", "1 when the share is at or above its limit, else 0.")
        self._prediction = self._gauge(
            "drift_prediction_detected",
            "1 when the model's answers drifted, else 0; nothing until it has given enough of them.",
            "version",
        )
        self._score = self._gauge("drift_column_score", "Distance from the training data.", "column")
        self._threshold = self._gauge(
            "drift_column_threshold", "Score from which a column drifted.", "column"
        )
        self._rows = self._gauge(
            "drift_rows", "Rows compared: reference, current, and current ones of the champion.", "side"
        )
        self._model = self._gauge("drift_model_info", "1 for the model version judged.", "version")
        self._quality = self._gauge(
            "quality_problem_share", "Share of the rows that have a problem.", "column", "problem"
        )
        self._quality_limit = self._gauge(
            "quality_problem_limit", "Share from which it counts.", "column", "problem"
        )
        self._problems = self._gauge("quality_problems", "Problems whose share is above its limit.")
        self._broken = self._gauge("quality_broken_lines", "Lines of the log that are no prediction.")
        self._performance = self._gauge(
            "performance_score", "The main metric on predictions whose labels are known.", "metric"
        )
        self._error = self._gauge("performance_standard_error", "Standard error of the score.", "metric")
        self._test_score = self._gauge(
            "performance_test_score", "The metric on the model's test rows.", "metric"
        )
        self._labels = self._gauge(
            "performance_labels", "Known labels of the champion's predictions, and of others'.", "model"
        )
        self._unknown = self._gauge(
            "performance_unknown_labels", "Labels of classes that the model doesn't have."
        )
        self._degraded = self._gauge(
            "performance_degraded", "1 when the score is clearly below the test's, else 0."
        )
        self._checks = prometheus.Counter(
            "monitor_checks",
            "Checks by result: drift, none, skipped or failed.",
            ["result"],
            registry=self.registry,
        )
        self._checked = self._gauge("monitor_last_check_timestamp_seconds", "When a check last succeeded.")
        self._duration = self._gauge("monitor_check_duration_seconds", "Time that the last check took.")
        # So that rates exist before the first of each.
        for result in ("drift", "none", "skipped", "failed"):
            self._checks.labels(result)
        self._forget()

    def checked(self, outcome: Skipped | Judged, seconds: float) -> None:
        """Take note of a check that took this long."""
        with self._lock:
            self._checked.set_to_current_time()
            self._duration.set(seconds)
            self._forget()
            if isinstance(outcome, Skipped):
                self._checks.labels("skipped").inc()
            else:
                self._judged(outcome)

    def failed(self) -> None:
        """Count a check that failed; what was known stays."""
        self._checks.labels("failed").inc()

    def _judged(self, outcome: Judged) -> None:
        self._checks.labels("drift" if outcome.drift else "none").inc()
        self._share.set(outcome.share)
        self._detected.set(outcome.drift)
        if outcome.prediction_drift is not None:
            self._prediction.labels(outcome.model_version).set(outcome.prediction_drift)
        self._model.labels(outcome.model_version).set(1)
        self._broken.set(outcome.broken_lines)
        for side, rows in outcome.rows.items():
            self._rows.labels(side).set(rows)
        for answered_by, labels in outcome.labels.items():
            self._labels.labels(answered_by).set(labels)
        for name, column in outcome.columns.items():
            self._score.labels(name).set(column.score)
            self._threshold.labels(name).set(column.threshold)
        for problem in outcome.quality:
            self._quality.labels(problem.column, problem.problem).set(problem.share)
            self._quality_limit.labels(problem.column, problem.problem).set(problem.limit)
        self._problems.set(sum(problem.found for problem in outcome.quality))
        if (measured := outcome.performance) is not None:
            self._performance.labels(measured.metric).set(measured.score)
            self._error.labels(measured.metric).set(measured.standard_error)
            self._test_score.labels(measured.metric).set(measured.test_score)
            self._unknown.set(measured.unknown_labels)
            self._degraded.set(measured.degraded)

    def _forget(self) -> None:
        """Drop what was said about a model or columns that may be gone."""
        self._share.set(float("nan"))
        for number in (self._detected, self._degraded, self._problems, self._broken, self._unknown):
            number.set(0)
        for gauge in (
            self._prediction,
            self._labels,
            self._score,
            self._threshold,
            self._rows,
            self._model,
            self._quality,
            self._quality_limit,
            self._performance,
            self._error,
            self._test_score,
        ):
            gauge.clear()
