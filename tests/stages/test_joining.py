"""Point-in-time joins against a loop that asks, for every row, each fact whether it was known."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS

from dagrun.stages.joining import Coverage, JoinInvalid, coverage, join_known

START = dt.datetime(2013, 8, 31, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

hours = st.none() | st.integers(0, 8)
stations = st.sampled_from(["JFK", "LGA", None])
row_lists = st.lists(st.tuples(stations, st.sampled_from([1, 2]), hours), max_size=25)
fact_lists = st.lists(
    st.tuples(stations, st.sampled_from([1, 2]), hours, hours),
    max_size=25,
    unique_by=lambda fact: fact[:4],
)


def moments(hours: list[int | None]) -> pl.Series:
    values = [None if hour is None else START + hour * HOUR for hour in hours]
    return pl.Series(values, dtype=pl.Datetime("us", "UTC"))


def rows_of(made: list[tuple[str | None, int, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "origin": pl.Series([row[0] for row in made], dtype=pl.String),
            "gate": pl.Series([row[1] for row in made], dtype=pl.Int64),
            "leaves": moments([row[2] for row in made]).dt.convert_time_zone("America/New_York"),
            "place": pl.Series(range(len(made)), dtype=pl.Int64),
        }
    )


def facts_of(made: list[tuple[str | None, int, int | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "origin": pl.Series([fact[0] for fact in made], dtype=pl.String),
            "gate": pl.Series([fact[1] for fact in made], dtype=pl.Int64),
            "about": moments([fact[2] for fact in made]),
            "reported": moments([fact[3] for fact in made]),
            "fact": pl.Series(range(len(made)), dtype=pl.Int64),
        }
    )


def naive(
    rows: list[tuple[str | None, int, int | None]],
    facts: list[tuple[str | None, int, int | None, int | None]],
    within: int | None,
) -> list[int | None]:
    found: list[int | None] = []
    for origin, gate, leaves in rows:
        newest: tuple[int, int, int] | None = None
        for number, (station, of_gate, about, reported) in enumerate(facts):
            if None in (origin, leaves, about, reported) or (station, of_gate) != (origin, gate):
                continue
            if reported <= leaves and about <= leaves:
                newest = max(newest or (-1, -1, -1), (about, reported, number))
        if newest is not None and within is not None and leaves - newest[0] > within:
            newest = None
        found.append(None if newest is None else newest[2])
    return found


@RUNS
@given(rows=row_lists, facts=fact_lists, within=st.none() | st.integers(0, 3))
def test_each_row_gets_the_newest_fact_known(
    rows: list[tuple[str | None, int, int | None]],
    facts: list[tuple[str | None, int, int | None, int | None]],
    within: int | None,
) -> None:
    table = rows_of(rows)
    limit = None if within is None else f"{within}h"
    asked = {
        "on": ("origin", "gate"),
        "at": "leaves",
        "known_at": "reported",
        "dated": "about",
        "within": limit,
    }
    joined = join_known(table, facts_of(facts), **asked)
    assert joined.columns == [*table.columns, "about", "reported", "fact"]
    assert joined.select(table.columns).equals(table)
    assert joined["fact"].to_list() == naive(rows, facts, within)
    backwards = join_known(table, facts_of(facts)[::-1].lazy(), **asked)
    by_date = facts_of(facts)["reported"].to_list()
    assert backwards["reported"].to_list() == [
        None if fact is None else by_date[fact] for fact in joined["fact"].to_list()
    ]
    for engine in ("in-memory", "streaming"):
        lazily = join_known(table.lazy(), facts_of(facts), **asked).collect(engine=engine)
        assert lazily.equals(joined)


@RUNS
@given(rows=row_lists, facts=fact_lists)
def test_without_a_date_the_newest_is_what_became_known_last(
    rows: list[tuple[str | None, int, int | None]],
    facts: list[tuple[str | None, int, int | None, int | None]],
) -> None:
    once = list({(o, g, known): (o, g, known, known) for o, g, _, known in facts}.values())
    joined = join_known(
        rows_of(rows),
        facts_of(once).drop("about"),
        on=["origin", "gate"],
        at="leaves",
        known_at="reported",
    )
    assert joined["fact"].to_list() == naive(rows, once, None)


def test_a_correction_counts_from_when_it_is_known() -> None:
    facts = facts_of([("JFK", 1, 1, 2), ("JFK", 1, 1, 5), ("JFK", 1, 3, 4)])
    rows = rows_of([("JFK", 1, hour) for hour in range(7)])
    joined = join_known(
        rows, facts[:2], on=("origin", "gate"), at="leaves", known_at="reported", dated="about"
    )
    assert joined["fact"].to_list() == [None, None, 0, 0, 0, 1, 1]
    late = join_known(
        rows, facts, on=("origin", "gate"), at="leaves", known_at="reported", dated="about"
    )
    assert late["fact"].to_list() == [None, None, 0, 0, 2, 2, 2]
    found = coverage(late, at="leaves", known_at="reported")
    assert found == Coverage(rows=7, without=2, median_age=HOUR, oldest_age=2 * HOUR)
    assert str(found).startswith("2 of 7 rows have no fact (28.57%); known 1:00:00 before")


def test_many_rows_stream_in_their_order() -> None:
    count = 300_000
    rows = pl.DataFrame({"at": pl.Series([i * 7919 % 1000 for i in range(count)])}).select(
        pl.col("at").cast(pl.Datetime("us")), origin=pl.lit("JFK"), place=pl.int_range(pl.len())
    )
    facts = pl.DataFrame(
        {"origin": ["JFK"] * 100, "known": pl.Series(range(0, 1000, 10)).cast(pl.Datetime("us"))}
    )
    lazily = join_known(rows.lazy(), facts, on="origin", at="at", known_at="known")
    joined = lazily.collect(engine="streaming")
    assert joined.drop("known").equals(rows)
    assert (joined["known"].dt.epoch("us") == rows["at"].dt.epoch("us") // 10 * 10).all()


ROWS, FACTS = rows_of([("JFK", 1, 1)]), facts_of([("JFK", 1, 0, 0)])


@pytest.mark.parametrize(
    ("rows", "facts", "message"),
    [
        (ROWS, pl.concat([FACTS, FACTS]), r"2 facts have a twin .* such as origin=JFK, gate=1"),
        (ROWS.rename({"leaves": "leave"}), FACTS, r"no column 'leaves'. Did you mean 'leave'"),
        (ROWS, FACTS.drop("reported"), "the facts have no column 'reported'"),
        (ROWS, FACTS.with_columns(place=1), "both frames have place"),
        (ROWS, FACTS.with_columns(pl.col("gate").cast(pl.Int32)), "'gate' is Int64 in the rows"),
        (ROWS, FACTS.with_columns(pl.col("reported").dt.replace_time_zone(None)), "time zone"),
        (ROWS, FACTS.with_columns(pl.col("reported").cast(pl.Int64)), "cast it to a Date"),
        (ROWS.with_columns(pl.col("leaves").dt.cast_time_unit("ns")), FACTS, "in us or ms"),
    ],
)
def test_what_is_refused(rows: pl.DataFrame, facts: pl.DataFrame, message: str) -> None:
    with pytest.raises(JoinInvalid, match=message):
        join_known(rows, facts, on=("origin", "gate"), at="leaves", known_at="reported")


def test_keys_are_asked_for_and_a_key_may_be_named_twice() -> None:
    rows, facts = rows_of([("a", 0, 5)]), facts_of([("a", 0, 1, 1)])
    keys = [name for name in rows.columns if name in facts.columns]
    with pytest.raises(JoinInvalid, match="at least one key"):
        join_known(rows, facts, on=[], at="leaves", known_at="reported")
    once, twice = (
        join_known(rows, facts, on=on, at="leaves", known_at="reported") for on in (keys, keys * 2)
    )
    assert once.equals(twice)
    with pytest.raises(JoinInvalid, match="'nowhere' is no time column"):
        coverage(once, at="leaves", known_at="nowhere")
