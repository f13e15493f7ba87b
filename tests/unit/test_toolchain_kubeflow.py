"""How Kubeflow's manifests come into a project, with a kubectl that renders what the test gives it."""

import importlib
import os
import sys
from pathlib import Path

import pytest
import yaml

from seedbed.errors import ToolMissingError
from seedbed.toolchain import kubeflow

INFRA = Path(__file__).parents[2] / "infra"
DEPLOYMENTS = ("metadata-envoy-deployment", "metadata-grpc-deployment", "ml-pipeline", "ml-pipeline-persistenceagent",
               "ml-pipeline-scheduledworkflow", "ml-pipeline-ui", "mysql", "workflow-controller")  # fmt: skip


def documents(*objects):
    return yaml.safe_dump_all([{"kind": kind, "metadata": {"name": name}} for kind, name in objects])


CLUSTER = documents(
    ("Namespace", "kubeflow"),
    ("CustomResourceDefinition", "workflows.argoproj.io"),
    ("CustomResourceDefinition", "scheduledworkflows.kubeflow.org"),
)
PLATFORM = documents(("ConfigMap", "pipeline-install-config"), *(("Deployment", name) for name in DEPLOYMENTS))


class Kubectl:
    """A program of that name on PATH. It answers with the two files, and notes what it was asked."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.answer(CLUSTER, PLATFORM)
        self.program("git", "exit 0")
        self.program(
            "kubectl",
            f'echo "$GIT_TERMINAL_PROMPT $*" >> {folder}/asked\n'
            f'case "$2" in *cluster-scoped*) cat {folder}/cluster;; *) cat {folder}/platform;; esac',
        )

    def program(self, name, script):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)

    def answer(self, cluster, platform):
        (self.folder / "cluster").write_text(cluster)
        (self.folder / "platform").write_text(platform)

    @property
    def asked(self):
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    program = Kubectl(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(program.folder))
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    return program


@pytest.fixture
def infra(tmp_path):
    folder = tmp_path / "project" / "infra"
    folder.mkdir(parents=True)
    return folder


def kept(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_first_time_they_are_rendered_at_the_pinned_commit(kubectl, infra):
    said = []
    file = kubeflow.ensure(infra, said.append)
    assert file == infra / "kubeflow-pipelines.yaml"
    assert list(yaml.safe_load_all(file.read_text())) == [
        *yaml.safe_load_all(CLUSTER), *yaml.safe_load_all(PLATFORM)
    ]  # fmt: skip
    first, second = kubectl.asked
    assert first.startswith("0 kustomize https://github.com/kubeflow/pipelines//manifests/kustomize/cluster-scoped-")
    assert "//manifests/kustomize/env/platform-agnostic?" in second
    for line in (first, second):
        assert f"ref={kubeflow.COMMIT}" in line
    assert "2.17.0" in said[0]
    assert str(file) in said[-1]


def test_then_they_come_from_the_cache(kubectl, infra, tmp_path):
    kubeflow.ensure(infra)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("kubectl", "git"):
        (kubectl.folder / name).unlink()
    assert kubeflow.ensure(other).read_bytes() == (infra / "kubeflow-pipelines.yaml").read_bytes()
    assert len(kubectl.asked) == 2


def test_a_file_that_is_there_is_never_touched(kubectl, infra):
    (infra / "kubeflow-pipelines.yaml").write_text("mine")
    assert kubeflow.ensure(infra).read_text() == "mine"
    assert kubectl.asked == []


@pytest.mark.parametrize(
    ("gone", "problem"),
    [(("kubectl",), "kubectl is not on PATH"), (("git",), "git is not on PATH"),
     (("kubectl", "git"), "kubectl and git are not on PATH")],
)  # fmt: skip
def test_a_missing_program_is_named_with_the_way_round(kubectl, infra, gone, problem):
    for name in gone:
        (kubectl.folder / name).unlink()
    with pytest.raises(ToolMissingError) as caught:
        kubeflow.ensure(infra)
    assert problem in caught.value.message
    assert caught.value.exit_code == 6
    for way in ("kubectl kustomize", "infra/", 'pipelines = "none"', "pipelines_host"):
        assert way in caught.value.hint


def test_what_kustomize_says_is_passed_on_and_nothing_is_kept(kubectl, infra, tmp_path):
    kubectl.program("kubectl", "echo 'error: hit 300s timeout running git fetch' >&2; exit 1")
    with pytest.raises(ToolMissingError, match="hit 300s timeout running git fetch"):
        kubeflow.ensure(infra)
    assert kept(infra) == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("cluster", "platform", "problem"),
    [
        (CLUSTER, "", "it has no ConfigMap pipeline-install-config, Deployment metadata-envoy-deployment"),
        ("", PLATFORM, "CustomResourceDefinition workflows.argoproj.io"),
        (CLUSTER, PLATFORM.replace("name: mysql", "name: postgres"), "it has no Deployment mysql"),
        (CLUSTER, "a: [", "is no YAML"),
    ],
)
def test_an_incomplete_answer_is_refused_and_not_kept(kubectl, infra, tmp_path, cluster, platform, problem):
    kubectl.answer(cluster, platform)
    with pytest.raises(ToolMissingError, match=problem):
        kubeflow.ensure(infra)
    assert kept(infra) == []
    assert not (tmp_path / "cache").exists()


def test_a_kubectl_that_hangs_is_given_up(kubectl, infra, monkeypatch):
    monkeypatch.setattr(kubeflow, "_TIMEOUT", 0.2)
    kubectl.program("kubectl", "exec sleep 60")
    with pytest.raises(ToolMissingError, match="gave nothing for https://github.com"):
        kubeflow.ensure(infra)


def test_a_full_disk_leaves_no_half_of_a_file(kubectl, infra, monkeypatch):
    cached = kubeflow.obtain()

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ToolMissingError, match="kubeflow-pipelines.yaml can't be written: No space left on device"):
        kubeflow.ensure(infra)
    assert kept(infra) == []
    assert cached.is_file()


def test_the_file_can_be_read_by_everybody(kubectl, infra):
    assert os.stat(kubeflow.ensure(infra)).st_mode & 0o777 == 0o644


def test_the_pulumi_program_says_the_same(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(INFRA), *sys.path])
    program = importlib.import_module("mlops_platform.components.kubernetes.kubeflow.manifests")
    for name in ("VERSION", "COMMIT", "SOURCES"):
        assert getattr(program, name) == getattr(kubeflow, name)
    file = Path("/a b/kubeflow-pipelines.yaml")
    assert program.commands(file) == kubeflow.commands(file)
    monkeypatch.setenv("HOME", "/nowhere")
    from mlops_platform import settings

    given = {"target": "kubernetes", "context": "c", "project": "p"}
    chosen = settings.load(given.get, stack="dev", directory=Path("/infra"))
    assert chosen.kubernetes.pipelines_manifests == Path("/infra") / kubeflow.FILE
