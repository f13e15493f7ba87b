"""Who uses the store, and what each may do there: one table, from which every store's users and policies are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from mlops_platform.components.kubernetes.service import PREDICTIONS
from mlops_platform.components.kubernetes.tracking import ARTIFACTS

DATA, ARTIFACT = "data", "artifacts"
# Below the artifact bucket's root. What the container registry keeps there runs in the cluster later: nobody else
# writes it. Models are kept by the project itself where there is no MLflow.
IMAGES, MODELS, REPORTS = "images", "registry", "monitoring"
PROJECT = "project"


class May(Flag):
    """What a consumer may do with objects. Nobody but the store's own administrator deletes an old version."""

    READ = auto()
    WRITE = auto()
    DELETE = auto()
    ALL = READ | WRITE | DELETE


@dataclass(frozen=True)
class Grant:
    """A right on a part of a bucket.

    Attributes:
        may: what.
        bucket: of `DATA` and `ARTIFACT`.
        folder: below its root; empty: all of it.
    """

    may: May
    bucket: str
    folder: str = ""


CONSUMERS: dict[str, tuple[Grant, ...]] = {
    # The team and its CI.
    PROJECT: (Grant(May.ALL, DATA), Grant(May.ALL, ARTIFACT)),
    "pipelines": (Grant(May.READ, DATA), Grant(May.ALL, ARTIFACT)),
    "tracking": (Grant(May.ALL, ARTIFACT, ARTIFACTS),),
    # It adds to its log, and can't even read it: whoever gets hold of its key learns nobody's features.
    "service": (Grant(May.READ, ARTIFACT, MODELS), Grant(May.WRITE, ARTIFACT, PREDICTIONS)),
    "monitoring": (
        Grant(May.READ, ARTIFACT, MODELS),
        Grant(May.READ, ARTIFACT, PREDICTIONS),
        Grant(May.READ | May.WRITE, ARTIFACT, REPORTS),
    ),
    "registry": (Grant(May.ALL, ARTIFACT, IMAGES),),
}
# What each means to an S3 store.
ACTIONS = {
    May.READ: ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging"),
    May.WRITE: (
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ),
    May.DELETE: ("s3:DeleteObject",),
}
LISTING = ("s3:ListBucket", "s3:ListBucketVersions")
ABOUT_BUCKET = ("s3:GetBucketLocation", "s3:GetBucketVersioning")
# MinIO knows no condition on it: who may see unfinished uploads sees them in the whole bucket.
UPLOADS = ("s3:ListBucketMultipartUploads",)


def policy(consumer: str, buckets: Mapping[str, str]) -> dict[str, Any]:
    """A consumer's rights as an IAM policy.

    Args:
        consumer: a key of `CONSUMERS`.
        buckets: the name of the bucket that is meant by `DATA` and by `ARTIFACT`.
    """
    statements: list[dict[str, Any]] = []
    for grant in CONSUMERS[consumer]:
        bucket = f"arn:aws:s3:::{buckets[grant.bucket]}"
        objects = f"{bucket}/{grant.folder}/*" if grant.folder else f"{bucket}/*"
        actions = [action for may, actions in ACTIONS.items() if may in grant.may for action in actions]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": [objects]})
        if May.DELETE in grant.may:
            # MinIO took one right for the other for years, where this one isn't refused outright.
            statements.append({"Effect": "Deny", "Action": ["s3:DeleteObjectVersion"], "Resource": [objects]})
        if May.READ in grant.may:
            folder = {"StringLike": {"s3:prefix": [grant.folder, f"{grant.folder}/*"]}}
            condition = {"Condition": folder} if grant.folder else {}
            statements.append({"Effect": "Allow", "Action": list(LISTING), "Resource": [bucket], **condition})
            if not grant.folder:
                statements.append({"Effect": "Allow", "Action": list(ABOUT_BUCKET), "Resource": [bucket]})
        if grant.may == May.ALL:
            statements.append({"Effect": "Allow", "Action": list(UPLOADS), "Resource": [bucket]})
        if grant.bucket == ARTIFACT and not grant.folder and May.WRITE in grant.may:
            images = {"Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": [f"{bucket}/{IMAGES}/*"]}
            statements.append({"Effect": "Deny", **images})
    return {"Version": "2012-10-17", "Statement": statements}
