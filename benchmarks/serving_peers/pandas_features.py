"""The same features in pandas, as serving tutorials write them: one frame per request.

What was fitted (means, categories, target means) is taken once from the training rows and from
the bundle's own answers, so that both sides serve the same model; `table_scorer` refuses to
start if they disagree on 500 rows by more than rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import xgboost

from dagrun.stages.bundle import Bundle, score
from serving_peers import flights

Frame = Sequence[Mapping[str, Any]]


def table_scorer(bundle: Bundle) -> Callable[[Frame], list[tuple[float, float]]]:
    """Return a function from rows to (margin, probability) pairs."""
    train = flights.rows(flights.TRAINING_ROWS, 1)
    scaled = ["distance", "wind_speed", "temp"]
    means = {name: train[name].mean() for name in scaled}
    spreads = {name: train[name].std(ddof=0) for name in scaled}
    by_carrier = _learnt(bundle, train, "carrier", "late_mean_by_carrier")
    by_dest = _learnt(bundle, train, "dest", "dest_ordinal")
    one_hot = [name for name in bundle.spec.names if name.startswith(("carrier=", "origin="))]
    names = list(bundle.spec.names)
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray(bundle.booster.ubj))

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        made = pd.DataFrame(index=frame.index)
        for name in scaled:
            made[f"{name}_standardized"] = (frame[name].astype(float) - means[name]) / spreads[name]
        made["precip_log1p"] = np.log1p(frame["precip"].astype(float))
        for name in ("wind_speed", "seats"):
            made[f"{name}_missing"] = frame[name].isna().astype(int)
        dummies = pd.get_dummies(frame[["carrier", "origin"]], prefix_sep="=")
        made[one_hot] = dummies.reindex(columns=one_hot, fill_value=0).astype(int)
        made["dest_ordinal"] = frame["dest"].map(by_dest)
        departure = pd.to_datetime(frame["sched_dep"])
        made["sched_dep_hour"] = departure.dt.hour
        made["sched_dep_weekday"] = departure.dt.weekday + 1
        made["sched_dep_month"] = departure.dt.month
        made["late_mean_by_carrier"] = frame["carrier"].map(by_carrier)
        made["seats"] = frame["seats"].astype(float)
        made["holiday"] = frame["holiday"].astype(int)
        return made[names]

    def scored(rows: Frame) -> list[tuple[float, float]]:
        matrix = xgboost.DMatrix(features(pd.DataFrame(rows)).astype("float32"), nthread=1)
        margins = model.predict(matrix, output_margin=True)
        return list(zip(margins.tolist(), (1 / (1 + np.exp(-margins))).tolist(), strict=True))

    _compare(bundle, scored)
    return scored


def _learnt(bundle: Bundle, train: pl.DataFrame, column: str, feature: str) -> dict[str, float]:
    """Return what the fitted spec gives for each category of a column."""
    seen = pl.concat([train, flights.rows(2_000, 5)]).unique(column, keep="first")
    values = bundle.spec.transform(seen)[feature].cast(pl.Float64)
    return dict(zip(seen[column], values, strict=True))


def _compare(bundle: Bundle, scored: Callable[[Frame], list[tuple[float, float]]]) -> None:
    sample = flights.rows(500, 3)
    expected = score(bundle, sample)["margin"].to_numpy()
    found = np.array([margin for margin, _ in scored(sample.to_dicts())])
    # A feature within rounding of a split goes the other way: in few rows, and not far.
    wrong = np.abs(found - expected) > 1e-4
    if wrong.mean() > 0.02:
        raise SystemExit(f"pandas features disagree in {wrong.sum()} of {len(wrong)} rows")
