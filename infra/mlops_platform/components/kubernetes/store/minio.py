"""MinIO, or a fork of it, as the S3 server in a cluster."""

from __future__ import annotations

from typing import Any

import pulumi

from mlops_platform.components.kubernetes import pods
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.store.server import (
    AUTHORITY_KEY,
    CERTIFICATE_KEY,
    COMPONENT,
    DATA,
    PEERS,
    PORT,
    PRIVATE_KEY,
    ROOT,
    Program,
    mounted,
)

_CLAIM = "minio"
_CERTIFICATES, _ROOT = "/etc/minio/certs", "/etc/minio/root"
# Several pods don't start together with one of another version, or with other variables or addresses: each waits for
# peers that are like itself.
_ALL_AT_ONCE = ("image", "args", "env")
_START_PERIOD, _STARTS = 5, 60


def image(cluster: Cluster) -> str:
    """The image that the settings name, or the pinned one. It must bring MinIO's client `mc` too."""
    return cluster.options.store_image or cluster.image("minio")


def program(cluster: Cluster, *, region: str, namespace: pulumi.Input[str], tls: str) -> Program:
    """How MinIO runs: one pod, or several that share each object out in an erasure code, so that one may fail.

    Args:
        cluster: where.
        region: that it calls its own.
        namespace: that it is put into.
        tls: name of the Secret with its certificate; empty: it speaks plain HTTP.
    """
    replicas = cluster.workload(COMPONENT).replicas
    scratch, scratch_mount = pods.scratch("temporary", "/tmp")  # noqa: S108 - of the container
    volumes: list[dict[str, Any]] = [scratch, {"name": "root", **mounted(ROOT)}]
    mounts = [
        scratch_mount,
        {"name": _CLAIM, "mount_path": DATA},
        {"name": "root", "mount_path": _ROOT, "read_only": True},
    ]
    if tls:
        # Under the names that it looks for. It reads a renewed certificate by itself.
        files = {CERTIFICATE_KEY: "public.crt", PRIVATE_KEY: "private.key", AUTHORITY_KEY: "CAs/ca.crt"}
        source = {**mounted(tls)["secret"], "items": [{"key": key, "path": path} for key, path in files.items()]}
        volumes.append({"name": "certificates", "secret": source})
        mounts.append({"name": "certificates", "mount_path": _CERTIFICATES, "read_only": True})
    variables = {
        "MINIO_ROOT_USER_FILE": f"{_ROOT}/user",
        "MINIO_ROOT_PASSWORD_FILE": f"{_ROOT}/password",
        "MINIO_SITE_REGION": region,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": "/tmp",  # noqa: S108 - of the container
    }
    scheme = "https" if tls else "http"
    drives: pulumi.Input[str] = DATA
    if replicas > 1:
        # Without the cluster's domain, which isn't everywhere the same: a pod's resolver adds it.
        host = f"{scheme}://{COMPONENT}-{{0...{replicas - 1}}}.{PEERS}."
        drives = pulumi.Output.concat(host, namespace, f".svc:{PORT}{DATA}")
    container = {
        "name": COMPONENT,
        "image": image(cluster),
        "args": ["server", f"--address=:{PORT}", f"--certs-dir={_CERTIFICATES}", drives],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": "s3", "container_port": PORT}],
        "startup_probe": {
            **_probe("live", scheme),
            "period_seconds": _START_PERIOD,
            "failure_threshold": _STARTS,
        },
        "liveness_probe": {**_probe("live", scheme), "period_seconds": 20, "timeout_seconds": 10},
        "readiness_probe": {**_probe("ready", scheme), "period_seconds": 5, "timeout_seconds": 5},
        "security_context": pods.CONTAINER_SECURITY,
        "resources": pods.resources(cluster.workload(COMPONENT)),
        "volume_mounts": mounts,
    }
    return Program(
        containers=[container],
        volumes=volumes,
        claim=_CLAIM,
        replicas=replicas,
        all_at_once=_ALL_AT_ONCE if replicas > 1 else (),
    )


def _probe(check: str, scheme: str) -> dict[str, Any]:
    return {"http_get": {"path": f"/minio/health/{check}", "port": "s3", "scheme": scheme.upper()}}
