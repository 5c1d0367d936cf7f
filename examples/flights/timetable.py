"""The timetable: what was printed before the day began.

Guarantee: one row per scheduled flight, cancelled ones included, holding only what was fixed
ahead. Nothing that is known after the doors close (`dep_time`, `dep_delay`, `arr_time`,
`arr_delay`, `air_time`) can leave this module, because the columns that do are listed.
Where it ends: the tail number is the aircraft that flew. An airline knows it hours ahead, but the
table does not say when, so only slow facts about the aircraft are read from it.
"""

from __future__ import annotations

import polars as pl

FLIGHT = ("sched_dep", "carrier", "flight", "origin")
"""What identifies a flight; every table about flights is sorted by it."""

_PRINTED = ("sched_dep", "carrier", "flight", "origin", "dest", "tailnum", "distance")


def printed(flights: pl.DataFrame, destinations: pl.DataFrame) -> pl.DataFrame:
    """Return the timetable, sorted by `FLIGHT`.

    Adds `dep_hour` (0 to 23, New York), `block_minutes` (scheduled minutes from gate to gate; null
    where the destination's time zone is unknown), and how busy the schedule is:
    `departures_hour` (flights planned from that airport in that hour) and `carrier_hour` (by that
    carrier alone). They are counted over cancelled flights too. Counting flown flights only would
    tell the model that a storm is about to empty the hour.
    """
    planned = flights.select(
        *_PRINTED,
        pl.col("hour").alias("dep_hour"),
        minutes_of_day("sched_arr_time").alias("_arrives"),
        pl.len().over("origin", "time_hour").cast(pl.Int64).alias("departures_hour"),
        pl.len().over("origin", "carrier", "time_hour").cast(pl.Int64).alias("carrier_hour"),
    )
    zones = destinations.select("dest", "utc_offset", "summer_time")
    return (
        planned.join(zones, on="dest", how="left", maintain_order="left", validate="m:1")
        .with_columns(block_minutes().alias("block_minutes"))
        .drop("_arrives", "utc_offset", "summer_time")
        .sort(FLIGHT)
    )


def minutes_of_day(clock: str) -> pl.Expr:
    """Return minutes since midnight of a clock reading written as the number HHMM."""
    return pl.col(clock) // 100 * 60 + pl.col(clock) % 100


def block_minutes() -> pl.Expr:
    """Return scheduled minutes from gate to gate; both clocks are local to their own airport."""
    local = pl.col("sched_dep")
    summer = local.dt.dst_offset().dt.total_minutes()
    here = local.dt.base_utc_offset().dt.total_minutes() + summer
    there = pl.col("utc_offset") * 60 + pl.when("summer_time").then(summer).otherwise(0)
    departs = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    # No flight from New York takes a day, so the remainder finds an arrival after midnight.
    return (pl.col("_arrives") - departs - there + here) % (24 * 60)
