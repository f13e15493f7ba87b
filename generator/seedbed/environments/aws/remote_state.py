"""A state in an S3 bucket, as Pulumi's own backend for S3 keeps it."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from seedbed.environments import inventory
from seedbed.environments.aws.account import Clients
from seedbed.environments.aws.errors import AwsError, code_of, translated
from seedbed.environments.project import Project
from seedbed.environments.stack_config import PROGRAM
from seedbed.environments.state import Lock, Runs, read_lock
from seedbed.errors import SpecError

_ABSENT = frozenset({"404", "NoSuchKey"})
_BATCH = 1000
_KEYS = frozenset({"awssdk", "endpoint", "profile", "region", "s3ForcePathStyle", "use_path_style"})


@dataclass(frozen=True)
class Address:
    """A bucket, and where in it, by the URL that Pulumi takes: s3://BUCKET/PREFIX?region=…&endpoint=….

    Attributes:
        bucket: its name.
        prefix: under which the state is, with a slash at its end; empty: at the top.
        region: that it is in; empty: as the person's configuration says.
        endpoint: of a store that isn't AWS; empty: AWS.
        profile: of the person's configuration.
        path_style: whether the bucket is a part of the path, not of the host.
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    profile: str = ""
    path_style: bool = False

    @classmethod
    def parse(cls, url: str) -> Address:
        """Take the URL apart.

        Raises:
            SpecError: it is not the URL of a bucket, or asks for something that seedbed doesn't know.
        """
        parts = urlsplit(url)
        values = dict(parse_qsl(parts.query))
        if parts.scheme != "s3" or not parts.netloc:
            raise SpecError(
                f"{url!r} is not the URL of a bucket", hint="Give one such as s3://acme-state?region=eu-west-1."
            )
        if unknown := sorted(set(values) - _KEYS):
            raise SpecError(
                f"{url!r} asks for {', '.join(unknown)}, which seedbed does not know",
                hint=f"It knows {', '.join(sorted(_KEYS))}.",
            )
        endpoint = values.get("endpoint", "")
        if endpoint and "://" not in endpoint:
            raise SpecError(f"{url!r} has an endpoint without http:// or https://", hint="Write it before the host.")
        prefix = parts.path.strip("/")
        return cls(
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            region=values.get("region", ""),
            endpoint=endpoint,
            profile=values.get("profile", ""),
            path_style="true" in (values.get("s3ForcePathStyle"), values.get("use_path_style")),
        )


@dataclass(frozen=True)
class RemoteState:
    """The state of one environment in a bucket.

    Attributes:
        project: whose it is.
        name: the environment's.
        url: of the bucket, as PULUMI_BACKEND_URL takes it.
    """

    project: Project
    name: str
    url: str
    _opened: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def address(self) -> Address:
        """The bucket."""
        return Address.parse(self.url)

    def content(self) -> bytes | None:
        """The object, unpacked where the backend is told to pack it."""
        for key in self._keys:
            with translated(f"read the state of environment '{self.name}' in bucket {self.address.bucket}"):
                if (found := self._get(key)) is None:
                    continue
                if key.endswith(".zst"):
                    raise AwsError(
                        f"The state of environment '{self.name}' in bucket {self.address.bucket} is packed with zstd",
                        hint="seedbed reads plain ones and gzip's: unset PULUMI_DIY_BACKEND_ZSTD and run"
                        f" `pulumi refresh -s {self.name}` in infra/.",
                    )
                return _unpacked(found) if key.endswith(".gz") else found
        return None

    def exists(self) -> bool:
        """Whether the object is there; a bucket that can't be read is an error, not an absence."""
        return self.content() is not None

    def locks(self) -> list[Lock]:
        """Those in the bucket."""
        prefix = f"{self.address.prefix}.pulumi/locks/organization/{PROGRAM}/{self.name}/"
        found = []
        with translated(f"look for locks of environment '{self.name}' in bucket {self.address.bucket}"):
            for item in self._list(prefix):
                content = self._get(item["Key"])
                since = item["LastModified"].timestamp()
                if content is not None and (lock := read_lock(item["Key"], content, since)):
                    found.append(lock)
        return found

    def unlock(self, lock: Lock) -> None:
        """Remove its object."""
        with translated(f"remove a lock in bucket {self.address.bucket}"):
            self._s3.delete_object(Bucket=self.address.bucket, Key=lock.path)

    def is_dead(self, lock: Lock) -> bool:
        """Only an engine that this very checkout started, on this machine, can be known to be dead."""
        return Runs.of(self.project, self.name).was_ours(lock) and not inventory.is_running(lock.pid, lock.since)

    def clean(self) -> None:
        """Remove history, backups and locks; the bucket's old versions of them stay, as those of any object."""
        root = f"{self.address.prefix}.pulumi"
        with translated(f"tidy up in bucket {self.address.bucket}"):
            keys = [
                item["Key"]
                for kind in ("history", "backups", "locks/organization")
                for item in self._list(f"{root}/{kind}/{PROGRAM}/{self.name}/")
            ]
            # Not by prefix: "prod" is also the beginning of "prod-eu".
            keys += [f"{key}{suffix}" for key in self._keys for suffix in (".bak", ".attrs")]
            for start in range(0, len(keys), _BATCH):
                batch = [{"Key": key} for key in keys[start : start + _BATCH]]
                answer = self._s3.delete_objects(Bucket=self.address.bucket, Delete={"Objects": batch, "Quiet": True})
                if refused := answer.get("Errors"):
                    raise AwsError(
                        f"The environment is gone, and {len(refused)} objects of its old state stay in bucket"
                        f" {self.address.bucket}: {refused[0].get('Key')}: {refused[0].get('Code')}",
                        hint=f"They cost next to nothing. To remove them: aws s3 rm --recursive"
                        f" s3://{self.address.bucket}/{root}/ --exclude '*' --include '*/{self.name}/*'",
                    )

    def remedy(self) -> str:
        """The bucket's old versions, where it keeps them."""
        where = f"--bucket {self.address.bucket} --region {self.address.region or 'REGION'}"
        return (
            "Where the bucket keeps old versions, take the newest that is whole: aws s3api list-object-versions"
            f" {where} --prefix {self._keys[0]}; then aws s3api copy-object {where} --key KEY --copy-source"
            f" '{self.address.bucket}/KEY?versionId=ID', and `seedbed refresh {self.name}`."
        )

    @property
    def _keys(self) -> tuple[str, ...]:
        key = f"{self.address.prefix}.pulumi/stacks/{PROGRAM}/{self.name}.json"
        return key, f"{key}.gz", f"{key}.zst"

    @property
    def _s3(self) -> Any:
        if "s3" not in self._opened:
            self._opened["s3"] = client(self.address)
        return self._opened["s3"]

    def _get(self, key: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._s3.get_object(Bucket=self.address.bucket, Key=key)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise
        content: bytes = answer["Body"].read()
        return content

    def _list(self, prefix: str) -> list[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.address.bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Contents", ())]


def _unpacked(content: bytes) -> bytes:
    """The state of a packed one; what can't be unpacked is given as it is, and no state."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return content


def client(address: Address) -> Any:
    """A client that talks to the store of this address."""
    from botocore.config import Config

    style = Config(s3={"addressing_style": "path"}) if address.path_style else Config()
    clients = Clients(address.region, address.profile)
    return clients("s3", endpoint_url=address.endpoint or None, config=style)
