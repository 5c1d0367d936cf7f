"""The op that holds numbers near the mean of the training rows: clip_z."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipZ(Op):
    """x held within [mean - factor * std, mean + factor * std] of the training rows.

    The std is the population's (ddof 0), as in `standardize`; 0 makes every x the mean. Null
    stays null, infinities are held too. Twin: feature-engine
    `Winsorizer(capping_method="gaussian", fold=3)`, with ddof 0 instead of 1.
    """

    op = "clip_z"
    factor: float
    low: float | None = None
    high: float | None = None

    def fit(self, train: Training) -> Self:
        values = train.finite()
        mean = train.mean(values)
        variance = train.mean([(value - mean) * (value - mean) for value in values])
        reach = self.factor * math.sqrt(variance)
        return replace(
            self,
            low=train.settled(mean - reach, "lower cap"),
            high=train.settled(mean + reach, "upper cap"),
        )

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return clipped(x[0], self.low, self.high)

    def row(self, x: Names) -> str:
        return clipped_row(x[0], self.low, self.high)


@checked
def clip_z(*columns: Source, factor: float = 3.0, name: str | None = None) -> Features:
    """Hold numbers within `factor` standard deviations of the mean of the training rows."""
    reach = number("clip_z", "factor", factor)
    if reach <= 0.0:
        raise FeatureDefinitionError("clip_z", f"factor must be positive, got {factor}")
    return each(ClipZ(factor=reach), columns, name, "clipped")
