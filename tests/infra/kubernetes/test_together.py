"""Quotas, policies and accounts against the pods that the parts of an environment really declare."""

import pytest
from tests.infra.kubernetes import can_i, monitored
from tests.infra.kubernetes.network_policies import Pod, dangling
from tests.infra.kubernetes.stores import FakeStore
from tests.infra.kubernetes.test_namespaces import hard, number

SIZES = ("small", "standard", "ha")
STORES = ("minio", "seaweedfs")
# Labels of Kubeflow's pods that policies speak of; its manifests aren't here.
KUBEFLOW = [
    Pod("kubeflow", {"workflows.argoproj.io/workflow": "training"}),
    Pod("kubeflow", {"app": "ml-pipeline"}),
    Pod("kubeflow", {"app": "ml-pipeline-ui"}),
]
KONNECTIVITY = Pod("kube-system", {"k8s-app": "konnectivity-agent"})


@pytest.fixture
def environment(on_cluster, monkeypatch):
    """Record every part of an environment in our own namespaces."""
    from mlops_platform.components.kubernetes.monitoring import grafana, monitoring

    for module in (grafana, monitoring):
        monkeypatch.setattr(module, "Password", monitored.Drawn)

    def run(**values):
        return on_cluster(_declare, serviceImage="docker.io/acme/flights:1", **values)

    return run


def _declare(cluster):
    from mlops_platform.components.kubernetes.monitoring.monitoring import Monitoring
    from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
    from mlops_platform.components.kubernetes.namespaces import Namespaces
    from mlops_platform.components.kubernetes.network import Network
    from mlops_platform.components.kubernetes.registry import Registry
    from mlops_platform.components.kubernetes.service import ModelService
    from mlops_platform.components.kubernetes.store import ClusterStore
    from mlops_platform.components.kubernetes.tracking import Tracking

    namespaces = Namespaces("namespaces", cluster=cluster)
    Network("network", cluster=cluster, namespaces=namespaces, kubeflow="kubeflow")
    platform = {"cluster": cluster, "namespace": namespaces.platform}
    ClusterStore("store", **platform)
    Registry("registry", **platform, store=FakeStore())
    Tracking("tracking", **platform, store=FakeStore())
    url = "http://tracking.flights-prod.svc:5000"
    ModelService(
        "service", cluster=cluster, namespace=namespaces.serving, store=FakeStore(), tracking_url=url, pull_secret=None
    )
    Monitoring(
        "monitoring", cluster=cluster, namespaces=namespaces, image="docker.io/acme/flights/pipeline:1",
        files=ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={}),
        pull_secret=None, store=FakeStore(), tracking_url=url, pipelines_host="http://ml-pipeline.kubeflow.svc:8888",
    )  # fmt: skip


