"""What parity tests share: hard values, random frames, and the comparison of all twins by bits."""

from __future__ import annotations

import array
import math
import os
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from dagrun.stages import features as f
from dagrun.stages.ops.errors import CannotFit

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
