"""Evidently: two tables compared column by column, and its reports to look at.

The thresholds know how many rows there are.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

# Evidently takes seconds to import, so that happens where it is used; this keeps it from reporting its use.
os.environ.setdefault("DO_NOT_TRACK", "1")

SMALLEST_THRESHOLD = 0.1
TRIALS = 10
MARGIN = 1.2


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How far a column moved.

    Attributes:
        score: the distance between its two distributions.
        threshold: the score from which it counts as drifted.
        method: how the distance is measured.
        drifted: whether it did.
    """

    score: float
    threshold: float
    method: str
    drifted: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides' columns, and Evidently's report to look at.

    Attributes:
        inputs: the drift of each feature.
        outputs: that of the model's answers.
        html: the report.
    """

    inputs: dict[str, ColumnDrift]
    outputs: dict[str, ColumnDrift]
    html: str

    @property
    def drifted(self) -> int:
        """Number of drifted features."""
        return sum(column.drifted for column in self.inputs.values())

    @property
    def share(self) -> float:
        """Share of the features that drifted, 0 to 1."""
        return self.drifted / len(self.inputs) if self.inputs else 0.0


def thresholds(reference: pd.DataFrame, rows: int, categorical: Collection[str]) -> dict[str, float]:
    """Return for each column the score that mere chance stays below.

    Two samples of the same source differ, the more so the smaller they are: with 100 rows, a fixed threshold
    of 0.1 finds drift in half of the columns where there is none. So rows drawn from the reference are
    compared with it.

    Args:
        reference: the rows that the model was trained on.
        rows: how many rows will be compared with it.
        categorical: the columns that hold categories.
    """
    with warnings.catch_warnings():
        # Evidently's dependencies warn of their own future, which is nothing for readers of a drift report.
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test
        from evidently.legacy.core import ColumnType

    highest = dict.fromkeys(map(str, reference.columns), 0.0)
    for seed in range(TRIALS):
        drawn = reference.sample(rows, replace=rows > len(reference), random_state=seed)
        for name in reference.columns:
            test, kind = (
                (jensenshannon_stat_test, ColumnType.Categorical)
                if name in categorical
                else (wasserstein_stat_test, ColumnType.Numerical)
            )
            known, seen = reference[name].dropna(), drawn[name].dropna()
            if len(seen):
                score = float(test(known, seen, kind, None).drift_score)
                highest[name] = max(highest[name], MARGIN * score)
    return {name: max(SMALLEST_THRESHOLD, score) for name, score in highest.items()}


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    categorical: Collection[str],
    outputs: Collection[str],
    limits: Mapping[str, float],
    share: float,
) -> Comparison:
    """Compare rows with the reference, column by column; the report also sums up what each column holds.

    Args:
        reference: the rows that the model was trained on.
        current: the rows to judge, with the same columns.
        categorical: the columns that hold categories.
        outputs: the columns that hold the model's answers. A row may have none.
        limits: each column's threshold, from `thresholds`.
        share: share of drifted features that the report calls drift.

    Returns:
        Every column that holds anything on either side. One that is empty on one side has drifted altogether.
    """
    known, seen = reference.notna().any(), current.notna().any()
    both = [name for name in reference.columns if known[name] and seen[name]]
    columns = {
        name: ColumnDrift(1.0, 1.0, "all values missing on one side", drifted=True)
        for name in reference.columns
        if known[name] != seen[name]
    }
    own_limits = {name: limits.get(name, SMALLEST_THRESHOLD) for name in both}
    result = _run(reference[both], current[both], categorical, outputs, own_limits, share)
    for metric in result.dict()["metrics"]:
        config = metric["config"]
        if config["type"].endswith(":ValueDrift"):
            score, limit = float(metric["value"]), float(config["threshold"])
            columns[config["column"]] = ColumnDrift(score, limit, config["method"], drifted=score >= limit)
    ordered = {name: columns[name] for name in reference.columns if name in columns}
    return Comparison(
        inputs={name: column for name, column in ordered.items() if name not in outputs},
        outputs={name: column for name, column in ordered.items() if name in outputs},
        html=_html(result),
    )


def performance_report(actual: pd.Series, prediction: pd.Series, *, classes: bool) -> str:
    """Return Evidently's report of predictions whose true values are known, as HTML.

    Args:
        actual: the true values, at least two different ones.
        prediction: the answers, in the same order.
        classes: whether they are labels, as text, rather than numbers.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import (
            BinaryClassification,
            DataDefinition,
            Dataset,
            MulticlassClassification,
            Regression,
            Report,
        )
        from evidently.presets import ClassificationPreset, RegressionPreset

        table = pd.DataFrame({"actual": actual.to_numpy(), "prediction": prediction.to_numpy()})
        columns = list(table.columns)
        if classes:
            labels = sorted({*table["actual"], *table["prediction"]})
            roles = {"target": "actual", "prediction_labels": "prediction"}
            # Evidently takes any two labels for a question with a positive answer, which it has to be told.
            task = (
                BinaryClassification(**roles, pos_label=labels[1])
                if len(labels) == 2  # noqa: PLR2004
                else MulticlassClassification(**roles)
            )
            definition = DataDefinition(classification=[task], categorical_columns=columns)
            preset = ClassificationPreset()
        else:
            regression = Regression(target="actual", prediction="prediction")
            definition = DataDefinition(regression=[regression], numerical_columns=columns)
            preset = RegressionPreset()
        dataset = Dataset.from_pandas(table, data_definition=definition)
        return _html(Report([preset]).run(current_data=dataset, reference_data=None))


def _run(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    categorical: Collection[str],
    outputs: Collection[str],
    limits: Mapping[str, float],
    share: float,
) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift
        from evidently.presets import DataDriftPreset, DataSummaryPreset

        names = list(reference.columns)
        definition = DataDefinition(
            numerical_columns=[name for name in names if name not in categorical],
            categorical_columns=[name for name in names if name in categorical],
        )
        # Distances for any number of rows: with p-values, many rows make any difference "significant".
        numbers, categories = "wasserstein", "jensenshannon"
        features = [name for name in names if name not in outputs]
        preset = DataDriftPreset(
            columns=features,
            drift_share=share,
            num_method=numbers,
            cat_method=categories,
            num_threshold=SMALLEST_THRESHOLD,
            cat_threshold=SMALLEST_THRESHOLD,
            per_column_threshold=dict(limits),
        )
        answers = [
            ValueDrift(
                column=name,
                method=categories if name in categorical else numbers,
                threshold=limits[name],
            )
            for name in names
            if name in outputs
        ]
        # Where all features are dates, there is none to compare.
        return Report([*([preset] if features else []), *answers, DataSummaryPreset()]).run(
            current_data=Dataset.from_pandas(current, data_definition=definition),
            reference_data=Dataset.from_pandas(reference, data_definition=definition),
        )


def _html(result: Any) -> str:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "report.html"
        result.save_html(str(path))
        return path.read_text(encoding="utf-8")
