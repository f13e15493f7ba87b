"""Two trainings side by side, from commits and from the registry."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.package }} import __main__ as program
from {{ cookiecutter.package }} import compare, config, registry
from {{ cookiecutter.package }}.errors import ConfigError, DataError

from support import ROOT

COLUMNS = 4
PNG = b"\x89PNG\r\n"


@pytest.fixture
def history(repository, trained):
    """Two commits, the second with a better metric, another parameter and other data."""
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    Path("reports").mkdir()
    shutil.copyfile(trained.models / "training.json", "reports/training.json")
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    Path("metrics.json").write_text(json.dumps(metrics))
    repository("first")
    metrics["model"][metrics["metric"]] += 0.25
    metrics["data_version"] = "f" * 32 + ".dir"
    Path("metrics.json").write_text(json.dumps(metrics))
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["model"]["max_iter"] = 77
    # The file was edited after the training: what DVC ran with counts.
    lock = {"stages": {"train": {"params": {"params.yaml": {"model": params["model"], "split.seed": 17}}}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    repository("second")
    return metrics


def rows(text):
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: line[1:] for line in cells if len(line) == COLUMNS}


def test_two_commits_need_no_registry(history, trained, monkeypatch, capsys):
    def unreachable(*_):
        raise AssertionError("asked")

    for name in ("find", "champion", "versions"):
        monkeypatch.setattr(registry, name, unreachable)
    assert program.main(["compare", "first", "second"]) == 0
    printed = capsys.readouterr().out
    shown = rows(printed)
    assert shown["data version"][:2] == [trained.metrics["data_version"], "f" * 32 + ".dir"]
    assert shown[history["metric"]][2] == "+0.25"
    assert shown["model.max_iter"] == [str(config.load(ROOT / "params.yaml").model.max_iter), "77", ""]
    assert "model.seed" not in shown
    assert {"training_seconds", "training_cpu_seconds", "training_peak_memory_mb"} <= shown.keys()
    assert printed.startswith(Path("reports/comparison.md").read_text())
    assert Path("reports/comparison.png").read_bytes().startswith(PNG)


def test_figures_of_different_rows_are_named_as_such(history, capsys):
    assert program.main(["compare", "first", "second"]) == 0
    assert "tested on different rows" in capsys.readouterr().out
    assert program.main(["compare", "second", "workspace"]) == 0
    assert "tested on different rows" not in capsys.readouterr().out


def test_before_the_first_commit_it_says_to_commit(capsys):
    assert program.main(["compare"]) == 1
    error = capsys.readouterr().err
    assert "there is no commit yet" in error
    assert "next: git add --all && git commit" in error


def test_by_default_the_last_commit_and_the_files_as_they_are(history, capsys):
    history["model"][history["metric"]] -= 0.5
    Path("metrics.json").write_text(json.dumps(history))
    assert program.main(["compare"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown[""][1] == "workspace"
    assert shown[history["metric"]][2] == "-0.5"


def test_versions_of_the_registry(project, trained, capsys):
    project.register(0.5)
    project.register(0.75, seed=1)
    assert program.main(["compare", "1", "champion"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown[""][:2] == ["version 1", "version 2"]
    assert shown[trained.metrics["metric"]] == ["0.5", "0.75", "+0.25"]
    assert shown["data version"][0] == trained.metrics["data_version"]
    assert shown["model"][0] == registry.find("1").sha256[:8]
    run = registry.find("1").run_id
    assert program.main(["compare", run, "2"]) == 0


def test_what_can_not_be_compared_is_named(repository):
    with pytest.raises(ConfigError, match="'v9' is no commit"):
        compare.find("v9")
    with pytest.raises(DataError, match="workspace has no metrics"):
        compare.find("workspace")
    Path("metrics.json").write_text("[1]")
    repository()
    with pytest.raises(DataError, match="holds no names"):
        compare.find("main")
    Path("metrics.json").write_text("{")
    with pytest.raises(DataError, match="can't be read"):
        compare.find("workspace")
    Path("metrics.json").write_text('{"model": 1}')
    with pytest.raises(DataError, match="isn't what this project writes"):
        compare.find("workspace")


def test_hostile_names_stay_text(tmp_path):
    one = compare.Training("a|b $x^$ größe", {"loss": 1.0, "baseline_loss": 2.0}, {"p|q": "$"}, {})
    other = compare.Training("\\", {"loss": float("nan")}, {}, {"commit": "x"})
    shown = compare.write(one, other, tmp_path / "reports")
    assert {line.replace("\\|", "").count("|") for line in shown.splitlines()} == {5}
    assert (tmp_path / "reports" / compare.PLOT).read_bytes().startswith(PNG)


def test_versions_are_listed(project, capsys):
    assert program.main(["versions"]) == 0
    assert "no model" in capsys.readouterr().out
    project.register(1.0)
    project.register(-2.0, seed=1)
    project.register(1.0, seed=2)
    assert program.main(["versions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert all(
        word in line for word, line in zip(("champion", "refused", "was promoted"), lines, strict=True)
    )
