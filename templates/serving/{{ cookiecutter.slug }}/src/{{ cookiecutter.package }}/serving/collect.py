"""Makes training data of the log: the features of predictions whose true labels have arrived since.

The rows become a file of their own in data/raw, checked like any other. It keeps the predictions' ids in a
column that training doesn't read: the data itself knows what was collected, and nothing is collected twice.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet

from {{ cookiecutter.package }} import data, intake
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import FEATURES, REQUIRED, TARGET, TIME

from .s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ID = "prediction_id" if "prediction_id" not in REQUIRED else "_prediction_id"
STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the labels in the log.

    Attributes:
        rows: how many became training data.
        file: where they are; None if there were none.
        before: labels that were collected earlier. One that was corrected since stays as it was.
        lost: labels whose prediction isn't in the log, or was made from other columns than today's.
        version: of the data.
    """

    rows: int
    file: Path | None
    before: int
    lost: int
    version: str

    def __str__(self) -> str:
        """Return the sentence that a person reads."""
        rest = f"{self.before} labels were collected before, {self.lost} have no usable prediction in the log"
        if self.file is None:
            return f"no new rows; {rest}"
        return f"{self.rows} rows in {self.file}, data version {self.version}; {rest}"


def collect(log: str, since: datetime, folder: Path = data.RAW) -> Collected:
    """Join the log's labels with its predictions and take the rows into the data.

    Args:
        log: the log's folder, or s3://bucket/prefix.
        since: files of the log that were written before are not read; needs a time zone.
        folder: the tracked data.

    Raises:
        DataError: the rows break the schema; nothing was changed then.
        StoreError: the object store can't be reached.
    """
    version = intake.start(folder)
    labels = _labels(_rows(log, "feedback", since))
    known = _collected(folder)
    wanted = {name: actual for name, actual in labels.items() if name not in known}
    rows = _joined(_rows(log, "predictions", since), wanted)
    counts = {"before": len(labels) - len(wanted), "lost": len(wanted) - len(rows)}
    if not rows:
        return Collected(0, None, version=version, **counts)
    name = f"feedback-{datetime.now(UTC):{STAMP}Z}.parquet"
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / name
        # Parquet and not CSV, which can't tell a missing category from an empty text or from "NA".
        pd.DataFrame(list(rows.values()), columns=[ID, *REQUIRED]).to_parquet(file)
        version = intake.add(file, folder=folder)
    return Collected(len(rows), folder / name, version=version, **counts)


def _labels(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest label of each prediction."""
    newest: dict[str, tuple[str, Any]] = {}
    for row in rows:
        try:
            found = (row["time"], row["actual"])
            if row["id"] not in newest or newest[row["id"]][0] <= found[0]:
                newest[row["id"]] = found
        except (KeyError, TypeError):
            continue
    return {name: actual for name, (_, actual) in newest.items()}


def _joined(rows: Iterable[dict[str, Any]], labels: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a row of training data for each prediction that has a label, by its id."""
    joined = {}
    for row in rows:
        name, features = row.get("id"), row.get("features")
        if name in labels and isinstance(features, dict) and features.keys() == set(FEATURES):
            joined[name] = {ID: name, **features, TARGET: labels[name]}
            if TIME is not None:
                joined[name][TIME] = row["time"]
    return joined


def _collected(folder: Path) -> set[str]:
    ids: set[str] = set()
    for path in folder.glob("feedback-*.parquet"):
        if ID in pyarrow.parquet.read_schema(path).names:
            ids.update(pd.read_parquet(path, columns=[ID])[ID])
    return ids


def _rows(log: str, kind: str, since: datetime) -> Iterator[dict[str, Any]]:
    """Give the rows of one kind; a line that a crash cut off is left out."""
    for line in _lines(log, kind, since.astimezone(UTC)):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _lines(log: str, kind: str, since: datetime) -> Iterator[bytes]:
    if (store := S3Folder.of(log)) is not None:
        # What is uploaded was begun a minute before, as its name tells.
        for name in store.names(f"{kind}-{since:{STAMP}}"):
            if name.startswith(f"{kind}-") and name.endswith(".jsonl"):
                yield from store.lines(name)
        return
    folder = Path(log)
    if not folder.is_dir():
        raise DataError(f"{folder} isn't a folder: nothing was logged yet", "is PREDICTION_LOG right?")
    for path in sorted(folder.glob(f"{kind}-*.jsonl")):
        # The service deletes its oldest file whenever it likes.
        with contextlib.suppress(FileNotFoundError):
            # A file that was begun long ago may grow to this day.
            if path.stat().st_mtime >= since.timestamp():
                with path.open("rb") as file:
                    yield from file
