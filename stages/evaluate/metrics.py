"""Metrics of a binary classifier, computed exactly enough to have one value.

Guarantee: the results do not depend on thread counts, CPU features or the order of summation:
counts are integers, float sums are `math.fsum`, logarithms come from the C library. Labels are
0 and 1, probabilities float32 or float64 in [0, 1]; both are NumPy arrays of shape `(n,)`.
Definitions follow scikit-learn (`roc_auc_score`, `log_loss`, `brier_score_loss`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int8]
Probabilities = npt.NDArray[np.float64]

LOG_LOSS_FLOOR = 1e-15
"""Probabilities are held this far from 0 and 1, so that one certain mistake is not infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How good probabilities are, whatever the threshold.

    Attributes:
        auc: area under the ROC curve; higher is better.
        log_loss: mean negative log likelihood in nats; lower is better.
        brier: mean squared error of the probability; lower is better.
    """

    auc: float
    log_loss: float
    brier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How good the labels are that a threshold gives.

    Ratios without a denominator (no predicted or no actual positives) are 0.0.
    """

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """Share of the rows labelled True that are positive."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the positive rows that are labelled True."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        wrong = self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, 2 * self.true_positives + wrong)

    @property
    def accuracy(self) -> float:
        """Share of the rows labelled rightly."""
        right = self.true_positives + self.true_negatives
        return _share(right, right + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows whose probability lies in `[lower, upper)`; the last bin includes 1.

    `predicted` is their mean probability, `observed` their share of positives; None when empty.
    """

    lower: float
    upper: float
    count: int
    predicted: float | None
    observed: float | None


def scores(labels: Labels, probabilities: Probabilities) -> Scores:
    """Return AUC, log loss and Brier score."""
    return Scores(
        auc=auc(labels, probabilities),
        log_loss=log_loss(labels, probabilities),
        brier=brier(labels, probabilities),
    )


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Return the chance that a positive row ranks above a negative one, ties counting half.

    This is the Mann-Whitney statistic, in integers until the last division.
    """
    _, group = np.unique(probabilities, return_inverse=True)
    size = int(group.max()) + 1
    positive = np.bincount(group[labels == 1], minlength=size)
    negative = np.bincount(group[labels == 0], minlength=size)
    below = np.cumsum(negative) - negative
    twice_won = int((positive * (2 * below + negative)).sum())
    return twice_won / (2 * int(positive.sum()) * int(negative.sum()))


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean negative log likelihood in nats."""
    held = np.clip(probabilities, LOG_LOSS_FLOOR, 1.0 - LOG_LOSS_FLOOR)
    likelihoods = np.where(labels == 1, held, 1.0 - held)
    return -math.fsum(map(math.log, likelihoods.tolist())) / len(labels)


def brier(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean squared difference of probability and label."""
    return math.fsum(np.square(probabilities - labels).tolist()) / len(labels)


def decisions(labels: Labels, probabilities: Probabilities, threshold: float) -> Decisions:
    """Return the confusion matrix of `probability >= threshold`."""
    said, truth = probabilities >= threshold, labels == 1
    return Decisions(
        true_positives=int((said & truth).sum()),
        false_positives=int((said & ~truth).sum()),
        true_negatives=int((~said & ~truth).sum()),
        false_negatives=int((~said & truth).sum()),
    )


def calibration(
    labels: Labels, probabilities: Probabilities, bins: int = 10
) -> tuple[CalibrationBin, ...]:
    """Return `bins` bins of equal width over [0, 1]."""
    edges = [i / bins for i in range(bins + 1)]
    place = np.searchsorted(edges[1:-1], probabilities, side="right")
    result = []
    for i in range(bins):
        inside = place == i
        count = int(inside.sum())
        result.append(
            CalibrationBin(
                lower=edges[i],
                upper=edges[i + 1],
                count=count,
                predicted=math.fsum(probabilities[inside].tolist()) / count if count else None,
                observed=int(labels[inside].sum()) / count if count else None,
            )
        )
    return tuple(result)


def calibration_error(bins: tuple[CalibrationBin, ...]) -> float:
    """Return the expected calibration error: the mean gap of the bins, weighted by their rows.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI 2015.
    """
    gaps = (
        bin.count * abs(bin.predicted - bin.observed)
        for bin in bins
        if bin.predicted is not None and bin.observed is not None
    )
    return math.fsum(gaps) / sum(bin.count for bin in bins)


def best_f1_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """Return the probability that, as threshold, gives the highest F1; of equals the highest."""
    values, group = np.unique(probabilities, return_inverse=True)
    positive = np.bincount(group, weights=labels, minlength=len(values)).astype(np.int64)
    rows = np.bincount(group, minlength=len(values))
    hit = np.cumsum(positive[::-1])[::-1]
    said = np.cumsum(rows[::-1])[::-1]
    f1 = 2 * hit / (said + int(positive.sum()))
    return float(values[len(f1) - 1 - int(np.argmax(f1[::-1]))])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
