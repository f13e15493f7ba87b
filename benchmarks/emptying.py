"""Emptying a bucket on a real S3 server: `python benchmarks/emptying.py ours|boto3 URL BUCKET` is one run of it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "infra"), str(ROOT)]

KEYS = {"AWS_ACCESS_KEY_ID": "ACCESSKEY", "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-benchmark"}
REGION = "us-east-1"
_WRITERS, _PACKED = 8, 10_000
_ROOM = 4 << 30  # bytes that the largest of the buckets fits into


def ours(url: str, bucket: str) -> None:
    """As `down` does it."""
    from mlops_platform.resources import emptying

    emptying.empty(client(url), bucket, remedy="")


def boto3(url: str, bucket: str) -> None:
    """As boto3's manual has it."""
    from boto3 import resource as connect

    connect("s3", endpoint_url=url).Bucket(bucket).object_versions.delete()


def client(url: str) -> Any:
    """A client for the server."""
    from mlops_platform.resources import s3

    access_key, secret_key = KEYS.values()
    return s3.connect({"endpoint": url, "region": REGION, "access_key": access_key, "secret_key": secret_key})


def fill(url: str, bucket: str, number: int, *, store: str, versions: int = 1) -> None:
    """Make a bucket of `number` versions, each object having so many; of one without a history where it is 1."""
    made = client(url)
    made.create_bucket(Bucket=bucket)
    if versions > 1:
        made.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    keys = [f"files/md5/{index % 256:02x}/{index:08}" for index in range(number // versions)]
    for _ in range(versions):
        if store == "MinIO":  # it unpacks archives, which takes a quarter of the time
            for start in range(0, len(keys), _PACKED):
                metadata = {"snowball-auto-extract": "true"}
                made.put_object(
                    Bucket=bucket, Key="all.tar", Body=_packed(keys[start : start + _PACKED]), Metadata=metadata
                )
        else:
            with ThreadPoolExecutor(_WRITERS) as pool:
                list(pool.map(lambda key: made.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    listed = made.get_paginator("list_object_versions").paginate(Bucket=bucket)
    if (found := sum(len(page.get("Versions", ())) for page in listed)) != number:
        sys.exit(f"{bucket} was to have {number} versions, and has {found}")


def _packed(keys: list[str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for key in keys:
            archive.addfile(tarfile.TarInfo(key))
    return content.getvalue()


def refuse_leftovers(url: str, bucket: str) -> None:
    """Stop unless a bucket is empty: who deletes less is faster."""
    page = client(url).list_object_versions(Bucket=bucket, MaxKeys=1)
    if page.get("Versions") or page.get("DeleteMarkers"):
        sys.exit(f"{bucket} was not emptied")


def peak() -> int:
    """The most memory in KiB that this process has had; 0 where the system doesn't say.

    Not by getrusage, which on Linux counts what the process that started this one had.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@contextlib.contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Run MinIO if the tests have built it, or SeaweedFS; gives its name and URL."""
    from tests.infra import minio_program

    from mlops_platform.components.local import minio, seaweedfs
    from mlops_platform.resources.process import ProcessProvider

    program = minio_program.find()
    if program:
        os.environ[minio.PROGRAM_VARIABLE] = program
    name, found = ("MinIO", minio.server()) if program else ("SeaweedFS", seaweedfs.server())
    access_key, secret_key = KEYS.values()
    with tempfile.TemporaryDirectory(dir=_in_memory()) as home:
        made = ProcessProvider().create(
            {
                "name": "store",
                "home": home,
                "command": found.command,
                "requested_ports": dict.fromkeys(found.ports, 0),
                "fixed_distances": found.fixed_distances,
                "environment": {
                    **found.environment,
                    found.access_key_variable: access_key,
                    found.secret_key_variable: secret_key,
                },
                "version": found.version,
                "ready": [vars(check) for check in found.ready],
                "ready_seconds": 60,
                "residue": found.residue,
            }
        )
        try:
            yield name, made.outs["url"]
        finally:
            ProcessProvider().delete("store", made.outs)


def _in_memory() -> str | None:
    """A folder in memory if there is one with room: filling takes a quarter of the time, and no disk is measured."""
    folder = Path("/dev/shm")  # noqa: S108 - made inside of it by tempfile
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free >= _ROOM else None


if __name__ == "__main__":
    {"ours": ours, "boto3": boto3}[sys.argv[1]](*sys.argv[2:])
    print(peak())
