"""The data that a project starts with: a sample in git for its tests, and all of a larger file beside it for DVC."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed import spec as specs
from seedbed.data import target
from seedbed.data.csv_table import CsvTable
from seedbed.data.sampling import Sampler
from seedbed.data.table import MISSING, ParquetTable, Table
from seedbed.errors import SpecError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = "tests/data/sample.csv"
RAW = "data/raw"
_SAMPLE_ROWS = 2_000
_SAMPLE_CELLS = 100_000
_CLASS_ROWS = 50  # rows that each class gets if it has them: both sides of the tests' splits need some
_MOST_CLASSES = 200


@dataclass(frozen=True)
class Placed:
    """What a project got.

    Attributes:
        left_out: rows of the file without a target or a time.
        classes: of the target; none for a regression.
        columns: that went into git, in the file's order.
        rows: that went into git.
    """

    left_out: int
    classes: tuple[specs.Class, ...]
    columns: tuple[str, ...]
    rows: int


@dataclass
class _Seen:
    """The complete rows, and those of each class."""

    rows: int = 0
    counts: Counter[str] | None = None

    def add(self, label: str, rows: int = 1) -> None:
        self.rows += rows
        if self.counts is not None:
            self.counts[label] += rows
            if len(self.counts) > _MOST_CLASSES:
                raise SpecError(
                    f"data.target: more than {_MOST_CLASSES} classes are too many to learn",
                    hint="Name another target, or predict an amount: project.task = regression",
                )


def used_columns(spec: specs.ProjectSpec) -> list[str]:
    """The columns that the project reads."""
    data = spec.data
    return [data.target, *data.features, *filter(None, (data.time, data.group))]


def place(table: Table, spec: specs.ProjectSpec, into: Path) -> Placed:
    """Give a project its first data.

    Of a small file the columns that are used go into git, and the project trains on them. Of a larger one a sample of
    their rows does (a rare class keeps its rows), and the whole file goes into the folder that DVC tracks. All is
    written as the project reads it: UTF-8, commas, decimal points, and a target and a time in every row.

    Args:
        table: the file.
        spec: names the columns.
        into: the project's folder.

    Raises:
        SpecError: the file lacks a column, is damaged, or has too few complete rows.
    """
    used = used_columns(spec)
    table.require(used)
    columns = [name for name in table.columns if name in used]
    needed = [spec.data.target, *([spec.data.time] if spec.data.time else [])]
    sample = into / SAMPLE
    sample.parent.mkdir(parents=True, exist_ok=True)
    classification = spec.project.task == "classification"
    seen = _Seen(counts=Counter() if classification else None)
    if table.is_small:
        left_out = _write_small(table, columns, needed, _numeric(spec), sample, seen)
        rows = seen.rows
    else:
        drawn = _draw(table, columns, needed, seen)
        rows = len(drawn)
        _write_rows(sample, columns, _plain_rows(table, columns, drawn.columns[2:], _numeric(spec)))
        left_out = _place_whole(table, needed, _numeric(spec), into / RAW)
    if not seen.rows:
        raise SpecError(f"data.source: {table.path.name} has no row with {' and '.join(needed)}")
    target.require_enough(spec.data.target, seen.rows, seen.counts)
    return Placed(left_out, target.classes(seen.counts or ()), tuple(columns), rows)


def _numeric(spec: specs.ProjectSpec) -> frozenset[str]:
    """The columns of numbers, which the file may write in another form."""
    numeric = {name for name, kind in spec.data.features.items() if kind.rstrip("?") in {"number", "integer"}}
    return frozenset(numeric | ({spec.data.target} if spec.project.task == "regression" else set()))


def _write_small(
    table: Table, columns: Sequence[str], needed: Sequence[str], numeric: Collection[str], path: Path, seen: _Seen
) -> int:
    rows: Iterator[Sequence[str | None]]
    if isinstance(table, CsvTable) and table.plain:
        # Without pyarrow, which takes longer to import than this.
        places = [table.columns.index(name) for name in columns]
        rows = ([row[place].strip() for place in places] for row in table.rows())
    else:
        batches = table.batches(columns)
        rows = (row for batch in batches for row in _plain_rows(table, columns, batch.columns, numeric))
    answers = columns.index(needed[0])
    must, missing, left_out = [columns.index(name) for name in needed], {None, *MISSING}, 0

    def complete() -> Iterator[Sequence[str | None]]:
        nonlocal left_out
        for row in rows:
            if any(row[place] in missing for place in must):
                left_out += 1
                continue
            seen.add(row[answers] or "")
            yield row

    _write_rows(path, columns, complete())
    return left_out


def _plain_rows(
    table: Table, columns: Sequence[str], values: Sequence[pa.Array], numeric: Collection[str]
) -> Iterator[tuple[str | None, ...]]:
    plain = [table.plain_numbers(each) if name in numeric else each for name, each in zip(columns, values, strict=True)]
    return zip(*(each.to_pylist() for each in plain), strict=True)


def _write_rows(path: Path, columns: Sequence[str], rows: Iterator[Sequence[str | None]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _place_whole(table: Table, needed: Sequence[str], numeric: Collection[str], folder: Path) -> int:
    folder.mkdir(parents=True)
    parquet = isinstance(table, ParquetTable)
    path = folder / f"{table.path.stem.lstrip('.')}{'.parquet' if parquet else '.csv'}"
    incomplete: int = sum(len(batch) - _kept(batch, needed).true_count for batch in table.batches(needed))
    if incomplete and isinstance(table, ParquetTable):
        table.copy(path, (_kept(batch, needed) for batch in table.batches(needed)))
    elif incomplete or (isinstance(table, CsvTable) and not table.plain):
        _write_whole(table, needed, numeric, path)
    else:
        shutil.copyfile(table.path, path)
    return incomplete


def _kept(batch: pa.RecordBatch, needed: Sequence[str]) -> pa.BooleanArray:
    """Which rows have all needed values."""
    import functools

    import pyarrow.compute as pc

    return functools.reduce(pc.and_, (pc.is_valid(batch.column(name)) for name in needed))


def _write_whole(table: Table, needed: Sequence[str], numeric: Collection[str], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    schema = pa.schema([(name, pa.string()) for name in table.columns])
    with arrow_csv.CSVWriter(path, schema) as writer:
        for batch in table.batches():
            complete = batch.filter(_kept(batch, needed))
            arrays = [
                table.plain_numbers(values) if name in numeric else values
                for name, values in zip(table.columns, complete.columns, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _draw(table: Table, columns: Sequence[str], needed: Sequence[str], seen: _Seen) -> pa.Table:
    """A sample in the file's order, with at least _CLASS_ROWS rows of each class."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = max(_SAMPLE_ROWS // 5, min(_SAMPLE_ROWS, _SAMPLE_CELLS // len(columns)))
    everything, classes = Sampler(size), dict[str, Sampler]()
    first = 0
    for batch in table.batches(columns):
        kept = _kept(batch, needed)
        if seen.counts is None:
            seen.add("", kept.true_count)
            everything.add(first, batch.columns, kept)
        else:
            answers = batch.column(needed[0])
            for item in pc.value_counts(answers.filter(kept)):
                label = item["values"].as_py()
                seen.add(label, item["counts"].as_py())
                chosen = pc.and_(kept, pc.equal(answers, label))
                classes.setdefault(label, Sampler(size)).add(first, batch.columns, chosen)
        first += len(batch)
    if seen.counts is None or not classes:
        return everything.table()
    parts = [
        sampler.table(max(min(seen.counts[label], _CLASS_ROWS), round(size * seen.counts[label] / seen.rows)))
        for label, sampler in classes.items()
    ]
    return pa.concat_tables(parts).sort_by("row")
