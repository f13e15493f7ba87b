"""What keeps a component with several pods there while nodes fail, and while they are drained on purpose."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes.cluster import Cluster


def spread(cluster: Cluster, component: str) -> list[dict[str, Any]]:
    """A pod's wish to be on another node than its kind; no condition, for a small cluster has one node."""
    return [
        {
            "max_skew": 1,
            "topology_key": "kubernetes.io/hostname",
            "when_unsatisfiable": "ScheduleAnyway",
            "label_selector": {"match_labels": cluster.selector(component)},
        }
    ]


def disruption_budget(
    parent: pulumi.Resource, *, cluster: Cluster, namespace: pulumi.Input[str], component: str
) -> None:
    """Let a drain take one of a component's pods at a time.

    A component that has only one gets none: either the budget would stop every drain, or it would say nothing.
    """
    if cluster.workload(component).replicas == 1:
        return
    kubernetes.policy.v1.PodDisruptionBudget(
        component,
        metadata=cluster.metadata(component, component, namespace=namespace),
        spec={
            "selector": {"match_labels": cluster.selector(component)},
            "max_unavailable": 1,
            # Pods that aren't ready, such as those that wait for a first model, must not hold up a node.
            "unhealthy_pod_eviction_policy": "AlwaysAllow",
        },
        opts=cluster.child(parent),
    )
