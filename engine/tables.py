"""The codec for tables: Polars frames and Arrow tables as Parquet.

Guarantee: a table comes back with the same columns, dtypes, rows in the same order and values,
and equal frames give equal bytes under one version of Polars, however they were chunked. An Arrow
table is kept as Polars understands it (strings become large strings, its metadata is dropped).
The limit: a lazy plan that does not keep its row order is only as repeatable as its operations.
An `Ordered` table is sorted, which makes any plan repeatable, save for rows that differ in nothing
but the sign of a zero or the payload of a NaN.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dagrun.engine.codec import Dumped, Ordered
from dagrun.engine.context import current
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.frames.roworder import keeps_order
from dagrun.engine.frames.streaming import (
    COMPRESSION_LEVEL,
    ROW_GROUP,
    PlanFailed,
    total_order,
    write_lazy,
)
from dagrun.engine.frames.tabledigest import TableIdentity, digest_table

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
LARGE = 1 << 28
"""Bytes of a lazy table from which it is told that it was held in memory."""


class NotATable(DagrunError):
    """A consumer asks for a table as something that it is not."""

    def __init__(self, wanted: object, problem: str = "") -> None:
        self.wanted, self.problem = wanted, problem
        asked = wanted.__qualname__ if isinstance(wanted, type) else str(wanted)
        super().__init__(
            f"a stored table cannot be handed over as {asked}{problem and ': ' + problem}. "
            "Annotate the parameter pl.DataFrame, pl.LazyFrame or pyarrow.Table"
        )


class UnsupportedTable(DefinitionError):
    """An Arrow table has types that Polars lacks."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"the Arrow table cannot be stored: {error}. Cast its columns to types that Polars "
            "knows (pl.from_arrow), or return a pl.DataFrame"
        )


class TableCodec:
    """Stores `pl.DataFrame`, `pl.LazyFrame` and `pyarrow.Table`.

    A lazy frame is streamed when `Ordered` gives it an order or its plan keeps one; otherwise it
    is collected in memory, and a large one warned of.
    """

    def dump(self, value: Any, path: Path) -> Dumped:
        """Write the table. Raises `UnsupportedColumn`, `UnsupportedTable`, or the plan's error."""
        order_by: Sequence[str] = ()
        if isinstance(value, Ordered):
            value, order_by = value.table, value.order_by
        if isinstance(value, pl.LazyFrame) and (order_by or _streams(value)):
            return _dumped(write_lazy(value, path, order_by))
        frame = _as_frame(value)
        if isinstance(value, pl.LazyFrame) and frame.estimated_size() >= LARGE:
            _warn_of_collected(frame)
        if order_by:
            frame = sorted_by(frame, order_by)
        identity = digest_table(frame)
        frame.rechunk().write_parquet(
            path, compression_level=COMPRESSION_LEVEL, row_group_size=ROW_GROUP, statistics=True
        )
        return _dumped(identity)

    def load(self, path: Path, wanted: Any) -> Any:
        """Read the table: lazily for `pl.LazyFrame`, into Arrow for `pyarrow.Table`.

        Anything that is not a class (None, Any, a union, ...) gets a `pl.DataFrame`; other
        classes raise `NotATable`.
        """
        if wanted is pl.LazyFrame:
            return pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if wanted is pa.Table:
            return _read_arrow(path)
        if wanted is not Any and isinstance(wanted, type) and not issubclass(pl.DataFrame, wanted):
            raise NotATable(wanted)
        return pl.read_parquet(path, glob=False, hive_partitioning=False)


TABLE = TableCodec()


def _warn_of_collected(frame: pl.DataFrame) -> None:
    with contextlib.suppress(DefinitionError):  # outside a stage nobody can declare an order
        current().logger.warning(
            "a lazy result of %.1f GB was held in memory, since streaming its plan need not keep "
            "the order of its rows; declare order_by=... to have it written in pieces",
            frame.estimated_size() / 1e9,
        )


def _streams(frame: pl.LazyFrame) -> bool:
    try:
        return keeps_order(frame)
    except OSError as error:
        raise PlanFailed(error) from error


def _as_frame(value: Any) -> pl.DataFrame:
    if isinstance(value, pl.LazyFrame):
        try:
            # The streaming engine, which is the default, keeps less of the order.
            return value.collect(engine="in-memory")
        except OSError as error:
            raise PlanFailed(error) from error
    if isinstance(value, pa.Table):
        try:
            return pl.DataFrame(pl.from_arrow(value))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise UnsupportedTable(error) from error
    return pl.DataFrame(value)


def _read_arrow(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowNotImplementedError as error:
        raise NotATable(pa.Table, str(error)) from error


def _dumped(identity: TableIdentity) -> Dumped:
    return Dumped(logical=identity.digest, rows=identity.rows, columns=identity.columns)


def sorted_by(frame: Frame, order_by: Sequence[str]) -> Frame:
    """Return the rows in an order that depends on the rows alone.

    They are sorted by the columns of `order_by`, ties by all other columns in their order; nulls
    come first, NaN last. Raises `UnknownOrder`.
    """
    columns = total_order(frame.collect_schema(), order_by).columns
    return frame.sort(columns) if columns else frame


def stack(tables: Sequence[Any], wanted: Any) -> Any:
    """Return tables of one schema, each loaded as `wanted`, as one, in order.

    Raises `NotATable` when their columns differ.
    """
    if wanted is pa.Table:
        try:
            return pa.concat_tables(tables) if tables else pl.DataFrame().to_arrow()
        except pa.ArrowInvalid as error:
            raise NotATable(wanted, f"the elements' columns differ ({error})") from error
    try:
        return pl.concat(tables, how="vertical") if tables else wanted()
    except pl.exceptions.PolarsError as error:
        raise NotATable(wanted, f"the elements' columns differ ({error})") from error
