"""The registry, on a local MLflow database."""

import copy
import json

import pytest

from {{ cookiecutter.package }} import config, data, model, registry, stages
from {{ cookiecutter.package }}.errors import RegistryError, UntrustedModelError
from {{ cookiecutter.package }}.schema import PROJECT


@pytest.fixture
def project(trained, tmp_path):
    """A registration of the trained model, or of a new one, with the score that a test gives it."""

    class Project:
        def register(self, score, *, seed=None):
            models = trained.models
            if seed is not None:
                models = tmp_path / f"models-{seed}"
                stages.train(trained.prepared, models, config.parse({"model": {"max_iter": 2, "seed": seed}}))
            metrics = copy.deepcopy(trained.metrics)
            metrics["model"][metrics["metric"]] = score
            metrics["constant"][metrics["metric"]] = -1.0
            metrics["noise"] = 10.0
            params = config.parse({"gate": {"tolerance": 0.99}})
            return registry.register(models, trained.prepared, metrics, trained.reports, params)

    return Project()


def test_the_life_of_a_champion(project, trained, tmp_path):
    assert registry.champion() is None
    with pytest.raises(RegistryError, match="make train"):
        registry.rollback()

    first = project.register(1.0)
    assert (first.promoted, first.version, first.champion) == (True, "1", None)
    champion = registry.champion()
    card = json.loads((trained.model / model.CARD_FILE).read_text())
    assert (champion.name, champion.version, champion.sha256) == (PROJECT, "1", card["sha256"])
    assert champion.data_version == trained.metrics["data_version"]
    assert champion.metrics["rows_test"] == trained.metrics["rows"]["test"]

    folder = registry.download(champion, tmp_path / "download")
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json",
        "model.skops",
        "reference.parquet",
    ]
    assert model.load(folder, champion.sha256)

    again = project.register(-5.0)
    assert (again.promoted, again.version) == (True, "1")
    assert "decided before" in again.reason

    refused = project.register(-2.0, seed=1)
    assert (refused.promoted, refused.version) == (False, "2")
    assert registry.champion().version == "1"

    better = project.register(1.0, seed=2)
    assert (better.promoted, better.version) == (True, "3")
    assert better.champion is not None
    assert registry.champion().version == "3"

    assert registry.rollback().version == "1"
    assert registry.champion().version == "1"
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback()


def test_a_run_holds_everything_that_explains_it(project, trained):
    from mlflow import MlflowClient

    project.register(1.0)
    champion = registry.champion()
    client = MlflowClient("sqlite:///mlflow.db")
    run = client.get_run(champion.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params.keys() == trained.params.flat().keys()
    assert run.data.params["model.kind"] == trained.params.model.kind
    assert {"training_seconds", "training_cpu_seconds", "training_peak_memory_mb"} <= set(run.data.metrics)
    assert run.data.tags["data_version"] == trained.metrics["data_version"]
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.digest + ".dir" == trained.metrics["data_version"]
    files = {item.path for item in client.list_artifacts(champion.run_id, "reports")}
    assert {"reports/model_card.md", "reports/dataset_card.md", "reports/validation.json"} <= files


def test_a_changed_champion_stops_the_comparison(project, tmp_path):
    project.register(1.0)
    stored = next(tmp_path.glob("mlartifacts/**/model.skops"))
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(UntrustedModelError, match="isn't the registered model"):
        project.register(1.0, seed=1)
    assert registry.champion().version == "1"


def test_a_decision_that_was_cut_short_is_made_again(project, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            project.register(1.0)
    assert registry.champion() is None
    assert project.register(1.0).promoted
    assert registry.champion().version == "1"


def test_a_dead_server_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI"):
        registry.champion()


def test_a_champion_that_knows_the_test_rows_is_not_compared_on_them(project, trained, monkeypatch):
    project.register(1.0)
    monkeypatch.setattr(data, "unseen", lambda rows, origin: rows.head(1))
    decision = project.register(1.0, seed=1)
    assert not decision.promoted
    assert f"only 1 of {len(trained.test_rows)} test rows are new to it" in decision.reason


def test_a_champion_of_other_columns_gives_way(project, monkeypatch):
    project.register(1.0)
    monkeypatch.setattr(registry, "FEATURES", ("another",))
    decision = project.register(1.0, seed=1)
    assert decision.promoted
    assert "trained on other columns" in decision.reason
