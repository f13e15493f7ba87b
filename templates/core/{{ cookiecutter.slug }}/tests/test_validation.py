from pathlib import Path

import numpy as np
import pytest

from {{ cookiecutter.package }} import data, validation
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import (
    CATEGORICAL,
    CLASSES,
    COLUMNS,
    NUMERIC,
    TARGET,
    TASK,
    TIME,
)

from support import changed

BAD = {"number": "abc", "integer": 1.5, "boolean": "maybe", "category": None, "date": "yesterday"}


def spoiled(frame, column, value, row=2):
    """Return the rows with one cell replaced, as text where it has to be."""
    changed = frame.astype({column: object})
    changed.loc[row, column] = value
    return changed


def written(frame):
    path = Path("part.csv")
    frame.to_csv(path, index=False)
    return path


def test_the_sample_is_valid(raw):
    report = validation.report(raw)
    assert report["rows"] == len(data.read(raw))
    assert report["data_version"] == data.version(raw)
    assert set(report["columns"]) == {column.name for column in COLUMNS}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_wrong_value_is_named_with_its_file_column_and_row(frame, column):
    value = BAD[column.kind]
    found = validation.violations(written(spoiled(frame, column.name, value)))
    if value is None and column.nullable:
        assert found == []
        return
    assert [(item.file, item.column, item.rows, item.row) for item in found] == [
        ("part.csv", column.name, 1, 3)
    ]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_missing_value_is_refused_unless_the_schema_allows_it(frame, column):
    found = validation.violations(written(spoiled(frame, column.name, None)))
    assert [item.rule for item in found] == ([] if column.nullable else ["filled"])


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_infinity_is_no_number(frame, value):
    for name in NUMERIC:
        assert validation.violations(written(spoiled(frame, name, value)))


def test_a_row_without_a_target_is_refused(frame):
    with pytest.raises(DataError) as error:
        validation.require_valid([written(spoiled(frame, TARGET, None))])
    assert f"part.csv, {TARGET}: 1 rows are not filled; first: row 3" in str(error.value)


@pytest.mark.skipif(TASK != "classification", reason="a regression has no classes")
def test_a_class_that_the_schema_does_not_know_is_refused(frame):
    known = ", ".join(str(label) for label in CLASSES[:1])
    with pytest.raises(DataError) as error:
        validation.require_valid([written(spoiled(frame, TARGET, "never seen"))])
    assert f"part.csv, {TARGET}: 1 rows are not of a class in schema.py ({known}" in str(error.value)
    assert "first: row 3, 'never seen'" in str(error.value)
    assert "if the data is right, correct schema.py" in str(error.value)


@pytest.mark.skipif(TASK != "classification", reason="a regression has no classes")
def test_blanks_around_a_class_are_no_other_class(frame):
    padded = frame.astype({TARGET: str})
    padded[TARGET] = " " + padded[TARGET] + " "
    assert validation.violations(written(padded)) == []


def test_a_value_is_shown_as_the_file_has_it():
    assert validation._shown(np.float64(0.07)) == "0.07"
    assert validation._shown(None) == "nothing"


@pytest.mark.skipif(TIME is None, reason="the data has no time column")
def test_a_row_without_a_time_is_refused(frame):
    assert validation.violations(written(spoiled(frame, TIME, "yesterday")))[0].rule == "a time"


def test_a_file_without_rows_is_refused(frame):
    with pytest.raises(DataError, match="no rows"):
        validation.violations(written(frame.head(0)))


def test_a_constant_target_is_refused(tmp_path, frame):
    frame.loc[frame[TARGET] == frame[TARGET].iloc[0]].to_csv(tmp_path / "part.csv", index=False)
    with pytest.raises(DataError, match="nothing to learn"):
        validation.report(tmp_path)


def test_a_message_stays_short(frame):
    with pytest.raises(DataError) as error:
        validation.require_valid([written(changed(frame, TARGET, None))] * 9)
    assert "and 4 more" in str(error.value)


def test_nothing_is_new_in_the_same_data(raw):
    rows = data.read(raw)
    assert validation.news(rows, rows) == []


def test_new_categories_and_far_numbers_are_news_not_errors(raw):
    rows = data.read(raw)
    new = rows.head(2).copy()
    for name in CATEGORICAL:
        new[name] = "never seen before"
    for name in NUMERIC:
        new[name] = rows[name].max() + 3 * (rows[name].max() - rows[name].min()) + 1
    assert len(validation.news(new, rows)) == len(CATEGORICAL) + len(NUMERIC)
