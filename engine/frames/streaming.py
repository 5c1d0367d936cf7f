"""Writing lazy tables batch by batch, so that they may be larger than memory.

Guarantee: the digest is that of the same rows written at once; with `order_by` the rows are in an
order that depends on the rows alone, however the plan delivers them. What arrives in that order
already is written once; anything else is sorted on disk (see `externalsort`), in a second copy.
Memory holds a few row groups and what the plan itself needs: joins, groups and windows may need
all of their input. The limit: the bytes of the file may differ between runs, the digest not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.frames.externalsort import TotalOrder, sorted_batches
from dagrun.engine.frames.tabledigest import TableDigest, TableIdentity

ROW_GROUP = 1 << 16
"""Rows of a row group. Fixed: the defaults differ between writers and would change the bytes.

Small, since streaming readers and writers hold several: 1 << 18 took 2.3 times the memory."""
COMPRESSION_LEVEL = 1
"""Zstandard's fastest level: half the time of the default for a few percent more bytes."""


class PlanFailed(DagrunError):
    """A lazy result cannot be computed: something it scans is not there or unreadable."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(
            f"the lazy result cannot be computed: {error}. A lazy frame is read after its stage "
            "has returned: keep the files it scans, or return .collect()"
        )


class UnknownOrder(DefinitionError):
    """`order_by` names a column that the table lacks."""

    def __init__(self, column: str, columns: Sequence[str]) -> None:
        self.column, self.columns = column, columns
        super().__init__(
            f"order_by names {column!r}, which the table does not have."
            f"{nearest(column, columns)} Columns: {listing(columns)}"
        )


def total_order(schema: pl.Schema, order_by: Sequence[str]) -> TotalOrder:
    """Return the order by some columns of a table, ties by all others. Raises `UnknownOrder`."""
    for column in order_by:
        if column not in schema:
            raise UnknownOrder(column, schema.names())
    return TotalOrder.of(schema, order_by)


def write_lazy(frame: pl.LazyFrame, path: Path, order_by: Sequence[str] = ()) -> TableIdentity:
    """Stream a lazy frame into Parquet, and digest the file batch by batch.

    Without `order_by` the rows stay as the plan delivers them: only for a plan that keeps their
    order. Raises `UnknownOrder`, `UnsupportedColumn`, `PlanFailed`, or the plan's own error.
    """
    try:
        schema = frame.collect_schema()
        order = total_order(schema, order_by) if order_by else None
        TableDigest(schema)  # refuses what cannot be stored before anything is computed
        _sink(frame, path)
    except FileNotFoundError as error:
        raise PlanFailed(error) from error
    identity = _digest_ordered(path, order)
    if identity is not None or order is None:
        return identity or TableDigest(schema).finish()
    runs = path.with_name(f"{path.name}-runs")
    runs.mkdir()
    try:
        table = TableDigest(schema)
        batches = sorted_batches(read_batches(path), order, runs)
        _sink(_as_plan(_noted(batches, table), schema), runs / "sorted")
        (runs / "sorted").replace(path)
    finally:
        shutil.rmtree(runs, ignore_errors=True)
    return table.finish()


def _sink(frame: pl.LazyFrame, path: Path) -> None:
    frame.sink_parquet(
        path,
        compression_level=COMPRESSION_LEVEL,
        row_group_size=ROW_GROUP,
        statistics=True,
        maintain_order=True,
    )


def _digest_ordered(path: Path, order: TotalOrder | None) -> TableIdentity | None:
    """Digest a stored table, or return None as soon as its rows turn out not to be in order."""
    table: TableDigest | None = None
    last: pl.DataFrame | None = None
    for batch in read_batches(path):
        table = table or TableDigest(batch.schema)
        if order is not None:
            if not order.holds(batch if last is None else pl.concat([last, batch])):
                return None
            last = batch.tail(1)
        table.update(batch)
    return table.finish() if table else None


def _noted(batches: Iterable[pl.DataFrame], table: TableDigest) -> Iterator[pl.DataFrame]:
    for batch in batches:
        table.update(batch)
        yield batch


def _as_plan(batches: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """Return a plan that delivers the batches, once."""

    def source(*_asked: Any) -> Iterator[pl.DataFrame]:
        yield from batches

    return register_io_source(source, schema=schema)


def read_batches(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a stored table in order, `ROW_GROUP` at a time."""
    stored = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    rows = stored.select(pl.len()).collect().item()
    for start in range(0, rows, ROW_GROUP):
        yield stored.slice(start, ROW_GROUP).collect(engine="in-memory")
