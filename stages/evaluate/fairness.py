"""Fairness across groups: how far a classifier treats them alike.

Guarantee: figures are those of fairlearn's `MetricFrame`, on the groups that have enough rows.
`demographic_parity` is the gap of the shares labelled True, `equal_opportunity` that of the true
positive rates, `equalized_odds` the greater of the gaps of true and false positive rates: 0 is
alike. `worst_accuracy`, `worst_precision` and `worst_recall` are those of the group with the
least. Source: Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", 2016.
Where it ends: a gap between groups is never below 0, so that of small groups is overstated, and
its interval lies above it; ask for `rows` enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from dagrun.engine.extras import MissingExtra
from dagrun.stages.evaluate.holdout import GateUnjudgeable, Holdout, Indices
from dagrun.stages.evaluate.judgement import Part
from dagrun.stages.evaluate.weighted import Measure, Weights, restricted, share

Group = tuple[str, Indices]

_RATES = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "worst_accuracy": ("accuracy_score",),
    "worst_precision": ("precision_score",),
    "worst_recall": ("recall_score",),
}


def fairness(
    place: str, metric: str, holdout: Holdout, groups: Sequence[Group]
) -> tuple[float, Measure, tuple[Part, ...]]:
    """Return what a measure of fairness says of groups, its measure, and each group's rates.

    Raises `GateUnjudgeable` for a regression, `MissingExtra` without fairlearn.
    """
    if holdout.bundle.task == "regression":
        problem = "a regression labels nothing True; gate its slices instead, as slices.COLUMN.mae"
        raise GateUnjudgeable(place, problem)
    frame = _frame(_RATES[metric], holdout, groups)
    value = frame.group_min() if metric.startswith("worst_") else frame.difference()
    parts = tuple(
        Part(name=f"{name}: {rate}", rows=len(rows), value=float(frame.by_group[rate][name]))
        for name, rows in groups
        for rate in _RATES[metric]
    )
    return float(value.max()), _measure(metric, holdout, groups), parts


def _frame(rates: Sequence[str], holdout: Holdout, groups: Sequence[Group]) -> Any:
    try:
        from fairlearn import metrics as fair
        from sklearn import metrics as scores
    except ModuleNotFoundError as error:
        raise MissingExtra("fairlearn", "fairness", "a fairness gate") from error
    functions = {
        "selection_rate": fair.selection_rate,
        "true_positive_rate": fair.true_positive_rate,
        "false_positive_rate": fair.false_positive_rate,
        "accuracy_score": scores.accuracy_score,
        "precision_score": partial(scores.precision_score, zero_division=0.0),
        "recall_score": partial(scores.recall_score, zero_division=0.0),
    }
    inside = np.concatenate([rows for _, rows in groups])
    return fair.MetricFrame(
        metrics={rate: functions[rate] for rate in rates},
        y_true=holdout.labels[inside].astype(int),
        y_pred=holdout.said[inside].astype(int),
        sensitive_features=np.repeat([name for name, _ in groups], [len(r) for _, r in groups]),
    )


def _measure(metric: str, holdout: Holdout, groups: Sequence[Group]) -> Measure:
    """Return the same of weighted rows: quick enough for a thousand resamples."""
    labels, said = holdout.labels, holdout.said.astype(np.float64)
    shares = {
        "selection_rate": (said, np.ones_like(said)),
        "true_positive_rate": (said * labels, labels),
        "false_positive_rate": (said * (1 - labels), 1 - labels),
        "accuracy_score": ((said == labels).astype(float), np.ones_like(said)),
        "precision_score": (said * labels, said),
        "recall_score": (said * labels, labels),
    }
    told = [
        [restricted(share(part[rows], whole[rows]), rows) for _, rows in groups]
        for part, whole in (shares[rate] for rate in _RATES[metric])
    ]

    def measure(weights: Weights) -> float:
        found = [[one(weights) for one in rate] for rate in told]
        if metric.startswith("worst_"):
            return min(min(rate) for rate in found)
        return max(max(rate) - min(rate) for rate in found)

    return measure
