"""The whole program with the real engine on a real API server: a generated project's environment through its life."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cluster.fixtures import ROOT
from tests.conftest import Result
from tests.e2e.cluster_project import generate, kubectl

pytestmark = pytest.mark.engine
LABEL = "seedbed/environment=whole-environment.dev"
PLATFORM = "whole-environment-dev"
SERVING = f"{PLATFORM}-serving"
LINES = (
    'pipelines = "none"', 'service_image = "docker.io/acme/penguins:1"', 'pipeline_image = "docker.io/acme/pipeline:1"',
    "registry_port = 30777",
)  # fmt: skip
CLASS = "whole-environment"
SETUP_SECONDS = 600


class Environment:
    """A project whose environment `dev` is on the cluster."""

    def __init__(self, root, variables):
        self.root, self.variables = root, variables
        self.said = []

    def run(self, *arguments):
        result = subprocess.run(
            [sys.executable, "-m", "seedbed", *arguments], cwd=self.root, env={**os.environ, **self.variables},
            capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.said.append(result.stdout + result.stderr)
        assert result.returncode == 0, result.stdout + result.stderr
        return Result(result.returncode, result.stdout, result.stderr)

    def change(self, old, new):
        """Another line in the spec."""
        path = self.root / "seedbed.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def project(tmp_path_factory, cluster, plugin, pulumi):
    """A generated project, with as much installed as its infrastructure needs."""
    folder = tmp_path_factory.mktemp("whole-environment")

    def seedbed(*arguments, env=None):
        command = [sys.executable, "-m", "seedbed", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    root = generate(seedbed, folder / "made", cluster.context, *LINES, name="Whole Environment")
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "VIRTUAL_ENV": str(root / ".venv")}
    for command in (
        [uv, "venv", "--quiet", "--seed", "--python", sys.executable, root / ".venv"],
        [uv, "pip", "install", "--quiet", "-r", root / "infra/requirements.in", "-c", root / "requirements.lock"],
    ):
        subprocess.run(command, cwd=root, env=environment, check=True, timeout=SETUP_SECONDS)
    (root / ".venv" / ".ready").touch()
    path = os.pathsep.join([str(pulumi.folder), str(plugin), os.environ["PATH"]])
    made = Environment(root, {"PATH": path, "KUBECONFIG": str(cluster.kubeconfig)})
    yield made
    if list((root / ".seedbed/state/.pulumi/stacks").rglob("dev.json")):
        made.run("down", "dev", "--yes")


@pytest.fixture(scope="module")
def up(project):
    """The environment, up."""
    project.run("up", "dev")
    return project


def test_up_brings_everything_up_and_changes_nothing_the_second_time(up, cluster):
    found = {(kind, name) for kind, _, name in cluster.api.everything(LABEL)}
    assert {("Deployment", "tracking"), ("StatefulSet", "store"), ("Deployment", "service")} <= found
    again = up.run("up", "dev", "--json").json
    assert again["changes"] == {}
    assert again["unchanged"] >= len([kind for kind, _ in found if kind in {"Service", "Deployment", "StatefulSet"}])


@pytest.fixture(scope="module")
def ingress_class(cluster):
    """What an ingress controller brings with it."""
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": CLASS}}
    cluster.api.apply({**made, "spec": {"controller": "example.com/none"}})
    yield
    cluster.api.delete(cluster.api.path_of(made))


def test_one_changed_setting_changes_what_it_is_about_and_nothing_else(up, cluster, ingress_class):
    before = versions(cluster)
    up.change("registry_port = 30777", f'registry_port = 30777\ndomain = "ml.example.com"\ningress_class = "{CLASS}"')
    changes = up.run("up", "dev", "--json").json["changes"]
    assert changes.pop("create") == 1
    assert set(changes) <= {"update"}
    after = versions(cluster)
    assert {key for key, version in after.items() if before.get(key) != version} <= {
        ("Ingress", SERVING, "service"), ("NetworkPolicy", SERVING, "service"),
    }  # fmt: skip
    assert after.keys() - before.keys() == {("Ingress", SERVING, "service")}
    assert up.run("up", "dev", "--json").json["changes"] == {}


def versions(cluster):
    """What was asked for, by object; controllers don't raise this number."""
    kinds = (
        ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "CronJob"), ("networking.k8s.io/v1", "Ingress"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
    )  # fmt: skip
    return {
        (kind, item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"]["generation"]
        for version, kind in kinds
        for item in cluster.api.list(version, kind, labels=LABEL)
    }


def test_a_release_stays_when_a_newer_program_changes_the_service_beside_it(up, cluster):
    if cluster.kubectl is None:
        pytest.skip("there is no kubectl")
    kubectl(cluster, "set", "image", "deployment/service", "service=docker.io/acme/penguins:2", "-n", SERVING)
    program = up.root / "infra/mlops_platform/components/kubernetes/service.py"
    text = program.read_text()
    newer = text.replace("_LOG_FILES, _LOG_FILE_MEBIBYTES, _LOGS = 16,", "_LOG_FILES, _LOG_FILE_MEBIBYTES, _LOGS = 8,")
    assert newer != text
    program.write_text(newer)
    assert up.run("up", "dev", "--json").json["changes"] == {"update": 1}
    pod = cluster.api.get("apps/v1", "Deployment", "service", SERVING)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "docker.io/acme/penguins:2"
    assert {"name": "LOG_FILES", "value": "8"} in container["env"]
    assert up.run("up", "dev", "--json").json["changes"] == {}


def test_what_was_deleted_by_hand_shows_as_drift_and_comes_back(up, cluster):
    api = cluster.api
    api.delete(api.path("v1", "Service", "tracking", PLATFORM))
    assert "has drifted" in up.run("refresh", "dev").out
    assert up.run("up", "dev", "--json").json["changes"] == {"create": 1}
    assert api.get("v1", "Service", "tracking", PLATFORM)
    assert up.run("refresh", "dev", "--json").json["changes"] == {}


def test_no_secret_is_anywhere_but_in_secrets(up, cluster):
    api = cluster.api
    held = [value for item in api.list("v1", "Secret", labels=LABEL) for value in item.get("data", {}).values()]
    texts = [base64.b64decode(value).decode() for value in held]
    drawn = {text for text in texts if re.fullmatch(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{20,64}", text)}
    assert len(drawn) >= 4
    elsewhere = [
        json.dumps(api.list(version, kind, labels=LABEL))
        for version, kind in (
            ("v1", "ConfigMap"), ("v1", "Pod"), ("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"),
            ("batch/v1", "Job"), ("batch/v1", "CronJob"),
        )
    ]  # fmt: skip
    state = [path.read_text() for path in (up.root / ".seedbed/state").rglob("*") if path.is_file()]
    stack = [path.read_text() for path in (up.root / "infra").glob("Pulumi*.yaml")]
    assert state
    for text in (*elsewhere, *state, *stack, *up.said):
        assert not [secret for secret in drawn if secret in text]
        assert not [secret for secret in drawn if base64.b64encode(secret.encode()).decode() in text]


def test_the_state_does_not_say_where_the_kubeconfig_is(up, cluster):
    state = "".join(path.read_text() for path in (up.root / ".seedbed/state").rglob("*.json"))
    assert str(cluster.kubeconfig) not in state
    token = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"].get("token")
    assert not token or token not in state


def test_down_leaves_nothing(up, cluster):
    up.run("down", "dev", "--yes")
    api = cluster.api
    assert api.everything(LABEL) == set()
    claims = {volume["spec"]["claimRef"]["namespace"] for volume in api.list("v1", "PersistentVolume")}
    assert not [space for space in claims if space.startswith(PLATFORM)]
