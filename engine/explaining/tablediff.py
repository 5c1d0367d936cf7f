"""The difference of two tables: their rows, and their values column by column.

Guarantee: with a key every row is matched with the row of the same key, without one by its place
when the tables are equally long; else rows count as wholes. Nulls equal nulls, NaN equals NaN. The
limits: 0.0 and -0.0, which have different digests, are equal here; columns whose dtype changed are
compared as text. Both tables must fit into memory in the columns that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest

QUANTILES = (0.05, 0.5, 0.95)
_ROW, _SIDE = "row", "__side__"


class UnknownKey(DefinitionError):
    """A key column is not in both tables."""

    def __init__(self, column: str, shared: Sequence[str]) -> None:
        self.column = column
        super().__init__(
            f"the key column {column!r} is not in both tables.{nearest(column, shared)} "
            f"Columns of both: {listing(shared)}"
        )


class AmbiguousKey(DagrunError):
    """A key has several rows, so rows cannot be matched by it."""

    def __init__(self, key: Sequence[str], side: str, example: Mapping[str, Any]) -> None:
        self.key, self.side, self.example = tuple(key), side, dict(example)
        values = ", ".join(f"{name} = {value!r}" for name, value in example.items())
        super().__init__(
            f"the key {', '.join(key)} does not tell the rows of {side} apart: several have "
            f"{values}. Name further columns with another --key"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """One value that differs; `row` is its key's values, or its place (from 0) as `row`."""

    row: Mapping[str, Any]
    column: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifference:
    """Which rows differ.

    Attributes:
        matched: how rows were matched: by key, by place, or not at all (as wholes).
        changed, added, removed: numbers of rows.
        cells: number of differing values in each column that has any.
        sample: the first differing values, row by row.
        only: the first rows (columns by name) that are only before and only after.
    """

    matched: Literal["key", "place", "whole"]
    changed: int
    added: int
    removed: int
    cells: Mapping[str, int]
    sample: tuple[CellChange, ...]
    only: Mapping[Literal["before", "after"], tuple[Mapping[str, Any], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnValues:
    """The values of one column in figures; those that its dtype lacks are None.

    NaN is left out of all of them, as null is.

    Attributes:
        quantiles: at 5, 50 and 95 %.
    """

    dtype: str
    nulls: int
    distinct: int | None
    least: Any
    quantiles: tuple[Any, ...]
    greatest: Any
    mean: float | None


def compare_rows(
    before: pl.LazyFrame, after: pl.LazyFrame, key: Sequence[str], most: int = 10
) -> RowDifference:
    """Compare two tables row by row; of differing rows the first `most` are told.

    Raises `UnknownKey` or `AmbiguousKey`.
    """
    old, new = _alike(before.collect(), after.collect())
    shared = [name for name in new.columns if name in old.columns]
    for column in key:
        if column not in shared:
            raise UnknownKey(column, shared)
    if not key and old.height != new.height:
        return _compare_wholes(old.select(shared), new.select(shared), most)
    by = list(key)
    for side, frame in (("the table before", old), ("the table after", new)):
        if by and (several := frame.filter(frame.select(by).is_duplicated())).height:
            raise AmbiguousKey(by, side, several.select(by).row(0, named=True))
    if not key:
        by = [_free(_ROW, shared)]
        old, new = old.with_row_index(by[0]), new.with_row_index(by[0])
    values = [name for name in shared if name not in by]
    pairs = old.select(*by, *values).join(
        new.select(*by, pl.struct(values).alias(_SIDE) if values else pl.lit(0).alias(_SIDE)),
        on=by,
        how="inner",
        nulls_equal=True,
        maintain_order="right",
    )
    differs = {name: pl.col(name).ne_missing(pl.col(_SIDE).struct.field(name)) for name in values}
    flags = pairs.select(**differs) if values else pl.DataFrame()
    changed = flags.select(pl.any_horizontal(pl.all())).to_series() if values else pl.Series([])
    cells = {name: int(flags[name].sum()) for name in flags.columns}
    rows = pairs.filter(changed).head(most) if values else pairs.clear()
    only = _only(old, new, by, most)
    return RowDifference(
        matched="key" if key else "place",
        changed=int(changed.sum() or 0),
        added=new.height - pairs.height,
        removed=old.height - pairs.height,
        cells={name: count for name, count in cells.items() if count},
        sample=tuple(_cells(rows, by, values)),
        only=only,
    )


def _cells(rows: pl.DataFrame, by: Sequence[str], values: Sequence[str]) -> list[CellChange]:
    changes = []
    for row in rows.iter_rows(named=True):
        for name in values:
            before, after = row[name], row[_SIDE][name]
            both_nan = before != before and after != after
            if before != after and not both_nan:
                place = {column: row[column] for column in by}
                changes.append(CellChange(row=place, column=name, before=before, after=after))
    return changes


def _only(
    old: pl.DataFrame, new: pl.DataFrame, by: Sequence[str], most: int
) -> dict[Literal["before", "after"], tuple[Mapping[str, Any], ...]]:
    removed = old.join(new, on=by, how="anti", nulls_equal=True, maintain_order="left")
    added = new.join(old, on=by, how="anti", nulls_equal=True, maintain_order="left")
    return {
        "before": tuple(removed.head(most).to_dicts()),
        "after": tuple(added.head(most).to_dicts()),
    }


def _compare_wholes(old: pl.DataFrame, new: pl.DataFrame, most: int) -> RowDifference:
    """Count equal rows of two tables off against each other; the rest came or went."""
    # The nth of several equal rows is matched with the nth of the other table.
    nth = _free("nth", old.columns)
    columns = old.columns
    number = pl.int_range(pl.len()).over(columns).alias(nth) if columns else pl.lit(0).alias(nth)
    old, new = old.with_columns(number), new.with_columns(number)
    by = [*columns, nth]
    removed = old.join(new, on=by, how="anti", nulls_equal=True, maintain_order="left").drop(nth)
    added = new.join(old, on=by, how="anti", nulls_equal=True, maintain_order="left").drop(nth)
    return RowDifference(
        matched="whole",
        changed=0,
        added=added.height,
        removed=removed.height,
        cells={},
        sample=(),
        only={
            "before": tuple(removed.head(most).to_dicts()),
            "after": tuple(added.head(most).to_dicts()),
        },
    )


def describe_values(frame: pl.LazyFrame, columns: Sequence[str]) -> dict[str, ColumnValues]:
    """Describe columns of a table in figures, one at a time; those it lacks are left out."""
    schema = frame.collect_schema()
    known = [name for name in columns if name in schema]
    return {name: _describe(frame.select(name).collect().to_series()) for name in known}


def _describe(column: pl.Series) -> ColumnValues:
    dtype = column.dtype
    values = column.drop_nulls()
    if dtype.is_float():
        values = values.drop_nans()
    number = dtype.is_numeric() or dtype == pl.Boolean
    ordered = number or dtype.is_temporal() or dtype == pl.String
    quantiles: tuple[Any, ...] = (None,) * len(QUANTILES)
    if ordered and values.len() and dtype not in (pl.String, pl.Boolean):
        # By place, not by quantile(): that gives other dtypes, and none for an empty column.
        values = values.sort()
        quantiles = tuple(values[round(at * (values.len() - 1))] for at in QUANTILES)
    mean = values.cast(pl.Float64).mean() if number else None
    return ColumnValues(
        dtype=str(dtype),
        nulls=column.null_count(),
        distinct=None if dtype.is_nested() else values.n_unique(),
        least=values.min() if ordered else None,
        quantiles=quantiles,
        greatest=values.max() if ordered else None,
        mean=mean if isinstance(mean, float) else None,
    )


def _alike(old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return two tables whose columns of one name have one dtype."""
    differing = [
        name for name in new.columns if name in old.columns and old[name].dtype != new[name].dtype
    ]
    old = old.with_columns(_text(old[name]) for name in differing)
    return old, new.with_columns(_text(new[name]) for name in differing)


def _text(column: pl.Series) -> pl.Series:
    """Return a column of any dtype as text; not by a cast, which nested dtypes lack."""
    texts = [None if value is None else str(value) for value in column]
    return pl.Series(column.name, texts, pl.String)


def _free(name: str, taken: Sequence[str]) -> str:
    """Return the name, with underscores added until no column is called so."""
    while name in taken:
        name += "_"
    return name
