import numpy as np
import pytest

from {{ cookiecutter.package }} import evaluate
from {{ cookiecutter.package }}.schema import TASK

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
