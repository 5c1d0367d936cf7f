"""The evaluation of a model on rows it has not seen, always beside a naive baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.evaluate.metrics import (
    CalibrationBin,
    Decisions,
    Labels,
    Probabilities,
    Scores,
    best_f1_threshold,
    calibration,
    calibration_error,
    decisions,
    scores,
)

CONSTANT = "constant"
"""Name of the baseline that predicts the training base rate for every row."""

Numbers = pl.Series | np.ndarray


class EvaluationInvalid(DagrunError):
    """Labels and probabilities do not make an evaluation."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot evaluate: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known about a model's quality; stored as a JSON document.

    Attributes:
        rows: number of rows judged; `base_rate` their share of positives.
        threshold: probability from which on a row counts as predicted positive.
        scores: the model's, whatever the threshold; `decisions` at the threshold.
        calibration: bins of predicted against observed.
        calibration_error: expected calibration error over them.
        baselines: scores of naive predictors on the same rows, by name; `constant` is the
            training base rate for every row.
    """

    rows: int
    base_rate: float
    threshold: float
    scores: Scores
    decisions: Decisions
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float
    baselines: Mapping[str, Scores]

    def figures(self) -> dict[str, float]:
        """Return every metric by its name: what gates, bundles and tables speak of."""
        return {
            **asdict(self.scores),
            "precision": self.decisions.precision,
            "recall": self.decisions.recall,
            "f1": self.decisions.f1,
            "accuracy": self.decisions.accuracy,
            "calibration_error": self.calibration_error,
            "base_rate": self.base_rate,
            "rows": float(self.rows),
        }


def evaluate(
    label: Numbers,
    probability: Numbers,
    *,
    threshold: float,
    train_base_rate: float,
    baselines: Mapping[str, Numbers] | None = None,
) -> Report:
    """Judge probabilities against labels.

    Args:
        label: 0/1 or Boolean, shape `(n,)`, both values present.
        probability: the model's probabilities of 1, shape `(n,)`.
        threshold: see `choose_threshold`; choose it on validation rows, not on these.
        train_base_rate: share of positives among the training rows.
        baselines: probabilities of further naive predictors on the same rows, by name.

    Raises:
        EvaluationInvalid: lengths differ, a value is null or out of range, or one class is absent.
    """
    labels = _labels(label)
    probabilities = _probabilities(probability, "probability", len(labels))
    naive = {
        name: _probabilities(values, f"baseline {name!r}", len(labels))
        for name, values in (baselines or {}).items()
    }
    constant = np.full(len(labels), train_base_rate)
    naive[CONSTANT] = _probabilities(constant, "train_base_rate", len(labels))
    bins = calibration(labels, probabilities)
    return Report(
        rows=len(labels),
        base_rate=int(labels.sum()) / len(labels),
        threshold=threshold,
        scores=scores(labels, probabilities),
        decisions=decisions(labels, probabilities, threshold),
        calibration=bins,
        calibration_error=calibration_error(bins),
        baselines={name: scores(labels, values) for name, values in sorted(naive.items())},
    )


def choose_threshold(label: Numbers, probability: Numbers) -> float:
    """Return the threshold with the highest F1, to be chosen on validation rows.

    Raises `EvaluationInvalid` as `evaluate` does.
    """
    labels = _labels(label)
    return best_f1_threshold(labels, _probabilities(probability, "probability", len(labels)))


def _labels(values: Numbers) -> Labels:
    given = numbers(values, "label")
    if not np.isin(given, (0, 1)).all():
        raise EvaluationInvalid("a label is neither 0 nor 1")
    labels = given.astype(np.int8)
    if len(np.unique(labels)) < 2:
        raise EvaluationInvalid(
            f"the {len(labels)} labels are not of both classes, so AUC is undefined; "
            "take a longer test period"
        )
    return labels


def _probabilities(values: Numbers, what: str, rows: int) -> Probabilities:
    given = numbers(values, what).astype(np.float64)
    if len(given) != rows:
        raise EvaluationInvalid(f"{what} has {len(given)} rows, the labels have {rows}")
    if not ((given >= 0) & (given <= 1)).all():
        bad = next(value for value in given.tolist() if not 0 <= value <= 1)
        raise EvaluationInvalid(f"{what} holds {bad!r}, which is not a probability")
    return given


def numbers(values: Numbers, what: str) -> np.ndarray:
    """Return one column of numbers without nulls, shape `(n,)`. Raises `EvaluationInvalid`."""
    if isinstance(values, pl.Series) and values.null_count():
        raise EvaluationInvalid(f"{what} has {values.null_count()} nulls")
    given = np.asarray(values)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise EvaluationInvalid(
            f"{what} must be one column of numbers, not {given.dtype} of shape {given.shape}"
        )
    return given
