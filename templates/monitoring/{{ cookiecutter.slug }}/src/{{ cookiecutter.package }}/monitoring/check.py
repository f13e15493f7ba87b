"""One look at the newest logged predictions, against what the champion was trained on."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from {{ cookiecutter.package }} import data, model
from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, NUMERIC, TASK

from . import drift, performance, quality
from . import log as logs

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from {{ cookiecutter.package }}.registry import ModelVersion

    from .drift import ColumnDrift, Comparison
    from .log import Files, Log, Logged
    from .performance import Performance
    from .quality import Quality

JSON_FILE = "drift.json"
HTML_FILE = "drift.html"
PERFORMANCE_FILE = "performance.html"


def _free(name: str) -> str:
    """Return a column name that no feature has."""
    while name in FEATURES:
        name += "_"
    return name


PREDICTION = _free("prediction")
PROBABILITY = _free("probability")
CATEGORIES = frozenset({*CATEGORICAL, *({PREDICTION} if TASK == "classification" else ())})
# Dates are left out: that they move on is no drift.
COMPARED = tuple(name for name in FEATURES if name in {*CATEGORICAL, *NUMERIC})


class Registry(Protocol):
    """Where the champion and its training rows come from."""

    def champion(self) -> ModelVersion | None:
        """Return the version in use, if there is one."""

    def download(self, version: ModelVersion, dest: Path) -> Path:
        """Fetch a version's files into a folder and return it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is compared, and where.

    Attributes:
        log: folder of the prediction log, or `s3://bucket/prefix`.
        reports: folder for the reports.
        window: most predictions to look at, the newest ones.
        min_rows: fewest predictions, fewest answers of the champion, and fewest labels of these, that allow
            a judgement.
        share: share of drifted features from which there is drift, above 0 and up to 1.
        tolerance: how far the metric may fall below that on the test rows, beyond its uncertainty.
    """

    log: str
    reports: Path = Path("reports")
    window: int = 5000
    min_rows: int = 100
    share: float = 0.5
    tolerance: float = 0.02


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to judge, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What drift.json holds.

    What was asked is judged by the newest predictions of whatever version of the model: it tells about the
    world. Answers and performance are the champion's own.

    Attributes:
        share: share of the features that drifted.
        drifted: how many.
        drift: whether that share reached its limit.
        prediction_drift: whether the champion's answers drifted; None until it has given enough of them.
        columns: the distance of each feature and, as far as they are judged, of the answers.
        quality: each problem that a column could have.
        performance: None until enough labels of the champion's own predictions are known.
        labels: how many are known of predictions of the `champion`, and of `other` versions.
        rows: how many were compared: of the `reference`, and `current`; how many of the current ones the
            `champion` answered.
        broken_lines: lines of the log that are no prediction.
        model_version: that was judged.
        run_id: of the training run that made it.
        time: of the check, ISO 8601 in UTC.
    """

    share: float
    drifted: int
    drift: bool
    prediction_drift: bool | None
    columns: dict[str, ColumnDrift]
    quality: list[Quality]
    performance: Performance | None
    labels: dict[str, int]
    rows: dict[str, int]
    broken_lines: int
    model_version: str
    run_id: str
    time: str

    @property
    def alarming(self) -> bool:
        """Whether a new model is called for: the features drifted, or the answers became worse."""
        return self.drift or (self.performance is not None and self.performance.degraded)


@dataclass(frozen=True, slots=True)
class _Reference:
    """A version of the model, its training rows, and the same with its answers to them."""

    version: ModelVersion
    fitted: Pipeline
    rows: pd.DataFrame
    table: pd.DataFrame


