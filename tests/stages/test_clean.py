"""Deduplication: which row stays, and that neither threads nor the engine have a say in it."""

from __future__ import annotations

import logging
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.clean import CleaningInvalid, Duplicates, dedupe, duplicates

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, 1, 2, 3]),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([None, math.nan, 0.0, -0.0, 1.0, math.inf]),
        st.sampled_from([None, True, False]),
    ),
    max_size=25,
)
SCHEMA = {"id": pl.Int64, "kind": pl.String, "score": pl.Float64, "on": pl.Boolean}
KEEPS = ["first", "last", "none", "max:score", "min:score", "max:kind", "min:on"]


def table(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def by_hand(rows: list[tuple[object, ...]], keep: str) -> list[tuple[object, ...]]:
    """Say in plain Python which rows stay."""
    groups: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row[:2], []).append(place)
    how, _, column = keep.partition(":")
    kept = []
    for places in groups.values():
        if how in ("first", "last"):
            kept.append(places[0 if how == "first" else -1])
        elif how == "none":
            kept += places if len(places) == 1 else []
        else:
            kept.append(min(places, key=lambda place: rank(rows[place], how, column)))
    return [rows[place] for place in sorted(kept)]


def rank(row: tuple[object, ...], how: str, column: str) -> tuple[object, ...]:
    ranked = list(SCHEMA).index(column)
    value = row[ranked]
    missing = value is None or value != value
    sign = -1 if how == "max" else 1
    number = 0.0 if missing else float(ord(value) if isinstance(value, str) else value) * sign
    others = [one for place, one in enumerate(row) if place != ranked]
    return missing, number, *((one is not None, one != one, one or 0) for one in others)


@pytest.mark.parametrize("keep", KEEPS)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_stays_is_what_is_said(keep: str, rows: list[tuple[object, ...]]) -> None:
    frame = table(rows)
    expected = table(by_hand(rows, keep))
    made = dedupe(frame, by=("id", "kind"), keep=keep)
    ranked = keep.partition(":")[2]
    if ranked == "score":  # a null and a NaN tie, and so may be either
        made, expected = (
            one.with_columns(pl.col("score").fill_nan(None)) for one in (made, expected)
        )
    assert made.equals(expected)


@pytest.mark.parametrize("keep", KEEPS)
@settings(max_examples=20, deadline=None)
@given(rows=ROWS)
def test_engines_agree(keep: str, rows: list[tuple[object, ...]]) -> None:
    frame = table(rows)
    lazy = dedupe(pl.concat([frame[:3].lazy(), frame[3:].lazy()]), by=["id", "kind"], keep=keep)
    assert isinstance(lazy, pl.LazyFrame)
    made = dedupe(frame, by=("id", "kind"), keep=keep)
    for engine in ("streaming", "in-memory"):
        assert lazy.collect(engine=engine).equals(made)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_largest_does_not_depend_on_the_order_of_rows(rows, data) -> None:
    shuffled = data.draw(st.permutations(rows))
    kept = [dedupe(table(one), by="id", keep="max:score") for one in (rows, shuffled)]
    first, second = (
        one.with_columns(pl.col("score").fill_nan(None) + 0.0).sort("id") for one in kept
    )
    assert first.equals(second)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_goes_is_counted(rows: list[tuple[object, ...]]) -> None:
    frame = table(rows)
    found = duplicates(frame.lazy(), by=["id", "kind"])
    assert found == duplicates(frame, by=["id", "kind"])
    assert found.rows == len(frame)
    assert found.keys == len(dedupe(frame, by=["id", "kind"]))
    assert found.copies == len(frame) - len(dedupe(frame))
    single = len(dedupe(frame, by=["id", "kind"], keep="none"))
    assert found.repeated == found.keys - single


def test_a_report_reads_well() -> None:
    rows = pl.DataFrame({"rows": [1, 1, 1, 2, 2, 3], "v": ["a", "a", "b", "c", "c", None]})
    report = duplicates(rows, by="rows")
    expected = Duplicates(by=("rows",), rows=6, keys=3, repeated=2, copies=2, disagreeing=1)
    assert report == expected
    assert str(report) == (
        "3 of 6 rows repeat another by rows: 2 are exact copies; "
        "1 of 2 repeated keys have rows that disagree"
    )


def test_the_log_says_how_many_rows_went(caplog: pytest.LogCaptureFixture) -> None:
    rows = pl.DataFrame({"id": [1, 1, 2], "at": [5, 7, 6]})
    with caplog.at_level(logging.INFO, logger="dagrun.stage"):
        kept = dedupe(rows, by="id", keep="max:at")
    assert kept.rows() == [(1, 7), (2, 6)]
    assert caplog.messages == ["dedupe by id: 1 of 3 rows went, 2 stay"]


@pytest.mark.parametrize(
    ("by", "keep", "message"),
    [
        ("idd", "first", "no column 'idd'. Did you mean 'id'"),
        ([], "first", "at least one column"),
        ("id", "newest", r"first, last, none, max:COLUMN or min:COLUMN, not 'newest'"),
        ("id", "first:at", "not 'first:at'"),
        ("id", "max:att", "no column 'att'. Did you mean 'at'"),
        ("id", "max", "no column ''"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(by, keep, message) -> None:
    rows = pl.LazyFrame({"id": [1], "at": [5]})
    with pytest.raises(CleaningInvalid, match=message):
        dedupe(rows, by=by, keep=keep)


def test_a_key_named_twice_is_one_key_and_names_in_use_are_told() -> None:
    frame = pl.DataFrame({"a": [1, 1], "b": [1, 2]})
    assert duplicates(frame, by=["a", "a"]) == duplicates(frame, by="a")
    for name in ("__place__", "__rows__"):
        with pytest.raises(CleaningInvalid, match=f"'{name}' is a name that cleaning needs"):
            duplicates(frame.rename({"b": name}), by="a")
    with pytest.raises(CleaningInvalid, match="keep is first"):
        dedupe(frame, keep=3)  # type: ignore[arg-type]
