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
from typing import TYPE_CHECKING, Protocol, TypeVar

from {{ cookiecutter.package }} import remote
from {{ cookiecutter.package }}.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
CACHE = Path(".dvc/cache")
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

    def has(self, key: str) -> bool:
        """Say whether an object is there; same errors as `chunks`."""


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

    def has(self, key: str) -> bool:
        """Say whether a file is there."""
        return (self._path / key).is_file()


def open_store(source: str = "") -> Store:
    """Return the store that a source names.

    Args:
        source: `s3://bucket/prefix`, a folder, or nothing for the environment's own: the DVC remote in
            `DATA_BUCKET` if that is set, else DVC's cache in this folder.

    Raises:
        StoreError: the source isn't of that form.
    """
    if not source:
        source = remote.address() if os.environ.get("DATA_BUCKET") else str(CACHE)
    if not source.startswith("s3://"):
        return Folder(Path(source))
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket or not prefix:
        raise StoreError(f"{source!r} isn't of the form s3://bucket/prefix")
    from {{ cookiecutter.package }}.pipelines.bucket import Bucket

    return Bucket(bucket, prefix.rstrip("/"))


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


def latest(store: Store) -> str | None:
    """Return the data version that was published last, or None if none ever was; same errors as `resolve`."""
    if not _patiently(store, LATEST, lambda: store.has(LATEST)):
        return None
    return resolve(store, LATEST)


def publish(store: Store, version: str) -> None:
    """Say which data version is the latest, for runs that ask for it by that name.

    Raises:
        StoreError: the store is a folder, lacks the version, or can't be reached.
    """
    from {{ cookiecutter.package }}.pipelines.bucket import Bucket

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


def missing(store: Store, version: str) -> list[str]:
    """Return the files of a data version that a store lacks, or the version if even its listing isn't there.

    Raises:
        StoreError: the store can't be reached, or holds another content than the version names.
    """
    if not _patiently(store, version, lambda: store.has(object_key(check_version(version)))):
        return [version]
    return [
        path.as_posix()
        for path, md5 in _listing(store, version)
        if not _patiently(store, path.as_posix(), partial(store.has, object_key(md5)))
    ]


def fetch(store: Store, version: str, dest: Path) -> list[Path]:
    """Fetch a data version and check every byte of it. What is there already isn't fetched again.

    Args:
        store: from `open_store`.
        version: the MD5 of a tracked folder, such as `83589e8a….dir`.
        dest: made if it isn't there; holds the version and nothing else afterwards.

    Returns:
        The files, in the order of their names.

    Raises:
        StoreError: the store doesn't answer, lacks an object, or holds other content than the version names.
    """
    files = []
    for path, md5 in _listing(store, check_version(version)):
        target = dest / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.is_file() and _file_md5(target) == md5):
            _patiently(store, path.as_posix(), partial(_download, store, md5, target))
        files.append(target)
    for present in dest.rglob("*"):
        if present.is_file() and present not in files:
            present.unlink()
    return sorted(files)


def fetch_more(store: Store, version: str, dest: Path, prefix: str) -> list[Path]:
    """Fetch of a data version what isn't there and has a name that begins so; everything else stays as it is.

    Args:
        store: from `open_store`.
        version: the MD5 of a tracked folder.
        dest: holds data already.
        prefix: of the names.

    Returns:
        The files that were fetched.

    Raises:
        StoreError: as `fetch`.
    """
    fetched = []
    for path, md5 in _listing(store, check_version(version)):
        target = dest / path
        if path.name.startswith(prefix) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _patiently(store, path.as_posix(), partial(_download, store, md5, target))
            fetched.append(target)
    return fetched


def _listing(store: Store, version: str) -> list[tuple[PurePosixPath, str]]:
    """Return the files of a data version, and the MD5 of each."""
    entries = []
    for entry in json.loads(_object(store, version, version.removesuffix(".dir"))):
        path, md5 = PurePosixPath(entry["relpath"]), entry["md5"]
        # The listing's own hash was checked, so this takes a hostile data version; it's refused all the same.
        if path.is_absolute() or ".." in path.parts or not _MD5.fullmatch(md5):
            raise StoreError(f"data version {version} names a file outside its folder: {entry['relpath']!r}")
        entries.append((path, md5))
    return entries


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


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


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