def workloads(recorded):
    """Each workload: its namespace, its pods' labels and specification, and the most pods that it has at one moment.

    The pods of a Deployment that rolls are all there twice while the old ones shut down; a StatefulSet, and one that
    recreates its pods, waits for each to be gone; a Job may be made anew while its forerunner goes, and somebody may
    start one of a CronJob's by hand.
    """
    scaled = {
        o["spec"]["scaleTargetRef"]["name"]: o["spec"]["maxReplicas"] for o in recorded.all("HorizontalPodAutoscaler")
    }
    for o in recorded.objects:
        spec = o.get("spec", {})
        if o["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if o["kind"] not in {"Deployment", "StatefulSet", "Job", "CronJob"}:
            continue
        most = scaled.get(o["metadata"]["name"], spec.get("replicas", 1))
        rolling = o["kind"] == "Deployment" and spec.get("strategy", {}).get("type") != "Recreate"
        template = spec["template"]
        twice = 2 if rolling or o["kind"] in {"Job", "CronJob"} else 1
        yield o["metadata"]["namespace"], template["metadata"]["labels"], template["spec"], most * twice


def test_each_account_that_a_part_has_is_among_those_that_are_asked_about(environment):
    accounts = {
        f"{account['metadata']['namespace']}:{account['metadata']['name']}"
        for account in environment(size="ha").all("ServiceAccount")
    }
    assert len(accounts) > 5
    assert accounts <= {row.account for row in can_i.ROWS}


def effective(pod, kind, resource):
    """What a pod counts for: its containers together, or its largest init container."""

    def amount(container):
        return number(container["resources"][kind].get(resource, "0"))

    return max(sum(map(amount, pod["containers"])), *(amount(one) for one in pod.get("initContainers", [])), 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("store", STORES)
def test_the_quotas_have_room_for_everything_at_its_largest_in_the_middle_of_an_update(environment, size, store):
    recorded = environment(size=size, store=store)
    for namespace in recorded.all("Namespace"):
        name = namespace["metadata"]["name"]
        room, pods = hard(recorded, name), [w for w in workloads(recorded) if w[0] == name]
        assert pods
        needed = {
            "pods": sum(most for *_, most in pods),
            "requests.cpu": sum(most * effective(pod, "requests", "cpu") for *_, pod, most in pods),
            "requests.memory": sum(most * effective(pod, "requests", "memory") for *_, pod, most in pods),
            "limits.memory": sum(most * effective(pod, "limits", "memory") for *_, pod, most in pods),
            "services.nodeports": sum(
                o["spec"].get("type") == "NodePort"
                for o in recorded.all("Service")
                if o["metadata"]["namespace"] == name
            ),
            "persistentvolumeclaims": len(claims(recorded, name)),
            "requests.storage": sum(map(number, claims(recorded, name).values())),
        }
        assert {key: (value, room[key]) for key, value in needed.items() if value > room[key] + 1e-9} == {}


def claims(recorded, namespace):
    """The size of each volume by its claim's name."""
    here = [o for o in recorded.objects if o["metadata"].get("namespace") == namespace]
    found = {
        o["metadata"]["name"]: o["spec"]["resources"]["requests"]["storage"]
        for o in here
        if o["kind"] == "PersistentVolumeClaim"
    }
    for o in (o for o in here if o["kind"] == "StatefulSet"):
        for template in o["spec"].get("volumeClaimTemplates", []):
            for number_of_pod in range(o["spec"]["replicas"]):
                name = f"{template['metadata']['name']}-{o['metadata']['name']}-{number_of_pod}"
                found[name] = template["spec"]["resources"]["requests"]["storage"]
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("store", STORES)
def test_the_policies_speak_of_the_pods_that_there_are_and_of_all_of_them(environment, size, store):
    recorded = environment(size=size, store=store)
    policies = recorded.all("NetworkPolicy")
    pods = [Pod(namespace, labels) for namespace, labels, *_ in workloads(recorded)]
    assert dangling(policies, [*pods, *KUBEFLOW, KONNECTIVITY]) == []
    named = {
        (policy["metadata"]["namespace"], policy["metadata"]["name"])
        for policy in policies
        if policy["spec"]["podSelector"] and policy["metadata"]["namespace"] != "kubeflow"
    }
    assert {(pod.namespace, pod.labels["app.kubernetes.io/component"]) for pod in pods} == named


def test_each_port_that_a_policy_opens_is_one_that_its_pods_have(environment):
    recorded = environment(size="ha")
    listening = {}
    for namespace, labels, pod, _ in workloads(recorded):
        ports = {port["containerPort"] for container in pod["containers"] for port in container.get("ports", [])}
        listening.setdefault((namespace, labels["app.kubernetes.io/component"]), set()).update(ports)
    for policy in recorded.all("NetworkPolicy"):
        key = policy["metadata"]["namespace"], policy["metadata"]["name"]
        if key in listening:
            opened = {port["port"] for rule in policy["spec"].get("ingress") or [] for port in rule["ports"]}
            assert opened <= listening[key], key


def test_no_pod_but_prometheus_mounts_a_token(environment):
    recorded = environment()
    holders = [
        labels["app.kubernetes.io/component"]
        for _, labels, pod, _ in workloads(recorded)
        if pod.get("automountServiceAccountToken") is not False
    ]
    assert holders == ["prometheus"]
