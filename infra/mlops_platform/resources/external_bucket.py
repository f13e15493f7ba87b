"""A bucket in a store that somebody else runs: made for the environment and removed with it, or there before and kept.

A name alone doesn't tell whose a bucket is: another checkout of the same project may have made it. So a bucket that is
made here carries the environment's identity in an object, and one without it is never emptied or deleted.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from mlops_platform.errors import PlatformError
from mlops_platform.resources import s3
from mlops_platform.resources.provider import Provider, expected

MARK = ".seedbed-environment"
_COMPARED = ("existing", "endpoint", "region", "access_key", "secret_key")
_DEFAULT_REGION = "us-east-1"  # the one that S3 must not be told when a bucket is made there


class ExternalBucketProvider(Provider):
    """Makes, checks, empties and deletes what is the environment's, and only looks at what isn't."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the bucket with versioning, or take on the one that an interrupted run has made; find an existing one.

        Raises:
            PlatformError: the bucket is somebody else's, or isn't there; or the store doesn't answer or refuses.
        """
        client, bucket = s3.connect_external(props), props["bucket"]
        if props["existing"]:
            state = s3.versioning(client, bucket, s3.EXTERNAL)
            if state is None:
                raise _absent(props)
            return CreateResult(bucket, {**props, "versioning": state})
        _make(client, props)
        return CreateResult(bucket, {**props, "versioning": s3.ENABLED})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether the bucket is missing, isn't versioned as wanted, or another one is wanted.

        Raises:
            PlatformError: a bucket of the environment that holds objects is to be exchanged; or the store doesn't
                answer or refuses.
        """
        wanted = expected(olds, news)
        if olds["bucket"] != wanted["bucket"]:
            if not olds["existing"]:
                s3.refuse_unless_empty(s3.connect_external(olds), olds["bucket"], s3.EXTERNAL, but=MARK)
            return DiffResult(changes=True, replaces=["bucket"])
        if any(olds[key] != wanted[key] for key in _COMPARED):
            return DiffResult(changes=True)
        state = s3.versioning(s3.connect_external(wanted), wanted["bucket"], s3.EXTERNAL)
        return DiffResult(changes=state is None or (not wanted["existing"] and state != s3.ENABLED))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Bring the bucket into the wanted state, by the address and the keys that are wanted; its objects stay.

        Raises:
            PlatformError: another store was asked for, where the bucket isn't; or as for `create`.
        """
        if olds["endpoint"] != news["endpoint"]:
            client = s3.connect_external(news)
            if s3.versioning(client, news["bucket"], s3.EXTERNAL) is None:
                raise PlatformError(
                    f"Bucket {news['bucket']} is at {_place(olds)}, and there is none at {_place(news)}",
                    "An environment stays with its store: set s3_endpoint back, or take the environment down and up.",
                )
        return UpdateResult(self.create(news).outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is true now.

        Raises:
            PlatformError: the store doesn't answer or refuses, so that nothing can be said.
        """
        state = s3.versioning(s3.connect_external(props), props["bucket"], s3.EXTERNAL)
        return ReadResult("", {}) if state is None else ReadResult(id_, {**props, "versioning": state})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete a bucket of the environment with everything in it; leave one that was there before alone.

        Raises:
            PlatformError: a full bucket has lost its mark; or the store doesn't answer or refuses.
        """
        if props["existing"]:
            return
        client, bucket = s3.connect_external(props), props["bucket"]
        if s3.versioning(client, bucket, s3.EXTERNAL) is None:
            return
        owner = _owner(client, bucket)
        # One without a mark and without objects is what an interrupted deletion leaves.
        if owner != props["owner"] and (owner or s3.holds_objects(client, bucket, s3.EXTERNAL)):
            raise PlatformError(
                f"Bucket {bucket} no longer carries this environment's mark ({MARK}), and nothing in it was deleted",
                "If it shall stay, name it in seedbed.toml (data_bucket or artifact_bucket) and run up, then down."
                " Otherwise delete it, and run down again.",
            )
        s3.delete_bucket(client, bucket, s3.EXTERNAL, last=MARK)


class ExternalBucket(Resource, module="mlops", name="ExternalBucket"):
    """A bucket in a store elsewhere.

    Args:
        name: Pulumi name.
        bucket: its name in the store.
        existing: whether it is somebody else's, and only used.
        endpoint: URL of the store; empty for AWS.
        region: region with which requests are signed, and where the bucket is made.
        access_key: key id.
        secret_key: the key's secret.
        owner: identity of the environment, which a bucket made here carries.
        opts: Pulumi options.
    """

    bucket: pulumi.Output[str]
    versioning: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        bucket: str,
        existing: bool,
        endpoint: str,
        region: str,
        access_key: pulumi.Input[str],
        secret_key: pulumi.Input[str],
        owner: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "bucket": bucket,
            "existing": existing,
            "endpoint": endpoint,
            "region": region,
            "access_key": access_key,
            "secret_key": secret_key,
            "owner": owner,
        }
        super().__init__(ExternalBucketProvider(), name, {**inputs, "versioning": None}, opts)


def _make(client: Any, props: dict[str, Any]) -> None:
    bucket = props["bucket"]
    if s3.versioning(client, bucket, s3.EXTERNAL) is None:
        location: dict[str, Any] = {}
        if props["region"] != _DEFAULT_REGION:
            location = {"CreateBucketConfiguration": {"LocationConstraint": props["region"]}}
        with s3.explained(client, bucket, s3.EXTERNAL):
            client.create_bucket(Bucket=bucket, **location)
            client.put_object(Bucket=bucket, Key=MARK, Body=props["owner"].encode())
    elif _owner(client, bucket) != props["owner"]:
        raise PlatformError(
            f"Bucket {bucket} at {_place(props)} is there already, and not this environment's",
            "To use it as it is, name it in seedbed.toml (data_bucket or artifact_bucket): then it is never emptied"
            " or deleted. If nobody needs it, delete it and run up.",
        )
    with s3.explained(client, bucket, s3.EXTERNAL):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": s3.ENABLED})


def _owner(client: Any, bucket: str) -> str:
    """The identity that a bucket carries; empty if it carries none."""
    with s3.explained(client, bucket, s3.EXTERNAL):
        try:
            body: bytes = client.get_object(Bucket=bucket, Key=MARK)["Body"].read()
        except client.exceptions.NoSuchKey:
            return ""
        return body.decode(errors="replace")


def _absent(props: dict[str, Any]) -> PlatformError:
    return PlatformError(
        f"There is no bucket {props['bucket']} at {_place(props)}",
        "Make it, or correct its name in seedbed.toml (data_bucket, artifact_bucket); without a name, one is made.",
    )


def _place(props: dict[str, Any]) -> str:
    return props["endpoint"] or f"AWS in {props['region']}"
