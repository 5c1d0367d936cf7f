"""Frozen tables fitted anew: what changes, what stays, and what is refused."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.features.refresh import NothingToRefresh, refresh_spec, renewable_steps
from dagrun.stages.ops.errors import CannotFit, DtypeMismatch, UnknownColumn

FEATURES = f.feature_set(
    f.standardize("x"),
    f.frequency("s"),
    f.frequency(f.cross("s", "t"), name="pair"),
    f.group_agg("y", by=("s", "i"), how="median", default=-1),
    f.target_mean("target", by="t", prior=2, folds=2),
    f.ordinal("t"),
)


def old() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "x": [1.0, 2.0, 3.0],
            "s": ["a", "a", "b"],
            "t": ["u", "v", "v"],
            "i": [1, 1, 2],
            "y": [1.0, 3.0, 5.0],
            "target": [0, 1, 1],
        }
    )


def new() -> pl.DataFrame:
    return old().with_columns(s=pl.Series(["a", "c", "c"]), x=pl.Series([9.0, 9.0, 8.0]))


@RUNS
@given(frame=frames(least=2))
def test_the_rows_that_a_spec_was_fitted_on_give_the_same_spec_again(frame: pl.DataFrame) -> None:
    spec = fitted(FEATURES, frame)
    assert refresh_spec(spec, frame) == spec
    assert refresh_spec(spec, frame.lazy()).digest == spec.digest


@RUNS
@given(frame=frames(least=2), other=frames(least=2), seed=st.integers(0, 99))
def test_a_refreshed_spec_has_the_tables_of_a_fit_whatever_the_order_of_rows(
    frame: pl.DataFrame, other: pl.DataFrame, seed: int
) -> None:
    spec = fitted(FEATURES, frame)
    fresh = fitted(FEATURES, other)
    again = refresh_spec(spec, other.sample(fraction=1.0, shuffle=True, seed=seed))
    renewed = set(renewable_steps(spec))
    assert len(renewed) == 4
    for place, step in enumerate(again.steps):
        source = fresh if place in renewed else spec
        assert step == source.steps[place]
    assert again.outputs == spec.outputs
    assert_twins(again, frame)


def test_only_what_the_tables_need_is_asked_for() -> None:
    spec = FEATURES.fit(old())
    again = refresh_spec(spec, new().drop("x"))
    assert again.digest == refresh_spec(spec, new()).digest != spec.digest
    with pytest.raises(UnknownColumn, match="'target'"):
        refresh_spec(spec, new().drop("target"))
    with pytest.raises(UnknownColumn, match="'s'"):
        refresh_spec(spec, new().drop("s"))
    with pytest.raises(DtypeMismatch, match="a fit-only target"):
        refresh_spec(spec, new().with_columns(y=pl.lit("much")))
    with pytest.raises(CannotFit):
        refresh_spec(spec, new().with_columns(y=pl.lit(None, pl.Float64)))


def test_a_document_names_the_targets_and_one_without_is_read_but_not_refreshed() -> None:
    spec = FEATURES.fit(old())
    read = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert read == spec
    document = json.loads(spec.to_bytes())
    assert [step.get("targets") for step in document["steps"]][-3:] == [["y"], ["target"], None]
    for step in document["steps"]:
        step.pop("targets", None)
    earlier = f.FeatureSpec.from_bytes(json.dumps(document).encode(), spec.tables)
    assert earlier.transform(old()).equals(spec.transform(old()))
    assert json.loads(earlier.to_bytes()) == document
    with pytest.raises(NothingToRefresh, match="y_median_by_s_i"):
        refresh_spec(earlier, new())


def test_a_spec_without_tables_has_nothing_to_refresh() -> None:
    spec = f.feature_set(f.standardize("x"), f.one_hot("s"), f.ordinal("s")).fit(old())
    with pytest.raises(NothingToRefresh, match="no op of it has a table"):
        refresh_spec(spec, new())


def test_renewed_tables_say_up_to_when_they_know() -> None:
    days = pl.Series([dt.date(2013, 1, day) for day in (1, 2, 3)])
    timed = f.feature_set(f.target_mean("target", by="t"), f.standardize("x"), time="at")
    spec = timed.fit(old().with_columns(at=days))
    assert [step.as_of for step in spec.steps] == ["2013-01-03", "2013-01-03"]
    again = refresh_spec(spec, new().with_columns(at=days.dt.offset_by("1mo")))
    assert [step.as_of for step in again.steps] == ["2013-02-03", "2013-01-03"]
    assert refresh_spec(spec, old().with_columns(at=days)) == spec
    with pytest.raises(UnknownColumn, match="'at'"):
        refresh_spec(spec, new())


def test_the_moment_that_old_tables_were_held_to_does_not_hold_new_rows_back() -> None:
    days = pl.Series([dt.date(2013, 1, day) for day in (1, 2, 3)])
    held = f.feature_set(f.frequency("s"), time="at", as_of="2013-01-02")
    spec = held.fit(old().with_columns(at=days))
    again = refresh_spec(spec, old().with_columns(at=days))
    assert [step.as_of for step in (*spec.steps, *again.steps)] == ["2013-01-02", "2013-01-03"]
    assert again.time is not None
    assert again.time.as_of is None


def test_rows_from_before_a_feature_was_available_stay_out_of_its_table() -> None:
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=day) for day in range(8)]
    rows = pl.DataFrame({"at": days, "key": list("aabbaabb"), "y": [1.0, 1, 1, 1, 0, 0, 0, 0]})
    late = f.available_since("2020-01-05", f.target_mean("y", by="key", prior=0))
    spec = f.feature_set(late, time="at").fit(rows)
    assert spec.transform(rows).to_series().to_list() == [0.0] * 8
    assert refresh_spec(spec, rows) == spec
