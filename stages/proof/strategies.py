"""Hypothesis strategies: hard values of every dtype, frames of a schema, random chunkings.

Guarantee: every frame is admitted by the columns it was made for, and values are those on which
two twins are most likely to differ: nulls, NaN, signed zeros, infinities, subnormals, the
extremes of int64, empty, non-ASCII and NUL strings, clock changes, dates out of range. The limit:
categories that a spec has seen come up only if they are given as `known`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

import polars as pl

from dagrun.stages.features import Column, FeatureSpec
from dagrun.stages.features.hard import hard_values
from dagrun.stages.ops.zone import transitions
from dagrun.stages.proof.extra import strategies as st

Known = Mapping[str, Sequence[object]]
"""Values that matter in a column (categories, thresholds), by the column's name."""

_ZONES = ("America/New_York", "Europe/Lisbon", "Australia/Lord_Howe", "America/Sao_Paulo")
_LEAST, _MOST = -(2**63), 2**63 - 1
_ANY: Mapping[str, st.SearchStrategy[object]] = {
    "double": st.one_of(st.floats(-1e4, 1e4), st.floats()),
    "int64": st.one_of(st.integers(-3, 3), st.integers(_LEAST, _MOST)),
    "string": st.one_of(st.sampled_from(["a", "b", "A"]), st.text()),
    "bool": st.booleans(),
    "timestamp": st.integers(-2_208_988_800_000_001, 4_102_444_800_000_001),
    "date": st.integers(-25_570, 47_490),
}


def values(column: Column, known: Sequence[object] = ()) -> st.SearchStrategy[object]:
    """Return values for a column, written as `FeatureSpec.row_function` takes them.

    Nulls are among them where the column is nullable, `known` values where there are some.
    """
    hard = [*hard_values(column), *_extremes(column)]
    chosen = [st.sampled_from(hard), _ANY[column.dtype]]
    if column.dtype == "timestamp":
        chosen.append(_near_clock_changes())
    if known:
        chosen.append(st.sampled_from(list(known)))
    drawn = st.one_of(chosen)
    if column.dtype == "double" and not column.nullable:
        return drawn.filter(lambda value: value == value)
    return drawn


def _extremes(column: Column) -> list[object]:
    if column.dtype == "timestamp":
        return [_LEAST, _MOST]
    return [-(2**31), 2**31 - 1] if column.dtype == "date" else []


def _near_clock_changes() -> st.SearchStrategy[object]:
    """Return instants within five microseconds of a change of a clock in one of some zones."""
    return st.builds(
        lambda change, by: change * 1_000_000 + by,
        st.sampled_from(_ZONES).flatmap(lambda zone: st.sampled_from(_changes(zone))),
        st.integers(-5, 5),
    )


@cache
def _changes(zone: str) -> tuple[int, ...]:
    """Return UTC seconds of the changes, and what the clock shows just before and after."""
    changes, offsets = transitions(zone)
    shown = (
        second
        for change, (before, after) in zip(changes, pairwise(offsets), strict=True)
        for second in (change, change + before, change + after)
    )
    return tuple(shown)


def frame_of(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    """Return the raw frame of rows whose values are written as `values` gives them."""
    return FeatureSpec(inputs=tuple(columns), steps=(), outputs=()).frame_of(rows)


def frames(
    columns: Sequence[Column], *, least: int = 0, most: int = 12, known: Known | None = None
) -> st.SearchStrategy[pl.DataFrame]:
    """Return frames with these columns and from `least` to `most` rows."""
    row = st.tuples(*(values(column, (known or {}).get(column.name, ())) for column in columns))
    rows = st.lists(row, min_size=least, max_size=most)
    return rows.map(lambda drawn: frame_of(columns, drawn))


def chunkings(frame: pl.DataFrame) -> st.SearchStrategy[pl.DataFrame]:
    """Return the frame with its rows in random chunks, in their order."""

    def cut(places: list[int]) -> pl.DataFrame:
        spans = pairwise(sorted({0, len(frame), *places}))
        pieces = [frame[start:stop] for start, stop in spans]
        return pl.concat(pieces, rechunk=False) if pieces else frame

    return st.lists(st.integers(0, len(frame)), max_size=6).map(cut)


def around(value: float) -> list[float]:
    """Return a number and its two neighbours among the doubles: the cases at a threshold."""
    return [value, math.nextafter(value, -math.inf), math.nextafter(value, math.inf)]
