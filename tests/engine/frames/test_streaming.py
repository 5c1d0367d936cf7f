"""Lazy tables are written batch by batch, in an order that depends on their rows alone."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from dagrun.engine.codec import Ordered
from dagrun.engine.frames import externalsort, streaming
from dagrun.engine.frames.externalsort import TotalOrder, sorted_batches
from dagrun.engine.frames.streaming import ROW_GROUP, PlanFailed, read_batches, write_lazy
from dagrun.engine.frames.tabledigest import UnsupportedColumn, digest_table
from dagrun.engine.tables import TABLE, sorted_by

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
SAME_FOLDER = settings(
    max_examples=1_000 if SOAK else 15,
    derandomize=not SOAK,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ROW = st.tuples(st.integers(0, 2), st.none() | st.sampled_from([1.0, 2.0]), st.text(max_size=1))
SCHEMA = {"x": pl.Int64, "y": pl.Float64, "s": pl.String}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few dozen rows be a table of many runs, each of many blocks."""
    monkeypatch.setattr(externalsort, "RUN_BYTES", 600)
    monkeypatch.setattr(externalsort, "BLOCK_BYTES", 60)
    monkeypatch.setattr(streaming, "ROW_GROUP", 7)


@SAME_FOLDER
@given(rows=st.lists(ROW, max_size=20), shuffled=st.randoms())
def test_an_order_depends_on_the_rows_alone(
    tmp_path: Path, rows: list[tuple[int, float | None, str]], shuffled: Any
) -> None:
    expected = sorted_by(pl.DataFrame(rows, schema=SCHEMA, orient="row"), ["s"])
    shuffled.shuffle(rows)
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    assert sorted_by(frame, ["s"]).equals(expected)
    dumped = TABLE.dump(expected, tmp_path / "eager")
    for table in (frame, frame.lazy()):
        assert TABLE.dump(Ordered(table=table, order_by=("s",)), tmp_path / "blob") == dumped
        assert TABLE.load(tmp_path / "blob", None).equals(expected)


@pytest.mark.usefixtures("tiny")
@SAME_FOLDER
@given(rows=st.lists(ROW, min_size=60, max_size=120))
def test_many_runs_are_merged(tmp_path: Path, rows: list[tuple[int, float | None, str]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    for order_by in (["x"], ["s", "y"]):
        expected = sorted_by(frame, order_by)
        identity = write_lazy(frame.lazy(), tmp_path / "lazy", order_by)
        assert identity == digest_table(expected)
        assert pl.read_parquet(tmp_path / "lazy").equals(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["lazy"]


@pytest.mark.usefixtures("tiny")
@SAME_FOLDER
@given(frame=dataframes(min_size=10, max_size=60, min_cols=1, max_cols=3), seed=st.integers(0, 9))
def test_every_dtype_is_sorted_as_polars_does(
    tmp_path: Path, frame: pl.DataFrame, seed: int
) -> None:
    order_by = frame.columns[:1]
    try:
        first = write_lazy(frame.lazy(), tmp_path / "lazy", order_by)
    except UnsupportedColumn:
        return
    assert first.rows == frame.height
    assert pl.read_parquet(tmp_path / "lazy").schema == frame.schema
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    again = write_lazy(shuffled.lazy(), tmp_path / "lazy", order_by)
    if not any(_has_two_zeros(frame[name]) for name in frame.columns):
        assert again == first


def _has_two_zeros(column: pl.Series) -> bool:
    # Rows that differ in nothing but the sign of a zero have no order.
    return "Float" in str(column.dtype)


@pytest.mark.usefixtures("tiny")
def test_equal_keys_do_no_harm(tmp_path: Path) -> None:
    rows = [(0, None, "same")] * 500 + [(0, 1.0, "a"), (0, None, "z")]
    random.Random(0).shuffle(rows)
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    identity = write_lazy(frame.lazy(), tmp_path / "lazy", ["x"])
    assert identity == digest_table(sorted_by(frame, ["x"]))


def test_what_is_in_order_already_is_not_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "ROW_GROUP", 1000)
    monkeypatch.delattr(streaming, "sorted_batches")
    frame = pl.DataFrame({"k": range(5000)}).with_columns(pl.col("k") // 2, v=pl.col("k") % 2)
    identity = write_lazy(frame.lazy(), tmp_path / "lazy", ["k"])
    assert identity == digest_table(frame)


@pytest.mark.parametrize(
    ("column", "ordered"),
    [
        ([1, 2, 3], True),
        ([1, 3, 2], False),
        ([None, 1, 2], True),
        ([1, None], False),
        ([1.0, float("nan")], True),
        ([float("nan"), 1.0], False),
        (["a", "a"], True),
        ([], True),
    ],
)
def test_order_is_told(column: list[Any], ordered: bool) -> None:
    frame = pl.DataFrame({"k": column})
    assert TotalOrder.of(frame.schema, ["k"]).holds(frame) is ordered


def test_ties_are_told_by_the_other_columns() -> None:
    frame = pl.DataFrame({"k": [1, 1], "v": [2, 1]})
    order = TotalOrder.of(frame.schema, ["k"])
    assert not order.holds(frame)
    assert order.holds(frame.reverse())


def test_nothing_comes_of_no_batches(tmp_path: Path) -> None:
    order = TotalOrder.of(pl.Schema({"k": pl.Int64}), ["k"])
    assert list(sorted_batches([], order, tmp_path)) == []


def test_a_join_streamed_in_any_order_is_repeatable(tmp_path: Path) -> None:
    left = pl.LazyFrame({"k": range(ROW_GROUP + 1000)}).with_columns(pl.col("k") % 1000)
    right = pl.LazyFrame({"k": range(0, 1000, 2), "name": [f"n{n}" for n in range(500)]})
    joined = left.with_row_index("row").join(right, on="k", how="left")
    digests = [write_lazy(joined, tmp_path / str(n), ["k"]).digest for n in range(3)]
    assert len(set(digests)) == 1
    sizes = [batch.height for batch in read_batches(tmp_path / "0")]
    assert sizes == [ROW_GROUP, 1000]


def test_a_lost_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanFailed, match="keep the files it scans"):
        write_lazy(pl.scan_parquet(tmp_path / "gone.parquet"), tmp_path / "blob", ["x"])
