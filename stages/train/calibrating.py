"""Fitting the curve that makes probabilities of a model's margins.

Guarantee: equal rows and model give an equal curve. What comes out is bundled and served with the
bits of the batch path, as `dagrun.stages.bundle.calibration` says.
Where it ends: a curve is as good as the rows it was fitted on. They must not be rows that the model
was trained on, nor the ones it is judged on; isotonic curves want a thousand of them or more.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from dagrun.engine.extras import MissingExtra
from dagrun.stages.bundle.booster import BINARY
from dagrun.stages.bundle.calibration import Calibrated, Curve, Isotonic, Platt
from dagrun.stages.bundle.model import Float32s, Model
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.labelled import labels_of

Calibration = Literal["platt", "isotonic"]


def calibrate(
    model: Model,
    matrix: pl.DataFrame,
    *,
    label: str | None = None,
    how: Calibration = "platt",
) -> Calibrated:
    """Return the model with probabilities that agree with how often rows are positive.

    Args:
        model: a classifier.
        matrix: rows it was not trained on: its features, and the label as a further column.
        label: its name; None means the last column.
        how: `"platt"` for a sigmoid of the margin, with his targets that keep it from 0 and 1;
            `"isotonic"` for a line that never falls, through the means of pooled rows.

    Raises:
        MissingExtra: scikit-learn is not installed.
        TrainingInvalid: a regression, a label that is not 0/1, rows of one class, or a model whose
            higher margins are not the positive rows.
    """
    if model.task != "binary":
        raise TrainingInvalid("only a classifier has probabilities to calibrate")
    if how not in ("platt", "isotonic"):
        raise TrainingInvalid(f"how={how!r}; there is 'platt' and 'isotonic'")
    label = matrix.columns[-1] if label is None else label
    labels = labels_of(matrix, label, "calibration", BINARY)
    if len(np.unique(labels)) < 2:
        raise TrainingInvalid("the rows to calibrate on are all of one class")
    margins = model.predict(matrix).margins
    return Calibrated(model=model, curve=(_platt if how == "platt" else _isotonic)(margins, labels))


def _platt(margins: Float32s, labels: Float32s) -> Curve:
    """Fit slope and offset to Platt's smoothed targets: (n1 + 1) / (n1 + 2) and 1 / (n0 + 2)."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError as error:
        raise MissingExtra("scikit-learn", "train", "calibrate") from error
    positive = float(labels.sum())
    negative = len(labels) - positive
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, scale = float(margins.mean(dtype=np.float64)), float(margins.std(dtype=np.float64))
    scaled = (margins.astype(np.float64) - centre) / (scale or 1.0)
    # Each row stands for both classes, weighing what its target says.
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.concatenate([scaled, scaled])[:, None],
        np.concatenate([np.ones(len(labels)), np.zeros(len(labels))]),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = float(fitted.coef_[0, 0]) / (scale or 1.0)
    if not slope > 0:
        raise TrainingInvalid(
            "rows with higher margins are not more often positive, so no curve fits"
        )
    return Platt(slope=slope, offset=float(fitted.intercept_[0]) - slope * centre)


def _isotonic(margins: Float32s, labels: Float32s) -> Curve:
    try:
        from sklearn.isotonic import IsotonicRegression
    except ModuleNotFoundError as error:
        raise MissingExtra("scikit-learn", "train", "calibrate") from error
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(margins.astype(np.float64), labels)
    return Isotonic(
        margins=tuple(map(float, fitted.X_thresholds_)),
        probabilities=tuple(map(float, np.clip(fitted.y_thresholds_, 0.0, 1.0))),
    )
