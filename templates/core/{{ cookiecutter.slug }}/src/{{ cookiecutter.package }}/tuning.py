"""The search for better model parameters.

It sees training rows only, and of these it holds back the last fold: the best candidate of many is partly the
luckiest, so its gain is measured where it wasn't chosen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - unlocks the next import
from sklearn.model_selection import HalvingGridSearchCV, ParameterSampler

from . import cross_validation, evaluate, model
from .config import ModelParams
from .errors import DataError
from .schema import TARGET, TASK

if TYPE_CHECKING:
    import pandas as pd

    from .config import Params

FOLDS = 3  # of the search
HELD_BACK = 5  # one row in so many is for the comparison with the present parameters
FACTOR = 3  # each round keeps one candidate in so many, and gives it that many more rows
JOBS = -1  # one process a processor; the result doesn't depend on it
MIN_ROWS = 2_000  # of the first round; smaller data has a single round with all rows
MIN_CLASS_ROWS = 30  # of the rarest class in the first round
DIGITS = 3  # of a number that is written to params.yaml
WHOLE = ("max_iter", "max_leaf_nodes")
SPACE: dict[str, Any] = {
    "kind": ["blend", "boosting"],
    "learning_rate": loguniform(0.01, 0.3),
    "max_iter": loguniform(50, 600),
    "max_leaf_nodes": loguniform(4, 64),
    "min_leaf_share": loguniform(0.001, 0.05),
    "l2_regularization": loguniform(0.1, 100),
    "max_features": uniform(0.2, 0.8),
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Attributes:
        params: the best parameters; the present ones if nothing beat them.
        metric: the one that decides.
        present: its value for the present parameters, on the rows that were held back.
        best: its value for the best ones, on the same rows.
        noise: standard error of the difference.
        rows: how many rows were held back.
        candidates: how many sets of parameters were tried, the present ones among them.
    """

    params: ModelParams
    metric: str
    present: float
    best: float
    noise: float
    rows: int
    candidates: int

    @property
    def gain(self) -> float:
        """How much better the best parameters are, in units of the metric."""
        return self.best - self.present


def search(rows: pd.DataFrame, params: Params, candidates: int) -> Tuned:
    """Try random parameters, the present ones among them, by successive halving.

    All candidates start on a part of the rows, and the better ones go on to more: large data costs little
    more than small. The same rows, parameters and number of candidates give the same result.

    Args:
        rows: the training rows, in normal form; never the test rows.
        params: the present parameters; model.seed also draws the candidates.
        candidates: the budget, 2 or more.

    Raises:
        DataError: the rows are too few to be divided.
    """
    outer = cross_validation.splits(rows, HELD_BACK, params.split.seed)
    if not outer:
        raise DataError(*_TOO_FEW)
    train, test = outer[-1]
    searched, held_back = rows.iloc[train].reset_index(drop=True), rows.iloc[test]
    inner = cross_validation.splits(searched, FOLDS, params.split.seed)
    if not inner:
        raise DataError(*_TOO_FEW)
    metric = evaluate.primary(searched[TARGET].nunique())
    tried = _candidates(params.model, candidates)
    halving = HalvingGridSearchCV(
        _Candidate(metric=metric, **asdict(params.model)),
        [{name: [value] for name, value in asdict(candidate).items()} for candidate in tried],
        factor=FACTOR,
        min_resources=_first_round(searched[TARGET]),
        cv=inner,
        refit=False,
        error_score=np.nan,
        random_state=params.model.seed,
        n_jobs=JOBS,
    )
    halving.fit(searched, searched[TARGET].to_numpy())
    # The processes would wait for more work; what they cost is known when they have ended.
    get_reusable_executor().shutdown(wait=True)
    chosen = ModelParams(**halving.best_params_)
    present, best = (model.fit(found, searched) for found in (params.model, chosen))
    return Tuned(
        params=chosen,
        metric=metric,
        present=evaluate.score(present, held_back, metric),
        best=evaluate.score(best, held_back, metric),
        noise=evaluate.noise(best, present, held_back, params.split.seed),
        rows=len(held_back),
        candidates=len(tried),
    )


class _Candidate(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """The model as scikit-learn's search wants it: parameters by name. Rows carry their target with them."""

    def __init__(
        self,
        metric: str = "",
        kind: str = "",
        learning_rate: float = 0,
        max_iter: int = 0,
        max_leaf_nodes: int = 0,
        min_leaf_share: float = 0,
        l2_regularization: float = 0,
        max_features: float = 0,
        seed: int = 0,
    ) -> None:
        self.metric = metric
        self.kind = kind
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_leaf_share = min_leaf_share
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.seed = seed

    def fit(self, rows: pd.DataFrame, _: np.ndarray) -> Self:
        params = self.get_params()
        del params["metric"]
        self.model_ = model.fit(ModelParams(**params), rows)
        return self

    def score(self, rows: pd.DataFrame, _: np.ndarray) -> float:
        return evaluate.score(self.model_, rows, self.metric)


def _candidates(present: ModelParams, count: int) -> list[ModelParams]:
    """Return the present parameters, the linear model, and random ones; `count` in all."""
    found = [present]
    if present.kind != "linear":
        found.append(replace(present, kind="linear"))
    for drawn in ParameterSampler(SPACE, max(0, count - len(found)), random_state=present.seed):
        values: dict[str, Any] = {
            name: round(value) if name in WHOLE else float(f"{value:.{DIGITS}g}")
            for name, value in drawn.items()
            if name != "kind"
        }
        found.append(replace(present, kind=drawn["kind"], **values))
    return found[:count]


def _first_round(target: pd.Series) -> int:
    """Return how many rows the first round gets: enough of the rarest class to compare candidates by."""
    wanted = MIN_ROWS
    if TASK == "classification":
        wanted = max(wanted, int(MIN_CLASS_ROWS * len(target) / target.value_counts().min()))
    return min(len(target), wanted)


_TOO_FEW = ("the training rows are too few, or a class too rare, to search parameters with", "add more data")
