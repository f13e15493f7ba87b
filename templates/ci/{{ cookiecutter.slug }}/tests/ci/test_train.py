"""What CI trains, and what it refuses before that costs time."""

import importlib.util
import json
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import registry
from {{ cookiecutter.package }}.errors import RegistryError
from {{ cookiecutter.package }}.promotion import ModelVersion

from support import ROOT

INSIDE = "http://{}.flights-prod.svc:5000"
KUBECONFIG = """
current-context: it
clusters: [{name: it, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: it, user: {token: letmein}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
"""
VERSION = ModelVersion(name="x", version="3", run_id="r", sha256="s", data_version="d", metrics={})
SUBMITTING = {"KFP_ENDPOINT": "https://kubeflow", "PIPELINE_IMAGE": "registry/pipeline@sha256:0"}


@pytest.fixture
def train(monkeypatch):
    """The program, which notes the pipeline's commands in place of running them; each ends with `code`."""
    spec = importlib.util.spec_from_file_location("train", ROOT / "ci/train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands, module.code = [], 0
    monkeypatch.setattr(module, "pipelines", lambda command: module.commands.append(command) or module.code)
    monkeypatch.setattr(registry, "champion", lambda: VERSION)
    for name in ("COMMIT_MODEL", "KUBECONFIG", "KUBECONFIG_CONTENT"):
        monkeypatch.delenv(name, raising=False)
    return module


@pytest.fixture
def given(monkeypatch):
    return lambda **values: [monkeypatch.setenv(name, value) for name, value in values.items()]


def test_it_trains_where_the_variables_say(train, given):
    assert train.main() == 0
    given(**SUBMITTING)
    assert train.main() == 0
    assert train.commands == [["run"], ["submit"]]
    assert not train.CHAMPION.exists()
{%- if cookiecutter.serving != "none" %}


def test_data_that_was_collected_before_is_what_it_trains_on(train, given):
    train.NEW_DATA.parent.mkdir()
    train.NEW_DATA.touch()
    assert train.main() == 0
    given(**SUBMITTING)
    assert train.main() == 0
    assert train.commands == [
        ["run", "--param", "data_version=latest"],
        ["submit", "--data-version", "latest"],
    ]
{%- endif %}


def test_a_champion_that_is_to_be_committed_is_waited_for_and_named(train, given, monkeypatch):
    given(**SUBMITTING, COMMIT_MODEL="true")
    assert train.main() == 0
    assert train.commands == [["submit", "--wait", str(train.MINUTES)]]
    assert json.loads(train.CHAMPION.read_text())["version"] == "3"
    train.CHAMPION.unlink()
    monkeypatch.setattr(registry, "champion", lambda: None)
    assert train.main() == 0
    assert not train.CHAMPION.exists()


def test_a_training_that_fails_names_no_champion(train, given):
    given(COMMIT_MODEL="true")
    train.code = 1
    assert train.main() == 1
    assert not train.CHAMPION.exists()


def test_a_registry_that_does_not_answer_is_found_out_before_the_training(train, monkeypatch, capsys):
    def away():
        raise RegistryError("it doesn't answer", "start it")

    monkeypatch.setattr(registry, "champion", away)
    assert train.main() == 1
    assert train.commands == []
    assert "next: start it" in capsys.readouterr().err


REFUSED = {
    "no image": (SUBMITTING | {"PIPELINE_IMAGE": ""}, "the job `images`"),
    "a store inside": (SUBMITTING | {"AWS_ENDPOINT_URL": INSIDE.format("store")}, "publish it: `domain`"),
{%- if cookiecutter.tracking %}
    "a registry inside": ({"MLFLOW_TRACKING_URI": INSIDE.format("tracking")}, "set KFP_ENDPOINT"),
{%- endif %}
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_work_is_refused_with_what_to_do(train, given, capsys, case):
    variables, told = REFUSED[case]
    given(**variables, KUBECONFIG_CONTENT=KUBECONFIG)
    assert train.main() == 1
    assert train.commands == []
    assert told in capsys.readouterr().err


def test_inside_of_the_cluster_nothing_of_it_is_refused(train, given):
    given(**SUBMITTING, AWS_ENDPOINT_URL=INSIDE.format("store"))
    assert train.main() == 0
    assert Path.cwd() != ROOT
