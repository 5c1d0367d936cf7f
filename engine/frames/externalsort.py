"""Sorting a stored table that is larger than memory: sorted runs on disk, merged block by block.

Guarantee: the batches that come out are the rows that went in, in the order of `by` with ties in
the order of all other columns, however they arrived; rows that are equal in every column are
interchangeable, save for the sign of a zero. Memory holds a few times `RUN_BYTES` and, while runs
are merged, one block of each (`BLOCK_BYTES`), whatever the values are: equal keys do no harm.
The limit: a batch that arrives is held whole, so rows of many megabytes cost as much.

The merge loads blocks in the order of their first rows. Every row of a block not yet loaded comes
after the first row of the next one, so all rows up to that one are ready to go out; of each run
at most one block then lies on both sides of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

RUN_BYTES = 128 << 20
"""Rows sorted at once, in bytes."""
BLOCK_BYTES = 2 << 20
"""What is read of a run at once, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalOrder:
    """The order of a table's rows by some columns, ties by all others.

    Attributes:
        by: the columns that come first.
        columns: all columns, `by` first.
    """

    by: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, schema: pl.Schema, by: Sequence[str]) -> TotalOrder:
        """Return the order by columns that the schema has."""
        others = (name for name in schema if name not in by)
        return cls(by=tuple(by), columns=(*by, *others))

    @property
    def extra(self) -> str:
        """A name that no column has."""
        return "_" * (1 + max(map(len, self.columns), default=0))

    def sort(self, rows: pl.DataFrame, *last: str) -> pl.DataFrame:
        """Sort rows; `last` are columns of the caller's that decide between equal ones."""
        if not self.columns:
            return rows
        # Comparing all columns costs several times as much and seldom decides anything.
        found = rows.sort([*self.by, *last])
        return rows.sort([*self.columns, *last]) if self.has_ties(found) else found

    def has_ties(self, ordered: pl.DataFrame) -> bool:
        """Tell whether rows ordered by `by` have neighbours that are equal there."""
        same = [pl.col(name).eq_missing(pl.col(name).shift()) for name in self.by]
        if ordered.height < 2 or not same:
            return ordered.height > 1
        return bool(ordered.slice(0).select(pl.all_horizontal(same).slice(1).any()).item())

    def holds(self, rows: pl.DataFrame) -> bool:
        """Tell whether rows are in this order already."""
        columns = self.columns
        for chosen in (self.by, columns):
            numbered = rows.select(chosen).with_row_index(self.extra)
            if chosen and not _is_sorted(numbered, chosen, self.extra):
                return False
            if not self.has_ties(rows):
                return True
        return True


def _is_sorted(numbered: pl.DataFrame, by: Sequence[str], number: str) -> bool:
    return bool(numbered.sort(by, maintain_order=True)[number].is_sorted())


def sorted_batches(
    batches: Iterable[pl.DataFrame], order: TotalOrder, folder: Path
) -> Iterator[pl.DataFrame]:
    """Yield the rows of `batches` in order; `folder` is empty and keeps the runs meanwhile."""
    heads: list[pl.DataFrame] = []
    only: pl.DataFrame | None = None
    for number, rows in enumerate(_gathered(batches)):
        run = order.sort(rows)
        if number == 0:
            only = run
            continue
        if only is not None:
            heads.append(_write_run(only, "0", order, folder))
            only = None
        heads.append(_write_run(run, str(number), order, folder))
    if only is not None:
        yield only
    elif heads:
        yield from _merged(pl.concat(heads), order, folder)


def _gathered(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Put batches together until they are worth a run."""
    held: list[pl.DataFrame] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += int(batch.estimated_size())
        if size >= RUN_BYTES:
            rows, held, size = pl.concat(held), [], 0
            yield rows
    if held:
        yield pl.concat(held)


def _write_run(run: pl.DataFrame, name: str, order: TotalOrder, folder: Path) -> pl.DataFrame:
    """Write a sorted run as blocks; return the first row and the file name of each."""
    size = max(1, run.height * BLOCK_BYTES // max(1, int(run.estimated_size())))
    names = []
    for start in range(0, run.height, size):
        names.append(f"{name}-{start}")
        run.slice(start, size).write_ipc(folder / names[-1], compression="lz4")
    heads = run.gather_every(size).with_columns(pl.Series(order.extra, names))
    return _compact(heads)


def _compact(rows: pl.DataFrame) -> pl.DataFrame:
    """Copy rows: texts would otherwise keep alive the whole table that they were taken from."""
    return pl.read_ipc(rows.write_ipc(None).getvalue())


def _merged(heads: pl.DataFrame, order: TotalOrder, folder: Path) -> Iterator[pl.DataFrame]:
    heads = order.sort(heads)
    names = heads.get_column(order.extra).to_list()
    firsts = heads.with_columns(pl.lit(1, pl.UInt8).alias(order.extra))
    unmarked = pl.lit(0, pl.UInt8).alias(order.extra)
    step = max(1, RUN_BYTES // 2 // BLOCK_BYTES)
    held: list[pl.DataFrame] = []
    for start in range(0, len(names), step):
        for name in names[start : start + step]:
            # From bytes: a mapped file would be kept by the texts that are taken from it.
            held.append(pl.read_ipc((folder / name).read_bytes()).with_columns(unmarked))
            (folder / name).unlink()
        bound = firsts.slice(start + step, 1)  # none after the last block
        rows = order.sort(pl.concat([*held, bound]), order.extra)
        marked = rows.get_column(order.extra)
        cut = rows.height if bound.is_empty() else int(marked.arg_max() or 0)
        yield rows.slice(0, cut).drop(order.extra)
        held = [_compact(rows.slice(cut + 1))]
