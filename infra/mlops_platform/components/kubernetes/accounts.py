"""The accounts under which pods and CI are known to the API server."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes.cluster import Cluster


def declare(
    parent: pulumi.Resource, *, cluster: Cluster, component: str, namespace: pulumi.Input[str]
) -> pulumi.Output[str]:
    """An account of a component's own, that no token is mounted for: a pod that asks the API server says so itself.

    Args:
        parent: the component that it belongs to.
        cluster: where.
        component: whose it is, and its name.
        namespace: of the component's pods.

    Returns:
        Its name, which waits for it: no pod can be made before its account.
    """
    account = kubernetes.core.v1.ServiceAccount(
        component,
        metadata=cluster.metadata(component, component, namespace=namespace),
        automount_service_account_token=False,
        opts=cluster.child(parent),
    )
    name: pulumi.Output[str] = account.metadata["name"]
    return name
