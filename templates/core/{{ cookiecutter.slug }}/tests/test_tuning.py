import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import __main__ as program
from {{ cookiecutter.package }} import config, costs, cross_validation, model, stages, tuning
from {{ cookiecutter.package }}.errors import DataError

from support import ROOT, enough

PARAMS = config.parse({"model": {"max_iter": 2, "learning_rate": 0.001}})


@pytest.fixture
def rows(trained):
    return pd.read_parquet(trained.prepared / "train.parquet")


@pytest.fixture
def few(monkeypatch):
    """Candidates that are quick to fit, in this process."""
    for name in ("max_iter", "max_leaf_nodes"):
        monkeypatch.setitem(tuning.SPACE, name, [3])
    monkeypatch.setattr(tuning, "JOBS", 1)


def test_a_search_is_repeatable_and_never_fits_the_rows_it_is_judged_by(rows, few, monkeypatch):
    fitted, fit = [], model.fit
    monkeypatch.setattr(model, "fit", lambda params, chosen: fitted.append(chosen) or fit(params, chosen))
    found = tuning.search(enough(rows, 15), PARAMS, 4)
    _, held_back = cross_validation.splits(rows, tuning.HELD_BACK, PARAMS.split.seed)[-1]
    kept = pd.util.hash_pandas_object(rows.iloc[held_back], index=False)
    assert len(fitted) >= 4 * tuning.FOLDS + 2
    for chosen in fitted:
        assert not pd.util.hash_pandas_object(chosen[rows.columns], index=False).isin(kept).any()
    assert (found.rows, found.candidates) == (len(held_back), 4)
    assert found.gain == found.best - found.present
    assert np.isfinite(found.noise)
    assert tuning.search(rows, PARAMS, 4) == found


def test_the_candidates_are_distinct_valid_and_include_the_present_ones_and_a_line():
    found = tuning._candidates(config.ModelParams(), 20)
    assert len({tuple(asdict(one).items()) for one in found}) == 20
    assert found[0] == config.ModelParams()
    assert found[1] == config.ModelParams(kind="linear")
    assert found == tuning._candidates(config.ModelParams(), 20)
    assert all(isinstance(one.max_iter, int) and isinstance(one.max_leaf_nodes, int) for one in found)


def test_the_first_round_sees_enough_of_a_rare_class(monkeypatch):
    monkeypatch.setattr(tuning, "TASK", "classification")
    target = pd.Series([True] * 50 + [False] * 99_950)
    assert tuning._first_round(target) == 60_000
    assert tuning._first_round(pd.Series([True, False] * 50_000)) == tuning.MIN_ROWS
    assert tuning._first_round(pd.Series([True, False] * 5)) == 10


def test_too_few_rows_are_refused(rows):
    with pytest.raises(DataError, match="too few"):
        tuning.search(rows.head(model.MIN_ROWS), PARAMS, 3)


@pytest.fixture
def prepared(trained):
    """The prepared rows in the current folder, with the project's own parameters."""
    shutil.copytree(trained.prepared, program.PREPARED)
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    return config.load()


@pytest.mark.parametrize(("noise", "word"), [(0.01, "beyond"), (0.2, "within")])
def test_better_parameters_are_written_with_how_sure_they_are(prepared, monkeypatch, capsys, noise, word):
    best = config.ModelParams(**asdict(prepared.model) | {"max_iter": 7})
    monkeypatch.setattr(stages, "tune", lambda *_: tuning.Tuned(best, "r2", 0.5, 0.6, noise, 40, 9))
    assert program.main(["tune"]) == 0
    assert config.load().model == best
    said = capsys.readouterr().out
    assert f"the gain of 0.1000 is {word} the noise" in said
    assert f"model.max_iter: {prepared.model.max_iter} -> 7" in said


def test_worse_parameters_are_not_written(prepared, monkeypatch, capsys):
    before = Path("params.yaml").read_text(encoding="utf-8")
    worse = tuning.Tuned(config.ModelParams(max_iter=7), "r2", 0.5, 0.5, 0.1, 40, 9)
    monkeypatch.setattr(stages, "tune", lambda *_: worse)
    assert program.main(["tune"]) == 0
    assert Path("params.yaml").read_text(encoding="utf-8") == before
    assert "nothing better" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["1", "1001"])
def test_a_budget_out_of_range_is_refused(prepared, capsys, count):
    assert program.main(["tune", "--candidates", count]) == 1
    assert "from 2 to 1000" in capsys.readouterr().err


def test_what_a_search_costs_is_kept_with_what_it_found(trained, rows, few, tmp_path):
    enough(rows, 15)
    found = stages.tune(trained.prepared, tmp_path, PARAMS, 2)
    record = stages.read_json(tmp_path / stages.TUNING)
    params = config.Params(model=found.params)
    assert costs.of_tuning(record, trained.metrics["data_version"], params)["tuning_seconds"] > 0


def test_without_prepared_rows_it_says_what_comes_first():
    with pytest.raises(DataError, match="make train"):
        stages.tune(program.PREPARED, program.REPORTS, PARAMS, 3)
