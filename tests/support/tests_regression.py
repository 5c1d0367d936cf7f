"""A small regression of made-up delays, whose labels are minutes of either sign."""

from __future__ import annotations

import functools

import polars as pl
from tests_bundles import flights

from dagrun.stages.bundle import Bundle, make_bundle
from dagrun.stages.features import date_parts, feature_set, log1p, standardize, target_mean
from dagrun.stages.train import fit_xgboost

FEATURES = feature_set(
    standardize("distance"),
    log1p("wind"),
    date_parts("sched_dep", parts=("hour",), tz="America/New_York"),
    target_mean("late", by="carrier", prior=20),
)


def delayed(rows: int, seed: int = 0) -> pl.DataFrame:
    """Return made-up flights whose `late` is minutes."""
    minutes = pl.col("distance") / 50.0 + pl.col("wind").fill_null(5.0) * 1.3 - 25.0
    minutes += (pl.col("carrier").fill_null("") == "UA").cast(pl.Float64) * 9.5
    return flights(rows, seed=seed).with_columns(minutes.alias("late"))


@functools.cache
def delays(objective: str = "reg:squarederror") -> Bundle:
    """Return a bundle that predicts the minutes, trained for one objective."""
    train = delayed(1500)
    spec, matrix = FEATURES.fit_transform(train, label="late")
    valid = spec.transform(delayed(300, seed=1))
    booster = fit_xgboost(
        matrix, valid, objective=objective, seed=1, rounds=25, max_depth=4, nthread=1
    )
    return make_bundle(None, name="delays", spec=spec, booster=booster, sample=train)
