import itertools

import pytest
from tests.infra.kubernetes.network_policies import Address, Pod, allowed, dangling

INSTALLED = {"pipelines": "install"}
NOWHERE = {"pipelines": "none"}
PLACES = {
    "flights-prod": ["store", "setup", "registry", "database", "tracking"],
    "flights-prod-serving": ["service"],
    "flights-prod-monitoring": ["prometheus", "alertmanager", "grafana", "drift", "retraining"],
}


def ours(name, environment="flights.prod"):
    namespace = next(namespace for namespace, names in PLACES.items() if name in names)
    return Pod(namespace, {"app.kubernetes.io/component": name, "seedbed/environment": environment})


def kubeflow(**labels):
    return Pod("kubeflow", {key.replace("_", "-"): value for key, value in labels.items()})


PODS = {name: ours(name) for names in PLACES.values() for name in names} | {
    "run": Pod("kubeflow", {"workflows.argoproj.io/workflow": "training-x7d9q"}),
    "ml-pipeline": kubeflow(app="ml-pipeline"),
    "ml-pipeline-ui": kubeflow(app="ml-pipeline-ui"),
    "mysql": kubeflow(app="mysql"),
    "workflow-controller": kubeflow(app="workflow-controller"),
    "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
    "konnectivity": Pod("kube-system", {"k8s-app": "konnectivity-agent"}),
    "ingress": Pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"}),
    "stranger": Pod("default", {"app": "stranger"}),
    # Somebody's pod that calls itself as ours do, elsewhere, or in our namespace for another environment.
    "impostor": Pod("default", ours("tracking").labels),
    "other environment": Pod("flights-dev", ours("tracking", "flights.dev").labels),
    "unknown pod of ours": Pod("flights-prod", {"app": "debug"}),
    "notebook": Pod("notebooks", {"app": "jupyter"}, {"seedbed/client-of": "flights.prod"}),
    "notebook of dev": Pod("notebooks-dev", {"app": "jupyter"}, {"seedbed/client-of": "flights.dev"}),
    "node": Address("10.0.0.7"),
    "node dns cache": Address("169.254.20.10"),
    "api server": Address("172.18.0.2"),
    "internet": Address("203.0.113.9"),
    "internet 6": Address("2001:db8::9"),
    "metadata": Address("169.254.169.254"),
    "metadata 6": Address("fd00:ec2::254"),
}
ALLOWED = [
    ("setup", "store", 9000),
    ("registry", "store", 9000),
    ("tracking", "store", 9000),
    ("service", "store", 9000),
    ("drift", "store", 9000),
    ("run", "store", 9000),
    ("ml-pipeline", "store", 9000),
    ("ml-pipeline-ui", "store", 9000),
    ("notebook", "store", 9000),
    ("store", "store", 9000),
    ("tracking", "database", 5432),
    ("service", "tracking", 5000),
    ("drift", "tracking", 5000),
    ("run", "tracking", 5000),
    ("notebook", "tracking", 5000),
    ("notebook", "service", 8000),
    ("node", "registry", 5000),
    ("internet", "registry", 5000),
    ("prometheus", "service", 8000),
    ("prometheus", "alertmanager", 9093),
    ("prometheus", "drift", 9100),
    ("prometheus", "retraining", 9100),
    ("prometheus", "api server", 6443),
    ("grafana", "prometheus", 9090),
    ("alertmanager", "retraining", 9100),
    ("alertmanager", "alertmanager", 9094),
    ("alertmanager", "internet", 443),
    ("alertmanager", "internet 6", 587),
    ("retraining", "ml-pipeline", 8888),
    ("konnectivity", "ml-pipeline", 8888),
    ("run", "ml-pipeline", 8887),
    ("ml-pipeline", "mysql", 3306),
    ("run", "internet", 80),
]
REFUSED = [
    # Into our namespaces.
    ("stranger", "store", 9000),
    ("impostor", "store", 9000),
    ("other environment", "store", 9000),
    ("unknown pod of ours", "store", 9000),
    ("notebook of dev", "store", 9000),
    ("internet", "store", 9000),
    ("mysql", "store", 9000),
    ("workflow-controller", "store", 9000),
    ("retraining", "store", 9000),
    ("service", "store", 9001),
    ("store", "store", 9001),
    ("stranger", "tracking", 5000),
    ("impostor", "tracking", 5000),
    ("notebook of dev", "tracking", 5000),
    ("internet", "tracking", 5000),
    ("ml-pipeline", "tracking", 5000),
    ("retraining", "tracking", 5000),
    ("service", "database", 5432),
    ("run", "database", 5432),
    ("impostor", "database", 5432),
    ("notebook", "database", 5432),
    ("stranger", "service", 8000),
    ("ingress", "service", 8000),
    ("internet", "service", 8000),
    ("grafana", "service", 8000),
    ("internet", "registry", 5001),
    ("stranger", "prometheus", 9090),
    ("notebook", "prometheus", 9090),
    ("stranger", "alertmanager", 9093),
    ("grafana", "alertmanager", 9093),
    ("internet", "grafana", 3000),
    ("ingress", "grafana", 3000),
    ("stranger", "retraining", 9100),
    ("run", "retraining", 9100),
    # Out of them.
    ("service", "internet", 443),
    ("tracking", "internet", 443),
    ("database", "internet", 443),
    ("database", "store", 9000),
    ("store", "internet", 443),
    ("registry", "internet", 443),
    ("grafana", "internet", 443),
    ("drift", "internet", 443),
    ("drift", "ml-pipeline", 8888),
    ("service", "ml-pipeline", 8888),
    ("alertmanager", "internet", 80),
    ("alertmanager", "metadata", 443),
    ("alertmanager", "metadata 6", 443),
    ("prometheus", "metadata", 80),
    ("service", "metadata", 80),
    ("unknown pod of ours", "internet", 443),
    # Into Kubeflow.
    ("stranger", "ml-pipeline", 8888),
    ("notebook", "ml-pipeline", 8888),
    ("api server", "ml-pipeline", 8888),
    ("konnectivity", "ml-pipeline", 8887),
    ("retraining", "ml-pipeline", 8887),
    ("retraining", "mysql", 3306),
    ("stranger", "mysql", 3306),
    ("stranger", "ml-pipeline-ui", 3000),
]
# What a choice adds to or takes from the flows above.
CHANGES = [
    ({"domain": "ml.example.com", "serviceImage": "ghcr.io/acme/flights:1", "clusterIssuer": "letsencrypt"}, [
        ("ingress", "service", 8000, True),
        ("internet", "service", 8000, True),
        ("ingress", "store", 9000, True),
        ("ingress", "grafana", 3000, True),
        ("ingress", "tracking", 5000, False),  # asks nobody who they are
        ("ingress", "prometheus", 9090, False),
        ("ingress", "ml-pipeline-ui", 3000, False),
        ("ingress", "database", 5432, False),
    ]),
    ({"domain": "ml.example.com", "serviceImage": "ghcr.io/acme/flights:1"}, [
        ("ingress", "service", 8000, True),
        ("ingress", "store", 9000, False),  # keys would go over the wire in the clear
        ("ingress", "grafana", 3000, False),
    ]),
    ({"store": "s3"}, [
        ("tracking", "internet", 443, True),
        ("service", "internet 6", 443, True),
        ("drift", "internet", 443, True),
        ("service", "internet", 9000, False),
        ("service", "metadata", 443, False),
        ("database", "internet", 443, False),
        ("grafana", "internet", 443, False),
    ]),
    ({"store": "s3", "s3Endpoint": "http://store.lan:9000"}, [
        ("tracking", "node", 9000, True),
        ("tracking", "stranger", 9000, True),  # a store that somebody else runs in the cluster
        ("tracking", "internet", 443, False),
    ]),
    ({"store": "s3", "s3Endpoint": "http://store.lan"}, [("service", "internet", 80, True), ("service", "metadata", 80, False)]),
    ({"pipelinesHost": "https://kubeflow.example.com"}, [
        ("retraining", "internet", 443, True),
        ("retraining", "internet", 8888, False),
        ("run", "store", 9000, False),
        ("run", "tracking", 5000, False),
    ]),
    ({"pipelinesHost": "http://ml-pipeline.kubeflow:8888"}, [("retraining", "ml-pipeline", 8888, True)]),
    ({"pipelines": "none"}, [("retraining", "internet", 443, False), ("retraining", "ml-pipeline", 8888, False)]),
    ({"monitoring": "false"}, [("drift", "store", 9000, False), ("service", "store", 9000, True)]),
    ({"size": "small"}, [("store", "store", 9000, False), ("registry", "store", 9000, False)]),
    ({"registry": "ghcr.io/acme"}, [("node", "registry", 5000, False)]),
]  # fmt: skip


