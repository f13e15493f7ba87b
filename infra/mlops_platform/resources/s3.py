"""The few S3 calls that buckets need, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from mlops_platform.errors import PlatformError

ENABLED = "Enabled"
_BATCH = 1000  # the most that one request may delete
_ABSENT = {"NoSuchBucket", "404"}
_SHOWN = 3
_CONNECT_SECONDS, _READ_SECONDS = 5, 30


def connect(props: Mapping[str, Any]) -> Any:
    """A client for the store at `endpoint`, with none of the person's own AWS settings in it."""
    # Half a second that an operation without buckets doesn't need to spend.
    import boto3
    import botocore.session
    from botocore.config import Config

    unset = (None, None, None, None)
    own = botocore.session.Session(
        {"profile": unset, "config_file": unset, "credentials_file": unset, "ca_bundle": unset}
    )
    return boto3.session.Session(botocore_session=own).client(
        "s3",
        endpoint_url=props["endpoint"],
        region_name=props["region"],
        aws_access_key_id=props["access_key"],
        aws_secret_access_key=props["secret_key"],
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )


def ensure_bucket(client: Any, bucket: str) -> None:
    """Make a bucket with versioning; one that is there already, and ours, will do.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with _explained(client, bucket):
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": ENABLED})


def versioning(client: Any, bucket: str) -> str | None:
    """The state of a bucket's versioning, empty if it never was on; None if there is no such bucket.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with _explained(client, bucket):
        try:
            return str(client.get_bucket_versioning(Bucket=bucket).get("Status", ""))
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise


def refuse_unless_empty(client: Any, bucket: str) -> None:
    """Stop what would take a bucket's objects with it.

    Raises:
        PlatformError: it holds objects; or the store doesn't answer or refuses.
    """
    with _explained(client, bucket):
        if versioning(client, bucket) is not None and _versions(client, bucket):
            raise PlatformError(
                f"Bucket {bucket} holds objects, and would be deleted since its name is to change",
                "Keep the name (configuration `project`), or take the environment and its objects down, and up again.",
            )


def delete_bucket(client: Any, bucket: str) -> None:
    """Delete a bucket with everything in it; one that isn't there is as good as deleted.

    Raises:
        PlatformError: the store doesn't answer or refuses.
    """
    with _explained(client, bucket):
        if versioning(client, bucket) is None:
            return
        _abort_uploads(client, bucket)
        _delete_versions(client, bucket)
        client.delete_bucket(Bucket=bucket)


def _delete_versions(client: Any, bucket: str) -> None:
    """Always from the front: what is deleted while a listing goes on can't upset the next page."""
    previous: list[dict[str, str]] = []
    while batch := _versions(client, bucket):
        if batch == previous:
            raise PlatformError(
                f"Bucket {bucket} says that its objects were deleted, and still lists them",
                "Run the command again; the store's log in the environment's folder says more.",
            )
        errors = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True}).get("Errors", [])
        if errors:
            shown = "; ".join(f"{error.get('Key')}: {error.get('Message')}" for error in errors[:_SHOWN])
            raise PlatformError(
                f"{len(errors)} objects of bucket {bucket} can't be deleted: {shown}",
                "See why the store refuses (its log is in the environment's folder), and run the command again.",
            )
        previous = batch


def _versions(client: Any, bucket: str) -> list[dict[str, str]]:
    page = client.list_object_versions(Bucket=bucket, MaxKeys=_BATCH)
    entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]


def _abort_uploads(client: Any, bucket: str) -> None:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


@contextmanager
def _explained(client: Any, bucket: str) -> Iterator[None]:
    from botocore import exceptions

    endpoint = client.meta.endpoint_url
    try:
        yield
    except exceptions.ClientError as error:
        reason = error.response["Error"]
        raise PlatformError(
            f"The store at {endpoint} refuses to work on bucket {bucket}: {reason['Code']}, {reason.get('Message')}",
            "See the store's log in the environment's folder. If another program has its port, stop that, and run up.",
        ) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise PlatformError(
            f"The store at {endpoint} doesn't answer, so bucket {bucket} can't be worked on: {error}",
            "Run the command again; if it stays like that, stop the store's process, and `up` starts it anew.",
        ) from error
    except exceptions.BotoCoreError as error:
        raise PlatformError(
            f"Bucket {bucket}: {error}", "Correct what it complains about and run the command again."
        ) from error
