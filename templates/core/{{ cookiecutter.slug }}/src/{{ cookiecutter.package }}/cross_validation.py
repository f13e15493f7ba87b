"""Cross-validation: model and baseline, fitted and scored on different parts of the training rows.

It tells how far a score depends on the rows that happened to be tested, and it compares the model with its
baseline without looking at the test rows, which stay for the final word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import data, evaluate, model
from .schema import TARGET, TASK, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .config import Params

MIN_FOLDS = 2
MIN_VALUES = 2
MODELS = ("model", "baseline", "constant")


def splits(rows: pd.DataFrame, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide rows into folds, each with the positions of its training rows and of its test rows.

    With a time column, the rows are cut into `folds` + 1 periods with about as many rows each; every period
    but the first is tested after training on all that came before it, and no moment is on both sides.
    Without one, every row is tested once, classes are spread evenly over the folds, and rows with the same
    features stay together.

    Args:
        rows: in normal form.
        folds: how many are wanted, 2 or more.
        seed: decides who goes where, where the data has no time column.

    Returns:
        Those folds that can be fitted and scored: with two values of the target on either side.
    """
    number = _by_time(rows, folds) if TIME is not None else _by_content(rows, folds, seed)
    found = []
    for fold in range(1, folds + 1):
        test = np.flatnonzero(number == fold)
        train = np.flatnonzero((number < fold) if TIME is not None else (number != fold))
        sides = (rows[TARGET].iloc[train], rows[TARGET].iloc[test])
        if len(train) >= model.MIN_ROWS and all(side.nunique() >= MIN_VALUES for side in sides):
            found.append((train, test))
    return found


def run(rows: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Cross-validate the model, its linear baseline and the constant answer.

    Args:
        rows: the training rows, in normal form.
        params: of the training run.

    Returns:
        `folds`, the number of them; `mean` and standard `error` of the primary metric for `model`,
        `baseline` and `constant`, and of the model's `lead` over either of these; `each` fold's rows and
        scores. If there was none: `folds` 0 and the `reason`.
    """
    wanted, limit = params.cross_validation.folds, params.cross_validation.max_rows
    if wanted == 0:
        return _skipped("cross_validation.folds is 0 in params.yaml")
    if len(rows) > limit:
        return _skipped(f"more training rows than cross_validation.max_rows, {limit:,}, in params.yaml")
    parts = splits(rows, wanted, params.split.seed)
    if len(parts) < MIN_FOLDS:
        return _skipped("the training rows can't be divided into folds that all have different targets")
    metric = evaluate.primary(rows[TARGET].nunique())
    each = []
    for train, test in parts:
        seen, new = rows.iloc[train], rows.iloc[test]
        fitted = model.fit(params.model, seen)
        linear = model.fit(replace(params.model, kind="linear"), seen)
        scores = (
            evaluate.score(fitted, new, metric),
            evaluate.score(linear, new, metric),
            evaluate.constant(fitted, seen, new)[metric],
        )
        each.append(dict(zip(MODELS, scores, strict=True)) | {"train": len(train), "test": len(test)})
    # Each fold's test rows as a share of its training rows.
    share = float(np.mean([fold["test"] / fold["train"] for fold in each]))
    summary = {name: _summary([fold[name] for fold in each], share) for name in MODELS}
    # Of a model that learned nothing, periods after one another are independent draws, whatever it was shown.
    shares = {"baseline": share, "constant": share if TIME is None else 0.0}
    lead = {
        name: _summary([fold["model"] - fold[name] for fold in each], shared)
        for name, shared in shares.items()
    }
    return {"folds": len(each), **summary, "lead": lead, "each": each}


def _summary(values: Sequence[float], share: float) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "error": _error(values, share)}


def _error(values: Sequence[float], share: float) -> float:
    """Return the standard error of a mean over folds.

    The folds share training rows, so their scores are no independent draws, and the usual error of a mean is
    too small. This is the correction of Nadeau and Bengio (Machine Learning 52, 2003).
    """
    return float(np.sqrt(np.var(values, ddof=1) * (1 / len(values) + share)))


def _by_time(rows: pd.DataFrame, folds: int) -> np.ndarray:
    """Return each row's period, from 0 to `folds`."""
    moments = rows[TIME].to_numpy()
    starts = np.sort(moments)[len(moments) * np.arange(1, folds + 1) // (folds + 1)]
    return np.searchsorted(starts, moments, side="right")


def _by_content(rows: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """Return each row's fold, from 1 to `folds`: its rank by hash among the distinct rows of its class.

    Rows with the same features go together, and count as one of the commonest class among them.
    """
    hashes = data.hashes(rows, seed)
    if TASK == "classification":
        counts = rows[TARGET].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        order = {label: number for number, label in enumerate(counts.index)}
        stratum = rows[TARGET].map(order).groupby(hashes).transform("min")
    else:
        stratum = pd.Series(0, index=rows.index)
    rank = hashes.groupby(stratum).rank(method="dense").astype(np.int64) - 1
    # Classes start at different folds, so that the first fold doesn't get every class with a single row.
    found: np.ndarray = ((rank + stratum) % folds + 1).to_numpy()
    return found


def _skipped(reason: str) -> dict[str, Any]:
    return {"folds": 0, "reason": reason}
