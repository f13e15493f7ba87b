import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import evaluate, plots

TWO, THREE = np.array(["no", "yes"]), np.array(["a", "b", "c"])


def test_calibration_compares_groups_of_equal_size():
    predicted = np.linspace(0, 1, 100)
    table = plots.calibration(predicted, predicted + 0.25)
    assert list(table.columns) == ["predicted", "observed", "rows"]
    assert list(table["rows"]) == [10] * 10
    np.testing.assert_allclose(table["observed"] - table["predicted"], 0.25)


@pytest.mark.parametrize("predicted", [np.full(7, 0.3), np.array([0.0] * 50 + [1.0])])
def test_equal_predictions_share_a_group(predicted):
    table = plots.calibration(predicted, predicted)
    assert table["rows"].sum() == len(predicted)
    assert table["predicted"].is_unique


def test_curves_are_thin_and_keep_their_ends():
    random = np.random.default_rng(1)
    right, probability = random.random(5_000) < 0.3, random.random(5_000)
    curve = plots.roc(right, probability)
    assert len(curve) <= plots.POINTS
    assert list(curve.iloc[0]) == [0, 0]
    assert list(curve.iloc[-1]) == [1, 1]
    curve = plots.precision_recall(right, probability)
    assert len(curve) <= plots.POINTS
    assert curve["recall"].is_monotonic_increasing
    assert curve["precision"].iloc[-1] == pytest.approx(right.mean())


def test_of_two_classes_the_rarer_one_is_looked_for():
    truth = np.array(["no", "yes", "yes", "yes"])
    answers = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    right, probability = plots._decisions(truth, answers, TWO)
    assert list(right) == [True, False, False, False]
    assert list(probability) == [0.9, 0.2, 0.3, 0.4]
    assert evaluate.rarer(np.array(["no", "yes"]), TWO) == 1


def test_of_more_classes_the_predicted_one_is_looked_at():
    truth = np.array(["a", "b"])
    answers = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    probability, right = plots._certainty(truth, answers, THREE)
    assert list(probability) == [0.5, 0.6]
    assert list(right) == [True, False]


def test_classes_that_one_side_lacks_are_named():
    truth = np.array(["a", "a", "b", "z"])
    answers = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    table = plots.by_class(pd.Series(["a", "b", "b", "c"]), truth, answers, THREE).set_index("class")
    assert list(table.index) == ["a", "b", "c", "z"]
    assert list(table["train_rows"]) == [1, 2, 1, 0]
    assert list(table["test_rows"]) == [2, 1, 0, 1]
    assert table.loc["a", "recall"] == 0.5
    assert table["average_precision"].isna().to_list() == [False, False, True, True]


def test_errors_say_how_many_answers_stay_within_what():
    table = plots.errors(np.arange(101.0), np.zeros(101)).set_index("share")
    assert table.loc[0.5, "error"] == pytest.approx(50)
    assert table.loc[0.9, "error"] == pytest.approx(90)
