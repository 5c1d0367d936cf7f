"""Plans that stream in order are recognised, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.io.plugins import register_io_source

from dagrun.engine.frames.roworder import keeps_order
from dagrun.engine.tables import TABLE

Plan = Callable[[pl.LazyFrame], pl.LazyFrame]
X, S = pl.col("x"), pl.col("s")
KEEPING: list[Plan] = [
    lambda f: f,
    lambda f: f.filter(X % 3 > 0),
    lambda f: f.select("s", "x"),
    lambda f: f.drop("s"),
    lambda f: f.rename({"x": "y"}),
    lambda f: f.with_columns(y=X * 2 + 1, u=S.str.to_uppercase()),
    lambda f: f.select(X.alias("z"), pl.when(X > 5).then(X).otherwise(None).alias("w")),
    lambda f: f.with_columns(X.cast(pl.Float32).fill_null(0).round(1).alias("r")),
    lambda f: f.with_columns(pl.format("{}-{}", S, X).alias("t")).filter(S.is_in(["n1", "n2"])),
    lambda f: f.filter(X.is_between(10, 90_000) & S.is_not_null()).drop_nulls(),
    lambda f: from_python(f).with_columns(y=X + 1).select("y", "s"),
]
OTHERS: list[Plan] = [
    lambda f: f.join(f, on="x"),
    lambda f: f.join(f, on="x", how="left", maintain_order="left"),
    lambda f: f.unique(),
    lambda f: f.group_by("s").agg(X.sum()),
    lambda f: f.sort("s"),
    lambda f: f.with_columns(X.sum().over("s").alias("o")),
    lambda f: f.with_columns(X.shuffle().alias("o")),
    lambda f: f.select(S.unique()),
    lambda f: f.with_columns(X.mean().alias("o")),
    lambda f: f.with_columns(X.map_batches(lambda x: x, return_dtype=pl.Int64).alias("o")),
    lambda f: f.map_batches(lambda frame: frame),
    lambda f: f.select(S.str.join("")),
    lambda f: f.select(X.is_null().any()),
    lambda f: f.collect().lazy(),
    lambda f: pl.concat([f, f.collect().lazy()]),
]


def from_python(frame: pl.LazyFrame) -> pl.LazyFrame:
    def source(*_asked: object) -> Iterator[pl.DataFrame]:
        yield from frame.collect().iter_slices(700)

    return register_io_source(source, schema=frame.collect_schema())


@pytest.fixture
def rows(tmp_path: Path) -> pl.LazyFrame:
    path = tmp_path / "rows.parquet"
    numbers = pl.int_range(100_000, eager=True)
    frame = pl.DataFrame({"x": numbers, "s": "n" + (numbers % 7).cast(pl.String)})
    frame.write_parquet(path, row_group_size=3_000)
    return pl.scan_parquet(path)


@pytest.mark.parametrize("plan", KEEPING, ids=range(len(KEEPING)))
def test_row_by_row(rows: pl.LazyFrame, plan: Plan, tmp_path: Path) -> None:
    assert keeps_order(plan(rows))
    streamed = TABLE.dump(plan(rows), tmp_path / "lazy")
    at_once = TABLE.dump(plan(rows).collect(engine="in-memory"), tmp_path / "eager")
    assert streamed == at_once


@pytest.mark.parametrize("plan", OTHERS, ids=range(len(OTHERS)))
def test_anything_else(rows: pl.LazyFrame, plan: Plan) -> None:
    assert not keeps_order(plan(rows))


def test_text_files_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,s\n1,a\n2,b\n")
    assert keeps_order(pl.scan_csv(path).filter(X > 1))
