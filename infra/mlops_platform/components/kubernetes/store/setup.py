"""The Job that makes the store's buckets and users."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, pods
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.store import consumers
from mlops_platform.components.kubernetes.store.server import AUTHORITY_KEY, ROOT, Server, mounted

_COMPONENT = "setup"
_NAME = "store-setup"
_SCRIPT = Path(__file__).with_name("setup.sh")
_TEMPORARY = "/tmp"  # noqa: S108 - of the container
_PLAN, _SECRETS, _USERS, _AUTHORITY = "/etc/store/plan", "/etc/store/root", "/etc/store/users", "/etc/store/authority"
# The store is there before the Job: this is for one that has only just begun to answer. A try that fails is made anew.
_STORE_SECONDS, _TRIES, _JOB_SECONDS = 240, 3, 900
# Old versions are the way back from a mistake: a month is enough to notice one. An upload that wasn't finished within
# a week never will be.
_LIFECYCLE = {
    "Rules": [
        {
            "ID": "tidy",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
    ]
}


def plan(buckets: Mapping[str, str]) -> dict[str, str]:
    """The files that the script works from, but for the secrets.

    Args:
        buckets: the names of the buckets for `consumers.DATA` and `consumers.ARTIFACT`.
    """
    return {
        "buckets": "".join(f"{bucket}\n" for bucket in buckets.values()),
        "lifecycle.json": json.dumps(_LIFECYCLE),
        "setup.sh": _SCRIPT.read_text(encoding="utf-8"),
        **{f"{name}.policy.json": json.dumps(consumers.policy(name, buckets)) for name in consumers.CONSUMERS},
    }


def declare(
    parent: pulumi.Resource,
    *,
    cluster: Cluster,
    namespace: pulumi.Input[str],
    server: Server,
    buckets: Mapping[str, str],
    users: Mapping[str, pulumi.Output[str]],
    after: list[pulumi.Resource],
) -> pulumi.Output[str]:
    """Declare the Job and what it reads.

    A Job can't be changed. Its pod carries a hash of everything that it was made from, and so it is made anew, and
    runs again, when a bucket, a policy, a password or a volume of the store is another one. It isn't removed when it
    has finished, for then it would be missed.

    Args:
        parent: the component that it belongs to.
        cluster: where.
        namespace: of the store.
        server: the store.
        buckets: as for `plan`.
        users: name → password.
        after: what has to be there before.

    Returns:
        The Job's name, which is known when it has succeeded.
    """
    files = plan(buckets)
    # Nothing that is a secret, and the same on every run.
    metadata = cluster.metadata(_NAME, _COMPONENT, namespace=namespace)
    configuration = kubernetes.core.v1.ConfigMap(_NAME, metadata=metadata, data=files, opts=cluster.child(parent))
    inputs: list[pulumi.Resource] = [configuration]
    if server.keeps_users:
        inputs.append(
            kubernetes.core.v1.Secret(_NAME, metadata=metadata, string_data=dict(users), opts=cluster.child(parent))
        )
    content = pulumi.Output.json_dumps([files, dict(users), server.volume_ids])
    fingerprint = pulumi.Output.unsecret(content.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()))
    account = accounts.declare(parent, cluster=cluster, component=_COMPONENT, namespace=namespace)
    job = kubernetes.batch.v1.Job(
        _NAME,
        metadata=metadata,
        spec={
            "backoff_limit": _TRIES,
            "active_deadline_seconds": _JOB_SECONDS,
            "template": {
                "metadata": {"labels": cluster.labels(_COMPONENT), "annotations": {"seedbed/content": fingerprint}},
                "spec": _pod(cluster, server, account),
            },
        },
        opts=cluster.child(
            parent,
            depends_on=[*after, *inputs],
            delete_before_replace=True,
            custom_timeouts=pulumi.CustomTimeouts(create=f"{_JOB_SECONDS + 60}s"),
        ),
    )
    name: pulumi.Output[str] = job.metadata["name"]
    return name


def _pod(cluster: Cluster, server: Server, account: pulumi.Output[str]) -> dict[str, Any]:
    volumes = {"plan": (_PLAN, {"config_map": {"name": _NAME}}), "root": (_SECRETS, mounted(ROOT))}
    variables = {
        "STORE_URL": server.endpoint,
        "STORE_PLAN": _PLAN,
        "STORE_SECRETS": _SECRETS,
        "STORE_SECONDS": str(_STORE_SECONDS),
        "MC_CONFIG_DIR": f"{_TEMPORARY}/mc",
        "HOME": _TEMPORARY,
    }
    if server.keeps_users:
        volumes["users"] = (_USERS, mounted(_NAME))
        variables["STORE_USERS"] = _USERS
    if server.tls:
        volumes["authority"] = (_AUTHORITY, mounted(server.tls, AUTHORITY_KEY))
        variables["STORE_AUTHORITY"] = f"{_AUTHORITY}/{AUTHORITY_KEY}"
    scratch, scratch_mount = pods.scratch("temporary", _TEMPORARY)
    return {
        "service_account_name": account,
        "automount_service_account_token": False,
        "enable_service_links": False,
        # Each try has a pod of its own, whose log stays.
        "restart_policy": "Never",
        "security_context": pods.security(),
        "containers": [
            {
                "name": _COMPONENT,
                "image": server.client_image,
                "command": ["/bin/sh", f"{_PLAN}/setup.sh"],
                "env": [{"name": name, "value": value} for name, value in variables.items()],
                "security_context": pods.CONTAINER_SECURITY,
                "resources": pods.resources(cluster.workload(_COMPONENT)),
                "volume_mounts": [
                    scratch_mount,
                    *({"name": name, "mount_path": path, "read_only": True} for name, (path, _) in volumes.items()),
                ],
            }
        ],
        "volumes": [scratch, *({"name": name, **source} for name, (_, source) in volumes.items())],
    }
