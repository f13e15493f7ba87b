"""What `seedbed preview` and `up` find wrong with a real API server before the engine starts."""

import contextlib
import json
import socket

import pytest
from tests.cluster.fixtures import cluster  # noqa: F401 - a fixture
from tests.e2e.cluster_project import account, generate, kubeconfig, proxied, remove_account

NAMESPACE = "cluster-test-dev"


@pytest.fixture
def project(seedbed, tmp_path, cluster):  # noqa: F811
    """Make a project for a context of the cluster, and check its environment `dev`."""

    def check(*more, context=cluster.context, config=cluster.kubeconfig, verb="preview"):
        root = generate(seedbed, tmp_path / "here", context, *more)
        result = seedbed(verb, "dev", "--json", cwd=root, env={"KUBECONFIG": str(config)}, timeout=60)
        assert not list((root / ".seedbed").rglob("dev.json")), "the engine made a stack"
        return result

    return check


@contextlib.contextmanager
def made(cluster, *objects):  # noqa: F811
    """Objects that are on the cluster meanwhile."""
    try:
        for item in objects:
            cluster.api.apply(item)
        yield
    finally:
        for item in reversed(objects):
            cluster.api.delete(cluster.api.path_of(item))


def errors(result):
    assert result.code == 7, result.out + result.err
    return [f for f in result.json["error"]["findings"] if f["level"] == "error"]


def namespace(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def test_everything_that_stands_in_the_way_is_named_at_once(project, cluster):  # noqa: F811
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken", "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30500}]},
    }  # fmt: skip
    with made(
        cluster,
        namespace(NAMESPACE),
        namespace(f"{NAMESPACE}-serving", **{"seedbed/environment": "other.prod"}),
        namespace("kubeflow"),
        service,
    ):
        result = project('storage_class = "fast"', 'domain = "ml.example.com"', 'cluster_issuer = "letsencrypt"')
    found = {finding["what"]: finding["do"] for finding in errors(result)}
    for what in (
        f"namespace {NAMESPACE} already, which was not made by seedbed",
        f"namespace {NAMESPACE}-serving already, which belongs to another environment, other.prod",
        "namespace kubeflow already, which seedbed did not make",
        "no storage class 'fast'",
        "Node port 30500, which the registry needs, is taken by service default/taken",
        "no default ingress class",
        "no ClusterIssuer 'letsencrypt'",
    ):
        matching = [known for known in found if what in known]
        assert matching, found
        assert found[matching[0]], "each comes with what to do"


def test_no_default_storage_class(project, cluster):  # noqa: F811
    api, key = cluster.api, "storageclass.kubernetes.io/is-default-class"
    default = next(c for c in api.list("storage.k8s.io/v1", "StorageClass") if key in c["metadata"]["annotations"])
    path = api.path("storage.k8s.io/v1", "StorageClass", default["metadata"]["name"])

    def set_default(value):
        patch = {"metadata": {"annotations": {key: value}}}
        api.request("PATCH", path, patch, content_type="application/merge-patch+json")

    set_default("false")
    try:
        found = errors(project('pipelines = "none"'))
    finally:
        set_default("true")
    assert [f["what"] for f in found] == ["The cluster has no default storage class, and the environment needs volumes"]
    assert default["metadata"]["name"] in found[0]["do"]


def test_too_little_room(project, cluster):  # noqa: F811
    api = cluster.api

    def cordon(value):
        for node in api.list("v1", "Node"):
            path = api.path("v1", "Node", node["metadata"]["name"])
            api.request("PATCH", path, {"spec": {"unschedulable": value}}, content_type="application/merge-patch+json")

    cordon(True)
    try:
        found = errors(project('pipelines = "none"'))
    finally:
        cordon(False)
    assert len(found) == 1
    assert "The cluster is too small: it needs" in found[0]["what"]
    assert "0 usable nodes" in found[0]["what"]


def test_missing_rights_are_listed_and_what_may_not_be_looked_at_is_said(project, cluster, tmp_path):  # noqa: F811
    rules = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["*"]}]
    token = account(cluster, "default", "half", rules)
    try:
        config = kubeconfig(cluster, tmp_path / "half", token=token)
        result = project(context="other", config=config)
    finally:
        remove_account(cluster, "default", "half")
    found = errors(result)
    rights = " ".join(f["what"] for f in found if "lacks rights" in f["what"])
    assert "customresourcedefinitions.apiextensions.k8s.io" in rights
    assert "clusterroles.rbac.authorization.k8s.io" in rights
    assert f"in namespace {NAMESPACE}: create, patch, delete:" in rights
    assert "networkpolicies.networking.k8s.io" in rights
    assert "deployments.apps" not in rights
    warnings = [f["what"] for f in result.json["error"]["findings"] if f["level"] == "warning"]
    assert any("Not checked, the storage classes" in what for what in warnings)


