"""Figures of merit: of the model, of a plain linear model, and of ignoring the features altogether."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from . import model
from .schema import FEATURES, TARGET, TASK

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

RESAMPLES = 100
SAMPLE = 5_000  # rows that the noise and the importances are estimated on
PLOTTED = 1_000  # rows of the plot of predictions
BINARY = 2


def primary(classes: int) -> str:
    """Return the metric that decides: roc_auc for two classes, f1_macro for more, r2 for numbers.

    Higher is better for each of them.

    Args:
        classes: number of classes in the training rows; without meaning for regression.
    """
    if TASK == "regression":
        return "r2"
    return "roc_auc" if classes == BINARY else "f1_macro"


def metrics(fitted: Pipeline, rows: pd.DataFrame) -> dict[str, float]:
    """Return every metric of the task by name, on labelled rows in normal form."""
    truth, answers = rows[TARGET].to_numpy(), model.answers(fitted, rows)
    if TASK == "regression":
        return _regression(truth, answers)
    return _classification(truth, answers, fitted.classes_)


def score(fitted: Pipeline, rows: pd.DataFrame) -> float:
    """Return the primary metric alone, on labelled rows in normal form."""
    return _score(
        rows[TARGET].to_numpy(), model.answers(fitted, rows), getattr(fitted, "classes_", np.array([]))
    )


def constant(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of an answer that ignores the features: the classes' shares, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    dummy = DummyClassifier(strategy="prior") if TASK == "classification" else DummyRegressor()
    return metrics(dummy.fit(train[list(FEATURES)], train[TARGET].to_numpy()), test)


def noise(first: Pipeline, second: Pipeline, rows: pd.DataFrame, seed: int) -> float:
    """Return the standard error of the difference of two models' primary metrics.

    By a paired bootstrap: both answer the same resampled rows, so that what is hard for both cancels out.
        Test data larger
    than SAMPLE is thinned out, and the result scaled by the square root that errors of means follow.
    """
    step = max(1, len(rows) // SAMPLE)
    chosen = rows.iloc[::step]
    truth = chosen[TARGET].to_numpy()
    pairs = [
        (model.answers(fitted, chosen), getattr(fitted, "classes_", np.array([])))
        for fitted in (first, second)
    ]
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(RESAMPLES):
        index = random.integers(0, len(truth), len(truth))
        # A resample with a single class has no ROC curve, one with a single value no R².
        if len(np.unique(truth[index])) > 1:
            one, other = (_score(truth[index], answers[index], classes) for answers, classes in pairs)
            differences.append(one - other)
    if len(differences) < BINARY:
        return float("inf")
    return float(np.std(differences, ddof=1) * np.sqrt(len(chosen) / len(rows)))


def importance(fitted: Pipeline, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return `feature` and `importance`: the loss in the primary metric when that column is shuffled."""
    chosen = rows.iloc[:: max(1, len(rows) // SAMPLE)].reset_index(drop=True)
    whole = score(fitted, chosen)
    random = np.random.default_rng(seed)
    losses = []
    for name in FEATURES:
        shuffled = chosen.assign(**{name: chosen[name].to_numpy()[random.permutation(len(chosen))]})
        losses.append(whole - score(fitted, shuffled))
    found = pd.DataFrame({"feature": list(FEATURES), "importance": losses})
    return found.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def predictions(fitted: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `actual` and what the model says for a thinned-out share of the rows, to be plotted."""
    chosen = rows.iloc[:: max(1, len(rows) // PLOTTED)]
    answers = model.predict(fitted, chosen)
    return pd.concat([chosen[TARGET].rename("actual"), answers], axis="columns")


def _score(truth: np.ndarray, answers: np.ndarray, classes: np.ndarray) -> float:
    from sklearn.metrics import f1_score, r2_score, roc_auc_score

    if TASK == "regression":
        return float(r2_score(truth, answers))
    if len(classes) == BINARY:
        return float(roc_auc_score(truth == classes[1], answers[:, 1]))
    return float(f1_score(truth, classes[answers.argmax(axis=1)], average="macro", zero_division=0))


def _regression(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    return {
        "r2": _score(truth, answers, np.array([])),
        "rmse": float(root_mean_squared_error(truth, answers)),
        "mae": float(mean_absolute_error(truth, answers)),
    }


def _classification(truth: np.ndarray, answers: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score

    labels = classes[answers.argmax(axis=1)]
    found = {
        "accuracy": float(accuracy_score(truth, labels)),
        "f1_macro": float(f1_score(truth, labels, average="macro", zero_division=0)),
    }
    if len(classes) == BINARY:
        positive = truth == classes[1]
        found |= {
            "roc_auc": _score(truth, answers, classes),
            "average_precision": float(average_precision_score(positive, answers[:, 1])),
            "brier": float(brier_score_loss(positive, answers[:, 1])),
        }
    return found
