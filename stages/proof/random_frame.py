"""Random frames of any size, a third of whose values are hard ones.

Guarantee: the same arguments give the same frame, on every machine with one version of NumPy.
Where Hypothesis makes few and finely chosen rows, this makes millions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.stages.features import Column
from dagrun.stages.features.hard import hard_values
from dagrun.stages.ops.kind import DAY, FIRST_DAY, LAST_DAY
from dagrun.stages.ops.zone import transitions

_HARD_SHARE, _NULL_SHARE = 1 / 3, 1 / 20
_POOL = 4_096
"""Different values of a column that is not drawn row by row: strings, clock changes."""
_ZONES = ("America/New_York", "Europe/Lisbon", "Australia/Lord_Howe")
_LETTERS = "abcdeABCDE019 .,-_éßİıσςÅ東京😀\u0301\u00a0\x00\n"


def random_frame(
    columns: Sequence[Column],
    rows: int,
    *,
    seed: int = 0,
    known: Mapping[str, Sequence[object]] | None = None,
) -> pl.DataFrame:
    """Return `rows` random rows of these columns; `known` values count among the hard ones."""
    chance = np.random.default_rng(seed)
    given = known or {}
    return pl.DataFrame(
        [_column(column, rows, list(given.get(column.name, ())), chance) for column in columns]
    )


def _column(
    column: Column, rows: int, known: list[object], chance: np.random.Generator
) -> pl.Series:
    physical = {"timestamp": pl.Int64(), "date": pl.Int32()}
    dtype = physical.get(column.dtype, column.frame_dtype)
    hard = pl.Series([*hard_values(column, _changes()), *known], dtype=dtype, strict=False)
    usual = pl.Series(_usual(column, rows, chance), dtype=dtype)
    # One series of both, and the place in it for each row: this keeps nulls apart from NaN.
    both = pl.concat([hard, usual])
    easy = len(hard) + np.arange(rows)
    if len(usual) != rows:
        easy = chance.integers(len(hard), len(both), rows)
    share = chance.random(rows)
    places = np.where(share < _HARD_SHARE, chance.integers(0, len(hard), rows), easy)
    if column.nullable:  # the first hard value is null
        places[share < _NULL_SHARE] = 0
    return both.gather(places).cast(column.frame_dtype).alias(column.name)


def _usual(
    column: Column, rows: int, chance: np.random.Generator
) -> npt.NDArray[np.generic] | list[str]:
    """Return ordinary values of a column: one for each row, or a pool to choose from."""
    if column.dtype == "double":
        exponents = np.exp2(chance.integers(-40, 60, rows))
        bits = chance.integers(-(2**63), 2**63 - 1, rows).view(np.float64)
        any_bits = chance.random(rows) < 0.1
        plain = chance.normal(size=rows) * exponents
        return np.where(any_bits & np.isfinite(bits), bits, plain)
    if column.dtype == "int64":
        spread = np.left_shift(1, chance.integers(0, 62, rows))
        return chance.integers(-spread, spread, rows)
    if column.dtype == "bool":
        return chance.random(rows) < 0.5
    if column.dtype == "date":
        return chance.integers(FIRST_DAY - 5, LAST_DAY + 5, rows).astype(np.int32)
    if column.dtype == "timestamp":
        return chance.integers(FIRST_DAY * DAY - 5, LAST_DAY * DAY + 5, rows)
    letters = np.array(list(_LETTERS))
    lengths = chance.geometric(0.2, _POOL)
    return ["".join(chance.choice(letters, length)) for length in lengths.tolist()]


def _changes() -> list[int]:
    """Return the instants in microseconds at which some zones change their offset."""
    return [second * 1_000_000 for zone in _ZONES for second in transitions(zone)[0]]
