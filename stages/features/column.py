"""Input columns: their schema, and the door through which a frame's columns enter.

Guarantee: what passes the door is exact. Narrower dtypes are widened (Float32, small integers,
Categorical, milliseconds), wider ones pass only when every value survives, NaN becomes null, and
anything else is an error that names the column. The limit: values are not judged by range or
set; that is the contract's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_type_hints

import polars as pl

from dagrun.stages.ops.arguments import check_argument
from dagrun.stages.ops.errors import (
    BadValue,
    DtypeMismatch,
    FeatureDefinitionError,
    UnknownColumn,
)
from dagrun.stages.ops.kind import DTYPES, Dtype, Kind
from dagrun.stages.ops.timing import Earlier, check_moment

_EXACT = 2**53
_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input column of a feature spec.

    Attributes:
        name: the column's name in frames and on the wire.
        dtype: double, int64, string, bool, timestamp or date.
        nullable: whether null (and for doubles NaN) is let in.
        aware: for timestamps, True when values are UTC instants, False for wall-clock times.
        available_since: ISO 8601 moment since which the column can be had, by the time of the
            feature set. Serving ignores it, since live rows come later.
        earlier: what becomes of training rows before that: their value is null ("mask"), or
            they are an error ("refuse").
    """

    name: str
    dtype: Dtype
    nullable: bool = True
    aware: bool = False
    available_since: str | None = None
    earlier: Earlier = "mask"

    def __post_init__(self) -> None:
        for field, hint in get_type_hints(Column).items():
            check_argument(f"column {self.name!r}", field, getattr(self, field), hint)
        if self.aware and self.dtype != "timestamp":
            raise FeatureDefinitionError(self.name, "only a timestamp can be aware of its zone")
        if self.available_since is not None:
            check_moment(self.name, "available_since", self.available_since)
            if self.earlier == "mask" and not self.nullable:
                raise FeatureDefinitionError(
                    self.name, "cannot be masked where null is not allowed; use earlier='refuse'"
                )

    @property
    def kind(self) -> Kind:
        """The kind of value the column feeds to ops."""
        return "instant" if self.aware else self.dtype

    @property
    def frame_dtype(self) -> pl.DataType:
        """The Polars dtype of the column in raw frames that dagrun builds itself."""
        if self.dtype == "timestamp":
            return pl.Datetime("us", "UTC" if self.aware else None)
        return _FRAME_DTYPES[self.dtype]


_FRAME_DTYPES: dict[str, pl.DataType] = {
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
}


def column_of(name: str, dtype: pl.DataType) -> Column:
    """Return the nullable column that a frame's dtype suggests. Raises `DtypeMismatch`."""
    kind = _kind_of(dtype)
    if kind is None:
        raise DtypeMismatch(name, str(dtype), ", ".join(DTYPES), "a feature spec")
    if kind == "instant":
        return Column(name=name, dtype="timestamp", aware=True)
    return Column(name=name, dtype=kind)


def _kind_of(dtype: pl.DataType) -> Dtype | Literal["instant"] | None:
    """Return the kind of values that a frame's dtype holds, None for what no column is."""
    if dtype.is_float():
        return "double"
    if dtype.is_integer():
        return "int64"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "string"
    if isinstance(dtype, pl.Boolean):
        return "bool"
    if isinstance(dtype, pl.Date):
        return "date"
    if isinstance(dtype, pl.Datetime):
        return "timestamp" if dtype.time_zone is None else "instant"
    return None


def check_schema(columns: Sequence[Column], schema: pl.Schema) -> None:
    """Raise `UnknownColumn` or `DtypeMismatch` when a frame of this schema cannot be admitted."""
    missing = [column.name for column in columns if column.name not in schema]
    if missing:
        raise UnknownColumn(missing, schema.names())
    for column in columns:
        found = schema[column.name]
        if isinstance(found, pl.Null) or (found.is_integer() and column.dtype == "double"):
            continue
        if _kind_of(found) != column.kind:
            zoned = {True: " with a time zone", False: " without a time zone"}
            wanted = column.dtype + (zoned[column.aware] if column.dtype == "timestamp" else "")
            raise DtypeMismatch(column.name, str(found), wanted, "the feature spec")


def admit(columns: Sequence[Column], frame: pl.DataFrame) -> list[pl.Series]:
    """Return the columns as ops see them (see `kind`), in order, unnamed.

    Raises `UnknownColumn` and `DtypeMismatch` before reading any value, then `BadValue`.
    """
    check_schema(columns, frame.schema)
    return [_admit_one(column, frame[column.name]) for column in columns]


def _admit_one(column: Column, series: pl.Series) -> pl.Series:
    dtype = series.dtype
    if isinstance(dtype, pl.Null):
        admitted = series.cast(_INSIDE[column.dtype])
    elif column.dtype == "double":
        if dtype.is_integer():
            wide = series.cast(pl.Int128).abs() > _EXACT
            _refuse(column.name, "an integer beyond 2**53 does not fit a double", wide)
        admitted = _cast(series, _INSIDE["double"])
        if (total := admitted.sum()) != total:  # a NaN shows in the sum; looking copies nothing
            admitted = admitted.fill_nan(None)
    elif column.dtype == "int64":
        if dtype in (pl.UInt64, pl.Int128):
            wide = ~series.cast(pl.Int128).is_between(-_LIMIT, _LIMIT - 1)
            _refuse(column.name, "an integer does not fit int64", wide)
        admitted = _cast(series, _INSIDE["int64"])
    elif isinstance(dtype, pl.Datetime):
        admitted = _microseconds(column.name, series.cast(pl.Int64), dtype.time_unit)
    else:
        admitted = _cast(series, _INSIDE[column.dtype])
    if not column.nullable and admitted.null_count():
        _refuse(column.name, "null where the spec allows none", admitted.is_null())
    return admitted


_INSIDE: dict[str, pl.DataType] = {
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "timestamp": pl.Int64(),
    "date": pl.Int64(),
}


def _cast(series: pl.Series, dtype: pl.DataType) -> pl.Series:
    return series if series.dtype == dtype else series.cast(dtype)


def _microseconds(name: str, ticks: pl.Series, unit: str) -> pl.Series:
    if unit == "ms":
        wide = ticks.cast(pl.Int128).abs() > _LIMIT // 1000 - 1
        _refuse(name, "a timestamp does not fit 64-bit microseconds", wide)
        return ticks * 1000
    if unit == "ns":
        _refuse(name, "a timestamp is finer than a microsecond", ticks % 1000 != 0)
        return ticks // 1000
    return ticks


def _refuse(name: str, problem: str, where: pl.Series) -> None:
    if rows := where.sum():
        raise BadValue(name, problem, int(rows))
