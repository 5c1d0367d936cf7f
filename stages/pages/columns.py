"""A profile of each column of a table: what is missing, how it is spread, what is frequent.

Guarantee: counts, extremes and shares are exact, whatever the size: the table is read by streaming
queries and never held whole. Where it ends: the number of different values is an estimate
(HyperLogLog) from `EXACT_ROWS` rows on, and nested columns are told only by what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Kind = Literal["number", "moment", "text", "other"]

BINS = 24
TOP = 12
EXACT_ROWS = 1_000_000
_QUANTILES = (0.25, 0.5, 0.75)
_MOMENT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """What a column holds.

    Attributes:
        name, dtype: of the column.
        kind: how it is told: numbers and moments by their spread, texts by what is frequent.
        rows: of the table; `missing` how many are null, `nans` how many are NaN.
        distinct: different values, null not counted; None where it is not counted.
        facts: least, greatest, mean and quartiles by name, as numbers, or as text for moments.
        edges: of the histogram, one more than `counts`; moments in milliseconds since the epoch.
        counts: rows between the edges.
        top: the most frequent values with their rows.
    """

    name: str
    dtype: str
    kind: Kind
    rows: int
    missing: int
    nans: int = 0
    distinct: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = ()


def profile_columns(frame: pl.DataFrame | pl.LazyFrame) -> tuple[ColumnProfile, ...]:
    """Profile every column of a table, in their order."""
    rows = frame.lazy()
    schema = rows.collect_schema()
    kinds = {name: _kind(dtype) for name, dtype in schema.items()}
    height = int(rows.select(pl.len()).collect(engine="streaming").item())
    asked = [
        expression.alias(f"{place} {what}")
        for place, (name, kind) in enumerate(kinds.items())
        for what, expression in _questions(name, kind, schema[name], height)
    ]
    told = rows.select(asked).collect(engine="streaming").row(0, named=True) if asked else {}
    found = []
    spreads = []
    for place, (name, kind) in enumerate(kinds.items()):
        start = f"{place} "
        own = {key.removeprefix(start): told[key] for key in told if key.startswith(start)}
        found.append((name, kind, own))
        spreads.append(_spread(rows, name, kind, own))
    counted = iter(pl.collect_all([one for one in spreads if one is not None], engine="streaming"))
    return tuple(
        _profile(
            name, kind, schema[name], height, own, next(counted) if spread is not None else None
        )
        for (name, kind, own), spread in zip(found, spreads, strict=True)
    )


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.Date, pl.Datetime):
        return "moment"
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        return "text"
    return "other"


def _questions(
    name: str, kind: Kind, dtype: pl.DataType, height: int
) -> Iterator[tuple[str, pl.Expr]]:
    column = pl.col(name)
    yield "missing", column.null_count()
    if kind == "other":
        return
    distinct = column.drop_nulls()
    yield "distinct", distinct.n_unique() if height < EXACT_ROWS else distinct.approx_n_unique()
    if kind == "text":
        return
    value = _number(name, kind)
    if dtype.is_float():
        yield "nans", column.is_nan().sum()
    yield "min", value.min()
    yield "max", value.max()
    if kind == "number":
        yield "mean", value.mean()
        for at in _QUANTILES:
            yield f"q{100 * at:g}", value.quantile(at, "linear")


def _number(name: str, kind: Kind) -> pl.Expr:
    """Return a column as doubles, what is no finite number left out."""
    column = pl.col(name)
    if kind == "moment":
        return column.cast(pl.Datetime("ms")).to_physical().cast(pl.Float64).drop_nulls()
    value = column.cast(pl.Float64)
    return value.filter(value.is_finite())


def _spread(
    rows: pl.LazyFrame, name: str, kind: Kind, told: Mapping[str, Any]
) -> pl.LazyFrame | None:
    """Return the query of a column's histogram or of its most frequent values."""
    if kind == "text":
        counts = rows.select(pl.col(name).cast(pl.String).alias("value")).drop_nulls()
        return counts.group_by("value").len("rows").sort(
            "rows", "value", descending=[True, False]
        ).head(TOP)  # fmt: skip
    low, high = told.get("min"), told.get("max")
    if kind == "other" or low is None or high is None or not low < high:
        return None
    place = (_number(name, kind) - low) / (high - low) * BINS
    return (
        rows.select(place.floor().clip(0, BINS - 1).cast(pl.Int32).alias("place"))
        .group_by("place")
        .len("rows")
        .sort("place")
    )


def _profile(
    name: str,
    kind: Kind,
    dtype: pl.DataType,
    height: int,
    told: Mapping[str, Any],
    spread: pl.DataFrame | None,
) -> ColumnProfile:
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    if spread is not None and kind == "text":
        top = tuple((value, rows) for value, rows in spread.iter_rows())
    elif spread is not None:
        low, high = told["min"], told["max"]
        edges = tuple(low + (high - low) * place / BINS for place in range(BINS + 1))
        rows = dict(spread.iter_rows())
        counts = tuple(rows.get(place, 0) for place in range(BINS))
    return ColumnProfile(
        name=name,
        dtype=str(dtype),
        kind=kind,
        rows=height,
        missing=told["missing"],
        nans=told.get("nans") or 0,
        distinct=told.get("distinct"),
        facts=_facts(kind, told),
        edges=edges,
        counts=counts,
        top=top,
    )


def _facts(kind: Kind, told: Mapping[str, Any]) -> dict[str, Any]:
    if told.get("min") is None:
        return {}
    if kind == "moment":
        moments = pl.Series([told["min"], told["max"]]).cast(pl.Int64).cast(pl.Datetime("ms"))
        texts = (str(text).removesuffix(" 00:00:00") for text in moments.dt.to_string(_MOMENT))
        return dict(zip(("from", "to"), texts, strict=True))
    names = {"min": "least", "q25": "25 %", "q50": "median", "q75": "75 %", "max": "greatest"}
    return {words: told[key] for key, words in names.items()} | {"mean": told["mean"]}
