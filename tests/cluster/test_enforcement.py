"""The table of flows, asked of a kernel that enforces the policies: Calico's own program, fed by a real API server."""

import contextlib
import json
import os
import shutil
import sys
import time

import pytest
import yaml
from tests.cluster import dataplane, felix
from tests.cluster.api import wait
from tests.infra.kubernetes import test_network as table
from tests.infra.kubernetes.network_policies import Address, Pod
from tests.infra.kubernetes.test_network import policies

__all__ = ["policies"]

NODE = "node-0"
SECONDS = 120
DNS, OTHER = 53, 54
# Who may resolve names, and where; the table itself is about TCP.
RESOLVING = {
    ("service", "dns", DNS, "UDP"): True,
    ("service", "dns", DNS, "TCP"): True,
    ("service", "node", DNS, "UDP"): True,
    ("service", "node dns cache", DNS, "UDP"): True,
    ("service", "internet", DNS, "UDP"): False,
    ("service", "dns", OTHER, "UDP"): False,
    ("database", "dns", DNS, "UDP"): False,
}
REFUSED_FIRST = ("stranger", "store", 9000, "TCP")


@pytest.fixture
def stack():
    with contextlib.ExitStack() as found:
        yield found


@pytest.fixture
def program():
    missing = [name for name in dataplane.PROGRAMS if not shutil.which(name)]
    if not sys.platform.startswith("linux") or os.geteuid() or missing:
        pytest.skip(f"network namespaces need Linux, root and {', '.join(missing or dataplane.PROGRAMS)}")
    if not felix.folder().is_dir():
        pytest.skip("Felix isn't built: python -m tests.cluster.felix")
    return felix.folder()


def expected():
    flows = {**dict.fromkeys(table.ALLOWED, True), **dict.fromkeys(table.REFUSED, False)}
    known = {flow: answer for flow, answer in flows.items() if flow[0] != flow[1] and not any(map(_ipv6, flow[:2]))}
    return {**{(*flow, "TCP"): answer for flow, answer in known.items()}, **RESOLVING}


def _ipv6(name):
    return isinstance(table.PODS[name], Address) and ":" in table.PODS[name].ip


def pod(name, found):
    room = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": found.namespace, "labels": dict(found.labels)},
        "spec": {"nodeName": NODE, "containers": [{"name": "none", "image": "none", "resources": room}]},
    }


def applied(stack, api, manifest):
    api.apply(manifest, force=True)
    stack.callback(api.delete, api.path_of(manifest), seconds=SECONDS)


def declared(stack, api, program, found):
    """Put everything on the cluster that Felix looks at; each pod with the address that it was given."""
    for path in sorted((program / "definitions").glob("*.yaml")):
        applied(stack, api, yaml.safe_load(path.read_text()))
    ready = {"datastoreReady": True, "clusterGUID": "of-the-test", "clusterType": "k8s", "calicoVersion": felix.VERSION}
    kind = {"apiVersion": "crd.projectcalico.org/v1", "kind": "ClusterInformation", "metadata": {"name": "default"}}
    wait(lambda: "clusterinformations" in json.dumps(_resources(api)), SECONDS)
    applied(stack, api, {**kind, "spec": ready})
    known = {name: one for name, one in table.PODS.items() if isinstance(one, Pod)}
    labels = {}
    for one in known.values():
        labels.setdefault(one.namespace, {}).update(one.namespace_labels)
    for namespace in labels.keys() - {"default", "kube-system"}:
        metadata = {"name": namespace, "labels": labels[namespace]}
        applied(stack, api, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    for policy in found:
        applied(stack, api, policy)
    placed = {}
    for name, one in known.items():
        manifest = pod(f"pod-{name.replace(' ', '-')}", one)
        account = api.path("v1", "ServiceAccount", "default", one.namespace)
        wait(lambda account=account: api.get_path(account), SECONDS)
        applied(stack, api, manifest)
        path = api.path_of(manifest)
        ip = wait(lambda path=path: api.get_path(path)["status"].get("podIP"), SECONDS)
        placed[name] = (one.namespace, manifest["metadata"]["name"], ip)
    return placed


def _resources(api):
    with contextlib.suppress(Exception):  # the group isn't served yet
        return api.request("GET", "/apis/crd.projectcalico.org/v1")
    return {}


def test_a_kernel_that_enforces_the_policies_agrees_with_the_table(stack, program, cluster, policies, tmp_path):
    if not cluster.simulated:
        pytest.skip("pods that really run have a network of their own")
    placed = declared(stack, cluster.api, program, policies(size="ha"))
    # kwok gives pods addresses of 10.0.0.0/24: the table's node lives elsewhere here.
    outside = {name: one.ip for name, one in table.PODS.items() if isinstance(one, Address) and not _ipv6(name)}
    outside["node"] = "10.99.0.7"
    questions = expected()
    ports = sorted({port for _, _, port, _ in questions})
    network = dataplane.Network(stack, pods=placed, addresses=outside, ports=ports)
    # Without policies everybody is heard: no refusal below is for want of a way.
    assert [question for question, heard in network.ask(questions).items() if not heard] == []

    kubeconfig = json.dumps(yaml.safe_load(cluster.kubeconfig.read_text()))
    process = network.guard(program / "calico-felix", kubeconfig, NODE, tmp_path / "felix.log")
    wait(lambda: process.poll() is not None or not network.ask([REFUSED_FIRST])[REFUSED_FIRST], SECONDS)
    assert process.poll() is None, (tmp_path / "felix.log").read_text()[-2000:]
    deadline = time.monotonic() + SECONDS
    while (wrong := differing(network.ask(questions), questions)) and time.monotonic() < deadline:
        time.sleep(1)  # the last endpoints get their rules a moment after the first
    assert wrong == {}


def differing(answers, questions):
    return {question: heard for question, heard in answers.items() if heard is not questions[question]}
