from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from {{ cookiecutter.package }} import evaluate, model
from {{ cookiecutter.package }}.schema import TARGET, TASK

pytestmark = pytest.mark.skipif(TASK != "classification", reason="a regression has no classes")


@pytest.mark.parametrize("classes", [["fraud", "ok"], ["ok", "scam"]])
def test_always_naming_the_commoner_class_is_no_achievement(classes):
    rare, common = (0, 1) if classes[0] == "fraud" else (1, 0)
    truth = np.array([classes[rare]] * 2 + [classes[common]] * 198)
    answers = np.zeros((200, 2))
    answers[:, common], answers[:, rare] = 0.99, 0.01
    found = evaluate._classification(truth, answers, np.array(classes))
    assert found["accuracy"] == 0.99
    assert found["balanced_accuracy"] == 0.5
    assert found["roc_auc"] == 0.5
    assert found["average_precision"] == pytest.approx(0.01)
    assert found["f1_macro"] < 0.5


def test_a_class_that_training_never_showed_counts_as_missed():
    answers = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]])
    found = evaluate._classification(np.array(["a", "b", "z"]), answers, np.array(["a", "b", "c"]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)
    assert found["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_an_answer_that_ignores_the_features_is_no_worse_than_guessing(monkeypatch):
    """With many classes, always naming one of them is nearly the worst that can be done by f1_macro."""
    classes = np.arange(50)
    random = np.random.default_rng(1)
    truth, guess = random.permutation(np.repeat(classes, 20)), random.permutation(np.repeat(classes, 20))
    rows = pd.DataFrame({TARGET: truth})
    for answers in (np.eye(50)[guess], np.eye(50)[truth]):
        monkeypatch.setattr(model, "answers", lambda *_, answers=answers: answers)
        assert evaluate._dealt(SimpleNamespace(classes_=classes), rows) == pytest.approx(1 / 50)
    monkeypatch.setattr(model, "answers", lambda *_: np.eye(50)[np.zeros(1000, int)])
    assert evaluate._dealt(SimpleNamespace(classes_=classes), rows) == pytest.approx(2 * 0.02 / 1.02 / 50)


def test_the_constant_is_raised_to_the_models_own_answers_in_random_order(trained):
    fitted, rows = model.load(trained.model), trained.test_rows
    found = evaluate.constant(fitted, pd.read_parquet(trained.prepared / "train.parquet"), rows)
    truth, labels = rows[TARGET].to_numpy(), model.predict(fitted, rows)["prediction"].to_numpy()
    random = np.random.default_rng(1)
    shuffled = [f1_score(truth, random.permutation(labels), average="macro") for _ in range(100)]
    assert found["f1_macro"] == pytest.approx(np.mean(shuffled), abs=0.02)
    assert found == trained.metrics["constant"]
