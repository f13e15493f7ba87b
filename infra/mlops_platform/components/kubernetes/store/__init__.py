"""The object store of an environment on a cluster."""

from mlops_platform.components.kubernetes.store.cluster_store import ClusterStore

__all__ = ["ClusterStore"]
