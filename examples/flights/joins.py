"""Joining what is known about a departure: timetable, weather, aircraft, destination, airline.

Guarantee: one row per scheduled flight, in the timetable's order. Every join is many to one (a
duplicate on the right is an error, never a doubled flight), runs in memory and keeps the left
order, so the same inputs give the same table, bit for bit. A lazy left join written as a stream
does not: it gives another row order from run to run.
Where it ends: what has no partner gets nulls, and the contract says how many there may be.
"""

from __future__ import annotations

import polars as pl

from dagrun.stages.joining import join_known


def enriched(
    timetable: pl.DataFrame,
    observations: pl.DataFrame,
    aircraft: pl.DataFrame,
    destinations: pl.DataFrame,
    airlines: pl.DataFrame,
) -> pl.DataFrame:
    """Return the timetable with everything that is known at scheduled departure.

    A flight of 14:05 gets the observations known at 14:00, which were made in the hour before; if
    there are none, it gets none rather than older ones.
    """
    names = airlines.select("carrier", pl.col("name").alias("airline"))
    flights = join_known(
        timetable, observations, on="origin", at="sched_dep", known_at="known_at", within="59m"
    ).drop("known_at")
    flights = left_join(flights, aircraft, "tailnum")
    flights = left_join(flights, destinations, "dest")
    return left_join(flights, names, "carrier")


def left_join(left: pl.DataFrame, right: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Return every row of `left` once, in order, with the columns of its one partner or nulls."""
    return left.join(right, on=keys, how="left", maintain_order="left", validate="m:1")
