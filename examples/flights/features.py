"""The features, declared once: fitted on the training rows, the same bits ever after.

Every input is known at the scheduled departure (`contracts/departures.toml` sees to that). Means,
categories, quantiles and target means are those of January to August. A training row's own target
means are out of fold: they come from flights that do not include it.
"""

from __future__ import annotations

from dagrun.stages.features import (
    affine,
    bucket_quantile,
    clip_iqr,
    cross,
    cyclical,
    date_parts,
    feature_set,
    frequency,
    group_agg,
    impute_const,
    interact,
    log1p,
    minmax,
    missing_flag,
    one_hot,
    ratio,
    robust_scale,
    signed_log,
    standardize,
    target_mean,
)
from tables import NEW_YORK

SCHEDULE = (
    date_parts("sched_dep", parts=("hour", "minute", "weekday", "is_weekend"), tz=NEW_YORK),
    log1p("distance"),
    bucket_quantile("distance", buckets=8),
    "block_minutes",
    ratio("distance", "block_minutes", name="planned_speed"),
    standardize("departures_hour", "carrier_hour"),
    ratio("carrier_hour", "departures_hour", name="carrier_share"),
)

HISTORY = (
    target_mean("late", by="carrier", prior=50),
    target_mean("late", by="dest", prior=50),
    target_mean("late", by=("carrier", "dest"), prior=50),
    target_mean("late", by=("origin", "dep_hour"), prior=50),
    target_mean("late", by="plane_model", prior=50),
    one_hot("origin"),
    one_hot("carrier", rare_below=0.01),
    frequency(cross("origin", "dest")),
    group_agg("flight", by=("origin", "carrier"), how="count", name="carrier_presence"),
)

AIRCRAFT = (
    affine("built", factor=-1, offset=2013, name="plane_age"),
    missing_flag("built"),
    robust_scale("seats"),
    one_hot("maker", rare_below=0.05),
)

DESTINATION = (
    minmax("dest_lat", "dest_lon"),
    signed_log("dest_alt"),
)

WEATHER = (
    standardize("temp", "humid", "pressure"),
    interact("temp", "dewp", how="difference", name="dew_spread"),
    cyclical("wind_dir", period=360),
    clip_iqr("wind_speed", factor=3.0),
    impute_const("wind_gust", value=0.0),
    log1p("precip", "rain_6h"),
    "visib",
    "city_visib",
    "city_wind",
    "lowest_visib_6h",
    "pressure_change",
)

FEATURES = feature_set(*SCHEDULE, *HISTORY, *AIRCRAFT, *DESTINATION, *WEATHER, time="sched_dep")
