"""What a model can learn from a date: the parts of the calendar that repeat, and the days that go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("days", "year", "month", "weekday", "hour")


class CalendarParts(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Turns each datetime64 column into the numbers that PARTS names; missing dates into NaN.

    `days` counts from 1970-01-01, with the time of day as its fraction; `weekday` is 0 on Mondays.
    """

    def fit(self, dates: pd.DataFrame, target: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing but the columns' names."""
        self.feature_names_in_ = np.asarray(dates.columns, dtype=object)
        return self

    def transform(self, dates: pd.DataFrame) -> np.ndarray:
        """Return float64 of shape (rows, columns x parts)."""
        parts = [_parts(dates[name]) for name in dates.columns]
        return np.concatenate(parts, axis=1) if parts else np.empty((len(dates), 0))

    def get_feature_names_out(self, names: object = None) -> np.ndarray:  # noqa: ARG002 - scikit-learn's signature
        """Return the names of what `transform` returns."""
        return np.array([f"{name} {part}" for name in self.feature_names_in_ for part in PARTS], dtype=object)


def _parts(dates: pd.Series) -> np.ndarray:
    days = dates.to_numpy(dtype="datetime64[ns]").astype(np.int64) / (24 * 60 * 60 * 1e9)
    calendar = dates.dt
    columns = [days, calendar.year, calendar.month, calendar.weekday, calendar.hour]
    found = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    found[dates.isna().to_numpy()] = np.nan
    return found
