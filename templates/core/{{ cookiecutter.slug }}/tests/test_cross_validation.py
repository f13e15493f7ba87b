from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import config, cross_validation, evaluate, model
from {{ cookiecutter.package }}.schema import FEATURES, GROUP, TARGET, TASK, TIME

from support import changed, enough

QUICK = config.parse({"model": {"max_iter": 3}, "cross_validation": {"folds": 3}})


@pytest.fixture
def rows(trained):
    return pd.read_parquet(trained.prepared / "train.parquet")


def test_every_fold_has_two_sides_that_can_be_fitted_and_scored(rows):
    found = cross_validation.splits(enough(rows, 15), 4, seed=1)
    assert len(found) == 4
    for train, test in found:
        assert not set(train) & set(test)
        assert len(set(rows[TARGET].iloc[train])) > 1
        assert len(set(rows[TARGET].iloc[test])) > 1


@pytest.mark.skipif(TIME is None, reason="the data has no time column")
def test_each_fold_is_tested_after_it_was_trained(rows):
    shuffled = rows.sample(frac=1, random_state=1)
    folds = cross_validation.splits(shuffled, 4, seed=1)
    assert len(folds) == 4
    for train, test in folds:
        assert shuffled[TIME].iloc[train].max() < shuffled[TIME].iloc[test].min()


@pytest.mark.skipif(TIME is not None, reason="the folds follow the time")
def test_every_row_is_tested_once_and_the_order_of_rows_makes_no_difference(rows):
    def contents(order):
        return [set(order.index[test]) for _, test in cross_validation.splits(order, 4, seed=1)]

    found = contents(enough(rows, 15))
    assert sorted(index for fold in found for index in fold) == list(rows.index)
    assert contents(rows.sample(frac=1, random_state=1)) == found
    assert [set(rows.index[test]) for _, test in cross_validation.splits(rows, 4, seed=2)] != found


@pytest.mark.skipif(TIME is not None, reason="the folds follow the time")
def test_rows_with_the_same_features_stay_together_whatever_their_target(rows):
    other = changed(rows, TARGET, rows[TARGET].to_numpy()[::-1])
    double = pd.concat([rows, other], ignore_index=True)
    for _, test in cross_validation.splits(double, 4, seed=1):
        assert {index % len(rows) for index in test} == {index for index in test if index < len(rows)}


@pytest.mark.skipif(
    TASK != "classification" or TIME is not None or GROUP is not None, reason="no classes are spread"
)
def test_classes_are_spread_evenly(rows):
    distinct = rows.drop_duplicates(list(FEATURES)).reset_index(drop=True)
    shares = distinct[TARGET].value_counts() / 4
    for _, test in cross_validation.splits(distinct, 4, seed=1):
        counts = distinct[TARGET].iloc[test].value_counts().reindex(shares.index, fill_value=0)
        assert (abs(counts - shares) <= 1).all()


def test_the_scores_are_those_of_models_that_never_saw_the_fold(rows):
    found = cross_validation.run(rows, QUICK)
    train, test = cross_validation.splits(rows, 3, QUICK.split.seed)[-1]
    metric = evaluate.primary(rows[TARGET].nunique())
    for name, kind in (("model", QUICK.model.kind), ("baseline", "linear")):
        fitted = model.fit(replace(QUICK.model, kind=kind), rows.iloc[train])
        assert found["each"][-1][name] == evaluate.score(fitted, rows.iloc[test], metric)
        assert found[name]["mean"] == pytest.approx(np.mean([fold[name] for fold in found["each"]]))
    for name in ("baseline", "constant"):
        lead = found["lead"][name]
        assert lead["mean"] == pytest.approx(found["model"]["mean"] - found[name]["mean"])
        assert lead["error"] >= 0
    assert all(found[name]["error"] >= 0 for name in cross_validation.MODELS)


def test_the_error_grows_with_what_the_folds_share():
    values = [0.1, 0.2, 0.3, 0.4]
    naive = np.std(values, ddof=1) / 2
    assert cross_validation._error(values, 0.0) == pytest.approx(naive)
    assert cross_validation._error(values, 0.25) == pytest.approx(naive * np.sqrt(2))


def test_periods_are_independent_draws_for_what_learned_nothing(rows):
    found = cross_validation.run(rows, QUICK)
    leads = [fold["model"] - fold["constant"] for fold in found["each"]]
    naive = cross_validation._error(leads, 0.0)
    error = found["lead"]["constant"]["error"]
    assert error == pytest.approx(naive) if TIME is not None else error > naive


@pytest.mark.parametrize(
    ("settings", "reason"), [({"folds": 0}, "folds is 0"), ({"max_rows": 10}, "more training rows")]
)
def test_it_is_left_out_where_the_parameters_say_so(rows, settings, reason):
    found = cross_validation.run(rows, config.parse({"cross_validation": settings}))
    assert found["folds"] == 0
    assert reason in found["reason"]


def test_it_is_left_out_where_the_rows_are_too_few(rows):
    found = cross_validation.run(rows.head(model.MIN_ROWS), QUICK)
    assert found == {"folds": 0, "reason": found["reason"]}
    assert "can't be divided" in found["reason"]


@pytest.mark.skipif(TASK != "classification", reason="a regression has no classes")
def test_a_class_with_a_single_row_is_no_obstacle(rows):
    lonely = changed(rows.head(1), TARGET, "lonely")
    rows = pd.concat([rows.astype({TARGET: object}).astype({TARGET: str}), lonely], ignore_index=True)
    assert cross_validation.run(rows, QUICK)["folds"] == 3
