"""The stages, end to end, on the sample."""

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from {{ cookiecutter.package }} import config, costs, data, evaluate, model, stages
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import FEATURES, TARGET, TASK, TITLE

from support import ROOT, changed


def test_the_metrics_are_those_of_the_stored_model(trained):
    fitted = model.load(trained.model)
    assert evaluate.metrics(fitted, trained.test_rows) == pytest.approx(trained.metrics["model"])
    assert trained.metrics["metric"] in trained.metrics["model"]
    for group in ("model", "baseline", "constant"):
        assert all(math.isfinite(value) for value in trained.metrics[group].values())


def test_the_same_training_in_another_process_gives_the_same_files(trained, tmp_path):
    """Else each training would be a new version, though nothing is new about it."""
    params = asdict(trained.params) | {"cross_validation": {"folds": 0}}
    Path("params.json").write_text(json.dumps(params))
    code = "from {{ cookiecutter.package }} import config, stages\n"
    code += "from pathlib import Path\nimport sys\n"
    code += "stages.train(Path(sys.argv[1]), Path('models'), config.load(Path('params.json')))"
    subprocess.run([sys.executable, "-c", code, trained.prepared], check=True, timeout=300)
    for name in ("model/model.skops", "baseline/model.skops", "model/model.json", "model/reference.parquet"):
        assert (tmp_path / "models" / name).read_bytes() == (trained.models / name).read_bytes(), name


def test_the_data_version_goes_with_every_product(trained):
    version = data.version(trained.raw)
    for path in ("prepared/split.json", "models/model/model.json", "metrics.json", "reports/validation.json"):
        assert json.loads((trained.folder / path).read_text())["data_version"] == version


def test_the_reference_holds_training_rows_only(trained):
    reference = pd.read_parquet(trained.model / "reference.parquet")
    train = pd.read_parquet(trained.prepared / "train.parquet")
    assert len(reference) == min(len(train), stages.REFERENCE_ROWS)
    assert {*FEATURES, TARGET} <= set(reference.columns)
    both = pd.concat([reference, train]).drop_duplicates()
    assert len(both) == len(train.drop_duplicates())


def test_the_cards_show_what_was_measured(trained):
    card = (trained.reports / "model_card.md").read_text()
    metric = trained.metrics["metric"]
    assert f"{trained.metrics['model'][metric]:.4g}" in card
    assert trained.metrics["data_version"] in card
    assert f"{len(data.read(trained.raw)):,} in 1 files" in (trained.reports / "dataset_card.md").read_text()
    assert len(TITLE.split()) <= len(card.split("\n")[0].split())


def test_every_feature_has_an_importance(trained):
    table = pd.read_csv(trained.reports / "evaluation/importance.csv", keep_default_na=False)
    assert sorted(table["feature"]) == sorted(FEATURES)
    assert table["importance"].is_monotonic_decreasing


def test_the_plotted_predictions_are_labelled(trained):
    table = pd.read_csv(trained.reports / "evaluation/predictions.csv")
    assert {"actual", "prediction"} <= set(table.columns)
    assert 0 < len(table) <= len(trained.test_rows)


def test_every_table_is_written_and_has_rows(trained):
    folder = trained.reports / "evaluation"
    of_task = {"errors"} if TASK == "regression" else {"classes", "roc", "precision_recall"}
    assert {path.stem for path in folder.iterdir()} == {"importance", "predictions", "calibration"} | of_task
    for path in folder.iterdir():
        assert len(pd.read_csv(path)) > 0


def test_every_plot_shows_columns_that_exist(trained):
    stages_and_plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for plot in stages_and_plots["plots"]:
        (shown,) = plot.values()
        for path, column in shown["y"].items():
            assert {shown["x"], column} <= set(pd.read_csv(trained.folder / path).columns)


def test_the_card_says_what_the_cross_validation_found(trained):
    found = trained.metrics["cross_validation"]
    card = (trained.reports / "model_card.md").read_text(encoding="utf-8")
    if found["folds"]:
        assert f"Fitted and scored {found['folds']} times" in card
        assert f"{found['model']['mean']:.4g} | {found['model']['error']:.4g}" in card
    else:
        assert found["reason"].split()[0] in card


def test_the_cost_is_that_of_every_part(trained):
    cost = json.loads((trained.reports / stages.TRAINING).read_text())
    for unit in costs.UNITS:
        parts = [cost[f"{part}_{unit}"] for part in ("model", "baseline", "cross_validation", "evaluation")]
        assert all(part > 0 for part in parts)
        assert cost[unit] == pytest.approx(sum(parts), abs=0.01)
    card = (trained.reports / "model_card.md").read_text(encoding="utf-8")
    assert f"Training took {cost['seconds']:.1f} s, {cost['cpu_seconds']:.1f} s of processor time" in card
    assert "| cross validation | " in card
    assert "gate." not in card


def test_the_cost_of_a_search_counts_where_its_parameters_and_data_are_used(trained):
    version = trained.metrics["data_version"]
    record = {"tuning_seconds": 9.0, "tuning_cpu_seconds": 16.0, "data_version": version}
    record["model"] = asdict(trained.params.model)
    part = costs.of_tuning(record, version, trained.params)
    assert part == {"tuning_seconds": 9.0, "tuning_cpu_seconds": 16.0}
    assert costs.summed({"model_seconds": 1.5, **part})["seconds"] == 10.5
    assert costs.of_tuning(record, "another", trained.params) == {}
    assert costs.of_tuning(record, version, config.Params(model=config.ModelParams(seed=1))) == {}
    assert costs.of_tuning({}, version, trained.params) == {}


def test_models_of_different_classes_are_compared_by_what_both_have(trained):
    if TASK == "regression":
        fitted = model.load(trained.model)
        assert evaluate.common(fitted, fitted) == "r2"
        return
    rows = trained.test_rows
    labels = rows[TARGET].unique()
    rows = changed(rows, TARGET, np.resize(labels[:2], len(rows)))
    params = config.ModelParams(max_iter=2)
    two = model.fit(params, rows)
    three = model.fit(params, changed(rows, TARGET, np.resize([*labels[:2], "third"], len(rows))))
    assert evaluate.common(two, two) == "roc_auc"
    assert evaluate.common(two, three) == "f1_macro"
    assert 0 < evaluate.noise(two, three, rows, seed=1) < 1


def test_noise_is_none_between_a_model_and_itself(trained):
    fitted = model.load(trained.model)
    assert evaluate.noise(fitted, fitted, trained.test_rows, seed=1) == 0.0


def test_a_stage_without_its_input_says_which_comes_first(trained):
    with pytest.raises(DataError, match="stages in order"):
        stages.read_json(Path("prepared/split.json"))
