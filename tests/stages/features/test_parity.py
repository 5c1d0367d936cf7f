"""The twins agree, bit for bit: batch on N rows, batch on one row, row function, both engines."""

from __future__ import annotations

import array
import datetime as dt
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import NAN_BITS, RUNS, assert_twins, fitted, frames, make_frame

from dagrun.stages import features as f
from dagrun.stages.ops.clock import PARTS

OPS: dict[str, Callable[[], object]] = {
    "cast": lambda: f.cast("x", "i", "b"),
    "affine": lambda: f.affine("x", "i", factor=0.1, offset=-3.7),
    "affine_no_offset": lambda: f.affine("x", factor=-1.0),
    "impute_const": lambda: f.impute_const("x", "i", value=0.3),
    "impute_text": lambda: f.ordinal(f.impute_const("s", value="?")),
    "impute_mean": lambda: f.impute_stat("x", "i", stat="mean"),
    "impute_median": lambda: f.impute_stat("x", "i", stat="median"),
    "impute_mode": lambda: f.impute_stat("x", "i", stat="mode"),
    "impute_mode_text": lambda: f.frequency(f.impute_stat("s", stat="mode")),
    "missing_flag": lambda: f.missing_flag("x", "i", "s", "b", "at", "wall", "d"),
    "clip": lambda: f.clip("x", "i", low=-0.0, high=2.5),
    "clip_low": lambda: f.clip("x", low=0.0),
    "clip_iqr": lambda: f.clip_iqr("x", "i"),
    "standardize": lambda: f.standardize("x", "i", "b"),
    "minmax": lambda: f.minmax("x", "i"),
    "robust_scale": lambda: f.robust_scale("x", "i"),
    "log1p": lambda: f.log1p("x", "i"),
    "signed_log": lambda: f.signed_log("x", "i"),
    "bucket_fixed": lambda: f.bucket_fixed("x", "i", edges=[-1.0, 0.0, 0.5]),
    "bucket_one_edge": lambda: f.bucket_fixed("x", edges=[0.0]),
    "bucket_quantile": lambda: f.bucket_quantile("x", "i", buckets=4),
    "one_hot": lambda: f.one_hot("s", "i", "b", "d"),
    "one_hot_rare": lambda: f.one_hot("t", rare_below=0.2),
    "ordinal": lambda: f.ordinal("s", "i", "b", "d"),
    "frequency": lambda: f.frequency("s", "i", "b", "d"),
    "cross": lambda: f.ordinal(f.cross("s", "i", "t")),
    "date_parts_aware": lambda: f.date_parts(
        "at", parts=PARTS, tz="America/New_York", name="ny_{}_{part}"
    ),
    "date_parts_half_hour": lambda: f.date_parts("at", parts=PARTS, tz="Asia/Kolkata"),
    "date_parts_utc": lambda: f.date_parts("at", parts=("hour", "day"), tz="UTC", name="u{part}"),
    "date_parts_wall": lambda: f.date_parts("wall", parts=PARTS),
    "date_parts_date": lambda: f.date_parts("d", parts=("weekday", "month", "week", "year")),
    "cyclical": lambda: f.cyclical("x", "i", period=24),
    "time_since": lambda: f.time_since("at", dt.datetime(2013, 1, 1, tzinfo=dt.UTC)),
    "time_since_wall": lambda: f.time_since("wall", dt.datetime(2013, 1, 1), unit="hours"),
    "time_since_date": lambda: f.time_since("d", dt.datetime(2013, 1, 1), unit="hours"),
    "ratio": lambda: f.ratio("x", "y"),
    "ratio_integers": lambda: f.ratio("i", "j"),
    "sum": lambda: f.interact("x", "y", how="sum"),
    "difference": lambda: f.interact("x", "y", how="difference"),
    "product": lambda: f.interact("x", "i"),
    "group_agg": lambda: f.group_agg("target", by="s"),
    "group_agg_many": lambda: f.group_agg("target", by=("s", "i", "b"), how="max", default=-7.5),
    "target_mean": lambda: f.target_mean("target", by="t", prior=3),
    "target_mean_many": lambda: f.target_mean("target", by=("t", "d"), prior=0, folds=2),
}


@pytest.mark.parametrize("op", OPS)
@RUNS
@given(train=frames(least=3), frame=frames())
def test_each_op(op: str, train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(OPS[op]())
    assert_twins(fitted(features, train), pl.concat([train[:4], frame]))


unary = st.sampled_from(
    [
        f.standardize,
        f.minmax,
        f.robust_scale,
        f.log1p,
        f.signed_log,
        f.clip_iqr,
        f.impute_stat,
        lambda one: f.affine(one, factor=-0.1, offset=3.0),
        lambda one: f.impute_const(one, value=0.1),
        lambda one: f.bucket_quantile(one, buckets=3),
        lambda one: f.cyclical(one, period=7)[0],
        f.missing_flag,
    ]
)
numbers = st.recursive(
    st.sampled_from(
        [
            "x",
            "y",
            "i",
            "b",
            f.date_parts("at", parts=("hour",), tz="Europe/Lisbon"),
            f.date_parts("wall", parts=("day_of_year",)),
            f.ordinal("s"),
            f.target_mean("target", by=("s", "b")),
            f.group_agg("target", by="t", how="median"),
            f.time_since("at", dt.datetime(2000, 1, 1, tzinfo=dt.UTC)),
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda op, one: op(one), unary, inner),
        st.builds(f.ratio, inner, inner),
        st.builds(
            lambda a, b, how: f.interact(a, b, how=how),
            inner,
            inner,
            st.sampled_from(["sum", "difference", "product"]),
        ),
    ),
    max_leaves=6,
)


@RUNS
@given(
    made=st.lists(numbers, min_size=1, max_size=8),
    train=frames(least=3),
    frame=frames(),
)
def test_random_specs(made: list[object], train: pl.DataFrame, frame: pl.DataFrame) -> None:
    named = [f.affine(one, name=f"f{place}") for place, one in enumerate(made)]
    features = f.feature_set(*named)
    spec = fitted(features, train)
    assert_twins(spec, pl.concat([train[:4], frame]))
    again = f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    assert again == spec
    assert again.to_bytes() == spec.to_bytes()
    assert again.row_source() == spec.row_source()


def test_null_is_one_nan_in_the_row_twin() -> None:
    train = make_frame([(1.0, 2.0, 1, 2, "a", "b", True, 0, 0, 0, 1.0)] * 3)
    spec = f.feature_set(f.interact("x", "y", how="difference"), f.ratio("x", "y")).fit(train)
    rows = [[math.inf, math.inf], [None, 1.0], [-math.nan, 1.0]]
    for row in rows:
        found = np.array(array.array("f", spec.row_function()(row))).view(np.uint32)
        assert set(found.tolist()) == {NAN_BITS}
