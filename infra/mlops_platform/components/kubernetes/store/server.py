"""What every S3 server in a cluster has, whichever program it is: volumes, an address, an administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, availability, layout, pods
from mlops_platform.components.kubernetes.cluster import Cluster

COMPONENT = "store"
PORT = layout.PORTS[COMPONENT]
# Secrets: the administrator's name and password, and the certificate with its authority.
ROOT, TLS = "store-root", "store-tls"
AUTHORITY_KEY, CERTIFICATE_KEY, PRIVATE_KEY = "ca.crt", "tls.crt", "tls.key"
# The pods' own names below it: what makes one server of several finds the others there.
PEERS = "store-pods"
DATA = "/data"
_READABLE = 0o440
_STOP_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Server:
    """An S3 server as its clients see it.

    Attributes:
        endpoint: URL of the API.
        client_image: an image with MinIO's client, which sets it up.
        keeps_users: whether it keeps users itself; else they are in a file that it reads.
        tls: name of the Secret with its certificate; empty: it speaks plain HTTP.
        volume_ids: what changes when a volume is another one.
    """

    endpoint: pulumi.Input[str]
    client_image: str
    keeps_users: bool
    tls: str
    volume_ids: list[pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class Program:
    """How a program serves S3 in a pod.

    Attributes:
        containers: of the pod.
        volumes: of the pod, beside the one for data.
        claim: name of the claims for data, the program's own: another one must never find its files. Containers mount
            it by this name.
        replicas: how many pods, each with a volume.
        annotations: of the pod.
        all_at_once: changes of the first container with which old and new pods don't work together.
    """

    containers: Sequence[Mapping[str, Any]]
    volumes: Sequence[Mapping[str, Any]]
    claim: str
    replicas: int = 1
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    all_at_once: Sequence[str] = ()


def mounted(secret: str, *keys: str) -> dict[str, Any]:
    """The source of a volume with a Secret's files, or with some of them."""
    chosen = {"items": [{"key": key, "path": key} for key in keys]} if keys else {}
    return {"secret": {"secret_name": secret, "default_mode": _READABLE, **chosen}}


def run(
    parent: pulumi.Resource,
    *,
    cluster: Cluster,
    namespace: pulumi.Input[str],
    program: Program,
    after: list[pulumi.Resource],
) -> tuple[list[pulumi.Resource], list[pulumi.Output[str]]]:
    """Declare the Services, the volumes, and the pods with their account.

    Args:
        parent: the component that they belong to.
        cluster: where.
        namespace: that they are put into.
        program: what runs.
        after: what has to be there before.

    Returns:
        What a client has to wait for, and the identities of the volumes.
    """
    ports = [{"name": "s3", "port": PORT, "target_port": "s3"}]
    selector = cluster.selector(COMPONENT)
    account = accounts.declare(parent, cluster=cluster, component=COMPONENT, namespace=namespace)
    services = [
        kubernetes.core.v1.Service(
            name,
            metadata=cluster.metadata(name, COMPONENT, namespace=namespace, awaited=False),
            spec={"selector": selector, "ports": ports, **special},
            opts=cluster.child(parent, depends_on=after),
        )
        for name, special in (
            (COMPONENT, {}),
            # Its pods find each other through it before any of them is ready.
            (PEERS, {"cluster_ip": "None", "publish_not_ready_addresses": True}),
        )
    ]
    volumes = [
        _volume(parent, cluster, namespace, f"{program.claim}-{COMPONENT}-{number}", after)
        for number in range(program.replicas)
    ]
    server = kubernetes.apps.v1.StatefulSet(
        COMPONENT,
        metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
        spec=_stateful_set(cluster, program, account),
        opts=cluster.child(
            parent,
            # Not on the Service: that one is there for the engine when a pod behind it is ready.
            depends_on=[*after, *volumes],
            ignore_changes=["spec.volumeClaimTemplates"],
            replace_on_changes=[f"spec.template.spec.containers[0].{change}" for change in program.all_at_once],
            delete_before_replace=True,
        ),
    )
    if program.replicas > 1:
        availability.disruption_budget(parent, cluster=cluster, namespace=namespace, component=COMPONENT)
    return [*services, server], [volume.metadata.apply(_uid) for volume in volumes]


def _volume(
    parent: pulumi.Resource, cluster: Cluster, namespace: pulumi.Input[str], name: str, after: list[pulumi.Resource]
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A claim that the StatefulSet takes for its own, since it has the name that it would give one.

    So it is a resource of the stack: it can grow, its removal shows in a preview, and it goes with the environment.
    """
    return kubernetes.core.v1.PersistentVolumeClaim(
        name,
        # Where a volume is only made for a pod, waiting for it would be in vain: the pod waits for it.
        metadata=cluster.metadata(name, COMPONENT, namespace=namespace, awaited=False),
        spec=cluster.claim(COMPONENT),
        # A claim's class can't change: it would be exchanged for an empty one.
        opts=cluster.child(parent, depends_on=after, ignore_changes=["spec.storageClassName"]),
    )


def _stateful_set(cluster: Cluster, program: Program, account: pulumi.Output[str]) -> dict[str, Any]:
    return {
        "service_name": PEERS,
        "replicas": program.replicas,
        # None of several is ready before the others are there.
        "pod_management_policy": "Parallel",
        "selector": {"match_labels": cluster.selector(COMPONENT)},
        "template": {
            "metadata": {"labels": cluster.labels(COMPONENT), "annotations": dict(program.annotations)},
            "spec": {
                "service_account_name": account,
                "automount_service_account_token": False,
                "enable_service_links": False,
                "security_context": pods.security(),
                "termination_grace_period_seconds": _STOP_SECONDS,
                "topology_spread_constraints": availability.spread(cluster, COMPONENT),
                "containers": [dict(container) for container in program.containers],
                "volumes": [dict(volume) for volume in program.volumes],
            },
        },
        "volume_claim_templates": [
            {"metadata": cluster.metadata(program.claim, COMPONENT), "spec": cluster.claim(COMPONENT)},
        ],
    }


def _uid(metadata: Any) -> str:
    return str(metadata.get("uid") or "")
