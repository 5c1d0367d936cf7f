"""Weather as it was known before departure.

Guarantee: a row says what a station had reported by `known_at`, from full hours that were over.
The table's row "14:00" is no snapshot of two o'clock: its rain is collected until minute 51. A
flight scheduled at 14:05 therefore gets the row of 13:00, and joining on the flight's own hour,
as nearly every tutorial does, reads up to 50 minutes of the future.
Where it ends: the stations are those of the three origins; the destination's weather is not in the
data, and forecasts, which a real dispatcher has, are not either.
"""

from __future__ import annotations

import polars as pl

FASTEST_WIND = 150.0
"""Miles per hour. One reading says 1,048; the next highest is 43."""


def before_departure(weather: pl.DataFrame) -> pl.DataFrame:
    """Return hourly weather by `origin` and `known_at`, sorted by them.

    `known_at` (UTC) is when its hour is over: from then on a departure may use the row.
    Adds `rain_6h` (hundredths of an inch in six hours), `lowest_visib_6h` (miles) and
    `pressure_change` (millibars in three hours; null where either reading is missing). Units:
    degrees Fahrenheit, mph, inches, miles, millibars.
    """
    hourly = weather.sort("origin", "time_hour").with_columns(
        pl.when(pl.col("wind_speed") <= FASTEST_WIND).then("wind_speed").alias("wind_speed")
    )
    # Whole hundredths, as the gauges report them: a rolling sum of floats drifts below zero.
    hundredths = (pl.col("precip") * 100).round().cast(pl.Int64)
    recent = hourly.rolling("time_hour", period="6h", group_by="origin").agg(
        hundredths.sum().alias("rain_6h"), pl.col("visib").min().alias("lowest_visib_6h")
    )
    earlier = hourly.select(
        "origin", pl.col("time_hour").dt.offset_by("3h"), pl.col("pressure").alias("_earlier")
    )
    keys = ["origin", "time_hour"]
    return (
        hourly.join(recent, on=keys, how="left", maintain_order="left", validate="1:1")
        .join(earlier, on=keys, how="left", maintain_order="left", validate="1:1")
        .select(
            "origin",
            pl.col("time_hour").dt.offset_by("1h").alias("known_at"),
            pl.col("visib").min().over("time_hour").alias("city_visib"),
            pl.col("wind_speed").max().over("time_hour").alias("city_wind"),
            *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
            *("precip", "pressure", "visib", "rain_6h", "lowest_visib_6h"),
            (pl.col("pressure") - pl.col("_earlier")).alias("pressure_change"),
        )
    )
