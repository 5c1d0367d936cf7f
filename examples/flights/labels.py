"""The label: did the flight arrive more than 15 minutes late?

Guarantee: this is the only module that reads `arr_delay`. It returns the flight's identity and the
label, nothing else, so an outcome can reach the features only as the label they are fitted on.
Where it ends: 9,430 flights (2.8 %) were cancelled or diverted and have no arrival delay. They get
no label and are left out, so the model answers "if it arrives, will it be late?". Counting them
as late would be a different question, and one that is answered differently in a snowstorm.
"""

from __future__ import annotations

import polars as pl

from timetable import FLIGHT

LATE_AFTER = 15
"""Minutes. The US Department of Transportation calls a flight late from minute 15 on; the question
here is "more than 15 minutes", so that minute itself still counts as on time."""


def arrived_late(flights: pl.DataFrame, late_after: int = LATE_AFTER) -> pl.DataFrame:
    """Return `FLIGHT` and `late` (bool) of every flight that has an arrival delay."""
    return (
        flights.filter(pl.col("arr_delay").is_not_null())
        .select(*FLIGHT, (pl.col("arr_delay") > late_after).alias("late"))
        .sort(FLIGHT)
    )


def base_rate(train: pl.DataFrame) -> float:
    """Return the share of training flights that were late, 0 to 1."""
    return int(train["late"].sum()) / train.height


def hourly_rate(train: pl.DataFrame, flights: pl.DataFrame) -> pl.Series:
    """Return a naive forecast: how often flights of that hour of day were late in training."""
    rates = train.group_by("dep_hour").agg(pl.col("late").mean())
    known = flights.select("dep_hour").join(rates, on="dep_hour", how="left", maintain_order="left")
    return known["late"].fill_null(base_rate(train))
