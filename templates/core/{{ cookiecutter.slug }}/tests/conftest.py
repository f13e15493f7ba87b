"""What the tests share: the sample, a folder of their own, and one training run on the sample."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import config, data

from support import ROOT, SAMPLE, Trained

ENVIRONMENT = (
    "AWS_",
    "MLFLOW_",
    "KFP_",
    "DATA_BUCKET",
    "ARTIFACT_BUCKET",
    "PREDICTION_LOG",
    "PIPELINE_IMAGE",
)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Each test has a folder of its own, and knows of no environment."""
    for name in os.environ:
        if name.startswith(ENVIRONMENT):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
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
    """One training run on the sample, with the project's own parameters. Read it, don't change it."""
    return Trained(tmp_path_factory.mktemp("trained"), config.load(ROOT / "params.yaml")).run()
