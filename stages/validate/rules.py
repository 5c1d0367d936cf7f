"""The rules that a contract is made of, as values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from dagrun.stages.validate.finding import Severity

Bound = int | float | dt.date | dt.datetime
Severities = tuple[tuple[str, Severity], ...]
"""`(rule, severity)` pairs; the rule `"*"` stands for all that are not named."""

DTYPES: dict[str, tuple[pl.DataType | type[pl.DataType], ...]] = {
    "bool": (pl.Boolean,),
    "date": (pl.Date,),
    "float": (pl.Float32, pl.Float64),
    "integer": (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    "string": (pl.String,),
    "timestamp": (pl.Datetime,),
    "int32": (pl.Int32,),
    "int64": (pl.Int64,),
    "float32": (pl.Float32,),
    "float64": (pl.Float64,),
}
"""Words for dtypes; `integer` and `float` are of any width, `timestamp` of any unit and zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRules:
    """What one column must be.

    Attributes:
        name: the column.
        dtype: a word of `DTYPES`, or None for any.
        required: whether it must be there at all.
        nullable: whether null (or NaN) is allowed.
        max_null_share: largest share of nulls and NaNs, 0 to 1.
        min: least value allowed; `max` the greatest. Nulls and NaNs are not compared.
        allowed: the values allowed.
        pattern: a regular expression that must be found in each text (anchor it with ^ and $).
        unique: whether no value may occur twice; nulls are not compared.
        severity: how grave it is to break these rules.
    """

    name: str
    dtype: str | None = None
    required: bool = True
    nullable: bool = True
    max_null_share: float | None = None
    min: Bound | None = None
    max: Bound | None = None
    allowed: tuple[Any, ...] | None = None
    pattern: str | None = None
    unique: bool = False
    severity: Severities = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRule:
    """`total` must equal the sum of `parts`, give or take `tolerance`, in double precision.

    Rows with a null in one of the columns pass.
    """

    total: str
    parts: tuple[str, ...]
    tolerance: float = 0.0
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """An expression that must not be false in any row; `name` says what it is about."""

    rule: str
    name: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`columns` must agree with `key` of some row of another table; a null among them passes."""

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """The newest `column` may be at most `max_age` old, and at most `max_ahead` in the future.

    Times without a zone and dates are taken as UTC; a date stands for its last moment.
    """

    column: str
    max_age: dt.timedelta
    max_ahead: dt.timedelta | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRules:
    """How far a table may be from its baseline; see `dagrun.stages.validate.shift`.

    Attributes:
        columns: which columns are compared; None for all that the baseline knows.
        measure: `"psi"`, or `"js"`, the Jensen-Shannon distance (square root of the divergence to
            base 2), for how far distributions are apart.
        warn: distance that is told; `stop` the one that is too far.
        null_share: greatest difference of the share of nulls.
        mean: greatest difference of the mean, in standard deviations of the baseline.
        new_categories: greatest share of rows with a category that the baseline does not know.
        rows: least and greatest number of rows, as a multiple of a batch of the baseline.
        severity: of all but what `warn` tells.
    """

    columns: tuple[str, ...] | None = None
    measure: Literal["psi", "js"] = "psi"
    warn: float = 0.1
    stop: float = 0.2
    null_share: float = 0.02
    mean: float = 0.25
    new_categories: float = 0.005
    rows: tuple[float, float] = (0.5, 2.0)
    severity: Severity | None = None
