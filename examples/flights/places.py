"""Airports and aircraft: facts that change slowly.

Guarantee: one row per destination and one per tail number, in the order of the source tables.
Where it ends: both tables are later snapshots (the aircraft registry of December 2013). Build
years, seats and coordinates do not change, which is why nothing else is taken from them.
"""

from __future__ import annotations

import polars as pl


def destination_facts(airports: pl.DataFrame) -> pl.DataFrame:
    """Return where airports are, by `dest`.

    `dest_lat`, `dest_lon` in degrees, `dest_alt` in feet, `utc_offset` in hours in winter,
    `summer_time` whether its clocks follow the summer time of the United States.
    """
    return airports.select(
        pl.col("faa").alias("dest"),
        pl.col("lat").alias("dest_lat"),
        pl.col("lon").alias("dest_lon"),
        pl.col("alt").alias("dest_alt"),
        pl.col("tz").alias("utc_offset"),
        (pl.col("dst") == "A").alias("summer_time"),
    )


def aircraft_facts(planes: pl.DataFrame) -> pl.DataFrame:
    """Return what is known of an aircraft, by `tailnum`.

    About one flight in six has none: two airlines report fleet numbers instead of tail numbers.
    """
    return planes.select(
        "tailnum",
        "engines",
        "seats",
        pl.col("year").alias("built"),
        pl.col("manufacturer").alias("maker"),
        pl.col("model").alias("plane_model"),
        pl.col("engine").alias("engine_type"),
    )
