"""What the program says it will ask of a cluster is what it then declares."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_platform import demand, targets
from mlops_platform.components.kubernetes import quantities, rights
from mlops_platform.components.kubernetes.monitoring import project
from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
from mlops_platform.names import namespace_name

INFRA = Path(__file__).resolve().parents[3] / "infra"
PLURALS = {
    "NetworkPolicy": "networkpolicies", "Ingress": "ingresses", "PriorityClass": "priorityclasses",
}  # fmt: skip
CHOICES = [
    {"size": size, "tracking": str(tracking).lower(), "monitoring": str(monitoring).lower()}
    for size, tracking, monitoring in itertools.product(("small", "standard", "ha"), (True, False), (True, False))
] + [{"size": size, "store": store} for size in ("small", "ha") for store in ("seaweedfs", "minio")]
SERVED = {"serviceImage": "ghcr.io/acme/flights:1"}
# With pipelines somewhere, the monitor has somebody to ask for a new model.
PUSHED = {
    **SERVED, "pipelineImage": "ghcr.io/acme/flights/pipeline:1", "pipelinesHost": "https://kubeflow.example.com",
}  # fmt: skip
KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: test, context: {cluster: c, user: u}}]
"""


def plural(kind):
    return PLURALS.get(kind, f"{kind.lower()}s")


@pytest.fixture
def recorded(record, configured, monkeypatch, tmp_path):
    """What the whole program declares, and what it says of itself; neither a cluster nor a project is there."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "REGISTRY_USERNAME", "REGISTRY_PASSWORD"):
        monkeypatch.setenv(name, "of-the-test")
    nothing = ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={})
    monkeypatch.setattr(project, "read", lambda: nothing)

    def make(**values):
        chosen = configured(**{"pipelines": "none", **values})
        return record(lambda: targets.build(chosen) and None), demand.demand(chosen)

    return make


def asked(objects):
    """CPU in thousandths, memory in bytes and pods, of all that runs from the start."""
    cpu = memory = pods = 0
    scalers = [item["spec"] for item in objects if item["kind"] == "HorizontalPodAutoscaler"]
    least = {spec["scaleTargetRef"]["name"]: spec["minReplicas"] for spec in scalers}
    for item in objects:
        if item["kind"] in {"Deployment", "StatefulSet"}:
            # Without a number of its own it is the autoscaler's, which begins with its least.
            replicas = item["spec"].get("replicas") or least[item["metadata"]["name"]]
            pods += replicas
            for container in item["spec"]["template"]["spec"]["containers"]:
                requests = container["resources"]["requests"]
                cpu += replicas * quantities.millicores(requests["cpu"])
                memory += replicas * quantities.size(requests["memory"])
    return cpu, memory, pods


@pytest.mark.parametrize(
    "values",
    [*({**values, **PUSHED} for values in CHOICES), {}, SERVED],
    ids=[*("-".join(values.values()) for values in CHOICES), "no-image", "service-alone"],
)
def test_room_is_what_the_declared_pods_request(recorded, values):
    declared, said = recorded(**values)
    cpu, memory, pods = asked(declared.objects)
    workloads = said["workloads"]
    assert pods == sum(w["replicas"] for w in workloads if not w["spread"])
    said_cpu = sum(w["replicas"] * quantities.millicores(w["cpu"]) for w in workloads)
    said_memory = sum(w["replicas"] * quantities.size(w["memory"]) for w in workloads)
    assert cpu == said_cpu
    assert memory == said_memory


@pytest.mark.parametrize(
    "values", [{}, PUSHED, {"domain": "ml.example.com"}, {"registry": "ghcr.io/acme"}, {"monitoring": "false"}]
)
def test_every_declared_kind_is_among_the_rights(recorded, values):
    declared, said = recorded(**values)
    rights = {(right["group"], right["resource"]) for right in said["rights"]}
    kinds = {
        (item["apiVersion"].rpartition("/")[0], plural(item["kind"]))
        for item in declared.objects
        if "cert-manager" not in item["apiVersion"]
    }
    assert kinds, "nothing was declared"
    assert kinds <= rights


@pytest.mark.parametrize("values", [{}, {"monitoring": "false"}, {"serving": "false"}])
def test_namespaces_and_the_node_port(recorded, values):
    declared, said = recorded(**values)
    assert sorted(said["namespaces"]) == sorted(item["metadata"]["name"] for item in declared.all("Namespace"))
    ports = {p.get("nodePort") for s in declared.all("Service") for p in s["spec"]["ports"]} - {None}
    assert ports == {said["node_port"]}


@pytest.mark.parametrize("values", [{}, {"monitoring": "false"}, {"serving": "false"}])
def test_the_rights_that_are_granted_are_those_of_the_roles(recorded, configured, values):
    declared, _ = recorded(**values)
    written = {
        (role["metadata"]["namespace"], group, resource, name, tuple(rule["verbs"]))
        for role in declared.all("Role")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    granted = rights.granted(configured(**{"pipelines": "none", **values}))
    said = {(g["namespace"], g["group"], g["resource"], g["name"], tuple(g["verbs"])) for g in granted}
    assert written == said
    assert not declared.all("ClusterRole")


def test_kubeflow_brings_its_namespace_definitions_and_room(configured):
    with_it, without = demand.demand(configured()), demand.demand(configured(pipelines="none"))
    assert with_it["kubeflow_namespace"] == "kubeflow"
    assert len(with_it["definitions"]) == 11
    assert len(with_it["workloads"]) > len(without["workloads"])
    assert {right["resource"] for right in with_it["rights"]} > {right["resource"] for right in without["rights"]}
    elsewhere = demand.demand(configured(pipelinesHost="https://kubeflow.example.com"))
    assert elsewhere == without


def test_the_generator_gives_namespaces_the_same_names():
    naming = pytest.importorskip("seedbed.naming", reason="seedbed itself is not installed here")
    for slug, stack in (("flights", "dev"), ("p" * 40, "s" * 20)):
        for purpose in ("", "serving", "monitoring"):
            name = naming.namespace_name(slug, stack, purpose)
            assert name == namespace_name(slug, stack, purpose)
            assert len(name) <= 63


def run(question):
    return subprocess.run(
        [sys.executable, "-m", "mlops_platform.demand"], cwd=INFRA, input=json.dumps(question), text=True,
        capture_output=True, check=False,
    )  # fmt: skip


def test_it_answers_without_an_engine_and_refuses_a_wrong_value():
    config = {"target": "kubernetes", "context": "test", "project": "flights", "size": "ha"}
    result = run({"stack": "prod", "config": config})
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["namespaces"][0] == "flights-prod"
    result = run({"stack": "prod", "config": {**config, "size": "huge"}})
    assert result.returncode == 3
    assert "huge" in json.loads(result.stdout)["problem"]
    assert result.stderr == ""


def test_it_loads_neither_pulumi_nor_a_client():
    code = "import sys, mlops_platform.demand; print([m for m in sys.modules if m.split('.')[0] in ('pulumi', 'kubernetes')])"
    result = subprocess.run([sys.executable, "-c", code], cwd=INFRA, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
