"""The twins agree, bit for bit: batch on N rows, batch on one row, row function, both engines."""

from __future__ import annotations

import array
import datetime as dt
import math
import os
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dagrun.stages import features as f
from dagrun.stages.features.errors import CannotFit

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
RUNS = settings(
    max_examples=1_000 if SOAK else 15,
    deadline=None,
    derandomize=not SOAK,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NAN_BITS = 0x7FC00000

doubles = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324, -5e-324]),
    st.sampled_from([1e-45, 1.17549435e-38, 3.4028235677973366e38, 1.7976931348623157e308]),
    st.floats(-1e4, 1e4),
    st.floats(),
)
integers = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**60 + 2**36 + 1, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
strings = st.one_of(
    st.none(), st.sampled_from(["", "a", "b", "é", "e\u0301", "東京", "😀", "a\x00b"]), st.text()
)
SPRING, AUTUMN = 1_362_898_800_000_000, 1_383_458_400_000_000  # New York's changes of 2013
moments = st.one_of(
    st.none(),
    st.builds(lambda at, by: at + by, st.sampled_from([SPRING, AUTUMN]), st.integers(-5, 5)),
    st.integers(-2_208_988_800_000_001, 4_102_444_800_000_001),
    st.sampled_from([2**63 - 1, -(2**63), -2_208_988_800_000_000, 4_102_444_799_999_999]),
)
days = st.one_of(st.none(), st.integers(-25_570, 47_490), st.sampled_from([2**31 - 1, -(2**31)]))

SCHEMA: dict[str, pl.DataType] = {
    "x": pl.Float64(),
    "y": pl.Float64(),
    "i": pl.Int64(),
    "j": pl.Int64(),
    "s": pl.String(),
    "t": pl.String(),
    "b": pl.Boolean(),
    "at": pl.Datetime("us", "UTC"),
    "wall": pl.Datetime("us"),
    "d": pl.Date(),
    "target": pl.Float64(),
}
VALUES: dict[str, st.SearchStrategy[object]] = {
    "x": doubles,
    "y": doubles,
    "i": integers,
    "j": integers,
    "s": strings,
    "t": strings,
    "b": st.sampled_from([None, True, False]),
    "at": moments,
    "wall": moments,
    "d": days,
    "target": st.sampled_from([0.0, 1.0, None, 0.1]),
}


def make_frame(rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    physical = {"at": pl.Int64(), "wall": pl.Int64(), "d": pl.Int32()}
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMA)
    return pl.DataFrame(
        [
            pl.Series(name, list(values), dtype=physical.get(name, dtype)).cast(dtype)
            for (name, dtype), values in zip(SCHEMA.items(), columns, strict=True)
        ]
    )


def frames(least: int = 0) -> st.SearchStrategy[pl.DataFrame]:
    return st.lists(st.tuples(*VALUES.values()), min_size=least, max_size=12).map(make_frame)


def bits(matrix: pl.DataFrame) -> np.ndarray:
    floats = matrix.cast(pl.Float32)
    assert not any(column.is_nan().any() for column in floats)
    return floats.fill_null(math.nan).to_numpy().astype(np.float32).view(np.uint32)


def row_bits(spec: f.FeatureSpec, frame: pl.DataFrame) -> np.ndarray:
    row = spec.row_function()
    made = [array.array("f", row(values)) for values in spec.rows_of(frame)]
    return np.array(made, dtype=np.float32).reshape(-1, len(spec.names)).view(np.uint32)


def assert_twins(spec: f.FeatureSpec, frame: pl.DataFrame) -> None:
    whole = bits(spec.transform(frame).select(spec.names))
    by_row = row_bits(spec, frame)
    differing = np.argwhere(whole != by_row)
    assert not len(differing), [
        (spec.names[c], spec.rows_of(frame)[r], hex(whole[r, c]), hex(by_row[r, c]))
        for r, c in differing
    ]
    for place in range(0, len(frame), 1 if SOAK else 4):
        alone = spec.transform(frame[place]).select(spec.names)
        assert np.array_equal(whole[place : place + 1], bits(alone))
    chunked = pl.concat([frame[:1], frame[1:3], frame[3:]], rechunk=False)
    assert np.array_equal(whole, bits(spec.transform(chunked).select(spec.names)))
    streamed = spec.plan(frame).collect(engine="streaming")
    assert np.array_equal(whole, bits(streamed))


def fitted(features: f.FeatureSet, train: pl.DataFrame) -> f.FeatureSpec:
    try:
        return features.fit(train)
    except CannotFit:
        assume(False)
        raise


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
        "at", parts=f.clock.PARTS, tz="America/New_York", name="ny_{}_{part}"
    ),
    "date_parts_half_hour": lambda: f.date_parts("at", parts=f.clock.PARTS, tz="Asia/Kolkata"),
    "date_parts_utc": lambda: f.date_parts("at", parts=("hour", "day"), tz="UTC", name="u{part}"),
    "date_parts_wall": lambda: f.date_parts("wall", parts=f.clock.PARTS),
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