@pytest.fixture
def policies(on_cluster):
    def run(api_servers=(), **values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.namespaces import Namespaces
            from mlops_platform.components.kubernetes.network import Network

            namespaces = Namespaces("namespaces", cluster=cluster)
            kubeflow = "kubeflow" if cluster.options.pipelines == "install" else None
            Network("network", cluster=cluster, namespaces=namespaces, kubeflow=kubeflow, api_servers=api_servers)

        return on_cluster(declare, **values).all("NetworkPolicy")

    return run


def passes(found, source, destination, port, protocol="TCP"):
    return allowed(found, PODS[source], PODS[destination], port, protocol)


def test_exactly_the_needed_flows_pass(policies):
    found = policies(size="ha")
    flows = dict.fromkeys(ALLOWED, True) | dict.fromkeys(REFUSED, False)
    assert {flow: passes(found, *flow) for flow in flows} == flows


def test_between_parts_nothing_passes_that_the_table_leaves_out(policies):
    found = policies(size="ha")
    known = [name for names in PLACES.values() for name in names]
    ports = {port for _, _, port in ALLOWED}
    passing = {flow for flow in itertools.product(known, known, ports) if passes(found, *flow)}
    expected = {flow for flow in ALLOWED if {flow[0], flow[1]} <= set(known)}
    assert passing == expected


@pytest.mark.parametrize(
    ("values", "changes"), CHANGES, ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else ""
)
def test_a_choice_changes_the_flows(policies, values, changes):
    found = policies(**values)
    expected = {(source, destination, port): passing for source, destination, port, passing in changes}
    assert {flow: passes(found, *flow) for flow in expected} == expected


def test_names_are_resolved_by_all_who_call_somebody(policies):
    found = policies(size="ha")
    known = {name for names in PLACES.values() for name in names}
    resolving = {name for name in known if passes(found, name, "dns", 53, "UDP")}
    assert resolving == {source for source, _, _ in ALLOWED} & known
    assert known - resolving == {"database"}
    for resolver in ("dns", "node dns cache", "node"):
        assert passes(found, "service", resolver, 53, "UDP")
        assert passes(found, "service", resolver, 53, "TCP")
    assert not passes(found, "service", "internet", 53, "UDP")
    assert not passes(found, "service", "dns", 54, "UDP")


def test_the_replicas_of_alertmanager_find_each_other_over_both_protocols(policies):
    found = policies(size="ha")
    assert passes(found, "alertmanager", "alertmanager", 9094, "UDP")
    assert not passes(found, "prometheus", "alertmanager", 9094, "UDP")


def test_the_api_servers_that_are_named_reach_kubeflow_and_no_other_address_does(policies):
    found = policies(api_servers=["172.18.0.2/32", "fd00::2/128"])
    assert passes(found, "api server", "ml-pipeline", 8888)
    assert not passes(found, "api server", "mysql", 3306)
    assert not passes(found, "node", "ml-pipeline", 8888)
    assert passes(found, "prometheus", "api server", 443)
    assert not passes(found, "prometheus", "internet", 443)


@pytest.mark.parametrize("values", [{"pipelines": "none"}, {"pipelinesHost": "http://ml-pipeline.kubeflow:8888"}])
def test_kubeflow_of_somebody_else_is_left_alone(policies, values):
    assert {policy["metadata"]["namespace"] for policy in policies(**values)} == set(PLACES)


@pytest.mark.parametrize("tracking", ["true", "false"])
@pytest.mark.parametrize("serving", ["true", "false"])
@pytest.mark.parametrize("monitoring", ["true", "false"])
@pytest.mark.parametrize("pipelines", ["install", "none"])
@pytest.mark.parametrize("store", ["minio", "s3"])
def test_no_policy_speaks_of_pods_that_the_choices_do_not_bring(
    policies, tracking, serving, monitoring, pipelines, store
):
    found = policies(tracking=tracking, serving=serving, monitoring=monitoring, pipelines=pipelines, store=store)
    absent = {
        *(["database", "tracking"] if tracking == "false" else []),
        *(["service"] if serving == "false" else []),
        *(PLACES["flights-prod-monitoring"] if monitoring == "false" else []),
        *(["store", "setup"] if store == "s3" else []),
        *(["run", "ml-pipeline", "ml-pipeline-ui", "retraining"] if pipelines == "none" else []),
    }
    present = [pod for name, pod in PODS.items() if name not in absent and isinstance(pod, Pod)]
    assert not dangling(found, present)
    # The check itself sees a peer that isn't there.
    assert dangling(found, [pod for pod in present if pod.namespace != "flights-prod"])


def test_every_namespace_refuses_what_no_policy_names(policies):
    for namespace in PLACES:
        (deny,) = [
            policy
            for policy in policies()
            if policy["metadata"]["namespace"] == namespace and policy["metadata"]["name"] == "default-deny"
        ]
        assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
