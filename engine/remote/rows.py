"""Rows that a database sends, as a lazy table of Polars, batch by batch.

Guarantee: a value comes in the type that the database says, or the column is refused by name with
the cast that helps: NUMERIC with a scale is a decimal, exact; UUID and JSON are text. Memory holds
a batch at a time. The limit: what the driver itself gives as text (enums, addresses) is text.

Polars is imported inside the functions: this module is loaded before a pipeline needs tables.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagrun.engine.errors import DagrunError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_MOST_DIGITS = 38
_TYPE, _MODIFIER = b"POSTGRESQL:type", b"POSTGRESQL:typmod"


class UnreadableColumn(DagrunError):
    """A column of a query's result has no type that a table could have."""

    def __init__(self, column: str, kind: str, advice: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(f"the column {column!r} is {kind}; in the SQL, write {advice}")


class Stream:
    """A result that is being sent; `failure` is what ended it early."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self.failure: Exception | None = None

    def plan(self) -> pl.LazyFrame:
        """Return a plan that delivers the rows, once. Raises `UnreadableColumn`."""
        import pyarrow as pa
        from polars.io.plugins import register_io_source

        empty = pa.RecordBatch.from_pylist([], schema=self._reader.schema)
        return register_io_source(lambda *_asked: self._frames(), schema=_as_frame(empty).schema)

    def _frames(self) -> Iterator[pl.DataFrame]:
        try:
            for batch in self._reader:
                yield _as_frame(batch)
        except Exception as error:  # told as it is, not as Polars words it
            self.failure = error
            raise


def _as_frame(batch: pa.RecordBatch) -> pl.DataFrame:
    import polars as pl

    columns = {
        field.name: _as_series(field, column)
        for field, column in zip(batch.schema, batch.columns, strict=True)
    }
    if len(columns) < len(batch.schema):
        names = batch.schema.names
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableColumn(twice, "there twice", f"a name for each: ... AS {twice}_2")
    return pl.DataFrame(columns)


def _as_series(field: pa.Field, column: pa.Array) -> pl.Series:
    import polars as pl

    name, kind = field.name, str(field.type)
    sent = (field.metadata or {}).get(_TYPE, b"").decode()
    if sent == "numeric":
        return pl.Series(name, column.storage).cast(_decimal(name, field.metadata), strict=True)
    if sent == "uuid":
        texts = [None if item is None else str(_uuid(item)) for item in column.storage.to_pylist()]
        return pl.Series(name, texts, dtype=pl.String)
    if "interval" in kind:
        advice = f"extract(epoch from {name}) AS {name}, which gives seconds"
        raise UnreadableColumn(name, f"an {sent or kind}", advice)
    storage: Any = getattr(column, "storage", column)
    try:
        series = pl.Series(name, storage)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError) as error:
        raise UnreadableColumn(name, f"a {sent or kind}", f"{name}::text") from error
    # A column without a single value has no type in SQLite.
    return series.cast(pl.String) if series.dtype == pl.Null else series


def _uuid(item: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=item)


def _decimal(name: str, metadata: dict[bytes, bytes]) -> pl.Decimal:
    """Return the dtype of a NUMERIC: its modifier is `(precision << 16 | scale) + 4`."""
    import polars as pl

    modifier = int(metadata.get(_MODIFIER, b"-1")) - 4
    precision, scale = modifier >> 16, modifier & 0x7FF
    if modifier < 0 or precision > _MOST_DIGITS or scale > precision:
        advice = f"{name}::numeric(18, 4) for exact decimals, or {name}::float8"
        raise UnreadableColumn(name, "a NUMERIC without a scale that fits", advice)
    return pl.Decimal(precision, scale)
