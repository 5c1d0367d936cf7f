"""Tables that the user gives with a feature's definition: read and judged before any training row.

Guarantee: what leaves here has unique keys without nulls, of kinds that an op can look up, and
columns that were asked for by name; everything else is a `FeatureDefinitionError` of the op.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import Kind
from dagrun.stages.ops.table import Scalar

GivenTable = pl.DataFrame | pl.LazyFrame
_INSIDE: dict[Kind, pl.DataType] = {
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "date": pl.Int64(),
}


def given(op: str, table: GivenTable, names: Sequence[str]) -> pl.DataFrame:
    """Return the named columns of the user's table. Raises `FeatureDefinitionError`."""
    known = table.collect_schema().names()
    for name in names:
        if name not in known:
            raise FeatureDefinitionError(
                op,
                f"the table has no column {name!r}.{nearest(name, known)} "
                f"Columns: {listing(known)}",
            )
        if names.count(name) > 1:
            raise FeatureDefinitionError(op, f"the table's column {name!r} is named twice")
    frame = table.lazy().select(names).collect(engine="in-memory")
    if frame.is_empty():
        raise FeatureDefinitionError(op, "the table has no rows")
    return frame


def kind_of(op: str, column: pl.Series) -> Kind:
    """Return the kind of a table's column. Raises `FeatureDefinitionError`."""
    dtype = column.dtype
    if dtype.is_integer():
        return "int64"
    if dtype.is_float():
        return "double"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "string"
    if isinstance(dtype, pl.Boolean):
        return "bool"
    if isinstance(dtype, pl.Date):
        return "date"
    raise FeatureDefinitionError(
        op, f"the table's column {column.name!r} is {dtype}; use string, int64, bool, date, double"
    )


def values_of(op: str, column: pl.Series, kind: Kind) -> pl.Series:
    """Return a table's column as values of `kind`, NaN as null. Raises on what does not fit."""
    try:
        values = column.cast(_INSIDE[kind])
    except pl.exceptions.InvalidOperationError:
        raise FeatureDefinitionError(
            op, f"the table's column {column.name!r} has a value that does not fit {kind}"
        ) from None
    return values.fill_nan(None) if kind == "double" else values


def keys_of(op: str, table: pl.DataFrame) -> tuple[tuple[Kind, ...], list[tuple[Scalar, ...]]]:
    """Return the kinds of the table's columns and its rows, which are keys.

    Raises `FeatureDefinitionError` for a float column, a null, or a key that stands there twice.
    """
    kinds = tuple(kind_of(op, column) for column in table)
    for column, kind in zip(table, kinds, strict=True):
        if kind == "double":
            raise FeatureDefinitionError(
                op,
                f"the table's key {column.name!r} is {column.dtype}; cast it to an integer or "
                "a string, since floats are no keys",
            )
        if nulls := column.null_count():
            raise FeatureDefinitionError(
                op, f"the table's key {column.name!r} is null in {nulls} row(s), which none finds"
            )
    if doubled := table.is_duplicated().sum():
        first = table.filter(table.is_duplicated()).row(0)
        shown = first[0] if len(first) == 1 else first
        raise FeatureDefinitionError(
            op,
            f"the table has {doubled} rows whose key another row has too, such as {shown!r}; "
            "keep one row a key",
        )
    columns = [
        values_of(op, column, kind).to_list() for column, kind in zip(table, kinds, strict=True)
    ]
    return kinds, list(zip(*columns, strict=True))
