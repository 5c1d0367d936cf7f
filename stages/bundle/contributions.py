"""What each feature adds to a margin: the SHAP values of a tree model.

Guarantee: a row's contributions depend on the model's bytes and the row's float32 features alone;
they have the same bits for one row and for many. They are XGBoost's exact `pred_contribs`
(Lundberg, Erion and Lee 2018, "Consistent Individualized Feature Attribution for Tree Ensembles",
arXiv:1802.03888). With the bias they sum to the margin.
Where it ends: the sum is right up to float32 rounding (about 1e-6 of the largest part for each
hundred trees), since XGBoost adds up one number per feature where a margin adds up leaves. A test
against the lowest finite float32 takes minus infinity for that number. Correlated features share
what they add in the way the trees happened to split; a contribution is no cause. It takes about a
hundred times as long as a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError, listing
from dagrun.stages.bundle.booster import boosted, loaded
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.model import Float32s, Model

_LARGEST = np.finfo(np.float32).max


class FeatureNameTaken(DagrunError):
    """A feature is called like a column that stands beside the features."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"the model has features named {listing(self.names)}, as the table of contributions "
            "has columns of its own; take `contributions`, which gives arrays"
        )


class Contributions(NamedTuple):
    """What the features of `n` rows add to their margins, all float32.

    Attributes:
        features: of shape `(n, features)`, in the order of the model's features.
        biases: of shape `(n,)`, the part that comes before any feature.
    """

    features: Float32s
    biases: Float32s


def contributions(model: Model, values: Float32s) -> Contributions:
    """Return the contributions for features of shape `(rows, features)`, computed by one thread.

    They are those to the margin, calibrated or not. Raises `NotBoosted` for a model without
    XGBoost's trees.
    """
    booster = boosted(model, "contributions")
    if not len(values):
        return Contributions(np.empty(values.shape, np.float32), np.empty(0, np.float32))
    import xgboost

    # A DMatrix refuses infinity, which goes the way of the largest finite number in every test.
    finite = np.clip(values, -_LARGEST, _LARGEST)
    matrix = xgboost.DMatrix(finite, nthread=1)
    # Names are compared where a frame becomes `values`; the matrix has none.
    parts = loaded(booster.ubj, 1).predict(matrix, pred_contribs=True, validate_features=False)
    return Contributions(np.ascontiguousarray(parts[:, :-1]), parts[:, -1].copy())


def explain(bundle: Bundle, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Explain raw rows in their order.

    Args:
        bundle: whose margins to explain.
        frame: raw rows with the spec's input columns; others are ignored.

    Returns:
        One row per row, all Float32: a column for each feature, in the spec's order, then `bias`
        and `margin`.

    Raises:
        FeatureNameTaken: a feature is called `bias` or `margin`.
        NotBoosted: the model has no trees of XGBoost.
    """
    if taken := [name for name in bundle.booster.features if name in ("bias", "margin")]:
        raise FeatureNameTaken(taken)
    matrix = bundle.matrix(bundle.spec.admitted(frame))
    found = contributions(bundle.booster, matrix)
    margins = bundle.booster.predict_values(matrix, nthread=1).margins
    parts = pl.DataFrame(found.features, schema=list(bundle.booster.features), orient="row")
    return parts.with_columns(
        pl.Series("bias", found.biases, pl.Float32), pl.Series("margin", margins, pl.Float32)
    )
