"""The 30 rules in pandera, on a Polars frame; prints seconds and verdict as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

CARRIERS = ["9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]
ORIGINS = ["EWR", "JFK", "LGA"]
NO_RULE = {"nullable": True}


def sparse(share: float) -> pa.Check:
    """At most this share of nulls."""
    return pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).is_null().mean() <= share),
        ignore_na=False,
    )


def between(low: float, high: float) -> list[pa.Check]:
    return [pa.Check.ge(low), pa.Check.le(high)]


SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(pl.Int64, pa.Check.ge(0), unique=True),
        "carrier": pa.Column(pl.String, pa.Check.isin(CARRIERS)),
        "origin": pa.Column(pl.String, pa.Check.isin(ORIGINS), **NO_RULE),
        "dest": pa.Column(pl.String, pa.Check.str_matches("^[A-Z]{3}$"), **NO_RULE),
        "tail": pa.Column(
            pl.String, [pa.Check.str_matches("^N[0-9]{4}$"), sparse(0.01)], **NO_RULE
        ),
        "flight": pa.Column(pl.Int64, between(1, 9_999)),
        "distance": pa.Column(pl.Int64, between(1, 6_000), **NO_RULE),
        "air_time": pa.Column(pl.Float64, [*between(0, 1_500), sparse(0.05)], **NO_RULE),
        "dep_delay": pa.Column(pl.Float64, between(-200, 3_000), **NO_RULE),
        "arr_delay": pa.Column(pl.Float64, between(-200, 3_000), **NO_RULE),
        "temp": pa.Column(pl.Float64, between(-60, 130), **NO_RULE),
        "wind": pa.Column(pl.Float64, pa.Check.ge(0)),
        "seats": pa.Column(pl.Int64, between(1, 900), **NO_RULE),
        "day": pa.Column(pl.Date, between(dt.date(2013, 1, 1), dt.date(2013, 12, 31)), **NO_RULE),
        "cancelled": pa.Column(pl.Boolean),
    }
)


def main() -> None:
    """Validate the file, with every error at once."""
    columns = SCHEMA.columns.values()
    rules = sum(len(one.checks) + (not one.nullable) + bool(one.unique) for one in columns)
    start = time.perf_counter()
    try:
        SCHEMA.validate(pl.read_parquet(sys.argv[1]), lazy=True)
        passed = True
    except SchemaErrors:
        passed = False
    told = {"seconds": time.perf_counter() - start, "passed": passed, "rules": rules}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
