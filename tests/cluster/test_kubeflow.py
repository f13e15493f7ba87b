"""Kubeflow's manifests on a real API server, by the engine: what it makes, changes and leaves behind.

The tests are the life of one installation, in their order.
"""

from pathlib import Path

import pytest
from tests.infra.kubernetes import kubeflow_manifests

pytestmark = pytest.mark.engine

INFRA = Path(__file__).resolve().parents[2] / "infra"
LABEL = "seedbed/environment=flights.prod"
OUTSIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass"}
PROGRAM = """
from pathlib import Path
from mlops_platform import settings
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.kubeflow import Kubeflow, read
from mlops_platform.components.kubernetes.kubeflow.runs import Runs

class Store:
    endpoint, region, data_bucket = "https://store.flights-prod.svc:9000", "us-east-1", "flights-data"
    artifact_bucket, authority = pulumi.Output.from_input("flights-artifacts"), pulumi.Output.from_input("PEM")

    def keys(self, consumer):
        return tuple(pulumi.Output.secret(f"{{consumer}}-{{part}}-{key}") for part in ("id", "secret"))

class Registry:
    def pull_secret(self, namespace, name):
        kubernetes.core.v1.Secret(name, metadata=cluster.metadata(name, "registry", namespace=namespace),
                                  string_data={{"x": "y"}}, opts=cluster.child(None))

provider = kubernetes.Provider("mutable", context=config.require("context"), enable_server_side_apply=True,
                               enable_config_map_mutable=True, enable_secret_mutable=True)
given = {{"target": "kubernetes", "context": "c", "project": "flights", "imageMirror": "{mirror}",
         "size": "{size}"}}
chosen = settings.load(given.get, stack="prod", directory=Path.cwd())
cluster = Cluster(provider=provider, settings=chosen)
manifests = read(chosen.kubernetes.pipelines_manifests)
made = Kubeflow("kubeflow", cluster=cluster, manifests=manifests, store=Store())
Runs("runs", cluster=cluster, namespace=made.namespace, store=Store(), registry=Registry(), tracking_url="http://t:5000")
"""


def program(key="one", mirror="", size="small"):
    return PROGRAM.format(key=key, mirror=mirror, size=size)


def changed(run):
    return {name for name in run.operations if name not in {"cluster", "mutable", "standin-test"}}


@pytest.fixture(scope="module")
def up(stack):
    stack.stack.workspace.env_vars["PYTHONPATH"] = str(INFRA)
    (stack.folder / "kubeflow-pipelines.yaml").write_text(kubeflow_manifests.text())
    stack.program(program()).up()
    return stack


def test_everything_is_there_and_ready(up, cluster):
    deployments = cluster.api.list("apps/v1", "Deployment", "kubeflow", LABEL)
    names = {found["metadata"]["name"] for found in deployments}
    assert names == {"metadata-writer", "ml-pipeline", "ml-pipeline-ui", "mysql", "workflow-controller"}
    for found in deployments:
        assert found["status"]["availableReplicas"] == 1, found["metadata"]["name"]


def test_its_pods_meet_the_restricted_standard(up, cluster):
    """The namespace reports each that doesn't as a warning, where a Deployment is applied."""
    api = cluster.api
    for found in api.list("apps/v1", "Deployment", "kubeflow", LABEL):
        manifest = {key: found[key] for key in ("apiVersion", "kind", "spec")}
        metadata = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
        api.apply({**manifest, "metadata": metadata}, force=True, dry_run=True)
    assert api.warnings == []


def test_the_same_again_changes_nothing(up):
    run = up.up()
    assert changed(run) == set()
    assert set(run.changes) == {"same"}


def test_the_state_holds_no_key_in_plain_text(up):
    assert "pipelines-secret-one" not in up.state()
    assert "pipelines-id-one" not in up.state()


def test_new_keys_change_the_secrets_and_restart_what_holds_them(up):
    run = up.program(program(key="two")).up()
    assert changed(run) == {"mlpipeline-minio-artifact", "seedbed-environment", "ml-pipeline", "ml-pipeline-ui"}
    assert set(run.operations.values()) == {"update"}


def test_a_mirror_changes_the_pods_and_what_names_images_for_them(up):
    run = up.program(program(key="two", mirror="mirror.acme.com/hub")).preview()
    assert changed(run) == {"metadata-writer", "ml-pipeline", "ml-pipeline-ui", "mysql", "workflow-controller"}
    assert set(run.operations.values()) == {"update"}


def test_another_size_never_takes_a_volume_away(up, cluster):
    """For the provider, a claim of another size is another claim: what is on this one would be lost."""

    def claims():
        return {
            found["metadata"]["uid"] for found in cluster.api.list("v1", "PersistentVolumeClaim", "kubeflow", LABEL)
        }

    before = claims()
    run = up.program(program(key="two", size="standard")).up()
    assert run.operations == {"mysql": "update"}
    assert claims() == before
    assert len(before) == 2


def test_down_leaves_nothing_not_even_what_runs_made(up, cluster):
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {},
        "metadata": {"name": "run-1", "namespace": "kubeflow"},
    }  # fmt: skip
    cluster.api.apply(workflow)
    up.destroy()
    assert cluster.api.everything(LABEL) == set()
    assert cluster.api.get("v1", "Namespace", "kubeflow") is None
    assert cluster.api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "workflows.argoproj.io") is None
