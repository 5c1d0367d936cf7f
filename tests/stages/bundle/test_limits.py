"""Limits of the contract in the bundle: kept as they are, compared as the batch compares them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_bundles import FEATURES, flights, redigested

from dagrun.stages.bundle import Bundle, BundleDamaged, Limits, LimitsInvalid, make_bundle
from dagrun.stages.bundle.limits import Limit
from dagrun.stages.features import Column
from dagrun.stages.features.column import admit
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract

INPUTS = [
    Column(name="price", dtype="double"),
    Column(name="seats", dtype="int64"),
    Column(name="carrier", dtype="string"),
    Column(name="booked", dtype="timestamp", aware=True),
    Column(name="day", dtype="date"),
]
CONTRACT = Contract.parse("""
[columns]
price = { dtype = "float", min = 0.5, max = 10 }
seats = { dtype = "integer", max = 600, allowed = [1, 2, 3] }
carrier = { dtype = "string", allowed = ["UA", ""] }
booked = { dtype = "timestamp", min = 2013-01-01T00:00:00-05:00 }
day = { dtype = "date", max = 2013-12-31 }
other = { dtype = "integer", min = 0 }
""")
START = 1357016400000000


def test_ranges_and_sets_of_inputs_are_taken_as_rows_have_them() -> None:
    limits = Limits.of(CONTRACT, INPUTS, "count")
    assert limits.columns == (
        Limit(column="price", least=0.5, greatest=10),
        Limit(column="seats", greatest=600, allowed=(1, 2, 3)),
        Limit(column="carrier", allowed=("", "UA")),
        Limit(column="booked", least=START),
        Limit(column="day", greatest=16070),
    )
    assert Limits.rebuild(json.loads(json.dumps(limits.describe()))) == limits


VALUES: list[st.SearchStrategy[Any]] = [
    st.none() | st.floats() | st.sampled_from([0.5, 10.0, math.nextafter(0.5, 0), -0.0]),
    st.none() | st.integers(-1, 5) | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.sampled_from(["UA", "", "ua", "B6"]),
    st.none() | st.integers(START - 1, START + 1),
    st.none() | st.integers(16069, 16071),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(*VALUES), min_size=1, max_size=6))
def test_compiled_single_and_whole_tables_agree(rows: list[tuple[Any, ...]]) -> None:
    limits = Limits.of(CONTRACT, INPUTS, "count")
    within = limits.within(INPUTS)
    places = {column.name: place for place, column in enumerate(INPUTS)}
    frame = pl.DataFrame(
        [
            pl.Series(
                column.name,
                values,
                {"timestamp": pl.Int64, "date": pl.Int32}.get(column.dtype, column.frame_dtype),
            ).cast(column.frame_dtype)
            for column, values in zip(INPUTS, map(list, zip(*rows, strict=True)), strict=True)
        ]
    )
    admitted = admit(INPUTS, frame)
    by_row = [
        [limit.outside(row[places[limit.column]]) for limit in limits.columns] for row in rows
    ]
    by_column = [limit.all_outside(admitted[places[limit.column]]) for limit in limits.columns]
    assert [within(row) for row in rows] == [not any(found) for found in by_row]
    assert [list(found) for found in zip(*by_column, strict=True)] == by_row
    any_outside = [limit.any_outside(admitted[places[limit.column]]) for limit in limits.columns]
    assert any_outside == [any(found) for found in zip(*by_row, strict=True)]


@pytest.mark.parametrize(
    ("column", "dtype", "said"),
    [
        ("price", '"float", min = 1.5', "string in the spec"),
        ("price", '"timestamp", min = 2013-01-01T00:00:00', "2013"),
        ("booked", '"timestamp", min = 2013-01-01T00:00:00', "instant"),
        ("day", '"integer", min = 3', "date"),
    ],
)
def test_a_limit_of_another_type_is_refused(column: str, dtype: str, said: str) -> None:
    inputs = [replace(one, dtype="string") if one.name == "price" else one for one in INPUTS]
    contract = Contract.parse(f"[columns]\n{column} = {{ dtype = {dtype} }}")
    with pytest.raises(LimitsInvalid, match=said):
        Limits.of(contract, inputs, "warn")


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(LimitsInvalid, match="warn, count, refuse"):
        Limits.of(CONTRACT, INPUTS, "refuze")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    raw = flights(400)
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=3, early_stopping=3)
    return {"name": "flights", "spec": spec, "booster": booster, "sample": raw}


def test_limits_travel_with_the_bundle_and_count_in_its_digest(parts: dict[str, Any]) -> None:
    contract = Contract.parse('[columns]\nwind = { dtype = "float", min = 0, max = 80.5 }')
    plain = make_bundle(None, **parts)
    made = make_bundle(None, **parts, contract=contract, live="refuse")
    read = Bundle.from_bytes(made.to_bytes())
    assert read.limits == made.limits == Limits.of(contract, parts["spec"].inputs, "refuse")
    assert (
        len({plain.digest, made.digest, make_bundle(None, **parts, contract=contract).digest}) == 3
    )
    assert plain.limits is None
    assert b'"live"' not in plain.to_bytes()
    assert Bundle.from_bytes(plain.to_bytes()).limits is None


def test_limits_of_a_column_that_the_spec_lacks_are_damage(parts: dict[str, Any]) -> None:
    contract = Contract.parse('[columns]\nwind = { dtype = "float", min = 0 }')
    made = make_bundle(None, **parts, contract=contract)
    for old, new in ((b'"column":"wind"', b'"column":"wild"'), (b'"live":"warn"', b'"live":"x"')):
        changed = redigested(made, "manifest.json", lambda data: data.replace(old, new))  # noqa: B023
        with pytest.raises(BundleDamaged):
            Bundle.from_bytes(changed)
