"""What a model can learn from a date: the parts of the calendar that repeat, and the days that go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

# What a model that is fitted now makes of a date. A stored one keeps the parts that it was fitted with.
PARTS = ("days", "year", "month", "weekday", "hour")
_PART: dict[str, Callable[[pd.Series], pd.Series]] = {
    "days": lambda dates: dates.astype("datetime64[ns]").astype(np.int64) / (24 * 60 * 60 * 1e9),
    "year": lambda dates: dates.dt.year,
    "month": lambda dates: dates.dt.month,
    "weekday": lambda dates: dates.dt.weekday,
    "hour": lambda dates: dates.dt.hour,
}


class CalendarParts(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Turns each datetime64 column into the numbers that PARTS names; missing dates into NaN.

    `days` counts from 1970-01-01, with the time of day as its fraction; `weekday` is 0 on Mondays. What a
    name means must not change, because stored models hold names: another meaning needs another name.
    """

    def fit(self, dates: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing but the names of columns and parts."""
        self.feature_names_in_ = np.asarray(dates.columns, dtype=object)
        self.parts_ = list(PARTS)
        return self

    def transform(self, dates: pd.DataFrame) -> np.ndarray:
        """Return float64 of shape (rows, columns x parts)."""
        parts = [self._parts(dates[name]) for name in dates.columns]
        return np.concatenate(parts, axis=1) if parts else np.empty((len(dates), 0))

    def get_feature_names_out(self, names: object = None) -> np.ndarray:  # noqa: ARG002 - scikit-learn's signature
        """Return the names of what `transform` returns."""
        return np.array(
            [f"{name} {part}" for name in self.feature_names_in_ for part in self.parts_], dtype=object
        )

    def _parts(self, dates: pd.Series) -> np.ndarray:
        found = np.column_stack([_PART[part](dates).to_numpy(dtype=np.float64) for part in self.parts_])
        found[dates.isna().to_numpy()] = np.nan
        return found
