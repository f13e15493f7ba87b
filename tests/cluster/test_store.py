"""The life of an environment's store and registry on a real API server: what each change of a setting does to them."""

from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError

pytestmark = pytest.mark.engine
INFRA = Path(__file__).resolve().parents[2] / "infra"
PROGRAM = """
from pathlib import Path
from mlops_platform import settings
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.registry import Registry
from mlops_platform.components.kubernetes.store import ClusterStore

values = {{"target": "kubernetes", "context": "test", "project": "kept", "storeTls": "true", "registryPort": "30577", **{values}}}
loaded = settings.load(values.get, stack="test", directory=Path("/nowhere"))
cluster = Cluster(provider=provider, settings=loaded)
namespace = Namespaces("namespaces", cluster=cluster).platform
store = ClusterStore("store", cluster=cluster, namespace=namespace)
registry = Registry("registry", cluster=cluster, namespace=namespace, store=store)
pulumi.export("endpoint", store.endpoint)
pulumi.export("password", store.secret_key)
"""
NAMESPACE = "kept-test"


def program(**values):
    return PROGRAM.format(values=values)


def changed(run):
    return {name: operation for name, operation in run.operations.items() if operation not in {"same", "refresh"}}


@pytest.fixture(scope="module")
def growing(cluster):
    """The default storage class, whose volumes can grow; a simulated cluster's learns it here."""
    (default,) = [
        found for found in cluster.api.list("storage.k8s.io/v1", "StorageClass")
        if found["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]  # fmt: skip
    if not default.get("allowVolumeExpansion"):
        if not cluster.simulated:
            pytest.skip("volumes of this cluster's default storage class can't grow")
        name = {"metadata": {"name": default["metadata"]["name"]}}
        kept = {key: default[key] for key in ("apiVersion", "kind", "provisioner", "parameters") if key in default}
        cluster.api.apply({**kept, **name, "allowVolumeExpansion": True}, manager="growing")


@pytest.fixture(scope="module")
def up(stack, growing):
    (stack.folder / "mlops_platform").symlink_to(INFRA / "mlops_platform")
    stack.program(program()).up()
    return stack


def test_up_is_done_when_buckets_and_users_are(up, cluster):
    assert cluster.api.get("batch/v1", "Job", "store-setup", NAMESPACE)["status"]["succeeded"] == 1
    assert cluster.api.get("v1", "PersistentVolumeClaim", "minio-store-0", NAMESPACE)["status"]["phase"] == "Bound"
    assert up.stack.outputs()["endpoint"].value == f"https://store.{NAMESPACE}.svc:9000"


def test_a_second_up_changes_nothing(up):
    assert set(up.up().changes) == {"same"}


def test_no_password_and_no_private_key_is_in_the_state(up, cluster):
    state = up.state()
    password = up.stack.outputs()["password"].value
    assert len(password) >= 32
    assert password not in state
    assert "PRIVATE KEY" not in state


def test_another_size_changes_what_has_a_size(up):
    changes = changed(up.program(program(size="standard", storageClass="another")).up())
    changes = {name: operation for name, operation in changes.items() if not name.startswith("quota-")}
    assert changes.keys() == {"store", "minio-store-0", "registry"}
    assert changes["minio-store-0"] == changes["store"] == "update", "and no volume was exchanged for an empty one"


@pytest.mark.parametrize("values", [{"store": "seaweedfs"}, {"size": "ha"}])
def test_what_would_lose_the_objects_is_refused_before_anything_is_done(up, cluster, values):
    def kept():
        return {
            kind: cluster.api.get(version, kind, name, NAMESPACE)["metadata"]["uid"]
            for version, kind, name in (
                ("apps/v1", "StatefulSet", "store"),
                ("v1", "PersistentVolumeClaim", "registry"),
            )
        }

    before = kept()
    with pytest.raises(CommandError, match=r"is wanted: what it holds would be lost"):
        up.program(program(**{"size": "standard", **values})).up()
    assert kept() == before
    up.program(program(size="standard")).up()


def test_a_lost_volume_is_made_anew_and_set_up_again(up, cluster):
    before = cluster.api.get("batch/v1", "Job", "store-setup", NAMESPACE)["metadata"]["uid"]
    up.program(program(size="standard"))
    for version, kind, name in (("apps/v1", "StatefulSet", "store"), ("v1", "PersistentVolumeClaim", "minio-store-0")):
        cluster.api.delete(cluster.api.path(version, kind, name, NAMESPACE))
    up.refresh()
    up.up()
    assert cluster.api.get("batch/v1", "Job", "store-setup", NAMESPACE)["metadata"]["uid"] != before


def test_down_leaves_nothing(up, cluster):
    up.destroy()
    assert cluster.api.everything("seedbed/environment=kept.test") == set()
    volumes = cluster.api.list("v1", "PersistentVolume")
    assert not [v for v in volumes if v["spec"].get("claimRef", {}).get("namespace") == NAMESPACE]
