"""Kubeflow Pipelines and what its runs find, as they would be put on a cluster."""

from pathlib import Path

import pulumi
import pytest
import yaml
from tests.infra.kubernetes import kubeflow_manifests
from tests.infra.kubernetes.stores import FakeStore

FILE = Path("/project/infra/kubeflow-pipelines.yaml")
LABEL = "seedbed/environment"


class Store(FakeStore):
    data_bucket = "flights-data"


class DrawnPassword:
    """The dynamic resource has its value from the engine, which isn't there."""

    def __init__(self, name, opts=None):  # noqa: ARG002
        self.value = pulumi.Output.secret(f"{name}-password")


class Registry:
    def __init__(self, cluster):
        self._cluster = cluster

    def pull_secret(self, namespace, name):
        import pulumi_kubernetes as kubernetes

        kubernetes.core.v1.Secret(name, metadata=self._cluster.metadata(name, "registry", namespace=namespace))


@pytest.fixture
def installed(on_cluster, monkeypatch):
    """Record Kubeflow and what its runs find, with these configuration values."""
    from mlops_platform.components.kubernetes import kubeflow

    monkeypatch.setattr(kubeflow, "Password", DrawnPassword)

    def run(store=None, tracking_url="http://tracking.flights-prod.svc:5000", **values):
        from mlops_platform.components.kubernetes.kubeflow import Kubeflow, Manifests
        from mlops_platform.components.kubernetes.kubeflow.runs import Runs

        def declare(cluster):
            chosen = store or Store()
            manifests = Manifests(kubeflow_manifests.objects(), FILE)
            made = Kubeflow("kubeflow", cluster=cluster, manifests=manifests, store=chosen)
            registry = Registry(cluster)
            Runs("runs", cluster=cluster, namespace=made.namespace, store=chosen, registry=registry,
                 tracking_url=tracking_url)  # fmt: skip
            return {"host": made.host, "namespace": made.namespace}

        return on_cluster(declare, **values)

    return run


def test_it_says_where_it_is(installed):
    assert installed().outputs == {"host": "http://ml-pipeline.kubeflow.svc:8888", "namespace": "kubeflow"}


def test_every_object_has_its_own_resource_under_its_own_name_and_type(installed):
    recorded = installed()
    types = {resource.name: resource.typ for resource in recorded.resources}
    assert types["workflows.argoproj.io"] == "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
    assert types["metadata-writer"] == "kubernetes:apps/v1:Deployment"
    assert types["pipeline-install-config"] == "kubernetes:core/v1:ConfigMap"
    assert types["example"] == "kubernetes:kubeflow.org/v1beta1:Viewer"
    urns = [(resource.typ, resource.name) for resource in recorded.resources]
    assert len(set(urns)) == len(urns)


def test_every_object_of_it_is_labelled_and_in_its_namespace(installed):
    cluster_wide = {"Namespace", "CustomResourceDefinition", "PriorityClass"}
    for found in installed().objects:
        metadata = found["metadata"]
        assert metadata["labels"][LABEL] == "flights.prod", metadata
        assert found["kind"] in cluster_wide or metadata["namespace"] == "kubeflow"


def test_credentials_are_generated_and_secret(installed):
    recorded = installed()
    keys = recorded.find("Secret", "mlpipeline-minio-artifact")["stringData"]
    assert keys == {"accesskey": "pipelines-id", "secretkey": "pipelines-secret"}
    database = recorded.find("Secret", "mysql-secret")["stringData"]
    assert database == {"username": "root", "password": "pipelines-database-password"}
    for name in ("mlpipeline-minio-artifact", "mysql-secret", "seedbed-environment"):
        (resource,) = [item for item in recorded.resources if item.name == name]
        written = str(resource.inputs["stringData"])
        assert "4dabf18193072939515e22adb298388d" in written, name  # how the engine marks a secret


def test_they_are_nowhere_else(installed):
    for found in installed().objects:
        if found["kind"] != "Secret":
            written = yaml.safe_dump(found)
            for secret in ("pipelines-secret", "pipelines-id", "pipelines-database-password"):
                assert secret not in written, found["metadata"]["name"]


def test_new_keys_restart_the_pods_that_read_them_once(installed):
    class Rotated(Store):
        def keys(self, consumer):
            return pulumi.Output.secret(f"{consumer}-new"), pulumi.Output.secret(f"{consumer}-newer")

    before, after = (installed(store) for store in (Store(), Rotated()))
    changed = {
        found["metadata"]["name"]
        for found in before.all("Deployment")
        if found != after.find("Deployment", found["metadata"]["name"])
    }
    assert changed == {"ml-pipeline", "ml-pipeline-ui"}


def test_a_stores_authority_comes_along(installed):
    assert not [found for found in installed().all("Secret") if found["metadata"]["name"] == "store-authority"]
    recorded = installed(Store("https://store.flights-prod.svc:9000", "PEM"))
    assert recorded.find("Secret", "store-authority")["stringData"] == {"ca.crt": "PEM"}
    server = recorded.find("Deployment", "ml-pipeline")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "SSL_CERT_DIR", "value": "/etc/seedbed/store"} in server["env"]
    assert {"name": "OBJECTSTORECONFIG_SECURE", "value": "true"} in server["env"]


