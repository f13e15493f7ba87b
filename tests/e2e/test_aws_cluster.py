"""The way to an EKS cluster, with a real API server in its place; EKS itself, and whom it knows, are made up."""

import base64
from pathlib import Path

import pytest
import yaml
from tests.cluster.fixtures import cluster  # noqa: F401 - a fixture
from tests.e2e.cluster_project import account, remove_account
from tests.unit.aws_double import account as aws_account

from seedbed import spec as specs
from seedbed.environments.aws import eks
from seedbed.environments.cluster.errors import CredentialsRefusedError, UnreachableError
from seedbed.environments.project import Project

SPEC = {
    "project": {"name": "Eks Test"},
    "data": {"source": "x", "target": "y", "features": {"x": "number"}},
    "environments": {"prod": {"target": "aws", "account": "123456789012", "region": "eu-west-1"}},
}
NAMESPACE = "eks-test"
LABELS = {"seedbed/environment": "eks-test.prod"}


@pytest.fixture
def described(cluster):  # noqa: F811
    """What EKS would say of the cluster of the tests."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    entry = next(c["context"] for c in whole["contexts"] if c["name"] == cluster.context)
    place = next(c["cluster"] for c in whole["clusters"] if c["name"] == entry["cluster"])
    authority = base64.b64encode(Path(place["certificate-authority"]).read_bytes()).decode()
    return {
        "name": "eks-test-prod", "status": "ACTIVE", "endpoint": place["server"],
        "certificateAuthority": {"data": authority},
    }  # fmt: skip


@pytest.fixture
def on_eks(tmp_path, monkeypatch):
    def make(found, token, recorded=()):
        monkeypatch.setattr(eks, "token", lambda *_: token)
        made = aws_account(eks__describe_cluster={"cluster": found})
        project = Project(tmp_path, specs.parse(SPEC))
        return eks.OnEks(project, "prod", list(recorded), account=made, cluster="eks-test-prod")

    return make


@pytest.fixture
def reader(cluster):  # noqa: F811
    cluster.api.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": LABELS}}
    )  # fmt: skip
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}
    yield account(cluster, NAMESPACE, "eks-reader", [rule])
    remove_account(cluster, NAMESPACE, "eks-reader")
    cluster.api.delete(f"/api/v1/namespaces/{NAMESPACE}")


def test_what_runs_is_seen_without_a_kubeconfig(cluster, described, on_eks, reader, monkeypatch):  # noqa: F811
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    pod = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "example.com/web:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    metadata = {"name": "web", "namespace": NAMESPACE, "labels": LABELS}
    cluster.api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    gone = {
        "type": "kubernetes:apps/v1:Deployment", "urn": "x",
        "inputs": {"metadata": {"name": "gone", "namespace": NAMESPACE}},
    }  # fmt: skip
    found = on_eks(described, reader, [gone]).look().workloads
    assert {(w["name"], w["reason"]) for w in found if w["name"] == "gone"} == {("gone", "is gone from the cluster")}
    assert [w["kind"] for w in found if w["name"] == "web"] == ["Deployment"]


def test_a_cluster_that_does_not_know_you_says_so(described, on_eks):
    with pytest.raises(CredentialsRefusedError, match="eks-test-prod"):
        on_eks(described, "nobody's").reach()


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "FAILED"])
def test_one_that_is_not_ready_is_not_asked(described, on_eks, status):
    with pytest.raises(UnreachableError, match=status):
        on_eks({**described, "status": status}, "").reach()


def test_one_whose_endpoint_is_private_is_unreachable_and_not_gone(described, on_eks):
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        on_eks({**described, "endpoint": "https://127.0.0.1:9"}, "").reach()
