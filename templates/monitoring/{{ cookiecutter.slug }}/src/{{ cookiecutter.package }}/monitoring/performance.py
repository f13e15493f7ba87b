"""How good the answers were, once their true labels are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from {{ cookiecutter.package }} import data, evaluate
from {{ cookiecutter.package }}.schema import TARGET, TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from sklearn.pipeline import Pipeline

RESAMPLES = 50
SAMPLE = 1_000  # rows that the uncertainty is estimated on
STANDARD_ERRORS = 2.0
MIN_VALUES = 2


@dataclass(frozen=True, slots=True)
class Performance:
    """The champion's main metric in use, against that on its test rows.

    Attributes:
        metric: its name; higher is better.
        score: its value on the predictions whose labels are known.
        standard_error: of that value.
        test_score: its value on the test rows.
        rows: predictions with a label.
        unknown_labels: labels of classes that the model doesn't have, left out of the score.
        degraded: whether the score lies below the test's by more than the tolerance and its uncertainty.
    """

    metric: str
    score: float
    standard_error: float
    test_score: float
    rows: int
    unknown_labels: int
    degraded: bool


def measure(
    fitted: Pipeline,
    rows: pd.DataFrame,
    labels: pd.Series,
    test_scores: Mapping[str, float],
    min_rows: int,
    tolerance: float,
) -> Performance | None:
    """Measure a model on labelled predictions, as it was measured on its test rows.

    The model is asked about the logged rows again: it is the same version, so that its answers are the logged
    ones.

    Args:
        fitted: the model that made the predictions.
        rows: the features of the predictions, in normal form.
        labels: their true labels, as they were sent.
        test_scores: the metrics on the test rows, by name.
        min_rows: fewest labels that allow a judgement.
        tolerance: how far the score may lie below the test's, in units of the metric.

    Returns:
        None if there are too few labels, or almost all are the same.
    """
    labelled = rows.reset_index(drop=True)
    labelled[TARGET] = _targets(fitted, labels)
    labelled = labelled.dropna(subset=[TARGET])
    if TASK == "classification":
        labelled[TARGET] = labelled[TARGET].astype(fitted.classes_.dtype)
    metric = evaluate.primary(len(getattr(fitted, "classes_", ())))
    if len(labelled) < min_rows or labelled[TARGET].nunique() < MIN_VALUES or metric not in test_scores:
        return None
    error = _standard_error(fitted, labelled)
    if error is None:
        return None
    score, test = evaluate.score(fitted, labelled), test_scores[metric]
    return Performance(
        metric=metric,
        score=score,
        standard_error=error,
        test_score=test,
        rows=len(labelled),
        unknown_labels=len(rows) - len(labelled),
        degraded=score + STANDARD_ERRORS * error < test - tolerance,
    )


def _targets(fitted: Pipeline, labels: pd.Series) -> pd.Series:
    """Return numbers, or the model's own classes; missing where it has no such class."""
    if TASK == "regression":
        return data.numbers(labels)
    # JSON tells 1 from "1" and true; a class is meant by how it is written.
    classes = {str(label): label for label in fitted.classes_}
    return labels.map(lambda label: classes.get(str(label), np.nan)).astype(object)


def _standard_error(fitted: Pipeline, rows: pd.DataFrame) -> float | None:
    """Return the bootstrap's standard error, scaled as those of means are where rows were thinned out."""
    chosen = rows.iloc[:: max(1, len(rows) // SAMPLE)].reset_index(drop=True)
    random = np.random.default_rng(0)
    scores = []
    for _ in range(RESAMPLES):
        drawn = chosen.iloc[random.integers(0, len(chosen), len(chosen))]
        if drawn[TARGET].nunique() >= MIN_VALUES:
            scores.append(evaluate.score(fitted, drawn))
    if len(scores) < MIN_VALUES:
        return None
    return float(np.std(scores, ddof=1) * np.sqrt(len(chosen) / len(rows)))
