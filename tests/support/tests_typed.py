"""Another version of the server tests' model, and rows as a typed client writes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl
import xgboost

from dagrun.stages.bundle import Booster, Bundle, make_bundle
from dagrun.stages.features import feature_set, one_hot, standardize

EPOCH = dt.datetime(1970, 1, 1)


def bundle_of(*columns: str) -> Bundle:
    """Return a small model of flights whose columns are texts, but for `wind_speed`."""
    texts = [column for column in columns if column != "wind_speed"]
    raw = pl.DataFrame(
        {
            "wind_speed": [float(n % 40) for n in range(200)],
            **{column: [["A1", "far", None][n % 3] for n in range(200)] for column in texts},
            "late": [n % 5 < 2 for n in range(200)],
        }
    )
    made = feature_set(standardize("wind_speed"), one_hot(*texts))
    spec, matrix = made.fit_transform(raw, label="late")
    values = matrix.select(pl.col(spec.names).cast(pl.Float32)).to_numpy()
    train = xgboost.DMatrix(values, matrix["late"].to_numpy(), feature_names=list(spec.names))
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, train, 5)
    booster = Booster(
        ubj=bytes(model.save_raw("ubj")),
        features=spec.names,
        objective="binary:logistic",
        rounds=5,
    )
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=raw)


def typed_row(row: Mapping[str, object]) -> dict[str, Any]:
    """Return a row as the arguments of a typed message; null is left out."""
    return {name: _typed(value) for name, value in row.items() if value is not None}


def _typed(value: object) -> object:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        micros = (value.replace(tzinfo=None) - EPOCH) // dt.timedelta(microseconds=1)
        return {"seconds": micros // 1_000_000, "nanos": micros % 1_000_000 * 1000}
    if isinstance(value, dt.datetime):
        return (value - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - EPOCH.date()).days
    return value
