"""A data file as a stream of batches of text, with bounded memory whatever its size and format.

Every value arrives as text, and as null where it is missing: what a column holds is then decided in one way for CSV
and Parquet (see `profile`), by the rules under which the generated project will read the same file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.errors import SpecError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_MAGIC = b"PAR1"
BATCH_ROWS = 16_384
_SMALL_CELLS = 100_000
# What pandas, which reads the file in the generated project, takes for a missing value.
MISSING = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip


@dataclass(frozen=True)
class Table(ABC):
    """One data file: its columns, and its rows as often as they are wanted."""

    path: Path
    columns: tuple[str, ...]

    @abstractmethod
    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in their order, as text, with null for missing.

        Args:
            columns: which columns, in which order; default: all.

        Raises:
            SpecError: the file is damaged.
        """

    @property
    @abstractmethod
    def is_small(self) -> bool:
        """Whether all of it may go into git."""

    def plain_numbers(self, values: pa.Array) -> pa.Array:
        """Text of this file in which numbers are written with a decimal point and nothing else."""
        return values

    def require(self, wanted: Sequence[str]) -> None:
        """Make sure that the file has these columns.

        Raises:
            SpecError: it hasn't.
        """
        if missing := [column for column in wanted if column not in self.columns]:
            raise SpecError(
                f"data.source: {self.path.name} has no column {', '.join(map(repr, missing))}",
                hint=f"It has: {', '.join(self.columns[:40])}{', …' if len(self.columns) > 40 else ''}",  # noqa: PLR2004
            )


@dataclass(frozen=True)
class ParquetTable(Table):
    """A Parquet file."""

    rows: int
    readable: frozenset[str]

    @property
    def is_small(self) -> bool:
        """See `Table`."""
        return self.rows * len(self.columns) <= _SMALL_CELLS

    def copy(self, path: Path, kept: Iterable[pa.BooleanArray]) -> None:
        """Write some of the rows to another Parquet file, with every column as it is.

        Args:
            path: where to.
            kept: which rows, batch by batch as `batches` gives them.
        """
        import pyarrow.parquet as pq

        with _opened(self.path) as file, pq.ParquetWriter(path, file.schema_arrow) as writer:
            for batch, mask in zip(file.iter_batches(batch_size=BATCH_ROWS, use_threads=False), kept, strict=True):
                writer.write_batch(batch.filter(mask))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Table`; a column of a type that no model takes (lists, bytes, durations) is null throughout."""
        import pyarrow as pa

        names = list(self.columns if columns is None else columns)
        wanted = [name for name in names if name in self.readable]
        with _opened(self.path) as file:
            try:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted, use_threads=False):
                    read = dict(zip(wanted, batch.select(wanted).columns, strict=True))
                    arrays = [
                        _text(read[name]) if name in read else pa.nulls(len(batch), pa.string()) for name in names
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, names=names)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(self.path, error) from error


def open_table(path: Path, encoding: str = "utf-8", decimal: str = ".", thousands: str = "") -> Table:
    """Look at the beginning of a file and return it as a table.

    Args:
        path: an existing file.
        encoding: of the text in a CSV file, as Python names it.
        decimal: the mark before the decimals of its numbers.
        thousands: the mark between their thousands.

    Raises:
        SpecError: it is no table: not text, empty, of one column, with no or two equal names of columns.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == PARQUET_MAGIC or path.suffix.lower() in {".parquet", ".pq"}:
        table = _open_parquet(path)
    else:
        from seedbed.data.csv_table import open_csv
        from seedbed.data.numbers import NumberForm

        table = open_csv(path, encoding, NumberForm(decimal, thousands))
    names = table.columns
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(
            f"data.source: {path.name} has several columns named {', '.join(map(repr, double[:5]))}",
            hint="Rename or remove all but one.",
        )
    if len(names) < 2:  # noqa: PLR2004, an input and a target
        raise SpecError(
            f"data.source: {path.name} has one column, {names[0]!r}; a model needs a target and at least one input",
            hint="If it has more, its separator is none of comma, semicolon, tab and vertical bar.",
        )
    return table


def _open_parquet(path: Path) -> Table:
    import pyarrow.types as kinds

    def readable(kind: pa.DataType) -> bool:
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        return any(
            test(kind)
            for test in (
                kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_timestamp,
                kinds.is_date, kinds.is_string, kinds.is_large_string, kinds.is_string_view,
            )
        )  # fmt: skip

    with _opened(path) as file:
        schema = file.schema_arrow
        rows = file.metadata.num_rows
        if rows == 0:
            raise SpecError(f"data.source: {path.name} has columns and no rows")
        # pandas keeps its row labels under such names, and takes them for labels again.
        fields = [field for field in schema if not field.name.startswith("__index_level_")]
    if not fields:
        raise SpecError(f"data.source: {path.name} has no columns")
    known = frozenset(field.name for field in fields if readable(field.type))
    return ParquetTable(path, tuple(field.name for field in fields), rows, known)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        # Pages are read as they are needed: a row group may be as large as the file.
        return pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SpecError:
    reason = " ".join(str(error).split())[:200]
    return SpecError(
        f"data.source: {path.name} is not a complete Parquet file: {reason}",
        hint="It may be cut off: copy or write it again.",
    )


def _text(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kinds.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if kinds.is_timestamp(values.type) and values.type.tz is not None:
        # The time zone's own offset may have seconds, which no reader takes.
        values = values.cast(pa.timestamp(values.type.unit, "UTC"))
    # Text such as "NA" is missing for the CSV reader, which reads the sample.
    return trimmed(values.cast(pa.string()))


def trimmed(text: pa.Array) -> pa.Array:
    """Text without blanks around it; null where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)
