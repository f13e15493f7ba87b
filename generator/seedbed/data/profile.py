"""What each column of a table holds: found in one pass over all rows, and kept with a sample spread over them.

What has to be true of every row is checked on every row: kinds, missing values, the number of different values. What
is a judgement (an identifier? a leak?) is made on the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedbed.data.sampling import Sampler
from seedbed.data.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED = 200  # different values of a column that are counted; with more, they are many
_SAMPLE_CELLS = 1_000_000
_SAMPLE_ROWS = (1_000, 20_000)
_SHOWN = 200  # characters of a value that the sample keeps

# The generated project reads times as ISO 8601, into nanoseconds: a wider range has no place there.
_DATE = r"^\d{4}[-/]\d{2}[-/]\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?( ?(Z|[+-]\d{2}:?\d{2}))?$"
_YEARS = ("1678", "2261")
# A leading zero says that the digits are a code: 01 is not 1. Hexadecimal numbers are text for pandas.
_NO_NUMBER = r"^[+-]?0\d|[xX]"


@dataclass
class Column:
    """What a column holds.

    Attributes:
        name: its header.
        rows: number of rows seen.
        missing: how many of them have no value.
        kinds: what every value can be read as, of `integer`, `number`, `boolean` and `date`; text it always is.
        counts: each different value and its rows; None when there are more than COUNTED.
        odd: the first value that is no number.
        sample: its values in the sampled rows, in the file's order; long ones are cut.
    """

    name: str
    rows: int = 0
    missing: int = 0
    kinds: set[str] = field(default_factory=lambda: {"integer", "number", "boolean", "date"})
    counts: Counter[str] | None = field(default_factory=Counter)
    odd: str | None = None
    sample: list[str | None] = field(default_factory=list)

    @property
    def present(self) -> int:
        """Number of rows with a value."""
        return self.rows - self.missing

    @property
    def sampled(self) -> list[str]:
        """The values of the sample, without the missing ones."""
        return [value for value in self.sample if value is not None]

    def add(self, values: pa.Array, plain: Callable[[pa.Array], pa.Array]) -> None:
        """Take in the next rows; `plain` makes plain numbers of the file's."""
        import pyarrow.compute as pc

        self.rows += len(values)
        self.missing += values.null_count
        values = values.drop_null()
        if not len(values):
            return
        if self.counts is not None:
            for item in pc.value_counts(values):
                self.counts[item["values"].as_py()] += item["counts"].as_py()
                if len(self.counts) > COUNTED:
                    self.counts = None
                    break
        was_number = "number" in self.kinds
        numbers = plain(values)
        self.kinds = {kind for kind in self.kinds if _TESTS[kind](numbers if kind in _NUMBERS else values)}
        if was_number and "number" not in self.kinds:
            pairs = zip(values.to_pylist(), numbers.to_pylist(), strict=True)
            self.odd = next((text for text, number in pairs if not _is_number_text(number)), None)

    def settle(self, plain: Callable[[pa.Array], pa.Array]) -> None:
        """After the last row: write the values of a column of numbers plainly."""
        import pyarrow as pa

        if "number" not in self.kinds:
            return
        self.sample = plain(pa.array(self.sample, pa.string())).to_pylist()
        if self.counts is not None:
            labels = plain(pa.array(list(self.counts), pa.string())).to_pylist()
            counts: Counter[str] = Counter()
            for label, count in zip(labels, self.counts.values(), strict=True):
                counts[label] += count
            self.counts = counts


@dataclass(frozen=True)
class Profile:
    """All columns of a table, by name and in the file's order."""

    rows: int
    columns: dict[str, Column]


def profile(table: Table) -> Profile:
    """Read a table once.

    Raises:
        SpecError: the file is damaged.
    """
    import pyarrow.compute as pc

    low, high = _SAMPLE_ROWS
    columns = [Column(name) for name in table.columns]
    sampler = Sampler(max(low, min(high, _SAMPLE_CELLS // len(columns))))
    rows = 0
    for batch in table.batches():
        for column, values in zip(columns, batch.columns, strict=True):
            column.add(values, table.plain_numbers)
        sampler.add(rows, [pc.utf8_slice_codeunits(values, 0, _SHOWN) for values in batch.columns])
        rows += len(batch)
    for column, values in zip(columns, sampler.rows(), strict=True):
        column.sample = values.to_pylist()
        column.settle(table.plain_numbers)
    return Profile(rows, {column.name: column for column in columns})


def _is_integer(values: pa.Array) -> bool:
    import pyarrow as pa

    return _casts(values, pa.int64()) and not _any_match(values, _NO_NUMBER)


def _is_number(values: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _casts(values, pa.float64()) or _any_match(values, _NO_NUMBER):
        return False
    return bool(pc.all(pc.is_finite(values.cast(pa.float64()))).as_py())


def _is_boolean(values: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    tokens = pa.array(["true", "false", "1", "0", "1.0", "0.0"])
    return bool(pc.all(pc.is_in(pc.utf8_lower(values), tokens)).as_py())


def _is_date(values: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pc.all(pc.match_substring_regex(values, _DATE)).as_py():
        return False
    days = pc.replace_substring(pc.utf8_slice_codeunits(values, 0, 10), "/", "-")
    clocks = pc.replace_substring_regex(values, r"^.{10}[T ]?|\.\d+| ?(Z|[+-]\d{2}:?\d{2})$", "")
    clocks = pc.if_else(pc.equal(clocks, ""), "00:00", clocks)
    return _casts(pc.binary_join_element_wise(days, clocks, " "), pa.timestamp("s")) and bool(
        pc.all(pc.and_(pc.greater_equal(values, _YEARS[0]), pc.less(values, _YEARS[1]))).as_py()
    )


_NUMBERS = frozenset({"integer", "number"})
_TESTS: dict[str, Any] = {"integer": _is_integer, "number": _is_number, "boolean": _is_boolean, "date": _is_date}


def _casts(values: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _any_match(values: pa.Array, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _is_number_text(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
