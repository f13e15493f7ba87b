"""CSV files: their separator, encoding and header, and errors that name the line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.data.table import MISSING, Table
from seedbed.errors import SpecError

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = ",;\t|"
_HEAD = 1 << 18  # bytes that decide the dialect
_SMALL = 1_000_000  # bytes
_LONGEST = 1 << 30  # characters of a value, so that an unclosed quotation mark is found for what it is
# Bytes read at a time, and so the longest row. Arrow reads 32 of them ahead of a slow consumer.
_BLOCK = 1 << 20
_BINARY = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"SQLite": "a SQLite database",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True)
class CsvTable(Table):
    """A CSV file."""

    encoding: str
    separator: str
    marked: bool

    @property
    def plain(self) -> bool:
        """Whether it is comma-separated UTF-8, as the generated project reads it."""
        return self.separator == "," and self.encoding == "utf-8" and not self.marked

    @property
    def is_small(self) -> bool:
        """See `Table`."""
        return self.path.stat().st_size <= _SMALL

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Table`."""
        import pyarrow as pa
        import pyarrow.csv as arrow_csv

        names = list(self.columns)
        try:
            reader = arrow_csv.open_csv(
                self.path,
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK, encoding=_arrow_name(self.encoding),
                    column_names=names, skip_rows_after_names=1,
                ),
                arrow_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), include_columns=list(columns or names),
                    strings_can_be_null=True, quoted_strings_can_be_null=True, null_values=MISSING,
                ),
            )  # fmt: skip
            last: str | None = None
            for batch in reader:
                if len(batch):
                    last = batch.column(batch.num_columns - 1)[-1].as_py()
                yield batch
            # A quotation mark that is never closed swallows the rest of the file, which Arrow takes for a value.
            if last is not None and "\n" in last:
                self._require_closed_quotes()
        except (OSError, UnicodeError, pa.ArrowException) as error:
            raise _explain(self, error) from error

    def _require_closed_quotes(self) -> None:
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader, first = csv.reader(file, delimiter=self.separator, strict=True), 1
            try:
                for _ in reader:
                    first = reader.line_num + 1
            except csv.Error as error:
                raise SpecError(
                    f"data.source: {self.path.name}, line {first}: {error}",
                    hint="Most often a quotation mark is opened and never closed.",
                    details={"line": first},
                ) from error


def open_csv(path: Path, encoding: str) -> CsvTable:
    """Find out the dialect of a CSV file.

    Raises:
        SpecError: it is empty, not text in this encoding, or has no header or no rows.
    """
    try:
        encoding = codecs.lookup(encoding).name
    except LookupError:
        raise SpecError(
            f"data.encoding: Python knows no encoding '{encoding}'", hint="For example latin-1, cp1252 or utf-16."
        ) from None
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise SpecError(f"data.source: {path.name} is empty", hint="Give a CSV file with a header, or a Parquet file.")
    text = _decoded(path, head, encoding)
    marked = text.startswith("\ufeff")
    csv.field_size_limit(_LONGEST)
    separator, rows = _dialect(text.removeprefix("\ufeff"))
    header = [name or f"Unnamed: {number}" for number, name in enumerate(rows[0])]
    if len(rows) < 2:  # noqa: PLR2004
        raise SpecError(f"data.source: {path.name} has a header and no rows", hint="Its first line names the columns.")
    if any(_is_fraction(name) for name in header):
        raise SpecError(
            f"data.source: {path.name} has no header: its first line holds numbers ({', '.join(header[:3])}, …)",
            hint="Write a first line with the columns' names.",
        )
    return CsvTable(path, tuple(header), encoding, separator, marked)


def _decoded(path: Path, head: bytes, encoding: str) -> str:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise SpecError(
                f"data.source: {path.name} is not text: it is {what}", hint="Save the table as CSV or Parquet."
            )
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in head and not encoding.startswith("utf-16") and not utf16:
        raise SpecError(
            f"data.source: {path.name} is not text: byte {head.index(0) + 1} is zero",
            hint="Save the table as CSV or Parquet.",
        )
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        raise _not_in(path, encoding) from None


def _dialect(text: str) -> tuple[str, list[list[str]]]:
    """The separator, and the first complete rows read with it: the one that divides them into most equal parts."""
    best = (",", [[text.splitlines()[0]]], (False, 0))
    for separator in SEPARATORS:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row][:100]
        except csv.Error:
            continue
        rank = (all(len(row) == len(rows[0]) for row in rows[1:-1]), len(rows[0]))
        # One column divides every row equally: that is no merit.
        if len(rows[0]) > 1 and (rank > best[2] or len(best[1][0]) < 2):  # noqa: PLR2004
            best = (separator, rows, rank)
        elif separator == ",":
            best = (separator, rows, (False, len(rows[0])))
    return best[0], best[1]


def _is_fraction(text: str) -> bool:
    """Whether a name is a number with decimals; whole numbers name the columns of many a matrix."""
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False


def _arrow_name(encoding: str) -> str:
    return "utf8" if encoding == "utf-8" else encoding


def _explain(table: CsvTable, error: Exception) -> SpecError:
    """What a person can correct: the line, where the reader knows only that something is wrong."""
    text, name = str(error), table.path.name
    if isinstance(error, UnicodeError) or "invalid UTF8" in text:
        return _not_in(table.path, table.encoding)
    if "straddl" in text:
        return SpecError(
            f"data.source: {name} has a row of more than {_BLOCK >> 20} MB",
            hint="Most often a quotation mark is opened and never closed.",
        )
    wanted = len(table.columns)
    with table.path.open(encoding=table.encoding, newline="", errors="replace") as file:
        reader = csv.reader(file, delimiter=table.separator)
        first = 1
        try:
            for row in reader:
                if row and len(row) != wanted:
                    return SpecError(
                        f"data.source: {name}, line {first}: {len(row)} values where the header names {wanted} columns",
                        hint="Correct the line: a value that holds the separator needs quotation marks.",
                        details={"line": first, "values": len(row), "columns": wanted},
                    )
                first = reader.line_num + 1
        except csv.Error as problem:
            return SpecError(f"data.source: {name}, line {first}: {problem}")
    return SpecError(f"data.source: {name} can't be read: {' '.join(text.split())[:300]}")


def _not_in(path: Path, encoding: str) -> SpecError:
    """The first byte that isn't text in this encoding, by its place in the file."""
    line, offset, where = 1, 0, ""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # A sequence may have begun in the chunk before: then the decoder counts from its kept bytes.
                place = max(0, error.start - (len(error.object) - len(chunk)))
                line += chunk.count(b"\n", 0, place)
                where = f": byte 0x{error.object[error.start]:02x} at position {offset + place + 1}, line {line}"
                break
            if not chunk:
                break
            line += chunk.count(b"\n")
            offset += len(chunk)
    return SpecError(
        f"data.source: {path.name} is not CSV text in {encoding.upper()}{where}",
        hint="Name its encoding, for example --encoding latin-1 (Western European) or --encoding utf-16 (Excel).",
    )
