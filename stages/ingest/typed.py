"""Giving columns their declared types, where every value that does not fit is an error.

Guarantee: no value is changed, dropped or turned into null on the way: text is parsed whole,
without stripping; numbers keep their value; dates follow the format that was given and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest

EXAMPLES = 5
Types = Mapping[str, pl.DataType | type[pl.DataType]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsed:
    """A column with values that are not of its type.

    Attributes:
        column: the column; `dtype` what it should be, with the format for dates and times.
        count: number of bad values.
        examples: the first of them as `(data row counted from 1, value)`.
    """

    column: str
    dtype: str
    count: int
    examples: tuple[tuple[int, object], ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{value!r} in data row {row:,}" for row, value in self.examples)
        return f"{self.column}: {self.count:,} values are no {self.dtype}, such as {shown}"


class ValuesUnreadable(DagrunError):
    """A file has values that do not fit the declared types."""

    def __init__(self, file: str, columns: tuple[Unparsed, ...]) -> None:
        self.file, self.columns = file, columns
        listed = "".join(f"\n  {column}" for column in columns)
        super().__init__(
            f"{file} has values that cannot be read:{listed}\n"
            "Name them in nulls if they mean missing, or declare another type or format"
        )


class ColumnsMissing(DagrunError):
    """A file lacks declared columns."""

    def __init__(self, file: str, missing: list[str], found: list[str]) -> None:
        self.file, self.missing, self.found = file, missing, found
        super().__init__(
            f"{file} has no column {listing(missing)}.{nearest(missing[0], found)} "
            f"It has: {listing(found)}"
        )


def check_formats(columns: Types, formats: Mapping[str, str]) -> None:
    """Raise `DefinitionError` unless exactly the temporal columns among `columns` have a format."""
    for name in formats:
        if name not in columns:
            raise DefinitionError(
                f"formats names column {name!r}, which columns does not.{nearest(name, columns)}"
            )
    for name, dtype in columns.items():
        if _is_temporal(dtype) != (name in formats):
            need = "needs" if _is_temporal(dtype) else "cannot have"
            raise DefinitionError(
                f"column {name!r} is {dtype} and {need} an entry in formats, such as "
                "'%Y-%m-%d'; dates are never guessed"
            )


def typed(
    frame: pl.DataFrame, file: str, columns: Types, formats: Mapping[str, str]
) -> pl.DataFrame:
    """Return the frame with the declared columns cast; the others stay as they are.

    Raises:
        ColumnsMissing: a declared column is not there.
        ValuesUnreadable: a value does not fit; the error lists all columns.
    """
    if missing := [name for name in columns if name not in frame.columns]:
        raise ColumnsMissing(file, missing, frame.columns)
    made = frame.with_columns(
        _cast(frame.schema[name], name, dtype, formats.get(name)) for name, dtype in columns.items()
    )
    unparsed = [
        found
        for name, dtype in columns.items()
        if (found := _unparsed(frame[name], made[name], dtype, formats.get(name)))
    ]
    if unparsed:
        raise ValuesUnreadable(file, tuple(unparsed))
    return made


def _is_temporal(dtype: pl.DataType | type[pl.DataType]) -> bool:
    return dtype.is_temporal() and dtype != pl.Duration


def _cast(
    source: pl.DataType, name: str, dtype: pl.DataType | type[pl.DataType], format: str | None
) -> pl.Expr:
    column = pl.col(name)
    if source == pl.String and format is not None:
        return column.str.strptime(cast(Any, dtype), format, strict=False, exact=True)
    return column.cast(dtype, strict=False)


def _unparsed(
    before: pl.Series, after: pl.Series, dtype: object, format: str | None
) -> Unparsed | None:
    bad = before.is_not_null() & after.is_null()
    if before.dtype.is_numeric() and after.dtype.is_numeric():
        bad |= before.ne_missing(after.cast(before.dtype, strict=False))
    rows = bad.arg_true()
    if rows.is_empty():
        return None
    first = rows.head(EXAMPLES)
    return Unparsed(
        column=before.name,
        dtype=f"{dtype} like {format!r}" if format else str(dtype),
        count=len(rows),
        examples=tuple(zip((first + 1).to_list(), before.gather(first).to_list(), strict=True)),
    )
