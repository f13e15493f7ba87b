"""Emptying a bucket of everything that it holds, as fast as its store takes it, in the same memory whatever its size.

One thread lists ahead while several delete, a thousand versions a request. How far it gets ahead is bounded, so that
the memory is that of a few pages. S3 counts each key of a request against 3,500 deletions a second for a prefix, which
a single listing can feed.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mlops_platform.errors import PlatformError

_BATCH = 1000  # the most that one request may delete
WORKERS = 8  # below the ten connections that botocore keeps
_AHEAD = 2 * WORKERS
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 10.0
_SHOWN = 3
_UPLOADS = 10
# What S3 says of single keys in an answer that is a success as a whole, where another try may help.
_PASSING = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"})
# Keys may have characters that XML, in which a request names its keys, can't carry in any form.
_NOT_FOR_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken"})

Version = dict[str, str]


@dataclass(frozen=True)
class Emptied:
    """What a bucket held.

    Attributes:
        versions: number of versions and marks of deleted objects.
        uploads: number of unfinished uploads.
    """

    versions: int
    uploads: int


class _Contents:
    """What a bucket holds, and the requests that take it away.

    Args:
        client: of the store.
        bucket: its name.
        remedy: what to advise when it can't be emptied.
        but: key of an object that doesn't count.
        owner: number of the account that the bucket must belong to; empty: not asked for.
    """

    def __init__(self, client: Any, bucket: str, *, remedy: str, but: str, owner: str) -> None:
        self._client = client
        self._bucket = {"Bucket": bucket, **({"ExpectedBucketOwner": owner} if owner else {})}
        self._remedy, self._but = remedy, but
        self._lock = threading.Lock()
        self.deleted, self.aborted = 0, 0

    def versions(self) -> Iterator[list[Version]]:
        """Pages of what `delete` takes."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            PaginationConfig={"PageSize": _BATCH}, **self._bucket
        )
        for page in pages:
            entries = itertools.chain(page.get("Versions", ()), page.get("DeleteMarkers", ()))
            batch = [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in entries if e["Key"] != self._but]
            if batch:
                yield batch

    def uploads(self) -> Iterator[list[Version]]:
        """What `abort` takes, few at a time: each is a request of its own, and all threads shall have some."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(**self._bucket)
        found = ({"Key": e["Key"], "UploadId": e["UploadId"]} for page in pages for e in page.get("Uploads", ()))
        while batch := list(itertools.islice(found, _UPLOADS)):
            yield batch

    def abort(self, batch: list[Version]) -> None:
        """Abort unfinished uploads; what somebody has finished or aborted meanwhile is as good as aborted."""
        for upload in batch:
            try:
                self._client.abort_multipart_upload(**upload, **self._bucket)
            except self._client.exceptions.ClientError as error:
                if _code(error) not in _GONE:
                    raise
        with self._lock:
            self.aborted += len(batch)

    def delete(self, batch: list[Version]) -> None:
        """Delete a batch, again and after longer pauses what a busy store has put off.

        Raises:
            PlatformError: there are some that can't be deleted.
        """
        for item in (item for item in batch if _NOT_FOR_XML.search(item["Key"])):
            self._client.delete_object(**item, **self._bucket)
        left, refused = [item for item in batch if not _NOT_FOR_XML.search(item["Key"])], list[dict[str, str]]()
        for attempt in range(_ATTEMPTS if left else 0):
            if attempt:
                pause = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that threads don't come back all at once
            answer = self._client.delete_objects(Delete={"Objects": left, "Quiet": True}, **self._bucket)
            refused = [error for error in answer.get("Errors", ()) if error.get("Code") not in _GONE]
            put_off = {(e.get("Key"), e.get("VersionId")) for e in refused if e.get("Code") in _PASSING}
            if not put_off or len(put_off) < len(refused):
                break
            left = [item for item in left if (item["Key"], item["VersionId"]) in put_off]
        if refused:
            raise self._refusal(refused)
        with self._lock:
            self.deleted += len(batch)

    def _refusal(self, refused: list[dict[str, str]]) -> PlatformError:
        shown = "; ".join(map(self._reason, refused[:_SHOWN]))
        more = f"; and {len(refused) - _SHOWN} more of the same request" if len(refused) > _SHOWN else ""
        bucket = self._bucket["Bucket"]
        return PlatformError(f"Objects of bucket {bucket} can't be deleted: {shown}{more}", self._remedy)

    def _reason(self, error: dict[str, str]) -> str:
        """Which version isn't deleted, and why: S3 itself says of a lock only that access is denied."""
        version = {"Key": error.get("Key", ""), "VersionId": error.get("VersionId", "")}
        name = f"{version['Key']} (version {version['VersionId']})"
        try:
            state = self._client.head_object(**version, **self._bucket)
        except self._client.exceptions.ClientError:
            state = {}
        if state.get("ObjectLockLegalHoldStatus") == "ON":
            return f"{name} is under a legal hold"
        if until := state.get("ObjectLockRetainUntilDate"):
            return f"{name} is retained until {until:%Y-%m-%d %H:%M} UTC, in {state.get('ObjectLockMode')} mode"
        return f"{name}: {error.get('Code')}, {error.get('Message')}"


