"""Preflight checks whose cluster can't be had: an old one, one that grows, one with its own ideas of versions."""

import pytest

from seedbed.environments.cluster import preflight
from seedbed.environments.cluster.demand import Demand, Workload

ENVIRONMENT = "flights.dev"


class Server:
    """An API server that holds these objects and allows everything."""

    context = "test"

    def __init__(self, **answers):
        self.answers = {
            "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.1"},
            "/apis": {"groups": []},
            **answers,
        }
        self.may = lambda _attributes: True

    def get(self, path):
        return self.answers[path]

    def find(self, path):
        return self.answers.get(path)

    def items(self, path, **_):
        return iter(self.answers.get(path, ()))

    def create(self, path, body):
        assert path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return {"status": {"allowed": self.may(body["spec"]["resourceAttributes"])}}


def demand(**changes):
    nothing = {
        "namespaces": ["flights-dev"], "kubeflow_namespace": "", "definitions": [], "workloads": [],
        "storage_class": "", "node_port": 0, "ingress": False, "ingress_class": "", "cluster_issuer": "",
        "scales": False, "rights": [],
    }  # fmt: skip
    return Demand(**{**nothing, **changes})


def look(server, recorded=(), **changes):
    return [(f.level, f.what) for f in preflight.look(server, demand(**changes), ENVIRONMENT, recorded)]


def named(name, **labels):
    return {"metadata": {"name": name, "labels": labels}}


def test_nothing_to_say_of_a_good_cluster():
    assert look(Server()) == []


@pytest.mark.parametrize(("minor", "fine"), [("28", False), ("29", True), ("30+", True), ("36", True)])
def test_versions(minor, fine):
    server = Server(**{"/version": {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.4-eks-1"}})
    found = look(server)
    assert (found == []) is fine
    if not fine:
        assert found == [("error", "The cluster runs Kubernetes v1.28.4-eks-1, and the oldest that works is 1.29")]


@pytest.mark.parametrize(
    "grows",
    [
        {"/apis": {"groups": [{"name": "karpenter.sh"}]}},
        {"/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status": {}},
    ],
)
def test_too_small_a_cluster_that_grows_is_no_error(grows):
    store = [Workload("store", "1", "1Gi", "", 1)]
    assert [level for level, _ in look(Server(), workloads=store)] == ["error"]
    assert [level for level, _ in look(Server(**grows), workloads=store)] == ["warning"]


def test_what_is_ours_already_is_no_conflict():
    ours = named("x", **{"seedbed/environment": ENVIRONMENT})
    service = {**ours, "spec": {"ports": [{"nodePort": 30500}]}}
    service["metadata"] = {**service["metadata"], "namespace": "flights-dev"}
    definition = named("workflows.argoproj.io", **{"seedbed/environment": ENVIRONMENT})
    server = Server(**{
        "/api/v1/namespaces/flights-dev": ours, "/api/v1/namespaces/kubeflow": ours,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": [definition], "/api/v1/services": [service],
    })  # fmt: skip
    wanted = {"kubeflow_namespace": "kubeflow", "definitions": ["workflows.argoproj.io"], "node_port": 30500}
    assert look(server, ["flights-dev"], **wanted) == []


def test_somebody_elses_argo_is_named_by_its_definitions():
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    server = Server(**{path: [named("workflows.argoproj.io"), named("crontabs.example.com")]})
    definitions = ["viewers.kubeflow.org", "workflows.argoproj.io"]
    ((level, what),) = look(server, kubeflow_namespace="kubeflow", definitions=definitions)
    assert level == "error"
    assert what.endswith("not from this environment: workflows.argoproj.io")


def test_a_namespace_that_is_still_ending():
    ending = named("flights-dev", **{"seedbed/environment": ENVIRONMENT})
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = look(Server(**{"/api/v1/namespaces/flights-dev": ending}))
    assert found == [("error", "Namespace flights-dev is still being deleted")]


def test_a_service_that_scales_wants_measurements():
    assert [level for level, _ in look(Server(), scales=True)] == ["warning"]
    assert look(Server(**{"/apis/metrics.k8s.io/v1beta1": {}}), scales=True) == []


def test_a_named_ingress_class_needs_no_default_one():
    server = Server(**{"/apis/networking.k8s.io/v1/ingressclasses": [named("nginx")]})
    assert look(server, ingress=True, ingress_class="nginx") == []
    ((_, what),) = look(server, ingress=True)
    assert "no default ingress class" in what
