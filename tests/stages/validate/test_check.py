"""Holding tables against contracts: all violations at once, nothing wrong passes, order kept."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.validate import Contract, ContractViolation, validate


def violations(frame: pl.DataFrame, text: str) -> dict[tuple[str, str], tuple[int, tuple]]:
    """Return `{(column, rule): (count, examples)}` of all violations."""
    try:
        validate(frame, Contract.parse(text), table="t")
    except ContractViolation as error:
        return {(v.column, v.rule): (v.count, v.examples) for v in error.violations}
    return {}


STRICT = """
[table]
min_rows = 10
max_rows = 3
extra_columns = "deny"
unique = [["carrier", "flight"]]
[columns.carrier]
dtype = "string"
nullable = false
pattern = "^[A-Z]{2}$"
allowed = ["UA", "AA"]
[columns.distance]
dtype = "float"
min = 0
max = 5000
max_null_share = 0.3
[columns.seats]
dtype = "integer"
min = 3
[columns.tail]
unique = true
[columns.flight]
dtype = "int64"
[columns.airport]
"""


def test_everything_wrong_is_reported_at_once() -> None:
    frame = pl.DataFrame(
        {
            "carrier": ["UA", None, "ua", "ZZ", "UA"],
            "distance": [1.0, -5.0, float("nan"), 9e9, None],
            "seats": ["1", "2", "3", "4", "5"],
            "tail": ["a", "b", None, None, "a"],
            "flight": [1, 1, 2, 3, 1],
            "stray": [0] * 5,
        }
    )
    with pytest.raises(ContractViolation) as caught:
        validate(frame, Contract.parse(STRICT), table="flights")
    found = {(v.column, v.rule): (v.count, v.examples) for v in caught.value.violations}
    assert found == {
        ("", "min_rows"): (0, ()),
        ("", "max_rows"): (0, ()),
        ("", "extra_columns"): (1, ()),
        ("airport", "required"): (0, ()),
        ("seats", "dtype"): (5, ()),
        ("carrier", "nullable"): (1, ((1, None),)),
        ("carrier", "pattern"): (1, ((2, "ua"),)),
        ("carrier", "allowed"): (2, ((2, "ua"), (3, "ZZ"))),
        ("distance", "min"): (1, ((1, -5.0),)),
        ("distance", "max"): (1, ((3, 9e9),)),
        ("distance", "max_null_share"): (2, found["distance", "max_null_share"][1]),
        ("tail", "unique"): (2, ((0, "a"), (4, "a"))),
        ("carrier, flight", "unique"): (
            2,
            ((0, {"carrier": "UA", "flight": 1}), (4, {"carrier": "UA", "flight": 1})),
        ),
    }
    message = str(caught.value)
    assert "table 'flights' breaks 13 rules of its contract" in message
    assert "column carrier: allowed: expected one of 'UA', 'AA', found 2 of 5 rows" in message
    assert "(such as 'ua' in row 2, 'ZZ' in row 3)" in message
    assert "column seats: dtype: expected integer, found String" in message


def test_what_is_right_comes_back_as_it_is() -> None:
    frame = pl.DataFrame({"b": [3, 1, 2], "a": ["x", "y", None]})
    contract = Contract.parse("[columns.a]\ndtype='string'\n[columns.b]\ndtype='integer'\nmin=1")
    assert validate(frame.lazy(), contract).equals(frame)
    assert validate(frame, Contract()).equals(frame)


def test_a_column_that_may_be_absent_is_held_to_its_rules_when_it_is_there() -> None:
    text = "[columns.a]\nrequired = false\ndtype = 'integer'\nmax = 1"
    assert violations(pl.DataFrame({"b": [1]}), text) == {}
    assert violations(pl.DataFrame({"a": [2]}), text) == {("a", "max"): (1, ((0, 2),))}


@pytest.mark.parametrize(("nulls", "passes"), [(0, True), (2, True), (3, False)])
def test_a_share_of_nulls_is_allowed_up_to_and_including_its_bound(nulls, passes) -> None:
    frame = pl.DataFrame({"a": [None] * nulls + [1] * (10 - nulls)}, schema={"a": pl.Int64})
    assert (violations(frame, "[columns.a]\nmax_null_share = 0.2") == {}) is passes


def test_an_empty_table_breaks_no_row_rule() -> None:
    frame = pl.DataFrame(schema={"a": pl.Float32})
    assert violations(frame, "[columns.a]\ndtype='float'\nmin=0\nnullable=false\nunique=true") == {}


def test_sums_must_add_up_within_the_tolerance() -> None:
    frame = pl.DataFrame({"t": [3, 5, None], "x": [1, 1, 1], "y": [2, 2, 2]})
    text = "[[sums]]\ntotal='t'\nparts=['x','y']\n[columns.t]\n[columns.x]\n[columns.y]\n"
    assert violations(frame, text) == {("t", "sums"): (1, ((1, {"t": 5, "x": 1, "y": 2}),))}
    assert violations(frame, text.replace("\n[columns.t]", "\ntolerance=2\n[columns.t]")) == {}


def test_unsigned_columns_do_not_wrap_in_sums_and_bounds() -> None:
    frame = pl.DataFrame({"t": [1], "x": [2]}, schema={"t": pl.UInt8, "x": pl.UInt8})
    sums = "[[sums]]\ntotal='t'\nparts=['x']\ntolerance=1\n"
    columns = "[columns.t]\ndtype='integer'\nmin=-1\n[columns.x]"
    assert violations(frame, sums + columns) == {}


def test_times_with_and_without_a_zone_are_told_apart() -> None:
    frame = pl.DataFrame({"at": [dt.datetime(2013, 1, 1)]})
    aware = frame.with_columns(pl.col("at").dt.replace_time_zone("America/New_York"))
    naive_text = "[columns.at]\ndtype='timestamp'\nmin=2013-01-01T00:00:00"
    aware_text = naive_text + "Z"
    assert violations(frame, naive_text) == {}
    assert violations(aware, aware_text) == {}
    assert violations(frame, aware_text) == {("at", "dtype"): (1, ())}
    assert violations(aware, naive_text) == {("at", "dtype"): (1, ())}
    late = aware_text.replace("2013-01-01T00:00:00Z", "2013-01-01T05:00:01Z")
    assert [*violations(aware, late)] == [("at", "min")]


@given(
    values=st.lists(st.none() | st.integers(-5, 5), max_size=30),
    low=st.integers(-5, 5),
    nullable=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_rules_count_what_a_loop_counts(values, low, nullable) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Int64})
    text = f"[columns.a]\ndtype='integer'\nmin={low}\nnullable={str(nullable).lower()}\nunique=true"
    present = [value for value in values if value is not None]
    expected = {
        ("a", "nullable"): 0 if nullable else values.count(None),
        ("a", "min"): sum(value < low for value in present),
        ("a", "unique"): sum(present.count(value) > 1 for value in present),
    }
    found = {place: count for place, (count, _) in violations(frame, text).items()}
    assert found == {place: count for place, count in expected.items() if count}
