"""Whether a cluster can take an environment: looked at in seconds, before anything is changed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seedbed.environments.cluster import rights, room
from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.demand import Demand
from seedbed.environments.cluster.errors import NotAllowedError
from seedbed.environments.cluster.finding import Finding
from seedbed.environments.cluster.kinds import WORKERS
from seedbed.environments.cluster.leftovers import ENVIRONMENT_LABEL

# The oldest that Kubeflow Pipelines 2.17 is tested on; our own objects are in APIs that are stable since 1.25.
OLDEST = (1, 29)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"


def look(api: Api, demand: Demand, environment: str, recorded_namespaces: Iterable[str] = ()) -> list[Finding]:
    """Everything that stands in the way, errors first.

    Args:
        api: of the cluster.
        demand: what the environment asks for.
        environment: the value of the label of its objects.
        recorded_namespaces: those that its state says are there; empty for an environment that isn't up.

    Raises:
        SeedbedError: the cluster stopped answering.
    """
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("the version", lambda: _version(api)),
        ("your rights", lambda: rights.check(api, demand)),
        ("whether the namespaces are free", lambda: _namespaces(api, demand, environment)),
        ("what the state records", lambda: _recorded(api, environment, recorded_namespaces)),
        ("whether there is another Kubeflow", lambda: _kubeflow(api, demand, environment)),
        ("the storage classes", lambda: _storage(api, demand)),
        ("the room on the nodes", lambda: _room(api, demand, environment)),
        ("whether the registry's node port is free", lambda: _node_port(api, demand, environment)),
        ("the ingress classes", lambda: _ingress(api, demand)),
        ("whether use is measured", lambda: _metrics(api, demand)),
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = [finding for answer in pool.map(lambda check: _run(*check), checks) for finding in answer]
    return sorted(found, key=lambda finding: finding.level)


def _run(title: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except NotAllowedError as error:
        found.append(Finding("warning", f"Not checked, {title}: {error.said}", "It may be all right"))
    return found


def _version(api: Api) -> Iterator[Finding]:
    version = api.get("/version")
    # Some providers write the minor version as "30+".
    numbers = tuple(int(re.sub(r"\D", "", version[part]) or 0) for part in ("major", "minor"))
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding(
            "error",
            f"The cluster runs Kubernetes {version['gitVersion']}, and the oldest that works is {oldest}",
            "Upgrade the cluster, or use another one",
        )


def _owner(found: dict[str, Any]) -> str:
    return str((found["metadata"].get("labels") or {}).get(ENVIRONMENT_LABEL, ""))


def _namespaces(api: Api, demand: Demand, environment: str) -> Iterator[Finding]:
    for name in demand.namespaces:
        if (found := api.find(f"/api/v1/namespaces/{name}")) is None:
            continue
        if found["metadata"].get("deletionTimestamp"):
            yield Finding(
                "error",
                f"Namespace {name} is still being deleted",
                f"Wait for it; if it stays, `kubectl get namespace {name} -o yaml` names what it waits for",
            )
        elif (owner := _owner(found)) != environment:
            whose = f"belongs to another environment, {owner}" if owner else "was not made by seedbed"
            yield Finding(
                "error",
                f"The cluster has a namespace {name} already, which {whose}",
                "Remove it if nobody needs it, or give the project or the environment another name",
            )


def _recorded(api: Api, environment: str, namespaces: Iterable[str]) -> Iterator[Finding]:
    gone = [name for name in namespaces if api.find(f"/api/v1/namespaces/{name}") is None]
    if gone:
        name = environment.rpartition(".")[2]
        yield Finding(
            "error",
            f"The state records namespaces that the cluster does not have: {', '.join(gone)}."
            " They were deleted by hand, or the cluster was made anew",
            f"Run `seedbed refresh {name}`, which records what is there, and then `seedbed up {name}`",
        )


def _kubeflow(api: Api, demand: Demand, environment: str) -> Iterator[Finding]:
    if not demand.kubeflow_namespace:
        return
    instead = 'Use it with pipelines_host, leave pipelines out with pipelines = "none", or use another cluster'
    namespace = api.find(f"/api/v1/namespaces/{demand.kubeflow_namespace}")
    if namespace is not None and (owner := _owner(namespace)) != environment:
        whose = f" of environment {owner}" if owner else ", which seedbed did not make"
        yield Finding("error", f"The cluster has a namespace {demand.kubeflow_namespace} already{whose}", instead)
        return
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    there = {item["metadata"]["name"]: _owner(item) for item in api.items(path, whole=False)}
    foreign = [name for name in demand.definitions if there.get(name, environment) != environment]
    if foreign:
        yield Finding(
            "error",
            "The cluster has custom resource definitions of Kubeflow or Argo already, and not from this environment: "
            + ", ".join(foreign),
            instead,
        )


def _storage(api: Api, demand: Demand) -> Iterator[Finding]:
    if not any(workload.storage for workload in demand.workloads):
        return
    classes = {
        item["metadata"]["name"]: item["metadata"] for item in api.items("/apis/storage.k8s.io/v1/storageclasses")
    }
    known = f"It has: {', '.join(sorted(classes))}" if classes else "It has none: install a provisioner of volumes"
    if demand.storage_class:
        if demand.storage_class not in classes:
            yield Finding("error", f"The cluster has no storage class '{demand.storage_class}'", known)
    elif not any((m.get("annotations") or {}).get(_DEFAULT_CLASS) == "true" for m in classes.values()):
        what = f"{known}, which you can name as storage_class" if classes else known
        yield Finding("error", "The cluster has no default storage class, and the environment needs volumes", what)


def _room(api: Api, demand: Demand, environment: str) -> Iterator[Finding]:
    left = room.free(api.items("/api/v1/nodes"), api.items("/api/v1/pods"), without=environment)
    if not (short := room.shortage(left, demand.workloads)):
        return
    if _grows(api):
        yield Finding(
            "warning", f"The cluster is too small now: {short}", "It adds nodes by itself, which takes minutes"
        )
    else:
        yield Finding(
            "error",
            f"The cluster is too small: {short}",
            'Add a node, choose a smaller size, or leave Kubeflow out with pipelines = "none"',
        )


def _grows(api: Api) -> bool:
    """Whether the cluster adds nodes when pods need them: Karpenter, which EKS Auto Mode is too, or the autoscaler."""
    if any(group["name"] in {"karpenter.sh", "eks.amazonaws.com"} for group in api.get("/apis").get("groups", ())):
        return True
    with contextlib.suppress(NotAllowedError):
        return api.find("/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status") is not None
    return False


def _node_port(api: Api, demand: Demand, environment: str) -> Iterator[Finding]:
    if not demand.node_port:
        return
    for service in api.items("/api/v1/services"):
        ports = {port.get("nodePort") for port in service["spec"].get("ports") or ()}
        if demand.node_port in ports and _owner(service) != environment:
            holder = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            yield Finding(
                "error",
                f"Node port {demand.node_port}, which the registry needs, is taken by service {holder}",
                "Set registry_port to another, from 30000 to 32767",
            )


def _ingress(api: Api, demand: Demand) -> Iterator[Finding]:
    if not demand.ingress:
        return
    classes = {i["metadata"]["name"]: i["metadata"] for i in api.items("/apis/networking.k8s.io/v1/ingressclasses")}
    known = f"It has: {', '.join(sorted(classes))}" if classes else "It has none: install an ingress controller"
    if demand.ingress_class and demand.ingress_class not in classes:
        yield Finding("error", f"The cluster has no ingress class '{demand.ingress_class}'", known)
    default = any((m.get("annotations") or {}).get(_DEFAULT_INGRESS) == "true" for m in classes.values())
    if not demand.ingress_class and not default:
        what = f"{known}, which you can name as ingress_class" if classes else known
        yield Finding("error", "The cluster has no default ingress class, and domain asks for an Ingress", what)
    issuer = demand.cluster_issuer
    if issuer and api.find(f"/apis/cert-manager.io/v1/clusterissuers/{issuer}") is None:
        yield Finding(
            "error",
            f"The cluster has no ClusterIssuer '{issuer}'",
            "Install cert-manager and create it, or name another",
        )


def _metrics(api: Api, demand: Demand) -> Iterator[Finding]:
    if demand.scales and api.find("/apis/metrics.k8s.io/v1beta1") is None:
        yield Finding(
            "warning",
            "The cluster measures no CPU use, so the model service won't scale with its load",
            "Install metrics-server; nothing of the environment changes with it",
        )
