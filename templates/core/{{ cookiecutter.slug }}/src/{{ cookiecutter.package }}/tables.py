"""Data files as others write them: read strictly, or made into files of the project's own form.

That form is Parquet, or CSV as `OWN` says. Strictly means that each row has as many values as the header has
names: a reader that is content with less shifts columns without a word.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from .errors import DataError
from .schema import ARRIVING, CsvForm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

OWN = CsvForm()
SUFFIXES = (".csv", ".parquet")
# What stands for a missing value in a CSV file, with quotation marks or without.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
_BLOCK = 1 << 24  # bytes read at a time, and so the longest row
_SPACES = "\u0020\u00a0\u2009\u202f"  # what a blank between thousands may be


def columns(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        DataError: it can't be read, or two columns have the same name.
    """
    if path.suffix == ".parquet":
        try:
            found = list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path.name} can't be read: {_line(error)}") from error
    else:
        found = _header(path, OWN)
    if double := sorted({name for name in found if found.count(name) > 1}):
        names = ", ".join(double)
        raise DataError(f"{path.name} has several columns named {names}", "rename or remove all but one")
    return found


def read(path: Path, wanted: Sequence[str], numbers: Collection[str] = ()) -> pd.DataFrame:
    """Return some columns of a file in the project's form.

    Args:
        path: a .csv or .parquet file.
        wanted: columns that it has.
        numbers: those to be read as float64. If one holds something else, all come as text. Every other
            column of a CSV file is text, without blanks around it; Parquet keeps its types.

    Raises:
        DataError: it can't be read; of CSV with the line.
    """
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path, columns=list(wanted))
        return _read_csv(path, wanted, numbers)
    except (OSError, ValueError, pa.ArrowException) as error:
        for _ in _rows(path, OWN) if path.suffix != ".parquet" else ():
            pass
        raise DataError(f"{path.name} can't be read: {_line(error)}") from error


def own(path: Path, wanted: Collection[str], numbers: Collection[str], scratch: Path) -> Path:
    """Return a file of the project's form: the given one, or one made of it, by the form in schema.py.

    Args:
        path: a Parquet or CSV file of any name.
        wanted: columns by which the form is known.
        numbers: the columns whose numbers are rewritten.
        scratch: where a file that is made goes.

    Raises:
        DataError: it has neither the one form nor the other; or two columns of one name.
    """
    if path.suffix == ".parquet":
        return path
    is_own = _is_own(path, wanted)
    if is_own and path.suffix == ".csv":
        return path
    form = OWN if is_own else ARRIVING
    header = _header(path, form, spaced=True)
    if missing := [name for name in wanted if name not in header]:
        raise DataError(
            f"{path.name} lacks the columns {', '.join(missing)}",
            "schema.py lists them, and how a CSV file is written that isn't UTF-8 with commas (ARRIVING)",
        )
    plain = _plain(form)
    places = {place for place, name in enumerate(header) if name in numbers}
    made = scratch / f"{path.stem}.csv"
    with made.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in _rows(path, form, spaced=True):
            writer.writerow(plain(text) if place in places else text for place, text in enumerate(row))
    return made


def _is_own(path: Path, wanted: Collection[str]) -> bool:
    """Say whether a CSV file is in the project's form rather than in that of the files that arrive."""
    try:
        if not set(wanted) <= set(_header(path, OWN)):
            return False
    except DataError:
        return False
    if ARRIVING.separator == OWN.separator and (ARRIVING.decimal, ARRIVING.thousands) != (OWN.decimal, ""):
        return False
    return ARRIVING.encoding == OWN.encoding or _is_utf8(path)


def _is_utf8(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return False
    return True


def _read_csv(path: Path, wanted: Sequence[str], numbers: Collection[str]) -> pd.DataFrame:
    last = _header(path, OWN)[-1]
    kinds = {name: pa.float64() if name in numbers else pa.string() for name in (*wanted, last)}
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(block_size=_BLOCK),
            arrow_csv.ParseOptions(newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=list(MISSING),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if numbers and "conversion error" in str(error):
            return _read_csv(path, wanted, ())
        raise
    # A quotation mark that is never closed takes the rest of the file into the last value.
    if len(table) and "\n" in str(table[last][-1].as_py()):
        for _ in _rows(path, OWN):
            pass
    texts = {name for name in wanted if kinds[name] == pa.string()}
    found = pa.table({name: _trimmed(table[name]) if name in texts else table[name] for name in wanted})
    frame: pd.DataFrame = found.to_pandas()
    return frame


def _trimmed(values: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)


def _header(path: Path, form: CsvForm, *, spaced: bool = False) -> list[str]:
    for row in _rows(path, form, spaced=spaced, header=True):
        return row
    raise DataError(f"{path.name} is empty", "give a file whose first line names the columns")


def _rows(path: Path, form: CsvForm, *, spaced: bool = False, header: bool = False) -> Iterator[list[str]]:
    """Give the rows of a CSV file as text; the header only if it is asked for.

    Args:
        path: the file.
        form: how it is written.
        spaced: whether blanks around a value don't belong to it, not even before a quotation mark.
        header: whether to begin with the header.

    Raises:
        DataError: a line isn't text, or has more or fewer values than the header.
    """
    line, width = 1, 0
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    csv.field_size_limit(1 << 30)
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=form.separator, skipinitialspace=spaced, strict=True)
            for row in reader:
                if row and width and len(row) != width:
                    raise DataError(
                        f"{path.name}, line {line}: {len(row)} values where the header names {width} columns",
                        "correct the line: a value that holds the separator needs quotation marks",
                    )
                if row and (width or header):
                    yield [text.strip() for text in row] if spaced else row
                width = width or len(row)
                line = reader.line_num + 1
    except UnicodeError as error:
        # A file is decoded ahead of the line that is read.
        raise DataError(
            f"{path.name} isn't {form.encoding.upper()} text, from line {line} on",
            "save it as UTF-8; or say how it is encoded, in ARRIVING of schema.py",
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line {line}: {error}", "most often a quotation mark is opened and never closed"
        ) from error
    except OSError as error:
        raise DataError(f"{path.name} can't be read: {error.strerror}") from error


def _plain(form: CsvForm) -> Callable[[str], str]:
    """Return what rewrites a number of this form with a decimal point, and leaves all else as it is."""
    between = f"[{_SPACES}]" if form.thousands == " " else re.escape(form.thousands)
    whole = r"[1-9]\d?\d?(?:" + between + r"\d\d\d)+|\d+" if form.thousands else r"\d+"
    number = re.compile(rf"([+-]?)({whole})(?:{re.escape(form.decimal)}(\d+))?((?:[eE][+-]?\d+)?)")

    def plain(text: str) -> str:
        found = number.fullmatch(text)
        if found is None:
            return text
        digits = re.sub(r"\D", "", found[2])
        return f"{found[1]}{digits}{'.' + found[3] if found[3] else ''}{found[4]}"

    return plain


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
