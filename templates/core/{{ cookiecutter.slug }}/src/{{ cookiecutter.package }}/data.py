"""Reading, normalising, identifying and splitting the data.

Everything after `read` works on one normal form: numbers, integers and booleans as float64 with NaN for
missing, categories as text with NaN for missing, dates and the time as naive datetime64[ns] (UTC if the
source had a zone), and the target as float64 (regression) or as one of CLASSES (classification).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import tables
from .errors import DataError
from .schema import (
    CATEGORICAL,
    CLASSES,
    COLUMNS,
    DATES,
    FEATURES,
    GROUP,
    NUMERIC,
    REQUIRED,
    TARGET,
    TASK,
    TIME,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import SplitParams

RAW = Path("data/raw")
SUFFIXES = tables.SUFFIXES
FEW = 100  # different rows, up to which chance may leave one side of a split with too little
# What is read as numbers; booleans may be written as words.
NUMBERS = (
    *(column.name for column in COLUMNS if column.kind in {"number", "integer"}),
    *((TARGET,) if TASK == "regression" else ()),
)
ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


def parts(folder: Path) -> list[Path]:
    """Return the data files of a folder, in the order in which they are read.

    Raises:
        DataError: there is none.
    """
    found = sorted(
        path for path in folder.glob("*") if path.suffix in SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise DataError(
            f"{folder} holds no .csv or .parquet file", "add one: make data FILE=path/to/file.csv"
        )
    return found


def read_part(path: Path) -> pd.DataFrame:
    """Read one file as it is, without its unknown columns.

    Raises:
        DataError: it can't be read, or lacks a column of the schema.
    """
    known = tables.columns(path)
    missing = [name for name in REQUIRED if name not in known]
    if missing:
        raise DataError(
            f"{path.name} lacks the columns {', '.join(missing)}",
            "schema.py lists the columns; a column that is gone needs a new model, not an empty one",
        )
    return tables.read(path, REQUIRED, NUMBERS)


def read(folder: Path) -> pd.DataFrame:
    """Return all rows of a folder in normal form, in the order of the files' names.

    Raises:
        DataError: a file can't be read, or lacks a column.
    """
    return _normal(pd.concat([read_part(path) for path in parts(folder)], ignore_index=True))


def read_file(path: Path) -> pd.DataFrame:
    """Return all rows of one file in normal form.

    Raises:
        DataError: it can't be read, or lacks a column.
    """
    return _normal(read_part(path))


def _normal(frame: pd.DataFrame) -> pd.DataFrame:
    columns = _inputs(frame)
    columns[TARGET] = numbers(frame[TARGET]) if TASK == "regression" else labels(frame[TARGET])
    if TIME is not None:
        columns[TIME] = times(frame[TIME])
    if GROUP is not None:
        columns[GROUP] = categories(frame[GROUP])
    return pd.DataFrame(columns)[list(REQUIRED)]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the model's inputs in normal form, in the schema's order.

    Raises:
        DataError: a feature is missing.
    """
    missing = [name for name in FEATURES if name not in frame.columns]
    if missing:
        raise DataError(f"the rows lack the features {', '.join(missing)}")
    return pd.DataFrame(_inputs(frame))[list(FEATURES)]


def _inputs(frame: pd.DataFrame) -> dict[str, pd.Series]:
    columns = {name: numbers(frame[name], boolean=_is_boolean(name)) for name in NUMERIC}
    columns |= {name: categories(frame[name]) for name in CATEGORICAL}
    return columns | {name: times(frame[name]) for name in DATES}


def numbers(values: pd.Series, *, boolean: bool = False) -> pd.Series:
    """Return float64; what isn't a number (for `boolean`: neither true nor false) becomes NaN."""
    if values.dtype == np.float64:
        return values
    if boolean and values.dtype == object:
        return values.map(lambda value: BOOLEANS.get(str(value).strip().lower(), np.nan)).astype(np.float64)
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def categories(values: pd.Series) -> pd.Series:
    """Return text without blanks around it, with NaN for missing.

    7 and 7.0 are both "7": a file's format makes no difference.
    """
    if pd.api.types.is_float_dtype(values.dtype):
        whole = (values % 1 == 0) | values.isna()
        if whole.all():
            values = values.astype("Int64")
    text = values.astype(object)
    return text.where(text.isna(), text.astype(str).str.strip()).where(text.notna(), np.nan)


def labels(values: pd.Series, classes: tuple[bool | int | str, ...] = CLASSES) -> pd.Series:
    """Return classes as the schema has them: booleans, whole numbers or text; NaN for what is none of them.

    "True ", true and 1 are one class where the schema's are booleans, or 0 and 1: the form of a file makes no
    difference.
    """
    known = {spelling: label for label in classes for spelling in _spellings(label, classes)}
    # By their text, because True, 1 and 1.0 are the same key of a dictionary.
    text = values.astype(object).where(values.notna(), None).astype(str).str.strip()
    named = any(isinstance(label, str) for label in classes)
    return (text if named else text.str.lower()).map(known)


def _spellings(label: bool | int | str, classes: tuple[bool | int | str, ...]) -> list[str]:  # noqa: FBT001
    """Return the texts that stand for a class."""
    if isinstance(label, str):
        return [label]
    words = ["false", "true"][label : label + 1] if set(classes) <= {0, 1} else []
    return [f"{label:d}", f"{label:d}.0", *words]


