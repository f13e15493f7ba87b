"""The container registry of an environment on a cluster."""

from mlops_platform.components.kubernetes.registry.registry import Registry

__all__ = ["Registry"]
