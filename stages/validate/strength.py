"""How well one feature, or one column's gaps, tells the target alone; each with its interval.

Guarantee: a feature is judged on rows that it has not learned from: it is cut into at most
`BINS` bins of equally many rows (or its distinct values, if they are fewer), each bin stands for
its mean target in one half of the rows, and the other half is judged, and the other way round. So
a dependence of any shape counts, and a useless feature gets 0.5 (or 0). Rows without the feature
do not count. The limit: a dependence finer than a bin, such as the parity of an id, is not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dagrun.stages.evaluate.metrics import auc

BINS = 64
LEAST = 30
"""Fewer rows than this, of a class or of gaps, are not judged."""
Z = 3.2905
"""Intervals are of 99.9 %, since many features are judged at once."""

Floats = npt.NDArray[np.float64]
Measure = Literal["auc", "rank_correlation", "odds_ratio", "gap_auc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How well one thing tells the target, by itself.

    Attributes:
        name: the feature or column.
        measure: `auc`, or `rank_correlation` (Spearman) where the target is a number; of gaps
            `odds_ratio`, or `gap_auc`: the chance that a row with a gap has the greater target.
        value: the estimate; it lies between `low` and `high` with 99.9 % confidence.
        rows: rows judged.
    """

    name: str
    measure: Measure
    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        said = self.measure.replace("_", " ").replace("auc", "AUC")
        return f"{said} {self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def feature_strength(name: str, values: Floats, target: Floats, *, binary: bool) -> Strength | None:
    """Return how well a feature (NaN where missing) tells the target; None for too few rows."""
    there = ~np.isnan(values)
    values, target = values[there], target[there]
    if not _enough(target, binary=binary):
        return None
    predicted = _held_out_means(_bins(values), target)
    return (_auc_of if binary else _rank_correlation_of)(name, predicted, target)


def gap_strength(
    name: str, missing: npt.NDArray[np.bool_], target: Floats, *, binary: bool
) -> Strength | None:
    """Return how well it tells the target that a value is missing; None for too few rows.

    Source of the odds ratio's interval: Woolf, "On estimating the relation between blood group
    and disease", 1955, with Haldane's half added to each count.
    """
    gaps = int(missing.sum())
    if min(gaps, len(target) - gaps) < LEAST:
        return None
    if not binary:
        found = _auc_of(name, target, missing.astype(np.float64))
        return Strength(
            name=name,
            measure="gap_auc",
            value=found.value,
            low=found.low,
            high=found.high,
            rows=found.rows,
        )
    positive = target == 1.0
    counts = [
        int((mask & truth).sum()) + 0.5
        for mask, truth in (
            (missing, positive),
            (missing, ~positive),
            (~missing, positive),
            (~missing, ~positive),
        )
    ]
    ratio = math.log(counts[0]) - math.log(counts[1]) - math.log(counts[2]) + math.log(counts[3])
    off = Z * math.sqrt(math.fsum(1.0 / count for count in counts))
    return Strength(
        name=name,
        measure="odds_ratio",
        value=math.exp(ratio),
        low=math.exp(ratio - off),
        high=math.exp(ratio + off),
        rows=len(target),
    )


def _enough(target: Floats, *, binary: bool) -> bool:
    if not binary:
        return len(target) >= 2 * LEAST
    positive = int(target.sum())
    return min(positive, len(target) - positive) >= LEAST


def _bins(values: Floats) -> npt.NDArray[np.intp]:
    distinct, code = np.unique(values, return_inverse=True)
    if len(distinct) <= BINS:
        return code
    # The bin of a value is where its first row stands among all rows in order.
    before = np.concatenate([[0], np.cumsum(np.bincount(code))[:-1]])
    bins: npt.NDArray[np.intp] = (before * BINS // len(values))[code]
    return bins


def _held_out_means(bins: npt.NDArray[np.intp], target: Floats) -> Floats:
    """Return for each row the mean target of its bin in the half that it is not in.

    The halves are drawn by a generator of a fixed seed. A bin that one half lacks gets the mean
    of that half.
    """
    half = np.random.default_rng(0).permutation(len(bins)) % 2
    found = np.empty(len(bins))
    for side in (0, 1):
        learned, judged = half != side, half == side
        size = int(bins.max()) + 1
        rows = np.bincount(bins[learned], minlength=size)
        sums = np.bincount(bins[learned], weights=target[learned], minlength=size)
        overall = float(sums.sum()) / max(int(rows.sum()), 1)
        means = np.where(rows > 0, sums / np.maximum(rows, 1), overall)
        found[judged] = means[bins[judged]]
    return found


def _auc_of(name: str, score: Floats, label: Floats) -> Strength:
    """Return the AUC. Interval: Hanley and McNeil, "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve", 1982.
    """
    area = auc(label.astype(np.int8), score)
    positive = int(label.sum())
    negative = len(label) - positive
    first, second = area / (2.0 - area), 2.0 * area * area / (1.0 + area)
    variance = (
        area * (1.0 - area)
        + (positive - 1) * (first - area * area)
        + (negative - 1) * (second - area * area)
    ) / (positive * negative)
    off = Z * math.sqrt(max(variance, 0.0))
    return Strength(
        name=name,
        measure="auc",
        value=area,
        low=max(area - off, 0.0),
        high=min(area + off, 1.0),
        rows=len(label),
    )


def _rank_correlation_of(name: str, score: Floats, target: Floats) -> Strength:
    """Return Spearman's correlation. Interval: Bonett and Wright, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations", 2000.
    """
    one, two = _ranks(score), _ranks(target)
    across = math.fsum((one * two).tolist())
    spread = math.sqrt(math.fsum((one * one).tolist()) * math.fsum((two * two).tolist()))
    value = min(max(across / spread, -1.0), 1.0) if spread > 0.0 else 0.0
    held = math.atanh(min(max(value, -0.999999), 0.999999))
    off = Z * math.sqrt((1.0 + value * value / 2.0) / (len(score) - 3))
    return Strength(
        name=name,
        measure="rank_correlation",
        value=value,
        low=math.tanh(held - off),
        high=math.tanh(held + off),
        rows=len(score),
    )


def _ranks(values: Floats) -> Floats:
    """Return ranks with ties at their middle, less the middle of all."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    ranks: Floats = (ends - (count - 1) / 2.0)[code] - (len(values) + 1) / 2.0
    return ranks
