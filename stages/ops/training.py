"""What an op sees of the training rows when it is fitted, and the statistics it may take.

Guarantee: every statistic here is the same for the same rows in any order and on any number of
threads: sums are correctly rounded (as by `math.fsum`), order statistics are exact, ties are
broken by value, and -0.0 is 0.0. Values that are not finite are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.ops.sample import Sample
from dagrun.stages.ops.sums import Doubles, exact_sum
from dagrun.stages.ops.table import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The training rows of one feature.

    Attributes:
        name: the feature, for errors.
        columns: its inputs, as the batch twin sees them.
        targets: its fit-only columns, as Float64.
        shared: the first column's statistics, where other features take them as well.
    """

    name: str
    columns: tuple[pl.Series, ...]
    targets: tuple[pl.Series, ...] = ()
    shared: Sample | None = field(default=None, repr=False)

    @property
    def sample(self) -> Sample:
        """The first column and its statistics. Raises `CannotFit` when no value is finite."""
        sample = self.shared or Sample(column=self.columns[0])
        if sample.finite.is_empty():
            raise self.error("its column has no finite value in the training rows")
        return sample

    def error(self, problem: str) -> CannotFit:
        """Return the error that says why the feature cannot be fitted."""
        return CannotFit(self.name, problem)

    def finite(self) -> list[float]:
        """Return the first column's finite values. Raises `CannotFit` when there is none."""
        values: list[float] = self.sample.finite.to_list()
        return values

    def counts(self) -> Counter[Scalar]:
        """Return the rows per value of the first column. Raises `CannotFit` when all are null."""
        values = (self.shared or Sample(column=self.columns[0])).counts
        if values.is_empty():
            raise self.error("its column has no value in the training rows")
        return Counter(dict(zip(*values.get_columns(), strict=True)))

    def quantile(self, share: float) -> float:
        """Return a quantile of the first column by linear interpolation.

        Definition 7 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996.
        """
        return self.settled(self.sample.quantile(share), "quantile")

    def average(self) -> float:
        """Return the mean of the first column. Raises `CannotFit` when it is not finite."""
        return self._taken(lambda: self.sample.mean, "mean")

    def deviation(self) -> float:
        """Return the first column's standard deviation (ddof 0). Raises `CannotFit`."""
        return math.sqrt(self._taken(lambda: self.sample.variance, "variance"))

    def mean(self, values: Sequence[float] | Doubles) -> float:
        """Return the mean of finite `values`. Raises `CannotFit` when it is not finite."""
        array = np.asarray(values, dtype=np.float64)
        return self._taken(lambda: exact_sum(array) / len(array), "mean")

    def _taken(self, statistic: Callable[[], float], what: str) -> float:
        try:
            return self.settled(statistic(), what)
        except OverflowError:
            raise self.error("the sum of its column exceeds the range of a double") from None

    def settled(self, value: float, what: str) -> float:
        """Return a fitted number with -0.0 as 0.0. Raises `CannotFit` when it is not finite."""
        if not math.isfinite(value):
            raise self.error(f"the {what} of its column is not finite")
        return value + 0.0
