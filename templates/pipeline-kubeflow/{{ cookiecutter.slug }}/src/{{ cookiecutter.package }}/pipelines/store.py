"""Where the pipeline gets its data: a DVC remote in an object store, or DVC's cache on the same machine.

Both hold DVC's layout: the listing of a tracked folder and each of its files lie under `files/md5/`, named by
their MD5. So a data version is enough to fetch exactly its bytes, without Git and without DVC, and everything
is checked against its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import yaml

from {{ cookiecutter.package }}.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
RECORD = Path("data/raw.dvc")
CACHE = Path(".dvc/cache")
PREFIX = "dvc"
LATEST = "latest"
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt; doubles with each one after it
CHUNK = 1 << 20
_VERSION = re.compile(r"[0-9a-f]{32}\.dir")
_MD5 = re.compile(r"[0-9a-f]{32}")


class Store(Protocol):
    """A place that holds DVC's layout."""

    name: str

    def chunks(self, key: str) -> Iterator[bytes]:
        """Give the content of an object, piece by piece.

        Raises:
            StoreError: it isn't there, or this place refuses us: asking again is of no use.
            OSError: the connection broke; asking again may help.
        """


class Folder:
    """A folder on this machine, such as DVC's cache."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def chunks(self, key: str) -> Iterator[bytes]:
        """Give the content of a file, piece by piece."""
        try:
            with (self._path / key).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise StoreError(f"{self.name} holds no {key}", "add the data first: make data FILE=…") from None


class Bucket:
    """A prefix in an S3 bucket. Endpoint, region and keys come from the environment (`AWS_…`)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        from boto3.session import Session
        from botocore.config import Config

        self._endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        self.name = f"s3://{bucket}/{prefix}"
        self._bucket, self._prefix = bucket, prefix
        # One attempt: `fetch` retries, because a body can break off long after boto is content.
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        )
        region = os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        # A session of its own: the shared one would keep the keys of whoever came first.
        self._client: Any = Session().client(
            "s3", endpoint_url=self._endpoint, region_name=region, config=config
        )

    def chunks(self, key: str) -> Iterator[bytes]:
        """Give the content of an object, piece by piece."""
        with _s3_errors(f"{self.name}/{key}", self._endpoint):
            body = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")["Body"]
            yield from body.iter_chunks(CHUNK)

    def publish(self, version: str) -> None:
        """Write down this version as the latest; same errors as `chunks`."""
        with _s3_errors(f"{self.name}/{object_key(version)}", self._endpoint):
            self._client.head_object(Bucket=self._bucket, Key=f"{self._prefix}/{object_key(version)}")
            self._client.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{LATEST}", Body=version.encode()
            )


class _s3_errors:  # noqa: N801 - a context manager, used like a function
    """Turn boto's errors into OSError where asking again may help, and into StoreError where not."""

    def __init__(self, name: str, endpoint: str | None) -> None:
        self._name = name
        self._where = endpoint or "AWS"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            CredentialRetrievalError,
            NoCredentialsError,
        )

        if isinstance(error, ClientError):
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:  # noqa: PLR2004
                raise StoreError(
                    f"{self._name} isn't in the store", "push the data first: make push"
                ) from error
            if 400 <= status < 500 and status not in {408, 429}:  # noqa: PLR2004
                hint = "are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY those of this environment?"
                raise StoreError(f"{self._where} refuses {self._name}: {error}", hint) from error
            raise OSError(str(error)) from error
        if isinstance(error, NoCredentialsError | CredentialRetrievalError):
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as `seedbed outputs` prints them"
            raise StoreError(f"no credentials for {self._name}", hint) from error
        if isinstance(error, BotoCoreError):
            raise OSError(str(error)) from error


def open_store(source: str = "") -> Store:
    """Return the store that a source names.

    Args: source: `s3://bucket/prefix`, a folder, or nothing for the environment's own: the DVC remote in
        `DATA_BUCKET` if that is set, else DVC's cache in this folder.

    Raises:
        StoreError: the source isn't of that form.
    """
    if not source:
        bucket = os.environ.get("DATA_BUCKET")
        source = f"s3://{bucket}/{PREFIX}" if bucket else str(CACHE)
    if not source.startswith("s3://"):
        return Folder(Path(source))
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket or not prefix:
        raise StoreError(f"{source!r} isn't of the form s3://bucket/prefix")
    return Bucket(bucket, prefix.rstrip("/"))


