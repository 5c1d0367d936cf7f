"""Scoring many rows: the offline path, with the very bits that the server answers with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from dagrun.stages.bundle.booster import Booster
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.trees import Trees, walker


def score(
    bundle: Bundle, frame: pl.DataFrame | pl.LazyFrame, *, nthread: int | None = None
) -> pl.DataFrame:
    """Score raw rows in their order.

    Args:
        bundle: what to score with.
        frame: raw rows with the spec's input columns; others are ignored.
        nthread: threads for the model; None leaves the choice to XGBoost. With one, the trees are
            walked by our own code where they can be. The bits do not change.

    Returns:
        One row per row. Of a classifier: `probability` (Float32), `margin` (Float32) and `label`
        (Boolean, True when the probability reaches the bundle's threshold in double precision).
        Of a regression: `value` (Float32, the label's unit).
    """
    return score_admitted(bundle, bundle.spec.admitted(frame), nthread=nthread)


def score_admitted(
    bundle: Bundle, columns: Sequence[pl.Series], *, nthread: int | None = None
) -> pl.DataFrame:
    """Score the columns that `bundle.spec.admitted` gives, as `score` does."""
    model, matrix = bundle.booster, bundle.matrix(columns)
    trees = walker(model.ubj) if nthread == 1 and isinstance(model, Booster) else None
    margins, values = (
        trees.predict(matrix)
        if isinstance(trees, Trees)
        else model.predict_values(matrix, nthread=nthread)
    )
    if bundle.threshold is None:
        return pl.DataFrame([pl.Series("value", values)])
    scores = {
        "probability": values,
        "margin": margins,
        "label": values.astype(np.float64) >= bundle.threshold,
    }
    # From series: Polars takes a third longer for a dict.
    return pl.DataFrame([pl.Series(name, column) for name, column in scores.items()])
