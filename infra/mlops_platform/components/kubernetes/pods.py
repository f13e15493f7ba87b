"""What all pods of ours have in common, so that each meets the `restricted` Pod Security Standard."""

from __future__ import annotations

from typing import Any

from mlops_platform.components.kubernetes.sizes import Workload

# The files of these images belong to nobody in particular: any number will do that isn't root's.
USER = 10001
CONTAINER_SECURITY: dict[str, Any] = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def security(user: int = USER) -> dict[str, Any]:
    """The security context of a pod, whose volumes belong to the same number as its processes."""
    return {
        "run_as_non_root": True,
        "run_as_user": user,
        "run_as_group": user,
        "fs_group": user,
        "fs_group_change_policy": "OnRootMismatch",
        "seccomp_profile": {"type": "RuntimeDefault"},
    }


def resources(workload: Workload) -> dict[str, Any]:
    """What a container asks for."""
    return {"requests": {"cpu": workload.cpu, "memory": workload.memory}, "limits": {"memory": workload.memory}}


def scratch(name: str, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A folder that a container may write to though its root is read-only: the volume and its mount."""
    return {"name": name, "empty_dir": {"size_limit": "256Mi"}}, {"name": name, "mount_path": path}
