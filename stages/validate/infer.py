"""Drafting a contract from data: what it looks like now, written as rules for a person to judge.

Guarantee: the data that it was drafted from keeps the contract, and the text says beside each rule
what was seen. Where it ends: it is a draft. Bounds are wider than what was seen, by as much again;
a value that is rare, or not there yet, is not known to it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from dagrun.stages.validate.rules import DTYPES

MOST_ALLOWED = 20
_REPEATED = 10
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHAPES = (
    r"^[A-Z]{%d}$",
    r"^[0-9]{%d}$",
    r"^[A-Z0-9]{%d}$",
    r"^[0-9a-f]{%d}$",
    r"^[0-9a-f-]{%d}$",
)
_WORDS = ("bool", "date", "float", "integer", "string", "timestamp")


def infer_contract(frame: pl.DataFrame | pl.LazyFrame, *, title: str = "") -> str:
    """Return the TOML text of a contract that the table keeps.

    Args:
        frame: the table. Its distinct values need memory.
        title: what the first line says.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    figures = [pl.len().alias("rows")]
    for n, (name, dtype) in enumerate(schema.items()):
        figures += [one.alias(f"{n} {what}") for what, one in _figures(name, dtype).items()]
    seen = lazy.select(figures).collect(engine="streaming").row(0, named=True)
    rows = seen["rows"]
    lines = [f"# {title or 'A draft from data: read it, and change what is not meant.'}"]
    lines += ["[table]", f"min_rows = {_min_rows(rows)}    # {rows:,} seen", ""]
    for n, (name, dtype) in enumerate(schema.items()):
        prefix = f"{n} "
        own = {k.removeprefix(prefix): v for k, v in seen.items() if k.startswith(prefix)}
        key = name if _BARE.fullmatch(name) else json.dumps(name)
        lines += [f"[columns.{key}]", *_column(lazy, name, dtype, own, rows), ""]
    return "\n".join(lines)


def _figures(name: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    column = pl.col(name)
    value = column.fill_nan(None) if dtype.is_float() else column
    found = {"nulls": value.null_count()}
    if dtype.is_integer() or dtype == pl.String:
        found["distinct"] = value.drop_nulls().n_unique()
    if dtype.is_float():
        value = pl.when(value.is_finite()).then(value)
        found["infinite"] = column.is_infinite().sum()
    if dtype.is_numeric() or dtype.is_temporal():
        found |= {"min": value.min(), "max": value.max()}
    return found


def _column(
    lazy: pl.LazyFrame, name: str, dtype: pl.DataType, seen: dict[str, Any], rows: int
) -> Iterator[str]:
    word = next((word for word in _WORDS if dtype in DTYPES[word]), None)
    if word is None:
        yield f"# {dtype}"
    else:
        yield f'dtype = "{word}"'
    if not seen["nulls"]:
        yield "nullable = false"
    else:
        share = min(1.0, math.ceil(seen["nulls"] / rows * 200) / 100)
        yield f"max_null_share = {share}    # {seen['nulls'] / rows:.2%} seen"
    if word in ("integer", "float") and seen["min"] is not None and not seen.get("infinite"):
        yield from _bounds(seen["min"], seen["max"], word)
    elif word in ("date", "timestamp") and seen["min"] is not None:
        yield f"# {_moment(seen['min'])} to {_moment(seen['max'])} seen"
    elif word == "string" and seen["distinct"]:
        yield from _texts(lazy, name, seen["distinct"], rows - seen["nulls"])
    whole = word in ("integer", "string") and not seen["nulls"]
    if whole and rows >= _REPEATED and seen["distinct"] == rows:
        yield "unique = true"


def _bounds(low: Any, high: Any, word: str) -> Iterator[str]:
    """Yield bounds as far beyond what was seen as that is wide; never below 0 if nothing was."""
    width = max(float(high) - float(low), abs(float(high)), 1.0)
    least = 0.0 if low >= 0 else -_rounded_up(width - float(low))
    most = _rounded_up(float(high) + width) if high > 0 else 0.0
    for key, bound, found in (("min", least, low), ("max", most, high)):
        if math.isfinite(bound) and abs(bound) < 2**62:
            shown = f"{int(bound):_}" if word == "integer" else repr(bound)
            yield f"{key} = {shown}    # {found:,} seen"


def _rounded_up(value: float) -> float:
    """Return the next whole number of two significant digits; infinity for one too large."""
    if value > 1e300:
        return math.inf
    size = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return math.ceil(value) if size < 1 else math.ceil(value / size) * size


def _texts(lazy: pl.LazyFrame, name: str, distinct: int, count: int) -> Iterator[str]:
    values = lazy.select(pl.col(name).drop_nulls().unique())
    if distinct <= MOST_ALLOWED and distinct * _REPEATED <= count:
        allowed = sorted(values.collect(engine="streaming")[name].to_list())
        yield f"allowed = {json.dumps(allowed, ensure_ascii=False)}"
        return
    text = pl.col(name)
    lengths = values.select(low=text.str.len_chars().min(), high=text.str.len_chars().max())
    low, high = lengths.collect(engine="streaming").row(0)
    if low == high and low:
        shapes = [shape.replace("%d", str(low)) for shape in _SHAPES]
        fits = values.select(
            text.str.contains(shape).all().alias(str(n)) for n, shape in enumerate(shapes)
        )
        for shape, fit in zip(shapes, fits.collect(engine="streaming").row(0), strict=True):
            if fit:
                yield f"pattern = {json.dumps(shape)}"
                return
    yield f"# {distinct:,} distinct texts of {low} to {high} characters seen"


def _min_rows(rows: int) -> str:
    return f"{int(_rounded_down(rows / 2)):_}"


def _rounded_down(value: float) -> float:
    size = 10.0 ** max(math.floor(math.log10(value)) - 1, 0) if value >= 1 else 1.0
    return math.floor(value / size) * size


def _moment(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)
