import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from {{ cookiecutter.package }} import data, model
from {{ cookiecutter.package }}.dates import PARTS, CalendarParts

GIVEN = ["1970-01-02", "2024-02-29T18:30:00", "2024-03-01T01:30:00+02:00", None, "1969-12-31 12:00"]


@pytest.fixture
def dates():
    times = data.times(pd.Series(GIVEN))
    return pd.DataFrame({"signed": times, "ünïcode ": times.iloc[::-1].to_numpy()})


def test_the_parts_are_those_of_the_calendar(dates):
    found = CalendarParts().fit(dates).transform(dates)
    assert found.dtype == np.float64
    expected = [
        [1, 1970, 1, 4, 0],
        [19782 + 18.5 / 24, 2024, 2, 3, 18],
        [19782 + 23.5 / 24, 2024, 2, 3, 23],
        [np.nan] * len(PARTS),
        [-0.5, 1969, 12, 2, 12],
    ]
    np.testing.assert_allclose(found[:, : len(PARTS)], expected)
    np.testing.assert_allclose(found[:, len(PARTS) :], expected[::-1])


def test_a_stored_model_keeps_the_parts_that_it_was_fitted_with(dates, monkeypatch):
    import skops.io

    fitted = CalendarParts().fit(dates)
    before, stored = fitted.transform(dates), skops.io.dumps(fitted)
    monkeypatch.setattr("{{ cookiecutter.package }}.dates.PARTS", ("hour", "days"))
    loaded = skops.io.loads(stored, trusted=list(model.TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.transform(dates), before)
    assert CalendarParts().fit(dates).transform(dates).shape[1] == 4


def test_each_part_has_a_name(dates):
    transformer = clone(CalendarParts()).fit(dates)
    names = transformer.get_feature_names_out()
    assert list(names[:2]) == ["signed days", "signed year"]
    assert len(names) == transformer.transform(dates).shape[1]


def test_no_column_gives_no_part(dates):
    nothing = dates[[]]
    assert CalendarParts().fit(nothing).transform(nothing).shape == (len(dates), 0)
