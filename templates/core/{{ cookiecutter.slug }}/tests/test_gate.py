import pytest

from {{ cookiecutter.package }}.gate import Scores, decide

NAN = float("nan")


@pytest.mark.parametrize(
    ("candidate", "baseline", "constant", "noise", "champion", "promoted", "reason"),
    [
        (0.70, 0.65, 0.5, 0.0, None, True, "linear baseline's 0.6500"),
        (0.50, 0.40, 0.5, 0.0, None, False, "without features"),
        (0.60, 0.65, 0.5, 0.0, None, False, "clearly below the linear baseline"),
        (0.60, 0.65, 0.5, 0.03, None, True, "linear baseline"),  # within two standard errors
        (0.645, 0.65, 0.5, 0.0, None, True, "linear baseline"),  # within the tolerance
        (0.70, 0.65, 0.5, 0.0, 0.72, False, "below the champion's 0.7200"),
        (0.70, 0.65, 0.5, 0.5, 0.72, False, "below the champion"),  # noise excuses nothing here
        (0.715, 0.65, 0.5, 0.0, 0.72, True, "champion's 0.7200"),
        (0.80, 0.65, 0.5, 0.0, 0.72, True, "champion's 0.7200"),
        (NAN, 0.65, 0.5, 0.0, None, False, "without features"),
        (0.70, NAN, 0.5, 0.0, None, False, "baseline"),
        (0.70, 0.65, 0.5, 0.0, NAN, False, "champion"),
    ],
)
def test_decisions(candidate, baseline, constant, noise, champion, promoted, reason):
    scores = Scores("roc_auc", candidate, baseline, constant, noise, champion)
    decision = decide(scores, tolerance=0.01)
    assert decision.promoted is promoted
    assert reason in decision.reason


def test_the_reported_baseline_is_the_stronger_one():
    assert decide(Scores("r2", 0.4, -0.1, 0.0, 0.0, None), 0.0).baseline == 0.0
