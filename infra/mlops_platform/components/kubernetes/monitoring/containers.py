"""What the workloads of monitoring have in common beside what all pods of ours do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from mlops_platform.components.kubernetes.cluster import Cluster

# No pod is handed a token unless it says so itself, nor variables that are named after Services: some of these programs
# read variables that begin with their own name.
POD: dict[str, Any] = {"automount_service_account_token": False, "enable_service_links": False}
CONTENT_ANNOTATION = "seedbed/content"
_DIGEST_LENGTH = 16


def content(*documents: str | Mapping[str, str]) -> dict[str, str]:
    """An annotation of a pod that changes with the files it mounts: so a changed file starts new pods, one by one."""
    digest = hashlib.sha256()
    for document in documents:
        entries = document.items() if isinstance(document, Mapping) else [("", document)]
        for name, text in sorted(entries):
            # Lengths keep the end of one apart from the start of the next.
            digest.update(f"{len(name)}:{len(text)}:{name}{text}".encode())
    return {CONTENT_ANNOTATION: digest.hexdigest()[:_DIGEST_LENGTH]}


def files(documents: Mapping[str, str]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """A folder as the data of a ConfigMap, whose keys have no slashes, and the items that give the paths back."""
    keys = {path: path.replace("/", "__") for path in documents}
    return {keys[path]: text for path, text in documents.items()}, [
        {"key": keys[path], "path": path} for path in documents
    ]


def probes(path: str, alive: str, *, start_seconds: int, port: str = "http") -> dict[str, Any]:
    """Probes of a container over HTTP.

    Args:
        path: answers 200 when it can serve.
        alive: answers 200 while it works.
        start_seconds: how long its start may take.
        port: name of its port.
    """
    period = 5
    started = {"http_get": {"path": alive, "port": port}, "period_seconds": period}
    return {
        "startup_probe": {**started, "failure_threshold": -(-start_seconds // period)},
        "readiness_probe": {"http_get": {"path": path, "port": port}, "period_seconds": 10, "timeout_seconds": 3},
        "liveness_probe": {
            "http_get": {"path": alive, "port": port},
            "period_seconds": 15,
            "timeout_seconds": 5,
            "failure_threshold": 4,
        },
    }


def claim(cluster: Cluster, component: str, name: str) -> dict[str, Any]:
    """The template of a volume for each pod of a component, as large as the environment's size says."""
    return {"metadata": cluster.metadata(name, component), "spec": cluster.claim(component)}


def service(cluster: Cluster, component: str, port: int, **spec: Any) -> dict[str, Any]:
    """The specification of a component's Service, whose port has the name that its pods give it.

    Pulumi waits until a Service has pods that are ready, so nothing that makes pods may wait for the Service.
    """
    ports = [{"name": "http", "port": port, "target_port": "http"}]
    return {"selector": cluster.selector(component), "ports": ports, **spec}
