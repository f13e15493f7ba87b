"""How Prometheus finds what it scrapes in a cluster, for each of its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.cluster import COMPONENT_LABEL, ENVIRONMENT_LABEL, Cluster
from mlops_platform.components.kubernetes.layout import PORTS

MESH = "alertmanager-mesh"  # the headless Service by which each of Alertmanager's pods has a name

# The jobs that every project has; the others only if it has what they scrape.
ALWAYS = frozenset({"prometheus", "alertmanager", "pods"})
_WITH_JOBS = ("service", "drift", "retraining", "prometheus", "alertmanager")
_COMPONENT = "pod_label_app_kubernetes_io_component"


def jobs(cluster: Cluster, monitors: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The targets of each job; the project's rules ask for `up` by these names.

    Args:
        cluster: where Prometheus runs.
        monitors: those forms of the monitor that are there.
    """
    here = cluster.namespace(layout.MONITORING)
    return {
        # One target a pod: a Service's address would be another pod at each scrape.
        "serving": _pods(
            cluster,
            [layout.SERVING],
            f"{COMPONENT_LABEL}=service",
            _only("pod_container_port_number", str(PORTS["service"])),
        ),
        # By name, so that one that isn't there at all is noticed.
        "monitoring": _static([f"{name}.{here}.svc:{PORTS[name]}" for name in monitors]),
        "prometheus": _static([f"localhost:{PORTS['prometheus']}"]),
        "alertmanager": _static(alertmanagers(cluster)),
        "pods": _pods(
            cluster,
            layout.purposes(cluster.settings),
            "",
            _only("pod_annotation_prometheus_io_scrape", "true"),
            {**_only(_COMPONENT, "|".join(_WITH_JOBS)), "action": "drop"},
            {
                "source_labels": ["__address__", "__meta_kubernetes_pod_annotation_prometheus_io_port"],
                "regex": r"(\[.+\]|[^:]+)(?::\d+)?;(\d+)",
                "replacement": "$1:$2",
                "target_label": "__address__",
            },
            _copy("pod_annotation_prometheus_io_path", "__metrics_path__"),
            _copy(_COMPONENT, "component"),
        ),
    }


def alertmanagers(cluster: Cluster, port: int = PORTS["alertmanager"]) -> list[str]:
    """Each of Alertmanager's pods: all are told of an alert, and they agree on who passes it on."""
    here = cluster.namespace(layout.MONITORING)
    return [
        f"alertmanager-{number}.{MESH}.{here}.svc:{port}" for number in range(cluster.workload("alertmanager").replicas)
    ]


def _static(targets: list[str]) -> dict[str, Any]:
    return {"static_configs": [{"targets": targets}]}


def _pods(cluster: Cluster, purposes: Sequence[str], selector: str, *relabelling: dict[str, Any]) -> dict[str, Any]:
    """Pods of the environment. Their list is all that Prometheus has to be allowed to see."""
    environment = f"{ENVIRONMENT_LABEL}={cluster.environment}"
    return {
        "kubernetes_sd_configs": [
            {
                "role": "pod",
                "namespaces": {"names": [cluster.namespace(purpose) for purpose in purposes]},
                "selectors": [{"role": "pod", "label": ",".join(filter(None, (selector, environment)))}],
            }
        ],
        "relabel_configs": [
            # An evicted pod keeps its address, and would be taken for a service that is down.
            {**_only("pod_phase", "Succeeded|Failed"), "action": "drop"},
            *relabelling,
            _copy("pod_name", "instance"),
        ],
    }


def _only(label: str, values: str) -> dict[str, Any]:
    return {"source_labels": [f"__meta_kubernetes_{label}"], "regex": values, "action": "keep"}


def _copy(label: str, target: str) -> dict[str, Any]:
    return {"source_labels": [f"__meta_kubernetes_{label}"], "regex": "(.+)", "target_label": target}
