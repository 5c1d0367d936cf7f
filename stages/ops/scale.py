"""Ops whose numbers are fitted: standardize, minmax, robust_scale and clip_iqr.

Fits use the finite values of the training rows and are independent of their order.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, number
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.numeric import clipped, clipped_row
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training


def reciprocal(width: float) -> float:
    """Return 1 / width, or 0.0 where that is not a usable number (width 0 or out of range).

    Twins multiply by it: Polars divides by a literal differently in 1-row and N-row frames.
    """
    if not 0.0 < width < math.inf:
        return 0.0
    inverse = 1.0 / width
    return inverse if inverse < math.inf else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(Op):
    """(x - offset) * scale with fitted numbers; 0.0 for every x where the scale is 0."""

    offset: float = 0.0
    scale: float = 0.0

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        if self.scale == 0.0:
            return pl.when(x[0].is_not_null()).then(0.0)
        return (x[0] - self.offset) * self.scale

    def row(self, x: Names) -> str:
        if self.scale == 0.0:
            return f"nan if {x.null(0)} else 0.0"
        return f"({x[0]} - {self.offset!r}) * {self.scale!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardize(Scaled):
    """(x - mean) / std with the population's std (ddof 0); 0.0 where std is 0.

    Twin: scikit-learn `StandardScaler`, `tft.scale_to_z_score`.
    """

    op = "standardize"

    def fit(self, train: Training) -> Self:
        return replace(self, offset=train.average(), scale=reciprocal(train.deviation()))


@checked
def standardize(*columns: Source, name: str | None = None) -> Features:
    """Centre on the mean and scale to unit variance."""
    return each(Standardize(), columns, name, "standardized")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax(Scaled):
    """(x - min) / (max - min); 0.0 where both are equal. Values beyond the fit leave [0, 1].

    Twin: scikit-learn `MinMaxScaler`, `tft.scale_to_0_1`.
    """

    op = "minmax"

    def fit(self, train: Training) -> Self:
        low, high = train.sample.bounds
        return replace(self, offset=low, scale=reciprocal(high - low))


@checked
def minmax(*columns: Source, name: str | None = None) -> Features:
    """Scale the training range to [0, 1]."""
    return each(MinMax(), columns, name, "minmax")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustScale(Scaled):
    """(x - median) / (q75 - q25); 0.0 where both quartiles are equal.

    Twin: scikit-learn `RobustScaler`.
    """

    op = "robust_scale"

    def fit(self, train: Training) -> Self:
        low, middle, high = (train.quantile(share) for share in (0.25, 0.5, 0.75))
        return replace(self, offset=middle, scale=reciprocal(high - low))


@checked
def robust_scale(*columns: Source, name: str | None = None) -> Features:
    """Centre on the median and scale by the interquartile range, for columns with outliers."""
    return each(RobustScale(), columns, name, "robust")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipIqr(Op):
    """x held within [q25 - factor * iqr, q75 + factor * iqr] of the training rows.

    Twin: feature-engine `Winsorizer(capping_method="iqr")`; the factor 1.5 is Tukey's fence.
    """

    op = "clip_iqr"
    factor: float
    low: float | None = None
    high: float | None = None

    def fit(self, train: Training) -> Self:
        low, high = (train.quantile(share) for share in (0.25, 0.75))
        reach = self.factor * (high - low)
        return replace(
            self,
            low=train.settled(low - reach, "lower fence"),
            high=train.settled(high + reach, "upper fence"),
        )

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return clipped(x[0], self.low, self.high)

    def row(self, x: Names) -> str:
        return clipped_row(x[0], self.low, self.high)


@checked
def clip_iqr(*columns: Source, factor: float = 1.5, name: str | None = None) -> Features:
    """Hold numbers within Tukey's fences of the training rows."""
    reach = number("clip_iqr", "factor", factor)
    if reach < 0.0:
        raise FeatureDefinitionError("clip_iqr", f"factor must not be negative, got {factor}")
    return each(ClipIqr(factor=reach), columns, name, "clipped")
