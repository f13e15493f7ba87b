"""What MLflow keeps of a run, on a local database, and what happens without a server."""

import pytest

from {{ cookiecutter.package }} import config, promotion, registry, stages, tracking
from {{ cookiecutter.package }}.errors import RegistryError
from {{ cookiecutter.package }}.schema import PROJECT


def test_a_run_holds_everything_that_explains_it(project, trained, monkeypatch):
    monkeypatch.setenv("GIT_COMMIT", "4" * 40)
    project.register(1.0)
    champion = registry.champion()
    with tracking.connection() as client:
        run = client.get_run(champion.run_id)
        files = {item.path for item in client.list_artifacts(champion.run_id, "reports")}
    assert run.info.status == "FINISHED"
    assert run.data.params.keys() == trained.params.flat().keys()
    assert run.data.params["model.kind"] == trained.params.model.kind
    cost = stages.read_json(trained.reports / stages.TRAINING)
    assert cost["peak_memory_mb"] > 0
    for name, value in cost.items():
        assert run.data.metrics[f"training_{name}"] == value
    assert run.data.tags["data_version"] == trained.metrics["data_version"]
    assert run.data.tags["mlflow.source.git.commit"] == champion.commit == "4" * 40
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.source_type) == (PROJECT, "dvc")
    assert dataset.digest + ".dir" == trained.metrics["data_version"]
    assert {"reports/model_card.md", "reports/dataset_card.md", "reports/validation.json"} <= files


def test_a_decision_that_was_cut_short_while_it_was_written_is_made_again(project, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            project.register(1.0)
    assert registry.champion() is None
    assert project.register(1.0).promoted
    assert registry.champion().version == "1"


def test_a_run_that_someone_else_logged_can_be_found(project):
    with tracking.connection() as client:
        run_id = client.create_run("0").info.run_id
        client.log_metric(run_id, "loss", 1.5)
        client.log_param(run_id, "depth", 3)
    found = registry.find(run_id)
    assert (found.version, found.metrics, found.params) == ("", {"loss": 1.5}, {"depth": "3"})


def test_a_version_that_someone_else_made_is_refused_as_champion():
    with tracking.connection() as client:
        run_id = client.create_run("0").info.run_id
        client.create_registered_model(PROJECT)
        version = client.create_model_version(PROJECT, "file:///nowhere", run_id)
        client.set_registered_model_alias(PROJECT, promotion.CHAMPION, version.version)
    with pytest.raises(RegistryError, match="wasn't registered by this project"):
        registry.champion()
    assert registry.versions() == []


def test_a_dead_server_is_a_clear_error(trained, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    arguments = (trained.models, trained.prepared, trained.metrics, trained.reports, config.Params())
    for call in (
        registry.champion,
        registry.versions,
        registry.rollback,
        lambda: registry.find("1"),
        lambda: registry.register(*arguments),
    ):
        with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI"):
            call()
