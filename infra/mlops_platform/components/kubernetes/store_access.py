"""How a pod reaches the object store: with keys of its own that open no more than it needs, or as who it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes.cluster import Cluster

_AUTHORITY_FILE = "ca.crt"
_AUTHORITY_FOLDER = "/etc/store"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class KeyedStore(Protocol):
    """What a store has to offer for this."""

    @property
    def endpoint(self) -> pulumi.Input[str]:
        """URL of the S3 API; a plain "" for AWS itself."""

    @property
    def region(self) -> str:
        """With which requests are signed."""

    @property
    def artifact_bucket(self) -> pulumi.Input[str]:
        """Bucket for artifacts."""

    @property
    def authority(self) -> pulumi.Output[str] | None:
        """Certificate authority, as PEM, that signed the store's certificate; None: a public one, or no TLS."""

    def keys(self, consumer: str) -> tuple[pulumi.Output[str], pulumi.Output[str]] | None:
        """Key id and secret of a consumer; None: its pods have an identity that the store knows, and no keys."""


@dataclass(frozen=True)
class StoreAccess:
    """What goes into the pod.

    Attributes:
        env: variables of the container.
        volumes: of the pod.
        mounts: of the container.
        annotations: of the pod, which change when the keys do: a pod reads its variables when it starts.
    """

    env: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    annotations: dict[str, pulumi.Output[str]]


def declare(
    parent: pulumi.Resource,
    *,
    cluster: Cluster,
    namespace: pulumi.Input[str],
    component: str,
    consumer: str,
    store: KeyedStore,
) -> StoreAccess:
    """Put a consumer's keys into its namespace.

    Args:
        parent: the component that they belong to.
        cluster: where.
        namespace: of the pod.
        component: whose pod it is; the objects are called `<component>-store`.
        consumer: whose keys, as the store knows it.
        store: the store.
    """
    name = f"{component}-store"
    metadata = cluster.metadata(name, component, namespace=namespace)
    env: list[dict[str, Any]] = [
        {"name": "AWS_DEFAULT_REGION", "value": store.region},
        # Without it, a client that was refused would go on to ask the node for its own keys.
        {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
    ]
    if store.endpoint != "":
        env.append({"name": "AWS_ENDPOINT_URL", "value": store.endpoint})
    annotations: dict[str, pulumi.Output[str]] = {}
    if (keys := store.keys(consumer)) is not None:
        values = dict(zip(_KEYS, keys, strict=True))
        secret = kubernetes.core.v1.Secret(name, metadata=metadata, string_data=values, opts=cluster.child(parent))
        env[:0] = [{"name": key, "value_from": {"secret_key_ref": {"name": name, "key": key}}} for key in _KEYS]
        # The server counts an object's versions: this one tells of another content, and nothing about it.
        annotations["seedbed/store-keys"] = secret.metadata.apply(_version)
    if store.authority is None:
        return StoreAccess(env, [], [], annotations)
    kubernetes.core.v1.ConfigMap(
        name, metadata=metadata, data={_AUTHORITY_FILE: store.authority}, opts=cluster.child(parent)
    )
    env.append({"name": "AWS_CA_BUNDLE", "value": f"{_AUTHORITY_FOLDER}/{_AUTHORITY_FILE}"})
    volume = {"name": "store-authority", "config_map": {"name": name}}
    mount = {"name": "store-authority", "mount_path": _AUTHORITY_FOLDER, "read_only": True}
    return StoreAccess(env, [volume], [mount], annotations)


def _version(metadata: Any) -> str:
    return metadata.get("resource_version") or ""
