"""Hard rows: deterministic, admitted by the spec, and full of the traps they promise."""

from __future__ import annotations

import array
import math

import polars as pl

from dagrun.stages import features as f

SAMPLE = pl.DataFrame(
    {
        "x": [0.5, None, 2.0] * 100,
        "n": [1, 2, None] * 100,
        "s": ["a", "b", "é"] * 100,
        "at": pl.Series([10**15, None, 0] * 100).cast(pl.Datetime("us", "UTC")),
        "b": [True, None, False] * 100,
    }
)
SPEC = f.feature_set(
    f.standardize("x"),
    f.signed_log("n"),
    f.one_hot("s", "b"),
    f.date_parts("at", tz="America/New_York"),
).fit(SAMPLE)


def test_hard_rows_are_a_function_of_spec_and_sample() -> None:
    rows = f.hard_rows(SPEC, SAMPLE, 300)
    assert rows.equals(f.hard_rows(SPEC, SAMPLE.clone(), 300))
    assert rows.columns == [column.name for column in SPEC.inputs]
    assert len(rows) == 300


def test_hard_rows_hold_the_traps() -> None:
    rows = f.hard_rows(SPEC, SAMPLE, 300)
    assert all(column.null_count() for column in rows)
    assert rows["x"].is_nan().any()
    assert {math.inf, -math.inf, 5e-324, 0.0} <= set(rows["x"].drop_nans().to_list())
    assert {2**63 - 1, -(2**63)} <= set(rows["n"].to_list())
    assert {"", "東京", "never seen"} <= set(rows["s"].to_list())
    changes = next(step.op.changes for step in SPEC.steps if step.op.op == "clock")
    assert {change * 1_000_000 for change in changes} & set(rows["at"].cast(pl.Int64).to_list())


def test_both_twins_agree_on_them() -> None:
    rows = f.hard_rows(SPEC, SAMPLE)
    row = SPEC.row_function()
    matrix = SPEC.transform(rows).cast(pl.Float32).fill_null(math.nan)
    batch = [array.array("f", values).tobytes() for values in matrix.iter_rows()]
    assert batch == [array.array("f", row(values)).tobytes() for values in SPEC.rows_of(rows)]


def test_columns_that_allow_no_null_get_none() -> None:
    inputs = [f.Column(name="x", dtype="double", nullable=False)]
    train = SAMPLE.drop_nulls()
    spec = f.feature_set("x", inputs=inputs).fit(train)
    rows = f.hard_rows(spec, train, 60)
    assert rows["x"].null_count() == 0
    assert not rows["x"].is_nan().any()


def test_few_rows_keep_a_share_of_the_sample() -> None:
    rows = f.hard_rows(SPEC, SAMPLE, 10)
    assert len(rows) == 10
    assert rows["s"].is_in(["a", "b", "é"]).sum() >= 5
