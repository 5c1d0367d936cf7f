"""What parity tests share: a schema with every dtype, frames of hard values, the proof of twins."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from dagrun.stages import features as f
from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.proof import bits as proof_bits
from dagrun.stages.proof import compare, strategies

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
RUNS = settings(
    max_examples=1_000 if SOAK else 15,
    deadline=None,
    derandomize=not SOAK,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NAN_BITS = proof_bits.FORMATS["float32"].null

COLUMNS = (
    f.Column(name="x", dtype="double"),
    f.Column(name="y", dtype="double"),
    f.Column(name="i", dtype="int64"),
    f.Column(name="j", dtype="int64"),
    f.Column(name="s", dtype="string"),
    f.Column(name="t", dtype="string"),
    f.Column(name="b", dtype="bool"),
    f.Column(name="at", dtype="timestamp", aware=True),
    f.Column(name="wall", dtype="timestamp"),
    f.Column(name="d", dtype="date"),
    f.Column(name="target", dtype="double"),
)
SCHEMA: dict[str, pl.DataType] = {column.name: column.frame_dtype for column in COLUMNS}
VALUES: dict[str, st.SearchStrategy[object]] = {
    **{column.name: strategies.values(column) for column in COLUMNS},
    "target": st.sampled_from([0.0, 1.0, None, 0.1]),
}
doubles, integers, strings, moments, days = (VALUES[name] for name in ("x", "i", "s", "at", "d"))


def make_frame(rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    return strategies.frame_of(COLUMNS, rows)


def frames(least: int = 0) -> st.SearchStrategy[pl.DataFrame]:
    return st.lists(st.tuples(*VALUES.values()), min_size=least, max_size=12).map(make_frame)


def bits(matrix: pl.DataFrame) -> np.ndarray:
    return proof_bits.batch_bits(matrix)


def row_bits(spec: f.FeatureSpec, frame: pl.DataFrame) -> np.ndarray:
    row = spec.row_function()
    return proof_bits.row_bits(map(row, spec.rows_of(frame)), len(spec.names))


def assert_twins(spec: f.FeatureSpec, frame: pl.DataFrame) -> None:
    compare(spec, frame, alone=len(frame) if SOAK else 4).require()


def fitted(features: f.FeatureSet, train: pl.DataFrame) -> f.FeatureSpec:
    try:
        return features.fit(train)
    except CannotFit:
        assume(False)
        raise
