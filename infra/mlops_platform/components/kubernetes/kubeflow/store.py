"""What Kubeflow has to know of the object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import pulumi
import yaml

from mlops_platform.components.kubernetes.store_access import KeyedStore
from mlops_platform.partitions import Partition

# Kubeflow looks for the keys in a secret of this name, and so do the pods that it makes.
KEYS_SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - a name
ACCESS_KEY, SECRET_KEY = "accesskey", "secretkey"
# Holds the certificate authority of a store that has its own.
AUTHORITY_SECRET, AUTHORITY_KEY = "store-authority", "ca.crt"
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PREFIX = "kubeflow"
_ARGO_KEYS = {"accessKeySecret": ACCESS_KEY, "secretKeySecret": SECRET_KEY}


class Store(KeyedStore, Protocol):
    """The environment's object store, as Kubeflow and its runs use it."""

    @property
    def data_bucket(self) -> pulumi.Input[str]:
        """Bucket for data."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where artifacts are kept.

    Attributes:
        host: of the API.
        port: of the API.
        secure: whether it speaks TLS.
        region: with which requests are signed.
        bucket: for artifacts.
    """

    host: str
    port: int
    secure: bool
    region: str
    bucket: str

    @classmethod
    def of(cls, endpoint: str, region: str, bucket: str) -> Place:
        """From an endpoint's URL; empty means AWS itself, where each region has a host of its own."""
        parts = urlsplit(endpoint or f"https://s3.{region}.{Partition.of(region).suffix}")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return cls(host=parts.hostname or "", port=port, secure=parts.scheme == "https", region=region, bucket=bucket)

    @property
    def address(self) -> str:
        """Host and port, without a port that goes without saying."""
        usual = _DEFAULT_PORTS["https" if self.secure else "http"]
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def root(self) -> str:
        """Where runs put their artifacts."""
        return f"s3://{self.bucket}/{_PREFIX}"


def providers(place: Place, *, keyed: bool) -> str:
    """How a run's launcher opens `s3://` paths, as the ConfigMap kfp-launcher has it.

    Source: kubeflow.org, "Object Store Configuration", and backend/src/v2/{config/s3.go,objectstore/object_store.go}:
    from its environment the launcher takes what AWS's own SDK finds there, such as the identity of its pod.

    Args:
        place: of the artifacts.
        keyed: whether there are keys; otherwise pods have identities.
    """
    reference = {"secretName": KEYS_SECRET, "accessKeyKey": ACCESS_KEY, "secretKeyKey": SECRET_KEY}
    opened = {
        "endpoint": place.address,
        "region": place.region,
        "disableSSL": not place.secure,
        "forcePathStyle": True,
        "credentials": {"fromEnv": False, "secretRef": reference} if keyed else {"fromEnv": True},
    }
    return yaml.safe_dump({"s3": {"default": opened}})


def artifact_repository(given: dict[str, Any], place: Place, *, keyed: bool, authority: bool) -> str:
    """Where Argo keeps the logs of pods: what is given, but in our store.

    Args:
        given: Kubeflow's own.
        place: of the artifacts.
        keyed: whether there are keys; otherwise pods have identities.
        authority: whether the store's certificate is signed by an authority of its own.
    """
    kept = {key: value for key, value in given.get("s3", {}).items() if key not in _ARGO_KEYS}
    kept |= (
        {key: {"name": KEYS_SECRET, "key": name} for key, name in _ARGO_KEYS.items()}
        if keyed
        else {"useSDKCreds": True}
    )
    kept |= {
        "endpoint": place.address,
        "bucket": place.bucket,
        "region": place.region,
        "insecure": not place.secure,
    }
    if authority:
        kept["caSecret"] = {"name": AUTHORITY_SECRET, "key": AUTHORITY_KEY}
    return yaml.safe_dump({**given, "s3": kept})
