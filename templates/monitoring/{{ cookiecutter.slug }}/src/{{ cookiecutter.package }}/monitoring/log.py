"""Reading the prediction log: JSON lines in any number of files, the last of which may still grow."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from {{ cookiecutter.package }} import data
from {{ cookiecutter.package }}.schema import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATTERN = "*.jsonl"
LINES_PER_ROW = 20
"""How many lines are looked at for each row that is wanted, before older files are left alone."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The newest predictions of a model version.

    Attributes:
        features: in the model's normal form, one row a prediction.
        predictions: the columns `prediction` and `probability`, in the same order.
        broken: lines that are no prediction, such as one that a crash cut off.
    """

    features: pd.DataFrame
    predictions: pd.DataFrame
    broken: int


def files(folder: Path) -> list[tuple[Path, int]]:
    """Return the log's files and their sizes in bytes, the one written last first."""
    found = []
    for path in folder.glob(PATTERN):
        # The service deletes its oldest file whenever it likes.
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            found.append((state.st_mtime_ns, path, state.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]


def read(folder: Path, version: str, window: int) -> Logged:
    """Return up to `window` of the newest predictions that this version of the model made."""
    rows: list[dict[str, Any]] = []
    broken = 0
    for seen, line in enumerate(_lines(folder)):
        if len(rows) == window or seen == window * LINES_PER_ROW:
            break
        row = _parse(line)
        if row is None:
            broken += 1
        elif row["model_version"] == version:
            rows.append(row)
    frame = pd.DataFrame([row["features"] for row in rows], columns=list(FEATURES))
    predictions = pd.DataFrame(
        {name: [row[name] for row in rows] for name in ("prediction", "probability")}, index=frame.index
    )
    return Logged(data.features(frame), predictions, broken)


def _lines(folder: Path) -> Iterator[bytes]:
    for path, _ in files(folder):
        with contextlib.suppress(FileNotFoundError):
            yield from reversed(path.read_bytes().splitlines())


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        complete = all(name in row["features"] for name in FEATURES)
        return row if complete and {"model_version", "prediction", "probability"} <= row.keys() else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
