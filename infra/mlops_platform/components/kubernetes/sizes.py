"""How much of everything an environment on a cluster gets, by its size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """One component's share.

    Attributes:
        cpu: cores kept free for each pod, in Kubernetes' units; there is no upper limit, so idle cores are used.
        memory: kept free for each pod, and the limit too: no pod is ever evicted for what another uses.
        storage: of each of its volumes; empty: it keeps nothing.
        replicas: how many pods.
        most: replicas up to which it is scaled under load.
    """

    cpu: str
    memory: str
    storage: str = ""
    replicas: int = 1
    most: int = 1


# pipelines: what the pods of Kubeflow's own manifests ask for together (theirs is the say), and the volume of runs.
# Beside SeaweedFS, in its pod: what carries out a bucket's lifecycle rules. One plans, and one works.
SEAWEEDFS_HELPERS = {"planner": Workload("10m", "192Mi"), "worker": Workload("10m", "192Mi")}

# small: a laptop's kind or minikube, 4 cores and 8 GiB with Kubeflow. standard: a small cluster. ha: a node may fail.
SIZES: dict[str, dict[str, Workload]] = {
    "small": {
        "store": Workload("100m", "512Mi", "20Gi"),
        "registry": Workload("50m", "128Mi", "10Gi"),
        "database": Workload("50m", "256Mi", "2Gi"),
        "tracking": Workload("100m", "1Gi"),
        "service": Workload("100m", "512Mi", most=2),
        "prometheus": Workload("100m", "512Mi", "5Gi"),
        "alertmanager": Workload("10m", "64Mi", "1Gi"),
        "grafana": Workload("50m", "384Mi"),
        "drift": Workload("100m", "1Gi"),
        "retraining": Workload("50m", "512Mi"),
        "setup": Workload("50m", "128Mi"),
        "pipelines": Workload("510m", "2070Mi", "10Gi"),
        "pipelines-database": Workload("100m", "1Gi", "5Gi"),
    },
    "standard": {
        "store": Workload("500m", "2Gi", "100Gi"),
        "registry": Workload("100m", "256Mi", "50Gi"),
        "database": Workload("250m", "1Gi", "10Gi"),
        "tracking": Workload("500m", "2Gi"),
        "service": Workload("250m", "1Gi", replicas=2, most=6),
        "prometheus": Workload("250m", "2Gi", "20Gi"),
        "alertmanager": Workload("20m", "128Mi", "1Gi"),
        "grafana": Workload("100m", "512Mi"),
        "drift": Workload("500m", "2Gi"),
        "retraining": Workload("50m", "512Mi"),
        "setup": Workload("50m", "128Mi"),
        "pipelines": Workload("510m", "2070Mi", "50Gi"),
        "pipelines-database": Workload("250m", "2Gi", "20Gi"),
    },
    "ha": {
        "store": Workload("1", "4Gi", "100Gi", replicas=4),
        "registry": Workload("100m", "256Mi", replicas=2),
        "database": Workload("500m", "2Gi", "20Gi"),
        "tracking": Workload("500m", "2Gi", replicas=2),
        "service": Workload("500m", "1Gi", replicas=3, most=12),
        "prometheus": Workload("500m", "4Gi", "50Gi", replicas=2),
        "alertmanager": Workload("50m", "128Mi", "1Gi", replicas=2),
        "grafana": Workload("100m", "512Mi"),
        "drift": Workload("1", "4Gi"),
        "retraining": Workload("50m", "512Mi"),
        "setup": Workload("50m", "128Mi"),
        "pipelines": Workload("510m", "2070Mi", "100Gi"),
        "pipelines-database": Workload("500m", "4Gi", "20Gi"),
    },
}