def recorded(record: Path = RECORD) -> str:
    """Return the data version that this commit records.

    Raises:
        DataError: there is no record, or it can't be read.
    """
    try:
        version = yaml.safe_load(record.read_text(encoding="utf-8"))["outs"][0]["md5"]
    except (OSError, yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{record} can't be read: {error}", "add data first: make data FILE=…") from error
    return check_version(str(version))


def resolve(store: Store, version: str) -> str:
    """Return the data version that a name stands for: itself, or what was published last for `latest`.

    Raises:
        StoreError: nothing was published, it isn't a version, or the store can't be reached.
    """
    if version == LATEST:
        version = (
            _patiently(store, LATEST, lambda: b"".join(store.chunks(LATEST))).decode(errors="replace").strip()
        )
    return check_version(version)


def publish(store: Store, version: str) -> None:
    """Say which data version is the latest, for runs that ask for it by that name.

    Raises:
        StoreError: the store is a folder, lacks the version, or can't be reached.
    """
    if not isinstance(store, Bucket):
        raise StoreError(
            f"{store.name} is no shared store", "set DATA_BUCKET, as `seedbed outputs` prints it"
        )
    _patiently(store, version, partial(store.publish, version))


def check_version(version: str) -> str:
    """Return the version if it has the form of one.

    Raises:
        StoreError: it hasn't.
    """
    if not _VERSION.fullmatch(version):
        raise StoreError(
            f"{version!r} isn't a data version", "it is the md5 in data/raw.dvc, such as 83589e8a….dir"
        )
    return version


def object_key(md5: str) -> str:
    """Return where DVC keeps the object with this MD5, below a remote or cache."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def fetch(store: Store, version: str, dest: Path) -> list[Path]:
    """Fetch a data version and check every byte of it.

    Args:
        store: from `open_store`.
        version: the MD5 of a tracked folder, such as `83589e8a….dir`.
        dest: made if it isn't there.

    Returns:
        The files, in the order of their names.

    Raises: StoreError: the store doesn't answer, lacks an object, or holds another content than the version
        names.
    """
    check_version(version)
    listing = _object(store, version, version.removesuffix(".dir"))
    files = []
    for entry in json.loads(listing):
        name, md5 = entry["relpath"], entry["md5"]
        path = PurePosixPath(name)
        # The listing's own hash was checked, so this takes a hostile data version; it is refused all the
        # same.
        if path.is_absolute() or ".." in path.parts or not _MD5.fullmatch(md5):
            raise StoreError(f"data version {version} names a file outside its folder: {name!r}")
        target = dest / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _patiently(store, name, partial(_download, store, md5, target))
        files.append(target)
    return sorted(files)


def _object(store: Store, key: str, md5: str) -> bytes:
    def read() -> bytes:
        content = b"".join(store.chunks(object_key(key)))
        _require_md5(key, hashlib.md5(content, usedforsecurity=False).hexdigest(), md5)
        return content

    return _patiently(store, key, read)


def _download(store: Store, md5: str, target: Path) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    unfinished = target.with_name(f".{target.name}.partial")
    try:
        with unfinished.open("wb") as file:
            for chunk in store.chunks(object_key(md5)):
                digest.update(chunk)
                file.write(chunk)
        _require_md5(target.name, digest.hexdigest(), md5)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _require_md5(name: str, actual: str, expected: str) -> None:
    if actual != expected:
        # An OSError, because a transfer that was cut short is the likelier cause: asking again tells.
        raise OSError(f"{name} arrived with the MD5 {actual}, not {expected}")


def _patiently(store: Store, name: str, attempt: Callable[[], _T]) -> _T:
    """Return what `attempt` gives; try again after an OSError, a bounded number of times."""
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except OSError as error:
            if number == ATTEMPTS:
                message = (
                    f"{store.name} fails on {name}, after {ATTEMPTS} attempts the last time with: {error}"
                )
                hint = "is the store running (seedbed status), and is AWS_ENDPOINT_URL right?"
                raise StoreError(message, hint) from error
            time.sleep(PAUSE * 2 ** (number - 1))
    raise AssertionError  # the loop returns or raises
