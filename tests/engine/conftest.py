"""The project that most engine tests run: two tables, a split and a sum."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder

TABLES = """
    import polars as pl
    from dagrun import Context, Verdict, stage
    from helper import scale

    @stage
    def raw(rows: int = 10) -> pl.DataFrame:
        return pl.DataFrame({"x": range(rows)})

    @stage
    def scaled(raw: pl.DataFrame) -> pl.LazyFrame:
        return raw.lazy().with_columns(y=scale(pl.col("x")))

    @stage(outputs=("low", "high"))
    def split(scaled: pl.DataFrame, at: int = 5) -> tuple[pl.DataFrame, ...]:
        return scaled.filter(pl.col("x") < at), scaled.filter(pl.col("x") >= at)

    @stage
    def total(low: pl.LazyFrame, high: pl.LazyFrame) -> dict:
        return {"low": low.collect()["y"].sum(), "high": high.collect()["y"].sum()}
"""


@pytest.fixture
def tables(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", TABLES)
    project.write("helper.py", "FACTOR = 2\n\ndef scale(x):\n    return x * FACTOR\n")
    return project
