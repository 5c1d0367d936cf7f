"""Aggregates of the finite values of each key, over whole columns.

Guarantee: an aggregate depends on the values of its key as a multiset only: sums are correctly
rounded (see `sums`), medians are those of `statistics.median`. Keys that hold a null, and values
that are not finite, are left out. Keys come in arbitrary order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from dagrun.stages.ops.sums import Doubles, cut_apart, exceeds
from dagrun.stages.ops.table import Scalar

Key = tuple[Scalar, ...]

_AT_ONCE = 4
"""Cuts that are summed in one pass over the groups; most columns need two or three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Rows with a whole key and a finite value.

    Attributes:
        keys: the key columns k0, k1, ...
        column: the values, as Float64.
    """

    keys: pl.DataFrame
    column: pl.Series

    @classmethod
    def of(cls, keys: Sequence[pl.Series], values: pl.Series) -> Self:
        """Return the groups of these rows."""
        named = {f"k{place}": key for place, key in enumerate(keys)}
        frame = pl.DataFrame({**named, "value": values}).filter(
            pl.all_horizontal(pl.col(list(named)).is_not_null()), pl.col("value").is_finite()
        )
        return cls(keys=frame.drop("value"), column=frame["value"])

    def __len__(self) -> int:
        return len(self.column)

    @property
    def values(self) -> Doubles:
        """All values, as an array that must not be written to."""
        return self.column.to_numpy()

    def sums(self) -> dict[Key, tuple[float, int]]:
        """Return sum and count per key. Raises `OverflowError` beyond the doubles."""
        rows = {key: count for key, (count,) in self._grouped(pl.len())}
        parts: dict[Key, list[float]] = {key: [] for key in rows}
        if exceeds(self.values):
            for key, (values,) in self._grouped(pl.col("value")):
                parts[key] = values
            return {key: (math.fsum(parts[key]), count) for key, count in rows.items()}
        cuts = cut_apart(self.values)
        while some := [cut.copy() for cut in itertools.islice(cuts, _AT_ONCE)]:
            columns = {f"c{place}": pl.Series(cut) for place, cut in enumerate(some)}
            for key, sums in self._grouped(*(pl.col(name).sum() for name in columns), **columns):
                parts[key].extend(sums)
        return {key: (math.fsum(parts[key]), count) for key, count in rows.items()}

    def aggregates(self, how: str) -> dict[Key, float]:
        """Return the mean, median, min, max or count per key. Raises `OverflowError`."""
        value = pl.col("value")
        if how == "mean":
            return {key: total / rows for key, (total, rows) in self.sums().items()}
        if how == "median":
            middle = (value.quantile(0.5, "lower"), value.quantile(0.5, "higher"))
            return {
                key: low if low == high else (low + high) / 2
                for key, (low, high) in self._grouped(
                    *(one.alias(str(i)) for i, one in enumerate(middle))
                )
            }
        one = {"min": value.min(), "max": value.max(), "count": pl.len().cast(pl.Float64)}[how]
        return {key: found for key, (found,) in self._grouped(one)}

    def _grouped(
        self, *wanted: pl.Expr, **more: pl.Series
    ) -> Iterator[tuple[Key, tuple[Any, ...]]]:
        """Yield each key with what is wanted of its rows, over `value` and `more` columns."""
        frame = self.keys.with_columns(value=self.column, **more)
        found = frame.group_by(self.keys.columns).agg(*wanted)
        width = self.keys.width
        for row in found.iter_rows():
            yield row[:width], row[width:]
