"""A versioned S3 bucket in the environment's own store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from mlops_platform.errors import PlatformError
from mlops_platform.resources import s3
from mlops_platform.resources.provider import Provider, expected
from mlops_platform.supervision import marks, service

_COMPARED = ("bucket", "endpoint", "region", "access_key", "secret_key", "home", "store")


class BucketProvider(Provider):
    """Makes, checks, empties and deletes the bucket.

    Its objects live in the folder of the store's process. Where that process is dead, nothing can be known of the
    bucket: it is taken to be as it was, and once the folder is gone, to be gone with it.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the bucket, or take on the one that an interrupted run has left; switch versioning on.

        Raises:
            PlatformError: the store doesn't answer or refuses.
        """
        s3.ensure_bucket(s3.connect(props), props["bucket"])
        return CreateResult(props["bucket"], {**props, "versioning": s3.ENABLED})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether the bucket is missing, isn't versioned, or is wanted elsewhere.

        Raises:
            PlatformError: a bucket that holds objects is to be renamed; or the store doesn't answer or refuses.
        """
        wanted = expected(olds, news)
        if olds["bucket"] != wanted["bucket"]:
            _refuse_to_lose_objects(olds)
            return DiffResult(changes=True, replaces=["bucket"])
        if any(olds[key] != wanted[key] for key in _COMPARED):
            return DiffResult(changes=True)
        if _is_store_dead(wanted):  # only a preview comes here: an update has repaired the store before
            return DiffResult(changes=False)
        return DiffResult(changes=s3.versioning(s3.connect(wanted), wanted["bucket"]) != s3.ENABLED)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Bring the bucket into the wanted state; its objects stay.

        Raises:
            PlatformError: the store doesn't answer or refuses.
        """
        return UpdateResult(self.create(news).outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What is true now.

        Raises:
            PlatformError: the store runs and doesn't answer or refuses, so that nothing can be said.
        """
        if _is_store_dead(props):
            exists = Path(props["home"], props["store"]).exists()
            return ReadResult(id_, dict(props)) if exists else ReadResult("", {})
        state = s3.versioning(s3.connect(props), props["bucket"])
        return ReadResult("", {}) if state is None else ReadResult(id_, {**props, "versioning": state})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete all objects with all their versions, unfinished uploads, and the bucket.

        With the store dead there is nobody to ask; its files go with the folder of its process.

        Raises:
            PlatformError: the store runs and doesn't answer or refuses.
        """
        if not _is_store_dead(props):
            s3.delete_bucket(s3.connect(props), props["bucket"])


class Bucket(Resource, module="mlops", name="Bucket"):
    """A bucket with versioning.

    Args:
        name: Pulumi name.
        bucket: its name in the store.
        endpoint: URL of the store.
        region: region with which requests are signed.
        access_key: key id.
        secret_key: the key's secret.
        home: folder of the environment.
        store: name of the store's process in that environment.
        opts: Pulumi options.
    """

    bucket: pulumi.Output[str]
    versioning: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        bucket: str,
        endpoint: pulumi.Input[str],
        region: str,
        access_key: pulumi.Input[str],
        secret_key: pulumi.Input[str],
        home: pulumi.Input[str],
        store: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "bucket": bucket,
            "endpoint": endpoint,
            "region": region,
            "access_key": access_key,
            "secret_key": secret_key,
            "home": home,
            "store": store,
        }
        super().__init__(BucketProvider(), name, {**inputs, "versioning": None}, opts)


def _is_store_dead(props: dict[str, Any]) -> bool:
    # Asked of the process and not of the port, which any other program may have taken since.
    home, store = Path(props["home"]), props["store"]
    return service.running(home, store) is None and not marks.find(home, store)


def _refuse_to_lose_objects(props: dict[str, Any]) -> None:
    if not _is_store_dead(props):
        s3.refuse_unless_empty(s3.connect(props), props["bucket"])
    elif Path(props["home"], props["store"]).exists():
        raise PlatformError(
            f"Bucket {props['bucket']} is to be renamed, and the store that could tell whether it is empty is dead",
            "Keep the name (configuration `project`) and run up, which repairs the store; then change it.",
        )
