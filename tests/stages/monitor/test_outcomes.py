"""Outcomes join to the predictions before them, and to no others."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.joining import JoinInvalid
from dagrun.stages.monitor import join_outcomes

START = dt.datetime(2013, 7, 1, tzinfo=dt.UTC)
UTC = pl.Datetime("us", "UTC")


def at(minute: int | None) -> dt.datetime | None:
    return None if minute is None else START + dt.timedelta(minutes=minute)


def log(*rows: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"time": [at(minute) for minute, _ in rows], "raw_id": [key for _, key in rows]},
        schema={"time": UTC, "raw_id": pl.String},
    )


def outcomes(*rows: tuple[int | None, str | None, bool | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [key for _, key, _ in rows],
            "late": [label for *_, label in rows],
            "landed": [at(minute) for minute, *_ in rows],
        },
        schema={"id": pl.String, "late": pl.Boolean, "landed": UTC},
    )


def joined(served: pl.DataFrame, found: pl.DataFrame, **more: Any) -> list[bool | None]:
    options: dict[str, Any] = {"on": "id", "label": "late", "known_at": "landed", **more}
    return join_outcomes(served, found, **options)["late"].to_list()


def test_the_first_outcome_after_a_prediction_is_its_own() -> None:
    served = log((5, "a"), (0, "a"), (0, "b"), (0, None), (20, "a"))
    found = outcomes((0, "a", True), (6, "a", False), (9, "a", True), (-3, "b", True))
    assert joined(served, found) == [False, False, None, None, None]


def test_nothing_known_in_the_same_moment_or_after_the_limit_counts() -> None:
    served = log((0, "a"))
    assert joined(served, outcomes((0, "a", True))) == [None]
    late = outcomes((61, "a", True))
    assert joined(served, late, within="1h") == [None]
    assert joined(served, late, within="2h") == [True]
    assert joined(served, late, as_of=at(60)) == [None]
    assert joined(served, late, as_of=at(61)) == [True]


def test_the_key_that_callers_sent_and_zones_of_outcomes() -> None:
    served = log((0, "x")).with_columns(key=pl.lit("k"), margin=pl.lit(0.5))
    new_york = pl.col("landed").dt.convert_time_zone("America/New_York")
    found = outcomes((1, "k", True)).rename({"id": "key"}).with_columns(new_york)
    table = join_outcomes(served.lazy(), found, on="key", label="late", known_at="landed").collect()
    assert table.columns == ["time", "raw_id", "key", "margin", "late", "landed"]
    assert table.row(0, named=True)["landed"] == at(1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"on": "ib"}, "Did you mean 'id'"),
        ({"on": []}, "at least one"),
        ({"label": "later"}, "later"),
        ({"known_at": "late"}, "time zone"),
        ({"on": ["id", "late"]}, "no raw column 'late'"),
    ],
)
def test_what_cannot_be_joined_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(JoinInvalid, match=said):
        joined(log((0, "a")), outcomes((1, "a", True)), **change)


def test_outcomes_that_cannot_be_told_apart_are_refused() -> None:
    twins = outcomes((1, "a", True), (1, "a", False))
    with pytest.raises(JoinInvalid, match="id='a'"):
        joined(log((0, "a")), twins)
    assert joined(log((0, "a")), twins, as_of=at(0)) == [None]


KEYS = st.sampled_from(["a", "b", None])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), KEYS), max_size=8),
    st.lists(
        st.tuples(st.none() | st.integers(0, 9), KEYS, st.none() | st.booleans()),
        max_size=8,
        unique_by=lambda row: row[:2],
    ),
    st.integers(1, 9),
)
def test_it_does_what_a_search_by_hand_does(
    served: list[tuple[int, str | None]],
    found: list[tuple[int | None, str | None, bool | None]],
    limit: int,
) -> None:
    def search(minute: int, key: str | None) -> bool | None:
        after = [
            (known, label)
            for known, about, label in found
            if known is not None and label is not None and about is not None
            if about == key and minute < known <= minute + limit
        ]
        return min(after)[1] if after else None

    expected = [search(*row) for row in served]
    assert joined(log(*served), outcomes(*found), within=f"{limit}m") == expected
