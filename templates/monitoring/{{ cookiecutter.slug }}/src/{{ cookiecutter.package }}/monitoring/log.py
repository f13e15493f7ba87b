"""Reading the prediction log: JSON lines in any number of files, in a folder or in an object store.

`predictions-*.jsonl` holds a line for each prediction, `feedback-*.jsonl` a line for each true label that
became known. In a folder the last file of each kind may still grow. In an object store files are complete,
and their names go on with the time at which they were begun (20240131T120000…): so the newest can be listed
without all the others, however old the log is.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain
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
RECENT_DAYS = 1
"""What is listed at each check, today besides; older files are listed only as far back as they are needed."""
LONGEST_DAYS = 4000
"""From there back to the beginning everything is listed at once."""
KEPT_BYTES = 64 << 20
"""What is remembered of an object store's files: with little traffic they are many, of a few lines each."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the log: its name, its size in bytes, and when it was last written to."""

    name: str
    size: int
    written: float


@dataclass(frozen=True, slots=True)
class Files:
    """The log's files of a kind, as they were found in one look.

    Attributes:
        recent: the newest, the one written last first; what is new is among them, save a file that could not
            be sent for days.
        older: the others, the newest first, found as far as they are asked for; once.
    """

    recent: list[Part]
    older: Iterator[Part]


class Log(Protocol):
    """A place that holds the log's files."""

    def files(self, pattern: str) -> Files:
        """Return the files whose names match."""

    def content(self, part: Part) -> bytes:
        """Return a file's content; empty if it is gone by now."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says, the newest first: what was asked, and what a version of the model answered.

    Attributes:
        features: of the predictions of whatever version, in the model's normal form, numbered from 0.
        answers: the version's: the columns `prediction` and `probability`, by the number of the row.
        labelled: the features of those predictions of the version whose true label is known.
        labels: those labels as they were sent, in the same order.
        other_labels: how many labels are of predictions of other versions.
        broken: lines that are no prediction, such as one that a crash cut off.
    """

    features: pd.DataFrame
    answers: pd.DataFrame
    labelled: pd.DataFrame
    labels: pd.Series
    other_labels: int
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

    def files(self, pattern: str) -> Files:
        """Return the files whose names match."""
        found = []
        for path in self._path.glob(pattern):
            # The service deletes its oldest file whenever it likes.
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                found.append(Part(path.name, state.st_size, state.st_mtime))
        return Files(_newest_first(found), iter(()))

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
        self._kept: dict[Part, bytes] = {}
        self._kept_bytes = 0

    def __str__(self) -> str:
        """Return its address."""
        return self._uri

    def files(self, pattern: str) -> Files:
        """Return the objects whose names match.

        Raises:
            StoreError: the store can't be reached, or refuses; `older` raises it when it is asked for more.
        """
        begin = _day(RECENT_DAYS)
        return Files(self._between(pattern, begin, None), self._older(pattern, begin))

    def _older(self, pattern: str, end: str) -> Iterator[Part]:
        days = RECENT_DAYS
        while end:
            days *= 4
            begin = _day(days) if days < LONGEST_DAYS else ""
            yield from self._between(pattern, begin, end)
            end = begin

    def _between(self, pattern: str, begin: str, end: str | None) -> list[Part]:
        """Return the objects of the days from `begin` to the one before `end`, the one written last first."""
        start = self._prefix + pattern.partition("*")[0]
        found = []
        with s3.errors(f"listing {self._uri}"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=start, StartAfter=start + begin):
                entries = page.get("Contents", [])
                inside = [entry for entry in entries if end is None or entry["Key"] < start + end]
                found += [_part(entry, self._prefix) for entry in inside]
                if len(inside) < len(entries):
                    break
        return _newest_first([part for part in found if fnmatchcase(part.name, pattern)])

    def content(self, part: Part) -> bytes:
        """Return an object's content; empty if it is gone by now.

        Raises:
            StoreError: the store can't be reached, or refuses.
        """
        content = self._kept.pop(part, None)
        if content is None:
            content = self._fetch(part)
            self._kept_bytes += len(content)
        self._kept[part] = content  # as the last one: those before it were asked for earlier
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.pop(next(iter(self._kept))))
        return content

    def _fetch(self, part: Part) -> bytes:
        with s3.errors(f"reading {self._uri}/{part.name}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + part.name)
            except self._client.exceptions.NoSuchKey:
                return b""
            content: bytes = answer["Body"].read()
            return content

    @cached_property
    def _client(self) -> Any:
        return s3.connect()


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


def read(log: Log, predictions: Files, feedback: Files, version: str, window: int) -> Logged:
    """Return what was asked lately, and what is known about a version's answers.

    Args:
        log: where to read.
        predictions: its files of predictions.
        feedback: its files of labels.
        version: of the model.
        window: most predictions and most labels to return, the newest ones.

    Raises:
        StoreError: the store can't be reached, or refuses.
        OSError: a file can't be read.
    """
    actual = _actual(log, feedback, window)
    rows: list[dict[str, Any]] = []
    labelled: list[dict[str, Any]] = []
    labels: list[Any] = []
    others = broken = 0
    for line in _lines(log, predictions, window * LINES_PER_ROW):
        row = _parse(line)
        if row is None:
            broken += 1
            continue
        if len(rows) < window:
            rows.append(row)
        if (label := actual.pop(row["id"], None)) is None:
            pass
        elif row["model_version"] == version:
            labelled.append(row)
            labels.append(label)
        else:
            others += 1
        if len(rows) == window and not actual:
            break
    own = {number: row for number, row in enumerate(rows) if row["model_version"] == version}
    return Logged(
        features=_features(rows),
        answers=pd.DataFrame(
            {name: [row.get(name) for row in own.values()] for name in ("prediction", "probability")},
            index=list(own),
        ),
        labelled=_features(labelled),
        labels=pd.Series(labels, dtype=object),
        other_labels=others,
        broken=broken,
    )


def _actual(log: Log, feedback: Files, window: int) -> dict[str, Any]:
    """Return the newest true labels by the ids of their predictions."""
    found: dict[str, Any] = {}
    for line in _lines(log, feedback, window * LINES_PER_ROW):
        if len(found) == window:
            break
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry["id"], str) and isinstance(entry["actual"], str | int | float):
                found.setdefault(entry["id"], entry["actual"])  # the newest line of an id counts
    return found


def _features(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return data.features(pd.DataFrame([row["features"] for row in rows], columns=list(FEATURES)))


def _lines(log: Log, files: Files, limit: int) -> Iterator[bytes]:
    """Give up to `limit` lines, the newest first."""
    for part in chain(files.recent, files.older):
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


def _day(days_ago: int) -> str:
    """Return how the names of the files of a day go on after their kind."""
    return f"{datetime.now(UTC) - timedelta(days=days_ago):%Y%m%d}"


def _part(entry: dict[str, Any], prefix: str) -> Part:
    return Part(entry["Key"].removeprefix(prefix), entry["Size"], entry["LastModified"].timestamp())


def _newest_first(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (part.written, part.name), reverse=True)
