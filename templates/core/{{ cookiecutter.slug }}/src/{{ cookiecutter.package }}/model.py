"""The model: how it is built, fitted, stored, loaded and asked.

One pipeline: categories become their smoothed target rates (cross-fitted, so that a row never sees its own
target), dates become parts of the calendar, and numbers stay as they are, missing values included. On top
stands the mean of a linear model and gradient-boosted trees: trees find what a line can't, and the line keeps
them steady where the data is small or the future differs from the past.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import canonical, data
from .errors import DataError, UntrustedModelError
from .schema import CATEGORICAL, COLUMNS, DATES, FEATURES, NUMERIC, TARGET, TASK, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline
    from threadpoolctl import ThreadpoolController

    from .config import ModelParams

# What a stored model may hold besides skops' own safe list. Each was read: none runs code when it is loaded.
TRUSTED_TYPES: tuple[str, ...] = (
    f"{__package__}.dates.CalendarParts",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.utils._bunch.Bunch",
)
# What a model is asked and what it answers: two that differ in this can't be compared.
QUESTION: dict[str, Any] = {
    "task": TASK,
    "target": TARGET,
    "time": TIME,
    "features": list(FEATURES),
    "kinds": [column.kind for column in COLUMNS],
}
MODEL_FILE = "model.skops"
CARD_FILE = "model.json"
FOLDS = 5
MIN_ROWS = FOLDS  # one a fold
PARALLEL_ROWS = 250_000


def build(params: ModelParams, rows: int) -> Pipeline:
    """Return the unfitted pipeline.

    Args:
        params: what to build.
        rows: number of training rows; sets the smallest leaf.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import KFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import TargetEncoder

    from .dates import CalendarParts

    folds = KFold(FOLDS, shuffle=True, random_state=params.seed)
    encode = ColumnTransformer(
        [
            ("categories", TargetEncoder(cv=folds), list(CATEGORICAL)),
            ("numbers", "passthrough", list(NUMERIC)),
            ("dates", CalendarParts(), list(DATES)),
        ]
    )
    return Pipeline([("encode", encode), ("model", _estimator(params, rows))])


def _estimator(params: ModelParams, rows: int) -> BaseEstimator:
    from sklearn.ensemble import VotingClassifier, VotingRegressor

    if params.kind == "linear":
        return _linear()
    if params.kind == "boosting":
        return _boosting(params, rows)
    members = [("linear", _linear()), ("boosting", _boosting(params, rows))]
    return VotingClassifier(members, voting="soft") if TASK == "classification" else VotingRegressor(members)