def times(values: pd.Series) -> pd.Series:
    """Return naive times; those with a zone are first moved to UTC. What isn't a time becomes NaT."""
    if values.dtype != object:
        return _moments(values)
    # In one call, pandas 2.3 gives a text without a zone the offset of the text before it.
    zoned = values.astype(str).str.contains(ZONE)
    return _moments(values.mask(zoned)).where(~zoned, _moments(values.where(zoned)))


def _moments(values: pd.Series) -> pd.Series:
    moments = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return moments.dt.tz_localize(None).dt.as_unit("ns")


def version(folder: Path) -> str:
    """Return the identity of a folder's content: the MD5 that DVC gives it, such as "83589e8a….dir".

    It follows DVC's format for a tracked folder (dvc-data 3: the JSON list of each file's MD5 and relative
    path), so that a run can be traced to `data/raw.dvc` wherever it ran, with DVC or without.
    """
    return hashlib.md5(listing(folder), usedforsecurity=False).hexdigest() + ".dir"


def listing(folder: Path) -> bytes:
    """Return what DVC stores of a tracked folder under its version: each file's MD5 and relative path."""
    entries = [
        {"md5": file_md5(path), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    return json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True).encode()


def file_md5(path: Path) -> str:
    """Return a file's MD5 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def split(frame: pd.DataFrame, params: SplitParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold rows back for the evaluation.

    With a time column, the test rows are the latest ones and no moment is on both sides: a model is judged on
    its future. Without one, the hash of a row's features decides, or that of the group it belongs to. A row
    then stays on its side when data is added, so that an older model can be judged on the same rows, and
    copies of a row, or rows of a group, are never on both sides. The target has no say: else, of equal rows
    with different targets, one target would go to either side. Where different rows are few, so that chance
    gives one side too little, the share is changed until both have what the task needs.

    Returns:
        The training rows and the test rows.

    Raises:
        DataError: one side would be empty, or would lack what the task needs.
    """
    if TIME is not None:
        frame = frame.sort_values(TIME, kind="stable", ignore_index=True)
        cut = frame[TIME].iloc[min(int(len(frame) * (1 - params.test_size)), len(frame) - 1)]
        held_back = frame[TIME] >= cut
    else:
        held_back = _drawn(frame, params)
    train, test = frame[~held_back], frame[held_back]
    setting = "split.test_size" if TIME is not None else "split.seed (1, 2, ...) or split.test_size"
    if train.empty or test.empty:
        different = "" if TIME is not None else f", with {hashes(frame, 0).nunique()} different inputs,"
        raise DataError(
            f"{len(frame)} rows{different} can't be split into training and test rows",
            f"add more data, or change {setting} in params.yaml",
        )
    for name, side in (("training", train), ("test", test)):
        if side[TARGET].nunique() < 2:  # noqa: PLR2004
            raise DataError(
                f"all {len(side)} {name} rows have the same {TARGET}: {side[TARGET].iloc[0]}",
                f"add data with other values of it, or change {setting} in params.yaml",
            )
    return train.reset_index(drop=True), test.reset_index(drop=True)


def provenance(train: pd.DataFrame, params: SplitParams) -> dict[str, Any]:
    """Return what `unseen` needs to know about a model's training rows, as plain data."""
    if TIME is not None:
        return {"trained_until": train[TIME].max().isoformat()}
    return {"seed": params.seed, "trained_from": int(hashes(train, params.seed).min())}


def unseen(rows: pd.DataFrame, origin: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows that a model can't have been trained on.

    Args:
        rows: in normal form.
        origin: what `provenance` returned when the model was trained.
    """
    if TIME is not None:
        return rows[rows[TIME] > pd.Timestamp(origin["trained_until"])]
    return rows[hashes(rows, origin["seed"]) < np.uint64(origin["trained_from"])]


def _drawn(rows: pd.DataFrame, params: SplitParams) -> pd.Series:
    """Say of each row whether its hash draws it into the test rows: the lowest ones."""
    found = hashes(rows, params.seed)
    drawn: pd.Series = found < np.uint64(params.test_size * 2**64)
    if _two_sided(rows[TARGET], drawn):
        return drawn
    different = np.sort(found.unique())
    if len(different) > FEW:
        return drawn
    wanted = params.test_size * len(different)
    for count in sorted(range(1, len(different)), key=lambda count: abs(count - wanted)):
        other: pd.Series = found < different[count]
        if _two_sided(rows[TARGET], other):
            return other
    return drawn


def _two_sided(targets: pd.Series, drawn: pd.Series) -> bool:
    """Say whether there are two targets on either side: of one there is nothing to learn or to judge."""
    return all(len(side.unique()) > 1 for side in (targets[drawn], targets[~drawn]))


def hashes(rows: pd.DataFrame, seed: int) -> pd.Series:
    """Return a number from 0 to 2**64 - 1 for each row; another one for another seed.

    Rows of the same group have the same, and so have rows with the same features that belong to none.
    """
    found: pd.Series = pd.util.hash_pandas_object(rows[list(FEATURES)], index=False)
    if GROUP is not None:
        groups = pd.util.hash_pandas_object(rows[GROUP], index=False)
        found = groups.where(rows[GROUP].notna(), found)
    # Not by pandas' `hash_key`, which leaves numbers as they are.
    salt = pd.util.hash_array(np.array([seed]))
    return pd.Series(pd.util.hash_array(found.to_numpy() ^ salt), index=found.index)


def _is_boolean(name: str) -> bool:
    return name in _BOOLEAN


_BOOLEAN = frozenset(column.name for column in COLUMNS if column.kind == "boolean")
