"""Checks of the data: what breaks the schema is refused, what is merely new is reported."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import data
from .errors import DataError
from .schema import CATEGORICAL, CLASSES, COLUMNS, GROUP, NUMERIC, TARGET, TASK, TIME

if TYPE_CHECKING:
    from pathlib import Path

    import pandera.pandas as pa

SHOWN = 5  # violations and new values named in a message
CLASSES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that some rows of a file break.

    Attributes:
        file: the file's name.
        column: the column's name.
        rule: what its values have to be.
        rows: how many rows break it.
        row: the first of them, counted from 1 without the header.
        value: what stands there.
    """

    file: str
    column: str
    rule: str
    rows: int
    row: int
    value: str

    def __str__(self) -> str:
        """Return the sentence a person reads."""
        what = f"{self.rows} rows are not {self.rule}; first: row {self.row}, {self.value}"
        return f"{self.file}, {self.column}: {what}"


@cache
def frame_schema() -> pa.DataFrameSchema:
    """Return the pandera schema of a file as it was read, before any conversion."""
    import pandera.pandas as pa

    rules = {
        "number": ("a finite number", _is_number),
        "integer": ("a whole number", _is_integer),
        "boolean": ("true or false", _is_boolean),
        "date": ("a date", _is_time),
    }

    def column(kind: str, *, nullable: bool) -> pa.Column:
        checks = [pa.Check(rules[kind][1], error=rules[kind][0])] if kind in rules else []
        return pa.Column(None, checks=checks, nullable=nullable)

    columns = {feature.name: column(feature.kind, nullable=feature.nullable) for feature in COLUMNS}
    if TASK == "regression":
        columns[TARGET] = column("number", nullable=False)
    else:
        names = ", ".join(map(str, CLASSES[:CLASSES_SHOWN])) + (", …" if len(CLASSES) > CLASSES_SHOWN else "")
        known = pa.Check(_is_class, error=f"of a class in schema.py ({names})")
        columns[TARGET] = pa.Column(None, checks=[known], nullable=False)
    if TIME is not None:
        columns[TIME] = pa.Column(None, checks=[pa.Check(_is_time, error="a time")], nullable=False)
    if GROUP is not None:
        columns[GROUP] = pa.Column(None, nullable=True)
    return pa.DataFrameSchema(columns)


def violations(path: Path) -> list[Violation]:
    """Return every rule that a file breaks.

    Raises:
        DataError: the file can't be read, is empty, or lacks a column.
    """
    from pandera.errors import SchemaErrors

    frame = data.read_part(path)
    if frame.empty:
        raise DataError(f"{path.name} holds no rows")
    try:
        frame_schema().validate(frame, lazy=True)
    except SchemaErrors as error:
        return [
            Violation(
                file=path.name,
                column=str(column),
                rule="filled" if rule == "not_nullable" else str(rule),
                rows=len(cases),
                row=int(cases["index"].iloc[0]) + 1,
                value=_shown(cases["failure_case"].iloc[0]),
            )
            for (column, rule), cases in error.failure_cases.groupby(["column", "check"], sort=False)
        ]
    return []


def require_valid(paths: list[Path]) -> None:
    """Refuse files that break the schema.

    Raises:
        DataError: naming the first violations.
    """
    found = [violation for path in paths for violation in violations(path)]
    if found:
        lines = [f"  - {violation}" for violation in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  - and {len(found) - SHOWN} more")
        raise DataError(
            "the data doesn't follow the schema:\n" + "\n".join(lines),
            "correct the files; if the data is right, correct schema.py",
        )


def news(new: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """Return in sentences what `known` never showed: new categories, and numbers far outside its range.

    Far is more than the known range's own width beyond it. Both frames are in normal form. None of this is an
    error: airlines are founded and heat records fall. But it is also how a changed unit looks.
    """
    found = []
    for name in CATEGORICAL:
        values = sorted(set(new[name].dropna()) - set(known[name].dropna()))
        if values:
            more = ", …" if len(values) > SHOWN else ""
            found.append(f"{name}: {len(values)} new values: {', '.join(values[:SHOWN])}{more}")
    for name in NUMERIC:
        low, high = known[name].min(), known[name].max()
        width = high - low
        outside = (new[name] < low - width) | (new[name] > high + width)
        if outside.any():
            example = new[name][outside].iloc[0]
            found.append(f"{name}: {outside.sum()} values far outside {low:g} to {high:g}, e.g. {example:g}")
    return found


def profile(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the figures of the dataset card: of each column what is missing, its range or its values."""
    columns: dict[str, dict[str, Any]] = {}
    for feature in COLUMNS:
        values = frame[feature.name]
        figures: dict[str, Any] = {"kind": feature.kind, "missing": int(values.isna().sum())}
        if feature.kind == "category":
            counts = values.value_counts()
            figures |= {"values": len(counts), "commonest": [str(value) for value in counts.index[:SHOWN]]}
        elif feature.kind == "date" and values.notna().any():
            figures |= {"min": values.min().isoformat(), "max": values.max().isoformat()}
        elif values.notna().any():
            figures |= {"min": float(values.min()), "mean": float(values.mean()), "max": float(values.max())}
        columns[feature.name] = figures
    result: dict[str, Any] = {"rows": len(frame), "columns": columns}
    if TASK == "classification":
        shares = frame[TARGET].value_counts(normalize=True).sort_index()
        result["target"] = {str(label): float(share) for label, share in shares.items()}
    else:
        result["target"] = {key: float(getattr(frame[TARGET], key)()) for key in ("min", "mean", "max")}
    if TIME is not None:
        result["period"] = [frame[TIME].min().isoformat(), frame[TIME].max().isoformat()]
    return result


def report(folder: Path) -> dict[str, Any]:
    """Check a folder of data and describe it.

    Returns:
        `files`, `data_version` and the figures of `profile`.

    Raises:
        DataError: a file breaks the schema, or all rows have the same target.
    """
    paths = data.parts(folder)
    require_valid(paths)
    frame = data.read(folder)
    if frame[TARGET].nunique() < 2:  # noqa: PLR2004
        raise DataError(
            f"all {len(frame)} rows have the same {TARGET}", "there is nothing to learn: add data with others"
        )
    return {"files": [path.name for path in paths], "data_version": data.version(folder)} | profile(frame)


def _shown(value: Any) -> str:
    if pd.isna(value):
        return "nothing"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _is_class(values: pd.Series) -> pd.Series:
    return data.labels(values).notna()


def _is_number(values: pd.Series) -> pd.Series:
    return pd.Series(np.isfinite(data.numbers(values)), index=values.index)


def _is_integer(values: pd.Series) -> pd.Series:
    return _is_number(values) & (data.numbers(values) % 1 == 0)


def _is_boolean(values: pd.Series) -> pd.Series:
    return data.numbers(values, boolean=True).isin([0.0, 1.0])


def _is_time(values: pd.Series) -> pd.Series:
    return data.times(values).notna()
