"""The model that every contender serves: flights-like rows, 25 features, 200 trees.

Rows and labels are made from a fixed seed, so every process has the same ones. The bundle is made
once, through the public API, and handed to the servers as a file.
"""

from __future__ import annotations

import datetime as dt
import random

import polars as pl

from dagrun.stages.bundle import Bundle, make_bundle
from dagrun.stages.features import (
    cast,
    date_parts,
    feature_set,
    log1p,
    missing_flag,
    one_hot,
    ordinal,
    standardize,
    target_mean,
)
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract

CARRIERS = ["9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]
DESTINATIONS = [f"{first}{second}A" for first in "ABCDEFGH" for second in "KLMNOPQR"]
TRAINING_ROWS, TREES, TABLE_ROWS = 20_000, 200, 1_000
FEATURES = feature_set(
    standardize("distance", "wind_speed", "temp"),
    log1p("precip"),
    missing_flag("wind_speed", "seats"),
    one_hot("carrier", "origin"),
    ordinal("dest"),
    date_parts("sched_dep", parts=("hour", "weekday", "month")),
    target_mean("late", by=("carrier",), prior=50),
    cast("seats", "holiday"),
)
_CONTRACT = """
[columns]
origin = { dtype = "string", allowed = ["EWR", "JFK", "LGA"] }
distance = { dtype = "float", min = 50, max = 6000 }
wind_speed = { dtype = "float", min = 0, max = 150 }
temp = { dtype = "float", min = -20, max = 115 }
precip = { dtype = "float", min = 0, max = 5 }
seats = { dtype = "integer", min = 1, max = 600 }
"""
"""Every served row is held against it, too."""


def rows(count: int, seed: int) -> pl.DataFrame:
    """Return distinct raw rows, with the nulls and the unseen category that real ones have."""
    pick = random.Random(seed)
    start = dt.datetime(2013, 1, 1)
    data = [
        {
            "carrier": pick.choice([*CARRIERS, "ZZ"]),
            "origin": pick.choice(["EWR", "JFK", "LGA"]),
            "dest": pick.choice(DESTINATIONS),
            "distance": round(pick.uniform(80, 5000), 3),
            "wind_speed": None if pick.random() < 0.1 else round(pick.uniform(0, 40), 3),
            "temp": round(pick.gauss(55, 18), 2),
            "precip": 0.0 if pick.random() < 0.9 else round(pick.expovariate(8), 3),
            "seats": None if pick.random() < 0.15 else pick.randint(2, 450),
            "holiday": pick.random() < 0.03,
            "sched_dep": start + dt.timedelta(minutes=pick.randint(0, 525_599)),
        }
        for _ in range(count)
    ]
    return pl.DataFrame(data)


def live() -> pl.DataFrame:
    """Return the rows that are asked about: 2,000, none of which was trained on."""
    return rows(2_000, 7)


def table() -> pl.DataFrame:
    """Return the first 1,000 of them."""
    return live().head(TABLE_ROWS)


def bundle() -> Bundle:
    """Return the trained bundle."""
    raw = rows(TRAINING_ROWS, 1)
    pick = random.Random(2)
    noise = pl.Series([pick.gauss(0, 1) for _ in range(raw.height)])
    risk = pl.col("distance") / 2500 + pl.col("sched_dep").dt.hour() / 12 + noise
    raw = raw.with_columns(late=risk > 2.2)
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    # Validated on the training rows, so that all trees are kept: their number is the point here.
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=TREES, early_stopping=TREES)
    contract = Contract.parse(_CONTRACT)
    return make_bundle(
        None, name="flights", spec=spec, booster=booster, sample=raw, contract=contract
    )
