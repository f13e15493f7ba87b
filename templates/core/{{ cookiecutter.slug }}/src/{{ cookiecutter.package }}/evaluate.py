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

    The area under the ROC curve doesn't depend on how rare a class is, and the macro mean of F1 gives each
    class the same weight: neither can be won by always naming the commonest class.

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


def score(fitted: Pipeline, rows: pd.DataFrame, metric: str | None = None) -> float:
    """Return one metric, on labelled rows in normal form.

    Args:
        fitted: the model.
        rows: at least two different values of the target.
        metric: one that `primary` can return; None is the model's own. A model of two classes has both.
    """
    return _score(*_answered(fitted, rows), metric)


def common(first: Pipeline, second: Pipeline) -> str:
    """Return the metric by which two models can be compared.

    It is the primary one, or f1_macro where the models know different numbers of classes.
    """
    one, other = (primary(len(getattr(fitted, "classes_", ()))) for fitted in (first, second))
    return one if one == other else "f1_macro"


def constant(fitted: Pipeline, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of an answer that ignores the features: the classes' shares, or the mean.

    By f1_macro that is no hurdle: always naming the commonest class is nearly the worst that can be done
    where there are many. It is raised to what the model's own answers get when they are dealt to the rows at
    random.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    dummy = DummyClassifier(strategy="prior") if TASK == "classification" else DummyRegressor()
    found = metrics(dummy.fit(train[list(FEATURES)], train[TARGET].to_numpy()), test)
    if TASK == "classification":
        found["f1_macro"] = max(found["f1_macro"], _dealt(fitted, test))
    return found


def noise(first: Pipeline, second: Pipeline | None, rows: pd.DataFrame, seed: int) -> float:
    """Return the standard error of the difference of two models' metric; of the first one's without a second.

    By a paired bootstrap: both answer the same resampled rows, so that what is hard for both cancels out.
    Data larger than SAMPLE is thinned out, and the result scaled by the square root that errors of means
    follow.
    """
    step = max(1, len(rows) // SAMPLE)
    chosen = rows.iloc[::step]
    compared = [first] if second is None else [first, second]
    metric = common(compared[0], compared[-1])
    pairs = [_answered(fitted, chosen) for fitted in compared]
    random = np.random.default_rng(seed)
    differences = []
    for _ in range(RESAMPLES):
        index = random.integers(0, len(chosen), len(chosen))
        # A resample with a single class has no ROC curve, one with a single value no R².
        if len(np.unique(pairs[0][0][index])) > 1:
            one, *others = (
                _score(truth[index], answers[index], classes, metric) for truth, answers, classes in pairs
            )
            differences.append(one - sum(others))
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
        shuffled = chosen.copy(deep=False)
        shuffled[name] = chosen[name].to_numpy()[random.permutation(len(chosen))]
        losses.append(whole - score(fitted, shuffled))
    found = pd.DataFrame({"feature": list(FEATURES), "importance": losses})
    return found.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def predictions(fitted: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `actual` and what the model says for a thinned-out share of the rows, to be plotted.

    Regression adds `residual`: actual minus prediction.
    """
    chosen = rows.iloc[:: max(1, len(rows) // PLOTTED)]
    table = pd.concat([chosen[TARGET].rename("actual"), model.predict(fitted, chosen)], axis="columns")
    if TASK == "regression":
        table["residual"] = table["actual"] - table["prediction"]
    return table


def rarer(truth: np.ndarray, classes: np.ndarray) -> int:
    """Return which of two classes fewer rows have: 0 or 1; 1 if they are equally many."""
    first, second = (int((truth == label).sum()) for label in classes)
    return int(first >= second)


def _answered(fitted: Pipeline, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truth, a model's answers, and its classes: none for regression."""
    truth, classes = rows[TARGET].to_numpy(), getattr(fitted, "classes_", np.array([]))
    if TASK == "classification" and truth.dtype.kind != classes.dtype.kind:
        # A new class can turn labels into text that were booleans or numbers when an older model was trained.
        truth, classes = truth.astype(str), classes.astype(str)
    return truth, model.answers(fitted, rows), classes


def _dealt(fitted: Pipeline, rows: pd.DataFrame) -> float:
    """Return the expected f1_macro of a classifier's answers in random order.

    That of a class is the harmonic mean of its share of the rows and its share of the answers: in random
    order, so many of the answers meet a row of the class, and neither share changes.
    """
    truth, answers, classes = _answered(fitted, rows)
    labels = classes[answers.argmax(axis=1)]
    shares = [((truth == label).mean(), (labels == label).mean()) for label in np.union1d(truth, labels)]
    return float(np.mean([2 * real * given / (real + given) for real, given in shares]))


def _score(truth: np.ndarray, answers: np.ndarray, classes: np.ndarray, metric: str | None = None) -> float:
    from sklearn.metrics import f1_score, r2_score, roc_auc_score

    metric = metric or primary(len(classes))
    if metric == "r2":
        return float(r2_score(truth, answers))
    if metric == "roc_auc":
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
    recalls = [float((labels[truth == label] == label).mean()) for label in np.unique(truth)]
    found = {
        "accuracy": float(accuracy_score(truth, labels)),
        "balanced_accuracy": float(np.mean(recalls)),
        "f1_macro": float(f1_score(truth, labels, average="macro", zero_division=0)),
    }
    if len(classes) == BINARY:
        # Of the rarer class, whichever its label: finding the commoner one is no achievement.
        column = rarer(truth, classes)
        positive, probability = truth == classes[column], answers[:, column]
        found |= {
            "roc_auc": _score(truth, answers, classes),
            "average_precision": float(average_precision_score(positive, probability)),
            "brier": float(brier_score_loss(positive, probability)),
        }
    return found
