"""Where the registry keeps its files: a folder, or a prefix in an S3 bucket.

Both can write an object on condition: only if it isn't there yet, or only if nobody changed it since it was
read. Two writers then never overwrite each other unnoticed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import s3
from .errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "registry"
# What a store answers when the condition of a write doesn't hold (412), or another write is under way (409).
LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
ABSENT = frozenset({"NoSuchKey", "404"})


class Stored(NamedTuple):
    """An object's content, and the tag that changes with it."""

    content: bytes
    tag: str


class Storage(Protocol):
    """A place for the registry's files. All raise RegistryError where it can't be reached or used."""

    def read(self, key: str) -> Stored | None:
        """Return an object, or None if it isn't there."""

    def write(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write an object if its tag is still `tag` (None: if it isn't there yet); say whether it was so."""

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whatever was there."""

    def names(self, prefix: str) -> list[str]:
        """Return the names of the objects directly below a prefix."""


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str) -> Stored | None:
        """Return a file, or None if it isn't there."""
        with self._errors():
            try:
                content = (self._path / key).read_bytes()
            except FileNotFoundError:
                return None
        return Stored(content, hashlib.sha256(content).hexdigest())

    def write(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write a file whose tag is still `tag`."""
        with self._errors(), self._alone():
            present = self.read(key)
            if (None if present is None else present.tag) != tag:
                return False
            self.put(key, content)
        return True

    def put(self, key: str, content: bytes) -> None:
        """Write a file, whatever was there; who reads it meanwhile sees the old one or the new one."""
        target = self._path / key
        with self._errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".unfinished-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(target)
            finally:
                Path(name).unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the files in a folder."""
        with self._errors():
            return [path.name for path in (self._path / prefix).glob("[!.]*")]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.mkdir(parents=True, exist_ok=True)
        with (self._path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise RegistryError(f"the registry in {self._path} can't be used: {reason}") from error


class Bucket:
    """A prefix in an S3 bucket. Endpoint, region and keys come from the environment (`AWS_…`)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._endpoint = s3.endpoint()
        self._client: Any = s3.connect()

    def read(self, key: str) -> Stored | None:
        """Return an object, or None if it isn't there."""
        with self._errors():
            try:
                found = self._client.get_object(**self._where(key))
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in ABSENT:
                    return None
                raise
            return Stored(found["Body"].read(), found["ETag"])

    def write(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write an object whose tag is still `tag`."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._errors():
            try:
                self._client.put_object(**self._where(key), Body=content, **condition)
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in LOST:
                    raise
                # When an answer got lost on its way, the repeated request meets what the first one wrote. If
                # it was another writer's, it was the same wish, and that came true.
                present = self.read(key)
                return present is not None and present.content == content
        return True

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whatever was there."""
        with self._errors():
            self._client.put_object(**self._where(key), Body=content)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the objects directly below a prefix."""
        start = f"{self._prefix}/{prefix}/"
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start, Delimiter="/"
            )
            return [item["Key"].removeprefix(start) for page in pages for item in page.get("Contents", ())]

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{key}"}

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            where = f"s3://{self._bucket}/{self._prefix} at {self._endpoint or 'AWS'}"
            hint = "is the store running, and are ARTIFACT_BUCKET, AWS_ENDPOINT_URL and the keys those of it?"
            raise RegistryError(f"the registry in {where} can't be used: {error}", hint) from error


def open_storage() -> Storage:
    """Return the storage in the environment's `ARTIFACT_BUCKET`, or in a folder of this project."""
    bucket = os.environ.get("ARTIFACT_BUCKET")
    return Bucket(bucket, FOLDER) if bucket else Folder(Path(FOLDER).resolve())
