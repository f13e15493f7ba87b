"""Reading the prediction log: JSON lines in any number of files, in a folder or in an object store.

`predictions-*.jsonl` holds a line for each prediction, `feedback-*.jsonl` a line for each true label that
became known. The last file of each kind may still grow.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from {{ cookiecutter.package }} import data, s3
from {{ cookiecutter.package }}.schema import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

PREDICTIONS = "predictions-*.jsonl"
FEEDBACK = "feedback-*.jsonl"
LINES_PER_ROW = 20
"""How many lines are looked at for each row that is wanted, before older files are left alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the log: its name, its size in bytes, and when it was last written to."""

    name: str
    size: int
    written: float


class Log(Protocol):
    """A place that holds the log's files."""

    def parts(self, pattern: str) -> list[Part]:
        """Return the files whose names match, the one written last first."""

    def content(self, part: Part) -> bytes:
        """Return a file's content; empty if it is gone by now."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says about a version of the model, the newest first.

    Attributes:
        features: of its predictions, in the model's normal form.
        predictions: the columns `prediction` and `probability`, in the same order.
        labelled: the features of those predictions whose true label is known.
        labels: those labels as they were sent, in the same order.
        broken: lines that are no prediction, such as one that a crash cut off.
    """

    features: pd.DataFrame
    predictions: pd.DataFrame
    labelled: pd.DataFrame
    labels: pd.Series
    broken: int


class Folder:
    """A log on this machine.

    Args:
        path: the folder; one that isn't there holds nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Return its path."""
        return str(self._path)

    def parts(self, pattern: str) -> list[Part]:
        """Return the files whose names match, the one written last first."""
        found = []
        for path in self._path.glob(pattern):
            # The service deletes its oldest file whenever it likes.
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                found.append(Part(path.name, state.st_size, state.st_mtime))
        return _newest_first(found)

    def content(self, part: Part) -> bytes:
        """Return a file's content; empty if it is gone by now."""
        try:
            return (self._path / part.name).read_bytes()
        except FileNotFoundError:
            return b""


class Bucket:
    """A log in an object store.

    Args:
        uri: `s3://bucket/prefix`.

    Raises:
        ConfigError: it names no bucket.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._bucket, self._prefix = s3.split(uri)

    def __str__(self) -> str:
        """Return its address."""
        return self._uri

    def parts(self, pattern: str) -> list[Part]:
        """Return the objects whose names match, the one written last first.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        with s3.errors(f"listing {self._uri}"):
            client = s3.connect()
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + pattern.partition("*")[0]
            )
            found = [
                Part(
                    entry["Key"].removeprefix(self._prefix), entry["Size"], entry["LastModified"].timestamp()
                )
                for page in pages
                for entry in page.get("Contents", [])
            ]
        return _newest_first([part for part in found if fnmatchcase(part.name, pattern)])

    def content(self, part: Part) -> bytes:
        """Return an object's content; empty if it is gone by now.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        with s3.errors(f"reading {self._uri}/{part.name}"):
            client = s3.connect()
            try:
                answer = client.get_object(Bucket=self._bucket, Key=self._prefix + part.name)
            except client.exceptions.NoSuchKey:
                return b""
            content: bytes = answer["Body"].read()
            return content


def open_log(address: str) -> Log:
    """Return the log at a folder's path or at `s3://bucket/prefix`.

    Raises:
        ConfigError: an `s3://` address names no bucket.
    """
    return Bucket(address) if address.startswith(s3.SCHEME) else Folder(Path(address))


def write(address: str, lines: list[dict[str, Any]]) -> None:
    """Add predictions to a log, as a file of their own.

    Args:
        address: a folder's path, or `s3://bucket/prefix`.
        lines: what `json.dumps` can write, a line for each prediction.

    Raises:
        ConfigError: an `s3://` address names no bucket.
        StoreError: the store can't be reached, or refuses.
        OSError: the folder can't be written to.
    """
    name = PREDICTIONS.replace("*", f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}")
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    if address.startswith(s3.SCHEME):
        bucket, prefix = s3.split(address)
        with s3.errors(f"writing {address}"):
            s3.connect().put_object(Bucket=bucket, Key=prefix + name, Body=content)
        return
    folder = Path(address)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def read(log: Log, version: str, window: int) -> Logged:
    """Return what is known about a version of the model.

    Args:
        log: where to read.
        version: of the model.
        window: most predictions and most labels to return, the newest ones.

    Raises:
        StoreError: the store can't be reached, or refuses.
        OSError: a file can't be read.
    """
    actual = _actual(log, window)
    rows: list[dict[str, Any]] = []
    labelled: list[dict[str, Any]] = []
    labels: list[Any] = []
    broken = 0
    for line in _lines(log, PREDICTIONS, window * LINES_PER_ROW):
        row = _parse(line)
        if row is None:
            broken += 1
            continue
        if row["model_version"] != version:
            continue
        if len(rows) < window:
            rows.append(row)
        if (label := actual.pop(row["id"], None)) is not None:
            labelled.append(row)
            labels.append(label)
        if len(rows) == window and not actual:
            break
    predictions = pd.DataFrame(
        {name: [row.get(name) for row in rows] for name in ("prediction", "probability")}
    )
    return Logged(_features(rows), predictions, _features(labelled), pd.Series(labels, dtype=object), broken)


def _actual(log: Log, window: int) -> dict[str, Any]:
    """Return the newest true labels by the ids of their predictions."""
    found: dict[str, Any] = {}
    for line in _lines(log, FEEDBACK, window * LINES_PER_ROW):
        if len(found) == window:
            break
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry["id"], str) and isinstance(entry["actual"], str | int | float):
                found.setdefault(entry["id"], entry["actual"])  # the newest line of an id counts
    return found


def _features(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return data.features(pd.DataFrame([row["features"] for row in rows], columns=list(FEATURES)))


def _lines(log: Log, pattern: str, limit: int) -> Iterator[bytes]:
    """Give up to `limit` lines, the newest first."""
    for part in log.parts(pattern):
        for line in reversed(log.content(part).splitlines()):
            if limit == 0:
                return
            limit -= 1
            yield line


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        complete = all(name in row["features"] for name in FEATURES) and isinstance(row["id"], str)
        return row if complete and {"model_version", "prediction"} <= row.keys() else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _newest_first(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (part.written, part.name), reverse=True)
