"""One look at the model's recent life: the champion's training rows against the newest logged predictions."""

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
from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, TASK

from . import drift, log

if TYPE_CHECKING:
    from {{ cookiecutter.package }}.registry import ModelVersion

    from .drift import ColumnDrift

JSON_FILE = "drift.json"
HTML_FILE = "drift.html"


def _free(name: str) -> str:
    """Return a column name that no feature has."""
    while name in FEATURES:
        name += "_"
    return name


PREDICTION = _free("prediction")
PROBABILITY = _free("probability")
CATEGORIES = frozenset({*CATEGORICAL, *({PREDICTION} if TASK == "classification" else ())})


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
        prediction_log: folder of the prediction log.
        reports: folder for drift.json and drift.html.
        window: most predictions to look at, the newest ones.
        min_rows: fewest predictions that allow a judgement.
        share: share of drifted columns from which there is drift, above 0 and up to 1.
    """

    prediction_log: Path
    reports: Path = Path("reports")
    window: int = 5000
    min_rows: int = 100
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to judge, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What drift.json holds."""

    share: float
    drifted: int
    drift: bool
    columns: dict[str, ColumnDrift]
    rows: dict[str, int]
    model_version: str
    time: str


class Checker:
    """Checks for drift, as often as asked; what doesn't change between two checks is kept.

    Args:
        registry: where the champion comes from.
        options: what is compared, and where.
    """

    def __init__(self, registry: Registry, options: Options) -> None:
        self._registry = registry
        self._options = options
        self._reference: tuple[ModelVersion, pd.DataFrame] | None = None
        self._thresholds: dict[tuple[str, int], dict[str, float]] = {}
        self._last: tuple[Any, Skipped | Judged] | None = None

    def check(self) -> Skipped | Judged:
        """Compare and write the reports; writes nothing when there is nothing to judge.

        Raises:
            RegistryError: the registry can't be reached.
            UntrustedModelError: the champion isn't the file that was registered.
            OSError: the log can't be read, or the reports can't be written.
        """
        version = self._registry.champion()
        if version is None:
            return Skipped("no model is registered as champion yet: train and register one (make train)")
        state = (version.version, log.files(self._options.prediction_log))
        if self._last is not None and self._last[0] == state:
            return self._last[1]
        outcome = self._judge(version)
        self._last = (state, outcome)
        return outcome

    def _judge(self, version: ModelVersion) -> Skipped | Judged:
        options = self._options
        logged = log.read(options.prediction_log, version.version, options.window)
        rows = len(logged.features)
        if rows < options.min_rows:
            notes = f" ({logged.broken} lines of the log are no predictions)" if logged.broken else ""
            return Skipped(
                f"{options.prediction_log} holds {rows} predictions of version {version.version},"
                f" and {options.min_rows} are needed to judge{notes}"
            )
        reference = self._reference_of(version)
        current = _table(logged.features, logged.predictions)
        limits = self._thresholds_for(version, reference, rows)
        compared = drift.compare(reference, current, CATEGORIES, limits, options.share)
        judged = Judged(
            share=compared.share,
            drifted=compared.drifted,
            drift=compared.share >= options.share,
            columns=compared.columns,
            rows={"reference": len(reference), "current": rows},
            model_version=version.version,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        _write(options.reports / HTML_FILE, compared.html)
        _write(options.reports / JSON_FILE, json.dumps(asdict(judged), indent=2, ensure_ascii=False) + "\n")
        return judged

    def _reference_of(self, version: ModelVersion) -> pd.DataFrame:
        """Return the version's training rows with its answers to them."""
        if self._reference is None or self._reference[0] != version:
            with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
                folder = self._registry.download(version, Path(scratch))
                rows = data.features(pd.read_parquet(folder / "reference.parquet"))
                answers = model.predict(model.load(folder, version.sha256), rows)
            self._reference = (version, _table(rows, answers))
            self._thresholds.clear()
        return self._reference[1]

    def _thresholds_for(self, version: ModelVersion, reference: pd.DataFrame, rows: int) -> dict[str, float]:
        # Rounded down to a power of two, the careful side, so that a growing log doesn't mean new trials.
        key = (version.version, 1 << (rows.bit_length() - 1))
        if key not in self._thresholds:
            self._thresholds[key] = drift.thresholds(reference, key[1], CATEGORIES)
        return self._thresholds[key]


def _table(features: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return features and answers side by side, labels as text: JSON doesn't keep every type apart."""
    table = features.reset_index(drop=True)
    for name in CATEGORICAL:
        # Evidently writes values into the report's script as they are, and any client can send "</script>".
        table[name] = table[name].map(lambda value: value.replace("<", "\u2039"), na_action="ignore")
    answers = answers.reset_index(drop=True)
    if TASK == "classification":
        table[PREDICTION] = answers["prediction"].map(str)
        table[PROBABILITY] = answers["probability"].astype(float)
    else:
        table[PREDICTION] = answers["prediction"].astype(float)
    return table


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole: whoever reads it sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
