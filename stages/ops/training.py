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
from typing import TypeVar

import numpy as np
import polars as pl

from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.ops.sample import Sample
from dagrun.stages.ops.sums import Doubles, exact_sum
from dagrun.stages.ops.table import Scalar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When each training row happened and when its values became known, as Int64 microseconds.

    Attributes:
        at: the row's own moment.
        known: when its values were known; null for never, as far as this fit goes.
    """

    at: pl.Series
    known: pl.Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The training rows of one feature.

    Attributes:
        name: the feature, for errors.
        columns: its inputs, as the batch twin sees them.
        targets: its fit-only columns, as Float64.
        timeline: when the rows were, if they have a time.
        spans: whether rows are held out by spans of time rather than scattered.
        shared: the first column's statistics. Those of another column are not taken.
    """

    name: str
    columns: tuple[pl.Series, ...]
    targets: tuple[pl.Series, ...] = ()
    timeline: Timeline | None = None
    spans: bool = False
    shared: Sample | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.shared is None or self.shared.column is not self.columns[0]:
            object.__setattr__(self, "shared", Sample(column=self.columns[0]))

    @property
    def sample(self) -> Sample:
        """The first column and its statistics. Raises `CannotFit` when no value is finite."""
        assert self.shared is not None
        if self.shared.finite.is_empty():
            raise self.error("its column has no finite value in the training rows")
        return self.shared

    def error(self, problem: str) -> CannotFit:
        """Return the error that says why the feature cannot be fitted."""
        return CannotFit(self.name, problem)

    def finite(self) -> list[float]:
        """Return the first column's finite values. Raises `CannotFit` when there is none."""
        values: list[float] = self.sample.finite.to_list()
        return values

    def counts(self) -> Counter[Scalar]:
        """Return the rows per value of the first column. Raises `CannotFit` when all are null."""
        assert self.shared is not None
        values = self.shared.counts
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
        return self.settled(self.taken(lambda: self.sample.mean), "mean")

    def deviation(self) -> float:
        """Return the first column's standard deviation (ddof 0). Raises `CannotFit`."""
        variance = self.taken(lambda: self.sample.variance)
        return math.sqrt(self.settled(variance, "variance"))

    def mean(self, values: Sequence[float] | Doubles) -> float:
        """Return the mean of finite `values`. Raises `CannotFit` when it is not finite."""
        array = np.asarray(values, dtype=np.float64)
        return self.settled(self.taken(lambda: exact_sum(array)) / len(array), "mean")

    def taken(self, statistic: Callable[[], Result]) -> Result:
        """Return the statistic. Raises `CannotFit` where a sum exceeds the doubles."""
        try:
            return statistic()
        except OverflowError:
            raise self.error("the sum of its column exceeds the range of a double") from None

    def settled(self, value: float, what: str) -> float:
        """Return a fitted number with -0.0 as 0.0. Raises `CannotFit` when it is not finite."""
        if not math.isfinite(value):
            raise self.error(f"the {what} of its column is not finite")
        return value + 0.0
