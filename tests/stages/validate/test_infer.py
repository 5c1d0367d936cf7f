"""Drafted contracts: the data they were drafted from keeps them, whatever it is."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.validate import Contract, check_table, infer_contract

ROWS = pl.DataFrame(
    {
        "id": range(100, 300),
        "carrier": ["UA", "AA"] * 100,
        "code": [f"{n:05d}" for n in range(200)],
        "distance": [float(n) for n in range(-100, 100)],
        "gap": [None, *range(199)],
        "free text": ["some words " * (n % 7) for n in range(200)],
        "day": [dt.date(2024, 1, 1)] * 200,
        "at": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 200,
        "ok": [True] * 200,
        "parts": [[1]] * 200,
    }
)


def test_what_was_seen_is_drafted() -> None:
    contract = Contract.parse(infer_contract(ROWS))
    rules = {one.name: one for one in contract.columns}
    assert contract.min_rows == 100
    assert (rules["id"].dtype, rules["id"].unique, rules["id"].nullable) == ("integer", True, False)
    assert (rules["id"].min, rules["id"].max) == (0, 600)
    assert rules["carrier"].allowed == ("AA", "UA")
    assert rules["code"].pattern == "^[0-9]{5}$"
    assert (rules["distance"].min, rules["distance"].max) == (-300, 300)
    assert rules["gap"].max_null_share == 0.01
    assert rules["free text"].pattern is None
    assert [rules[name].dtype for name in ("day", "at", "ok", "parts")] == [
        *("date", "timestamp", "bool", None),
    ]


def test_the_draft_says_beside_each_rule_what_was_seen() -> None:
    text = infer_contract(ROWS.lazy(), title="Flights")
    assert text.startswith("# Flights\n[table]\nmin_rows = 100    # 200 seen\n\n[columns.id]\n")
    assert "max = 600    # 299 seen" in text
    assert '[columns."free text"]' in text


numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20)
values = st.one_of(
    st.lists(st.none() | numbers, max_size=40).map(lambda v: pl.Series(v, dtype=pl.Int64)),
    st.lists(st.none() | st.floats(), max_size=40).map(lambda v: pl.Series(v, dtype=pl.Float64)),
    st.lists(st.none() | st.floats(width=32), max_size=40).map(
        lambda v: pl.Series(v, dtype=pl.Float32)
    ),
    st.lists(st.none() | st.text(max_size=4), max_size=40).map(
        lambda v: pl.Series(v, dtype=pl.String)
    ),
    st.lists(st.none() | st.booleans(), max_size=40).map(lambda v: pl.Series(v, dtype=pl.Boolean)),
    st.lists(st.none() | st.dates(), max_size=40).map(lambda v: pl.Series(v, dtype=pl.Date)),
    st.lists(st.sampled_from(["AB", "CD", "Ä\n"]), min_size=25, max_size=40).map(pl.Series),
)


@pytest.mark.parametrize("name", ["a", 'q"uote', "ü.ö", ""])
@settings(max_examples=60, deadline=None)
@given(column=values)
def test_the_data_keeps_its_draft(name: str, column: pl.Series) -> None:
    frame = column.alias(name).to_frame()
    contract = Contract.parse(infer_contract(frame))
    assert check_table(frame, contract).findings.all == ()
