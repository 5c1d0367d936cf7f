"""One column of the training rows and the statistics of its finite values, each taken once.

Guarantee: every statistic is the same for the same rows in any order and on any number of
threads: sums are correctly rounded (see `sums`), order statistics are exact. Several features
that are fitted on one column share one sample of it, so nothing here is computed twice. The
limit: a copy of the finite values is held, and beyond a few quantiles a sorted one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from dagrun.stages.ops.sums import Doubles, exact_sum

_SELECTED = 16
"""Quantiles that are selected one by one, before sorting once is cheaper."""


@dataclass(frozen=True, kw_only=True, eq=False)  # without slots: statistics are computed once
class Sample:
    """A column as the batch twin sees it. Statistics need at least one finite value."""

    column: pl.Series
    _quantiles: dict[float, float] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def finite(self) -> pl.Series:
        """The finite values, in the order of the rows."""
        wanted = self.column.is_finite()
        whole = self.column.null_count() == 0 and bool(wanted.all())
        return self.column if whole else self.column.filter(wanted)

    @property
    def values(self) -> Doubles:
        """The finite values as an array that must not be written to."""
        return self.finite.to_numpy()

    @cached_property
    def counts(self) -> pl.DataFrame:
        """Each value but null, once, and the `rows` that hold it; in no order."""
        return self.column.drop_nulls().value_counts(name="rows")

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest finite value; either zero is 0.0."""
        low, high = self.finite.min(), self.finite.max()
        assert isinstance(low, float)
        assert isinstance(high, float)
        return low + 0.0, high + 0.0

    @cached_property
    def mean(self) -> float:
        """The correctly rounded sum over the count. Raises `OverflowError`."""
        return exact_sum(self.values) / len(self.finite)

    @cached_property
    def variance(self) -> float:
        """The mean of the squared distances from `mean` (ddof 0), which are rounded one by one.

        It may be infinite. Raises `OverflowError`.
        """
        with np.errstate(over="ignore"):
            squares = self.values - self.mean
            np.multiply(squares, squares, out=squares)
        return exact_sum(squares) / len(squares) if np.isfinite(squares).all() else float("inf")

    @cached_property
    def mode(self) -> float:
        """The most frequent finite value, the smallest of several."""
        counts = self.finite.value_counts(name="rows")
        most = counts.filter(pl.col("rows") == pl.col("rows").max())
        mode = most.to_series(0).min()
        assert isinstance(mode, float)
        return mode + 0.0

    def quantile(self, share: float) -> float:
        """Return a quantile by linear interpolation.

        Definition 7 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996.
        """
        if share not in self._quantiles:
            few = len(self._quantiles) < _SELECTED
            value = (self.finite if few else self._ordered).quantile(share, "linear")
            assert value is not None
            self._quantiles[share] = value
        return self._quantiles[share]

    @cached_property
    def _ordered(self) -> pl.Series:
        return self.finite.sort()
