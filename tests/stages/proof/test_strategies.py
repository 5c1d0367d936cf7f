"""Generated values and frames: admitted by their columns, hard, and the same every time."""

from __future__ import annotations

import math
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import COLUMNS, RUNS

from dagrun.stages.features import Column, bucket_fixed, feature_set, ordinal
from dagrun.stages.features.column import admit
from dagrun.stages.proof import random_frame
from dagrun.stages.proof.proving import known_values
from dagrun.stages.proof.strategies import chunkings, frames, values

WHOLE = [Column(name=one.name, dtype=one.dtype, nullable=False) for one in COLUMNS]


@RUNS
@given(frames(COLUMNS), frames(WHOLE, least=2, most=3))
def test_frames_are_admitted_by_their_columns(any_rows: pl.DataFrame, whole: pl.DataFrame) -> None:
    assert all(len(column) == len(any_rows) for column in admit(COLUMNS, any_rows))
    assert not any(column.null_count() for column in admit(WHOLE, whole))
    assert 2 <= len(whole) <= 3


@RUNS
@given(st.data())
def test_chunks_hold_the_same_rows(data: st.DataObject) -> None:
    frame = data.draw(frames(COLUMNS))
    assert data.draw(chunkings(frame)).equals(frame)


@pytest.mark.parametrize("dtype", ["double", "int64", "string", "bool", "timestamp", "date"])
def test_hard_values_come_up(dtype: str) -> None:
    seen: list[object] = []

    @RUNS
    @given(st.lists(values(Column(name="c", dtype=dtype), known=[1]), min_size=30))  # type: ignore[arg-type]
    def collect(drawn: list[object]) -> None:
        seen.extend(drawn)

    collect()
    wanted = {
        "double": [None, -0.0, math.inf, 5e-324],
        "int64": [None, 2**63 - 1, -(2**63)],
        "string": [None, "", "a\x00b", "東京"],
        "bool": [None, True, False],
        "timestamp": [None, 2**63 - 1],
        "date": [None, 2**31 - 1],
    }
    assert [value for value in (*wanted[dtype], 1) if value not in seen] == []


def test_random_frames_are_the_same_for_one_seed_and_hold_hard_values() -> None:
    frame = random_frame(COLUMNS, 5_000, seed=3)
    assert frame.equals(random_frame(COLUMNS, 5_000, seed=3))
    assert not frame.equals(random_frame(COLUMNS, 5_000, seed=4))
    for column in frame:
        assert 0.01 < column.null_count() / len(frame) < 0.5, column.name
    assert frame["x"].is_nan().any()
    assert {"", "a\x00b"} <= set(frame["s"])
    assert {2**63 - 1, -(2**63)} <= set(frame["i"])


def test_random_frames_respect_columns_that_are_never_null() -> None:
    frame = random_frame(WHOLE, 5_000)
    assert frame.null_count().sum_horizontal().item() == 0
    assert not frame["x"].is_nan().any()


def test_a_spec_knows_its_categories_and_thresholds() -> None:
    train = pl.DataFrame({"c": ["é", "b"], "x": [0.0, 1.0]})
    known = known_values(feature_set(ordinal("c"), bucket_fixed("x", edges=[0.1])).fit(train))
    assert {"é", "b"} <= set(known["c"])
    assert {0.1, math.nextafter(0.1, 1.0)} <= set(known["x"])


def test_without_hypothesis_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from dagrun.stages import proof\n"
        "assert proof.compare\n"
        "proof.prove"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert "ExtraMissing" in done.stderr
    assert "pip install 'dagrun[proof]'" in done.stderr
