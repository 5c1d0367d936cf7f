"""The contract of a table, read from one TOML file that a reviewer can read aloud.

    [table]
    min_rows = 300_000
    unique = [["carrier", "flight", "sched_dep"]]    # each list of columns is a key
    extra_columns = "deny"

    [columns.carrier]
    dtype = "string"
    nullable = false
    pattern = "^[A-Z0-9]{2}$"

    [columns.distance]
    dtype = "integer"
    min = 0
    max_null_share = 0.01

    [[sums]]
    total = "elapsed"
    parts = ["taxi", "air_time"]
    tolerance = 1

A column that is listed must be there, unless it says `required = false`. Every key is optional.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dagrun.engine.sources import Files
from dagrun.stages import declaration
from dagrun.stages.declaration import DeclarationInvalid, check_table, check_word

Bound = int | float | dt.date | dt.datetime

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

_NUMBERS = (int, float)
_BOUNDS = (int, float, dt.date, dt.datetime)
_COLUMN_KEYS: dict[str, tuple[type, ...]] = {
    "dtype": (str,),
    "required": (bool,),
    "nullable": (bool,),
    "max_null_share": _NUMBERS,
    "min": _BOUNDS,
    "max": _BOUNDS,
    "allowed": (list,),
    "pattern": (str,),
    "unique": (bool,),
}
_TABLE_KEYS: dict[str, tuple[type, ...]] = {
    "min_rows": (int,),
    "max_rows": (int,),
    "unique": (list,),
    "extra_columns": (str,),
}
_SUM_KEYS: dict[str, tuple[type, ...]] = {
    "total": (str,),
    "parts": (list,),
    "tolerance": _NUMBERS,
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRule:
    """`total` must equal the sum of `parts`, give or take `tolerance`, in double precision.

    Rows with a null in one of the columns pass.
    """

    total: str
    parts: tuple[str, ...]
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a table must be; see the module's text for the file.

    Attributes:
        columns: rules of the columns, in the file's order.
        min_rows: least number of rows; `max_rows` the greatest, or None.
        unique: keys: no two rows may agree in all columns of one (null agrees with null).
        extra_columns: whether columns that are not listed may be there.
        sums: columns that must add up.
    """

    columns: tuple[ColumnRules, ...] = ()
    min_rows: int = 0
    max_rows: int | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    extra_columns: bool = True
    sums: tuple[SumRule, ...] = ()

    @classmethod
    def read(cls, source: Files | Path | str) -> Contract:
        """Read a contract's file. Raises `DeclarationInvalid`."""
        file, text = declaration.read(source)
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: str = "contract") -> Contract:
        """Read a contract's text; `file` names it in errors. Raises `DeclarationInvalid`."""
        document = check_table(
            file,
            "",
            declaration.parse(text, file),
            {"table": (dict,), "columns": (dict,), "sums": (list,)},
        )
        table = check_table(file, "table", document.get("table", {}), _TABLE_KEYS)
        extra = table.get("extra_columns", "allow")
        check_word(file, "table", "choice for extra_columns", extra, ("allow", "deny"))
        columns = document.get("columns", {})
        sums = [_sum_rule(file, n, rule) for n, rule in enumerate(document.get("sums", ()), 1)]
        keys = [_names(file, "table: unique", key) for key in table.get("unique", ())]
        for names in [*keys, *((rule.total, *rule.parts) for rule in sums)]:
            for name in names:
                check_word(file, "table" if names in keys else "sums", "column", name, columns)
        return cls(
            columns=tuple(_column_rules(file, name, rules) for name, rules in columns.items()),
            min_rows=table.get("min_rows", 0),
            max_rows=table.get("max_rows"),
            unique=tuple(keys),
            extra_columns=extra == "allow",
            sums=tuple(sums),
        )


def _column_rules(file: str, name: str, found: Any) -> ColumnRules:
    where = f"columns.{name}"
    rules = dict(check_table(file, where, found, _COLUMN_KEYS))
    dtype = rules.get("dtype")
    if dtype is not None:
        check_word(file, where, "dtype", dtype, DTYPES)
    share = rules.get("max_null_share", 0)
    if not 0 <= share <= 1:
        raise DeclarationInvalid(file, where, f"max_null_share is {share}; give 0 to 1")
    if share and not rules.get("nullable", True):
        raise DeclarationInvalid(file, where, "nullable = false leaves no max_null_share")
    _check_bounds(file, where, rules)
    try:
        re.compile(rules.get("pattern", ""))
    except re.error as error:
        problem = f"pattern {rules['pattern']!r} is no regular expression: {error}"
        raise DeclarationInvalid(file, where, problem) from error
    if "pattern" in rules and dtype != "string":
        raise DeclarationInvalid(file, where, 'pattern needs dtype = "string"')
    if "allowed" in rules:
        rules["allowed"] = tuple(rules["allowed"])
        if len({type(value) for value in rules["allowed"]}) != 1:
            raise DeclarationInvalid(file, where, "allowed must list values of one type")
    return ColumnRules(name=name, **rules)


_BOUNDED: dict[str, tuple[type, ...]] = {"date": (dt.date,), "timestamp": (dt.datetime,)}


def _check_bounds(file: str, where: str, rules: dict[str, Any]) -> None:
    bounds = [key for key in ("min", "max") if key in rules]
    for key in bounds:
        fits = _BOUNDED.get(rules.get("dtype", ""), _NUMBERS)
        usable = type(rules[key]) in fits and rules[key] == rules[key]
        if rules.get("dtype") in (None, "string", "bool") or not usable:
            problem = (
                f"{key} = {rules[key]} needs a dtype that it can be compared with: a number for "
                "integers and floats, a date for date, a date with time for timestamp"
            )
            raise DeclarationInvalid(file, where, problem)
    if len(bounds) == 2 and rules["min"] > rules["max"]:
        problem = f"min {rules['min']} is greater than max {rules['max']}"
        raise DeclarationInvalid(file, where, problem)


def _sum_rule(file: str, number: int, found: Any) -> SumRule:
    where = f"sums, number {number}"
    rule = check_table(file, where, found, _SUM_KEYS)
    if not {"total", "parts"} <= rule.keys():
        raise DeclarationInvalid(file, where, "needs total and parts")
    parts = _names(file, where, rule["parts"])
    return SumRule(total=rule["total"], parts=parts, tolerance=float(rule.get("tolerance", 0)))


def _names(file: str, where: str, found: Any) -> tuple[str, ...]:
    if not (isinstance(found, list) and found and all(isinstance(name, str) for name in found)):
        raise DeclarationInvalid(file, where, f"must list columns, not {found!r}")
    return tuple(found)
