"""What the tests of monitoring share: a project with monitoring, what is declared for it, and the files its pods see."""

import dataclasses
from pathlib import Path

import pulumi
import pytest
from tests.unit.test_render import answers

PULL_SECRET = "registry"
IMAGE = "localhost:30500/flights/pipeline:1"
KEYS = {"monitoring": ("MONITOR", "the-monitor's-secret")}


@dataclasses.dataclass
class Store:
    """As much of a store as monitoring sees."""

    endpoint: str = "http://store.flights-prod.svc:9000"
    region: str = "us-east-1"
    authority: object = None

    @property
    def artifact_bucket(self):
        return pulumi.Output.from_input("flights-prod-artifacts")

    def keys(self, consumer):
        return tuple(pulumi.Output.secret(value) for value in KEYS[consumer])


class Drawn:
    """A password: the value of the dynamic resource comes from the engine, which isn't there."""

    def __init__(self, name, **_options):
        self.value = pulumi.Output.secret(f"{name}-value")


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A generated project with every choice."""
    from seedbed import creation

    folder = tmp_path_factory.mktemp("monitored") / "flights"
    creation.create(answers("penguins"), folder)
    return folder


@pytest.fixture
def monitored(on_cluster, project, monkeypatch):
    """Record the monitoring of an environment with these configuration values."""
    from mlops_platform.components.kubernetes.monitoring import grafana, monitoring

    for module in (grafana, monitoring):
        monkeypatch.setattr(module, "Password", Drawn)

    def run(*, folder=project, store=None, image=IMAGE, tracking_url="http://tracking.flights-prod.svc:5000",
            pipelines_host="http://ml-pipeline.kubeflow.svc:8888", pull_secret=PULL_SECRET, **values):  # fmt: skip
        from mlops_platform.components.kubernetes.monitoring import project as projects
        from mlops_platform.components.kubernetes.namespaces import Namespaces

        def declare(cluster):
            made = monitoring.Monitoring(
                "monitoring",
                cluster=cluster,
                namespaces=Namespaces("namespaces", cluster=cluster),
                files=projects.read(folder),
                image=image,
                pull_secret=pull_secret,
                store=store or Store(),
                tracking_url=tracking_url,
                pipelines_host=pipelines_host,
            )
            return {"prometheus": made.prometheus_url, "grafana": made.grafana_url, "password": made.grafana_password}

        return on_cluster(declare, **values)

    return run


def pod_of(recorded, kind, name):
    """The specification of the pods that a workload makes."""
    spec = recorded.find(kind, name)["spec"]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]


def container_of(recorded, kind, name):
    (found,) = pod_of(recorded, kind, name)["containers"]
    return found


def variables_of(container):
    return {one["name"]: one.get("value") for one in container["env"]}


def mount(recorded, kind, name, root):
    """Write the files that a workload's only container finds in its ConfigMaps and Secrets, below a folder."""
    volumes = {volume["name"]: volume for volume in pod_of(recorded, kind, name)["volumes"]}
    for mounted in container_of(recorded, kind, name)["volumeMounts"]:
        for path, text in _content(recorded, volumes.get(mounted["name"], {})).items():
            below = Path(path)
            if sub_path := mounted.get("subPath"):
                if not below.is_relative_to(sub_path):
                    continue
                below = below.relative_to(sub_path)
            target = root / mounted["mountPath"].lstrip("/") / below
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return root


def _content(recorded, volume):
    sources = volume.get("projected", {}).get("sources") or [volume]
    found = {}
    for source in sources:
        for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if key not in source:
                continue
            reference = source[key]
            name = reference.get("name") or reference["secretName"]
            if reference.get("optional") and name not in [o["metadata"]["name"] for o in recorded.all(kind)]:
                continue
            document = recorded.find(kind, name)
            data = document.get("data") or document["stringData"]
            items = reference.get("items") or [{"key": key, "path": key} for key in data]
            found |= {item["path"]: data[item["key"]] for item in items}
    return found
