"""A baseline: what a blessed table looked like, small enough to be kept and compared with.

Guarantee: it is a document of numbers, equal for equal tables: shares of nulls, means, deciles,
category shares, the number of rows. Figures are kept to ten significant digits, since the order in
which a sum is formed shows in the last ones. Where it ends: texts of many values are profiled by
their lengths, moments, lists and whole numbers that never repeat (ids) by their nulls alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from dagrun.engine.errors import DefinitionError, listing, nearest

Kind = Literal["number", "category", "length", "other"]
BINS = 10
"""Bins of equal shares of the baseline; of fewer where one value is too frequent."""
MOST_CATEGORIES = 50
_DIGITS = 10


class NoSuchColumn(DefinitionError):
    """A baseline is to be learned of a column that the table does not have."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"the table has no column {name!r}.{nearest(name, known)} Columns: {listing(known)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one column looked like.

    Attributes:
        name: the column.
        kind: `"number"`; `"category"`: bools, and texts of at most 50 values; `"length"`: other
            texts, by their number of characters; `"other"`: nulls only.
        present: how many values were neither null nor NaN; `null_share` the share of the others.
        mean: of the numbers; `std` their standard deviation (of the sample).
        edges: lower bounds of all bins but the first, ascending.
        categories: the values as text, sorted.
        shares: share of the present values in each bin, or of each category.
    """

    name: str
    kind: Kind
    present: int
    null_share: float
    mean: float | None = None
    std: float | None = None
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a blessed table looked like; an artifact as any document.

    Attributes:
        rows: its rows, of all `batches` together.
        columns: what its columns looked like.
    """

    rows: int
    batches: int = 1
    columns: tuple[Profile, ...] = ()


def learn_baseline(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    columns: Sequence[str] | None = None,
    batches: int = 1,
) -> Baseline:
    """Return what a table looks like, to compare later ones with.

    Args:
        frame: a table that was found good. Its quantiles need a column at a time in memory.
        columns: which columns to profile; all by default.
        batches: how many of the tables that will be compared it holds, such as 30 for a month
            when days are compared; their number of rows is expected to be `rows / batches`.

    Raises:
        NoSuchColumn: one of `columns` is not there.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    for name in columns or ():
        if name not in schema:
            raise NoSuchColumn(name, list(schema))
    names = list(schema if columns is None else columns)
    figures = [pl.len().alias("rows")]
    for n, name in enumerate(names):
        value, dtype = present(pl.col(name), schema[name]), schema[name]
        figures.append(value.count().alias(f"{n} present"))
        if dtype.is_integer() or dtype == pl.String:
            figures.append(value.drop_nulls().n_unique().alias(f"{n} distinct"))
    seen = lazy.select(figures).collect(engine="streaming").row(0, named=True)
    profiles = [_profile(lazy, name, schema[name], seen, n) for n, name in enumerate(names)]
    return Baseline(rows=seen["rows"], batches=batches, columns=tuple(profiles))


def present(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column's values with null for NaN."""
    return value.fill_nan(None) if dtype.is_float() else value


def kind_of(dtype: pl.DataType, distinct: int | None, count: int) -> Kind:
    """Return how a column is profiled, by its dtype and how many values are distinct."""
    if dtype == pl.Boolean:
        return "category"
    if dtype == pl.String:
        return "category" if (distinct or 0) <= min(MOST_CATEGORIES, count / 10) else "length"
    if dtype.is_integer() and distinct == count > BINS:
        return "other"
    return "number" if dtype.is_numeric() else "other"


def _profile(
    lazy: pl.LazyFrame, name: str, dtype: pl.DataType, seen: dict[str, Any], n: int
) -> Profile:
    rows, count = seen["rows"], seen[f"{n} present"]
    kind = kind_of(dtype, seen.get(f"{n} distinct"), count)
    share = rounded((rows - count) / rows) if rows else 0.0
    profile = {"name": name, "kind": kind, "present": count, "null_share": share}
    if not count or kind == "other":
        return Profile(**profile)
    value = present(pl.col(name), dtype)
    if kind == "category":
        counted = (
            lazy.select(value.cast(pl.String).drop_nulls().alias("value"))
            .group_by("value")
            .len()
            .sort("value")
            .collect(engine="streaming")
        )
        values, counts = counted["value"].to_list(), counted["len"].to_list()
        shares = tuple(rounded(one / count) for one in counts)
        return Profile(**profile, categories=tuple(values), shares=shares)
    number = measured(value, kind)
    points = [number.quantile(k / BINS, "lower").alias(f"q{k}") for k in range(1, BINS)]
    figures = lazy.select(*points, mean=number.mean(), std=number.std()).collect(engine="streaming")
    found = figures.row(0, named=True)
    edges = sorted({float(found[f"q{k}"]) for k in range(1, BINS)})
    below = lazy.select((number < edge).sum().alias(str(k)) for k, edge in enumerate(edges))
    counts = [0, *below.collect(engine="streaming").row(0), count]
    return Profile(
        **profile,
        mean=rounded(found["mean"]),
        std=rounded(found["std"] or 0.0),
        edges=tuple(edges),
        shares=tuple(rounded((high - low) / count) for low, high in itertools.pairwise(counts)),
    )


def measured(value: pl.Expr, kind: Kind) -> pl.Expr:
    """Return the number of a column that is binned."""
    return (value.str.len_chars() if kind == "length" else value).cast(pl.Float64)


def rounded(figure: float) -> float:
    """Return a figure to ten significant digits."""
    return float(f"{figure:.{_DIGITS}g}")
