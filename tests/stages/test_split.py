"""Splitting by time: every row once, in order, and no part silently empty."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.split import SplitInvalid, split_by_time

DAYS = st.lists(st.dates(dt.date(2013, 1, 1), dt.date(2013, 12, 31)), max_size=30).map(
    lambda days: [dt.date(2013, 1, 1), dt.date(2013, 5, 1), dt.date(2013, 9, 1), *days]
)


@given(days=DAYS)
@settings(max_examples=50, deadline=None)
def test_every_row_is_in_one_part_and_keeps_its_place(days: list[dt.date]) -> None:
    rows = pl.DataFrame({"day": days}).with_row_index("place")
    parts = split_by_time(rows, "day", valid_from="2013-05-01", test_from="2013-09-01")
    bounds = [dt.date(2013, 1, 1), dt.date(2013, 5, 1), dt.date(2013, 9, 1), dt.date(2014, 1, 1)]
    for part, start, end in zip(parts, bounds, bounds[1:], strict=False):
        expected = rows.filter((pl.col("day") >= start) & (pl.col("day") < end))
        assert part.equals(expected)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_split_on_the_microsecond(unit: str) -> None:
    rows = pl.DataFrame(
        {
            "at": [
                dt.datetime(2013, 8, 31, 23, 59, 59),
                dt.datetime(2013, 9, 1),
                dt.datetime(2014, 1, 1),
            ]
        },
        schema={"at": pl.Datetime(unit)},
    ).lazy()
    parts = split_by_time(rows, "at", valid_from="2013-09-01", test_from="2013-09-01T00:00:01")
    assert [part.height for part in parts] == [1, 1, 1]


def test_a_time_is_read_in_the_column_s_zone() -> None:
    utc = [dt.datetime(2013, 9, 1, hour) for hour in (3, 4, 5)]  # New York is 4 hours behind
    rows = pl.DataFrame({"at": utc}).with_columns(
        pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    )
    parts = split_by_time(rows, "at", valid_from="2013-09-01", test_from="2013-09-01T05:00+00:00")
    assert [part["at"].dt.convert_time_zone("UTC").dt.hour().to_list() for part in parts] == [
        [3],
        [4],
        [5],
    ]


@pytest.mark.parametrize(
    ("column", "valid_from", "test_from", "problem"),
    [
        ("dya", "2013-02-01", "2013-03-01", "Did you mean 'day'"),
        ("text", "2013-02-01", "2013-03-01", "it is String"),
        ("holes", "2013-02-01", "2013-03-01", "1 of 3 rows have no time"),
        ("day", "2013-03-01", "2013-03-01", "must be later"),
        ("day", "soon", "2013-03-01", "'soon' is not an ISO 8601"),
        ("day", "2013-02-01+02:00", "2013-03-01", "is not an ISO 8601"),
        ("day", "2013-02-01T00:00+02:00", "2013-03-01", "has an offset"),
        ("day", "2012-01-01", "2013-03-01", "the train part is empty"),
        ("day", "2013-02-01", "2013-02-02", "the valid part is empty"),
        ("day", "2013-02-01", "2014-01-01", "the test part is empty.* 2013-01-01 to 2013-12-01"),
    ],
)
def test_what_cannot_be_split_is_refused(column, valid_from, test_from, problem) -> None:
    days = [dt.date(2013, 1, 1), dt.date(2013, 2, 15), dt.date(2013, 12, 1)]
    rows = pl.DataFrame({"day": days, "text": ["a"] * 3, "holes": [None, *days[1:]]})
    with pytest.raises(SplitInvalid, match=problem):
        split_by_time(rows, column, valid_from=valid_from, test_from=test_from)
