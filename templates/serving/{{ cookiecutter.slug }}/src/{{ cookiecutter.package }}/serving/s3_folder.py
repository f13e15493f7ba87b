"""A folder in an object store: s3://bucket/prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from {{ cookiecutter.package }} import s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


@dataclass(frozen=True)
class S3Folder:
    """Reads and writes objects with the AWS_* variables of the environment.

    Attributes:
        bucket: its name.
        prefix: what all names begin with; empty, or with a slash at its end.
    """

    bucket: str
    prefix: str

    @classmethod
    def of(cls, text: str) -> S3Folder | None:
        """Return the folder that a URL names; None if it isn't one of S3."""
        if not (match := URL.fullmatch(text)):
            return None
        prefix = (match[2] or "").strip("/")
        return cls(match[1], f"{prefix}/" if prefix else "")

    def put(self, file: Path) -> None:
        """Store a file under its name.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        with s3.errors(self._name):
            self._client.upload_file(str(file), self.bucket, self.prefix + file.name)

    def names(self, after: str) -> list[str]:
        """Return the names in the folder that sort after this one, in order.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        asked = {"Bucket": self.bucket, "Prefix": self.prefix, "StartAfter": self.prefix + after}
        with s3.errors(self._name):
            pages = self._client.get_paginator("list_objects_v2").paginate(**asked)
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return [key.removeprefix(self.prefix) for key in keys]

    def lines(self, name: str) -> Iterator[bytes]:
        """Give an object's lines without holding all of it.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        with s3.errors(self._name):
            found = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            yield from found["Body"].iter_lines()

    @property
    def _name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @cached_property
    def _client(self) -> Any:
        return s3.connect()
