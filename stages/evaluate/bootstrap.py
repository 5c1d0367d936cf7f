"""Bootstrap intervals: what a figure might have been on other rows drawn like these.

Guarantee: with the same seed and rows the intervals are the same; all figures are told of the same
resamples, so that the difference of two models is a paired one. The interval is the percentile
one (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Where it ends:
rows are drawn one by one; rows that belong together, as those of one customer, make it too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagrun.stages.evaluate.weighted import Measure

MOST_UNDEFINED = 0.05
"""Share of the resamples that may give no figure before there is no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        level: share of the resamples that an interval holds, 0.95 for the middle 95 %.
        resamples: how many are drawn.
        seed: what they are drawn from.
    """

    level: float = 0.95
    resamples: int = 1000
    seed: int = 0


def intervals(
    measures: Sequence[Measure], rows: int, how: Bootstrap
) -> list[tuple[float, float] | None]:
    """Return low and high end for each measure of `rows` rows, each drawn once per resample.

    None where more than `MOST_UNDEFINED` of the resamples give no figure.
    """
    chance = np.random.default_rng(how.seed)
    drawn = np.empty((how.resamples, len(measures)))
    for number in range(how.resamples if measures else 0):
        weights = np.bincount(chance.integers(0, rows, rows), minlength=rows)
        drawn[number] = [measure(weights) for measure in measures]
    tail = (1.0 - how.level) / 2
    return [_interval(column, tail) for column in drawn.T]


def _interval(values: np.ndarray, tail: float) -> tuple[float, float] | None:
    told = values[~np.isnan(values)]
    if len(told) < (1.0 - MOST_UNDEFINED) * len(values):
        return None
    low, high = np.quantile(told, [tail, 1.0 - tail])
    return float(low), float(high)
