"""Scoring many rows: the offline path, with the very bits that the server answers with."""

from __future__ import annotations

import polars as pl

from dagrun.stages.bundle.bundle import Bundle


def score(
    bundle: Bundle, frame: pl.DataFrame | pl.LazyFrame, *, nthread: int | None = None
) -> pl.DataFrame:
    """Score raw rows in their order.

    Args:
        bundle: what to score with.
        frame: raw rows with the spec's input columns; others are ignored.
        nthread: XGBoost's threads; None leaves the choice to it. The bits do not change.

    Returns:
        One row per row: `probability` (Float32), `margin` (Float32) and `label` (Boolean, True
        when the probability reaches the bundle's threshold in double precision).
    """
    margins, probabilities = bundle.booster.predict(bundle.spec.transform(frame), nthread=nthread)
    return pl.DataFrame({"probability": probabilities, "margin": margins}).with_columns(
        label=pl.col("probability").cast(pl.Float64) >= bundle.threshold
    )
