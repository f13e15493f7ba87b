"""What a check finds, and what it leaves behind."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from {{ cookiecutter.package }}.errors import UntrustedModelError
from {{ cookiecutter.package }}.monitoring import check, drift, retrain, training
from {{ cookiecutter.package }}.monitoring.__main__ import main
from {{ cookiecutter.package }}.monitoring.check import COMPARED, Checker, Judged, Skipped
from {{ cookiecutter.package }}.monitoring.service import describe
from {{ cookiecutter.package }}.schema import TARGET

from support import changed

needs_compared = pytest.mark.skipif(not COMPARED, reason="all features are dates, which aren't compared")


def test_nothing_is_judged_or_written_without_a_champion(registry, options, rows, write_log):
    write_log(rows, 200)
    registry.version = None
    outcome = Checker(registry, options).check()
    assert isinstance(outcome, Skipped)
    assert "make train" in outcome.reason
    assert not options.reports.exists()


def test_nothing_is_judged_or_written_with_too_few_predictions(registry, options, rows, write_log):
    checker = Checker(registry, options)
    assert f"{options.log} holds 0 predictions" in checker.check().reason
    write_log(rows, 99)
    assert "holds 99 predictions, and 100 are needed" in checker.check().reason
    assert not options.reports.exists()


def test_after_a_promotion_what_was_asked_is_judged_at_once_and_the_answers_later(
    registry, options, rows, moved, write_log
):
    """The world doesn't change with the model; what an earlier one answered tells nothing about this one."""
    write_log(moved, 150, version="1", actual=TARGET)
    registry.version = dataclasses.replace(registry.version, version="2")
    checker = Checker(registry, options)
    outcome = checker.check()
    assert (outcome.drift, outcome.prediction_drift, outcome.performance) == (True, None, None)
    assert (outcome.rows["current"], outcome.rows["champion"]) == (150, 0)
    assert outcome.labels == {"champion": 0, "other": 150}
    assert outcome.columns.keys() == set(COMPARED)
    assert any(problem.found for problem in outcome.quality)
    said = describe(outcome)
    assert "0 answers of version 2 are too few to judge them yet" in said
    assert "150 labels are of other versions' answers" in said

    write_log(rows, 100, version="2", name="predictions-b.jsonl")
    outcome = checker.check()
    assert (outcome.rows["current"], outcome.rows["champion"]) == (250, 100)
    assert outcome.prediction_drift is False
    assert "100 answers of version 2 are as in training" in describe(outcome)


@pytest.mark.parametrize("count", [100, 400])
def test_the_same_data_has_not_drifted_however_few_rows(registry, options, rows, write_log, count):
    write_log(rows, count)
    outcome = Checker(registry, options).check()
    assert isinstance(outcome, Judged)
    assert not outcome.drift
    assert outcome.share < 0.35
    assert outcome.rows == {"reference": min(len(rows), 5000), "current": count, "champion": count}
    assert outcome.prediction_drift is False


def test_data_that_moved_has_drifted_and_the_reports_say_so(registry, options, moved, write_log):
    write_log(moved, 100)
    outcome = Checker(registry, options).check()
    assert outcome.drift
    assert outcome.alarming
    assert all(outcome.columns[name].drifted for name in COMPARED)
    written = json.loads((options.reports / "drift.json").read_text(encoding="utf-8"))
    assert set(written) == {field.name for field in dataclasses.fields(Judged)}
    assert written["performance"] is None
    assert written["columns"].keys() == {*COMPARED, check.PREDICTION} | (
        {check.PROBABILITY} if check.TASK == "classification" else set()
    )
    assert set(written["columns"][COMPARED[0]]) == {"score", "threshold", "method", "drifted"}
    assert written["drifted"] == sum(written["columns"][name]["drifted"] for name in COMPARED)
    html = (options.reports / "drift.html").read_text(encoding="utf-8")
    assert "Dataset Drift is detected" in html
    # What a client sent must not become a script of the report.
    assert "<script>elsewhere" not in html
    assert [path.name for path in options.reports.glob(".*")] == []


@needs_compared
def test_a_column_that_is_missing_altogether_has_drifted(registry, options, rows, write_log):
    gone = COMPARED[-1]
    write_log(changed(rows, gone, None), 300)
    outcome = Checker(registry, options).check()
    assert outcome.columns[gone].drifted
    assert outcome.columns[gone].method == "all values missing on one side"
    assert not any(outcome.columns[name].drifted for name in COMPARED[:-1])
    (missing,) = (one for one in outcome.quality if (one.column, one.problem) == (gone, "missing"))
    assert (missing.share, missing.found) == (1.0, True)


@needs_compared
def test_a_column_that_never_held_anything_is_no_drift(rows):
    few = list(COMPARED[-2:])
    table = changed(rows[few], few[-1], float("nan"))
    found = drift.compare(table, table.head(200), check.CATEGORIES, (), {}, 0.5)
    assert list(found.inputs) == few[:-1]
    assert found.outputs == {}


