import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import config, data
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import (
    CATEGORICAL,
    DATES,
    FEATURES,
    NUMERIC,
    TARGET,
    TASK,
    TIME,
)

from support import SAMPLE, enough


def test_the_version_is_the_one_that_dvc_gives(tmp_path):
    # `dvc add` of DVC 3.67 gave this name to a folder with these files.
    for name, content in {"b.csv": "a\n1\n", "a.csv": "a\n2\n", "sub/ü.csv": "x"}.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(content.encode())
    assert data.version(tmp_path / "raw") == "5e6c00de84d78cec953e8e30f1b986a4.dir"


def test_csv_and_parquet_give_the_same_rows(tmp_path, frame):
    frame.to_parquet(tmp_path / "sample.parquet")
    pd.testing.assert_frame_equal(data.read_file(tmp_path / "sample.parquet"), data.read_file(SAMPLE))


def test_parts_are_read_in_the_order_of_their_names(raw, frame):
    frame.head(3).to_csv(raw / "a.csv", index=False)
    frame.tail(2).to_parquet(raw / "z.parquet")
    (raw / "notes.txt").write_text("no data")
    rows = data.read(raw)
    assert len(rows) == 3 + len(frame) + 2
    pd.testing.assert_frame_equal(rows.head(3), data.read(raw).iloc[3:6].reset_index(drop=True))


def test_the_normal_form(raw):
    rows = data.read(raw)
    assert all(rows[name].dtype == np.float64 for name in NUMERIC)
    assert all(isinstance(value, str) for name in CATEGORICAL for value in rows[name].dropna())
    assert rows[TARGET].notna().all()
    if TASK == "regression":
        assert rows[TARGET].dtype == np.float64
    moments = [*DATES, *([TIME] if TIME else [])]
    assert all(str(rows[name].dtype) == "datetime64[ns]" for name in moments)


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(DataError, match="make data"):
        data.read(tmp_path)


@pytest.mark.parametrize("name", [FEATURES[0], TARGET])
def test_a_missing_column_is_named(tmp_path, frame, name):
    frame.drop(columns=name).to_parquet(tmp_path / "part.parquet")
    with pytest.raises(DataError) as error:
        data.read(tmp_path)
    assert "part.parquet" in str(error.value)
    assert name in str(error.value)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "part.parquet").write_bytes(b"not a table")
    with pytest.raises(DataError, match=r"part\.parquet can't be read"):
        data.read(tmp_path)


def test_features_of_live_rows_get_the_same_form():
    row = dict.fromkeys(FEATURES)
    values = data.features(pd.DataFrame([row]))
    assert list(values.columns) == list(FEATURES)
    assert values.isna().all(axis=None)
    with pytest.raises(DataError, match="lack the features"):
        data.features(pd.DataFrame([row]).drop(columns=FEATURES[-1]))


def test_a_category_doesn_t_depend_on_the_file_s_format():
    assert data.categories(pd.Series([7.0, None])).tolist()[0] == "7"
    assert data.categories(pd.Series([7])).tolist() == ["7"]
    assert data.categories(pd.Series(["7"])).tolist() == ["7"]
    assert data.categories(pd.Series([7.5])).tolist() == ["7.5"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [([True, "false", 1, None, "maybe"], [1.0, 0.0, 1.0, np.nan, np.nan])],
)
def test_booleans_become_numbers(given, expected):
    values = data.numbers(pd.Series(given, dtype=object), boolean=True)
    np.testing.assert_array_equal(values.to_numpy(), expected)


@pytest.mark.parametrize(
    ("classes", "given", "expected"),
    [
        ((False, True), [True, False], [True, False]),
        ((False, True), ["True ", "FALSE"], [True, False]),
        ((False, True), [1, 0], [True, False]),
        ((False, True), ["1.0", "0"], [True, False]),
        ((0, 1), ["true", "0"], [1, 0]),
        ((1, 2), [1.0, 2.0], [1, 2]),
        ((1, 2), ["1", " 2"], [1, 2]),
        (("no", "yes"), ["yes ", "no"], ["yes", "no"]),
        (("01", "1"), ["01", "1"], ["01", "1"]),
    ],
)
def test_a_class_is_the_same_however_a_file_writes_it(classes, given, expected):
    found = data.labels(pd.Series(given), classes)
    assert found.tolist() == expected
    assert {type(label) for label in found.tolist()} == {type(label) for label in classes}


