import pandas as pd
import pytest

from {{ cookiecutter.package }} import cards
from {{ cookiecutter.package }}.schema import TASK

FOLDS = [{"train": 80, "test": 20, "model": 0.9, "baseline": 0.8, "constant": 0.5}]


def crossed(lead, error):
    figures = {name: {"mean": 0.5, "error": 0.1} for name in ("model", "baseline", "constant")}
    return {
        "metric": "r2",
        "cross_validation": {
            "folds": 5,
            **figures,
            "lead": {
                "baseline": {"mean": lead, "error": error},
                "constant": {"mean": 0.5, "error": 0.1},
            },
        },
        "rows": {"train": 100, "test": 1000},
    }


@pytest.mark.parametrize(
    ("lead", "error", "verdict"),
    [
        (0.05, 0.01, "beyond the noise."),
        (0.05, 0.04, "too close to tell them apart"),
        (-0.05, 0.04, "too close to tell them apart"),
        (-0.05, 0.01, "the baseline is better"),
    ],
)
def test_the_verdict_on_the_baseline_follows_its_error(lead, error, verdict):
    shown = "\n".join(cards._cross_validation(crossed(lead, error), FOLDS))
    assert f"- Model minus baseline: {lead:+.4f}, with a standard error of {error:.4f}: {verdict}" in shown
    assert "- Model minus constant: +0.5000, with a standard error of 0.1000: beyond the noise." in shown
    assert "| 1 | 80 | 20 | 0.9 | 0.8 |" in shown


def test_the_reason_is_named_where_there_was_none():
    found = crossed(0, 0) | {"cross_validation": {"folds": 0, "reason": "folds is 0"}}
    assert cards._cross_validation(found, []) == ["Left out: folds is 0."]


@pytest.mark.skipif(TASK != "classification", reason="a regression has no classes")
def test_classes_that_are_rare_or_unknown_are_limits():
    classes = pd.DataFrame(
        {"class": ["common", "rare", "new"], "train_rows": [500, 3, 0], "test_rows": [90, 20, 5]}
    )
    limits = "\n".join(cards._limits(crossed(0, 0), {"classes": classes}))
    assert "can't answer these classes, which no training row shows: new." in limits
    assert "fewer than 10 training rows of these classes and hardly knows them: rare." in limits
    assert "Fewer than 10 test rows" not in limits
    assert "rough" not in limits


def test_few_test_rows_are_a_limit():
    classes = pd.DataFrame({"class": ["a"], "train_rows": [500], "test_rows": [90]})
    found = crossed(0, 0) | {"rows": {"train": 100, "test": 12}}
    assert "Only 12 rows were tested" in "\n".join(cards._limits(found, {"classes": classes}))


def test_a_large_table_of_classes_is_cut_to_the_rarest():
    count = cards.CLASSES + 5
    classes = pd.DataFrame({"class": [f"c{number}" for number in range(count)], "train_rows": range(count)})
    shown = "\n".join(cards._classes(classes))
    assert f"for the {cards.CLASSES} rarest of {count} classes" in shown
    assert f"| c{count - 1} |" not in shown


def test_text_is_shown_and_does_nothing_else():
    assert cards.text("a|b\n*c* <i>") == r"a\|b \*c\* \<i\>"
    assert cards.table(["name"], [[float("nan")], [0.12345], ["a|b"]]).splitlines()[2:] == [
        "|  |",
        "| 0.1235 |",
        r"| a\|b |",
    ]


def test_dates_are_shown_by_their_range(monkeypatch):
    monkeypatch.setattr(cards, "FEATURES", ("when",))
    monkeypatch.setattr(cards, "CATEGORICAL", ())
    monkeypatch.setattr(cards, "TIME", None)
    column = {"kind": "date", "missing": 1, "min": "2024-01-01T00:00:00", "max": "2024-02-01T00:00:00"}
    report = {"rows": 4, "columns": {"when": column}, "target": {}, "files": [], "data_version": "1"}
    assert "| when | date | 25.0% | 2024-01-01T00:00:00 to 2024-02-01T00:00:00 |" in cards.dataset(report)
