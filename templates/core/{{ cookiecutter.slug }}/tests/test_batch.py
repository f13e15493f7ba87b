"""A file of rows, and what the champion says about them."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from {{ cookiecutter.package }} import batch, data, model, registry
from {{ cookiecutter.package }}.__main__ import main
from {{ cookiecutter.package }}.errors import DataError, RegistryError
{%- if cookiecutter.monitoring %}
from {{ cookiecutter.package }}.monitoring import DEFAULT_LOG, log
{%- endif %}
from {{ cookiecutter.package }}.registry import ModelVersion
from {{ cookiecutter.package }}.schema import FEATURES, TARGET

from support import SAMPLE


@pytest.fixture
def champion(trained, monkeypatch, tmp_path):
    """The sample's model as champion, in an empty folder."""
    card = json.loads((trained.model / model.CARD_FILE).read_text(encoding="utf-8"))
    version = ModelVersion(
        name="model", version="3", run_id="run", sha256=card["sha256"], data_version="data", metrics={}
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREDICTION_LOG", raising=False)
    monkeypatch.setattr(registry, "champion", lambda: version)
    monkeypatch.setattr(
        registry,
        "download",
        lambda _, dest: Path(shutil.copytree(trained.model, dest, dirs_exist_ok=True)),
    )
    return model.load(trained.model)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_row_gets_the_models_answer(champion, tmp_path, suffix):
    output = tmp_path / f"out/answers{suffix}"
    source = data.read_file(SAMPLE).drop(columns=[TARGET])
    source.to_parquet(tmp_path / "rows.parquet")
    assert main(["predict", str(tmp_path / "rows.parquet"), "--output", str(output)]) == 0
    read = pd.read_parquet if suffix == ".parquet" else partial(pd.read_csv, float_precision="round_trip")
    written = read(output)
    expected = model.predict(champion, source)
    assert len(written) == len(source)
    assert list(written["prediction"].map(str)) == list(expected["prediction"].map(str))
    assert set(FEATURES) <= set(written.columns)
{%- if cookiecutter.monitoring %}


def test_what_was_predicted_is_in_the_log_that_monitoring_reads(champion, tmp_path):
    rows = batch.predict(SAMPLE, tmp_path / "answers.csv")
    (path,) = Path(DEFAULT_LOG).glob("predictions-*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    ids = list(pd.read_csv(tmp_path / "answers.csv")["prediction_id"])
    assert [line["id"] for line in lines] == ids
    found = logged(10 * rows)
    assert (len(found.features), len(found.answers), found.broken) == (rows, rows, 0)
    assert found.features[::-1].reset_index(drop=True).equals(data.features(data.read_file(SAMPLE)))


def test_labels_in_a_file_of_the_log_find_their_predictions(champion, tmp_path):
    batch.predict(SAMPLE, tmp_path / "answers.csv")
    known = pd.read_csv(tmp_path / "answers.csv").head(5)
    entries = [{"id": row["prediction_id"], "actual": row[TARGET]} for row in known.to_dict("records")]
    text = "".join(f"{json.dumps(entry)}\n" for entry in entries)
    (Path(DEFAULT_LOG) / "feedback-20240131T120000Z.jsonl").write_text(text, encoding="utf-8")
    found = logged(10_000)
    assert list(found.labels[::-1]) == [entry["actual"] for entry in entries]


def logged(window):
    opened = log.open_log(DEFAULT_LOG)
    return log.read(opened, opened.files(log.PREDICTIONS), opened.files(log.FEEDBACK), "3", window)
{%- endif %}


def test_columns_of_the_file_keep_their_names_and_values(champion, tmp_path, capsys):
    source = data.read_file(SAMPLE)[list(FEATURES)].head(5)
    source.insert(0, "prediction", ["mine"] * 5)
    source["note"] = ["007"] * 5
    source.to_csv(tmp_path / "rows.csv", index=False)
    arguments = ["predict", str(tmp_path / "rows.csv"), "--output"]
    assert main([*arguments, str(tmp_path / "answers.csv")]) == 0
    assert "the answers are in champion_prediction" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "answers.csv", dtype=object)
    assert set(written["prediction"]) == {"mine"}
    assert set(written["note"]) == {"007"}
    assert list(written["champion_prediction"].map(str)) == [
        str(answer) for answer in model.predict(champion, source)["prediction"]
    ]
    assert main([*arguments, str(tmp_path / "answers.parquet")]) == 0
    typed = pd.read_parquet(tmp_path / "answers.parquet")
    assert all(typed[name].dtype == source[name].dtype for name in FEATURES)


def test_a_file_that_can_not_be_used_changes_nothing(champion, tmp_path):
    output = tmp_path / "answers.csv"
    (tmp_path / "lacks.csv").write_text("nothing\n1\n")
    data.read_file(SAMPLE).head(0).to_csv(tmp_path / "empty.csv", index=False)
    for name, said in (("missing.csv", "can't be read"), ("lacks.csv", "lack"), ("empty.csv", "no rows")):
        with pytest.raises(DataError, match=said):
            batch.predict(tmp_path / name, output)
    with pytest.raises(DataError, match="neither"):
        batch.predict(SAMPLE, tmp_path / "answers.txt")
    assert not output.exists()
    assert not Path("logs").exists()


def test_without_a_champion_there_is_no_answer(champion, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "champion", lambda: None)
    with pytest.raises(RegistryError, match="no model is registered"):
        batch.predict(SAMPLE, tmp_path / "answers.csv")