@pytest.mark.parametrize("outputs", [[], ["prediction"]])
def test_without_a_feature_to_compare_there_is_no_drift(outputs):
    table = pd.DataFrame({"prediction": ["a", "b"] * 50})[outputs]
    found = drift.compare(table, table, {"prediction"}, outputs, {}, 0.5)
    assert (found.share, list(found.outputs)) == (0.0, outputs)


@needs_compared
def test_the_share_decides(registry, options, rows, write_log):
    write_log(changed(rows, COMPARED[-1], None), 300)
    outcome = Checker(registry, options).check()
    assert outcome.share > 0
    assert outcome.drift == (outcome.share >= options.share)
    assert Checker(registry, dataclasses.replace(options, share=outcome.share)).check().drift


def test_a_log_that_did_not_change_is_not_judged_again(registry, options, rows, write_log, monkeypatch):
    path = write_log(rows, 100)
    checker = Checker(registry, options)
    first = checker.check()
    with monkeypatch.context() as patch:
        patch.setattr(drift, "compare", None)
        assert checker.check() is first
    path.unlink()
    write_log(rows, 400)
    assert checker.check().rows["current"] == 400


@pytest.mark.parametrize("right", [True, False])
def test_labels_tell_how_good_the_answers_were(registry, options, rows, write_log, right, monkeypatch):
    # As often as it takes for enough rows, so that every class is among them.
    frame = pd.concat([rows] * -(-200 // len(rows)), ignore_index=True)
    if not right:
        frame[TARGET] = frame[TARGET].sample(frac=1, random_state=1).to_numpy()
        monkeypatch.setitem(registry.version.metrics, next(iter(registry.version.metrics)), 1.0)
    write_log(frame, len(frame), actual=TARGET)
    checker = Checker(registry, options)
    outcome = checker.check()
    measured = outcome.performance
    assert (measured.rows, measured.unknown_labels) == (len(frame), 0)
    assert outcome.labels == {"champion": len(frame), "other": 0}
    assert {measured.metric: measured.test_score} == registry.version.metrics
    assert measured.degraded is outcome.alarming is not right
    assert measured.score < 1 if not right else measured.score == pytest.approx(measured.test_score)
    assert measured.standard_error > 0
    assert (options.reports / "performance.html").stat().st_size > 100_000
    registry.version = dataclasses.replace(registry.version, version="2")
    write_log(rows, 100, version="2", name="predictions-b.jsonl")
    assert checker.check().performance is None
    assert checker.check().labels == {"champion": 0, "other": len(frame)}
    assert not (options.reports / "performance.html").exists()


def test_a_model_that_was_tampered_with_is_not_used(registry, options, rows, write_log):
    write_log(rows, 100)
    registry.version = dataclasses.replace(registry.version, sha256="0" * 64)
    with pytest.raises(UntrustedModelError):
        Checker(registry, options).check()
    assert not options.reports.exists()


@pytest.mark.parametrize(
    ("data", "flags", "code", "says"),
    [
        ("rows", [], 0, "no drift: "),
        ("rows", ["--retrain"], 0, "no drift: "),
        ("moved", [], 3, "drift: "),
        ("moved", ["--exit-zero"], 0, "drift: "),
        ("moved", ["--retrain"], 3, "drift: "),
        ("moved", ["--min-rows", "101"], 0, "nothing to judge: "),
    ],
)
def test_the_command_says_what_it_found(
    request, registry, options, write_log, monkeypatch, capsys, data, flags, code, says
):
    write_log(request.getfixturevalue(data), 100)
    monkeypatch.setattr("{{ cookiecutter.package }}.registry.champion", registry.champion)
    monkeypatch.setattr("{{ cookiecutter.package }}.registry.download", registry.download)
    retrained = []
    monkeypatch.setattr(training, "run", lambda *_: retrained.append(True) or 0)
    assert main(["check", *folders(options), *flags]) == code
    assert capsys.readouterr().out.startswith(says)
    assert retrained == ([True] if (data, flags) == ("moved", ["--retrain"]) else [])


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (retrain.NOTHING_NEW, 3)])
def test_a_retraining_that_fails_is_a_failure_and_one_with_nothing_new_is_none(
    registry, options, moved, write_log, monkeypatch, code, expected
):
    write_log(moved, 100)
    monkeypatch.setattr("{{ cookiecutter.package }}.registry.champion", registry.champion)
    monkeypatch.setattr("{{ cookiecutter.package }}.registry.download", registry.download)
    monkeypatch.setattr(training, "run", lambda *_: code)
    assert main(["check", *folders(options), "--retrain"]) == expected


def folders(options):
    return ["--log", options.log, "--reports", str(options.reports)]


@pytest.mark.parametrize(
    "flags",
    [["--window", "0"], ["--share", "0"], ["--share", "nan"], ["--min-rows", "x"], ["--tolerance", "1"]],
)
def test_values_out_of_range_are_a_usage_error(flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["check", *flags])
    assert flags[0] in capsys.readouterr().err


def test_a_window_too_small_for_the_rows_needed_is_refused(capsys):
    assert main(["check", "--window", "50"]) == 1
    assert "--min-rows 100" in capsys.readouterr().err
