"""Hard rows: the raw rows on which two twins are most likely to differ.

Guarantee: `hard_rows` is a function of the spec and the sample alone, and every row is admitted
by the spec. The limit: it is a fixed set of known traps, not a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from dagrun.stages.features.column import Column
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.clock import FIRST, LAST, Clock
from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.ops.kind import DAY

T = TypeVar("T")
_LEAST, _MOST = -(2**63), 2**63 - 1
_DOUBLES = (
    *(0.0, -0.0, 1.0, -1.0, 0.1, float("nan"), float("inf"), float("-inf")),
    *(5e-324, -5e-324, 2.2250738585072014e-308, 1e-45, 1.17549435e-38, 3.4028235677973366e38),
    *(1.7976931348623157e308, -1.7976931348623157e308, 16_777_217.0, 2.0**53 + 2.0),
)
_INTEGERS = (0, 1, -1, 2**24 + 1, 2**53 + 1, 2**60 + 2**36 + 1, _MOST, _LEAST)
_STRINGS = (
    *("", " ", "never seen", "NaN", "null", "é", "e\u0301", "東京", "😀", "İ", "ΟΔΟΣ", "a\x00b"),
    *("-0", " 1.5", "1_000", "1,234.5", "１２", "1e999", "inf", "2024-02-30", "1/2/2024"),
    *("The THE, the?", "the\u00a0É—é_1"),
)
_DATES = (0, -1, 11_016, FIRST // DAY, FIRST // DAY - 1, LAST // DAY - 1, LAST // DAY)
_YEARS = (-62_135_596_800_000_000, 253_402_300_799_999_999)  # years 1 to 9999
_MOMENTS = (0, -1, 951_782_400_000_000, FIRST, FIRST - 1, LAST - 1, LAST, *_YEARS)


def hard_rows(spec: FeatureSpec, sample: pl.DataFrame, n: int = 512) -> pl.DataFrame:
    """Return at most `n` raw rows with the spec's input columns: hard cases, then a sample.

    Each hard row is a row of the sample with one column replaced: by null where allowed, NaN,
    signed zeros, infinities, subnormals, integer extremes, unseen, empty and non-ASCII strings,
    the edges of the known calendar, and the instants around clock changes; hard cases fill at
    most half of the rows. The sample rows are evenly spaced.
    Raises `CannotFit` when the sample is empty.
    """
    sampled = spec.rows_of(sample)
    if not sampled:
        raise CannotFit("golden rows", "the sample has no rows")
    cases = [
        (place, value)
        for place, column in enumerate(spec.inputs)
        for value in hard_values(column, _changes(spec))
    ]
    picked = _spaced(cases, n // 2)
    rows: list[tuple[object, ...]] = []
    for number, (place, value) in enumerate(picked):
        row = list(sampled[number % len(sampled)])
        row[place] = value
        rows.append(tuple(row))
    rows.extend(_spaced(sampled, n - len(rows)))
    return spec.frame_of(rows)


def _spaced(items: Sequence[T], most: int) -> list[T]:
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def hard_values(column: Column, changes: Sequence[int] = ()) -> list[object]:
    """Return the traps for a column, as `row_function` takes values.

    `changes` are instants in microseconds around which a clock jumps.
    """
    cases: list[object] = [None] if column.nullable else []
    if column.dtype == "double":
        return cases + [x for x in _DOUBLES if column.nullable or x == x]
    if column.dtype == "timestamp":
        return cases + list(_MOMENTS) + [change + d for change in changes for d in (-1, 0, 1)]
    kinds = {"int64": _INTEGERS, "string": _STRINGS, "bool": (True, False), "date": _DATES}
    return cases + list(kinds[column.dtype])


def _changes(spec: FeatureSpec) -> list[int]:
    """Return some instants, in microseconds, at which a zone of the spec changes its offset."""
    found: dict[int, None] = {}
    for step in spec.steps:
        if isinstance(step.op, Clock):
            for change in _spaced(step.op.changes, 8):
                found[change * 1_000_000] = None
    return list(found)