def failure(result, kind, code=7):
    assert result.code == code, result.out + result.err
    error = result.json["error"]
    assert error["kind"] == kind, error
    assert error["hint"]
    return error["message"]


def test_a_context_that_is_not_there_and_those_that_are(project, cluster):  # noqa: F811
    result = project(context="typo")
    assert "no context 'typo'" in failure(result, "no-such-context", code=3)
    assert cluster.context in result.json["error"]["hint"]
    assert result.json["error"]["contexts"] == [cluster.context]


def test_a_revoked_token(project, cluster, tmp_path):  # noqa: F811
    token = account(cluster, "default", "revoked")
    cluster.api.delete(cluster.api.path("v1", "ServiceAccount", "revoked", "default"))
    result = project(context="other", config=kubeconfig(cluster, tmp_path / "k", token=token))
    assert "refuses your credentials" in failure(result, "credentials-refused")


def test_a_failing_credential_plugin_is_quoted(project, cluster, tmp_path):  # noqa: F811
    plugin = tmp_path / "login"
    plugin.write_text("#!/bin/sh\necho 'the session has expired' >&2\nexit 1\n")
    plugin.chmod(0o755)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never",
        }
    }  # fmt: skip
    result = project(context="other", config=kubeconfig(cluster, tmp_path / "k", user=user))
    assert "the session has expired" in failure(result, "credentials-refused")


def test_ways_of_being_unreachable_are_told_apart(project, cluster, seedbed, tmp_path):  # noqa: F811
    root = generate(seedbed, tmp_path / "there", "other", 'pipelines = "none"')
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = f"https://127.0.0.1:{unused.getsockname()[1]}"
    with proxied(cluster) as proxy:
        proxy.passing = False
        for facts, words in (
            ({"server": closed}, "the connection was refused"),
            ({"server": proxy.url}, "it did not answer in time"),
            ({"server": "https://cluster.invalid"}, "its host name is not known"),
            ({"authority": False}, "its TLS certificate is not the one that the kubeconfig expects"),
        ):
            config = kubeconfig(cluster, tmp_path / "k", **facts)
            result = seedbed("up", "dev", "--json", cwd=root, env={"KUBECONFIG": str(config)}, timeout=60)
            assert words in failure(result, "cluster-unreachable")
            assert "--cluster-gone" not in result.json["error"]["hint"], "there is nothing to forget yet"


def test_several_kubeconfig_files(project, cluster, tmp_path):  # noqa: F811
    other = kubeconfig(cluster, tmp_path / "second", name="second")
    result = project('storage_class = "fast"', 'pipelines = "none"', context="second",
                     config=f"{cluster.kubeconfig}:{other}")  # fmt: skip
    assert [f["what"] for f in errors(result)] == ["The cluster has no storage class 'fast'"]


def test_findings_for_a_person(seedbed, tmp_path, cluster):  # noqa: F811
    root = generate(seedbed, tmp_path / "p", cluster.context, 'storage_class = "fast"', 'pipelines = "none"')
    result = seedbed("up", "dev", cwd=root, env={"KUBECONFIG": str(cluster.kubeconfig)})
    assert result.code == 7
    assert result.out == ""
    assert "nothing was changed" in result.err
    assert "no storage class 'fast'. It has: " in result.err
    assert "Next: " in result.err


def test_manifests_that_the_spec_names_must_be_there(project, cluster):  # noqa: F811
    result = project('pipelines_manifests = "kubeflow.yaml"')
    assert "which does not exist" in failure(result, "spec", code=3)


def test_doctor_says_whether_the_cluster_answers(seedbed, tmp_path, cluster):  # noqa: F811
    root = generate(seedbed, tmp_path / "p", cluster.context, 'pipelines = "none"')
    result = seedbed("doctor", "--json", cwd=root, env={"KUBECONFIG": str(cluster.kubeconfig)})
    checks = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert f"its cluster {cluster.context} answers at https://" in checks["environment dev"]["found"]
    assert "plugin install resource kubernetes 4." in checks["Kubernetes plugin"]["hint"]
    config = kubeconfig(cluster, tmp_path / "k", name=cluster.context, server="https://cluster.invalid")
    result = seedbed("doctor", "--json", cwd=root, env={"KUBECONFIG": str(config)})
    assert result.code == 0, "a cluster that is away stops no other environment"
    checks = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert checks["environment dev"]["ok"] is False