def empty(client: Any, bucket: str, *, remedy: str, but: str = "", owner: str = "") -> Emptied:
    """Delete all versions of all objects, all marks of deleted ones, and all unfinished uploads.

    An interrupted call has lost nothing: the next one goes on with what is left.

    Args:
        client: of the store.
        bucket: its name.
        remedy: what to advise when it can't be emptied.
        but: key of an object that stays.
        owner: number of the account that the bucket must belong to; empty: not asked for.

    Returns:
        How much was deleted.

    Raises:
        PlatformError: objects can't be deleted, and the first are named with the reason; or the credentials ended.
        botocore's errors: as the client raises them.
    """
    contents = _Contents(client, bucket, remedy=remedy, but=but, owner=owner)
    try:
        _in_parallel(contents.abort, contents.uploads())
        # Some stores skip versions when others before them go during a listing: until one from the front is empty.
        before: list[Version] = []
        while batch := next(contents.versions(), None):
            if batch == before:
                raise PlatformError(f"Bucket {bucket} says that its objects were deleted, and still lists them", remedy)
            before = batch
            _in_parallel(contents.delete, contents.versions())
    except client.exceptions.ClientError as error:
        if _code(error) not in EXPIRED:
            raise
        raise PlatformError(
            f"The credentials ended while bucket {bucket} was emptied, after {contents.deleted} versions of objects",
            "Log in again and run the same command: nothing is forgotten, and it goes on where this one stopped.",
        ) from error
    return Emptied(contents.deleted, contents.aborted)


def holds_objects(client: Any, bucket: str, *, but: str = "", owner: str = "") -> bool:
    """Whether a bucket lists any version of an object, or mark of a deleted one, beside those of the key `but`.

    Raises:
        botocore's errors: as the client raises them.
    """
    return any(_Contents(client, bucket, remedy="", but=but, owner=owner).versions())


def _in_parallel(work: Callable[[list[Version]], None], batches: Iterable[list[Version]]) -> None:
    """Work on batches in several threads, at most `_AHEAD` of them in memory; the first error stops all."""
    room, failures = threading.Semaphore(_AHEAD), list[BaseException]()

    def guarded(batch: list[Version]) -> None:
        try:
            if not failures:
                work(batch)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that asked
            failures.append(error)
        finally:
            room.release()

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="emptying") as pool:
        try:
            for batch in batches:
                room.acquire()
                if failures:
                    break
                pool.submit(guarded, batch)
        except BaseException as error:  # Ctrl-C too: what hasn't begun isn't begun any more
            failures.append(error)
            raise
    if failures:
        raise failures[0]


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
