"""The 30 rules in great-expectations, on a pandas frame; prints seconds and verdict as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Iterator

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

CARRIERS = ["9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]
ORIGINS = ["EWR", "JFK", "LGA"]
RANGES = {
    "flight": (1, 9_999),
    "distance": (1, 6_000),
    "air_time": (0, 1_500),
    "dep_delay": (-200, 3_000),
    "arr_delay": (-200, 3_000),
    "temp": (-60, 130),
    "seats": (1, 900),
    "day": (dt.date(2013, 1, 1), dt.date(2013, 12, 31)),
}


def expectations() -> Iterator[gxe.Expectation]:
    """Yield the expectations; one of a range stands for two rules."""
    for name in ("id", "carrier", "flight", "wind", "cancelled"):
        yield gxe.ExpectColumnValuesToNotBeNull(column=name)
    yield gxe.ExpectColumnValuesToNotBeNull(column="tail", mostly=0.99)
    yield gxe.ExpectColumnValuesToNotBeNull(column="air_time", mostly=0.95)
    yield gxe.ExpectColumnValuesToBeUnique(column="id")
    for name in ("id", "wind"):
        yield gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0)
    yield gxe.ExpectColumnValuesToBeInSet(column="carrier", value_set=CARRIERS)
    yield gxe.ExpectColumnValuesToBeInSet(column="origin", value_set=ORIGINS)
    yield gxe.ExpectColumnValuesToMatchRegex(column="dest", regex="^[A-Z]{3}$")
    yield gxe.ExpectColumnValuesToMatchRegex(column="tail", regex="^N[0-9]{4}$")
    for name, (low, high) in RANGES.items():
        yield gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high)


def main() -> None:
    """Validate the file."""
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="rules", expectations=list(expectations()))
    rules = len(suite.expectations) + len(RANGES)
    start = time.perf_counter()
    frame = pd.read_parquet(sys.argv[1])
    result = batch.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY")
    told = {"seconds": time.perf_counter() - start, "passed": bool(result.success), "rules": rules}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
