"""Rows drawn from a stream: spread over all of it, and the same ones whenever the stream is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_ALL = 2**64 - 1


class Sampler:
    """Keeps the rows whose numbers hash to the smallest values: a uniform sample that needs no random state.

    Args:
        size: how many rows to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._limit = _ALL
        self._kept: list[pa.Table] = []
        self._count = 0

    def add(self, first: int, columns: Sequence[pa.Array], chosen: pa.Array | None = None) -> None:
        """Take in the next rows.

        Args:
            first: the number of the first of them in the stream.
            columns: their values.
            chosen: which of them to consider, as booleans; default: all.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = pa.array(range(first, first + len(columns[0])), pa.uint64())
        ranks = _hashes(rows)
        low = pc.less_equal(ranks, pa.scalar(self._limit, pa.uint64()))
        if chosen is not None:
            low = pc.and_(low, chosen)
        # Names of numbers: the data's own could be equal to ours.
        names = ["row", "rank", *map(str, range(len(columns)))]
        new = pa.Table.from_arrays([rows, ranks, *columns], names=names).filter(low)
        self._kept.append(new)
        self._count += len(new)
        if self._count > 2 * self._size:
            self._prune(self._size)

    def table(self, size: int | None = None) -> pa.Table:
        """The drawn rows, at most `size`, in the stream's order: `row`, `rank`, then the columns as 0, 1, ..."""
        self._prune(self._size if size is None else min(size, self._size))
        return self._kept[0].sort_by("row")

    def rows(self) -> list[pa.ChunkedArray]:
        """The columns of the drawn rows, in the stream's order."""
        return list(self.table().columns[2:])

    def _prune(self, size: int) -> None:
        import pyarrow as pa

        merged = pa.concat_tables(self._kept).sort_by("rank").slice(0, size)
        # A slice would keep all that it was cut from in memory.
        merged = merged.take(pa.array(range(len(merged)))).combine_chunks()
        self._kept, self._count = [merged], len(merged)
        if len(merged) == self._size:
            self._limit = merged["rank"][-1].as_py()


def _hashes(numbers: pa.Array) -> pa.Array:
    """SplitMix64's mixing function: neighbouring numbers get unrelated hashes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def scalar(value: int) -> pa.Scalar:
        return pa.scalar(value, pa.uint64())

    mixed = pc.add(pc.multiply(numbers, scalar(0x9E3779B97F4A7C15)), scalar(0x9E3779B97F4A7C15))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = pc.multiply(pc.bit_wise_xor(mixed, pc.shift_right(mixed, scalar(shift))), scalar(factor))
    return pc.bit_wise_xor(mixed, pc.shift_right(mixed, scalar(31)))
