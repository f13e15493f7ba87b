"""What the test rows show beyond single figures: the tables behind DVC's plots and the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from . import evaluate, model
from .schema import TARGET, TASK

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

POINTS = 200  # of a curve
BINS = 10  # of a calibration table
QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.99)


def tables(fitted: Pipeline, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return every table of the task by its file's name.

    Both tasks have `calibration`. Classification adds `roc`, `precision_recall` and `classes`; regression
    adds `errors`.

    Args:
        fitted: the model.
        train: its training rows, in normal form.
        test: the test rows, in normal form.
    """
    truth, answers = test[TARGET].to_numpy(), model.answers(fitted, test)
    if TASK == "regression":
        return {"calibration": calibration(answers, truth), "errors": errors(truth, answers)}
    classes = fitted.classes_
    right, probability = _decisions(truth, answers, classes)
    return {
        "calibration": calibration(*_certainty(truth, answers, classes)),
        "roc": roc(right, probability),
        "precision_recall": precision_recall(right, probability),
        "classes": by_class(train[TARGET], truth, answers, classes),
    }


def calibration(predicted: np.ndarray, observed: np.ndarray) -> pd.DataFrame:
    """Return the means of `predicted` and `observed`, and the `rows`, of BINS groups by what was predicted.

    Equal predictions share a group, so there may be fewer groups.
    """
    edges = np.unique(np.quantile(predicted, np.arange(1, BINS) / BINS))
    frame = pd.DataFrame({"predicted": predicted, "observed": observed.astype(np.float64)})
    grouped = frame.groupby(np.searchsorted(edges, predicted, side="right"))
    return grouped.mean().assign(rows=grouped.size()).reset_index(drop=True)


def errors(truth: np.ndarray, answers: np.ndarray) -> pd.DataFrame:
    """Return the `error` that each `share` of the answers stays within, in the target's unit."""
    sizes = np.abs(truth - answers)
    return pd.DataFrame(
        {"share": QUANTILES, "error": [float(np.quantile(sizes, share)) for share in QUANTILES]}
    )


def roc(right: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Return the ROC curve: `false_positive_rate` and `true_positive_rate`."""
    from sklearn.metrics import roc_curve

    false_positive, true_positive, _ = roc_curve(right, probability)
    return _thinned({"false_positive_rate": false_positive, "true_positive_rate": true_positive})


def precision_recall(right: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Return the curve of `recall` and `precision`."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(right, probability)
    return _thinned({"recall": recall[::-1], "precision": precision[::-1]})


def by_class(train: pd.Series, truth: np.ndarray, answers: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Return the figures of each `class`, with its number of `train_rows` and `test_rows`.

    `average_precision` is missing where the test rows, or the training rows, don't show the class.
    """
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support

    labels = np.unique(np.concatenate([classes, truth]))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, classes[answers.argmax(axis=1)], labels=labels, zero_division=0
    )
    column = {label: index for index, label in enumerate(classes)}
    average = [
        float(average_precision_score(truth == label, answers[:, column[label]]))
        if label in column and count
        else np.nan
        for label, count in zip(labels, support, strict=True)
    ]
    seen = train.value_counts()
    return pd.DataFrame(
        {
            "class": labels,
            "train_rows": [int(seen.get(label, 0)) for label in labels],
            "test_rows": support,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "average_precision": average,
        }
    )


def _decisions(truth: np.ndarray, answers: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return yes-or-no questions: whether each was to be answered with yes, and the probability of that.

    Of two classes, whether a row is of the rarer one; of more, for each row and class whether they belong
    together.
    """
    if len(classes) == evaluate.BINARY:
        column = evaluate.rarer(truth, classes)
        return truth == classes[column], answers[:, column]
    return (truth[:, None] == classes[None, :]).ravel(), answers.ravel()


def _certainty(truth: np.ndarray, answers: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of the rarer of two classes, or of the predicted one of more; and if it was."""
    if len(classes) == evaluate.BINARY:
        right, probability = _decisions(truth, answers, classes)
        return probability, right
    return answers.max(axis=1), classes[answers.argmax(axis=1)] == truth


def _thinned(curve: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return at most POINTS points of a curve, its two ends among them."""
    length = len(next(iter(curve.values())))
    kept = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(np.int64))
    return pd.DataFrame({name: values[kept] for name, values in curve.items()})
