"""The registry's program in a cluster: its configuration, its pods, its Service."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pulumi

from mlops_platform.components.kubernetes import availability, ingress, layout, pods
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.store.consumers import IMAGES

COMPONENT = "registry"
PORT = layout.PORTS[COMPONENT]
FILES, CONFIGURATION, ACCOUNTS, AUTHORITY = "/etc/registry", "config.yml", "htpasswd", "ca.crt"
VOLUME = "/var/lib/registry"
# How images are kept on the pod's own volume.
VOLUME_DRIVER: dict[str, Any] = {"filesystem": {"rootdirectory": VOLUME}}
_STOP_SECONDS = 60


def configuration(shared: str, place: dict[str, Any]) -> str:
    """The registry's configuration; JSON, which its YAML parser reads too.

    Args:
        shared: secret with which pods sign what a client carries from one of them to the next.
        place: storage driver → its parameters.
    """
    content = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            **place,
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
            # Nodes can't follow a redirect to the store, which has a name only inside the cluster.
            "redirect": {"disable": True},
            "maintenance": {"uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False}},
        },
        "auth": {"htpasswd": {"realm": "registry", "path": f"{FILES}/{ACCOUNTS}"}},
        "http": {
            "addr": f":{PORT}",
            "secret": shared,
            # Behind an Ingress, whose TLS it doesn't see, it must not tell clients to go on without.
            "relativeurls": True,
            "headers": {"X-Content-Type-Options": ["nosniff"]},
        },
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }
    return json.dumps(content, indent=2)


def store_driver(*, endpoint: str, region: str, bucket: str, access_key: str, secret_key: str) -> dict[str, Any]:
    """The storage driver for images in the object store.

    Args:
        endpoint: URL of the store; empty for AWS.
        region: with which requests are signed.
        bucket: for artifacts.
        access_key: key id of the consumer `registry`.
        secret_key: its secret.
    """
    elsewhere = {"regionendpoint": endpoint, "forcepathstyle": True} if endpoint else {}
    return {
        "s3": {
            "region": region,
            "bucket": bucket,
            "rootdirectory": f"/{IMAGES}",
            "accesskey": access_key,
            "secretkey": secret_key,
            "secure": not endpoint.startswith("http://"),
            **elsewhere,
        }
    }


def service(cluster: Cluster) -> dict[str, Any]:
    """The spec of the Service: a port of every node, unless there is a public name."""
    port: dict[str, Any] = {"name": "registry", "port": PORT, "target_port": "registry"}
    if ingress.url(cluster.settings, ingress.REGISTRY):
        return {"selector": cluster.selector(COMPONENT), "ports": [port]}
    # On every node, whichever of them the pod is on.
    port["node_port"] = cluster.options.registry_port
    return {"type": "NodePort", "selector": cluster.selector(COMPONENT), "ports": [port]}


def deployment(
    cluster: Cluster,
    account: pulumi.Output[str],
    configuration: pulumi.Output[str],
    *,
    several: bool,
    authority: bool,
) -> dict[str, Any]:
    """The spec of the Deployment.

    Args:
        cluster: where.
        account: of the pods.
        configuration: what the program reads when it starts.
        several: whether there may be several pods, since the images are in the object store.
        authority: whether the store's certificate is signed by an authority of its own.
    """
    # A registry reads its configuration when it starts, and its accounts whenever they change.
    fingerprint = configuration.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
    return {
        "replicas": cluster.workload(COMPONENT).replicas,
        # A volume has room for one pod.
        "strategy": {"type": "RollingUpdate" if several else "Recreate"},
        "selector": {"match_labels": cluster.selector(COMPONENT)},
        "template": {
            "metadata": {
                "labels": cluster.labels(COMPONENT),
                "annotations": {"seedbed/configuration": pulumi.Output.unsecret(fingerprint)},
            },
            "spec": {
                "service_account_name": account,
                "automount_service_account_token": False,
                "enable_service_links": False,
                "security_context": pods.security(),
                "termination_grace_period_seconds": _STOP_SECONDS,
                "topology_spread_constraints": availability.spread(cluster, COMPONENT),
                **_containers(cluster, several=several, authority=authority),
            },
        },
    }


def _containers(cluster: Cluster, *, several: bool, authority: bool) -> dict[str, Any]:
    scratch, scratch_mount = pods.scratch("temporary", "/tmp")  # noqa: S108 - of the container
    volumes = [scratch, {"name": "files", "secret": {"secret_name": COMPONENT, "default_mode": 0o440}}]
    mounts = [scratch_mount, {"name": "files", "mount_path": FILES, "read_only": True}]
    if not several:
        volumes.append({"name": "images", "persistent_volume_claim": {"claim_name": COMPONENT}})
        mounts.append({"name": "images", "mount_path": VOLUME})
    variables = {
        # It would look for a collector of traces.
        "OTEL_TRACES_EXPORTER": "none",
        **({"SSL_CERT_FILE": f"{FILES}/{AUTHORITY}"} if authority else {}),
    }
    # The one page that asks for no password.
    probe = {"http_get": {"path": "/", "port": "registry"}}
    container = {
        "name": COMPONENT,
        "image": cluster.image("registry"),
        "command": ["registry", "serve", f"{FILES}/{CONFIGURATION}"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [{"name": "registry", "container_port": PORT}],
        "startup_probe": {**probe, "period_seconds": 2, "failure_threshold": 60},
        "liveness_probe": {**probe, "period_seconds": 20, "timeout_seconds": 10},
        "readiness_probe": {**probe, "period_seconds": 5, "timeout_seconds": 5},
        "security_context": pods.CONTAINER_SECURITY,
        "resources": pods.resources(cluster.workload(COMPONENT)),
        "volume_mounts": mounts,
    }
    return {"containers": [container], "volumes": volumes}