class Checker:
    """Checks the newest predictions, as often as asked; what doesn't change between two checks is kept.

    Args:
        registry: where the champion comes from.
        options: what is compared, and where.

    Raises:
        ConfigError: the log's address can't be used.
    """

    def __init__(self, registry: Registry, options: Options) -> None:
        self._registry = registry
        self._options = options
        self._log: Log = logs.open_log(options.log)
        self._reference: _Reference | None = None
        self._thresholds: dict[tuple[tuple[str, ...], int], dict[str, float]] = {}
        self._last: tuple[Any, Skipped | Judged] | None = None

    def check(self) -> Skipped | Judged:
        """Compare and write the reports; writes nothing when there is nothing to judge.

        Raises:
            RegistryError: the registry can't be reached.
            UntrustedModelError: the champion isn't the file that was registered.
            StoreError: the log is in an object store that can't be reached.
            OSError: the log can't be read, or the reports can't be written.
        """
        version = self._registry.champion()
        if version is None:
            return Skipped("no model is registered as champion yet: train and register one (make train)")
        predictions, feedback = self._log.files(logs.PREDICTIONS), self._log.files(logs.FEEDBACK)
        state = (version, predictions.recent, feedback.recent)
        if self._last is None or self._last[0] != state:
            self._last = (state, self._judge(version, predictions, feedback))
        return self._last[1]

    def _judge(self, version: ModelVersion, predictions: Files, feedback: Files) -> Skipped | Judged:
        options = self._options
        logged = logs.read(self._log, predictions, feedback, version.version, options.window)
        rows, answered = len(logged.features), len(logged.answers)
        if rows < options.min_rows:
            notes = f" ({logged.broken} lines of the log are no predictions)" if logged.broken else ""
            return Skipped(
                f"{options.log} holds {rows} predictions, and {options.min_rows} are needed to judge{notes}"
            )
        reference = self._reference_of(version)
        compared = self._compare(reference.table, logged)
        measured = performance.measure(
            reference.fitted,
            logged.labelled,
            logged.labels,
            version.metrics,
            options.min_rows,
            options.tolerance,
        )
        judged = Judged(
            share=compared.share,
            drifted=compared.drifted,
            drift=compared.share >= options.share,
            prediction_drift=(
                any(column.drifted for column in compared.outputs.values()) if compared.outputs else None
            ),
            columns=compared.inputs | compared.outputs,
            quality=quality.assess(reference.rows, logged.features),
            performance=measured,
            labels={"champion": len(logged.labels), "other": logged.other_labels},
            rows={"reference": len(reference.rows), "current": rows, "champion": answered},
            broken_lines=logged.broken,
            model_version=version.version,
            run_id=version.run_id,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        _write(options.reports / HTML_FILE, compared.html)
        self._write_performance(reference.fitted, logged, measured)
        _write(options.reports / JSON_FILE, json.dumps(asdict(judged), indent=2, ensure_ascii=False) + "\n")
        return judged

    def _compare(self, reference: pd.DataFrame, logged: Logged) -> Comparison:
        """Compare the rows with the reference, and the answers if there are enough of them."""
        outputs = [name for name in (PREDICTION, PROBABILITY) if name in reference]
        current = _table(logged.features, logged.answers)
        limits = self._limits(reference[list(COMPARED)], len(current))
        if len(logged.answers) >= self._options.min_rows:
            limits |= self._limits(reference[outputs], len(logged.answers))
        else:
            reference, current = (table.drop(columns=outputs) for table in (reference, current))
        return drift.compare(reference, current, CATEGORIES, outputs, limits, self._options.share)

    def _write_performance(self, fitted: Pipeline, logged: Logged, measured: Performance | None) -> None:
        path = self._options.reports / PERFORMANCE_FILE
        if measured is None:
            path.unlink(missing_ok=True)  # one of an older version would be taken for this one's
            return
        answers = model.predict(fitted, logged.labelled)["prediction"]
        if TASK == "classification":
            report = drift.performance_report(
                _harmless(logged.labels.map(str)), _harmless(answers.map(str)), classes=True
            )
        else:
            report = drift.performance_report(data.numbers(logged.labels), answers, classes=False)
        _write(path, report)

    def _reference_of(self, version: ModelVersion) -> _Reference:
        if self._reference is None or self._reference.version != version:
            with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
                folder = self._registry.download(version, Path(scratch))
                rows = data.features(pd.read_parquet(folder / "reference.parquet"))
                fitted = model.load(folder, version.sha256)
            table = _table(rows, model.predict(fitted, rows))
            self._reference = _Reference(version, fitted, rows, table)
            self._thresholds.clear()
        return self._reference

    def _limits(self, reference: pd.DataFrame, rows: int) -> dict[str, float]:
        """Return the threshold of each of these columns for so many rows."""
        # Rounded down to a power of two, the careful side, so that a growing log doesn't mean new trials.
        asked = tuple(map(str, reference)), 1 << (rows.bit_length() - 1)
        if asked not in self._thresholds:
            self._thresholds[asked] = drift.thresholds(reference, asked[1], CATEGORIES)
        return dict(self._thresholds[asked])


def _table(features: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return features and answers side by side, labels as text: JSON doesn't keep every type apart.

    Args:
        features: numbered from 0.
        answers: to all of them, or to those with their numbers.
    """
    table = features[list(COMPARED)].copy()
    for name in CATEGORICAL:
        table[name] = _harmless(table[name])
    if TASK == "classification":
        table[PREDICTION] = _harmless(answers["prediction"].map(str))
        table[PROBABILITY] = answers["probability"].astype(float)
    else:
        table[PREDICTION] = answers["prediction"].astype(float)
    return table


def _harmless(values: pd.Series) -> pd.Series:
    """Return text that can end no script: Evidently writes values into the report's as they are."""
    return values.map(lambda value: value.replace("<", "\u2039"), na_action="ignore")


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole: whoever reads it sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
