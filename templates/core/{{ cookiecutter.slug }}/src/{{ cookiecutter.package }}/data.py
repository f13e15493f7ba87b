"""Reading, normalising, identifying and splitting the data.

Everything after `read` works on one normal form: numbers, integers and booleans as float64 with NaN for
missing, categories as text with NaN for missing, the time as naive datetime64 (UTC if the source had a zone),
and the target as float64 (regression) or as its labels (classification).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .errors import DataError
from .schema import CATEGORICAL, COLUMNS, FEATURES, NUMERIC, REQUIRED, TARGET, TASK, TIME

if TYPE_CHECKING:
    from .config import SplitParams

RAW = Path("data/raw")
SUFFIXES = (".csv", ".parquet")
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
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            # Categories stay text: "01" is not 1.
            frame = pd.read_csv(path, dtype=dict.fromkeys(CATEGORICAL, "object"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} can't be read: {error}") from error
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path.name} lacks the columns {', '.join(missing)}",
            "schema.py lists the columns; a column that is gone needs a new model, not an empty one",
        )
    return frame[list(REQUIRED)]


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
    columns = {name: numbers(frame[name], boolean=_is_boolean(name)) for name in NUMERIC}
    columns |= {name: categories(frame[name]) for name in CATEGORICAL}
    columns[TARGET] = numbers(frame[TARGET]) if TASK == "regression" else labels(frame[TARGET])
    if TIME is not None:
        columns[TIME] = times(frame[TIME])
    return pd.DataFrame(columns)[list(REQUIRED)]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the model's inputs in normal form, in the schema's order.

    Raises:
        DataError: a feature is missing.
    """
    missing = [name for name in FEATURES if name not in frame.columns]
    if missing:
        raise DataError(f"the rows lack the features {', '.join(missing)}")
    columns = {name: numbers(frame[name], boolean=_is_boolean(name)) for name in NUMERIC}
    columns |= {name: categories(frame[name]) for name in CATEGORICAL}
    return pd.DataFrame(columns)[list(FEATURES)]


def numbers(values: pd.Series, *, boolean: bool = False) -> pd.Series:
    """Return float64; what isn't a number (for `boolean`: neither true nor false) becomes NaN."""
    if values.dtype == np.float64:
        return values
    if boolean and values.dtype == object:
        return values.map(lambda value: BOOLEANS.get(str(value).lower(), np.nan)).astype(np.float64)
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def categories(values: pd.Series) -> pd.Series:
    """Return text, with NaN for missing; 7 and 7.0 are both "7": a file's format makes no difference."""
    if pd.api.types.is_float_dtype(values.dtype):
        whole = (values % 1 == 0) | values.isna()
        if whole.all():
            values = values.astype("Int64")
    text = values.astype(object)
    return text.where(text.isna(), text.astype(str)).where(text.notna(), np.nan)


def labels(values: pd.Series) -> pd.Series:
    """Return the classes as booleans, whole numbers or text, whichever holds all of them."""
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_integer_dtype(values.dtype):
        return values
    if pd.api.types.is_float_dtype(values.dtype) and bool((values % 1 == 0).all()):
        return values.astype(np.int64)
    if all(isinstance(value, bool) for value in values):
        return values.astype(bool)
    return categories(values)


def times(values: pd.Series) -> pd.Series:
    """Return naive times; those with a zone are first moved to UTC. What isn't a time becomes NaT."""
    return pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)


def version(folder: Path) -> str:
    """Return the identity of a folder's content: the MD5 that DVC gives it, such as "83589e8a….dir".

    It follows DVC's format for a tracked folder (dvc-data 3: the JSON list of each file's MD5 and relative
    path), so that a run can be traced to `data/raw.dvc` wherever it ran, with DVC or without.
    """
    entries = [
        {"md5": file_md5(path), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    """Return a file's MD5 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def split(frame: pd.DataFrame, params: SplitParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold rows back for the evaluation.

    With a time column, the test rows are the latest ones and no moment is on both sides: a model is judged on
    its future. Without one, rows are shuffled, with the classes in the same proportions on both sides.

    Returns:
        The training rows and the test rows.

    Raises:
        DataError: one side would be empty, or would lack what the task needs.
    """
    if TIME is not None:
        ordered = frame.sort_values(TIME, kind="stable", ignore_index=True)
        cut = ordered[TIME].iloc[min(int(len(ordered) * (1 - params.test_size)), len(ordered) - 1)]
        train, test = ordered[ordered[TIME] < cut], ordered[ordered[TIME] >= cut]
    else:
        train, test = _shuffled(frame, params)
    if train.empty or test.empty:
        raise DataError(f"{len(frame)} rows can't be split into training and test rows", "add more data")
    if TASK == "classification":
        for name, side in (("training", train), ("test", test)):
            if side[TARGET].nunique() < 2:  # noqa: PLR2004
                raise DataError(
                    f"all {len(side)} {name} rows have the same {TARGET}: {side[TARGET].iloc[0]!r}",
                    "add data with every class, or change split.test_size in params.yaml",
                )
    return train.reset_index(drop=True), test.reset_index(drop=True)


def _shuffled(frame: pd.DataFrame, params: SplitParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    from sklearn.model_selection import train_test_split

    # A class with a single row can't be on both sides: such data is split without regard to classes.
    stratify = frame[TARGET] if TASK == "classification" and frame[TARGET].value_counts().min() > 1 else None
    try:
        train, test = train_test_split(
            frame, test_size=params.test_size, random_state=params.seed, stratify=stratify
        )
    except ValueError as error:
        raise DataError(f"{len(frame)} rows can't be split: {error}", "add more data") from error
    return train, test


def _is_boolean(name: str) -> bool:
    return name in _BOOLEAN


_BOOLEAN = frozenset(column.name for column in COLUMNS if column.kind == "boolean")