def _linear() -> BaseEstimator:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    last = LogisticRegression(max_iter=1000) if TASK == "classification" else Ridge()
    return Pipeline(
        [("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler()), ("linear", last)]
    )


def _boosting(params: ModelParams, rows: int) -> BaseEstimator:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if TASK == "classification" else HistGradientBoostingRegressor
    return kind(
        learning_rate=params.learning_rate,
        max_iter=params.max_iter,
        max_leaf_nodes=params.max_leaf_nodes,
        min_samples_leaf=max(5, int(rows * params.min_leaf_share)),
        l2_regularization=params.l2_regularization,
        max_features=params.max_features,
        early_stopping=False,
        random_state=params.seed,
    )


def fit(params: ModelParams, train: pd.DataFrame) -> Pipeline:
    """Return a pipeline fitted on rows in normal form.

    Raises:
        DataError: there are fewer than MIN_ROWS rows.
    """
    if len(train) < MIN_ROWS:
        raise DataError(f"{len(train)} training rows are too few: a model needs {MIN_ROWS}", "add more data")
    inputs = train[list(FEATURES)]
    # Neither member can be fitted to a column without any value; from a constant one both learn nothing.
    empty = [name for name in NUMERIC if inputs[name].isna().all()]
    undated = [name for name in DATES if inputs[name].isna().all()]
    inputs = inputs.fillna(dict.fromkeys(empty, 0.0) | dict.fromkeys(undated, pd.Timestamp(0)))
    with _threads(len(train)):
        return build(params, len(train)).fit(inputs, train[TARGET].to_numpy())


def answers(model: Pipeline, frame: pd.DataFrame) -> np.ndarray:
    """Return a model's numbers (regression), or a row of class probabilities for each row of `frame`.

    Raises:
        DataError: a feature is missing.
    """
    inputs = data.features(frame)
    with _threads(len(inputs)):
        found: np.ndarray = model.predict(inputs) if TASK == "regression" else model.predict_proba(inputs)
    return found


@cache
def _controller() -> ThreadpoolController:
    import sklearn.ensemble  # noqa: F401 - the thread pools have to be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _threads(rows: int) -> AbstractContextManager[object]:
    """Keep small work on one thread.

    The trees' OpenMP threads wait for each other by spinning: on a busy machine, a single row's answer took
    seconds with them and milliseconds without. The results are the same either way.
    """
    if rows >= PARALLEL_ROWS:
        return nullcontext()
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="openmp")
    return limited


def save(model: Pipeline, directory: Path, **metadata: Any) -> str:
    """Store a fitted model as `model.skops`, with what is known about it as `model.json`.

    The same model gives the same `model.skops`, whenever and wherever it was trained.

    Args:
        model: the fitted pipeline.
        directory: made if it isn't there.
        **metadata: goes into `model.json`: rows, data_version, ...

    Returns:
        The SHA-256 of `model.skops`, in hexadecimal.

    Raises:
        UntrustedModelError: the model holds types that `load` would refuse.
    """
    import sklearn
    import skops.io

    content = canonical.skops(skops.io.dumps(model))
    _require_trusted(content, "the model")
    directory.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    (directory / MODEL_FILE).write_bytes(content)
    card = {
        "sha256": sha256,
        **QUESTION,
        "classes": [
            label.item() if isinstance(label, np.generic) else label
            for label in getattr(model, "classes_", [])
        ],
        "scikit_learn": sklearn.__version__,
    }
    (directory / CARD_FILE).write_text(json.dumps(card | metadata, indent=2) + "\n", encoding="utf-8")
    return sha256


def load(directory: Path, sha256: str | None = None) -> Pipeline:
    """Load a stored model without running any code from it.

    Args: directory: what `save` wrote. sha256: the hash that the registry holds; None takes the one beside
        the model, which finds damage but not malice.

    Raises: UntrustedModelError: the file is missing, isn't the expected one, or holds types that are not in
        TRUSTED_TYPES.
    """
    import skops.io

    content = verified(directory, sha256)
    _require_trusted(content, str(directory / MODEL_FILE))
    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))


def verified(directory: Path, sha256: str | None = None) -> bytes:
    """Return the file of a stored model, unread; arguments and errors are those of `load`."""
    try:
        content = (directory / MODEL_FILE).read_bytes()
        expected = sha256 or json.loads((directory / CARD_FILE).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UntrustedModelError(
            f"{directory} holds no complete model: {error}", "train again: make train"
        ) from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise UntrustedModelError(
            f"{directory / MODEL_FILE} isn't the registered model: "
            f"its SHA-256 is {actual[:12]}…, not {expected[:12]}…",
            "don't use it; go back to the version before: make rollback",
        )
    return content


def has_same_columns(card: Mapping[str, Any]) -> bool:
    """Say whether a model is asked, and answers, what this commit's schema says.

    Args:
        card: the content of its `model.json`; what an older one leaves out counts as the same.
    """
    return all(card.get(name, value) == value for name, value in QUESTION.items())


def _require_trusted(content: bytes, name: str) -> None:
    import skops.io

    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    except Exception as error:
        # skops parses what may be anything: whatever goes wrong in there means the same.
        raise UntrustedModelError(f"{name} isn't a skops file: {error}") from error
    if unknown:
        raise UntrustedModelError(
            f"{name} holds types that are not trusted: {', '.join(unknown)}",
            "read what they do when loaded; if that is safe, add them to TRUSTED_TYPES in model.py",
        )


def predict(model: Pipeline, frame: pd.DataFrame) -> pd.DataFrame:
    """Ask a model about rows.

    Args:
        model: a fitted pipeline.
        frame: one row a question, with the columns of FEATURES; None and NaN are missing values.

    Returns: A frame with the same index and `prediction`: the label or the number. Classification adds
        `probability`: that of the larger label if there are two, else that of the predicted one.

    Raises:
        DataError: a feature is missing.
    """
    scores = answers(model, frame)
    if TASK == "regression":
        return pd.DataFrame({"prediction": scores}, index=frame.index)
    best = scores.argmax(axis=1)
    binary = scores.shape[1] == 2  # noqa: PLR2004
    probability = scores[:, 1] if binary else scores[np.arange(len(scores)), best]
    return pd.DataFrame({"prediction": model.classes_[best], "probability": probability}, index=frame.index)
