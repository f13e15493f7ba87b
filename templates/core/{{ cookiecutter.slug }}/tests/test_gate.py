import pytest

from {{ cookiecutter.package }}.gate import Duel, Scores, decide, scores

NAN = float("nan")


FOLDS = "its roc_auc in 5-fold cross-validation is"
BOTH = "on 1,000 test rows that neither was trained on"


@pytest.mark.parametrize(
    ("candidate", "constant", "lead", "noise", "duel", "promoted", "reason"),
    [
        (0.70, 0.5, 0.05, 0.01, None, True, f"{FOLDS} 0.0500 higher, with a standard error of 0.0100"),
        (0.50, 0.5, 0.10, 0.0, None, False, "ignores the features: roc_auc 0.5000 on the test rows, against"),
        (0.70, 0.5, -0.05, 0.0, None, False, f"{FOLDS} 0.0500 lower, more than the 0.0100 that chance"),
        (0.70, 0.5, -0.05, 0.03, None, True, f"{FOLDS} 0.0500 lower, within the 0.0600 that chance"),
        (0.70, 0.5, -0.005, 0.0, None, True, f"{FOLDS} 0.0050 lower, within the 0.0100 that chance"),
        (0.60, 0.5, 0.05, 0.0, None, True, FOLDS),  # below the baseline on the test rows alone
        (0.70, 0.5, 0.05, 0.0, (0.70, 0.72), False, f"roc_auc 0.7000 against 0.7200 {BOTH}"),
        (0.70, 0.5, 0.05, 0.5, (0.70, 0.72), False, "worse than the champion"),  # noise excuses nothing here
        (0.99, 0.5, 0.05, 0.0, (0.70, 0.72), False, "worse than the champion by more than the"),
        (0.70, 0.5, -0.05, 0.0, (0.80, 0.72), False, "linear baseline"),  # the champion is no excuse
        (0.70, 0.5, 0.05, 0.0, (0.715, 0.72), True, "not worse than the champion by more than the tolerance"),
        (0.70, 0.5, 0.05, 0.0, (0.72, 0.72), True, "not worse than the champion"),
        (0.70, 0.5, 0.05, 0.0, (0.80, 0.72), True, "better than the champion: roc_auc 0.8000 against"),
        (NAN, 0.5, 0.05, 0.0, None, False, "ignores the features"),
        (0.70, 0.5, NAN, 0.0, None, False, "clearly worse than the linear baseline"),
        (0.70, 0.5, 0.05, 0.0, (0.70, NAN), False, "worse than the champion"),
    ],
)
def test_decisions_and_what_decided(candidate, constant, lead, noise, duel, promoted, reason):
    met = None if duel is None else Duel("roc_auc", *duel, rows=1000)
    found = Scores("roc_auc", candidate, 0.65, constant, lead, noise, folds=5, duel=met)
    decision = decide(found, tolerance=0.01)
    assert decision.promoted is promoted
    assert reason in decision.reason


def test_the_reported_baseline_is_the_stronger_one():
    assert decide(Scores("r2", 0.4, -0.1, 0.0, 0.5, 0.0), 0.0).baseline == 0.0


def test_the_metric_that_decided_is_the_reported_one():
    decision = decide(Scores("roc_auc", 0.7, 0.6, 0.5, 0.1, 0.0, duel=Duel("f1_macro", 0.5, 0.4, 10)), 0.0)
    assert (decision.metric, decision.candidate, decision.champion) == ("f1_macro", 0.5, 0.4)
    assert "f1_macro 0.5000 against 0.4000" in decision.reason


def measured(cross_validation):
    groups = {name: {"r2": value} for name, value in (("model", 0.4), ("baseline", 0.5), ("constant", 0.0))}
    return {"metric": "r2", "noise": 0.01, "cross_validation": cross_validation} | groups


def test_model_and_baseline_are_compared_by_cross_validation():
    found = scores(measured({"folds": 4, "lead": {"mean": 0.2, "error": 0.03}}))
    assert (found.lead, found.noise, found.folds) == (0.2, 0.03, 4)
    assert decide(found, 0.0).promoted


def test_the_test_rows_decide_where_it_was_left_out():
    found = scores(measured({"folds": 0, "reason": "too large"}))
    assert (found.lead, found.noise, found.folds) == (pytest.approx(-0.1), 0.01, 0)
    assert "its r2 on the test rows is 0.1000 lower" in decide(found, 0.0).reason
