"""Metrics of weighted rows, prepared once and then told for any weights.

Guarantee: with whole weights a measure gives what the metric gives of the rows repeated that many
times, up to the rounding of a sum; what has no meaning for them (the AUC of one class, a ratio
without a denominator that is no 0.0 by convention) is NaN. Definitions are those of
`dagrun.stages.evaluate.metrics` and `dagrun.stages.evaluate.regression`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dagrun.stages.evaluate.metrics import LOG_LOSS_FLOOR

Weights = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Measure = Callable[[Weights], float]
"""Takes one weight per row and returns the metric, or NaN."""

HIGHER_IS_BETTER = frozenset({"auc", "r2", "precision", "recall", "f1", "accuracy"})
_BINS = 10


def binary_measure(
    metric: str, labels: Float64s, predicted: Float64s, threshold: float
) -> Measure | None:
    """Return the measure of a classifier's metric; None for a metric that there is not.

    `labels` are 0.0 and 1.0, `predicted` probabilities, both of shape `(n,)`.
    """
    said = predicted >= threshold
    match metric:
        case "auc":
            return _auc(labels, predicted)
        case "log_loss":
            held = np.clip(predicted, LOG_LOSS_FLOOR, 1.0 - LOG_LOSS_FLOOR)
            return mean(-np.log(np.where(labels == 1, held, 1.0 - held)))
        case "brier":
            return mean(np.square(predicted - labels))
        case "accuracy":
            return mean((said == labels).astype(np.float64))
        case "precision":
            return share(said * labels, said)
        case "recall":
            return share(said * labels, labels)
        case "f1":
            return share(2 * said * labels, said + labels)
        case "base_rate":
            return mean(labels)
        case "calibration_error":
            return _calibration_error(labels, predicted)
    return None


def regression_measure(metric: str, labels: Float64s, predicted: Float64s) -> Measure | None:
    """Return the measure of a regression's metric; None for a metric that there is not."""
    error = predicted - labels
    match metric:
        case "rmse":
            of_squares = mean(np.square(error))
            return lambda weights: float(np.sqrt(of_squares(weights)))
        case "mae":
            return mean(np.abs(error))
        case "bias":
            return mean(error)
        case "label_mean":
            return mean(labels)
        case "mape" if (labels > 0).all():
            return mean(np.abs(error) / labels)
        case "r2":
            return _r2(labels, error)
        case "median_absolute_error":
            return _median(np.abs(error))
    return None


def mean(values: Float64s) -> Measure:
    """Return the measure of a weighted mean."""
    return lambda weights: _over(float(weights @ values), float(weights.sum()), np.nan)


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Measure:
    """Return the measure of one weighted sum over another; 0.0 where the other one is 0."""
    above, below = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return lambda weights: _over(float(weights @ above), float(weights @ below), 0.0)


def restricted(measure: Measure, inside: npt.NDArray[np.intp]) -> Measure:
    """Return a measure of some rows, by their indices, as one that takes the weights of all."""
    return lambda weights: measure(weights[inside])


def _over(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise


def _auc(labels: Float64s, predicted: Float64s) -> Measure:
    order = np.argsort(predicted, kind="stable")
    ranked, positive = predicted[order], labels[order].astype(np.int64)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def measure(weights: Weights) -> float:
        drawn = weights[order]
        positives = np.add.reduceat(drawn * positive, starts)
        negatives = np.add.reduceat(drawn, starts) - positives
        below = np.cumsum(negatives) - negatives
        pairs = 2 * int(positives.sum()) * int(negatives.sum())
        return _over(float((positives * (2 * below + negatives)).sum()), float(pairs), np.nan)

    return measure


def _calibration_error(labels: Float64s, predicted: Float64s) -> Measure:
    edges = [i / _BINS for i in range(1, _BINS)]
    place = np.searchsorted(edges, predicted, side="right")
    gap = predicted - labels

    def measure(weights: Weights) -> float:
        gaps = np.bincount(place, weights * gap, _BINS)
        return _over(float(np.abs(gaps).sum()), float(weights.sum()), np.nan)

    return measure


def _r2(labels: Float64s, error: Float64s) -> Measure:
    squares, centre = np.square(error), mean(labels)

    def measure(weights: Weights) -> float:
        around = float(weights @ np.square(labels - centre(weights)))
        return 1.0 - _over(float(weights @ squares), around, np.nan)

    return measure


def _median(values: Float64s) -> Measure:
    order = np.argsort(values, kind="stable")
    ranked = values[order]

    def measure(weights: Weights) -> float:
        upto = np.cumsum(weights[order])
        total = int(upto[-1]) if len(upto) else 0
        if not total:
            return float("nan")
        lower, upper = np.searchsorted(upto, [(total - 1) // 2, total // 2], side="right")
        return float((ranked[lower] + ranked[upper]) / 2)

    return measure