@pytest.mark.parametrize(("size", "database", "volume"), [("small", "5Gi", "10Gi"), ("standard", "20Gi", "50Gi")])
def test_its_volumes_follow_the_settings(installed, size, database, volume):
    recorded = installed(size=size, storageClass="fast")
    for name, storage in (("mysql-pv-claim", database), ("pipeline-data", volume)):
        claim = recorded.find("PersistentVolumeClaim", name)["spec"]
        assert claim["resources"] == {"requests": {"storage": storage}}
        assert claim["storageClassName"] == "fast"
    assert "storageClassName" not in installed().find("PersistentVolumeClaim", "pipeline-data")["spec"]


def test_its_images_come_from_the_mirror(installed):
    recorded = installed(imageMirror="mirror.acme.com/hub")
    for deployment in recorded.all("Deployment"):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            assert container["image"].startswith("mirror.acme.com/hub/")


def test_runs_find_the_variables_that_a_projects_pipeline_reads(installed):
    found = installed().find("Secret", "seedbed-environment")["stringData"]
    assert found == {
        "AWS_ENDPOINT_URL": "http://store.flights-prod.svc:9000",
        "AWS_ACCESS_KEY_ID": "pipelines-id",
        "AWS_SECRET_ACCESS_KEY": "pipelines-secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "DATA_BUCKET": "flights-data",
        "ARTIFACT_BUCKET": "flights-artifacts",
        "MLFLOW_TRACKING_URI": "http://tracking.flights-prod.svc:5000",
    }


def test_those_are_the_variables_of_the_template(installed):
    """The names are the template's; a step that lacked one would fail only on the cluster."""
    templates = Path(__file__).parents[3] / "templates" / "pipeline-kubeflow"
    (settings,) = templates.rglob("pipelines/settings.py")
    text = settings.read_text()
    written = installed().find("Secret", "seedbed-environment")
    assert f'SECRET = "{written["metadata"]["name"]}"' in text
    store = text.partition("STORE = (")[2].partition(")")[0]
    named = {item.strip().strip('"') for item in store.split(",")} - {""}
    assert {"MLFLOW_TRACKING_URI", "ARTIFACT_BUCKET", *named} == set(written["stringData"])


def test_a_variable_without_a_value_is_left_out(installed):
    found = installed(Store(""), tracking_url="").find("Secret", "seedbed-environment")["stringData"]
    assert not {"AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI"} & set(found)


def test_the_pull_secret_that_runs_name_is_there(installed):
    recorded = installed()
    (named,) = recorded.find("ServiceAccount", "pipeline-runner")["imagePullSecrets"]
    assert recorded.find("Secret", named["name"])["metadata"]["namespace"] == "kubeflow"


class TestOrder:
    """A resource is removed before what it depends on, so this is the order of teardown too."""

    @pytest.fixture
    def before(self, installed, monkeypatch):
        """What each object waits for, all by kind and name."""
        waits = {}
        made = pulumi.CustomResource.__init__

        def known(kind, name):
            return f"{kind.rpartition(':')[2]}/{name}"

        def init(self, t, name, props=None, opts=None, *rest, **named):
            depends = (opts and opts.depends_on) or []
            waits[known(t, name)] = {known(resource._type, resource._name) for resource in depends}
            made(self, t, name, props, opts, *rest, **named)

        monkeypatch.setattr(pulumi.CustomResource, "__init__", init)
        installed()
        return waits

    def test_definitions_go_after_everything_but_the_namespace(self, before):
        assert before["Namespace/kubeflow"] == set()
        assert before["CustomResourceDefinition/workflows.argoproj.io"] == {"Namespace/kubeflow"}

    @pytest.mark.parametrize("name", ["ml-pipeline", "mysql", "workflow-controller", "metadata-writer"])
    def test_pods_come_after_all_that_they_read_and_the_addresses_that_they_are_given(self, before, name):
        waits = before[f"Deployment/{name}"]
        assert waits >= {
            "Namespace/kubeflow", "CustomResourceDefinition/workflows.argoproj.io", "ConfigMap/kfp-launcher",
            "ServiceAccount/pipeline-runner", "PersistentVolumeClaim/mysql-pv-claim", "Secret/mysql-secret",
            "Secret/mlpipeline-minio-artifact", "Service/ml-pipeline",
        }  # fmt: skip
        assert not [other for other in waits if other.startswith(("Deployment/", "Viewer/"))]

    def test_custom_resources_go_while_their_controllers_run(self, before):
        controllers = {"Deployment/workflow-controller", "Deployment/metadata-writer"}
        assert controllers | {"CustomResourceDefinition/viewers.kubeflow.org"} <= before["Viewer/example"]


def test_manifests_that_lack_something_declare_nothing(on_cluster):
    from mlops_platform.components.kubernetes.kubeflow import Kubeflow, Manifests
    from mlops_platform.errors import PlatformError

    def declare(cluster):
        objects = [found for found in kubeflow_manifests.objects() if found["kind"] != "ConfigMap"]
        with pytest.raises(PlatformError, match="has no ConfigMap pipeline-install-config"):
            Kubeflow("kubeflow", cluster=cluster, manifests=Manifests(objects, FILE), store=Store())

    assert on_cluster(declare).objects == []
