"""Differences of tables, against an oracle that goes through the rows one by one."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from dagrun.engine.explaining.tablediff import (
    AmbiguousKey,
    UnknownKey,
    compare_rows,
    describe_values,
)

SOAK = bool(os.environ.get("DAGRUN_SOAK"))

VALUES = st.none() | st.integers(0, 2)
ROWS = st.dictionaries(st.none() | st.integers(0, 6), st.tuples(VALUES, VALUES), max_size=6)
LISTS = st.lists(st.tuples(VALUES, VALUES), max_size=6)
TWO = {"a": pl.Int64, "b": pl.Int64}


def keyed(rows: dict[int | None, tuple[Any, Any]]) -> pl.LazyFrame:
    listed = [(key, *values) for key, values in rows.items()]
    return pl.LazyFrame(listed, {"k": pl.Int64, **TWO}, orient="row")


@settings(max_examples=2_000 if SOAK else 150)
@given(ROWS, ROWS)
def test_by_key(before: dict[Any, Any], after: dict[Any, Any]) -> None:
    found = compare_rows(keyed(before), keyed(after), ["k"], most=100)
    shared = before.keys() & after.keys()
    cells = {
        (key, "ab"[place], before[key][place], after[key][place])
        for key in shared
        for place in (0, 1)
        if before[key][place] != after[key][place]
    }
    assert {(c.row["k"], c.column, c.before, c.after) for c in found.sample} == cells
    assert found.changed == len({cell[0] for cell in cells})
    assert found.cells == Counter(cell[1] for cell in cells)
    assert (found.added, found.removed) == (len(after) - len(shared), len(before) - len(shared))
    assert {row["k"] for row in found.only["before"]} == before.keys() - shared
    assert {row["k"] for row in found.only["after"]} == after.keys() - shared


@settings(max_examples=2_000 if SOAK else 150)
@given(LISTS, LISTS)
def test_without_a_key(before: list[Any], after: list[Any]) -> None:
    frames = [pl.LazyFrame(rows, TWO, orient="row") for rows in (before, after)]
    found = compare_rows(frames[0], frames[1], [], most=100)
    if len(before) == len(after):
        assert found.matched == "place"
        changed = [place for place, row in enumerate(before) if row != after[place]]
        assert found.changed == len(changed)
        assert {cell.row["row"] for cell in found.sample} == set(changed)
    else:
        assert found.matched == "whole"
        gone, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
        assert (found.removed, found.added) == (gone.total(), new.total())
        assert Counter(tuple(row.values()) for row in found.only["before"]) == gone


def test_nan_is_nan_and_a_change_of_dtype_is_compared_as_text() -> None:
    nan = pl.LazyFrame({"k": [1, 2], "x": [float("nan"), 1.0]})
    assert compare_rows(nan, nan, ["k"]).changed == 0
    found = compare_rows(nan, nan.with_columns(pl.Series("x", ["nan", "1"])), ["k"])
    assert [(cell.before, cell.after) for cell in found.sample] == [("1.0", "1")]


def test_a_column_may_be_called_like_ours() -> None:
    before = pl.LazyFrame({"row": [1, 2], "nth": [1, 1], "before": [1, 1]})
    found = compare_rows(before, before.with_columns(nth=pl.Series([1, 2])), [])
    assert [(dict(cell.row), cell.column) for cell in found.sample] == [({"row_": 1}, "nth")]
    assert compare_rows(before, before.head(1), []).removed == 1


def test_a_key_that_cannot_match_rows_is_refused() -> None:
    frame = pl.LazyFrame({"k": [1, 1], "x": [1, 2]})
    with pytest.raises(UnknownKey, match="Did you mean 'k'"):
        compare_rows(frame, frame, ["kk"])
    with pytest.raises(AmbiguousKey, match=r"table before.*k = 1"):
        compare_rows(frame, frame.head(1), ["k"])


def test_values_of_every_kind() -> None:
    frame = pl.LazyFrame(
        {
            "number": [1, 2, None, 4],
            "float": [1.0, float("nan"), None, 4.0],
            "text": ["b", "a", None, "b"],
            "flag": [True, False, None, True],
            "day": [dt.date(2024, 1, day) for day in (1, 2, 3, 4)],
            "moment": [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in (1, 2, 3, 4)],
            "time": [dt.time(hour) for hour in (1, 2, 3, 4)],
            "span": [dt.timedelta(hours=hour) for hour in (1, 2, 3, 4)],
            "list": [[1], [2], None, []],
            "nothing": [None] * 4,
        },
        schema_overrides={"nothing": pl.Null},
    ).with_columns(
        decimal=pl.col("number").cast(pl.Decimal(10, 2)), kind=pl.col("text").cast(pl.Categorical)
    )
    names = frame.collect_schema().names()
    found = describe_values(frame, [*names, "gone"])
    assert list(found) == names
    number = found["number"]
    assert (number.nulls, number.distinct, number.least, number.greatest) == (1, 3, 1, 4)
    assert number.quantiles == (1, 2, 4)
    assert number.mean == pytest.approx(7 / 3)
    assert found["day"].quantiles[0] == dt.date(2024, 1, 1)
    assert (found["text"].least, found["text"].distinct) == ("a", 2)
    assert (found["list"].nulls, found["list"].distinct) == (1, None)
    assert found["flag"].mean == pytest.approx(2 / 3)
    assert describe_values(frame.head(0), ["number", "day"])["day"].least is None
