"""An environment on a real API server through its life: up, damage, status, and every way in which `down` can go."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.cluster.api import wait
from tests.cluster.fixtures import cluster, plugin  # noqa: F401 - fixtures
from tests.conftest import Result, run
from tests.e2e.cluster_project import generate, kubeconfig, proxied, with_small_program

pytestmark = pytest.mark.engine
NAMESPACE = "cluster-test-dev"
LABEL = "seedbed/environment=cluster-test.dev"
RETAINED = ": its class retains volumes, so its data is still there"
FINALIZER = "example.com/dead-controller"


class Environment:
    """A project with a small program, whose environment `dev` is on the cluster behind a proxy."""

    def __init__(self, root, cluster, proxy, variables):  # noqa: F811
        self.root, self.cluster, self.proxy, self.variables = root, cluster, proxy, variables
        self.elsewhere = Path(variables["ELSEWHERE"])

    def run(self, *arguments, code=0, env=None):
        command = [sys.executable, "-m", "seedbed", *arguments]
        result = subprocess.run(
            command, cwd=self.root, env={**os.environ, **self.variables, **(env or {})}, capture_output=True,
            text=True, timeout=400, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert result.returncode == code, result.stdout + result.stderr
        return Result(result.returncode, result.stdout, result.stderr)

    def up(self):
        """Up, unless an earlier test left it so."""
        if not self.is_recorded:
            self.run("up", "dev")
        return self

    @property
    def objects(self):
        return self.cluster.api.everything(LABEL)

    @property
    def is_recorded(self):
        return bool(list((self.root / ".seedbed/state/.pulumi/stacks").rglob("dev.json")))

    @contextlib.contextmanager
    def spec(self, old, new):
        """The spec with another line in it, meanwhile."""
        path = self.root / "seedbed.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        try:
            yield
        finally:
            path.write_text(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory, cluster, plugin, pulumi):  # noqa: F811
    folder = tmp_path_factory.mktemp("cluster-down")

    def seedbed(*arguments, env=None):
        done = run([sys.executable, "-m", "seedbed", *arguments], folder, env)
        return Result(done.returncode, done.stdout, "")

    root = with_small_program(generate(seedbed, folder / "p", "other", 'pipelines = "none"'))
    variables = {"ELSEWHERE": str(folder / "elsewhere"), "PATH": f"{plugin}{os.pathsep}{os.environ['PATH']}"}
    yield root, variables
    for path in (f"/api/v1/namespaces/{NAMESPACE}/configmaps/stuck", f"/api/v1/namespaces/{NAMESPACE}"):
        if cluster.api.get_path(path):
            strip(cluster.api, path)
            cluster.api.delete(path)


@pytest.fixture
def environment(project, tmp_path, cluster):  # noqa: F811
    root, variables = project
    with proxied(cluster) as proxy:
        config = kubeconfig(cluster, tmp_path / "kubeconfig", server=proxy.url)
        yield Environment(root, cluster, proxy, {**variables, "KUBECONFIG": str(config)})


def strip(api, path):
    """What a person does to an object whose controller is dead."""
    api.request("PATCH", path, {"metadata": {"finalizers": []}}, content_type="application/merge-patch+json")


def test_without_the_plugin_the_error_says_how_to_get_it(environment):
    result = environment.run("preview", "dev", "--json", code=6, env={"PATH": os.environ["PATH"]})
    error = result.json["error"]
    assert "plugin for kubernetes 4." in error["message"]
    assert "get.pulumi.com" in error["message"], "why the download failed"
    assert "pulumi plugin install resource kubernetes 4." in error["hint"]
    assert "--file ARCHIVE" in error["hint"]


def test_up_status_damage_and_down(environment):
    api = environment.cluster.api
    up = environment.run("up", "dev", "--json").json
    assert up["changes"] == {"create": 4}
    status = environment.run("status", "dev", "--json").json
    assert status["healthy"] is True
    assert status["processes"] == []
    assert status["workloads"] == [
        {"kind": "Deployment", "namespace": NAMESPACE, "name": "web", "ready": 1, "wanted": 1, "healthy": True,
         "reason": ""}
    ]  # fmt: skip

    api.delete(api.path("apps/v1", "Deployment", "web", NAMESPACE))
    gone = environment.run("status", "dev", "--json").json
    assert gone["healthy"] is False
    assert gone["workloads"][0]["reason"] == "is gone from the cluster"
    assert "DEAD" not in environment.run("status", "dev").out

    down = environment.run("down", "dev", "--yes", "--json").json
    assert down["leftovers"] == []
    assert down["checked"]["object kinds"] > 40
    assert environment.objects == set()
    assert not environment.elsewhere.exists()
    assert not environment.is_recorded
    again = environment.run("down", "dev", "--yes")
    assert "none is left" in again.out


def test_a_namespace_that_vanished_is_found_before_the_engine_runs(environment):
    environment.up()
    environment.cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}")
    result = environment.run("up", "dev", code=7)
    assert f"namespaces that the cluster does not have: {NAMESPACE}" in result.err
    assert "seedbed refresh dev" in result.err
    environment.run("refresh", "dev")
    assert environment.run("up", "dev", "--json").json["changes"] == {"create": 3}


def test_a_pod_that_cannot_start_says_why(environment):
    api = environment.cluster.api
    environment.up()
    path = api.path("v1", "ResourceQuota", "none", NAMESPACE)
    quota = {"metadata": {"name": "none", "namespace": NAMESPACE}, "spec": {"hard": {"pods": "0"}}}
    api.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    wait(lambda: api.get_path(path)["status"].get("hard"))
    api.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods")
    deployment = api.path("apps/v1", "Deployment", "web", NAMESPACE)
    wait(lambda: "ReplicaFailure" in str(api.get_path(deployment)["status"]))
    status = environment.run("status", "dev", "--json").json
    assert status["healthy"] is False
    assert "exceeded quota: none" in status["workloads"][0]["reason"]
    api.delete(path)


def test_a_cluster_that_cannot_be_reached_keeps_its_state(environment):
    environment.up()
    environment.proxy.passing = False
    for verb in (("down", "dev", "--yes"), ("status", "dev"), ("refresh", "dev"), ("up", "dev")):
        error = environment.run(*verb, "--json", code=7).json["error"]
        assert error["kind"] == "cluster-unreachable"
        assert "--cluster-gone --confirm dev" in error["hint"]
    assert environment.is_recorded
    assert ("ConfigMap", NAMESPACE, "map") in environment.objects
    assert environment.elsewhere.exists()


def test_an_environment_moves_to_another_cluster_only_by_hand(environment, cluster, tmp_path):  # noqa: F811
    environment.up()
    both = kubeconfig(cluster, tmp_path / "second", name="second")
    environment.variables["KUBECONFIG"] += f":{both}"
    with environment.spec('context = "other"', 'context = "second"'):
        result = environment.run("preview", "dev", code=7)
        # It goes from where it is, whatever the spec says now.
        assert "none is left" in environment.run("down", "dev", "--yes").out
    assert "was made with context 'other', and the spec says 'second' now" in result.err


def test_a_stuck_finalizer_is_named_in_bounded_time_and_never_stripped(environment):
    api = environment.cluster.api
    environment.up()
    # Not one of ours, and without our label: what a person put into the namespace holds it all the same.
    stuck = {"name": "stuck", "namespace": NAMESPACE, "finalizers": [FINALIZER]}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": stuck})
    result = environment.run("down", "dev", "--yes", "--timeout", "0.5", "--json", code=7)
    error = result.json["error"]
    assert "was not gone after 30 s, and the destruction was stopped" in error["message"]
    blockers = "\n".join(error["blockers"])
    assert f"Namespace {NAMESPACE}, deleted at" in blockers
    assert f"ConfigMap {NAMESPACE}/stuck, deleted at" in blockers
    assert FINALIZER in blockers
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/stuck"
    assert api.get_path(path)["metadata"]["finalizers"] == [FINALIZER]
    assert environment.is_recorded
    assert not [p for p in psutil.process_iter(["environ"]) if is_engine_of(p, environment)], "the engine runs on"

    strip(api, path)
    assert "none is left" in environment.run("down", "dev", "--yes").out
    assert environment.objects == set()


def is_engine_of(process, environment):
    variables = process.info["environ"] or {}
    return process.pid != os.getpid() and variables.get("ELSEWHERE") == str(environment.elsewhere)


def test_what_the_state_does_not_know_is_found_and_named(environment):
    api = environment.cluster.api
    environment.up()
    key, value = LABEL.split("=")
    stray = {"name": "stray", "namespace": "default", "labels": {key: value}}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": stray})
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "kept-volume"},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/kept"},
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "manual",
            "claimRef": {"namespace": NAMESPACE, "name": "data-store-0"},
        },
    }  # fmt: skip
    api.apply(volume)
    try:
        # Once with a state, and once when there is none any more.
        for _ in range(2):
            result = environment.run("down", "dev", "--yes", "--json", code=7)
            assert result.json["error"]["leftovers"] == [
                "ConfigMap default/stray",
                f"PersistentVolume kept-volume of claim {NAMESPACE}/data-store-0{RETAINED}",
            ]
    finally:
        api.delete(api.path("v1", "PersistentVolume", "kept-volume"))
        api.delete(api.path("v1", "ConfigMap", "stray", "default"))
    assert "none is left" in environment.run("down", "dev", "--yes").out


def test_a_cluster_that_is_gone_is_forgotten_on_request_alone(environment):
    environment.up()
    answers = environment.run("down", "dev", "--cluster-gone", "--confirm", "dev", code=5)
    assert "answers, so it is not gone" in answers.err
    environment.proxy.close()
    with environment.spec("protect = false", "protect = true"):
        assert "--confirm dev" in environment.run("down", "dev", "--yes", code=5).err
    unconfirmed = environment.run("down", "dev", "--cluster-gone", "--yes", code=5)
    assert "--confirm dev" in unconfirmed.err
    assert environment.is_recorded
    assert environment.elsewhere.exists()

    result = environment.run("down", "dev", "--cluster-gone", "--confirm", "dev")
    assert "3 objects of the cluster" in result.out
    assert "Resources that were elsewhere, and are destroyed: 1." in result.out
    assert "Nothing was looked at there" in result.out
    assert "none is left" not in result.out
    assert not environment.elsewhere.exists(), "what is elsewhere is destroyed, not forgotten"
    assert not environment.is_recorded
    assert ("ConfigMap", NAMESPACE, "map") in environment.objects, "nothing on the cluster was touched"
