"""CSV files: their separator, encoding and header, and errors that name the line."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seedbed import spec as specs
from seedbed.data.numbers import NumberForm
from seedbed.data.table import MISSING, Table, trimmed
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
    """A CSV file.

    Attributes:
        encoding: of its text.
        separator: between its values.
        marked: whether it begins with a byte order mark.
        spaced: whether there are blanks between a separator and a quotation mark.
        padded: whether there are blanks around a column's name.
        numbers: how its numbers are written.
    """

    encoding: str
    separator: str
    marked: bool
    spaced: bool
    padded: bool
    numbers: NumberForm

    @property
    def plain(self) -> bool:
        """Whether it is comma-separated UTF-8, as the generated project reads it."""
        odd = self.marked or self.spaced or self.padded
        return self.separator == "," and self.encoding == "utf-8" and self.numbers == NumberForm() and not odd

    @property
    def form(self) -> specs.CsvForm:
        """How it is written, in the words of the spec."""
        numbers: Any = {"decimal": self.numbers.decimal, "thousands": self.numbers.thousands}
        return specs.CsvForm(encoding=self.encoding, separator=cast("Any", self.separator), **numbers)

    @property
    def is_small(self) -> bool:
        """See `Table`."""
        return self.path.stat().st_size <= _SMALL

    def rows(self) -> Iterator[list[str]]:
        """The rows as they are written: slowly, without Arrow, and with the line of what is wrong.

        Raises:
            SpecError: a row has more or fewer values than the header, or it isn't CSV text.
        """
        wanted, line, header = len(self.columns), 1, True
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.separator, skipinitialspace=self.spaced, strict=True)
            try:
                for row in reader:
                    if row and len(row) != wanted:
                        raise SpecError(
                            f"data.source: {self.path.name}, line {line}: "
                            f"{len(row)} values where the header names {wanted} columns",
                            hint="Correct the line: a value that holds the separator needs quotation marks.",
                            details={"line": line, "values": len(row), "columns": wanted},
                        )
                    if row and not header:
                        yield row
                    header = header and not row
                    line = reader.line_num + 1
            except csv.Error as error:
                raise SpecError(
                    f"data.source: {self.path.name}, line {line}: {error}",
                    hint="Most often a quotation mark is opened and never closed.",
                    details={"line": line},
                ) from error
            except UnicodeDecodeError as error:
                raise _not_in(self.path, self.encoding) from error

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """See `Table`."""
        import pyarrow as pa
        import pyarrow.csv as arrow_csv

        names = list(self.columns)
        wanted = list(columns or names)
        # Arrow knows no blanks before a quotation mark.
        source, encoding, separator = (
            (_Tidied(self), "utf8", ",") if self.spaced else (self.path, _arrow_name(self.encoding), self.separator)
        )
        try:
            reader = arrow_csv.open_csv(
                source,
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK, encoding=encoding,
                    column_names=names, skip_rows_after_names=0 if self.spaced else 1,
                ),
                arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), include_columns=[*wanted, names[-1]],
                    strings_can_be_null=True, quoted_strings_can_be_null=True, null_values=MISSING,
                ),
            )  # fmt: skip
            last: str | None = None
            for batch in reader:
                if len(batch):
                    last = batch.column(len(wanted))[-1].as_py()
                columns_of = batch.columns[: len(wanted)]
                yield pa.RecordBatch.from_arrays([trimmed(values) for values in columns_of], names=wanted)
            # A quotation mark that is never closed swallows the rest of the file, which Arrow takes for a value.
            if last is not None and "\n" in last:
                self._require_sound()
        except (OSError, UnicodeError, pa.ArrowException) as error:
            raise self._explain(error) from error

    def plain_numbers(self, values: pa.Array) -> pa.Array:
        """See `Table`."""
        return self.numbers.plain(values)

    def _require_sound(self) -> None:
        for _ in self.rows():
            pass

    def _explain(self, error: Exception) -> SpecError:
        """What a person can correct: the line, where the reader knows only that something is wrong."""
        text, name = str(error), self.path.name
        if isinstance(error, UnicodeError) or "invalid UTF8" in text:
            return _not_in(self.path, self.encoding)
        if "straddl" in text:
            return SpecError(
                f"data.source: {name} has a row of more than {_BLOCK >> 20} MB",
                hint="Most often a quotation mark is opened and never closed.",
            )
        try:
            self._require_sound()
        except SpecError as found:
            return found
        return SpecError(f"data.source: {name} can't be read: {' '.join(text.split())[:300]}")


class _Tidied(io.RawIOBase):
    """A file's rows, written anew as Arrow reads them."""

    def __init__(self, table: CsvTable) -> None:
        self._rows = table.rows()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            text = io.StringIO(newline="")
            csv.writer(text).writerows(itertools.islice(self._rows, 1_000))
            self._rest = text.getvalue().encode()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def open_csv(path: Path, encoding: str, numbers: NumberForm) -> CsvTable:
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
    text = text.removeprefix("\ufeff")
    separator, rows = _dialect(text)
    header = [name or f"Unnamed: {number}" for number, name in enumerate(map(str.strip, rows[0]))]
    if len(rows) < 2:  # noqa: PLR2004
        raise SpecError(f"data.source: {path.name} has a header and no rows", hint="Its first line names the columns.")
    if any(_is_fraction(name) for name in header):
        raise SpecError(
            f"data.source: {path.name} has no header: its first line holds numbers ({', '.join(header[:3])}, …)",
            hint="Write a first line with the columns' names.",
        )
    spaced = bool(re.search(rf'(^|[\n{re.escape(separator)}]) +"', text))
    padded = any(name != name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=separator)))
    return CsvTable(path, tuple(header), encoding, separator, marked, spaced, padded, numbers)


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
            lines = io.StringIO(text, newline="")
            rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row][:100]
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
