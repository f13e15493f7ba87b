"""What the tests share: the sample, a folder of their own, and one training run on the sample."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import config, data, registry, stages

from support import ROOT, SAMPLE, Trained

ENVIRONMENT = (
    "AWS_",
{%- if cookiecutter.tracking %}
    "MLFLOW_",
{%- endif %}
    "KFP_",
    "DATA_BUCKET",
    "ARTIFACT_BUCKET",
    "PREDICTION_LOG",
    "PIPELINE_",
    "KF_PIPELINES_",
    "GIT_COMMIT",
    "GIT_",
)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Each test has a folder of its own, and knows of no environment."""
    for name in os.environ:
        if name.startswith(ENVIRONMENT):
            monkeypatch.delenv(name)
{%- if cookiecutter.tracking %}
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
{%- endif %}
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def raw():
    """A folder with the sample in it, in the current folder."""
    folder = Path("data/raw")
    folder.mkdir(parents=True)
    shutil.copyfile(SAMPLE, folder / "sample.csv")
    return folder


@pytest.fixture
def frame():
    """The sample as it was read, before any conversion."""
    return data.read_part(SAMPLE)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """One training run on the sample, with the project's own parameters but few trees. Only read it."""
    params = config.load(ROOT / "params.yaml")
    few = replace(params, model=replace(params.model, max_iter=20))
    return Trained(tmp_path_factory.mktemp("trained"), few).run()


@pytest.fixture(scope="session")
def another(trained, tmp_path_factory):
    """A model for each seed, trained when a test first asks for it. Only read it."""
    folder = tmp_path_factory.mktemp("another")

    def make(seed):
        models = folder / f"models-{seed}"
        if not models.exists():
            wanted = {"model": {"max_iter": 2, "seed": seed}, "cross_validation": {"folds": 0}}
            stages.train(trained.prepared, models, config.parse(wanted))
        return models

    return make


{% if cookiecutter.tracking -%}
@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """An empty database of MLflow's. To make one takes seconds, to copy it nothing."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(trained, another, tables):
    """A registration of the trained model, or of another one, with the score that a test gives it."""
    shutil.copyfile(tables, "mlflow.db")
{% else -%}
@pytest.fixture
def project(trained, another):
    """A registration of the trained model, or of another one, with the score that a test gives it.

    The other ones count as trained on other data, unless they aren't `fresh`.
    """
{% endif %}
    class Project:
        def register(self, score, *, seed=None, fresh=True):
            models = trained.models if seed is None else another(seed)
            metrics = copy.deepcopy(trained.metrics)
            if seed is not None and fresh:
                metrics["data_version"] = f"{seed:032}.dir"
            metrics["model"][metrics["metric"]] = score
            metrics["constant"][metrics["metric"]] = -1.0
            metrics["cross_validation"] = {"folds": 0}
            metrics["noise"] = {"baseline": 10.0, "constant": 0.1}
            params = replace(trained.params, gate=config.GateParams(tolerance=0.99))
            return registry.register(models, trained.prepared, metrics, trained.reports, params)

    return Project()


@pytest.fixture
def repository(monkeypatch):
    """An empty Git repository in the current folder, and a function that commits everything in it."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)

    def git(*arguments):
        done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def commit(*refs):
        git("add", "--all")
        git("commit", "--quiet", "--message", "x")
        for ref in refs:
            git("tag", ref)
        return git("rev-parse", "HEAD")

    git("init", "--quiet", "--initial-branch", "main")
    return commit
