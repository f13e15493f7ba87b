"""Which object store an environment has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlops_platform.settings import values
from mlops_platform.settings.values import Get

STORES = ("seaweedfs", "minio", "s3")
_DEFAULTS = {"local": "seaweedfs", "kubernetes": "minio"}
_S3_KEYS = ("s3Endpoint", "s3Region", "dataBucket", "artifactBucket")  # what only a store elsewhere has
_DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Which object store an environment has.

    Attributes:
        kind: one of `STORES`: a part of the environment, or "s3" for one that somebody else runs.
        port: of a store's own process on loopback; 0 means any free one.
        endpoint: URL of a store elsewhere; empty for AWS.
        region: with which requests to a store elsewhere are signed.
        data_bucket: existing bucket for data in a store elsewhere; empty: one is made.
        artifact_bucket: existing bucket for artifacts in a store elsewhere; empty: one is made.
    """

    kind: str = STORES[0]
    port: int = 0
    endpoint: str = ""
    region: str = _DEFAULT_REGION
    data_bucket: str = ""
    artifact_bucket: str = ""


def on_aws(region: str) -> StoreSettings:
    """S3 itself, in buckets that the environment makes."""
    return StoreSettings(kind="s3", region=region)


def load(get: Get, *, target: str, port: int) -> StoreSettings:
    """Read and check what the configuration says of the store.

    Args:
        get: gives a key's value, or None when it isn't set.
        target: where the environment runs, which decides the default.
        port: of a store on this machine.

    Raises:
        PlatformError: a value is out of its range, or belongs to another kind of store.
    """
    kind = values.one_of(get, "store", STORES, _DEFAULTS[target])
    given = {key: value for key in _S3_KEYS if (value := get(key))}
    if kind != "s3":
        for key, value in given.items():
            raise values.refusal(key, value, f"is about a store elsewhere, and store is {kind}", "")
        return StoreSettings(kind=kind, port=port)
    if port:
        rule = "is the port of a store on this machine, and store is s3"
        raise values.refusal("s3Port", str(port), rule, "0")
    for key in ("dataBucket", "artifactBucket"):
        if key in given and not _BUCKET.fullmatch(given[key]):
            rule = "must be the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots"
            raise values.refusal(key, given[key], rule, "")
    region = given.get("s3Region", _DEFAULT_REGION)
    if not _REGION.fullmatch(region):
        raise values.refusal("s3Region", region, "is not the name of a region", _DEFAULT_REGION)
    return StoreSettings(
        kind=kind,
        endpoint=values.url(get, "s3Endpoint", empty="for AWS", example="https://s3.example.com"),
        region=region,
        data_bucket=given.get("dataBucket", ""),
        artifact_bucket=given.get("artifactBucket", ""),
    )
