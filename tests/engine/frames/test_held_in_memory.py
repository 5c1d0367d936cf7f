"""A lazy table that was held in memory although it is large: the run says so."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder

from dagrun.engine import tables
from dagrun.engine.history.stagelogs import read_log


def test_a_large_lazy_result_that_was_held_in_memory_is_told(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage

        @stage
        def rows() -> pl.DataFrame:
            return pl.DataFrame({"x": range(1_000)})

        @stage
        def grouped(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.group_by("x").agg(pl.len())

        @stage(order_by="x")
        def ordered(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.group_by("x").agg(pl.len())

        @stage
        def streamed(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.filter(pl.col("x") > 10)
        """,
    )
    monkeypatch.setattr(tables, "LARGE", 4_000)
    run_id = project.run().run_id
    store = project.open().store
    said = {name: read_log(store, run_id, name) for name in ("grouped", "ordered", "streamed")}
    (line,) = said.pop("grouped")
    assert "held in memory" in line.text
    assert "order_by" in line.text
    assert set(said.values()) == {()}
