"""Whether what an environment runs on a cluster is ready, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.leftovers import ENVIRONMENT_LABEL

Object = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or Job.

    Attributes:
        kind: of the object.
        namespace: where it is.
        name: of the object.
        ready: pods that are ready, or completed in a job.
        wanted: pods that shall be.
        healthy: whether it does what it is for.
        reason: why it does not.
    """

    kind: str
    namespace: str
    name: str
    ready: int
    wanted: int
    healthy: bool
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The workload as `--json` shows it."""
        return asdict(self)


def look(api: Api, environment: str, recorded: Iterable[tuple[str, str, str]]) -> list[Workload]:
    """Each workload that carries the environment's label, or that its state records.

    Args:
        api: of the cluster.
        environment: the value of the label.
        recorded: kind, namespace and name of the workloads in the state; those that are not there are unhealthy.
    """
    selector = f"{ENVIRONMENT_LABEL}={environment}"
    found: list[Workload] = []
    pods = list(api.items("/api/v1/pods", selector=selector))
    for kind, path, read in _KINDS:
        # A CronJob's own jobs come and go, and one that failed is followed by the next.
        items = (item for item in api.items(path, selector=selector) if not _is_scheduled(item))
        found += [read(kind, item, pods) for item in items]
    there = {(w.kind, w.namespace, w.name) for w in found}
    found += [
        Workload(*missing, 0, 1, healthy=False, reason="is gone from the cluster")
        for missing in recorded
        if missing not in there
    ]
    return sorted(found, key=lambda w: (w.namespace, w.kind, w.name))


def _is_scheduled(item: Object) -> bool:
    return any(owner["kind"] == "CronJob" for owner in item["metadata"].get("ownerReferences", ()))


def _replicated(kind: str, item: Object, pods: list[Object]) -> Workload:
    metadata, status = item["metadata"], item.get("status", {})
    wanted = int(item["spec"].get("replicas", 1))
    ready = int(status.get("readyReplicas", 0))
    current = int(status.get("observedGeneration", 0)) >= int(metadata.get("generation", 0))
    healthy = ready >= wanted and current
    reason = "" if healthy else _reason(item, pods)
    return Workload(kind, metadata["namespace"], metadata["name"], ready, wanted, healthy, reason)


def _job(kind: str, item: Object, pods: list[Object]) -> Workload:
    metadata, status = item["metadata"], item.get("status", {})
    wanted, done = int(item["spec"].get("completions", 1)), int(status.get("succeeded", 0))
    failed = next((c for c in status.get("conditions") or () if c["type"] == "Failed" and c["status"] == "True"), None)
    healthy = done >= wanted
    reason = "" if healthy else str(failed.get("message", "failed")) if failed else _reason(item, pods)
    return Workload(kind, metadata["namespace"], metadata["name"], done, wanted, healthy, reason)


_KINDS: list[tuple[str, str, Callable[[str, Object, list[Object]], Workload]]] = [
    ("Deployment", "/apis/apps/v1/deployments", _replicated),
    ("StatefulSet", "/apis/apps/v1/statefulsets", _replicated),
    ("Job", "/apis/batch/v1/jobs", _job),
]


def _reason(item: Object, pods: list[Object]) -> str:
    """What the first of its pods that isn't ready says, or what the workload itself does."""
    wanted = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        near = pod["metadata"]["namespace"] == item["metadata"]["namespace"]
        if near and wanted.items() <= labels.items() and (said := _pod_reason(pod)):
            return said
    for condition in item.get("status", {}).get("conditions") or ():
        # Quotas and admission refuse pods before there is one that could say so.
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message", "its pods are refused"))
    return "its pods are not ready yet"


def _pod_reason(pod: Object) -> str:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            detail = f": {waiting['message']}" if waiting.get("message") else ""
            return f"pod {name}: {waiting['reason']}{detail}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod {name} has no node: {condition.get('message', condition.get('reason', ''))}"
    if status.get("phase") == "Failed":
        return f"pod {name} failed: {status.get('message') or status.get('reason') or 'see its log'}"
    return ""
