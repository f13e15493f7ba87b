"""SeaweedFS as the S3 server in a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pulumi

from mlops_platform.components.kubernetes import pods, quantities
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.sizes import SEAWEEDFS_HELPERS, Workload
from mlops_platform.components.kubernetes.store import consumers
from mlops_platform.components.kubernetes.store.server import (
    CERTIFICATE_KEY,
    COMPONENT,
    DATA,
    PORT,
    PRIVATE_KEY,
    Program,
    mounted,
)

IDENTITIES, IDENTITIES_KEY = "store-identities", "s3.json"
_CLAIM = "seaweedfs"
_IDENTITIES, _CERTIFICATES = "/etc/seaweedfs/identities", "/etc/seaweedfs/certs"
_HERE = "127.0.0.1"
_MASTER, _ADMIN = 9333, 23646
_START_PERIOD, _STARTS = 5, 60
_MEBIBYTE = 2**20
# Objects are packed into files of this size at most: small enough that each bucket has room for a few of them.
_FILES, _SMALLEST_FILE, _LARGEST_FILE = 200, 64, 1024


def identities(root: tuple[str, str], passwords: Mapping[str, str], buckets: Mapping[str, str]) -> str:
    """The server's file of users and their policies.

    Args:
        root: the administrator's name and password.
        passwords: of all other users.
        buckets: as for `consumers.policy`.
    """
    users: list[dict[str, Any]] = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": password}], "policyNames": [name]}
        for name, password in passwords.items()
    ]
    administrator = {
        "name": root[0],
        "credentials": [{"accessKey": root[0], "secretKey": root[1]}],
        "actions": ["Admin"],
    }
    policies = [{"name": name, "content": json.dumps(consumers.policy(name, buckets))} for name in passwords]
    return json.dumps({"identities": [administrator, *users], "policies": policies})


def arguments(cluster: Cluster, *, identities: str, data: str = ".", certificates: str = "") -> list[str]:
    """What the server is started with.

    All its parts but the S3 API ask nobody who they are, so only that one is reached from outside the pod.

    Args:
        cluster: where.
        identities: path of the file of users.
        data: folder for everything that it keeps.
        certificates: folder with the certificate and its key; empty: it speaks plain HTTP.
    """
    storage = quantities.size(cluster.workload(COMPONENT).storage) // _MEBIBYTE
    file_size = min(max(storage // _FILES, _SMALLEST_FILE), _LARGEST_FILE)
    flags = {
        "dir": data,
        "ip": _HERE,
        "ip.bind": _HERE,
        "master.port": str(_MASTER),
        "master.volumeSizeLimitMB": str(file_size),
        "master.telemetry": "false",
        "volume.max": "0",
        "volume.preStopSeconds": "1",
        "filer": "true",
        "s3": "true",
        "s3.ip.bind": "0.0.0.0",  # noqa: S104 - the API itself
        "s3.port": str(PORT),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.config": identities,
        # A bucket that isn't there is a mistake to be told about.
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
    }
    if certificates:
        flags |= {
            "s3.cert.file": f"{certificates}/{CERTIFICATE_KEY}",
            "s3.key.file": f"{certificates}/{PRIVATE_KEY}",
        }
    return ["-logtostderr=true", "server", *(f"-{name}={value}" for name, value in flags.items())]


def program(cluster: Cluster, *, users: pulumi.Output[str], tls: str) -> Program:
    """How SeaweedFS runs: one pod with one volume, in every size.

    Where its objects are is known to one server, which several pods would need a database for. A node that fails is an
    interruption then, and nothing is lost with it as long as its volume isn't.

    Args:
        cluster: where.
        users: the file of users, as `identities` gives it.
        tls: name of the Secret with its certificate; empty: it speaks plain HTTP.
    """
    scratch, scratch_mount = pods.scratch("temporary", "/tmp")  # noqa: S108 - of the container
    volumes: list[dict[str, Any]] = [scratch, {"name": "identities", **mounted(IDENTITIES)}]
    mounts = [
        scratch_mount,
        {"name": _CLAIM, "mount_path": DATA},
        {"name": "identities", "mount_path": _IDENTITIES, "read_only": True},
    ]
    if tls:
        volumes.append({"name": "certificates", **mounted(tls, CERTIFICATE_KEY, PRIVATE_KEY)})
        mounts.append({"name": "certificates", "mount_path": _CERTIFICATES, "read_only": True})
    health = {"http_get": {"path": "/healthz", "port": "s3", "scheme": "HTTPS" if tls else "HTTP"}}
    server = {
        **_container(
            cluster,
            COMPONENT,
            arguments(
                cluster,
                identities=f"{_IDENTITIES}/{IDENTITIES_KEY}",
                data=DATA,
                certificates=_CERTIFICATES if tls else "",
            ),
            cluster.workload(COMPONENT),
        ),
        # It starts with so many files for each bucket at once, and takes more as they are needed.
        "env": [{"name": "WEED_MASTER_VOLUME_GROWTH_COPY_1", "value": "1"}],
        "working_dir": DATA,
        "ports": [{"name": "s3", "container_port": PORT}],
        "startup_probe": {**health, "period_seconds": _START_PERIOD, "failure_threshold": _STARTS},
        "liveness_probe": {**health, "period_seconds": 20, "timeout_seconds": 10},
        "readiness_probe": {**health, "period_seconds": 5, "timeout_seconds": 5},
        "volume_mounts": mounts,
    }
    return Program(
        containers=[server, *_helpers(cluster, scratch_mount)],
        volumes=volumes,
        claim=_CLAIM,
        # It reads the file when it starts.
        annotations={"seedbed/identities": pulumi.Output.unsecret(users.apply(_digest))},
    )


def _helpers(cluster: Cluster, scratch: Mapping[str, Any]) -> list[dict[str, Any]]:
    arguments = {
        "planner": ["admin", f"-port={_ADMIN}", f"-ip={_HERE}", f"-master={_HERE}:{_MASTER}", "-dataDir=/tmp/admin"],
        "worker": ["worker", f"-admin={_HERE}:{_ADMIN}", "-jobType=s3_lifecycle", "-workingDir=/tmp"],
    }
    return [
        {**_container(cluster, name, ["-logtostderr=true", *arguments[name]], workload), "volume_mounts": [scratch]}
        for name, workload in SEAWEEDFS_HELPERS.items()
    ]


def _container(cluster: Cluster, name: str, arguments: list[str], workload: Workload) -> dict[str, Any]:
    return {
        "name": name,
        "image": cluster.image("seaweedfs"),
        # The image's own start script adds arguments.
        "command": ["weed"],
        "args": arguments,
        "security_context": pods.CONTAINER_SECURITY,
        "resources": pods.resources(workload),
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