def test_what_is_no_class_is_missing():
    given = pd.Series(["Yes", None, "maybe", "", "yes"])
    assert data.labels(given, ("no", "yes")).isna().tolist() == [True, True, True, True, False]
    assert data.labels(pd.Series([1, 2, 3]), (1, 2)).isna().tolist() == [False, False, True]


def test_blanks_around_a_category_are_no_part_of_it():
    assert data.categories(pd.Series([" a", "a ", "a b"])).tolist() == ["a", "a", "a b"]


def test_times_with_a_zone_are_moved_to_utc():
    given = ["2024-01-01T12:00+02:00", "2024-01-01", "2024-01-01 12:00", "2024-01-01T12:00Z", "never"]
    found = data.times(pd.Series(given))
    expected = ["2024-01-01 10:00", "2024-01-01 00:00", "2024-01-01 12:00", "2024-01-01 12:00", None]
    pd.testing.assert_series_equal(found, pd.Series(pd.to_datetime(expected)))


def test_the_split_loses_nothing_and_is_repeatable(raw):
    rows = data.read(raw)
    params = config.SplitParams(test_size=0.25)
    train, test = data.split(rows, params)
    assert len(train) + len(test) == len(rows)
    assert data.hashes(rows, 0).nunique() <= data.FEW or abs(len(test) / len(rows) - 0.25) < 0.1
    if TIME is not None:
        assert train[TIME].max() < test[TIME].min()
    again = data.split(rows.copy(), params)
    pd.testing.assert_frame_equal(test, again[1])


def test_too_few_rows_are_refused(raw):
    with pytest.raises(DataError):
        data.split(data.read(raw).head(1), config.SplitParams())


def test_a_model_is_never_judged_on_rows_it_was_trained_on(raw):
    rows = enough(data.read(raw))
    older = rows.sort_values(TIME).head(len(rows) * 3 // 4) if TIME else rows.head(len(rows) * 3 // 4)
    params = config.SplitParams(test_size=0.4)
    train, _ = data.split(older, params)
    _, test = data.split(rows, config.SplitParams(test_size=0.8, seed=3))
    new = data.unseen(test, data.provenance(train, params))
    assert 0 < len(new) < len(test)
    if TIME is None:
        assert len(new.merge(train, how="inner")) == 0
    else:
        assert new[TIME].min() > train[TIME].max()


@pytest.mark.skipif(TIME is not None, reason="with a time column the latest rows are held back")
def test_rows_of_a_group_are_on_one_side(raw, monkeypatch):
    rows = enough(data.read(raw))
    rows["group"] = [f"g{number % 40}" for number in range(len(rows))]
    monkeypatch.setattr(data, "GROUP", "group")
    train, test = data.split(rows, config.SplitParams())
    assert not set(train["group"]) & set(test["group"])
    assert len(train) + len(test) == len(rows)
    # A row that belongs to nothing is by itself.
    rows.loc[rows.index % 2 == 0, "group"] = np.nan
    alone = data.split(rows, config.SplitParams())[1]["group"].isna().sum()
    assert 0 < alone < len(rows) / 4


@pytest.mark.skipif(TIME is not None, reason="with a time column the latest rows are held back")
@pytest.mark.parametrize("seed", range(5))
def test_few_different_rows_are_divided_all_the_same(raw, monkeypatch, seed):
    """Of eight, a share of a tenth draws none for nearly every second seed."""
    rows = data.read(raw)
    rows["group"] = [f"g{number % 8}" for number in range(len(rows))]
    monkeypatch.setattr(data, "GROUP", "group")
    params = config.SplitParams(test_size=0.1, seed=seed)
    train, test = data.split(rows, params)
    assert not set(train["group"]) & set(test["group"])
    origin = data.provenance(train, params)
    assert (len(data.unseen(train, origin)), len(data.unseen(test, origin))) == (0, len(test))


@pytest.mark.skipif(TIME is not None, reason="with a time column the latest rows are held back")
def test_added_data_leaves_every_row_on_its_side(raw):
    rows, params = enough(data.read(raw)), config.SplitParams()
    before, after = data.split(rows.head(len(rows) // 2), params)[1], data.split(rows, params)[1]
    assert len(before.drop_duplicates().merge(after.drop_duplicates())) == len(before.drop_duplicates())
