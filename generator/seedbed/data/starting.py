"""The data that a project starts with: a sample in git for its tests, and all of a larger file beside it for DVC."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.data.csv_table import CsvTable
from seedbed.data.sampling import Sampler
from seedbed.data.table import MISSING, ParquetTable, Table
from seedbed.errors import SpecError
from seedbed.spec import ProjectSpec

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = "tests/data/sample.csv"
RAW = "data/raw"
_SAMPLE_ROWS = 2_000
_SAMPLE_CELLS = 100_000
_CLASS_ROWS = 50  # rows that each class gets if it has them: both sides of the tests' splits need some
_MOST_CLASSES = 200


def used_columns(spec: ProjectSpec) -> list[str]:
    """The columns that the project reads."""
    return [spec.data.target, *spec.data.features, *([spec.data.time] if spec.data.time else [])]


def place(table: Table, spec: ProjectSpec, into: Path) -> int:
    """Give a project its first data.

    A small file goes into git as it is, and the project trains on it. Of a larger one, the columns that are used and a
    sample of the rows go into git (a rare class keeps its rows), and the whole file into the folder that DVC tracks.
    Both are written as the project reads them: UTF-8, separated by commas, every row with a target and a time.

    Args:
        table: the file.
        spec: names the columns.
        into: the project's folder.

    Returns:
        How many rows were left out, since they have no target or no time.

    Raises:
        SpecError: the file lacks a column, is damaged, or has no complete row.
    """
    table.require(used_columns(spec))
    needed = [spec.data.target, *([spec.data.time] if spec.data.time else [])]
    sample = into / SAMPLE
    sample.parent.mkdir(parents=True, exist_ok=True)
    if table.is_small:
        if isinstance(table, CsvTable) and table.plain and _complete(table, needed):
            shutil.copyfile(table.path, sample)
            return 0
        left_out = _write_csv(table, needed, sample)
    else:
        rows = _draw(table, spec, needed)
        _write_sample(used_columns(spec), rows, sample)
        left_out = _place_whole(table, needed, into / RAW)
    if sample.stat().st_size == 0 or not _has_rows(sample):
        raise SpecError(f"data.source: {table.path.name} has no row with {' and '.join(needed)}")
    return left_out


def _complete(table: CsvTable, needed: Sequence[str]) -> bool:
    """Whether a small file is sound and no row lacks a needed value.

    Without pyarrow, which takes longer to import than this; what is wrong with an unsound file is for the full reader.
    """
    places = [table.columns.index(name) for name in needed]
    missing = set(MISSING)
    try:
        with table.path.open(encoding=table.encoding, newline="") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            return all(
                len(row) == len(table.columns) and not any(row[place] in missing for place in places)
                for row in reader
                if row
            )
    except (UnicodeDecodeError, csv.Error):
        return False


def _has_rows(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _, _ in zip(range(2), file, strict=False)) > 1


def _place_whole(table: Table, needed: Sequence[str], folder: Path) -> int:
    folder.mkdir(parents=True)
    parquet = isinstance(table, ParquetTable)
    path = folder / f"{table.path.stem.lstrip('.')}{'.parquet' if parquet else '.csv'}"
    incomplete: int = sum(len(batch) - _kept(batch, needed).true_count for batch in table.batches(needed))
    if incomplete and isinstance(table, ParquetTable):
        table.copy(path, (_kept(batch, needed) for batch in table.batches(needed)))
    elif incomplete or (isinstance(table, CsvTable) and not table.plain):
        _write_csv(table, needed, path)
    else:
        shutil.copyfile(table.path, path)
    return incomplete


def _kept(batch: pa.RecordBatch, needed: Sequence[str]) -> pa.BooleanArray:
    """Which rows have all needed values."""
    import functools

    import pyarrow.compute as pc

    return functools.reduce(pc.and_, (pc.is_valid(batch.column(name)) for name in needed))


def _write_csv(table: Table, needed: Sequence[str], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    schema = pa.schema([(name, pa.string()) for name in table.columns])
    left_out = 0
    with arrow_csv.CSVWriter(path, schema) as writer:
        for batch in table.batches():
            complete = batch.filter(_kept(batch, needed))
            left_out += len(batch) - len(complete)
            writer.write_batch(complete)
    return left_out


def _draw(table: Table, spec: ProjectSpec, needed: Sequence[str]) -> pa.Table:
    """A sample in the file's order, with at least _CLASS_ROWS rows of each class."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, target = used_columns(spec), spec.data.target
    size = max(_SAMPLE_ROWS // 5, min(_SAMPLE_ROWS, _SAMPLE_CELLS // len(columns)))
    everything, classes, counts = Sampler(size), dict[str, Sampler](), dict[str, int]()
    by_class = spec.project.task == "classification"
    first = 0
    for batch in table.batches(columns):
        kept = _kept(batch, needed)
        everything.add(first, batch.columns, kept)
        if by_class:
            answers = batch.column(target)
            for item in pc.value_counts(answers.filter(kept)):
                label = item["values"].as_py()
                counts[label] = counts.get(label, 0) + item["counts"].as_py()
                chosen = pc.and_(kept, pc.equal(answers, label))
                classes.setdefault(label, Sampler(size)).add(first, batch.columns, chosen)
            by_class = len(counts) <= _MOST_CLASSES
        first += len(batch)
    if not by_class:
        return everything.table()
    total = sum(counts.values())
    parts = [
        sampler.table(max(min(counts[label], _CLASS_ROWS), round(size * counts[label] / total)))
        for label, sampler in classes.items()
    ]
    return pa.concat_tables(parts).sort_by("row") if parts else everything.table()


def _write_sample(columns: Sequence[str], rows: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(_values(rows))


def _values(rows: pa.Table) -> Iterator[tuple[str | None, ...]]:
    return zip(*(column.to_pylist() for column in rows.columns[2:]), strict=True)
