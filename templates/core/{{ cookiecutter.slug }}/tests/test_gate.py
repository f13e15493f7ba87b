import pytest

from {{ cookiecutter.package }}.gate import Duel, Scores, decide

NAN = float("nan")


@pytest.mark.parametrize(
    ("candidate", "baseline", "constant", "noise", "duel", "promoted", "reason"),
    [
        (0.70, 0.65, 0.5, 0.0, None, True, "linear baseline's 0.6500"),
        (0.50, 0.40, 0.5, 0.0, None, False, "without features"),
        (0.60, 0.65, 0.5, 0.0, None, False, "clearly below the linear baseline"),
        (0.60, 0.65, 0.5, 0.03, None, True, "linear baseline"),  # within two standard errors
        (0.645, 0.65, 0.5, 0.0, None, True, "linear baseline"),  # within the tolerance
        (0.70, 0.65, 0.5, 0.0, (0.70, 0.72), False, "0.7000 is below the champion's 0.7200"),
        (0.70, 0.65, 0.5, 0.5, (0.70, 0.72), False, "below the champion"),  # noise excuses nothing here
        (0.99, 0.65, 0.5, 0.0, (0.70, 0.72), False, "below the champion"),  # only rows new to both count
        (0.60, 0.65, 0.5, 0.0, (0.80, 0.72), False, "linear baseline"),  # the champion is no excuse
        (0.70, 0.65, 0.5, 0.0, (0.715, 0.72), True, "against the champion's 0.7200, on 1,000 rows"),
        (0.70, 0.65, 0.5, 0.0, (0.80, 0.72), True, "0.8000 against the champion's 0.7200"),
        (NAN, 0.65, 0.5, 0.0, None, False, "without features"),
        (0.70, NAN, 0.5, 0.0, None, False, "baseline"),
        (0.70, 0.65, 0.5, 0.0, (0.70, NAN), False, "champion"),
    ],
)
def test_decisions(candidate, baseline, constant, noise, duel, promoted, reason):
    met = None if duel is None else Duel(*duel, rows=1000)
    decision = decide(Scores("roc_auc", candidate, baseline, constant, noise, met), tolerance=0.01)
    assert decision.promoted is promoted
    assert reason in decision.reason


def test_the_reported_baseline_is_the_stronger_one():
    assert decide(Scores("r2", 0.4, -0.1, 0.0, 0.0, None), 0.0).baseline == 0.0
