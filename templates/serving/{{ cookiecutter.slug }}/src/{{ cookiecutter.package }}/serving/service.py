"""What the service does, whichever web framework stands in front of it."""

from __future__ import annotations

import gc
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from {{ cookiecutter.package }} import model, schema

from .feedback import Label, Labels, Received, RecentIds, labels_of{% if cookiecutter.task == "classification" %}, require_classes{% endif %}
from .log import RotatingLog
from .metrics import Metrics
from .refusals import Refusal
from .requests import Answer, Batch, Prediction, Record, frame_of, records_of
from .s3_folder import S3Folder
from .store import Loaded, ModelStore, Registry, StoreEvent
from .uploads import Uploads

if TYPE_CHECKING:
    from .settings import Settings

# More threads than processors would only wait for each other: prediction is computation.
THREADS = max(2, os.cpu_count() or 1)
QUEUED = frozenset({"/predict", "/feedback"})
"""Paths whose requests wait for a thread; all others are answered at once."""
ROUTES = frozenset({"/", "/predict", "/feedback", "/healthz", "/readyz", "/metrics"})


class Service:
    """Everything that lives as long as the process does; its methods may be called from any thread.

    Args:
        settings: its bounds and places.
        registry: where its model comes from.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.settings = settings
        self.stopping = False
        store = S3Folder.of(settings.prediction_log)
        folder = settings.log_spool if store else Path(settings.prediction_log)
        self.logs = {
            name: RotatingLog(
                folder,
                name,
                file_bytes=settings.log_file_bytes,
                files=settings.log_files,
                backlog_rows=settings.log_backlog_rows,
                file_seconds=settings.log_upload_seconds if store else None,
            )
            for name in ("predictions", "feedback")
        }
        self.metrics = Metrics(lambda: {name: log.counts for name, log in self.logs.items()})
        self._uploads = Uploads(folder, store, self.metrics.upload_failures.inc) if store else None
        self._recent = RecentIds(settings.feedback_ids)
        self._store = ModelStore(registry, settings.model_poll_seconds, self._model_event)

    def start(self) -> None:
        """Begin to look for a model and to write logs."""
        if self._uploads:
            self._uploads.start()
        for log in self.logs.values():
            log.start()
        self._store.start()

    def stop(self) -> None:
        """Write down what is waiting; call it when the last request is answered."""
        self._store.stop()
        for log in self.logs.values():
            log.stop()
        if self._uploads:
            self._uploads.stop()

    def predict(self, payload: Record | Batch) -> Answer:
        """Predict the target for one record, or for several.

        Raises:
            Refusal: 413, too many records; 503, there is no model yet.
        """
        records = records_of(payload)
        self._require_few(len(records), "records")
        loaded = self._require_model()
        predictions = _predict(loaded, records)
        self.logs["predictions"].append(_log_rows(loaded, records, predictions))
        self._recent.add(prediction.id for prediction in predictions)
        self.metrics.predicted(predictions)
        return Answer(model_version=loaded.version.version, predictions=predictions)

    def feedback(self, payload: Label | Labels) -> Received:
        """Write down true labels; a later one for the same prediction takes the place of an earlier one.

        Raises:
            Refusal: 413, too many labels{% if cookiecutter.task == "classification" %}; 422, no such class; 503, no model that could tell{% endif %}.
        """
        labels = labels_of(payload)
        self._require_few(len(labels), "labels")
{%- if cookiecutter.task == "classification" %}
        require_classes(payload, self._require_model().model.classes_.tolist())
{%- endif %}
        known = self._recent.count(label.id for label in labels)
        time = _now()
        self.logs["feedback"].append(
            [{"id": label.id, "time": time, "actual": label.actual} for label in labels]
        )
        self.metrics.labelled(known=known, unknown=len(labels) - known)
        return Received(accepted=len(labels), unknown=len(labels) - known)

    def about(self) -> dict[str, Any]:
        """Say what this service is."""
        loaded = self._store.current
        return {
            "name": schema.PROJECT,
            "title": schema.TITLE,
            "description": schema.DESCRIPTION,
            "task": schema.TASK,
            "target": schema.TARGET,
            "features": schema.FEATURES,
            "model": loaded and {"name": loaded.version.name, "version": loaded.version.version},
            "status": self._store.status,
            "routes": sorted(ROUTES),
        }

    def ready(self) -> tuple[bool, str]:
        """Say whether predictions can be had, and in words why or why not."""
        if self.stopping:
            return False, "the service is about to stop"
        return self._store.current is not None, self._store.status

    def _require_few(self, count: int, what: str) -> None:
        if count > self.settings.max_rows:
            raise Refusal(413, f"{count} {what}; {self.settings.max_rows} are allowed at once")

    def _require_model(self) -> Loaded:
        loaded = self._store.current
        if loaded is None:
            raise Refusal(503, f"no model to predict with: {self._store.status}", {"Retry-After": "5"})
        return loaded

    def _model_event(self, event: StoreEvent) -> None:
        self.metrics.model_event(event)
        if event.loaded is not None:
            # The libraries and the model are hundreds of thousands of objects that stay. Unless they are put
            # aside, the garbage collector walks through all of them within a request that allocates much.
            gc.unfreeze()
            gc.collect()
            gc.freeze()


def _predict(loaded: Loaded, records: list[Record]) -> list[Prediction]:
    result = model.predict(loaded.model, frame_of(records))
{%- if cookiecutter.task == "classification" %}
    rows = zip(result["prediction"].tolist(), result["probability"].tolist(), strict=True)
    return [Prediction(id=uuid4().hex, prediction=label, probability=share) for label, share in rows]
{%- else %}
    return [Prediction(id=uuid4().hex, prediction=value) for value in result["prediction"].tolist()]
{%- endif %}


def _log_rows(loaded: Loaded, records: list[Record], predictions: list[Prediction]) -> list[dict[str, Any]]:
    time = _now()
    return [
        {
            "id": prediction.id,
            "time": time,
            "model_version": loaded.version.version,
            "features": record,
            "prediction": prediction.prediction,
            "probability": {% if cookiecutter.task == "classification" %}prediction.probability{% else %}None{% endif %},
        }
        for record, prediction in zip(records, predictions, strict=True)
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
